//! One change to many connected SDKs: see `benches/README.md`.

mod bare;
#[path = "../ofrep/client.rs"]
#[expect(dead_code, reason = "nothing is driven here")]
mod client;
mod crowd;
mod fan_out;
mod frame;
#[path = "../ofrep/place.rs"]
#[expect(dead_code, reason = "another benchmark starts it again")]
mod place;
mod report;
#[path = "../rounds.rs"]
#[expect(dead_code, reason = "its contestants are functions, not servers")]
mod rounds;
mod slow;
mod subscribers;

use std::io::Write as _;

use anyhow::bail;

/// How much is measured.
#[derive(Clone, Copy, Debug)]
struct Plan {
    /// Pairs of rounds.
    rounds: usize,
    /// Connected SDKs.
    crowd: usize,
    /// SDKs beside some that do not read, and those.
    readers: usize,
    stalled: usize,
}

/// All come at once.
const ARGUMENTS: &[&str] = &["--stream-connections-per-second", "100000"];

fn main() -> anyhow::Result<()> {
    let mut plan = Plan { rounds: 25, crowd: 10_000, readers: 950, stalled: 50 };
    let mut json = false;
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--quick" => plan = Plan { rounds: 2, crowd: 50, readers: 19, stalled: 1 },
            "--json" => json = true,
            // What cargo itself gives.
            "--bench" => {}
            crowd::ARGUMENT => return crowd::be(&arguments.collect::<Vec<_>>()),
            bare::ARGUMENT => return bare::serve(&arguments.collect::<Vec<_>>()),
            other => bail!("unknown argument {other}; there are --quick and --json"),
        }
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let report = runtime.block_on(async {
        let fan_out = fan_out::measure(plan).await?;
        let slow = slow::measure(plan).await?;
        anyhow::Ok(report::Report { fan_out, slow })
    })?;
    let mut out = std::io::stdout().lock();
    if json {
        writeln!(out, "{}", report.json())?
    } else {
        writeln!(out, "{report}")?
    }
    Ok(())
}
