//! How much memory the real program takes with a large environment: see `benches/README.md`.

#[path = "../ofrep/client.rs"]
#[expect(dead_code, reason = "nothing is driven here")]
mod client;
#[path = "../ofrep/place.rs"]
#[expect(dead_code, reason = "another benchmark sends requests with its key")]
mod place;

use std::io::Write as _;
use std::time::Instant;

use anyhow::{Context as _, bail};
use serde_json::json;

use place::Place;

/// Most that it may take, in bytes.
const TARGET: u64 = 300 << 20;

fn main() -> anyhow::Result<()> {
    let (mut flags, mut keys, mut as_json) = (10_000, 1_000_000, false);
    for argument in std::env::args().skip(1) {
        match argument.as_str() {
            "--quick" => (flags, keys) = (20, 1_000),
            "--json" => as_json = true,
            // What cargo itself gives.
            "--bench" => {}
            other => bail!("unknown argument {other}; there are --quick and --json"),
        }
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (now, peak, upload, ready) = runtime.block_on(async {
        let mut place = Place::start(flags).await.context("the program did not start")?;
        let started = Instant::now();
        place.make_segment("members", keys).await?;
        let upload = started.elapsed();
        let started = Instant::now();
        place.start_again().await?;
        let ready = started.elapsed();
        let status = status(place.id())?;
        anyhow::Ok((bytes(&status, "VmRSS:")?, bytes(&status, "VmHWM:")?, upload, ready))
    })?;
    let (upload, ready) = (upload.as_millis(), ready.as_millis());
    let reached = peak < TARGET;
    let mut out = std::io::stdout().lock();
    if as_json {
        let report = json!({
            "flags": flags, "segment_keys": keys, "bytes": now, "peak_bytes": peak, "target": TARGET, "reached": reached,
            "upload_milliseconds": upload, "ready_milliseconds": ready,
        });
        writeln!(out, "{report}")?;
    } else {
        let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
        let verdict = if reached { "reached" } else { "MISSED" };
        writeln!(out, "started on a store with {flags} flags, one in two with two rules, in three environments")?;
        writeln!(out, "and a segment of {keys} keys, uploaded in {upload} ms; ready in {ready} ms")?;
        let (now, peak, target) = (mib(now), mib(peak), mib(TARGET));
        writeln!(out, "{now:.0} MiB in memory, {peak:.0} at most; target {target:.0} {verdict}")?;
    }
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "it is no file of the store")]
fn status(process: u32) -> anyhow::Result<String> {
    Ok(std::fs::read_to_string(format!("/proc/{process}/status"))?)
}

fn bytes(status: &str, name: &str) -> anyhow::Result<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name)).context("a line")?;
    let kilobytes: u64 = line.trim().strip_suffix("kB").context("kilobytes")?.trim().parse()?;
    Ok(kilobytes * 1024)
}
