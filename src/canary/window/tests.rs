use bellwether_core::window::{Ratio, Values};

use super::*;

fn window() -> ClosedWindow {
    ClosedWindow::new(DateTime::UNIX_EPOCH, 0)
}

fn ratio(n: u64, k: u64) -> Summary {
    Summary::Ratio(Ratio { n, k, labels: Vec::new() })
}

fn values(n: u64, mean: f64, max: f64) -> Values {
    Values { n, mean, m2: 1.0, min: mean.min(0.0), max, above: vec![(10.0, 1)], ..Values::default() }
}

#[test]
fn instances_are_added_up() {
    let mut window = window();
    window.add(TREATMENT, "m", &ratio(10, 1));
    window.add(TREATMENT, "m", &ratio(20, 2));
    window.add(CONTROL, "v", &Summary::Values(values(4, 5.0, 20.0)));
    window.add(CONTROL, "v", &Summary::Values(values(4, 7.0, 20.0)));
    assert_eq!(window.ratio("m"), [Counts::new(30, 3), None]);
    assert_eq!(window.above("v", 10.0), [None, Counts::new(8, 2)]);
    assert_eq!(window.moments("v")[1].map(|m| (m.n, m.mean)), Some((8, 6.0)));
    assert_eq!((window.ratio("v"), window.moments("m"), window.ratio("none")), ([None; 2], [None; 2], [None; 2]));
}

#[test]
fn what_no_requests_can_have_shown_is_left_out() {
    let mut window = window();
    window.add(TREATMENT, "m", &ratio(10, 1));
    for broken in [ratio(1, 2), Summary::Values(values(5, 5.0, 9.0))] {
        window.add(TREATMENT, "m", &broken);
    }
    window.add("bystander", "m", &ratio(10, 1));
    assert_eq!(window.ratio("m"), [Counts::new(10, 1), None]);

    let sound = values(4, 5.0, 20.0);
    window.add(TREATMENT, "v", &Summary::Values(sound.clone()));
    for broken in [
        Values { mean: f64::NAN, ..sound.clone() },
        Values { m2: f64::INFINITY, ..sound.clone() },
        Values { m2: -1.0, ..sound.clone() },
        Values { max: 4.0, ..sound.clone() },
        Values { max: f64::NAN, ..sound.clone() },
        Values { min: 6.0, ..sound.clone() },
    ] {
        window.add(TREATMENT, "v", &Summary::Values(broken));
    }
    assert_eq!(window.moments("v")[0].map(|m| m.n), Some(4));
}

#[test]
fn a_limit_that_was_not_counted_has_no_count() {
    let mut window = window();
    window.add(TREATMENT, "v", &Summary::Values(values(4, 5.0, 20.0)));
    assert_eq!(window.above("v", 15.0), [None; 2]);
    assert_eq!(window.above("v", 20.0), [Counts::new(4, 0), None]);
    let mut more_than_all = values(4, 5.0, 20.0);
    more_than_all.above = vec![(10.0, 9)];
    window.add(CONTROL, "v", &Summary::Values(more_than_all));
    assert_eq!(window.above("v", 10.0), [Counts::new(4, 1), None]);
}
