//! A ratio (errors, conversions) against control: does treatment hit more often than `1 + margin` times as often?

use super::{Counts, excesses};

/// Number of alternatives.
pub const POINTS: usize = super::EXCESSES as usize;

/// One window's log-factors against "treatment's rate is at most `r0 = 1 + margin` times control's".
///
/// Given how many hits both arms had together, treatment's are binomial, with odds that depend on the ratio of the rates and
/// the arms' sizes alone; the factor is the likelihood ratio of `r_j = r0·(1 + 0.05·2^(i/2))`, i = 0…18, to `r0`:
///
/// ```text
/// f_j = k_t·ln(r_j/r0) + (k_t+k_c)·ln[(1+q(r0−1))/(1+q(r_j−1))],   q = n_t/(n_t+n_c)
/// ```
///
/// The rate itself may drift from window to window. Exact for rare hits (Poisson), careful for frequent ones.
#[must_use]
pub fn log_factors(margin: f64, treatment: Counts, control: Counts) -> Vec<f64> {
    log_factors_over(1.0 + margin, excesses(), treatment, control)
}

/// The log-factors of other alternatives: ratios `r0·(1 + excess)`, one for each of `excesses`.
#[must_use]
pub fn log_factors_over(
    r0: f64,
    excesses: impl IntoIterator<Item = f64>,
    treatment: Counts,
    control: Counts,
) -> Vec<f64> {
    let (n_t, n_c) = (treatment.n as f64, control.n as f64);
    let (k_t, k_c) = (treatment.k as f64, control.k as f64);
    let q = n_t / (n_t + n_c);
    let scale = q * r0 / (1.0 + q * (r0 - 1.0));
    let factor = |excess: f64| k_t * excess.ln_1p() - (k_t + k_c) * (scale * excess).ln_1p();
    excesses.into_iter().map(factor).collect()
}
