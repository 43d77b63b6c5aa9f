use bellwether_core::window::{CONTROL, REQUEST_DURATION_MS, REQUEST_ERROR, Ratio, Summary, TREATMENT, Values};
use proptest::prelude::*;

use super::super::policy::Policy;
use super::*;

const LIMITS: [Option<f64>; 5] = [None, None, None, Some(0.05), Some(2_000.0)];

fn states() -> Vec<GuardState> {
    Policy::default().start_guards(&LIMITS, 10).unwrap()
}

fn window(index: u64) -> ClosedWindow {
    let start = "2026-11-21T10:00:00Z".parse::<DateTime<Utc>>().unwrap();
    ClosedWindow::new(start + TimeDelta::seconds(10 * index as i64), index)
}

fn errors(index: u64, treatment: (u64, u64), control: (u64, u64)) -> ClosedWindow {
    let mut window = window(index);
    for (arm, (n, k)) in [(TREATMENT, treatment), (CONTROL, control)] {
        window.add(arm, REQUEST_ERROR, &Summary::Ratio(Ratio { n, k, labels: Vec::new() }));
    }
    window
}

fn latency(index: u64, treatment: (u64, f64, u64), control: (u64, f64, u64)) -> ClosedWindow {
    let mut window = window(index);
    for (arm, (n, mean, above)) in [(TREATMENT, treatment), (CONTROL, control)] {
        let m2 = 60.0 * 60.0 * (n as f64 - 1.0);
        let values = Values { n, mean, m2, min: 1.0, max: 3_000.0, above: vec![(2_000.0, above)], ..Values::default() };
        window.add(arm, REQUEST_DURATION_MS, &Summary::Values(values));
    }
    window
}

#[test]
fn errors_against_control_are_found_and_explained() {
    let mut state = states().remove(0);
    assert_eq!(state.verdict(), Verdict::NoData);
    for index in 0..3 {
        state.consume(&errors(index, (1_000, 30), (9_000, 90)));
    }
    assert_eq!(state.verdict(), Verdict::Harm);
    let report = state.report();
    let [low, high] = report.interval.unwrap();
    assert!((report.effect.unwrap() - 2.0).abs() < 1e-9 && low > 0.5 && low < 2.0 && high > 2.0, "{low} {high}");
    assert_eq!(report.samples, Samples { treatment: 3_000, control: 27_000 });
    let reason = report.reason.unwrap();
    let (start, end) = reason.split_once(", at least ").unwrap();
    assert_eq!(start, "Errors on the canary were 3.0 % against 1.0 % on control (ratio 3.00");
    let end = end.split_once(')').unwrap().1;
    assert_eq!(end, ", in 3,000 against 27,000 requests. A healthy canary shows this less than once in 500 releases.");
}

#[test]
fn harm_after_a_healthy_hour_is_explained_by_what_came_after() {
    let mut state = states().remove(0);
    for index in 0..360 {
        state.consume(&errors(index, (1_000, 10), (9_000, 90)));
    }
    assert_eq!(state.verdict(), Verdict::Fine);
    let mut index = 360;
    while state.verdict() == Verdict::Fine && index < 380 {
        state.consume(&errors(index, (1_000, 30), (9_000, 90)));
        index += 1;
    }
    assert!(index < 365, "found after {} windows", index - 360);
    let evidence = state.report().evidence.unwrap();
    assert_eq!(evidence.since, window(360).start());
    assert_eq!(evidence.figures.samples, Samples { treatment: (index - 360) * 1_000, control: (index - 360) * 9_000 });
    assert!((evidence.figures.effect.unwrap() - 2.0).abs() < 1e-9);
    assert!(evidence.figures.interval.unwrap()[0] > 0.0);
    assert!(state.report().effect.unwrap() < 0.1, "over the whole release it would not show");
}

#[test]
fn a_slower_mean_is_found_and_explained() {
    let mut state = states().remove(1);
    for index in 0..40 {
        state.consume(&latency(index, (1_000, 112.0, 0), (9_000, 100.0, 0)));
    }
    let report = state.report();
    assert_eq!(report.verdict, Verdict::Harm);
    assert!((report.effect.unwrap() - 0.12).abs() < 1e-9);
    let reason = report.reason.unwrap();
    assert!(
        reason.starts_with(
            "The mean latency on the canary was 112 ms against 100 ms on control (12.0 % more, at least 1"
        ),
        "{reason}"
    );
}

