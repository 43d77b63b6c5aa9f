use serde_json::json;

use super::*;
use crate::{KeyList, Segment};

const NOW: Now = Now::At(0);

fn flag(key: &str, version: u64) -> Flag {
    let json = json!({
        "key": key, "version": version, "type": "boolean", "enabled": true, "off_variation": "off",
        "variations": [{"name": "on", "value": true}, {"name": "off", "value": false}],
        "fallthrough": {"variation": "off"},
        "rules": [{"id": "r", "clauses": [{"attribute": "targetingKey", "op": "in_segment", "values": ["beta"]}], "serve": {"variation": "on"}}],
    });
    serde_json::from_value(json).unwrap()
}

fn raw(flag: &Flag) -> Box<RawValue> {
    serde_json::value::to_raw_value(flag).unwrap()
}

fn segment(version: u64, keys: &[&str]) -> Segment {
    let (included, excluded) = (keys.iter().copied().collect(), Default::default());
    Segment { key: "beta".into(), version, included, excluded, rules: vec![] }
}

fn snapshot(revision: u64, flags: &[(&str, u64)], segments: &[Segment]) -> Snapshot {
    let flags: Vec<_> = flags.iter().map(|(key, version)| flag(key, *version)).collect();
    Snapshot::new("production", "e", revision, &flags, segments).unwrap()
}

fn served(state: &State, flag: &str, user: &str) -> bool {
    state.evaluate(flag, &Context::new(user), NOW).unwrap().value == &json!(true)
}

#[test]
fn changes_lead_to_the_state_that_a_snapshot_describes() {
    let state = State::from_snapshot(snapshot(4, &[("a", 1), ("b", 1)], &[])).unwrap();
    let goal = snapshot(5, &[("b", 2), ("c", 1)], &[segment(1, &["u"])]);
    let change = Change {
        flags: vec![raw(&flag("c", 1)), raw(&flag("b", 2))],
        removed_flags: vec!["a".into()],
        segments: goal.segments.clone(),
        ..Change::new(4, goal.hash.clone())
    };
    let after = state.apply(change).unwrap();
    assert_eq!(serde_json::to_string(&after.to_snapshot()).unwrap(), serde_json::to_string(&goal).unwrap());
    assert_eq!(after.evaluate("a", &Context::new("u"), NOW), Err(ErrorCode::FlagNotFound));
    assert!(served(&after, "c", "u") && !served(&after, "c", "v"));
    assert_eq!(after.evaluate("c", &Context::new("u"), NOW).unwrap().revision, 5);

    let without = Change {
        removed_segments: vec!["beta".into()],
        ..Change::new(5, snapshot(6, &[("b", 2), ("c", 1)], &[]).hash)
    };
    assert!(!served(&after.apply(without).unwrap(), "c", "u"), "a segment that is not there has nobody");
}

#[test]
fn keys_of_a_segment_come_and_go() {
    let state = State::from_snapshot(snapshot(1, &[("a", 1)], &[segment(1, &["u", "v"])])).unwrap();
    let goal = snapshot(2, &[("a", 1)], &[segment(2, &["v", "w"])]);
    let keys = SegmentKeys {
        segment: "beta".into(),
        version: 2,
        list: KeyList::Included,
        added: vec!["w".into()],
        removed: vec!["u".into()],
    };
    let change = Change { segment_keys: vec![keys], ..Change::new(1, goal.hash.clone()) };
    let after = state.apply(change.clone()).unwrap();
    assert!(!served(&after, "a", "u") && served(&after, "a", "w"));
    assert_eq!(serde_json::to_string(&after.to_snapshot()).unwrap(), serde_json::to_string(&goal).unwrap());

    let compiled = Arc::new(SegmentEntry::of(segment(2, &["v", "w"])).unwrap());
    let shared = state.apply_with(change.clone(), std::slice::from_ref(&compiled)).unwrap();
    assert!(Arc::ptr_eq(shared.segment("beta").unwrap(), &compiled));
    let unknown = State::from_snapshot(snapshot(1, &[("a", 1)], &[])).unwrap();
    assert!(matches!(unknown.apply(change), Err(Refusal::Segment { .. })));
}

#[test]
fn what_does_not_fit_is_refused() {
    let state = State::from_snapshot(snapshot(4, &[("a", 1)], &[])).unwrap();
    let change = |from, hash: &str, flags| Change { flags, ..Change::new(from, hash.to_owned()) };
    assert!(matches!(state.apply(change(5, "", vec![])), Err(Refusal::Gap { from: 5, at: 4 })));
    let leap = |revision| Change { revision, ..change(4, state.hash(), vec![]) };
    assert_eq!(state.apply(leap(5)).unwrap().revision(), 5);
    for revision in [4, 6, u64::MAX] {
        assert!(matches!(state.apply(leap(revision)), Err(Refusal::Leap { from: 4, .. })), "{revision}");
    }
    assert!(matches!(state.apply(change(4, "sha256:0", vec![])), Err(Refusal::Hash { .. })));
    let broken = RawValue::from_string(r#"{"key":"a"}"#.into()).unwrap();
    assert!(matches!(state.apply(change(4, "", vec![broken])), Err(Refusal::Flag { .. })));

    let mut truncated = snapshot(4, &[("a", 1), ("b", 1)], &[segment(1, &[])]);
    truncated.segments.pop();
    let Err(Refusal::Count { announced, actual }) = State::from_snapshot(truncated) else { panic!() };
    assert_eq!((announced.segments, actual.segments), (1, 0));
}
