//! The same evaluations by Bellwether and by its peers, in one process: see `benches/README.md`.

mod engine;
mod eppo;
mod floor;
mod launchdarkly;
mod ours;
mod report;
#[path = "../../rounds.rs"]
mod rounds;
mod unleash;
mod workload;

use std::process::ExitCode;

use engine::Engine;
use report::Report;
use rounds::Plan;
use workload::Row;

fn main() -> ExitCode {
    let (mut plan, mut json) = (Plan::FULL, false);
    for argument in std::env::args().skip(1) {
        match argument.as_str() {
            "--quick" => plan = Plan::QUICK,
            "--json" => json = true,
            other => {
                eprintln!("unknown argument {other}; there are --quick and --json");
                return ExitCode::from(2);
            }
        }
    }
    let (ours, floor) = (ours::Ours::new(), floor::Floor::new());
    let (launchdarkly, unleash, eppo) = (launchdarkly::LaunchDarkly::new(), unleash::Unleash::new(), eppo::Eppo::new());
    // Ours first, then the peers, the bare loop last: the report counts on it.
    let engines: [&dyn Engine; 5] = [&ours, &launchdarkly, &unleash, &eppo, &floor];
    for engine in engines {
        engine::check(engine);
    }
    let rows = Row::ALL.map(|row| {
        let mut contestants = engines.map(|engine| engine.contestant(row));
        (row, rounds::measure(&mut contestants, plan))
    });
    let report = Report::of(engines.map(Engine::name).to_vec(), rows.to_vec());
    if json {
        println!("{}", report.json())
    } else {
        println!("{report}")
    }
    ExitCode::SUCCESS
}