#[test]
fn limits_are_found_and_explained() {
    let mut all = states();
    let (mut p99, mut limit) = (all.remove(4), all.remove(3));
    for index in 0..5 {
        limit.consume(&errors(index, (1_000, 100), (9_000, 90)));
        p99.consume(&latency(index, (1_000, 100.0, 30), (9_000, 100.0, 20)));
    }
    let reason = limit.report().reason.unwrap();
    assert!(reason.starts_with("Errors on the canary were 10.0 % (at least 8."), "{reason}");
    assert!(
        reason.contains("above the limit of 5.0 %, against 1.0 % on control, in 5,000 against 45,000 requests."),
        "{reason}"
    );
    let reason = p99.report().reason.unwrap();
    assert!(reason.starts_with("3.0 % (at least 2."), "{reason}");
    assert!(reason.contains("of latencies on the canary were above 2,000 ms, where the p99 limit allows 1.0 %; on control 0.22 %, in 5,000 against 45,000 requests."), "{reason}");
    assert_eq!((limit.report().effect, limit.report().control), (Some(0.1), Some(0.01)));
}

#[test]
fn an_incident_of_the_whole_service_is_held_and_then_forgotten() {
    let mut state = states().remove(3);
    for index in 0..60 {
        state.consume(&errors(index, (1_000, 80), (9_000, 720)));
    }
    let report = state.report();
    assert_eq!((report.verdict, report.evidence.unwrap().since), (Verdict::Hold, window(0).start()));
    let reason = report.reason.unwrap();
    assert!(reason.contains("both arms are failing: not the canary"), "{reason}");
    assert!(state.log_e() < 1.0, "no evidence against the canary: {}", state.log_e());
    assert_eq!(report.stage_samples, Samples { treatment: 0, control: 540_000 }, "those windows are no samples");
    for index in 60..200 {
        state.consume(&errors(index, (1_000, 10), (9_000, 90)));
    }
    assert_eq!(state.verdict(), Verdict::Fine);
    for index in 200..205 {
        state.consume(&errors(index, (1_000, 90), (9_000, 90)));
    }
    assert_eq!(state.verdict(), Verdict::Harm, "then the canary alone fails");
}

#[test]
fn a_canary_that_fails_first_is_not_excused_by_a_healthy_control() {
    let mut state = states().remove(3);
    for index in 0..3 {
        state.consume(&errors(index, (1_000, 200), (9_000, 300)));
    }
    assert_eq!(state.verdict(), Verdict::Harm);
}

#[test]
fn a_window_counts_once_and_a_missing_one_as_silence() {
    let mut once = states();
    let mut again = states();
    for state in once.iter_mut().chain(&mut again) {
        state.consume(&errors(3, (1_000, 20), (9_000, 90)));
    }
    for state in &mut again {
        state.consume(&errors(3, (1_000, 900), (9_000, 90)));
        state.consume(&errors(1, (1_000, 900), (9_000, 90)));
    }
    assert_eq!(once, again);
    for state in &mut once {
        for index in 4..9 {
            state.consume(&window(index));
        }
    }
    for (once, again) in once.iter_mut().zip(&mut again) {
        let next = errors(9, (1_000, 20), (9_000, 90));
        once.consume(&next);
        again.consume(&next);
        assert!((once.log_e() - again.log_e()).abs() < 1e-12);
        assert_eq!(once.last_window(), Some(9));
    }
}

#[test]
fn a_stage_counts_its_own_samples_and_keeps_the_evidence() {
    let mut state = states().remove(0);
    state.consume(&errors(0, (1_000, 25), (9_000, 90)));
    let log_e = state.log_e();
    state.start_stage(None).unwrap();
    assert_eq!((state.log_e(), state.report().stage_samples), (log_e, Samples::default()));
    assert_eq!(state.report().samples.treatment, 1_000);
}

