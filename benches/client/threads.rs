//! How much more often several threads evaluate than one does.

use std::hint::black_box;
use std::sync::Barrier;
use std::thread::{available_parallelism, scope};
use std::time::{Duration, Instant};

use bellwether_core::{Context, State};
use bellwether_sdk::Client;

use super::by_core;
use super::flags::{CANARY, PLAIN};
use super::rounds::{Plan, quantile};

/// Evaluations of one thread in a turn.
const TIMES: u32 = 20_000;

/// Rates of one contestant.
pub(crate) struct Scaling {
    pub(crate) title: &'static str,
    /// Threads, and evaluations a second of all of them together as a multiple of what one does.
    pub(crate) rates: Vec<(usize, f64)>,
}

/// One, two, and as many threads as there are processors, up to eight; each contestant and number has its turn in each
/// round.
pub(crate) fn measure(state: &State, client: &Client, context: &Context, plan: Plan) -> Vec<Scaling> {
    let processors = available_parallelism().map_or(1, std::num::NonZero::get).min(8);
    let mut counts = vec![1, 2, processors.max(2)];
    counts.dedup();
    let contestants: [(&'static str, &(dyn Fn() -> bool + Sync)); 3] = [
        ("core, no release", &|| by_core(state, PLAIN, context)),
        ("client, no release", &|| client.bool(PLAIN, context, false)),
        ("client, on a canary", &|| client.bool(CANARY, context, false)),
    ];
    let mut times: Vec<Vec<Vec<f64>>> = vec![vec![Vec::new(); counts.len()]; contestants.len()];
    for _ in 0..plan.rounds {
        for ((_, evaluate), times) in contestants.iter().zip(&mut times) {
            for (threads, samples) in counts.iter().zip(times) {
                samples.push(turn(*threads, evaluate).as_secs_f64());
            }
        }
    }
    let scaling = |((title, _), times): (&(&'static str, _), Vec<Vec<f64>>)| {
        let seconds: Vec<f64> = times.into_iter().map(|samples| quantile(samples, 0.25)).collect();
        let alone = seconds.first().copied().unwrap_or_default();
        let rate = |(threads, seconds): (&usize, &f64)| (*threads, *threads as f64 * alone / seconds);
        Scaling { title, rates: counts.iter().zip(&seconds).skip(1).map(rate).collect() }
    };
    contestants.iter().zip(times).map(scaling).collect()
}

/// How long the slowest of so many threads takes, which begin together.
fn turn(threads: usize, evaluate: &(dyn Fn() -> bool + Sync)) -> Duration {
    let barrier = &Barrier::new(threads);
    let run = move || {
        barrier.wait();
        let started = Instant::now();
        for _ in 0..TIMES {
            black_box(evaluate());
        }
        started.elapsed()
    };
    scope(|scope| {
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(run)).collect();
        running.into_iter().filter_map(|thread| thread.join().ok()).max().unwrap_or_default()
    })
}
