//! How many samples a sequential test of a share needs when the alternative is true: a bound for any test with such errors.
//!
//! Wald, "Sequential Analysis" (1947): `[(1−β)·ln((1−β)/α) + β·ln(β/(1−α))] / I`, with α the probability of rejecting a true
//! hypothesis, β that of keeping a false one, and I the information in one sample.

/// The shares of hits under the hypothesis and under the alternative, and the test's errors; all in (0, 1), but the errors may
/// be 0 too.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Wald {
    /// Share under the null hypothesis.
    pub p0: f64,
    /// Share under the alternative.
    pub p1: f64,
    /// Probability of rejecting a true null hypothesis.
    pub alpha: f64,
    /// Probability of keeping a false one.
    pub beta: f64,
}

impl Wald {
    /// Samples against a known `p0`: `I = KL(p1‖p0)`. Infinite when the shares are the same.
    #[must_use]
    pub fn one_sample(&self) -> f64 {
        self.evidence() / information(self.p0, self.p1 - self.p0)
    }

    /// Samples of treatment when control is measured beside it and treatment is `share` of all samples. Which arm a hit is from
    /// is what tells:
    ///
    /// ```text
    /// m = q·p1 + (1−q)·p0    θ0 = q    θ1 = q·p1/m    I = KL(θ1‖θ0)·m/q
    /// ```
    #[must_use]
    pub fn two_sample(&self, share: f64) -> f64 {
        let hits = share * self.p1 + (1.0 - share) * self.p0;
        let shift = share * (1.0 - share) * (self.p1 - self.p0) / hits;
        self.evidence() / (information(share, shift) * hits / share)
    }

    /// What log-likelihood ratio the test comes to on average.
    fn evidence(&self) -> f64 {
        let (alpha, beta) = (self.alpha, self.beta);
        weighted_ln(1.0 - beta, (1.0 - beta) / alpha) + weighted_ln(beta, beta / (1.0 - alpha))
    }
}

/// The Kullback–Leibler divergence of the share `p + shift` from the share `p`.
fn information(p: f64, shift: f64) -> f64 {
    let q = 1.0 - p;
    weighted(p + shift, (shift / p).ln_1p()) + weighted(q - shift, (-shift / q).ln_1p())
}

fn weighted_ln(weight: f64, x: f64) -> f64 {
    weighted(weight, x.ln())
}

/// A share of 0 weighs nothing, whatever its logarithm.
fn weighted(weight: f64, ln: f64) -> f64 {
    if weight == 0.0 { 0.0 } else { weight * ln }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closed_form() {
        let wald = Wald { p0: 0.05, p1: 0.08, alpha: 0.05, beta: 0.2 };
        assert!((wald.one_sample() - 235.973_807_465_953_57).abs() < 1e-9);
        assert!((wald.two_sample(0.5) - 545.799_315_138_624_8).abs() < 1e-9);
    }

    #[test]
    fn near_shares_keep_their_digits() {
        // KL ≈ δ²/(2p(1−p)).
        let wald = Wald { p0: 0.01, p1: 0.01 + 1e-9, alpha: 0.01, beta: 0.05 };
        let expected = wald.evidence() / (1e-18 / (2.0 * 0.01 * 0.99));
        assert!((wald.one_sample() / expected - 1.0).abs() < 1e-5, "{} {expected}", wald.one_sample());
    }

    #[test]
    fn the_ends() {
        let same = Wald { p0: 0.1, p1: 0.1, alpha: 0.01, beta: 0.05 };
        assert_eq!((same.one_sample(), same.two_sample(0.5)), (f64::INFINITY, f64::INFINITY));
        let never_missed = Wald { p0: 0.1, p1: 0.2, alpha: 0.01, beta: 0.0 };
        assert!(never_missed.one_sample().is_finite());
        let always = Wald { p0: 0.1, p1: 1.0, alpha: 0.01, beta: 0.05 };
        assert!((always.one_sample() * 10.0_f64.ln() - always.evidence()).abs() < 1e-12);
    }
}
