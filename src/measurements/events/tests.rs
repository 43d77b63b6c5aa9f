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

/// Mostly what is fine, now and then something odd.
fn mostly(fine: &'static [&'static str], odd: Vec<String>) -> impl Strategy<Value = String> {
    prop_oneof![
        12 => prop::sample::select(fine).prop_map(str::to_owned),
        1 => prop::sample::select(odd),
    ]
}

fn owned(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

fn nested(depth: usize) -> String {
    format!("{}{}", "[".repeat(depth), "]".repeat(depth))
}

/// JSON as few write it, and what is nearly JSON.
fn odd_values() -> Vec<String> {
    let mut values = owned(&[
        "0",
        "-0",
        "-0.0",
        "1e2",
        "1E+2",
        "1.5e-3",
        "1e-400",
        "1e400",
        "-1e400",
        "01",
        "-",
        "+1",
        ".5",
        "5.",
        "1e",
        "0x1",
        "NaN",
        "Infinity",
        "-Infinity",
        "1e100",
        "1.0000000000000001e100",
        "9007199254740993",
        "18446744073709551615",
        "18446744073709551616",
        "-9223372036854775809",
        "123456789012345678901234567890",
        "2.2250738585072011e-308",
        "0.30000000000000004",
        "179769313486231580793728971405301e276",
        "0.1234567890123456789012345678901234567890",
        "true",
        "false",
        "null",
        "nul",
        "[]",
        "{}",
        "[1,]",
        "[,1]",
        "[1 2]",
        r#"{"a":1,}"#,
        r#"{"a" 1}"#,
        "{a:1}",
        "'a'",
        r#""NO""#,
        r#""N\u004f""#,
        r#""\ud83d\ude00""#,
        r#""\ud800""#,
        r#""\udc00\ud800""#,
        r#""\ud800\u0041""#,
        r#""\u00""#,
        r#""\x""#,
        r#""\/\b\f\n\r\t\"\\""#,
        r#""\u0000""#,
        r#""\\u0000""#,
        "\"\u{0}\"",
        "\"a\tb\"",
        "\"\u{7f}\u{2028}é\"",
        "\"open",
        r#"["NO","SE"]"#,
        r#"{"a":[{"b":"\u00e9"}],"a":2}"#,
        "// no comment\n1",
        "\u{feff}1",
        "\u{a0}1",
    ]);
    values.extend([
        nested(100),
        nested(126),
        nested(127),
        nested(128),
        nested(129),
        format!("\"{}\"", "é".repeat(201)),
    ]);
    values
}

/// An event as text: members in any order, some missing, some more than once, with space where space may be.
fn odd_event() -> impl Strategy<Value = String> {
    let value = || mostly(&["1", "0", "20.25", "-3"], odd_values());
    let text = |fine, odd: &[&str]| {
        let mut odd = owned(odd);
        odd.extend(odd_values());
        mostly(fine, odd)
    };
    let attribute = (
        prop::sample::select(vec!["country", "targetingKey", r"c\u006funtry"]),
        mostly(&[r#""NO""#, r#""SE""#, r#""u1""#], odd_values()),
    );
    let attributes = prop::collection::vec(attribute.prop_map(|(name, value)| format!("\"{name}\":{value}")), 0..3);
    let context = attributes.prop_map(|more| {
        let usual = [r#""targetingKey":"u\u0031""#.to_owned(), r#""country" : "NO""#.to_owned()];
        format!("{{{}}}", usual.into_iter().chain(more).collect::<Vec<_>>().join(","))
    });
    let time = text(
        &[r#""2027-01-15T08:00:03Z""#, r#""2027-01-15T08:00:04.25Z""#, r#""2027-01-15T07:59:59.123456789Z""#, "null"],
        &[
            r#""2027-01-15T08:00:03.5+00:00""#,
            r#""2027-01-15T09:00:03+01:00""#,
            r#""2027-01-15t08:00:03z""#,
            r#""2027-01-15 08:00:03Z""#,
            r#""2027-01-15T08:00:60Z""#,
            r#""2027-01-15T08:00:61Z""#,
            r#""2027-01-15T08:00:03.Z""#,
            r#""2027-01-15T08:00:03.1234567891Z""#,
            r#""2027-01-15T08:00\u003a03Z""#,
            r#""2027-01-32T08:00:03Z""#,
            r#""2027-01-15T08:05:03Z""#,
            r#""1970-01-01T00:00:00Z""#,
            r#""-001-01-01T00:00:00Z""#,
            r#""9999-12-31T23:59:59Z""#,
        ],
    );
    let members = prop::collection::vec(
        prop_oneof![
            context.prop_map(|context| format!("\"context\":{context}")),
            text(&[r#""request.error""#, r#""request\u002eerror""#, r#""paid""#, r#""request.duration_ms""#], &[])
                .prop_map(|metric| format!("\"metric\":{metric}")),
            value().prop_map(|value| format!("\"value\":{value}")),
            time.prop_map(|at| format!("\"at\" :{at}")),
            text(&[r#""x""#, r#""""#, "null", r#""\u00e9\n""#], &[]).prop_map(|label| format!("\"label\":\t{label}")),
            text(&[r#"["a"]"#, r#"["b","\u0061","b"]"#, "[]"], &[r#"["a",null]"#, r#"["a",]"#])
                .prop_map(|flags| format!("\"flags\":{flags}")),
            mostly(&[r#""value" : 1"#], owned(&[r#""more":1"#, "\"metric\"", "", r#""Value":1"#])),
        ],
        0..4,
    );
    let usual = owned(&[
        r#""context":{"targetingKey":"u1","country":"NO"}"#,
        r#""metric":"request.error""#,
        r#""value":1"#,
        r#""flags":["a"]"#,
    ]);
    (members, 0..40_usize, prop::sample::select(vec![",", " ,", ",\r\n"])).prop_map(move |(more, lacks, comma)| {
        let mut members = usual.clone();
        if lacks < members.len() {
            members.remove(lacks);
        }
        members.extend(more);
        format!("{{{}}}", members.join(comma))
    })
}

prop_compose! {
    /// A body, and whether one of its bytes has become another.
    fn odd_body()(
        events in prop::collection::vec(odd_event(), 0..4),
        before in mostly(&["", " "], owned(&["\u{feff}", "\r\n\t ", "\u{c}", "[", ","])),
        after in mostly(&["", "\n"], owned(&["\u{feff}", "]", "}", "x", ",", "{}", "\u{0}"])),
        origin in mostly(&["", r#","instance":"i","sequence":7"#], owned(&[
            r#","instance":"","sequence":7"#, r#","instance":"i","sequence":7.0"#, r#","instance":"i","sequence":-0"#,
            r#","instance":"i","sequence":9007199254740993"#, r#","instance":null,"sequence":null"#, r#","sequence":7"#,
            r#","instance":"i","sequence":07"#, r#","events":[]"#, r#","instance":"i","instance":"j","sequence":7"#,
        ])),
        change in prop::option::weighted(0.3, (any::<prop::sample::Index>(), any::<u8>())),
    ) -> (Vec<u8>, bool) {
        let mut body = format!("{before}{{\"events\":[{}]{origin}}}{after}", events.join(",")).into_bytes();
        if let Some((at, byte)) = change {
            let at = at.index(body.len());
            body[at] = byte;
        }
        (body, change.is_some())
    }
}

#[test]
fn what_no_flag_asks_for_has_to_be_json_and_no_more() {
    let with = |attribute: &str| {
        let event = format!(
            r#"{{"context":{{{attribute},"targetingKey":"u","country":"NO"}},"metric":"paid","value":1,"flags":["b"]}}"#
        );
        gathered(&state(), format!("{{\"events\":[{event}]}}").as_bytes(), true).0
    };
    // What nobody keeps takes no stack either.
    let deep = nested(1_000_000);
    for unasked in ["1e999", r#""\ud800""#, "-0", deep.as_str()] {
        assert_eq!(with(&format!("\"unasked\":{unasked}")).unwrap().attributed(), 1, "{unasked:.20}");
    }
    for broken in ["01", "NaN", "[1,]", r#""\x""#, "\"\t\"", "\"", deep.split_at(1_500_000).0] {
        let outcome = with(&format!("\"unasked\":{broken}"));
        assert!(matches!(outcome, Err(Error::Malformed(_))), "{broken:.20}");
    }
    for asked in ["1e999", r#""\ud800""#, deep.as_str()] {
        let outcome = with(&format!("\"country\":{asked}"));
        assert!(matches!(outcome, Err(Error::Malformed(_))), "{asked:.20}");
    }
    for body in ["[".repeat(1_000_000), "{\"events\":".repeat(1_000_000), format!("{{\"events\":{deep}}}")] {
        assert!(matches!(gathered(&state(), body.as_bytes(), true).0, Err(Error::Malformed(_))));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Whatever the quick reader makes of a body, odd or broken, the other makes of it, too.
    #[test]
    fn both_readers_agree_on_odd_bodies((body, changed) in odd_body()) {
        let state = state();
        let asked = state.asked();
        let against = Against {
            state: &state, asked: &asked, cut: Cut::default(), now: now(), trusted: true, seen: &|_, _| (),
        };
        let plain = std::str::from_utf8(&body).ok().and_then(|body| plain::read(body, against));
        let thorough = parse(&body).and_then(|body| read_then(body, |batch: EventsInput| batch.check(now())));
        if let Some(plain) = plain {
            match thorough.map(|batch| batch.gather(against)) {
                Ok(thorough) => prop_assert_eq!(plain, thorough),
                // The change has made a name one that nobody asks for: see `what_no_flag_asks_for_has_to_be_json_and_no_more`.
                Err(Error::Malformed(_)) if changed => {
                    prop_assert!(serde_json::from_slice::<serde::de::IgnoredAny>(&body).is_ok());
                }
                Err(error) => prop_assert!(false, "{:?} and {:?}", plain, error),
            }
        }
    }

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
