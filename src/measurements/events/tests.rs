use std::sync::Mutex;

use bellwether_core::window::{Ratio, Summary, Values};
use bellwether_core::{Snapshot, State};
use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::error::Error;

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_004, 0).unwrap()
}

/// Two canaries, each of which Norwegians are in: `a` with half of them in the treatment, `b` with all. `c` has none.
fn state() -> State {
    let flag = |key: &str, treatment: u32, release: bool| {
        let ranges = if treatment == 100_000 {
            json!([[treatment, "on"]])
        } else {
            json!([[treatment, "on"], [100_000, "off"]])
        };
        let split = json!({"split": {"salt": key, "ranges": ranges}});
        let clause = json!({"attribute": "country", "op": "in", "values": ["NO"]});
        let mut flag = json!({
            "key": key, "version": 1, "type": "boolean", "enabled": true, "off_variation": "off",
            "variations": [{"name": "on", "value": true}, {"name": "off", "value": false}],
            "rules": [{"id": "norway", "clauses": [clause], "serve": split}],
            "fallthrough": {"variation": "off"},
        });
        if release {
            let arms = json!([{"name": "treatment", "variation": "on"}, {"name": "control", "variation": "off"}]);
            let metrics = json!([
                {"metric": "request.error"}, {"metric": "request.duration_ms", "limits": [2_000.0]},
                {"metric": "paid", "ratio": true},
            ]);
            flag["release"] = json!({
                "id": format!("of-{key}"), "where": "norway", "arms": arms, "metrics": metrics, "window_seconds": 10,
            });
        }
        serde_json::from_value(flag).unwrap()
    };
    let flags = [flag("a", 50_000, true), flag("b", 100_000, true), flag("c", 50_000, false)];
    State::from_snapshot(Snapshot::new("production", "e", 1, &flags, &[]).unwrap()).unwrap()
}

fn gathered(state: &State, body: &[u8], trusted: bool) -> (Result<Gathered>, Vec<String>) {
    let met = Mutex::new(Vec::new());
    let seen = |unit: &str, _| met.lock().unwrap().push(unit.to_owned());
    let asked = state.asked();
    let against = Against { state, asked: &asked, cut: Cut::default(), now: now(), trusted, seen: &seen };
    let gathered = gather(body, against);
    (gathered, met.into_inner().unwrap())
}

fn event(user: &str, metric: &str, value: f64, flags: &[&str]) -> Value {
    json!({"context": {"targetingKey": user, "country": "NO", "unasked": [1]}, "metric": metric, "value": value, "flags": flags})
}

fn batch(events: &[Value]) -> Vec<u8> {
    json!({"events": events}).to_string().into_bytes()
}

fn pointers(body: &Value) -> Vec<String> {
    let (outcome, _) = gathered(&state(), body.to_string().as_bytes(), true);
    let Err(Error::Invalid(faults)) = outcome else { panic!("{outcome:?}") };
    faults.into_iter().map(|fault| fault.pointer).collect()
}

#[test]
fn an_event_counts_in_the_arm_that_its_user_is_in() {
    let state = state();
    let users: Vec<_> = (0..200).map(|user| format!("u{user}")).collect();
    let mut events: Vec<_> = users.iter().map(|user| event(user, "request.duration_ms", 3_000.0, &["a"])).collect();
    events.extend(users.iter().map(|user| event(user, "request.error", 1.0, &["a"])));
    for event in &mut events {
        event["label"] = json!("POST /pay 502");
    }
    let (outcome, seen) = gathered(&state, &batch(&events), true);
    let outcome = outcome.unwrap();
    assert_eq!((outcome.attributed(), outcome.late, outcome.unattributed), (400, 0, 0));
    assert_eq!(seen.len(), 400);
    let asked = state.asked();
    assert!(
        plain::read(
            std::str::from_utf8(&batch(&events)).unwrap(),
            Against { state: &state, asked: &asked, cut: Cut::default(), now: now(), trusted: true, seen: &|_, _| () }
        )
        .is_some(),
        "what is as usual is read in one pass"
    );

    let treated = users.iter().filter(|user| {
        let context = bellwether_core::Context::new(user.as_str()).set("country", "NO");
        let evaluation = state.evaluate("a", &context, bellwether_core::Now::At(0)).unwrap();
        evaluation.assignment.unwrap().arm == "treatment"
    });
    let treated = treated.count() as u64;
    assert!((60..140).contains(&treated), "{treated}");
    let names: Vec<_> = outcome
        .windows
        .iter()
        .map(|Counted { window, .. }| (window.release.as_str(), window.arm.as_str(), window.metric.as_str()))
        .collect();
    assert_eq!(
        names,
        [
            ("of-a", "control", "request.duration_ms"),
            ("of-a", "control", "request.error"),
            ("of-a", "treatment", "request.duration_ms"),
            ("of-a", "treatment", "request.error"),
        ]
    );
    for Counted { window, stands_for } in &outcome.windows {
        let n = if window.arm == "treatment" { treated } else { 200 - treated };
        assert_eq!((window.start.timestamp(), window.seconds, *stands_for as u64), (1_800_000_000, 10, n));
        let expected = if window.metric == "request.error" {
            Summary::Ratio(Ratio { n, k: n, labels: vec![("POST /pay 502".to_owned(), n)] })
        } else {
            let mut values = Values::watching(&[2_000.0]);
            (0..n).for_each(|_| values.record(3_000.0));
            Summary::Values(values)
        };
        assert_eq!(window.summary, expected);
    }
}

