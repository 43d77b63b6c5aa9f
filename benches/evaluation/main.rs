//! How long an evaluation takes and what it allocates: see `benches/README.md`.

mod flags;
#[path = "../rounds.rs"]
mod rounds;

use std::collections::HashMap;
use std::error::Error;
use std::io::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

use bellwether_core::{Now, Value};
use serde_json::json;
use xxhash_rust::xxh3::xxh3_64;

use flags::{ROWS, USER};
use rounds::{Contestant, Plan};

/// Keys of each segment.
const SEGMENT: usize = 1_000_000;
/// Most that a rollout may cost, as a multiple of what it comes down to.
const TARGET: f64 = 2.5;

fn main() -> Result<(), Box<dyn Error>> {
    let (mut plan, mut keys, mut as_json) = (Plan::FULL, SEGMENT, false);
    for argument in std::env::args().skip(1) {
        match argument.as_str() {
            "--quick" => (plan, keys) = (Plan::QUICK, 1_000),
            "--json" => as_json = true,
            // What cargo itself gives.
            "--bench" => {}
            other => return Err(format!("unknown argument {other}; there are --quick and --json").into()),
        }
    }
    let report = measure(plan, keys)?;
    let mut out = std::io::stdout().lock();
    if as_json {
        writeln!(out, "{report}")?;
        return Ok(());
    }
    writeln!(out, "{:50}{:>8}{:>14}", format!("segments of {keys} keys"), "ns", "allocations")?;
    for row in report["rows"].as_array().into_iter().flatten() {
        let (title, ns) = (row["row"].as_str().unwrap_or_default(), row["nanoseconds"].as_f64().unwrap_or_default());
        writeln!(out, "{title:50}{ns:>8.1}{:>14}", row["allocations"])?;
    }
    let rollout = &report["rollout"];
    let number = |name: &str| rollout[name].as_f64().unwrap_or_default();
    writeln!(
        out,
        "\na rollout {:.1} ns, a hash-map look-up and a bare XXH3 {:.1} ns: {:.2}x, target {TARGET}x at most, {}",
        number("nanoseconds"),
        number("bare_nanoseconds"),
        number("ratio"),
        if number("ratio") <= TARGET { "reached" } else { "MISSED" },
    )?;
    Ok(())
}

/// As an SDK has it: the clock is read when a clause asks for it.
fn now() -> Now {
    #[expect(clippy::disallowed_methods, reason = "a benchmark has no clock of its own")]
    Now::Of(|| {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        since.ok().and_then(|since| i64::try_from(since.as_millis()).ok()).unwrap_or_default()
    })
}

fn measure(plan: Plan, keys: usize) -> Result<Value, Box<dyn Error>> {
    let (state, context) = (flags::state(keys)?, flags::context());
    for row in ROWS {
        let served = state.evaluate(row.key, &context, now()).map_err(|code| format!("{}: {code}", row.key))?;
        if row.serves.is_some_and(|right| right != served.variation) {
            return Err(format!("{} serves {}", row.key, served.variation).into());
        }
    }
    let (state, context) = (&state, &context);
    let evaluate = |key: &'static str| Contestant::new(move || state.evaluate(key, context, now()));
    let mut contestants: Vec<_> = ROWS.iter().map(|row| evaluate(row.key)).collect();
    let nanoseconds = rounds::measure(&mut contestants, plan);
    let rows = ROWS.iter().zip(nanoseconds).map(|(row, ns)| {
        let allocations = allocation_counter::measure(|| drop(state.evaluate(row.key, context, now()))).count_total;
        json!({"row": row.title, "nanoseconds": ns, "allocations": allocations})
    });
    let rows: Vec<_> = rows.collect();

    let map: HashMap<&str, u64> = ROWS.iter().map(|row| (row.key, 1)).collect();
    let map = &map;
    let mut key = "rollout";
    let bare = Contestant::new(move || {
        key = std::hint::black_box(key);
        map.get(key).map(|found| found ^ xxh3_64(std::hint::black_box(USER).as_bytes()))
    });
    let measured = rounds::measure(&mut [evaluate("rollout"), bare], plan);
    let [rollout, bare] = *measured.as_slice() else { return Err("two were measured".into()) };
    let rollout = json!({"nanoseconds": rollout, "bare_nanoseconds": bare, "ratio": rollout / bare, "target": TARGET});
    Ok(json!({"segment_keys": keys, "rows": rows, "rollout": rollout}))
}
