use super::*;

/// The evidence of one component.
fn log_e(z: f64, h: f64, optimum: f64, alpha: f64) -> f64 {
    let l = -2.0 * alpha.ln();
    let kappa = h / optimum * (l + l.ln_1p());
    z * z * kappa / (2.0 * (1.0 + kappa)) - kappa.ln_1p() / 2.0
}

#[test]
fn the_bound_is_where_the_evidence_reaches_one_in_alpha() {
    for alpha in [0.05, 0.01, 0.0025, 1e-7] {
        for h in [1e-3, 1.0, 57.0, 300.0, 1e4, 1e9] {
            let z = normal_mixture_bound(h, &[300.0], alpha);
            assert!((log_e(z, h, 300.0, alpha) + alpha.ln()).abs() < 1e-6, "α {alpha}, h {h}: {z}");
            let z = normal_mixture_bound(h, &[300.0, 3_000.0, 30_000.0], alpha);
            let mean = ln_mean_exp(&[300.0, 3_000.0, 30_000.0].map(|optimum| log_e(z, h, optimum, alpha)));
            assert!((mean + alpha.ln()).abs() < 1e-6, "α {alpha}, h {h}: {z}");
        }
    }
}

#[test]
fn a_bound_without_data_or_level_is_infinite() {
    for (h, alpha) in [(0.0, 0.01), (-1.0, 0.01), (f64::NAN, 0.01), (1.0, 0.0), (1.0, 1.0), (1.0, f64::NAN)] {
        assert_eq!(normal_mixture_bound(h, &[300.0], alpha), f64::INFINITY, "{h} {alpha}");
    }
    assert_eq!(normal_mixture_bound(1.0, &[], 0.01), f64::INFINITY);
}

#[test]
fn a_rate_is_within_its_interval_and_the_interval_narrows() {
    let mut last = 1.0;
    for n in [1, 10, 100, 1_000, 100_000, 10_000_000] {
        let [low, high] = rate_interval(Counts { n, k: n / 10 }, 0.01).unwrap();
        let rate = (n / 10) as f64 / n as f64;
        assert!(0.0 <= low && low <= rate && rate <= high && high <= 1.0, "{n}: {low} {high}");
        assert!(high - low < last, "{n}: {low} {high}");
        last = high - low;
    }
    assert_eq!(rate_interval(Counts { n: 0, k: 0 }, 0.01), None);
    assert_eq!(rate_interval(Counts { n: 50, k: 0 }, 0.01).unwrap()[0], 0.0);
    assert_eq!(rate_interval(Counts { n: 50, k: 50 }, 0.01).unwrap()[1], 1.0);
}

#[test]
fn a_rates_ends_are_where_the_evidence_reaches_one_in_alpha() {
    // For k of n with the mixture Beta(1/2, 1/2): n = 2, k = 1 has the marginal B(3/2, 3/2)/B(1/2, 1/2) = 1/8.
    let [low, high] = rate_interval(Counts { n: 2, k: 1 }, 0.5).unwrap();
    for p in [low, high] {
        assert!((0.125 / (p * (1.0 - p)) - 2.0).abs() < 1e-9, "{p}");
    }
}

#[test]
fn absurd_counts_are_no_danger() {
    for counts in [(u64::MAX, 0), (u64::MAX, u64::MAX), (u64::MAX, 1 << 60), (3, 9)] {
        let interval = rate_interval(Counts { n: counts.0, k: counts.1 }, 0.01).unwrap();
        assert!(interval.iter().all(|end| end.is_finite()), "{counts:?}: {interval:?}");
    }
}
