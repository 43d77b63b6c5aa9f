//! The guards' reference cases, computed apart from this code (scipy, and by the definition of each test).

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::mean::{MeanTest, Moments};
use super::{Counts, EProcess, limit, log_space, mean, ratio};

#[derive(Deserialize)]
struct Reference {
    count: usize,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    id: String,
    category: String,
    input: Value,
    expected: Expected,
    tol: Tolerance,
}

#[derive(Deserialize)]
struct Expected {
    #[serde(default)]
    log_e_by_window: Vec<f64>,
    log_e_final: Option<f64>,
}

#[derive(Deserialize)]
struct Tolerance {
    rel: f64,
    abs: f64,
}

#[derive(Deserialize)]
struct TwoArms {
    n_t: u64,
    k_t: u64,
    n_c: u64,
    k_c: u64,
}

impl TwoArms {
    fn counts(&self) -> [Counts; 2] {
        [Counts { n: self.n_t, k: self.k_t }, Counts { n: self.n_c, k: self.k_c }]
    }
}

#[derive(Deserialize)]
struct Means {
    t: Moments,
    c: Moments,
}

fn member<T: DeserializeOwned>(case: &Case, name: &str) -> T {
    serde_json::from_value(case.input[name].clone()).unwrap_or_else(|error| panic!("{} {name}: {error}", case.id))
}

/// log E after each window of a guard.
fn guarded<W>(points: usize, windows: &[W], mut factors: impl FnMut(&W) -> Option<Vec<f64>>) -> Vec<f64> {
    let mut process = EProcess::new(points, 10);
    windows
        .iter()
        .map(|window| {
            process.step(factors(window).as_deref());
            process.log_e()
        })
        .collect()
}

/// log E after each window when all alternatives start at once.
fn summed<W>(windows: &[W], factors: impl Fn(&W) -> Vec<f64>) -> Vec<f64> {
    let mut sums: Vec<f64> = Vec::new();
    let mut figures = Vec::new();
    for window in windows {
        let factors = factors(window);
        sums.resize(factors.len(), 0.0);
        for (sum, factor) in sums.iter_mut().zip(factors) {
            *sum += factor;
        }
        figures.push(log_space::ln_mean_exp(&sums));
    }
    figures
}

fn figures(case: &Case) -> Vec<f64> {
    match case.category.as_str() {
        "guard_ratio" => {
            let margin = member(case, "margin");
            guarded(ratio::POINTS, &member::<Vec<TwoArms>>(case, "windows"), |window| {
                let [treatment, control] = window.counts();
                Some(ratio::log_factors(margin, treatment, control))
            })
        }
        "guard_limit" => {
            let p0 = member(case, "limit");
            let points = limit::alternatives(p0).len();
            let windows: Vec<Counts> = member(case, "windows");
            guarded(points, &windows, |window| Some(limit::log_factors(p0, *window)))
        }
        "guard_mean" => {
            let margin = member(case, "margin");
            assert_eq!(member::<u64>(case, "burn_in"), mean::BURN_IN);
            let mut test = MeanTest::default();
            guarded(mean::POINTS, &member::<Vec<Means>>(case, "windows"), |window| {
                test.step(margin, Some(&window.t), Some(&window.c))
            })
        }
        "rate_ratio_e" => {
            let r0: f64 = member(case, "r0");
            summed(&member::<Vec<TwoArms>>(case, "windows"), |window| {
                let [treatment, control] = window.counts();
                ratio::log_factors(r0 - 1.0, treatment, control)
            })
        }
        "abs_limit_e" => {
            let p0: f64 = member(case, "p0");
            let grid: Vec<f64> = member(case, "grid");
            let ours = limit::alternatives(p0);
            assert!(
                ours.len() == grid.len() && ours.iter().zip(&grid).all(|(a, b)| (a - b).abs() < 1e-12),
                "{}",
                case.id
            );
            summed(&member::<Vec<Counts>>(case, "windows"), |window| limit::log_factors(p0, *window))
        }
        other => panic!("no such category: {other}"),
    }
}

#[test]
fn every_reference_case_holds() {
    let reference: Reference = serde_json::from_str(include_str!("../../tests/oracles/guards.json")).unwrap();
    assert_eq!((reference.cases.len(), reference.count), (19, 19));
    let mut compared = 0;
    for case in &reference.cases {
        let got = figures(case);
        let close = |got: f64, expected: f64| (got - expected).abs() <= case.tol.abs.max(case.tol.rel * expected.abs());
        if let Some(expected) = case.expected.log_e_final {
            let last = *got.last().unwrap();
            assert!(close(last, expected), "{}: {last} for {expected}", case.id);
            compared += 1;
        }
        for (window, (got, expected)) in got.iter().zip(&case.expected.log_e_by_window).enumerate() {
            assert!(close(*got, *expected), "{} window {window}: {got} for {expected}", case.id);
            compared += 1;
        }
    }
    assert!(compared > 400, "{compared} figures compared");
}
