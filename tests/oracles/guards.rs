//! The guards' evidence, window by window, from the log-factors and the engine that the guards use.

use bellwether::stats::mean::{self, MeanTest, Moments};
use bellwether::stats::{Counts, EProcess, limit, log_space, ratio};
use serde::Deserialize;
use serde_json::json;

use crate::category::{Figures, count, figures, read};

/// A share of trials: of an arm against control, or against a limit.
#[derive(Deserialize)]
struct Share {
    #[serde(deserialize_with = "count")]
    n: u64,
    #[serde(deserialize_with = "count")]
    k: u64,
}

impl Share {
    /// `None` without trials.
    fn counts(&self) -> Result<Option<Counts>, String> {
        let Self { n, k } = *self;
        if k > n { Err(format!("a window has {k} hits in {n} trials")) } else { Ok(Counts::new(n, k)) }
    }
}

#[derive(Deserialize)]
struct TwoShares {
    #[serde(deserialize_with = "count")]
    n_t: u64,
    #[serde(deserialize_with = "count")]
    k_t: u64,
    #[serde(deserialize_with = "count")]
    n_c: u64,
    #[serde(deserialize_with = "count")]
    k_c: u64,
}

impl TwoShares {
    /// Treatment and control; `None` when one of them has no trials, as a guard then has nothing to compare.
    fn counts(&self) -> Result<Option<[Counts; 2]>, String> {
        let treatment = Share { n: self.n_t, k: self.k_t }.counts()?;
        let control = Share { n: self.n_c, k: self.k_c }.counts()?;
        Ok(treatment.zip(control).map(|(treatment, control)| [treatment, control]))
    }
}

#[derive(Deserialize)]
struct TwoMoments {
    t: Values,
    c: Values,
}

#[derive(Deserialize)]
struct Values {
    #[serde(deserialize_with = "count")]
    n: u64,
    /// Null of no values.
    mean: Option<f64>,
    m2: Option<f64>,
}

impl Values {
    /// `None` without values.
    fn moments(&self) -> Result<Option<Moments>, String> {
        if self.n == 0 {
            return Ok(None);
        }
        let moments = self.mean.zip(self.m2).and_then(|(mean, m2)| Moments::new(self.n, mean, m2));
        moments.map(Some).ok_or_else(|| "a window's values have no mean, or no sum of squares".to_owned())
    }
}

#[derive(Deserialize)]
struct GuardRatio {
    margin: f64,
    windows: Vec<TwoShares>,
    #[serde(default = "ten")]
    window_seconds: u32,
}

#[derive(Deserialize)]
struct GuardLimit {
    limit: f64,
    windows: Vec<Share>,
    #[serde(default = "ten")]
    window_seconds: u32,
}

#[derive(Deserialize)]
struct GuardMean {
    margin: f64,
    #[serde(default = "burn_in", deserialize_with = "count")]
    burn_in: u64,
    windows: Vec<TwoMoments>,
    #[serde(default = "ten")]
    window_seconds: u32,
}

#[derive(Deserialize)]
struct RateRatio {
    r0: f64,
    grid: Vec<f64>,
    windows: Vec<TwoShares>,
}

#[derive(Deserialize)]
struct AbsLimit {
    p0: f64,
    grid: Vec<f64>,
    windows: Vec<Share>,
}

fn ten() -> u32 {
    10
}

fn burn_in() -> u64 {
    mean::BURN_IN
}

fn margin_above(margin: f64) -> Result<(), String> {
    if margin > -1.0 { Ok(()) } else { Err(format!("the margin is {margin}, and must be above -1")) }
}

fn share_inside(name: &str, share: f64) -> Result<(), String> {
    let inside = share > 0.0 && share < 1.0;
    if inside { Ok(()) } else { Err(format!("{name} holds {share}, and must be in (0, 1)")) }
}

/// log E after each window, alternatives starting one after the other as they do in a guard.
fn guarded<W>(
    mut process: EProcess,
    windows: &[W],
    mut factors: impl FnMut(&W) -> Result<Option<Vec<f64>>, String>,
) -> Result<Figures, String> {
    let mut by_window = Vec::with_capacity(windows.len());
    for window in windows {
        process.step(factors(window)?.as_deref());
        by_window.push(process.log_e());
    }
    Ok(evidence(&by_window))
}

/// log E after each window when all alternatives start at once: the factors' sums, averaged over the grid.
fn summed<W>(
    grid: &[f64],
    windows: &[W],
    factors: impl Fn(&W) -> Result<Option<Vec<f64>>, String>,
) -> Result<Figures, String> {
    if grid.is_empty() {
        return Err("the grid is empty".to_owned());
    }
    let mut sums = vec![0.0; grid.len()];
    let mut by_window = Vec::with_capacity(windows.len());
    for window in windows {
        for (sum, factor) in sums.iter_mut().zip(factors(window)?.unwrap_or_default()) {
            *sum += factor;
        }
        by_window.push(log_space::ln_mean_exp(&sums));
    }
    Ok(evidence(&by_window))
}

fn evidence(by_window: &[f64]) -> Figures {
    // Before the first window E is 1.
    let last = by_window.last().copied().unwrap_or(0.0);
    figures([("log_e_final", json!(last)), ("log_e_by_window", json!(by_window))])
}

pub(crate) fn guard_ratio(input: &str) -> Result<Figures, String> {
    let GuardRatio { margin, windows, window_seconds } = read(input)?;
    margin_above(margin)?;
    guarded(EProcess::new(ratio::POINTS, window_seconds), &windows, |window| {
        Ok(window.counts()?.map(|[treatment, control]| ratio::log_factors(margin, treatment, control)))
    })
}

pub(crate) fn guard_limit(input: &str) -> Result<Figures, String> {
    let GuardLimit { limit: p0, windows, window_seconds } = read(input)?;
    share_inside("limit", p0)?;
    guarded(EProcess::new(limit::alternatives(p0).len(), window_seconds), &windows, |window| {
        Ok(window.counts()?.map(|counts| limit::log_factors(p0, counts)))
    })
}

pub(crate) fn guard_mean(input: &str) -> Result<Figures, String> {
    let GuardMean { margin, burn_in, windows, window_seconds } = read(input)?;
    margin_above(margin)?;
    let mut test = MeanTest::default();
    guarded(EProcess::new(mean::POINTS, window_seconds), &windows, |window| {
        let (treatment, control) = (window.t.moments()?, window.c.moments()?);
        Ok(test.step_after(burn_in, margin, treatment.as_ref(), control.as_ref()))
    })
}

pub(crate) fn rate_ratio_e(input: &str) -> Result<Figures, String> {
    let RateRatio { r0, grid, windows } = read(input)?;
    if let Some(ratio) = grid.iter().chain([&r0]).find(|ratio| **ratio <= 0.0) {
        return Err(format!("r0 and the grid hold {ratio}, and must be above 0"));
    }
    let excesses = || grid.iter().map(|ratio| (ratio - r0) / r0);
    summed(&grid, &windows, |window| {
        Ok(window.counts()?.map(|[treatment, control]| ratio::log_factors_over(r0, excesses(), treatment, control)))
    })
}

pub(crate) fn abs_limit_e(input: &str) -> Result<Figures, String> {
    let AbsLimit { p0, grid, windows } = read(input)?;
    share_inside("p0", p0)?;
    grid.iter().try_for_each(|share| share_inside("grid", *share))?;
    summed(&grid, &windows, |window| Ok(window.counts()?.map(|counts| limit::log_factors_over(p0, &grid, counts))))
}
