//! What the Rust SDK's client adds to an evaluation, and what it takes to record: see `benches/README.md`.

mod flags;
#[path = "../rounds.rs"]
mod rounds;
mod threads;

use std::error::Error;
use std::fmt;
use std::io::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

use bellwether_core::{Context, Now, State, Value};
use bellwether_sdk::Client;
use serde_json::json;

use flags::{CANARY, PLAIN, RULE};
use rounds::{Contestant, Plan};

/// Flags beside those that are evaluated.
const OTHERS: usize = 100;
/// Most nanoseconds that the client may add to the evaluation of a flag without a release.
const PLAIN_TARGET: f64 = 25.0;
/// The same with a release: exposures and counts.
const RELEASE_TARGET: f64 = 100.0;
/// Most nanoseconds to record an outcome in a scope that met one release.
const OUTCOME_TARGET: f64 = 100.0;

fn main() -> Result<(), Box<dyn Error>> {
    let (mut plan, mut as_json) = (Plan::FULL, false);
    for argument in std::env::args().skip(1) {
        match argument.as_str() {
            "--quick" => plan = Plan::QUICK,
            "--json" => as_json = true,
            // What cargo itself gives.
            "--bench" => {}
            other => return Err(format!("unknown argument {other}; there are --quick and --json").into()),
        }
    }
    // Nobody is there to take what is recorded, and nothing runs on the runtime meanwhile.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let _entered = runtime.enter();
    let snapshot = flags::snapshot(OTHERS)?;
    let builder = Client::builder("http://127.0.0.1:9", "bw_sdk_bench");
    let client = builder.bootstrap_json(serde_json::to_string(&snapshot)?).connect()?;
    let report = measure(&State::from_snapshot(snapshot)?, &client, plan)?;
    let mut out = std::io::stdout().lock();
    if as_json {
        writeln!(out, "{}", report.json())?
    } else {
        writeln!(out, "{report}")?
    }
    Ok(())
}

/// One flag, by the engine alone and by the client.
struct Pair {
    title: &'static str,
    core: f64,
    client: f64,
    target: f64,
    allocations: u64,
}

/// What was measured, in nanoseconds.
struct Report {
    pairs: Vec<Pair>,
    /// A request's outcome, and a duration, recorded in a scope that met one release.
    outcome: f64,
    duration: f64,
    /// What `finish` adds to a scope that is made, asked and dropped.
    finish: f64,
    /// By the client, for somebody who met one release.
    track: f64,
    scaling: Vec<threads::Scaling>,
}

impl Pair {
    fn more(&self) -> f64 {
        self.client - self.core
    }
}

fn verdict(figure: f64, target: f64) -> &'static str {
    if figure <= target { "reached" } else { "MISSED" }
}

impl Report {
    fn json(&self) -> Value {
        let pair = |pair: &Pair| {
            json!({
                "row": pair.title, "core_nanoseconds": pair.core, "client_nanoseconds": pair.client, "ratio": pair.client / pair.core,
                "more_nanoseconds": pair.more(), "target": pair.target, "reached": pair.more() <= pair.target,
                "allocations": pair.allocations,
            })
        };
        let scaling = |row: &threads::Scaling| json!({"row": row.title, "times_by_threads": row.rates});
        json!({
            "pairs": self.pairs.iter().map(pair).collect::<Vec<_>>(),
            "scope": {
                "outcome_nanoseconds": self.outcome, "target": OUTCOME_TARGET, "reached": self.outcome <= OUTCOME_TARGET,
                "duration_nanoseconds": self.duration, "finish_nanoseconds": self.finish,
            },
            "track_nanoseconds": self.track,
            "scaling": self.scaling.iter().map(scaling).collect::<Vec<_>>(),
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:34}{:>8}{:>8}{:>8}{:>8}{:>13}", "ns", "core", "client", "ratio", "more", "allocations")?;
        for pair in &self.pairs {
            let Pair { title, core, client, target, allocations } = pair;
            let (ratio, more) = (client / core, pair.more());
            write!(f, "{title:34}{core:>8.1}{client:>8.1}{ratio:>7.2}x{more:>8.1}{allocations:>13}")?;
            writeln!(f, "   target at most {target} more {}", verdict(more, *target))?;
        }
        writeln!(f, "\nin a scope that met one release")?;
        let reached = verdict(self.outcome, OUTCOME_TARGET);
        writeln!(f, "{:34}{:>8.1}   target at most {OUTCOME_TARGET} {reached}", "an outcome", self.outcome)?;
        writeln!(f, "{:34}{:>8.1}", "a duration", self.duration)?;
        writeln!(f, "{:34}{:>8.1}", "finish, more than dropping it", self.finish)?;
        writeln!(f, "{:34}{:>8.1}", "track, by the client", self.track)?;
        write!(f, "\nas often as by one thread")?;
        for row in &self.scaling {
            write!(f, "\n{:34}", row.title)?;
            for (threads, rate) in &row.rates {
                write!(f, "{threads:>4} threads {rate:.2}x")?;
            }
        }
        Ok(())
    }
}

/// As the client has it: the clock is read when a clause asks for it.
fn now() -> Now {
    #[expect(clippy::disallowed_methods, reason = "a benchmark has no clock of its own")]
    Now::Of(|| {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        since.ok().and_then(|since| i64::try_from(since.as_millis()).ok()).unwrap_or_default()
    })
}

/// What the engine alone answers, read as the client reads it.
fn by_core(state: &State, key: &str, context: &Context) -> bool {
    state.evaluate(key, context, now()).ok().and_then(|served| served.value.as_bool()).unwrap_or_default()
}

fn measure(state: &State, client: &Client, plan: Plan) -> Result<Report, Box<dyn Error>> {
    let context = &flags::context("user-04711");
    for key in [PLAIN, RULE, CANARY] {
        if by_core(state, key, context) != client.bool(key, context, key == CANARY) {
            return Err(format!("the client serves something else of {key}").into());
        }
    }
    let rows = [
        ("boolean, no rules", PLAIN, PLAIN_TARGET),
        ("boolean, a rule matches", RULE, PLAIN_TARGET),
        ("boolean, on a canary", CANARY, RELEASE_TARGET),
    ];
    let mut pairs = Vec::new();
    for (title, key, target) in rows {
        let core = Contestant::new(move || by_core(state, key, context));
        let by_client = Contestant::new(move || client.bool(key, context, false));
        let measured = rounds::measure(&mut [core, by_client], plan);
        let [core, by_client] = *measured.as_slice() else { return Err("two were measured".into()) };
        let allocations = allocation_counter::measure(|| _ = client.bool(key, context, false)).count_total;
        pairs.push(Pair { title, core, client: by_client, target, allocations });
    }

    let scope = client.scope(context);
    scope.bool(CANARY, false);
    let asked = || {
        let scope = client.scope(context);
        scope.bool(CANARY, false);
        scope
    };
    let measured = rounds::measure(
        &mut [
            Contestant::new(|| scope.track("request.error", 0.0)),
            Contestant::new(|| scope.track("request.duration_ms", 123.4)),
            Contestant::new(|| drop(asked())),
            Contestant::new(|| asked().finish(true, "GET /")),
            Contestant::new(|| client.track("request.duration_ms", context, 123.4)),
        ],
        plan,
    );
    let [outcome, duration, dropped, finished, track] = *measured.as_slice() else {
        return Err("five were measured".into());
    };
    let scaling = threads::measure(state, client, context, plan);
    Ok(Report { pairs, outcome, duration, finish: finished - dropped, track, scaling })
}