#[test]
fn what_is_no_release_s_is_told() {
    let state = state();
    let mut abroad = event("u", "request.error", 0.0, &["a"]);
    abroad["context"]["country"] = json!("SE");
    let mut nobody = event("u", "request.error", 0.0, &["a"]);
    nobody["context"] = json!({"country": "NO"});
    let mut early = event("u", "request.error", 0.0, &["b"]);
    early["at"] = json!(crate::clock::rfc3339(now() - TimeDelta::seconds(30)));
    let mut before = event("u", "request.error", 0.0, &["b"]);
    before["at"] = json!(crate::clock::rfc3339(now() - TimeDelta::seconds(8)));
    let events = [
        abroad,
        nobody,
        early,
        before,
        event("u", "request.error", 1.0, &[]),
        event("u", "request.error", 1.0, &["c", "no-such-flag"]),
        event("u", "request.latency", 1.0, &["a"]),
        event("u", "paid", 7.0, &["a", "b", "a", "b"]),
    ];
    let (outcome, seen) = gathered(&state, &batch(&events), true);
    let outcome = outcome.unwrap();
    // One of several releases stands for one event. The window before is open until the fifth second after its end.
    assert_eq!((outcome.attributed(), outcome.late, outcome.unattributed), (2, 1, 5));
    assert_eq!(seen, ["u", "u"]);
    let trials: Vec<_> = outcome
        .windows
        .iter()
        .map(|Counted { window, .. }| match &window.summary {
            Summary::Ratio(ratio) => {
                (window.start.timestamp() - 1_800_000_000, window.release.as_str(), ratio.n, ratio.k)
            }
            Summary::Values(_) => panic!("{window:?}"),
        })
        .collect();
    assert_eq!(trials, [(-10, "of-b", 1, 0), (0, "of-a", 1, 1), (0, "of-b", 1, 1)]);

    let (outcome, seen) = gathered(&state, &batch(&events), false);
    let outcome = outcome.unwrap();
    assert_eq!(
        (outcome.windows.len(), outcome.late, outcome.unattributed),
        (0, 0, 8),
        "a client key is believed by nobody"
    );
    assert_eq!(seen, Vec::<String>::new());
}

