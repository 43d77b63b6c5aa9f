//! Measurement by alternating rounds: every contestant runs for a moment, then the next, over and over.
//!
//! On a machine that others use too, speed drifts from second to second. Contestants that take turns in one process see
//! the same drift, so ratios hold still where the times themselves do not. Turns are short and a contestant counts by the
//! lower quartile of its own: what the scheduler took from a turn is not what the contestant costs.

use std::hint::black_box;
use std::time::{Duration, Instant};

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// How often each contestant has its turn.
    pub(crate) rounds: usize,
    /// How long a turn takes, about.
    pub(crate) turn: Duration,
}

impl Plan {
    /// Enough for figures that repeat to a few percent.
    pub(crate) const FULL: Self = Self { rounds: 151, turn: Duration::from_millis(2) };
    /// Enough to see that everything runs.
    pub(crate) const QUICK: Self = Self { rounds: 3, turn: Duration::from_micros(500) };
}

/// Something that can be done over and over.
pub(crate) struct Contestant<'c> {
    run: Box<dyn FnMut(u64) + 'c>,
}

impl<'c> Contestant<'c> {
    /// Runs `operation`; its result is used, so that nothing of it can be left out.
    pub(crate) fn new<T>(mut operation: impl FnMut() -> T + 'c) -> Self {
        let run = move |times| {
            for _ in 0..times {
                black_box(operation());
            }
        };
        Self { run: Box::new(run) }
    }

    fn time(&mut self, times: u64) -> Duration {
        let started = Instant::now();
        (self.run)(times);
        started.elapsed()
    }

    /// How often it runs in about `turn`.
    fn times_in(&mut self, turn: Duration) -> u64 {
        let mut times = 1;
        loop {
            let took = self.time(times);
            if took >= turn / 4 || times >= 1 << 40 {
                let share = turn.as_secs_f64() / took.as_secs_f64().max(1e-9);
                return ((times as f64 * share) as u64).max(1);
            }
            times *= 2;
        }
    }
}

/// Nanoseconds per run of each contestant: the lower quartile of the rounds.
pub(crate) fn measure(contestants: &mut [Contestant<'_>], plan: Plan) -> Vec<f64> {
    let times: Vec<u64> = contestants.iter_mut().map(|contestant| contestant.times_in(plan.turn)).collect();
    let mut samples: Vec<Vec<f64>> = vec![Vec::with_capacity(plan.rounds); contestants.len()];
    for round in 0..plan.rounds {
        let mut turns: Vec<_> = contestants.iter_mut().zip(&times).zip(&mut samples).collect();
        // Each has its turn after a different neighbour now and then, whatever that one leaves in the caches.
        let count = turns.len().max(1);
        turns.rotate_left(round % count);
        for ((contestant, times), samples) in turns {
            samples.push(contestant.time(*times).as_secs_f64() * 1e9 / *times as f64);
        }
    }
    samples.into_iter().map(|samples| quantile(samples, 0.25)).collect()
}

/// The sample that a share of the others lies below; 0 of none.
pub(crate) fn quantile(mut samples: Vec<f64>, share: f64) -> f64 {
    samples.sort_by(f64::total_cmp);
    samples.get((samples.len() as f64 * share) as usize).copied().unwrap_or_default()
}
