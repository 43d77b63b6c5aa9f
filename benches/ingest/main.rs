//! How many raw events are read, attributed and summed up, in memory and over HTTP: see `benches/README.md`.

#[path = "../ofrep/bare.rs"]
#[expect(dead_code, reason = "another benchmark watches its process")]
mod bare;
#[path = "../ofrep/client.rs"]
mod client;
mod events;
mod http;
#[path = "../ofrep/place.rs"]
#[expect(dead_code, reason = "other benchmarks watch its process and fill it")]
mod place;
mod process;
#[path = "../rounds.rs"]
mod rounds;

use std::io::Write as _;
use std::time::Duration;

use anyhow::bail;
use mimalloc::MiMalloc;
use serde_json::{Value, json};

/// As the program's.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> anyhow::Result<()> {
    let mut plan = rounds::Plan::FULL;
    let mut over_http = http::Plan { rounds: 21, turn: Duration::from_millis(300), connections: 4 };
    let mut as_json = false;
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--quick" => {
                plan = rounds::Plan::QUICK;
                over_http = http::Plan { rounds: 1, turn: Duration::from_millis(50), connections: 2 };
            }
            "--json" => as_json = true,
            // What cargo itself gives.
            "--bench" => {}
            bare::ARGUMENT => return bare::serve(&arguments.collect::<Vec<_>>()),
            other => bail!("unknown argument {other}; there are --quick and --json"),
        }
    }
    let rows = process::rows(plan)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let rates = runtime.block_on(http::measure(&over_http))?;
    let mut out = std::io::stdout().lock();
    if as_json {
        let report: Value = rows.iter().map(process::Row::json).chain([rates.json()]).collect();
        writeln!(out, "{}", json!(report))?;
        return Ok(());
    }
    for row in rows {
        writeln!(out, "{}", row.text())?;
    }
    writeln!(out, "{}", rates.text())?;
    Ok(())
}
