//! A share against a fixed limit: errors above 5 %, or more than 1 % of the latencies above the p99's limit.

use super::{Counts, excesses};

/// The highest alternative of limits below it.
const TOP: f64 = 0.95;

/// The alternatives to "the share is at most `p0`": `p_j = p0·(1 + 0.05·2^(i/2))`, i = 0…18, those below 0.95, and 0.95.
///
/// A `p0` of 0.95 or more has one alternative, halfway to 1.
#[must_use]
pub fn alternatives(p0: f64) -> Vec<f64> {
    if p0 >= TOP {
        return vec![f64::midpoint(p0, 1.0)];
    }
    excesses().map(|excess| p0 * (1.0 + excess)).filter(|p| *p < TOP).chain([TOP]).collect()
}

/// One window's log-factors against "the share is at most `p0`" (0 < `p0` < 1): the binomial likelihood ratios
///
/// ```text
/// f_j = k·ln(p_j/p0) + (n−k)·ln((1−p_j)/(1−p0))
/// ```
#[must_use]
pub fn log_factors(p0: f64, counts: Counts) -> Vec<f64> {
    log_factors_over(p0, &alternatives(p0), counts)
}

/// The log-factors of other alternatives: the shares in `grid`.
#[must_use]
pub fn log_factors_over(p0: f64, grid: &[f64], counts: Counts) -> Vec<f64> {
    let hits = counts.k as f64;
    let misses = counts.n.saturating_sub(counts.k) as f64;
    grid.iter().map(|p| hits * (p / p0).ln() + misses * (-(p - p0) / (1.0 - p0)).ln_1p()).collect()
}
