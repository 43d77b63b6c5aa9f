//! The χ² distribution.

use statrs::function::gamma::checked_gamma_ur;

/// Degrees of freedom above which the incomplete gamma function is neither quick nor accurate any more.
const MOST_DF: f64 = 1e8;

/// The probability of more than `x` at `df` degrees of freedom, accurate in relative terms in the upper tail:
/// `Q(df/2, x/2)`, the regularised incomplete gamma function.
///
/// `None` unless 0 < `df` ≤ 10⁸ and `x` is a number.
#[must_use]
pub fn sf(x: f64, df: f64) -> Option<f64> {
    if !(df > 0.0 && df <= MOST_DF) || x.is_nan() {
        return None;
    }
    if x <= 0.0 {
        return Some(1.0);
    }
    if x == f64::INFINITY {
        return Some(0.0);
    }
    checked_gamma_ur(df / 2.0, x / 2.0).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_degrees_of_freedom_are_exponential() {
        for x in [1e-12, 0.3, 2.0, 2.5, 100.0, 1_400.0] {
            let exact = (-x / 2.0_f64).exp();
            assert!((sf(x, 2.0).unwrap() / exact - 1.0).abs() < 1e-12, "{x}");
        }
    }

    #[test]
    fn the_ends_and_what_is_outside() {
        assert_eq!(
            (sf(0.0, 3.0), sf(-1.0, 3.0), sf(1e300, 3.0), sf(f64::INFINITY, 3.0)),
            (Some(1.0), Some(1.0), Some(0.0), Some(0.0))
        );
        for (x, df) in [(1.0, 0.0), (1.0, -2.0), (1.0, f64::NAN), (f64::NAN, 1.0), (1.0, 1e300)] {
            assert_eq!(sf(x, df), None, "{x} {df}");
        }
    }
}
