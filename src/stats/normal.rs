//! The standard normal distribution.

use std::f64::consts::SQRT_2;

use statrs::consts::LN_SQRT_2PI;
use statrs::function::erf::erfc;

/// Below this the logarithm is taken from the asymptotic series, long before the probability itself underflows (−38).
const FAR: f64 = -30.0;

/// `Φ(x)`: the probability of at most `x`, accurate in relative terms in the lower tail.
#[must_use]
pub fn cdf(x: f64) -> f64 {
    erfc(-x / SQRT_2) / 2.0
}

/// `1 − Φ(x)`, accurate in relative terms in the upper tail.
#[must_use]
pub fn sf(x: f64) -> f64 {
    cdf(-x)
}

/// `ln Φ(x)`, for any x.
///
/// Below −30 by the asymptotic series `Φ(x) = φ(x)/|x|·(1 − 1/x² + 1·3/x⁴ − 1·3·5/x⁶ + …)` (Abramowitz and Stegun 26.2.12).
#[must_use]
pub fn ln_cdf(x: f64) -> f64 {
    if x >= 0.0 {
        return (-sf(x)).ln_1p();
    }
    if x >= FAR {
        return cdf(x).ln();
    }
    let inverse = 1.0 / (x * x);
    let rest = -inverse * (1.0 - inverse * (3.0 - inverse * (15.0 - inverse * 105.0)));
    -x * x / 2.0 - (-x).ln() - LN_SQRT_2PI + rest.ln_1p()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_series_goes_on_where_the_function_ends() {
        let (near, far) = (ln_cdf(FAR), ln_cdf(FAR - 1e-9));
        assert!(((near - far) / near).abs() < 1e-10, "{near} {far}");
    }

    #[test]
    fn far_tails_are_as_scipy_has_them() {
        for (x, expected) in
            [(-30.0, -454.321_243_956_343_2), (-37.5, -707.668_989_317_507_2), (-40.0, -804.608_442_013_754)]
        {
            assert!((ln_cdf(x) / expected - 1.0_f64).abs() < 1e-12, "{x}: {}", ln_cdf(x));
        }
        assert_eq!((ln_cdf(40.0), ln_cdf(f64::INFINITY), ln_cdf(f64::NEG_INFINITY)), (0.0, 0.0, f64::NEG_INFINITY));
        assert!(ln_cdf(f64::NAN).is_nan());
    }
}
