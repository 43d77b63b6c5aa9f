//! Sums of numbers that are held as logarithms.

/// `ln(e^a + e^b)` without overflow; −∞ stands for nothing.
#[must_use]
pub fn ln_add_exp(a: f64, b: f64) -> f64 {
    let (high, low) = if a >= b { (a, b) } else { (b, a) };
    if low == f64::NEG_INFINITY { high } else { high + (low - high).exp().ln_1p() }
}

/// `ln Σ e^x`; −∞ for no terms.
#[must_use]
pub fn ln_sum_exp(terms: &[f64]) -> f64 {
    let high = terms.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if high == f64::NEG_INFINITY {
        return high;
    }
    high + terms.iter().map(|x| (x - high).exp()).sum::<f64>().ln()
}

/// `ln` of the mean of `e^x`; −∞ for no terms.
#[must_use]
pub fn ln_mean_exp(terms: &[f64]) -> f64 {
    if terms.is_empty() { f64::NEG_INFINITY } else { ln_sum_exp(terms) - (terms.len() as f64).ln() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_survive_what_overflows() {
        assert!((ln_add_exp(1_000.0, 1_000.0) - (1_000.0 + 2.0_f64.ln())).abs() < 1e-12);
        assert_eq!(ln_add_exp(f64::NEG_INFINITY, -3.0), -3.0);
        assert_eq!(ln_add_exp(f64::NEG_INFINITY, f64::NEG_INFINITY), f64::NEG_INFINITY);
        assert!((ln_sum_exp(&[-1e4, -1e4, -1e4]) - (-1e4 + 3.0_f64.ln())).abs() < 1e-9);
        assert!((ln_mean_exp(&[5.0, 5.0]) - 5.0).abs() < 1e-12);
        assert_eq!(ln_mean_exp(&[]), f64::NEG_INFINITY);
    }
}