#[test]
fn every_fault_is_named() {
    let fine = || event("u", "request.error", 1.0, &["a"]);
    let but = |name: &str, value: Value| {
        let mut event = fine();
        event[name] = value;
        event
    };
    let later = crate::clock::rfc3339(now() + TimeDelta::seconds(61));
    let cases = [
        ("context", json!("u"), "/context"),
        ("context", json!(null), "/context"),
        ("metric", json!(""), "/metric"),
        ("metric", json!("x".repeat(201)), "/metric"),
        ("metric", json!(5), "/metric"),
        ("value", json!("1"), "/value"),
        ("value", json!(1e101), "/value"),
        ("value", json!(null), "/value"),
        ("at", json!("yesterday"), "/at"),
        ("at", json!(later), "/at"),
        ("label", json!("x".repeat(201)), "/label"),
        ("label", json!("a\u{0}b"), "/label"),
        ("flags", json!("a"), "/flags"),
        ("flags", json!([5]), "/flags/0"),
        ("flags", json!(vec!["a"; 101]), "/flags"),
        ("more", json!(1), "/more"),
    ];
    let mut all = Vec::new();
    for (name, value, pointer) in &cases {
        let faulty = but(name, value.clone());
        assert_eq!(pointers(&json!({"events": [fine(), faulty]})), [format!("/events/1{pointer}")], "{name} {value}");
        all.push(faulty);
    }
    let mut told = pointers(&json!({"sequence": 5, "more": 1, "events": all}));
    told.sort();
    let mut expected: Vec<_> =
        (0..).zip(&cases).map(|(at, (_, _, pointer))| format!("/events/{at}{pointer}")).collect();
    expected.extend(["/instance".to_owned(), "/more".to_owned()]);
    expected.sort();
    assert_eq!(told, expected, "none hides another");

    for lacking in ["context", "metric", "value", "flags"] {
        let mut event = fine();
        event.as_object_mut().unwrap().remove(lacking);
        assert_eq!(pointers(&json!({"events": [event]})), [format!("/events/0/{lacking}")]);
    }
    assert_eq!(pointers(&json!({"events": vec![fine(); 10_001]})), ["/events"]);
    assert_eq!(pointers(&json!({"events": [], "instance": "i"})), ["/sequence"]);
    assert_eq!(pointers(&json!({"events": [], "instance": "", "sequence": 1})), ["/instance"]);
    assert_eq!(pointers(&json!({"events": [], "instance": "i", "sequence": (1_u64 << 53) + 1})), ["/sequence"]);
    assert_eq!(pointers(&json!({})), ["/events"]);
    for body in ["{", "{\"events\":[]}}", "\u{feff}{}", "{\"events\":[{\"context\":{\"a\":1e999}}]}"] {
        assert!(matches!(gathered(&state(), body.as_bytes(), true).0, Err(Error::Malformed(_))), "{body}");
    }
    assert!(matches!(gathered(&state(), b"{\"events\":\"\xff\"}", true).0, Err(Error::Malformed(_))));
}

#[test]
fn a_batch_has_an_origin_or_none() {
    let origin = |body: Value| gathered(&state(), body.to_string().as_bytes(), true).0.unwrap().origin;
    assert_eq!(origin(json!({"events": []})), None);
    let expected = Origin { instance: "i".to_owned(), sequence: 7 };
    assert_eq!(origin(json!({"sequence": 7, "events": [], "instance": "i"})), Some(expected));
}

prop_compose! {
    fn any_event()(
        user in 0..5_u8, abroad: bool, metric in prop::sample::select(vec!["request.error", "paid", "request.duration_ms", "other", "\"\\", ""]),
        value in prop_oneof![Just(json!(0)), Just(json!(1)), Just(json!(-0.5)), Just(json!(1e300)), Just(json!("1")), any::<f64>().prop_map(|value| json!(value))],
        at in prop::option::of(-30..65_i64), label in prop::option::of("[a-c\"\\\\é]{0,3}"),
        flags in prop::collection::vec(prop::sample::select(vec!["a", "b", "c", "d"]), 0..4), lacks in 0..40_usize,
    ) -> Value {
        let mut event = event(&format!("u{user}"), metric, 0.0, &flags);
        event["value"] = value;
        if abroad {
            event["context"]["country"] = json!("SE");
        }
        if let Some(at) = at {
            event["at"] = json!(crate::clock::rfc3339(now() + TimeDelta::seconds(at)));
        }
        event["label"] = json!(label);
        if let Some(name) = ["context", "metric", "value", "flags"].get(lacks) {
            event.as_object_mut().unwrap().remove(*name);
        }
        event
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// The quick reader may leave a batch to the other; what it reads, both read alike.
    #[test]
    fn both_readers_agree(events in prop::collection::vec(any_event(), 0..6), sequence in prop::option::of(0..3_u64)) {
        let mut body = json!({"events": events});
        if let Some(sequence) = sequence {
            body["sequence"] = json!(sequence);
            body["instance"] = json!("i");
        }
        let (state, text) = (state(), body.to_string());
        let asked = state.asked();
        let against = Against {
            state: &state, asked: &asked, cut: Cut::default(), now: now(), trusted: true, seen: &|_, _| (),
        };
        let plain = plain::read(&text, against);
        let thorough = read_then(body, |batch: EventsInput| batch.check(now())).map(|batch| batch.gather(against));
        match (plain, thorough) {
            (Some(plain), Ok(thorough)) => prop_assert_eq!(plain, thorough),
            (None, Err(Error::Invalid(faults))) => prop_assert!(!faults.is_empty()),
            (plain, thorough) => prop_assert!(false, "{:?} and {:?}", plain, thorough),
        }
    }

    /// No body makes a panic.
    #[test]
    fn any_bytes_are_read_or_refused(body in prop::collection::vec(any::<u8>(), 0..200)) {
        let (outcome, _) = gathered(&state(), &body, true);
        prop_assert!(matches!(outcome, Err(Error::Malformed(_) | Error::Invalid(_))));
    }
}