#[test]
fn a_limit_that_changes_with_the_stage_keeps_the_evidence() {
    let mut state = states().remove(3);
    for index in 0..2 {
        state.consume(&errors(index, (1_000, 70), (9_000, 90)));
    }
    let before = state.clone();
    assert!(state.start_stage(Some(2.0)).is_err() && state.start_stage(None).is_err());
    assert_eq!(state, before);
    state.start_stage(Some(0.10)).unwrap();
    assert!((state.log_e() - before.log_e()).abs() < 1e-9);
    state.consume(&errors(2, (1_000, 70), (9_000, 90)));
    assert!(state.log_e() < before.log_e());
    assert_eq!((state.report().limit, state.report().effect), (Some(0.10), Some(0.07)));
}

#[test]
fn a_guard_needs_what_its_test_needs() {
    let guards = Policy::default().guards;
    let refused = |guard: &Guard, limit, alpha| GuardState::new(guard, limit, alpha, 10).unwrap_err().pointer;
    assert_eq!(refused(&guards[3], None, 0.01), "/limit");
    assert_eq!(refused(&guards[3], Some(1.0), 0.01), "/limit");
    assert_eq!(refused(&guards[4], Some(f64::NAN), 0.01), "/limit");
    assert_eq!(refused(&Guard { quantile: None, ..guards[4].clone() }, Some(1.0), 0.01), "/quantile");
    assert_eq!(refused(&guards[0], None, f64::NAN), "/weight");
}

/// Any summary a sender could make up, and ordinary ones.
fn summary() -> impl Strategy<Value = Summary> {
    let number = prop_oneof![any::<f64>(), 0.0..3_000.0_f64, Just(f64::NAN), Just(f64::INFINITY)];
    let count = prop_oneof![any::<u64>(), 0..2_000_u64];
    prop_oneof![
        (count.clone(), count.clone()).prop_map(|(n, k)| Summary::Ratio(Ratio { n, k, labels: Vec::new() })),
        (1..2_000_u64, 0..200_u64).prop_map(|(n, k)| Summary::Ratio(Ratio { n, k: k.min(n), labels: Vec::new() })),
        (count.clone(), number.clone(), number.clone(), number.clone(), number, count).prop_map(
            |(n, mean, m2, min, max, above)| {
                Summary::Values(Values { n, mean, m2, min, max, above: vec![(2_000.0, above)], ..Values::default() })
            }
        ),
        (1..2_000_u64, 50.0..150.0_f64, 0.0..5_000.0_f64, 0..30_u64).prop_map(|(n, mean, variance, above)| {
            let (n, m2) = (n.max(above), variance * n as f64);
            Summary::Values(Values {
                n,
                mean,
                m2,
                min: 0.0,
                max: 3_000.0,
                above: vec![(2_000.0, above)],
                ..Values::default()
            })
        }),
    ]
}

proptest! {
    #[test]
    fn no_window_breaks_a_guard_and_a_restored_one_goes_on_bit_for_bit(
        windows in proptest::collection::vec(
            (1..5_u64, proptest::collection::vec((0..2_usize, 0..2_usize, summary()), 0..6)), 1..25),
        crash in 0..25_usize,
    ) {
        let mut live = states();
        let mut restored = states();
        let mut index = 0;
        for (position, (gap, cells)) in windows.into_iter().enumerate() {
            index += gap;
            let mut window = window(index);
            for (arm, metric, summary) in cells {
                window.add([TREATMENT, CONTROL][arm], [REQUEST_ERROR, REQUEST_DURATION_MS][metric], &summary);
            }
            if position == crash {
                restored = serde_json::from_str(&serde_json::to_string(&restored).unwrap()).unwrap();
            }
            for (live, restored) in live.iter_mut().zip(&mut restored) {
                live.consume(&window);
                restored.consume(&window);
                prop_assert!(live.log_e().is_finite());
                prop_assert_eq!(live.log_e().to_bits(), restored.log_e().to_bits());
            }
        }
        for (live, restored) in live.iter().zip(&restored) {
            prop_assert_eq!(live, restored);
            let text = serde_json::to_string(&live.report()).unwrap();
            let read: GuardReport = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(&read, &restored.report());
        }
    }
}
