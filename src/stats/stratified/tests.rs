use super::*;

fn counts(n: u64, k: u64) -> Counts {
    Counts { n, k }
}

#[test]
fn the_ratio_is_the_windows_own_whatever_the_traffic() {
    // Errors double in both arms while the canary grows: pooled, it would look 1.6 times worse than it is.
    let mut sums = RatioSums::default();
    sums.add(counts(100, 1), counts(9_900, 99));
    sums.add(counts(5_000, 100), counts(5_000, 100));
    let comparison = sums.comparison().unwrap();
    assert!(comparison.relative.unwrap().abs() < 1e-12, "{comparison:?}");
    assert!((comparison.treatment - comparison.control).abs() < 1e-12);
    assert_eq!(sums.trials(), [5_100, 14_900]);
}

#[test]
fn the_ends_of_a_ratio_are_where_its_score_reaches_the_bound() {
    let mut sums = RatioSums::default();
    for (k_t, k_c) in [(20, 78), (17, 90), (25, 85)] {
        sums.add(counts(1_000, k_t), counts(9_000, k_c));
    }
    let bound = normal_mixture_bound(sums.information, &[10.0, 100.0, 1_000.0], 0.01);
    let ends = sums.interval(0.01).unwrap();
    let relative = sums.comparison().unwrap().relative.unwrap();
    assert!(ends[0] < relative && relative < ends[1]);
    for end in ends {
        let r = 1.0 + end;
        let score = sums.treatment - r * sums.control;
        assert!((score.powi(2) / (bound * bound * r * sums.information) - 1.0).abs() < 1e-9, "{end}");
    }
}

#[test]
fn a_ratio_without_hits_has_no_end_too_many() {
    let mut sums = RatioSums::default();
    assert_eq!((sums.comparison(), sums.interval(0.01)), (None, None));
    sums.add(counts(1_000, 0), counts(9_000, 0));
    assert_eq!((sums.comparison().unwrap().relative, sums.interval(0.01)), (None, None));
    sums.add(counts(1_000, 5), counts(9_000, 0));
    assert_eq!((sums.comparison().unwrap().relative, sums.interval(0.01)), (None, None));
    let mut none_in_treatment = RatioSums::default();
    none_in_treatment.add(counts(1_000, 0), counts(9_000, 90));
    let [low, high] = none_in_treatment.interval(0.01).unwrap();
    assert!(low == -1.0 && high > 0.2, "{low} {high}");
}

fn moments(n: u64, mean: f64, sd: f64) -> Moments {
    Moments { n, mean, m2: sd * sd * (n - 1) as f64 }
}

#[test]
fn the_ends_of_a_mean_are_the_margins_at_which_welch_reaches_the_bound() {
    let mut sums = MeanSums::default();
    for (m_t, m_c) in [(104.0, 96.0), (101.0, 97.0), (109.0, 95.0)] {
        sums.add(&moments(1_000, m_t, 60.0), &moments(9_000, m_c, 61.0));
    }
    let bound = normal_mixture_bound(sums.weight, &[300.0, 3_000.0, 30_000.0], 0.01);
    let ends = sums.interval(0.01).unwrap();
    let relative = sums.comparison().unwrap().relative.unwrap();
    assert!(ends[0] < relative && relative < ends[1]);
    for end in ends {
        let (s, v) = sums.welch(end);
        assert!((s * s / (bound * bound * v) - 1.0).abs() < 1e-9, "{end}");
    }
}

#[test]
fn a_mean_has_no_interval_before_it_can_have_one() {
    let mut sums = MeanSums::default();
    assert_eq!((sums.comparison(), sums.interval(0.01)), (None, None));
    sums.add(&moments(99, 100.0, 10.0), &moments(5_000, 100.0, 10.0));
    assert_eq!(sums.interval(0.01), None);
    sums.add(&moments(1, 100.0, 10.0), &moments(5_000, 100.0, 10.0));
    assert_eq!(sums.values(), [99, 5_000], "a single value has no variance");

    let mut around_zero = MeanSums::default();
    around_zero.add(&moments(500, 1.0, 100.0), &moments(500, 0.1, 100.0));
    assert_eq!(around_zero.interval(0.01), None, "control's mean may be 0: the ratio may be anything");
    let mut below_zero = MeanSums::default();
    below_zero.add(&moments(500, 1.0, 1.0), &moments(500, -5.0, 1.0));
    assert_eq!((below_zero.comparison().unwrap().relative, below_zero.interval(0.01)), (None, None));
}

#[test]
fn values_that_overflow_are_left_out() {
    let mut sums = MeanSums::default();
    sums.add(&moments(500, 10.0, 1.0), &moments(500, 10.0, 1.0));
    sums.add(&moments(u64::MAX, 1e300, 1e140), &moments(u64::MAX, 1e300, 1e140));
    assert_eq!(sums.values(), [500, 500]);
}
