//! Requests per second of OFREP, by the real program with everything on, against a bare actix-web handler that answers
//! a constant of the same size: see `benches/README.md`.
//!
//! Each server is a process of its own with one worker; this process drives them in turns over connections that stay
//! open, each with one request under way.

mod bare;
mod case;
mod client;
#[expect(dead_code, reason = "another benchmark starts it again")]
mod place;
mod report;
#[path = "../rounds.rs"]
#[expect(dead_code, reason = "its contestants are functions, not servers")]
mod rounds;

use std::io::Write as _;
use std::time::Duration;

use anyhow::{Context as _, bail};

use client::Load;
use place::Place;
use report::{Report, Series};

/// How much is measured.
struct Plan {
    rounds: usize,
    turn: Duration,
    connections: usize,
}

fn main() -> anyhow::Result<()> {
    let mut plan = Plan { rounds: 15, turn: Duration::from_millis(400), connections: 32 };
    let mut json = false;
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--quick" => plan = Plan { rounds: 1, turn: Duration::from_millis(50), connections: 4 },
            "--json" => json = true,
            // What cargo itself gives.
            "--bench" => {}
            bare::ARGUMENT => return bare::serve(&arguments.collect::<Vec<_>>()),
            other => bail!("unknown argument {other}; there are --quick and --json"),
        }
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let report = runtime.block_on(measure(&plan))?;
    let mut out = std::io::stdout().lock();
    if json {
        writeln!(out, "{}", report.json())?
    } else {
        writeln!(out, "{report}")?
    }
    Ok(())
}

async fn measure(plan: &Plan) -> anyhow::Result<Report> {
    let place = Place::start(case::FLAGS).await.context("the program did not start")?;
    let mut report = Report::default();
    for case in case::cases(&place.key) {
        let answer = client::exchange(place.address(), &case.request).await?;
        if answer.status != 200 {
            bail!("{} answers {}: {}", case.title, answer.status, String::from_utf8_lossy(&answer.body));
        }
        (case.check)(&serde_json::from_slice(&answer.body)?).with_context(|| case.title)?;
        let bare = bare::Bare::start(&case.request.path, answer.body.len())?;
        let sides = [(bare.address(), bare.id()), (place.address(), place.id())];
        let mut series = [Series::default(), Series::default()];
        let mut loads = Vec::new();
        for (address, _) in sides {
            let mut load = Load::connect(address, &case.request, plan.connections).await?;
            load.run(plan.turn / 4).await.with_context(|| format!("{address}"))?;
            loads.push(load);
        }
        for _ in 0..plan.rounds {
            for ((load, series), (_, process)) in loads.iter_mut().zip(&mut series).zip(sides) {
                let before = cpu(process)?;
                let (requests, took) = load.run(plan.turn).await.with_context(|| format!("process {process}"))?;
                series.add(requests, took, cpu(process)? - before);
            }
        }
        let [bare, ours] = series;
        report.add(case.title, answer.body.len(), case.target, bare, ours);
    }
    Ok(report)
}

/// Processor time that a process has used, in seconds. Linux counts it in hundredths.
#[expect(clippy::disallowed_methods, reason = "it is no file of the store")]
fn cpu(process: u32) -> anyhow::Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    let (_, after_name) = stat.rsplit_once(')').context("a process has a name")?;
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    let ticks = |field: usize| -> anyhow::Result<f64> { Ok(fields.get(field).context("a field")?.parse()?) };
    Ok((ticks(11)? + ticks(12)?) / 100.0)
}
