//! Intervals that hold at every window at once (confidence sequences), for the effects shown beside a verdict.

use statrs::function::beta::checked_ln_beta;

use super::Counts;
use super::log_space::ln_mean_exp;

/// Halvings of an interval when looking for a root: past a double's precision.
const HALVINGS: usize = 100;

/// How many standard errors an estimate may be away from the truth at any time, with probability at least 1 − `alpha`.
///
/// Robbins' two-sided normal mixture: at intrinsic time `h` a standardised sum z has the evidence
/// `(1+κ)^(−1/2)·exp(z²κ/(2(1+κ)))` against a mean of 0, `κ = h/h_opt·(L + ln(1+L))`, `L = 2 ln(1/α)`, which makes the bound
/// narrowest at `h_opt`; averaged over `optima`, it stays near narrowest over their whole span. The bound is the z at which the
/// evidence is 1/α; infinite at h = 0.
///
/// Robbins, "Statistical methods related to the law of the iterated logarithm" (1970); Howard, Ramdas, McAuliffe and Sekhon,
/// "Time-uniform, nonparametric, nonasymptotic confidence sequences" (2021); for estimated variances it is asymptotic:
/// Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas, "Time-uniform central limit theory and asymptotic confidence sequences"
/// (2024).
#[must_use]
pub fn normal_mixture_bound(h: f64, optima: &[f64], alpha: f64) -> f64 {
    let l = -2.0 * alpha.ln();
    let kappas: Vec<f64> = optima.iter().map(|optimum| h / optimum * (l + l.ln_1p())).filter(|k| *k > 0.0).collect();
    if kappas.is_empty() || !(alpha > 0.0 && alpha < 1.0) {
        return f64::INFINITY;
    }
    let log_e = |square: f64| {
        let terms: Vec<f64> = kappas.iter().map(|k| (square * (k / (1.0 + k)) - k.ln_1p()) / 2.0).collect();
        ln_mean_exp(&terms)
    };
    // Where one component alone brings the mean to 1/α.
    let share = (kappas.len() as f64).ln();
    let high = kappas.iter().map(|k| (1.0 + k) / k * (l + 2.0 * share + k.ln_1p())).fold(f64::INFINITY, f64::min);
    root(0.0, high, |square| log_e(square) + alpha.ln()).sqrt()
}

/// Interval for a constant share of hits that holds at every window at once, with probability at least 1 − `alpha`: the
/// shares against which a Beta(½, ½) mixture of binomial likelihoods has evidence below 1/α. Exact, for any counts.
///
/// Robbins (1970); Howard et al. (2021), as above. `None` without trials.
#[must_use]
pub fn rate_interval(counts: Counts, alpha: f64) -> Option<[f64; 2]> {
    let rate = counts.rate()?;
    let hits = counts.k as f64;
    let misses = counts.n.saturating_sub(counts.k) as f64;
    let mixture = checked_ln_beta(hits + 0.5, misses + 0.5).ok()? - checked_ln_beta(0.5, 0.5).ok()?;
    let excess = |p: f64| mixture - weighted_ln(hits, p) - weighted_ln(misses, 1.0 - p) + alpha.ln();
    let low = if counts.k == 0 { 0.0 } else { root(0.0, rate, |p| -excess(p)) };
    let high = if counts.k >= counts.n { 1.0 } else { root(rate, 1.0, excess) };
    Some([low, high])
}

fn weighted_ln(count: f64, p: f64) -> f64 {
    if count == 0.0 { 0.0 } else { count * p.ln() }
}

/// The root of a rising function between `low` and `high`, by bisection.
pub(super) fn root(mut low: f64, mut high: f64, rising: impl Fn(f64) -> f64) -> f64 {
    for _ in 0..HALVINGS {
        let middle = f64::midpoint(low, high);
        if rising(middle) < 0.0 {
            low = middle;
        } else {
            high = middle;
        }
    }
    f64::midpoint(low, high)
}

#[cfg(test)]
mod tests;
