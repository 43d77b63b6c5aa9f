use bellwether_core::window::{CONTROL, REQUEST_DURATION_MS, REQUEST_ERROR, TREATMENT, Values};
use bellwether_core::{RawValue, Value};
use chrono::TimeDelta;
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::fixture;

const FAILED: Observation<'static> = Observation::Outcome { failed: true, label: "POST /pay" };
const WENT_WELL: Observation<'static> = Observation::Outcome { failed: false, label: "POST /pay" };

fn met_with(key: &str, arm: &str, metrics: Value, seconds: u32) -> Met {
    let json = fixture::canary(key, 10_000, metrics, seconds).to_string();
    let entry = Arc::new(Entry::read(RawValue::from_string(json).unwrap()).unwrap());
    let arm = entry.flag().release().unwrap().arms.iter().position(|other| other.name == arm).unwrap();
    Met { entry, arm }
}

fn met(key: &str, arm: &str) -> Met {
    let metrics = json!([{"metric": REQUEST_ERROR}, {"metric": REQUEST_DURATION_MS, "limits": [2_000.0]}]);
    met_with(key, arm, metrics, 10)
}

fn at(milliseconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(milliseconds).unwrap()
}

fn record(recorder: &Recorder, at: DateTime<Utc>, met: &[Met], metric: &str, observation: Observation<'_>) {
    recorder.record(|| at.timestamp(), met.iter().filter_map(Met::release_and_arm), metric, observation);
}

fn ratio(window: &Window) -> (u64, u64) {
    let Summary::Ratio(ratio) = &window.summary else { panic!("{window:?}") };
    (ratio.n, ratio.k)
}

fn values(window: &Window) -> &Values {
    let Summary::Values(values) = &window.summary else { panic!("{window:?}") };
    values
}

#[test]
fn windows_are_cut_at_multiples_of_their_length() {
    let recorder = Recorder::new(100);
    let met = [met("a", TREATMENT)];
    for moment in [9_999, 10_000, 19_999, 20_000] {
        record(&recorder, at(moment), &met, REQUEST_ERROR, FAILED);
    }
    assert!(recorder.take_ended(at(9_999)).is_empty());
    let ended = recorder.take_ended(at(20_000));
    let starts: Vec<_> = ended.iter().map(|window| (window.start, window.seconds, ratio(window))).collect();
    assert_eq!(starts, [(at(0), 10, (1, 1)), (at(10_000), 10, (2, 2))]);
    assert!(recorder.take_ended(at(29_999)).is_empty());
    assert_eq!(recorder.take_ended(at(30_000)).len(), 1);
    assert_eq!(recorder.due(), None);
}

#[test]
fn an_outcome_counts_for_each_release_met_in_its_arm() {
    let recorder = Recorder::new(100);
    record(&recorder, at(0), &[met("a", TREATMENT), met("b", CONTROL)], REQUEST_ERROR, FAILED);
    record(&recorder, at(1), &[met("a", CONTROL)], REQUEST_ERROR, WENT_WELL);
    record(&recorder, at(2), &[met("a", TREATMENT)], REQUEST_ERROR, WENT_WELL);
    record(&recorder, at(3), &[], REQUEST_ERROR, FAILED);
    let taken = recorder.take_all();
    let found: Vec<_> = taken.iter().map(|w| (w.release.as_str(), w.arm.as_str(), ratio(w))).collect();
    assert_eq!(
        found,
        [("release-a", CONTROL, (1, 0)), ("release-a", TREATMENT, (2, 1)), ("release-b", CONTROL, (1, 1))]
    );
    let labels = |window: &Window| match &window.summary {
        Summary::Ratio(ratio) => ratio.labels.clone(),
        Summary::Values(_) => panic!("{window:?}"),
    };
    assert_eq!(taken.iter().map(labels).collect::<Vec<_>>()[1], [("POST /pay".to_owned(), 1)]);
}

