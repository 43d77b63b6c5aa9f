use std::f64::consts::LN_2;

use serde::{Deserialize, Serialize};

use super::log_space::{ln_add_exp, ln_sum_exp};

/// A grid e-process with a start-time mixture: evidence against a null hypothesis, one number E that may be read after every
/// window.
///
/// It bets on each of J alternatives, starting at each window t with the share `w_t / J` of its stake:
/// `w_1 = 0.5`, `w_t = 0.5·h·(1−h)^(t−2)`, h the window's length in hours (at most 1). With a window's log-factors `f_j`
///
/// ```text
/// A_j   ← ln(e^A_j + w_t/J) + f_j
/// log E = ln(Σ_j e^A_j + 1 − Σ_{s≤t} w_s)
/// ```
///
/// E has mean at most 1 under the null at every window, so it ever reaches 1/α with probability at most α (Ville). Starting late
/// keeps a long healthy time from masking a failure. See Ramdas, Grünwald, Vovk and Shafer, "Game-theoretic statistics and
/// safe anytime-valid inference" (2023), for e-processes and mixtures of them.
///
/// The state restores bit for bit from JSON: it never holds an infinity or NaN.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EProcess {
    points: usize,
    window_seconds: u32,
    windows: u64,
    /// `A_j`; empty before the first window, when all of them are −∞.
    log_weights: Vec<f64>,
    /// Highest log E so far, 0 at the start.
    max_log_e: f64,
}

impl EProcess {
    /// A process over `points` alternatives, for windows of `window_seconds`.
    #[must_use]
    pub fn new(points: usize, window_seconds: u32) -> Self {
        Self { points: points.max(1), window_seconds, windows: 0, log_weights: Vec::new(), max_log_e: 0.0 }
    }

    /// Takes in one window. `None`, factors that are not finite or not one per alternative: the window adds nothing, and
    /// time goes on.
    pub fn step(&mut self, factors: Option<&[f64]>) {
        self.skip(1);
        let Some(factors) = factors.filter(|factors| factors.len() == self.log_weights.len()) else {
            return;
        };
        let weights: Vec<f64> = self.log_weights.iter().zip(factors).map(|(weight, factor)| weight + factor).collect();
        if weights.iter().all(|weight| weight.is_finite()) {
            self.log_weights = weights;
            self.max_log_e = self.max_log_e.max(self.log_e());
        }
    }

    /// Lets `windows` windows pass that add nothing.
    pub fn skip(&mut self, windows: u64) {
        if windows == 0 {
            return;
        }
        let started = self.ln_started_in(windows) - (self.points as f64).ln();
        if self.log_weights.is_empty() {
            self.log_weights = vec![started; self.points];
        } else {
            for weight in &mut self.log_weights {
                *weight = ln_add_exp(*weight, started);
            }
        }
        self.windows = self.windows.saturating_add(windows);
    }

    /// Goes on over another grid of `points` alternatives, with what has been won spread evenly over them.
    ///
    /// A stake may be moved at any time by what is known by then, so E keeps its meaning.
    pub fn regrid(&mut self, points: usize) {
        self.points = points.max(1);
        if !self.log_weights.is_empty() {
            let even = ln_sum_exp(&self.log_weights) - (self.points as f64).ln();
            self.log_weights = vec![even; self.points];
        }
    }

    /// Logarithm of the evidence: 0 at the start, at least `ln(1/α)` to reject at α.
    #[must_use]
    pub fn log_e(&self) -> f64 {
        ln_add_exp(ln_sum_exp(&self.log_weights), self.ln_remaining())
    }

    /// Anytime-valid p-value: 1 / the highest E so far, at most 1.
    #[must_use]
    pub fn p(&self) -> f64 {
        (-self.max_log_e).exp().min(1.0)
    }

    /// Windows so far, those that added nothing included.
    #[must_use]
    pub fn windows(&self) -> u64 {
        self.windows
    }

    /// The share `w_t` of the stake that starts at window `t`, counted from 1.
    #[must_use]
    pub fn start_share(&self, t: u64) -> f64 {
        let hours = self.hours();
        match t {
            0 => 0.0,
            1 => 0.5,
            t => 0.5 * hours * times(t - 2, (-hours).ln_1p()).exp(),
        }
    }

    fn hours(&self) -> f64 {
        (f64::from(self.window_seconds) / 3_600.0).min(1.0)
    }

    /// `ln(1 − Σ w_s)` over the windows so far: `0.5·(1−h)^(t−1)`.
    fn ln_remaining(&self) -> f64 {
        match self.windows {
            0 => 0.0,
            t => -LN_2 + times(t - 1, (-self.hours()).ln_1p()),
        }
    }

    /// `ln Σ w_s` over the next `windows` windows.
    fn ln_started_in(&self, windows: u64) -> f64 {
        let step = (-self.hours()).ln_1p();
        let fall = if self.windows == 0 { -LN_2 + times(windows - 1, step) } else { times(windows, step) };
        let remaining = self.ln_remaining();
        if remaining == f64::NEG_INFINITY { remaining } else { remaining + (-fall.exp_m1()).ln() }
    }
}

/// `count · x`, 0 for a count of 0 even where x is infinite.
fn times(count: u64, x: f64) -> f64 {
    if count == 0 { 0.0 } else { count as f64 * x }
}

#[cfg(test)]
mod tests;
