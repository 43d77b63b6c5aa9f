//! One change to many connected SDKs: see `benches/README.md`.

mod bare;
#[path = "../ofrep/client.rs"]
#[expect(dead_code, reason = "nothing is driven here")]
mod client;
mod crowd;
mod fan_out;
mod frame;
mod parts;
#[path = "../ofrep/place.rs"]
#[expect(dead_code, reason = "another benchmark starts it again")]
mod place;
mod report;
#[path = "../rounds.rs"]
#[expect(dead_code, reason = "its contestants are functions, not servers")]
mod rounds;
mod sdks;
mod slow;
mod storm;
mod subscribers;

use std::io::Write as _;
use std::time::Duration;

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
    /// Clients of the Rust SDK that lose their server, how long they do, and what their first return is spread over.
    clients: usize,
    away: Duration,
    return_within: Duration,
    /// What the server ends by, one after the other.
    signals: &'static [&'static str],
}

impl Plan {
    const FULL: Self = Self {
        rounds: 25,
        crowd: 10_000,
        readers: 950,
        stalled: 50,
        clients: 10_000,
        away: Duration::from_secs(3),
        // What the SDK does unless told otherwise.
        return_within: Duration::from_secs(10),
        signals: &["TERM", "KILL"],
    };
    const QUICK: Self = Self {
        rounds: 2,
        crowd: 50,
        readers: 19,
        stalled: 1,
        clients: 40,
        away: Duration::from_millis(100),
        return_within: Duration::from_millis(500),
        // After the other they are told to spread their return over ten seconds.
        signals: &["KILL"],
    };
}

/// All come at once.
const ARGUMENTS: &[&str] = &["--stream-connections-per-second", "100000"];

fn main() -> anyhow::Result<()> {
    let mut plan = Plan::FULL;
    let mut json = false;
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--quick" => plan = Plan::QUICK,
            "--json" => json = true,
            // What cargo itself gives.
            "--bench" => {}
            crowd::ARGUMENT => return crowd::be(&arguments.collect::<Vec<_>>()),
            sdks::ARGUMENT => return sdks::be(&arguments.collect::<Vec<_>>()),
            bare::ARGUMENT => return bare::serve(&arguments.collect::<Vec<_>>()),
            other => bail!("unknown argument {other}; there are --quick and --json"),
        }
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let report = runtime.block_on(async {
        let fan_out = fan_out::measure(plan).await?;
        let slow = slow::measure(plan).await?;
        let storm = storm::measure(plan).await?;
        anyhow::Ok(report::Report { fan_out, slow, storm })
    })?;
    let mut out = std::io::stdout().lock();
    if json {
        writeln!(out, "{}", report.json())?
    } else {
        writeln!(out, "{report}")?
    }
    Ok(())
}
