//! A simulated service: a process that asks for a flag for each of its requests and reports how they went.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use bellwether_sdk::{Client, Context, Scope};
use clap::Args;

use rand::{Rng, RngExt as _};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::time::{MissedTickBehavior, interval};
use tracing::level_filters::LevelFilter;

use crate::cli::Outcome;
use crate::cli::output::{LogFormat, start_log};
use crate::clock;

/// The environment variable with the server key; a command line could be read by others.
pub(super) const KEY: &str = "BELLWETHER_DEMO_KEY";
/// How often requests come in.
const TICK: Duration = Duration::from_millis(10);
/// Users there are.
const USERS: u32 = 200_000;
/// Share of requests that fail when nothing is wrong.
const FAILING: f64 = 0.01;
/// Share of requests that fail once the new processor does.
const FAULTY: f64 = 0.2;
/// Median latency, in milliseconds.
const LATENCY: f64 = 90.0;
/// Spread of the latency's logarithm.
const SPREAD: f64 = 0.35;

#[derive(Debug, Args)]
pub(in crate::cli) struct Arguments {
    #[arg(long)]
    server: String,
    #[arg(long)]
    application: String,
    #[arg(long)]
    flag: String,
    /// Requests a second.
    #[arg(long)]
    rate: u32,
}

/// Serves simulated requests until the input ends. A line of the input says since when (milliseconds since 1970) the
/// flag's treatment fails.
pub(in crate::cli) async fn run(arguments: Arguments) -> anyhow::Result<Outcome> {
    start_log(LogFormat::Pretty, LevelFilter::WARN);
    let key = std::env::var(KEY).context("the server key is missing")?;
    let flags = Client::builder(&arguments.server, key)
        .application(&arguments.application)
        .reconnect_within(Duration::from_secs(1))
        .connect()?;
    let fault_at = Arc::new(AtomicI64::new(i64::MAX));
    let mut commands = BufReader::new(tokio::io::stdin()).lines();
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let per_tick = f64::from(arguments.rate) * TICK.as_secs_f64();
    let mut due = 0.0;
    loop {
        tokio::select! {
            line = commands.next_line() => match line? {
                Some(at) => fault_at.store(at.trim().parse()?, Ordering::Relaxed),
                None => break,
            },
            _ = ticks.tick() => {
                let broken = clock::now().timestamp_millis() >= fault_at.load(Ordering::Relaxed);
                due += per_tick;
                while due >= 1.0 {
                    due -= 1.0;
                    request(&flags, &arguments, broken);
                }
            }
        }
    }
    flags.close(Duration::from_secs(2)).await;
    Ok(Outcome::Well)
}

/// One request of a random user.
fn request(flags: &Client, arguments: &Arguments, broken: bool) {
    let mut random = rand::rng();
    let user = Context::new(format!("user-{}", random.random_range(0..USERS)));
    let scope: Scope = flags.scope(&user);
    let treatment = scope.bool(&arguments.flag, false);
    scope.track("request.duration_ms", latency(&mut random));
    let failing = if treatment && broken { FAULTY } else { FAILING };
    let ok = random.random::<f64>() >= failing;
    scope.finish(ok, &format!("POST /{} 502", arguments.application));
}

/// A log-normal latency, by the Box–Muller transform.
fn latency(random: &mut impl Rng) -> f64 {
    let (u, v): (f64, f64) = (random.random_range(f64::MIN_POSITIVE..1.0), random.random());
    let normal = (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos();
    LATENCY * (SPREAD * normal).exp()
}
