//! The whole guard over simulated traffic: healthy canaries stay, harmful ones are found soon.

use std::collections::BTreeMap;

use bellwether_core::window::{CONTROL, REQUEST_DURATION_MS, REQUEST_ERROR, Ratio, Summary, TREATMENT, Values};
use chrono::{DateTime, TimeDelta};
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand_distr::{Binomial, Distribution, Normal};

use super::{ClosedWindow, GuardState, Policy, Verdict};

const SD: f64 = 64.0;

/// One arm's traffic in a window.
#[derive(Clone, Copy)]
struct Traffic {
    requests: u64,
    errors: f64,
    latency: f64,
    /// Share of requests above two seconds.
    slow: f64,
    /// How many times as many are in each of the higher [`CELLS`].
    tail: f64,
}

/// Where latencies lie, from the slowest on: a bucket of the histogram and the share of a healthy service's in it.
const CELLS: [(i32, f64); 7] =
    [(190, 0.0005), (170, 0.0015), (160, 0.008), (150, 0.02), (140, 0.07), (130, 0.2), (110, 0.7)];

const HEALTHY: Traffic = Traffic { requests: 900, errors: 0.01, latency: 96.0, slow: 0.001, tail: 1.0 };
const CANARY: Traffic = Traffic { requests: 100, ..HEALTHY };

struct Simulation {
    random: StdRng,
    guards: Vec<GuardState>,
    windows: u64,
}

impl Simulation {
    fn new(seed: u64, margin: f64) -> Self {
        let mut policy = Policy::default();
        for guard in &mut policy.guards {
            guard.margin = guard.margin.map(|_| margin);
        }
        let limits = policy.resolve_limits(|_| None).unwrap();
        let guards = policy.start_guards(&limits, 10).unwrap();
        Self { random: StdRng::seed_from_u64(seed), guards, windows: 0 }
    }

    /// So many latencies in their cells: what is not in the higher ones is in the lowest.
    fn histogram(&mut self, n: u64, tail: f64) -> BTreeMap<i32, u64> {
        let (mut left, mut share) = (n, 1.0);
        let mut histogram = BTreeMap::new();
        for (at, (bucket, healthy)) in CELLS.into_iter().enumerate() {
            let wanted = if at + 2 < CELLS.len() { healthy * tail } else { healthy };
            let part = if at + 1 == CELLS.len() { 1.0 } else { (wanted / share).min(1.0) };
            let count = Binomial::new(left, part).unwrap().sample(&mut self.random);
            (left, share) = (left - count, share - wanted);
            histogram.insert(bucket, count);
        }
        histogram
    }

    fn step(&mut self, treatment: Traffic, control: Traffic) {
        let start = DateTime::UNIX_EPOCH + TimeDelta::seconds(10 * self.windows as i64);
        let mut window = ClosedWindow::new(start, self.windows);
        self.windows += 1;
        for (arm, traffic) in [(TREATMENT, treatment), (CONTROL, control)] {
            let n = traffic.requests;
            let size = n as f64;
            let k = Binomial::new(n, traffic.errors).unwrap().sample(&mut self.random);
            window.add(arm, REQUEST_ERROR, &Summary::Ratio(Ratio { n, k, labels: Vec::new() }));
            let mean = Normal::new(traffic.latency, SD / size.sqrt()).unwrap().sample(&mut self.random);
            // The χ² of the squared deviations, by its normal limit.
            let chi = Normal::new(size - 1.0, (2.0 * size).sqrt()).unwrap().sample(&mut self.random).max(0.0);
            let above = Binomial::new(n, traffic.slow).unwrap().sample(&mut self.random);
            let histogram = self.histogram(n, traffic.tail);
            let values =
                Values { n, histogram, mean, m2: SD * SD * chi, min: 1.0, max: 5_000.0, above: vec![(2_000.0, above)] };
            window.add(arm, REQUEST_DURATION_MS, &Summary::Values(values));
        }
        for guard in &mut self.guards {
            guard.consume(&window);
        }
    }

    fn finds(&self, verdict: Verdict) -> bool {
        self.guards.iter().any(|guard| guard.verdict() == verdict)
    }

