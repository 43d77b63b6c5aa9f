//! Comparisons of two arms summed up window by window, so that traffic that drifts or ramps cancels. They give the effect and
//! the interval that are shown beside a verdict.

use serde::{Deserialize, Serialize};

use super::Counts;
use super::confidence::normal_mixture_bound;
use super::mean::{BURN_IN, Moments};

/// Both arms' rates or means over the same mix of windows, and their relative difference.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Comparison {
    /// Treatment's rate or mean, each window weighted by `n_t·n_c/(n_t+n_c)`.
    pub treatment: f64,
    /// Control's, weighted the same.
    pub control: f64,
    /// `treatment/control − 1`; `None` while control's is not above 0.
    pub relative: Option<f64>,
}

impl Comparison {
    fn of(treatment: f64, control: f64, weight: f64) -> Option<Self> {
        let relative = (control > 0.0).then(|| treatment / control - 1.0).filter(|relative| relative.is_finite());
        let comparison = Self { treatment: treatment / weight, control: control / weight, relative };
        (weight > 0.0 && comparison.treatment.is_finite() && comparison.control.is_finite()).then_some(comparison)
    }
}

/// Sums for a ratio of rates (Mantel and Haenszel 1959; for the ratio of rates Rothman and Boice 1979).
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RatioSums {
    /// Trials of both arms.
    n: [u64; 2],
    /// `Σ k_t·n_c/N`, N = n_t + n_c.
    treatment: f64,
    /// `Σ k_c·n_t/N`.
    control: f64,
    /// `Σ (k_t+k_c)·n_t·n_c/N²`: the intrinsic time, in hits.
    information: f64,
    /// `Σ n_t·n_c/N`.
    weight: f64,
}

impl RatioSums {
    /// Adds one window.
    pub fn add(&mut self, treatment: Counts, control: Counts) {
        let [n_t, n_c] = &mut self.n;
        *n_t = n_t.saturating_add(treatment.n);
        *n_c = n_c.saturating_add(control.n);
        let (n_t, n_c) = (treatment.n as f64, control.n as f64);
        let (share_t, share_c) = (n_t / (n_t + n_c), n_c / (n_t + n_c));
        self.treatment += treatment.k as f64 * share_c;
        self.control += control.k as f64 * share_t;
        self.information += (treatment.k as f64 + control.k as f64) * share_t * share_c;
        self.weight += n_t * share_c;
    }

    /// Trials of treatment and control.
    #[must_use]
    pub fn trials(&self) -> [u64; 2] {
        self.n
    }

    /// The rates and the relative difference; `None` before the first window.
    #[must_use]
    pub fn comparison(&self) -> Option<Comparison> {
        Comparison::of(self.treatment, self.control, self.weight)
    }

    /// Interval for the relative difference that holds at every window at once with probability about 1 − `alpha`; `None`
    /// while it has no end.
    ///
    /// At the true ratio r the sum `S(r) = Σ (k_t·n_c − r·k_c·n_t)/N` has mean 0 in every window and, given the hits of both arms
    /// together, variance `r·I`, `I = Σ (k_t+k_c)·n_t·n_c/N²` (as in Sato 1990 for rare hits; too wide, not too narrow, for
    /// frequent ones). The interval holds the r with `S(r)² ≤ b²·r·I`, b by [`normal_mixture_bound`] at intrinsic time I.
    #[must_use]
    pub fn interval(&self, alpha: f64) -> Option<[f64; 2]> {
        let bound = normal_mixture_bound(self.information, &[10.0, 100.0, 1_000.0], alpha);
        // treatment² − 2·(product + slack)·r + control²·r² ≤ 0
        let product = self.treatment * self.control;
        let slack = bound * bound * self.information / 2.0;
        let far = product + slack + (slack * (2.0 * product + slack)).sqrt();
        // The product of the roots is (treatment/control)²: no difference of two near numbers.
        ends(self.treatment * self.treatment / far, far / (self.control * self.control))
    }
}

