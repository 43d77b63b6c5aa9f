use super::*;

fn student(df: f64) -> StudentT {
    StudentT::new(df).unwrap()
}

/// Quadrature with 60 digits (mpmath).
const SURVIVAL: [(f64, f64, f64); 14] = [
    (1e-5, 1.0, 0.499_996_816_901_138_3),
    (1e-5, 5_000.0, 0.499_996_010_776_662_2),
    (0.3, 4.37, 0.388_956_621_619_829_2),
    (1.7, 9_999.0, 0.044_581_012_918_862_706),
    (38.0, 9_999.0, 1.454_624_718_123_561_6e-295),
    (38.0, 10_000.0, 1.448_300_534_885_690_2e-295),
    (5.0, 2.5, 0.011_725_594_985_430_924),
    (1e3, 3.0, 1.102_653_821_288_296_3e-9),
    (1e100, 2.0, 5e-201),
    (1e290, 1.0, 3.183_098_861_837_906_7e-291),
    (30.0, 57.5, 4.119_851_290_195_702e-37),
    (37.0, 1e6, 9.149_865_430_901_131e-300),
    (2.5758, 1e6, 0.005_000_494_833_151_581),
    (12.7, 0.25, 0.191_387_653_068_952_27),
];

#[test]
fn probabilities_are_right_in_the_middle_and_in_far_tails() {
    for (x, df, expected) in SURVIVAL {
        let t = student(df);
        assert!((t.sf(x) / expected - 1.0).abs() < 1e-9, "{x} {df}: {:e} for {expected:e}", t.sf(x));
        assert_eq!(t.cdf(-x), t.sf(x));
        assert!((t.cdf(x) + t.sf(x) - 1.0).abs() < 1e-15, "{x} {df}");
    }
}

#[test]
fn a_quantile_is_where_the_probability_is_reached() {
    for df in [0.5, 1.0, 1.5, 2.0, 4.37, 30.0, 997.8, 9_999.9, 1e4, 1e6, 1e12, f64::INFINITY] {
        let t = student(df);
        for p in [1e-100, 1e-20, 1e-6, 0.005, 0.2, 0.249_999, 0.25, 0.4, 0.499_999] {
            let x = t.quantile(p).unwrap();
            assert!((t.cdf(x) / p - 1.0).abs() < 1e-9, "{df} {p}: {x}");
        }
        for upper in [0.6, 0.75, 0.975] {
            let (high, low) = (t.quantile(upper).unwrap(), t.quantile(1.0 - upper).unwrap());
            assert!((high + low).abs() < 1e-9 * high, "{df} {upper}: {high} {low}");
        }
    }
}

#[test]
fn quantiles_of_one_and_two_degrees_are_closed_forms() {
    for p in [1e-300, 1e-9, 0.1, 0.499, 0.5, 0.7, 0.999_9] {
        let cauchy = -1.0 / (std::f64::consts::PI * p).tan();
        let two = (2.0 * p - 1.0) / (2.0 * p * (1.0 - p)).sqrt();
        let close = |got: f64, expected: f64| (got - expected).abs() <= 1e-12 + 1e-9 * expected.abs();
        assert!(close(student(1.0).quantile(p).unwrap(), cauchy), "{p}");
        assert!(close(student(2.0).quantile(p).unwrap(), two), "{p}");
    }
}

#[test]
fn the_ends_and_what_is_outside() {
    let t = student(3.0);
    assert_eq!((t.sf(f64::INFINITY), t.cdf(f64::INFINITY), t.sf(0.0)), (0.0, 1.0, 0.5));
    assert_eq!((t.quantile(0.0), t.quantile(0.5)), (Some(f64::NEG_INFINITY), Some(0.0)));
    assert_eq!((t.quantile(1.0), t.quantile(1.1), t.quantile(f64::NAN)), (Some(f64::INFINITY), None, None));
    assert!(t.sf(f64::NAN).is_nan());
    for df in [0.0, -1.0, f64::NAN] {
        assert_eq!(StudentT::new(df), None);
    }
}