    /// The window, counted from 1, in which harm is found; at most `most`.
    fn until_harm(&mut self, most: u64, traffic: impl Fn(u64) -> (Traffic, Traffic)) -> Option<u64> {
        (1..=most).find(|window| {
            let (treatment, control) = traffic(*window);
            self.step(treatment, control);
            self.finds(Verdict::Harm)
        })
    }
}

fn median(mut windows: Vec<u64>) -> u64 {
    windows.sort_unstable();
    windows[windows.len() / 2]
}

#[test]
fn healthy_canaries_stay() {
    let mut taken_back = 0;
    let mut wrong_intervals = 0;
    for seed in 0..200 {
        let mut simulation = Simulation::new(seed, 0.0);
        taken_back += usize::from(simulation.until_harm(360, |_| (CANARY, HEALTHY)).is_some());
        let truths = [0.0, 0.0, 0.0, 0.01, 0.001];
        let wrong = simulation.guards.iter().zip(truths).any(|(guard, truth)| {
            let [low, high] = guard.report().interval.unwrap();
            truth < low || high < truth
        });
        wrong_intervals += usize::from(wrong);
    }
    assert!(
        taken_back <= 4 && wrong_intervals <= 4,
        "{taken_back} taken back, {wrong_intervals} intervals wrong of 200"
    );
}

#[test]
fn a_healthy_canary_that_grows_through_a_drift_stays() {
    let mut taken_back = 0;
    for seed in 0..60 {
        let mut simulation = Simulation::new(1_000 + seed, 0.0);
        let found = simulation.until_harm(360, |window| {
            let day = window as f64 / 360.0;
            let drift = (std::f64::consts::TAU * day).sin();
            let canary = 10 + (490.0 * day) as u64;
            let both = Traffic { errors: 0.01 + 0.01 * day, latency: 96.0 * (1.0 + 0.3 * drift), ..HEALTHY };
            (Traffic { requests: canary, ..both }, Traffic { requests: 1_000 - canary, ..both })
        });
        taken_back += usize::from(found.is_some());
    }
    assert!(taken_back <= 1, "{taken_back} of 60");
}

#[test]
fn harm_is_found_soon() {
    let cases = [
        ("errors 1→5 %", Traffic { errors: 0.05, ..CANARY }, 6),
        ("errors 1→20 %", Traffic { errors: 0.20, ..CANARY }, 1),
        ("mean latency +10 %", Traffic { latency: 105.6, ..CANARY }, 25),
        ("3 % above the p99's limit", Traffic { slow: 0.03, ..CANARY }, 20),
        ("twice as many slow ones", Traffic { tail: 2.0, ..CANARY }, 12),
    ];
    for (name, canary, most) in cases {
        let found =
            (0..20).map(|seed| Simulation::new(seed, 0.0).until_harm(120, |_| (canary, HEALTHY)).unwrap_or(u64::MAX));
        let median = median(found.collect());
        assert!(median <= most, "{name}: found in window {median}");
    }
}

#[test]
fn harm_after_a_healthy_hour_is_found_soon() {
    let found = (0..10).map(|seed| {
        let mut simulation = Simulation::new(seed, 0.05);
        simulation.until_harm(360, |_| (CANARY, HEALTHY));
        let bad = Traffic { errors: 0.05, ..CANARY };
        simulation.until_harm(120, |_| (bad, HEALTHY)).unwrap_or(u64::MAX)
    });
    let median = median(found.collect());
    assert!(median <= 7, "found in window {median}");
}

#[test]
fn a_service_that_fails_in_both_arms_holds_its_canary() {
    for (canary, rest) in [(100, 900), (500, 500)] {
        let mut taken_back = 0;
        for seed in 0..60 {
            let mut simulation = Simulation::new(seed, 0.05);
            let failing = Traffic { errors: 0.08, slow: 0.05, ..HEALTHY };
            let (treatment, control) = (Traffic { requests: canary, ..failing }, Traffic { requests: rest, ..failing });
            taken_back += usize::from(simulation.until_harm(60, |_| (treatment, control)).is_some());
            assert!(simulation.finds(Verdict::Hold), "the incident shows");
        }
        assert!(taken_back <= 1, "{taken_back} of 60 at {canary} requests");
    }
}