/// Sums for a ratio of means: at `margin` the stratified Welch sums are `s = Σ h·m_t − (1+margin)·Σ h·m_c` and
/// `v = Σ h²·v_t/n_t + (1+margin)²·Σ h²·v_c/n_c`, `h = n_t·n_c/(n_t+n_c)`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MeanSums {
    /// Values of both arms.
    n: [u64; 2],
    /// `Σ h·m_t`.
    treatment: f64,
    /// `Σ h·m_c`.
    control: f64,
    /// `Σ h²·v_t/n_t`.
    treatment_variance: f64,
    /// `Σ h²·v_c/n_c`.
    control_variance: f64,
    /// `Σ h`: the intrinsic time, in values.
    weight: f64,
}

impl MeanSums {
    /// Adds one window, unless an arm has fewer than two values or a sum would overflow.
    pub fn add(&mut self, treatment: &Moments, control: &Moments) {
        if treatment.n < 2 || control.n < 2 {
            return;
        }
        let (n_t, n_c) = (treatment.n as f64, control.n as f64);
        let h = n_t * (n_c / (n_t + n_c));
        let [all_t, all_c] = self.n;
        let sums = Self {
            n: [all_t.saturating_add(treatment.n), all_c.saturating_add(control.n)],
            treatment: self.treatment + h * treatment.mean,
            control: self.control + h * control.mean,
            treatment_variance: self.treatment_variance + h * h * treatment.sample_variance() / n_t,
            control_variance: self.control_variance + h * h * control.sample_variance() / n_c,
            weight: self.weight + h,
        };
        let finite = [sums.treatment, sums.control, sums.treatment_variance, sums.control_variance, sums.weight];
        if finite.iter().all(|x| x.is_finite()) {
            *self = sums;
        }
    }

    /// Values of treatment and control.
    #[must_use]
    pub fn values(&self) -> [u64; 2] {
        self.n
    }

    /// The means and the relative difference; `None` before the first window.
    #[must_use]
    pub fn comparison(&self) -> Option<Comparison> {
        Comparison::of(self.treatment, self.control, self.weight)
    }

    /// The stratified Welch sums s and v at `margin`: the effect at the margin is `s / Σh`, its z-statistic `s/√v`.
    #[must_use]
    pub fn welch(&self, margin: f64) -> (f64, f64) {
        let r0 = 1.0 + margin;
        (self.treatment - r0 * self.control, self.treatment_variance + r0 * r0 * self.control_variance)
    }

    /// Interval for the relative difference that holds at every window at once with probability about 1 − `alpha`: the margins at
    /// which `s² ≤ b²·v` (Fieller 1954), b by [`normal_mixture_bound`] at intrinsic time Σh. `None` while it has no end,
    /// control's mean is not above 0, or an arm has fewer than [`BURN_IN`] values.
    #[must_use]
    pub fn interval(&self, alpha: f64) -> Option<[f64; 2]> {
        if self.n.iter().any(|n| *n < BURN_IN) || self.control <= 0.0 {
            return None;
        }
        let bound = normal_mixture_bound(self.weight, &[300.0, 3_000.0, 30_000.0], alpha);
        // (treatment − r·control)² ≤ b²·(v_t + r²·v_c), as a·r² − 2·product·r + c ≤ 0
        let a = self.control * self.control - bound * bound * self.control_variance;
        if a <= 0.0 {
            return None;
        }
        let product = self.treatment * self.control;
        let inner = self.treatment_variance * a + self.control_variance * self.treatment * self.treatment;
        let root = bound * inner.sqrt();
        ends((product - root) / a, (product + root) / a)
    }
}

fn ends(low: f64, high: f64) -> Option<[f64; 2]> {
    (low.is_finite() && high.is_finite()).then_some([low - 1.0, high - 1.0])
}

#[cfg(test)]
mod tests;
