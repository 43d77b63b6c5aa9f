use super::*;

fn arm(n: u64, mean: f64, variance: f64) -> Moments {
    Moments { n, mean, m2: variance * (n.max(1) - 1) as f64 }
}

#[test]
fn equal_arms_have_students_degrees_of_freedom() {
    let test = Welch::new(&arm(50, 1.0, 4.0), &arm(50, 2.0, 4.0)).unwrap();
    assert!((test.df - 98.0).abs() < 1e-9 && (test.t - 2.5).abs() < 1e-12, "{test:?}");
    let Tails { two_sided, greater, less } = test.tails().unwrap();
    assert!((two_sided - 2.0 * greater).abs() < 1e-15 && (greater + less - 1.0).abs() < 1e-15);
}

#[test]
fn the_interval_ends_where_the_test_would_just_reject() {
    let (control, treatment) = (arm(12, 3.0, 2.0), arm(31, 4.5, 7.0));
    let [low, high] = Welch::new(&control, &treatment).unwrap().interval(0.99).unwrap();
    for end in [low, high] {
        let shifted = Moments { mean: control.mean + end, ..control };
        let p = Welch::new(&shifted, &treatment).unwrap().tails().unwrap().two_sided;
        assert!((p - 0.01).abs() < 1e-9, "{end}: {p}");
    }
    assert_eq!(Welch::new(&control, &treatment).unwrap().interval(1.0), None);
}

#[test]
fn arms_that_do_not_vary() {
    let differ = Welch::new(&arm(3, 1.0, 0.0), &arm(3, 2.0, 0.0)).unwrap();
    assert_eq!((differ.t, differ.df, differ.interval(0.95)), (f64::INFINITY, 1.0, Some([1.0, 1.0])));
    assert_eq!(differ.tails(), Some(Tails { two_sided: 0.0, greater: 0.0, less: 1.0 }));
    let same = Welch::new(&arm(3, 1.0, 0.0), &arm(3, 1.0, 0.0)).unwrap();
    assert!(same.t.is_nan() && same.tails().is_none());
    let one = Welch::new(&arm(3, 1.0, 0.0), &arm(3, 2.0, 1.0)).unwrap();
    assert!((one.df - 2.0).abs() < 1e-12);
}

#[test]
fn one_value_has_no_variance() {
    for n in [0, 1] {
        assert_eq!(Welch::new(&arm(n, 1.0, 0.0), &arm(30, 2.0, 1.0)), None);
        assert_eq!(Welch::new(&arm(30, 1.0, 1.0), &arm(n, 2.0, 0.0)), None);
    }
}

#[test]
fn variances_may_be_as_small_or_large_as_they_are() {
    for scale in [1e-150, 1e150] {
        let variance = scale * scale;
        let test = Welch::new(&arm(10, 0.0, variance), &arm(20, scale, 2.0 * variance)).unwrap();
        assert!((test.t - 1.0 / 0.2_f64.sqrt()).abs() < 1e-9, "{test:?}");
        assert!((test.df - 0.04 / (0.01 / 9.0 + 0.01 / 19.0)).abs() < 1e-9, "{test:?}");
    }
}

#[test]
fn sums_give_the_moments_that_the_values_have() {
    let moments = Moments::of_sums(5, 50.0, 510.0).unwrap();
    assert_eq!((moments.mean, moments.m2), (10.0, 10.0));
    let third = 1.0_f64 / 3.0;
    assert_eq!(Moments::of_sums(3, third + third + third, 3.0 * third * third).unwrap().m2, 0.0);
    for (n, sum, squares) in [(0, 0.0, 0.0), (2, 3.0, 1.0), (2, f64::NAN, 1.0), (2, 1e200, f64::INFINITY)] {
        assert_eq!(Moments::of_sums(n, sum, squares), None, "{n} {sum} {squares}");
    }
}
