use proptest::prelude::*;

use super::*;

fn summed(values: &[f64], limits: &[f64]) -> Values {
    let mut window = Values::watching(limits);
    for value in values {
        window.record(*value);
    }
    window
}

proptest! {
    #[test]
    fn merging_is_like_recording_everything_in_one_window(
        a in proptest::collection::vec(-1e3..1e6_f64, 0..60),
        b in proptest::collection::vec(-1e3..1e6_f64, 0..60),
    ) {
        let limits = [100.0, 2_000.0];
        let mut merged = summed(&a, &limits);
        merged.merge(&summed(&b, &limits));
        let all = summed(&[a, b].concat(), &limits);
        prop_assert_eq!(merged.n, all.n);
        prop_assert_eq!(&merged.above, &all.above);
        prop_assert_eq!(&merged.histogram, &all.histogram);
        prop_assert_eq!((merged.min, merged.max), (all.min, all.max));
        prop_assert!((merged.mean - all.mean).abs() <= 1e-9 * all.mean.abs().max(1.0));
        prop_assert!((merged.m2 - all.m2).abs() <= 1e-9 * all.m2.max(1.0));
    }

    #[test]
    fn a_value_lies_within_its_bucket(value in prop_oneof![1e-15..1e15_f64, (-300..300_i32).prop_map(upper_bound)]) {
        let bucket = bucket_of(value);
        prop_assert!(value <= upper_bound(bucket) && value > upper_bound(bucket - 1), "{value} in {bucket}");
    }
}

#[test]
fn values_that_are_no_numbers_are_left_out() {
    let window = summed(&[f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 3.0], &[1.0]);
    assert_eq!((window.n, window.mean, window.above), (1, 3.0, vec![(1.0, 1)]));
    assert_eq!(bucket_of(0.0), bucket_of(-5.0));
}

#[test]
fn a_limit_is_kept_only_while_its_count_is_exact() {
    let mut window = summed(&[5.0, 20.0], &[10.0]);
    window.merge(&summed(&[7.0], &[]));
    assert_eq!(window.above(10.0), Some(1), "7 shows that nothing was above 10");
    window.merge(&summed(&[30.0], &[]));
    assert_eq!(window.above(10.0), None, "one of two counts is missing");
    assert_eq!(window.above(30.0), Some(0));
}

#[test]
fn windows_read_as_documented() {
    let text = r#"{"start":"2026-11-21T10:00:10Z","seconds":10,"release":"r","arm":"treatment","metric":"request.error","n":100,"k":2,"labels":[["POST /pay 502",2]]}"#;
    let window: Window = serde_json::from_str(text).unwrap();
    assert_eq!(window.summary, Summary::Ratio(Ratio { n: 100, k: 2, labels: vec![("POST /pay 502".into(), 2)] }));
    assert_eq!(serde_json::to_string(&window).unwrap(), text);
    let text = r#"{"start":"2026-11-21T10:00:10Z","seconds":10,"release":"r","arm":"control","metric":"request.duration_ms","n":900,"mean":96.1,"m2":51234.5,"min":12.0,"max":2100.0,"histogram":[[112,37]],"above":[[2000.0,1]]}"#;
    let window: Window = serde_json::from_str(text).unwrap();
    let Summary::Values(values) = &window.summary else { panic!("{window:?}") };
    assert_eq!(values.above(2_000.0), Some(1));
    assert_eq!(serde_json::to_string(&window).unwrap(), text);
}

proptest! {
    #[test]
    fn the_labels_of_many_hits_are_kept(
        hits in proptest::collection::vec(prop_oneof![0..1_000_u32, 0..25_u32, 0..2_u32], 1..400), split in 0..400_usize,
    ) {
        let counted = |hits: &[u32]| {
            let mut ratio = Ratio::default();
            for hit in hits {
                ratio.record(true, Some(&format!("label {hit}")));
            }
            ratio
        };
        let (first, rest) = hits.split_at(split.min(hits.len()));
        let mut merged = counted(first);
        merged.merge(&counted(rest));
        for ratio in [counted(&hits), merged] {
            prop_assert!(ratio.k == hits.len() as u64 && ratio.labels.len() <= LABELS);
            let lost = ratio.k / (LABELS as u64 + 1);
            for hit in &hits {
                let name = format!("label {hit}");
                let exact = hits.iter().filter(|other| *other == hit).count() as u64;
                let kept = ratio.labels.iter().find(|(label, _)| *label == name).map_or(0, |(_, count)| *count);
                prop_assert!(kept <= exact && exact - kept <= lost, "{name}: {kept} of {exact}");
            }
        }
    }
}

#[test]
fn a_quantile_is_at_most_a_bucket_too_high() {
    assert_eq!(Values::default().quantile(0.5), None);
    let window = summed(&(1..=1_000).map(f64::from).collect::<Vec<_>>(), &[]);
    for (p, exact) in [(0.0, 1.0), (0.5, 500.0), (0.99, 990.0), (1.0, 1_000.0)] {
        let told = window.quantile(p).unwrap();
        assert!((exact..=exact * HISTOGRAM_RATIO).contains(&told), "{p}: {told}");
    }
    // What is sent may be anything.
    let odd = Values { n: u64::MAX, min: 9.0, max: 1.0, histogram: [(3, u64::MAX), (7, u64::MAX)].into(), ..window };
    assert!(odd.quantile(f64::NAN).is_some() && odd.quantile(0.5).is_some() && odd.quantile(2.0).is_some());
}
