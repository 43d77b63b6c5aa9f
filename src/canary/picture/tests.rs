use super::*;

fn estimate(low: f64, effect: f64, high: f64) -> Option<Estimate> {
    Some(Estimate { low, effect, high })
}

#[test]
fn an_interval_lies_in_order_on_the_scale() {
    let picture = IntervalPicture::new(Bound::Margin(0.05), estimate(0.31, 0.98, 1.80));
    let drawn = picture.interval.unwrap();
    assert!(picture.origin.percent() < picture.bound.percent());
    assert!(picture.bound.percent() < drawn.low.percent());
    assert!(drawn.low.percent() < drawn.effect.percent());
    assert!(drawn.open_right, "1.80 lies beyond the scale that holds 0.98");
    assert!(!drawn.open_left);
    assert_eq!(drawn.high.to_string(), "100.00%");
}

#[test]
fn the_scale_stays_while_the_estimate_moves_a_little() {
    let one = IntervalPicture::new(Bound::Margin(0.05), estimate(-0.02, 0.010, 0.04));
    let other = IntervalPicture::new(Bound::Margin(0.05), estimate(-0.03, -0.015, 0.05));
    assert_eq!((one.origin, one.bound), (other.origin, other.bound));
}

#[test]
fn a_limit_is_drawn_from_zero() {
    let picture = IntervalPicture::new(Bound::Limit(2_000.0), estimate(310.0, 331.0, 352.0));
    assert_eq!(picture.origin, Position::new(0.0));
    assert_eq!(picture.bound, Position::new(62.5));
    assert!(picture.label_before());
    assert!(picture.interval.unwrap().high.percent() < picture.bound.percent());
}

#[test]
fn without_an_estimate_only_the_bound_is_drawn() {
    for missing in [None, estimate(f64::NAN, 0.0, 0.1), estimate(0.0, f64::INFINITY, 0.1)] {
        assert_eq!(IntervalPicture::new(Bound::Margin(0.05), missing).interval, None);
    }
    let open = IntervalPicture::new(Bound::Margin(0.05), estimate(f64::NEG_INFINITY, 0.0, f64::INFINITY));
    let drawn = open.interval.unwrap();
    assert!(drawn.open_left && drawn.open_right);
}

#[test]
fn bounds_of_zero_have_a_scale_too() {
    for bound in [Bound::Margin(0.0), Bound::Limit(0.0), Bound::Margin(f64::NAN)] {
        let picture = IntervalPicture::new(bound, estimate(-1e9, 1e9, 2e9));
        assert!(picture.interval.is_some());
    }
}

#[test]
fn a_trend_breaks_where_a_window_is_empty() {
    let arm = |treatment| Point { treatment, control: Some(0.01) };
    let trend = Trend::new(&[arm(Some(0.01)), arm(None), arm(Some(0.02)), arm(Some(0.02))], Some(0.05)).unwrap();
    assert_eq!(trend.treatment.matches('M').count(), 2);
    assert_eq!(trend.treatment.matches('L').count(), 1);
    assert_eq!(trend.control.matches('M').count(), 1);
    assert!(trend.limit.is_some());
    assert!((trend.top - 0.055).abs() < 1e-12);
}

#[test]
fn a_far_limit_does_not_flatten_the_lines() {
    let points = [Point { treatment: Some(96.0), control: Some(95.0) }; 3];
    let trend = Trend::new(&points, Some(2_000.0)).unwrap();
    assert_eq!(trend.limit, None);
}

#[test]
fn a_trend_needs_two_windows() {
    assert_eq!(Trend::new(&[], None), None);
    assert_eq!(Trend::new(&[Point { treatment: Some(1.0), control: None }], None), None);
    let flat = Trend::new(&[Point { treatment: Some(0.0), control: Some(0.0) }; 2], None).unwrap();
    assert!(flat.treatment.starts_with("M0.0 47.00"), "{}", flat.treatment);
}
