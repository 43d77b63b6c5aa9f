use super::super::policy::Test;
use super::super::report::Samples;
use super::*;

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds)
}

/// A report of the default policy's guard at `index`.
fn report(index: usize, verdict: Verdict, stage_samples: u64) -> GuardReport {
    let guard = &Policy::default().guards[index];
    GuardReport {
        name: guard.name.clone(),
        metric: guard.metric.clone(),
        test: guard.test,
        action: guard.action,
        alpha: 0.002,
        log_e: if verdict == Verdict::Harm { 7.0 + index as f64 } else { 0.0 },
        threshold: 500.0_f64.ln(),
        p: 1.0,
        effect: None,
        interval: None,
        samples: Samples::default(),
        stage_samples: Samples { treatment: stage_samples, control: 9 * stage_samples },
        treatment: None,
        control: None,
        margin: None,
        quantile: None,
        limit: None,
        edge: None,
        verdict,
        evidence: None,
        reason: matches!(verdict, Verdict::Harm | Verdict::Hold).then(|| format!("why {}", guard.name)),
    }
}

fn reports(stage_samples: u64) -> Vec<GuardReport> {
    (0..5).map(|index| report(index, Verdict::Fine, stage_samples)).collect()
}

struct Case {
    policy: Policy,
    stage: usize,
    seconds: i64,
    paused: bool,
    extensions: u32,
    reports: Vec<GuardReport>,
}

impl Case {
    fn new(seconds: i64, samples: u64) -> Self {
        Self { policy: Policy::default(), stage: 0, seconds, paused: false, extensions: 0, reports: reports(samples) }
    }

    fn judge(&self) -> Judgement {
        judge(&Situation {
            policy: &self.policy,
            stage: self.stage,
            stage_started_at: at(0),
            now: at(self.seconds),
            paused: self.paused,
            extensions: self.extensions,
            reports: &self.reports,
        })
    }

    fn decide(&self) -> Decision {
        self.judge().decision
    }
}

#[test]
fn it_waits_for_time_and_samples_and_says_how_long() {
    let waiting = |seconds, samples| match Case::new(seconds, samples).decide() {
        Decision::KeepGoing { waiting_for } => waiting_for,
        other => panic!("{other:?}"),
    };
    assert_eq!(waiting(1_080, 2_000), "12 minutes");
    assert_eq!(waiting(1_080, 100), "12 minutes and about 900 more requests, 3 hours at this rate");
    assert_eq!(waiting(1_080, 550), "12 minutes and about 450 more requests, 15 minutes at this rate");
    assert_eq!(waiting(1_080, 0), "12 minutes and about 1,000 more requests, none have come yet");
    assert_eq!(waiting(1_799, 1_000), "1 second");
}

#[test]
fn it_advances_when_both_are_there() {
    let mut case = Case::new(1_800, 1_000);
    let reason = "Advanced to 10 %: time and samples are met and no guard objects.".to_owned();
    assert_eq!(case.decide(), Decision::Advance { to: 1, promotes: false, reason });
    case.stage = 3;
    case.seconds = 3_600;
    let reason = "Promoted to 100 %: time and samples are met and no guard objects.".to_owned();
    assert_eq!(case.decide(), Decision::Advance { to: 4, promotes: true, reason });
    assert!(case.judge().act && case.judge().notices.is_empty());
}

#[test]
fn the_guard_with_the_fewest_samples_counts() {
    let mut case = Case::new(1_800, 5_000);
    case.reports[1] = report(1, Verdict::NoData, 0);
    let Decision::Hold { guard: None, reason } = case.decide() else { panic!("{:?}", case.decide()) };
    assert_eq!(reason, "Not enough data: guard `latency` has 0 of 1,000 requests.");
    case.reports[1].action = Action::Notify;
    assert!(matches!(case.decide(), Decision::Advance { .. }), "who only tells holds nothing up");
}

#[test]
fn silence_promotes_only_by_explicit_choice() {
    for (no_data, minimum_samples) in
        [(NoData::Hold, 1_000), (NoData::Hold, 0), (NoData::Extend, 0), (NoData::Rollback, 0)]
    {
        let mut case = Case::new(1_800_000, 0);
        case.policy.stages[0].no_data = no_data;
        case.policy.stages[0].minimum_samples = minimum_samples;
        for reports in [
            reports(0),
            Vec::new(),
            reports(0).into_iter().map(|r| GuardReport { action: Action::Notify, ..r }).collect(),
        ] {
            case.reports = reports;
            assert!(!matches!(case.decide(), Decision::Advance { .. } | Decision::AwaitPerson { .. }), "{no_data:?}");
        }
    }
    let mut case = Case::new(1_800, 130);
    case.policy.stages[0].no_data = NoData::Advance;
    let Decision::Advance { to: 1, promotes: false, reason } = case.decide() else { panic!("{:?}", case.decide()) };
    assert!(
        reason.starts_with("Advanced to 10 %: the policy goes on without enough data (guard `errors` has 130 of 1,000"),
        "{reason}"
    );
    case.seconds = 1_799;
    assert!(matches!(case.decide(), Decision::KeepGoing { .. }), "the time still counts");
}

