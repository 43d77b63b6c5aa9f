//! The mean of a value (latency) against control: a sequential Welch t-test, stratified by window.

use bellwether_core::window::Values;
use serde::{Deserialize, Serialize};

/// Number of alternatives.
pub const POINTS: usize = SHIFTS as usize;
/// Both arms must have counted this many before a window counts as evidence.
pub const BURN_IN: u64 = 100;

const SHIFTS: i32 = 10;

/// What a sum of squares may be off by, relative to itself.
const ROUNDING: f64 = 4.0 * f64::EPSILON;

/// Count, mean and sum of squared deviations of some values; all finite.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Moments {
    /// How many values.
    pub n: u64,
    /// Their mean.
    pub mean: f64,
    /// Sum of squared deviations from the mean.
    pub m2: f64,
}

impl Moments {
    /// The moments of a window; `None` when it is empty or holds what no values can have.
    #[must_use]
    pub fn of(values: &Values) -> Option<Self> {
        Self::new(values.n, values.mean, values.m2)
    }

    /// Moments of `n` values; `None` without values, or when no values have these.
    #[must_use]
    pub fn new(n: u64, mean: f64, m2: f64) -> Option<Self> {
        Self { n, mean, m2 }.checked()
    }

    /// The moments of `n` values with these sums; `None` without values, when a sum is not finite or the sums belong to no values.
    ///
    /// A spread that is as small as the rounding of `sum_squares` counts as none.
    #[must_use]
    pub fn of_sums(n: u64, sum: f64, sum_squares: f64) -> Option<Self> {
        // Σx² − (Σx)²/n, with the square and the quotient to twice a double's digits.
        let count = n as f64;
        let square = sum * sum;
        let quotient = square / count;
        let rest = ((-quotient).mul_add(count, square) + sum.mul_add(sum, -square)) / count;
        let m2 = (sum_squares - quotient) - rest;
        let m2 = if m2.abs() <= ROUNDING * sum_squares { 0.0 } else { m2 };
        Self::new(n, sum / count, m2)
    }

    /// Sample variance; 0 below two values.
    #[must_use]
    pub fn sample_variance(&self) -> f64 {
        if self.n < 2 { 0.0 } else { self.m2 / (self.n - 1) as f64 }
    }

    /// Population variance; 0 without values.
    #[must_use]
    pub fn population_variance(&self) -> f64 {
        if self.n == 0 { 0.0 } else { self.m2 / self.n as f64 }
    }

    /// Adds other values (Chan's form of Welford); values that would overflow are left out.
    pub fn merge(&mut self, other: &Self) {
        let (a, b) = (self.n as f64, other.n as f64);
        let delta = other.mean - self.mean;
        let merged = Self {
            n: self.n.saturating_add(other.n),
            mean: self.mean + delta * (b / (a + b)),
            m2: self.m2 + other.m2 + delta * delta * a * (b / (a + b)),
        };
        if let Some(merged) = merged.checked() {
            *self = merged;
        }
    }

    fn checked(self) -> Option<Self> {
        (self.n > 0 && self.mean.is_finite() && self.m2.is_finite() && self.m2 >= 0.0).then_some(self)
    }
}

/// What the test remembers of earlier windows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MeanTest {
    /// Values of treatment so far.
    treatment: u64,
    /// Control's values so far, the burn-in included.
    control: Moments,
}

impl MeanTest {
    /// One window's log-factors against "treatment's mean is at most `(1 + margin)` times control's", and remembers the
    /// window. `None`: it adds nothing.
    ///
    /// ```text
    /// h = n_t·n_c/(n_t+n_c)    d = m_t − (1+margin)·m_c    se² = v_t/n_t + (1+margin)²·v_c/n_c
    /// x = h·d/s    y = h²·se²/s²    f_j = θ_j·x − θ_j²·y/2    θ_j = 0.02·2^(i/2), i = 0…9
    /// ```
    ///
    /// `s`, the unit in which the shifts θ are measured, is control's standard deviation over all earlier windows (population
    /// form; the window's own sample form while there are none). Windows with fewer than two values in an arm, or before both
    /// arms have counted [`BURN_IN`], add nothing.
    pub fn step(&mut self, margin: f64, treatment: Option<&Moments>, control: Option<&Moments>) -> Option<Vec<f64>> {
        self.step_after(BURN_IN, margin, treatment, control)
    }

    /// [`MeanTest::step`] with another burn-in.
    pub fn step_after(
        &mut self,
        burn_in: u64,
        margin: f64,
        treatment: Option<&Moments>,
        control: Option<&Moments>,
    ) -> Option<Vec<f64>> {
        let earlier = self.control;
        self.treatment = self.treatment.saturating_add(treatment.map_or(0, |moments| moments.n));
        if let Some(control) = control {
            self.control.merge(control);
        }
        let (treatment, control) = (treatment?, control?);
        if treatment.n < 2 || control.n < 2 || self.treatment < burn_in || self.control.n < burn_in {
            return None;
        }
        let variance = if earlier.n == 0 { control.sample_variance() } else { earlier.population_variance() };
        let s = variance.sqrt();
        if s <= 0.0 {
            return None;
        }
        let (n_t, n_c) = (treatment.n as f64, control.n as f64);
        let r0 = 1.0 + margin;
        let h = n_t * (n_c / (n_t + n_c));
        let difference = treatment.mean - r0 * control.mean;
        let squared_error = treatment.sample_variance() / n_t + r0 * r0 * control.sample_variance() / n_c;
        let x = h * difference / s;
        let y = h * h * squared_error / variance;
        Some(shifts().map(|shift| shift * x - shift * shift * y / 2.0).collect())
    }
}

fn shifts() -> impl Iterator<Item = f64> {
    (0..SHIFTS).map(|i| 0.02 * (f64::from(i) / 2.0).exp2())
}
