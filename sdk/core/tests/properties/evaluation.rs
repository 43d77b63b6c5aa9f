//! Evaluation answers, always the same, and explains what it answered.

use bellwether_core::{
    Clause, CompiledFlag, Condition, Context, Flag, Now, Operator, Reason, Segment, SegmentEntry, Snapshot, State,
    Value,
};
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::json;

use crate::any;

const NOW: Now = Now::At(1_795_255_200_000);

/// The state of those that compile, one for each key.
pub(crate) fn state(flags: Vec<Flag>, segments: Vec<Segment>) -> State {
    let mut all: Vec<Flag> = Vec::new();
    for flag in flags {
        if CompiledFlag::compile(flag.clone()).is_ok() && all.iter().all(|other| other.key != flag.key) {
            all.push(flag);
        }
    }
    let mut groups: Vec<Segment> = Vec::new();
    for segment in segments {
        if SegmentEntry::of(segment.clone()).is_ok() && groups.iter().all(|other| other.key != segment.key) {
            groups.push(segment);
        }
    }
    State::from_snapshot(Snapshot::new("e", "epoch", 1, &all, &groups).unwrap()).unwrap()
}

fn matches(clause: Clause, context: &Context) -> bool {
    let flag: Flag = serde_json::from_value(json!({
        "key": "a", "version": 1, "type": "boolean", "enabled": true, "off_variation": "off",
        "variations": [{"name": "on", "value": true}, {"name": "off", "value": false}],
        "rules": [{"id": "r", "clauses": [Condition::Clause(clause)], "serve": {"variation": "on"}}],
        "fallthrough": {"variation": "off"},
    }))
    .unwrap();
    state(vec![flag], vec![]).evaluate("a", context, NOW).unwrap().variation == "on"
}

fn clause(op: Operator, values: &[String], ignore_case: bool) -> Clause {
    let values = values.iter().map(|text| Value::from(text.as_str())).collect();
    Clause { attribute: "a".to_owned(), op, values, negate: false, ignore_case }
}

proptest! {
    #[test]
    fn every_flag_is_answered_and_explained(
        flags in vec(any::flag(), 1..5), segments in vec(any::segment(), 0..4), context in any::context(),
    ) {
        let state = state(flags, segments);
        for entry in state.flags() {
            let key = entry.flag().key();
            let answer = state.evaluate(key, &context, NOW);
            prop_assert_eq!(answer, state.evaluate(key, &context, NOW));
            let told = state.explain(key, &context, NOW);
            prop_assert_eq!(told.error_code, answer.err());
            prop_assert_eq!(told.value.as_ref(), answer.ok().map(|served| served.value));
            prop_assert_eq!(told.variation.as_deref(), answer.ok().map(|served| served.variation));
            prop_assert_eq!(told.reason, answer.map_or(Reason::Error, |served| served.reason));
            prop_assert_eq!(told.rule.as_deref(), answer.ok().and_then(|served| served.rule));
            prop_assert_eq!(told.arm.as_deref(), answer.ok().and_then(|served| served.assignment).map(|found| found.arm));
            prop_assert_eq!(told.version, Some(entry.flag().version()));
            if let Ok(served) = answer {
                prop_assert!(entry.flag().variations().iter().any(|one| one.name == served.variation && one.value == *served.value));
            }
            if matches!(answer, Ok(served) if served.reason == Reason::Static) {
                let other = state.evaluate(key, &Context::new("somebody else"), NOW);
                let served = answer.unwrap().variation;
                prop_assert!(other.is_err() || other.is_ok_and(|other| other.variation == served), "a static flag serves one");
            }
        }
    }

    #[test]
    fn ascii_is_compared_without_case_as_the_library_does(text in "[ -~]{0,4}", values in vec("[ -~]{0,4}", 1..12)) {
        let context = Context::default().set("a", text.as_str());
        let equal = values.iter().any(|value| value.eq_ignore_ascii_case(&text));
        prop_assert_eq!(matches(clause(Operator::In, &values, true), &context), equal);
        let (lower, lowered) = (text.to_ascii_lowercase(), || values.iter().map(|value| value.to_ascii_lowercase()));
        prop_assert_eq!(matches(clause(Operator::StartsWith, &values, true), &context), lowered().any(|v| lower.starts_with(&v)));
        prop_assert_eq!(matches(clause(Operator::EndsWith, &values, true), &context), lowered().any(|v| lower.ends_with(&v)));
        prop_assert_eq!(matches(clause(Operator::Contains, &values, true), &context), lowered().any(|v| lower.contains(&v)));
    }

    #[test]
    fn few_values_are_found_like_many(text in any::text(), values in vec(any::text(), 1..8), ignore_case in any::<bool>()) {
        let context = Context::default().set("a", text.as_str());
        let many: Vec<_> = values.iter().cloned().chain((0..20).map(|i| format!("filler {i}"))).collect();
        let found = matches(clause(Operator::In, &values, ignore_case), &context);
        prop_assert_eq!(matches(clause(Operator::In, &many, ignore_case), &context), found);
        if !ignore_case {
            prop_assert_eq!(found, values.contains(&text));
        }
        let list = Context::default().set("a", json!([text]));
        for op in [Operator::AnyOf, Operator::NoneOf] {
            prop_assert_eq!(matches(clause(op, &many, ignore_case), &list), matches(clause(op, &values, ignore_case), &list));
        }
        let all = Context::default().set("a", json!(many));
        prop_assert!(matches(clause(Operator::AllOf, &many, ignore_case), &all));
    }
}