#[test]
fn missing_data_extends_a_few_times_and_then_holds() {
    let mut case = Case::new(1_800, 130);
    case.policy.stages[0].no_data = NoData::Extend;
    for extensions in 0..MOST_EXTENSIONS {
        case.extensions = extensions;
        case.seconds = 1_800 * (i64::from(extensions) + 1) - 1;
        assert!(matches!(case.decide(), Decision::KeepGoing { .. }));
        case.seconds += 1;
        assert_eq!(at(case.seconds), stage_ends_at(&case.policy.stages[0], at(0), extensions));
        let Decision::Extend { reason } = case.decide() else { panic!("{:?}", case.decide()) };
        assert!(reason.ends_with("The stage goes on for another 30 minutes."), "{reason}");
    }
    case.extensions = MOST_EXTENSIONS;
    case.seconds = 7_200;
    assert!(matches!(case.decide(), Decision::Hold { guard: None, .. }));
    case.extensions = 1;
    case.seconds = 2_000;
    case.reports = reports(1_000);
    assert!(matches!(case.decide(), Decision::Advance { .. }), "as soon as the samples are there");
}

#[test]
fn missing_data_may_take_it_back() {
    let mut case = Case::new(1_800, 130);
    case.policy.stages[0].no_data = NoData::Rollback;
    assert!(matches!(case.decide(), Decision::RollBack { guard: None, .. }));
    case.paused = true;
    assert!(matches!(case.decide(), Decision::KeepGoing { .. }), "a pause stops the clock's decisions");
}

#[test]
fn harm_takes_it_back_at_any_time_even_paused() {
    for (paused, seconds) in [(false, 10), (true, 10), (false, 9_000)] {
        let mut case = Case { paused, ..Case::new(seconds, 0) };
        case.reports[0] = report(0, Verdict::Harm, 500);
        case.reports[3] = report(3, Verdict::Harm, 500);
        case.reports[4] = report(4, Verdict::Hold, 500);
        let expected = Decision::RollBack { guard: Some("error limit".into()), reason: "why error limit".into() };
        assert_eq!(case.decide(), expected, "the guard with the strongest evidence");
    }
}

#[test]
fn guards_may_hold_or_only_tell() {
    let mut case = Case::new(1_800, 1_000);
    case.reports[0] = GuardReport { action: Action::Hold, ..report(0, Verdict::Harm, 1_000) };
    assert_eq!(case.decide(), Decision::Hold { guard: Some("errors".into()), reason: "why errors".into() });
    case.reports[0].action = Action::Notify;
    let judgement = case.judge();
    assert_eq!(judgement.notices, [Notice { guard: "errors".into(), reason: "why errors".into() }]);
    assert!(matches!(judgement.decision, Decision::Advance { .. }));
    case.reports[2] = report(2, Verdict::Hold, 1_000);
    assert!(matches!(case.decide(), Decision::Hold { guard: Some(_), .. }), "a service-wide incident");
    case.reports[2].action = Action::Notify;
    assert!(matches!(case.decide(), Decision::Advance { .. }));
}

#[test]
fn a_pause_keeps_it_where_it_is() {
    let case = Case { paused: true, ..Case::new(1_800, 1_000) };
    assert!(matches!(case.decide(), Decision::KeepGoing { .. }));
}

#[test]
fn a_person_opens_manual_gates_and_ends_a_holdback() {
    let mut case = Case::new(1_800, 1_000);
    case.policy.stages[0].gate = Gate::Manual;
    assert!(matches!(case.decide(), Decision::AwaitPerson { .. }));
    case.policy.stages.truncate(4);
    case.stage = 3;
    case.seconds = 3_600;
    let Decision::AwaitPerson { reason } = case.decide() else { panic!("{:?}", case.decide()) };
    assert!(reason.starts_with("The canary stays at 50 % until a person promotes it"), "{reason}");
    case.stage = 9;
    assert!(matches!(case.decide(), Decision::AwaitPerson { .. }), "a stage that is gone");
}

#[test]
fn a_dry_run_decides_without_acting() {
    let mut case = Case::new(10, 0);
    case.policy.dry_run = true;
    case.reports[0] = report(0, Verdict::Harm, 500);
    let judgement = case.judge();
    assert!(!judgement.act && matches!(judgement.decision, Decision::RollBack { .. }));
}

#[test]
fn a_stage_without_time_extends_by_a_minute_and_clocks_may_lie() {
    let mut stage = Policy::default().stages.remove(0);
    stage.minimum_seconds = 0;
    assert_eq!(stage_ends_at(&stage, at(0), 2), at(120));
    stage.minimum_seconds = u64::MAX;
    assert_eq!(stage_ends_at(&stage, at(0), u32::MAX), DateTime::<Utc>::MAX_UTC);
    assert!(matches!(Case::new(-5_000, 0).decide(), Decision::KeepGoing { .. }));
}

#[test]
fn decisions_are_stored_by_name() {
    let decision = Decision::RollBack { guard: None, reason: "r".into() };
    assert_eq!(serde_json::to_string(&decision).unwrap(), r#"{"decision":"rollback","guard":null,"reason":"r"}"#);
    assert_eq!(decision.reason(), "r");
    assert!(Test::RatioVsControl.is_of_ratio());
}
