//! How long it takes to compile a large environment, and how much memory it holds: see `benches/README.md`.

#[path = "../evaluation/flags.rs"]
#[expect(dead_code, reason = "of its flags, only the segment is used here")]
mod flags;

use std::error::Error;
use std::io::Write as _;
use std::time::{Duration, Instant};

use bellwether_core::{Flag, Snapshot, State};
use serde_json::{Value, json};

/// Most that compiling may take.
const TARGET: Duration = Duration::from_secs(1);

fn main() -> Result<(), Box<dyn Error>> {
    let (mut flags, mut keys, mut times, mut as_json) = (10_000, 1_000_000, 5, false);
    for argument in std::env::args().skip(1) {
        match argument.as_str() {
            "--quick" => (flags, keys, times) = (100, 1_000, 1),
            "--json" => as_json = true,
            // What cargo itself gives.
            "--bench" => {}
            other => return Err(format!("unknown argument {other}; there are --quick and --json").into()),
        }
    }
    let snapshot = snapshot(flags, keys)?;
    let bytes: usize = snapshot.flags.iter().chain(&snapshot.segments).map(|object| object.get().len()).sum();
    let mut fastest = Duration::MAX;
    let mut held = 0;
    for _ in 0..times {
        let copy = snapshot.clone();
        let mut compiled = None;
        let mut took = Duration::ZERO;
        let counted = allocation_counter::measure(|| {
            let started = Instant::now();
            compiled = Some(State::from_snapshot(copy));
            took = started.elapsed();
        });
        let state = compiled.ok_or("nothing was compiled")??;
        if state.flags().count() != flags {
            return Err("flags are missing".into());
        }
        fastest = fastest.min(took);
        // What of the snapshot went over into the state was there before.
        held = counted.bytes_current + i64::try_from(bytes)?;
    }
    let reached = fastest < TARGET;
    let mut out = std::io::stdout().lock();
    if as_json {
        let milliseconds = fastest.as_secs_f64() * 1e3;
        let report = json!({
            "flags": flags, "segment_keys": keys, "snapshot_bytes": bytes, "milliseconds": milliseconds,
            "target_milliseconds": TARGET.as_millis() as u64, "reached": reached, "held_bytes": held,
        });
        writeln!(out, "{report}")?;
        return Ok(());
    }
    let mib = |bytes: f64| bytes / f64::from(1 << 20);
    writeln!(out, "{flags} flags with rules, a segment of {keys} keys; {:.1} MiB of JSON", mib(bytes as f64))?;
    let verdict = if reached { "reached" } else { "MISSED" };
    writeln!(out, "compiled in {:.0} ms, target 1000 ms {verdict}", fastest.as_secs_f64() * 1e3)?;
    writeln!(out, "the state holds {:.1} MiB", mib(held as f64))?;
    Ok(())
}

/// An environment of so many flags, each with three rules and a rollout, and a segment that one rule refers to.
fn snapshot(count: usize, keys: usize) -> Result<Snapshot, Box<dyn Error>> {
    let flags = (0..count).map(flag).map(serde_json::from_value).collect::<Result<Vec<Flag>, _>>()?;
    Ok(Snapshot::new("production", "bench", 1, &flags, &[flags::segment("members", keys, None)?])?)
}

fn flag(number: usize) -> Value {
    let rule = |id: &str, clauses: Value| json!({"id": id, "clauses": clauses, "serve": {"variation": "on"}});
    let clause = |attribute: &str, op: &str, values: Value| json!({"attribute": attribute, "op": op, "values": values});
    let plan = clause("plan", "in", json!(["pro", format!("plan-{number}")]));
    let rules = [
        rule("staff", json!([clause("email", "ends_with", json!(["@example.com"])), plan])),
        rule(
            "north",
            json!([
                clause("country", "in", json!(["NO", "SE", "DK"])),
                clause("version", "semver_gte", json!(["4.1"]))
            ]),
        ),
        rule("members", json!([clause("targetingKey", "in_segment", json!(["members"]))])),
    ];
    json!({
        "key": format!("feature.{number:05}"), "version": 1, "type": "boolean", "enabled": true, "off_variation": "off",
        "variations": [{"name": "on", "value": true}, {"name": "off", "value": false}], "rules": rules,
        "fallthrough": {"split": {"salt": format!("salt-{number}"), "ranges": [[25_000, "on"], [100_000, "off"]]}},
    })
}