#[test]
fn only_what_a_release_watches_is_recorded() {
    let recorder = Recorder::new(100);
    let met = [
        met_with("a", TREATMENT, json!([{"metric": REQUEST_ERROR}]), 10),
        met_with("b", TREATMENT, json!([{"metric": "cart.size"}]), 10),
        met_with("c", TREATMENT, json!([]), 10),
        met_with("d", TREATMENT, json!([{"metric": "cart.size"}]), 0),
    ];
    record(&recorder, at(0), &met, REQUEST_ERROR, FAILED);
    record(&recorder, at(0), &met, REQUEST_DURATION_MS, Observation::Number(5.0));
    record(&recorder, at(0), &met, "cart.size", Observation::Number(3.0));
    let taken = recorder.take_all();
    let found: Vec<_> = taken.iter().map(|w| (w.release.as_str(), w.metric.as_str())).collect();
    assert_eq!(found, [("release-a", REQUEST_ERROR), ("release-b", "cart.size")]);
}

#[test]
fn numbers_are_summed_up_with_the_limits_that_guards_watch() {
    let recorder = Recorder::new(100);
    for number in [100.0, 2_000.0, 2_500.0, f64::NAN, f64::INFINITY, -1e101] {
        record(&recorder, at(0), &[met("a", TREATMENT)], REQUEST_DURATION_MS, Observation::Number(number));
    }
    let taken = recorder.take_all();
    let summary = values(&taken[0]);
    assert_eq!((summary.n, summary.above(2_000.0), summary.max), (3, Some(1), 2_500.0));
    record(&recorder, at(0), &[met("a", TREATMENT)], REQUEST_DURATION_MS, Observation::Number(f64::NAN));
    assert!(recorder.take_all().is_empty(), "what is no number opens no window");
    assert_eq!((recorder.take_refused(), recorder.take_refused()), (4, 0));
}

#[test]
fn a_ratio_counts_what_is_not_nothing() {
    let recorder = Recorder::new(100);
    let met =
        [met_with("a", TREATMENT, json!([{"metric": REQUEST_ERROR}, {"metric": "order.placed", "ratio": true}]), 10)];
    for (metric, number) in [("order.placed", 1.0), ("order.placed", 0.0), ("order.placed", 59.9), (REQUEST_ERROR, 0.0)]
    {
        record(&recorder, at(0), &met, metric, Observation::Number(number));
    }
    record(&recorder, at(0), &met, REQUEST_ERROR, FAILED);
    let taken = recorder.take_all();
    let found: Vec<_> = taken.iter().map(|window| (window.metric.as_str(), ratio(window))).collect();
    assert_eq!(found, [("order.placed", (3, 2)), (REQUEST_ERROR, (2, 1))]);
}

#[test]
fn a_release_is_the_same_in_a_flag_that_changed() {
    let (own, other) = (met("a", TREATMENT), met("a", TREATMENT));
    assert!(own.is(&own.entry, own.arm) && own.is(&other.entry, other.arm));
    assert!(!own.is(&own.entry, 1 - own.arm) && !own.is(&other.entry, 1 - own.arm));
    assert!(!own.is(&met("b", TREATMENT).entry, own.arm));
}

#[test]
fn nobody_asks_for_the_time_for_nothing() {
    let recorder = Recorder::new(100);
    let met = met("a", TREATMENT);
    let count = |met: Option<&Met>, metric, number| {
        let met = met.and_then(Met::release_and_arm);
        recorder.record(|| panic!("the clock is read"), met, metric, Observation::Number(number));
    };
    count(None, REQUEST_DURATION_MS, 1.0);
    count(Some(&met), "unwatched", 1.0);
    count(Some(&met), REQUEST_DURATION_MS, f64::NAN);
}

#[test]
fn a_window_that_was_taken_early_goes_on_with_the_rest() {
    let recorder = Recorder::new(100);
    let met = [met("a", TREATMENT)];
    record(&recorder, at(1_000), &met, REQUEST_ERROR, FAILED);
    let first = recorder.take_all();
    record(&recorder, at(2_000), &met, REQUEST_ERROR, WENT_WELL);
    let rest = recorder.take_ended(at(10_000));
    assert_eq!((first[0].start, ratio(&first[0])), (at(0), (1, 1)));
    assert_eq!((rest[0].start, ratio(&rest[0])), (at(0), (1, 0)), "nothing is counted twice");
}

