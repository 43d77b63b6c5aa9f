//! How long an evaluation takes and what it allocates: see `benches/README.md`.

mod flags;
#[path = "../rounds.rs"]
mod rounds;

use std::collections::HashMap;
use std::error::Error;
use std::fmt;
use std::hint::black_box;
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
        writeln!(out, "{}", report.json())?
    } else {
        writeln!(out, "{report}")?
    }
    Ok(())
}

/// What was measured.
struct Report {
    segment_keys: usize,
    /// Title, nanoseconds, heap allocations.
    rows: Vec<(&'static str, f64, u64)>,
    /// Nanoseconds of a rollout.
    rollout: f64,
    /// Nanoseconds of what a rollout comes down to.
    bare: f64,
}

impl Report {
    fn ratio(&self) -> f64 {
        self.rollout / self.bare
    }

    fn json(&self) -> Value {
        let row = |(title, nanoseconds, allocations): &(&str, f64, u64)| json!({"row": title, "nanoseconds": nanoseconds, "allocations": allocations});
        let rollout = json!({
            "nanoseconds": self.rollout, "bare_nanoseconds": self.bare, "ratio": self.ratio(), "target": TARGET,
            "reached": self.ratio() <= TARGET,
        });
        let rows: Vec<_> = self.rows.iter().map(row).collect();
        json!({"segment_keys": self.segment_keys, "rows": rows, "rollout": rollout})
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let title = format!("segments of {} keys", self.segment_keys);
        writeln!(f, "{title:50}{:>8}{:>14}", "ns", "allocations")?;
        for (title, nanoseconds, allocations) in &self.rows {
            writeln!(f, "{title:50}{nanoseconds:>8.1}{allocations:>14}")?;
        }
        let (rollout, bare, ratio) = (self.rollout, self.bare, self.ratio());
        let verdict = if ratio <= TARGET { "reached" } else { "MISSED" };
        write!(
            f,
            "\na rollout {rollout:.1} ns, a hash-map look-up and a bare XXH3 {bare:.1} ns: {ratio:.2}x, target at most \
             {TARGET}x {verdict}"
        )
    }
}

/// As an SDK has it: the clock is read when a clause asks for it.
fn now() -> Now {
    #[expect(clippy::disallowed_methods, reason = "a benchmark has no clock of its own")]
    Now::Of(|| {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        since.ok().and_then(|since| i64::try_from(since.as_millis()).ok()).unwrap_or_default()
    })
}

fn measure(plan: Plan, keys: usize) -> Result<Report, Box<dyn Error>> {
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
        let counted = allocation_counter::measure(|| {
            black_box(state.evaluate(row.key, context, now()).is_ok());
        });
        (row.title, ns, counted.count_total)
    });
    let rows: Vec<_> = rows.collect();

    let map: HashMap<&str, u64> = ROWS.iter().map(|row| (row.key, 1)).collect();
    let map = &map;
    let mut key = "rollout";
    let bare = Contestant::new(move || {
        key = black_box(key);
        map.get(key).map(|found| found ^ xxh3_64(black_box(USER).as_bytes()))
    });
    let measured = rounds::measure(&mut [evaluate("rollout"), bare], plan);
    let [rollout, bare] = *measured.as_slice() else { return Err("two were measured".into()) };
    Ok(Report { segment_keys: keys, rows, rollout, bare })
}