/// Segments in segments, eight groups deep each, and flags that need each other: as deep as anybody can make it.
fn deepest() -> State {
    let nested = |inner: Value| (0..8).fold(inner, |inner, _| json!({"all": [inner]}));
    let segments: Vec<Segment> = (0..70)
        .map(|at| {
            let next = json!({"attribute": "targetingKey", "op": "in_segment", "values": [format!("s{}", at + 1)]});
            let json =
                json!({"key": format!("s{at}"), "version": 1, "rules": [{"id": "r", "clauses": [nested(next)]}]});
            serde_json::from_value(json).unwrap()
        })
        .collect();
    let flags: Vec<Flag> = (0..70)
        .map(|at| {
            let inner = json!({"attribute": "targetingKey", "op": "in_segment", "values": ["s0"]});
            serde_json::from_value(json!({
                "key": format!("f{at}"), "version": 1, "type": "boolean", "enabled": true, "off_variation": "off",
                "variations": [{"name": "on", "value": true}, {"name": "off", "value": false}],
                "prerequisites": [{"flag": format!("f{}", at + 1), "variations": ["on"]}],
                "rules": [{"id": "r", "clauses": [nested(inner)], "serve": {"variation": "on"}}],
                "fallthrough": {"variation": "on"},
            }))
            .unwrap()
        })
        .collect();
    State::from_snapshot(Snapshot::new("e", "epoch", 1, &flags, &segments).unwrap()).unwrap()
}

/// Tests run on threads with 2 MiB of stack, as servers' workers do.
#[test]
fn the_deepest_references_fit_on_the_stack() {
    let state = deepest();
    let context = Context::new("u");
    assert_eq!(state.evaluate("f0", &context, NOW).unwrap().reason, Reason::PrerequisiteFailed);
    assert_eq!(state.explain("f0", &context, NOW).reason, Reason::PrerequisiteFailed);
    let last = state.explain("f69", &context, NOW);
    assert_eq!(last.reason, Reason::PrerequisiteFailed, "f70 is not there");
    let nested = (0..200).fold("{}".to_owned(), |inner, _| format!("{{\"all\":[{inner}]}}"));
    assert!(serde_json::from_str::<Condition>(&nested).is_err());
}