#[test]
fn open_windows_are_bounded() {
    let recorder = Recorder::new(3);
    let met = [met("a", TREATMENT)];
    for window in 0..5 {
        record(&recorder, at(window * 10_000), &met, REQUEST_ERROR, FAILED);
    }
    record(&recorder, at(0), &met, REQUEST_ERROR, FAILED);
    assert_eq!(recorder.take_dropped(), 2, "windows that are open take more");
    assert_eq!(recorder.take_dropped(), 0);
    assert_eq!(recorder.take_all().len(), 3);
    record(&recorder, at(90_000), &met, REQUEST_ERROR, FAILED);
    assert_eq!(recorder.take_all().len(), 1, "there is room again");
}

#[test]
fn nothing_is_recorded_once_closed() {
    let recorder = Recorder::new(3);
    record(&recorder, at(0), &[met("a", TREATMENT)], REQUEST_ERROR, FAILED);
    recorder.close();
    record(&recorder, at(0), &[met("a", TREATMENT)], REQUEST_ERROR, FAILED);
    assert_eq!(ratio(&recorder.take_all()[0]), (1, 1));
}

#[test]
fn labels_are_cut_and_the_most_frequent_come_first() {
    let recorder = Recorder::new(3);
    let (long, met) = ("é".repeat(150), [met("a", TREATMENT)]);
    for label in ["rare", "often", &long, "often", &long, "often"] {
        record(&recorder, at(0), &met, REQUEST_ERROR, Observation::Outcome { failed: true, label });
    }
    let Summary::Ratio(ratio) = &recorder.take_all()[0].summary else { panic!() };
    let labels: Vec<_> = ratio.labels.iter().map(|(label, count)| (label.len(), *count)).collect();
    assert_eq!(labels, [(5, 3), (200, 2), (4, 1)]);
}

#[tokio::test]
async fn who_waits_is_told_of_a_window_that_ends_sooner() {
    let recorder = Recorder::new(10);
    let (long, short) = (met("a", TREATMENT), met_with("b", TREATMENT, json!([{"metric": REQUEST_ERROR}]), 2));
    record(&recorder, at(1_000), std::slice::from_ref(&long), REQUEST_ERROR, FAILED);
    recorder.sooner().await;
    assert_eq!(recorder.due(), Some(Due { end: 10, seconds: 10 }));
    record(&recorder, at(1_000), &[short], REQUEST_ERROR, FAILED);
    recorder.sooner().await;
    assert_eq!(recorder.due(), Some(Due { end: 2, seconds: 2 }));
    recorder.take_ended(at(2_000));
    assert_eq!(recorder.due(), Some(Due { end: 10, seconds: 10 }));
}

proptest! {
    #[test]
    fn every_observation_is_in_one_window_that_covers_it(
        moments in proptest::collection::vec((-100_000..1_000_000_i64, 0..3_u32), 1..80), takes in 1..10_i64,
    ) {
        let recorder = Recorder::new(1_000);
        let watched = [1, 7, 10].map(|seconds| met_with("a", TREATMENT, json!([{"metric": "m"}]), seconds));
        let mut sorted = moments;
        sorted.sort_unstable();
        let mut taken = Vec::new();
        for (index, (moment, which)) in sorted.iter().enumerate() {
            record(&recorder, at(*moment), &watched[*which as usize..=*which as usize], "m", Observation::Number(*moment as f64));
            if index as i64 % takes == 0 {
                let ended = recorder.take_ended(at(*moment));
                for window in &ended {
                    let end = window.start + TimeDelta::seconds(window.seconds.into());
                    prop_assert!(end <= at(*moment), "taken before its end");
                }
                taken.extend(ended);
            }
        }
        taken.extend(recorder.take_all());
        prop_assert_eq!(taken.iter().map(|window| values(window).n).sum::<u64>(), sorted.len() as u64);
        for window in &taken {
            let start = window.start.timestamp_millis() as f64;
            prop_assert!(window.start.timestamp() % i64::from(window.seconds) == 0);
            prop_assert!(values(window).min >= start && values(window).max < start + f64::from(window.seconds) * 1e3);
        }
        prop_assert_eq!(recorder.due(), None);
    }
}
