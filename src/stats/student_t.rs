use std::f64::consts::SQRT_2;

use statrs::function::beta::{checked_beta_reg, checked_ln_beta};
use statrs::function::erf::erf;

use super::confidence::root;
use super::normal;

/// From here on the distribution is mapped to the normal one. `statrs`' incomplete beta function loses digits as df grows.
const LARGE_DF: f64 = 1e4;

/// Where x²/df is so large that the tail's first term is all of it.
const FAR: f64 = 1e20;

/// Student's t distribution.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StudentT {
    df: f64,
}

impl StudentT {
    /// With `df` degrees of freedom, not necessarily whole; `None` unless above 0. Infinite, it is the normal distribution.
    #[must_use]
    pub fn new(df: f64) -> Option<Self> {
        (df > 0.0).then_some(Self { df })
    }

    /// The probability of at most `x`, accurate in relative terms in the lower tail.
    #[must_use]
    pub fn cdf(&self, x: f64) -> f64 {
        self.sf(-x)
    }

    /// The probability of more than `x`, accurate in relative terms in the upper tail, to about 10⁻³⁰⁰.
    #[must_use]
    pub fn sf(&self, x: f64) -> f64 {
        if x.is_nan() {
            return x;
        }
        let [between, beyond] = self.halves(x.abs());
        if x >= 0.0 { beyond } else { 0.5 + between }
    }

    /// The x that is not exceeded with probability `p`: −∞ at 0, ∞ at 1; `None` outside of that.
    ///
    /// By bisection of the logarithm of x, on the side of the distribution on which p is known best. A closed form would have to be
    /// another one for heavy tails, for light ones and for the middle; `statrs`' own does not always end.
    #[must_use]
    pub fn quantile(&self, p: f64) -> Option<f64> {
        if !(0.0..=1.0).contains(&p) {
            return None;
        }
        let beyond = p.min(1.0 - p);
        let between = 0.5 - beyond;
        let x = if between == 0.0 {
            0.0
        } else if beyond == 0.0 {
            f64::INFINITY
        } else if beyond < 0.25 {
            self.positive(|[_, tail]| beyond - tail)
        } else {
            self.positive(|[middle, _]| middle - between)
        };
        Some(if p < 0.5 { -x } else { x })
    }

    /// The positive x at which what rises with it comes to 0.
    fn positive(&self, rising: impl Fn([f64; 2]) -> f64) -> f64 {
        root(f64::MIN_POSITIVE.ln(), f64::MAX.ln(), |ln_x| rising(self.halves(ln_x.exp()))).exp()
    }

    /// For `x` ≥ 0 the probabilities of being between 0 and x, and beyond x: ½ together, the smaller one without loss.
    fn halves(&self, x: f64) -> [f64; 2] {
        let df = self.df;
        if x == f64::INFINITY {
            return [0.5, 0.0];
        }
        if df >= LARGE_DF {
            let z = self.normal_equivalent(x);
            return [erf(z / SQRT_2) / 2.0, normal::sf(z)];
        }
        let ratio = x * (x / df);
        if ratio > FAR {
            // The first term of the series for the incomplete beta function in df/(df+x²); x² itself may be too large.
            let ln_beta = checked_ln_beta(df / 2.0, 0.5).unwrap_or(f64::NAN);
            let beyond = (-df * (x.ln() - df.ln() / 2.0) - ln_beta - df.ln()).exp();
            return [0.5 - beyond, beyond];
        }
        // The continued fraction converges, and gives without a subtraction, the share below its mean.
        let part = ratio / (1.0 + ratio);
        if part * (df + 5.0) < 3.0 {
            let between = half_beta(0.5, df / 2.0, part);
            [between, 0.5 - between]
        } else {
            let beyond = half_beta(df / 2.0, 0.5, 1.0 / (1.0 + ratio));
            [0.5 - beyond, beyond]
        }
    }

    /// The normal variate that is exceeded as often as `x` ≥ 0: Hill, "Algorithm 395: Student's t-distribution" (1970).
    ///
    /// From 10,000 degrees of freedom on its tails are right to 10⁻¹² down to 10⁻³⁰⁰.
    fn normal_equivalent(&self, x: f64) -> f64 {
        if self.df == f64::INFINITY {
            return x;
        }
        let a = self.df - 0.5;
        let b = 48.0 * a * a;
        let square = a * (x * (x / self.df)).ln_1p();
        let w = square.sqrt();
        let second = ((4.0 * square + 33.0) * square + 240.0) * square + 855.0;
        w + (square + 3.0) * w / b - second * w / (10.0 * b * (b + 0.8 * square * square + 100.0))
    }
}

/// Half the regularised incomplete beta function.
fn half_beta(a: f64, b: f64, x: f64) -> f64 {
    checked_beta_reg(a, b, x).map_or(f64::NAN, |share| share / 2.0)
}

#[cfg(test)]
mod tests;
