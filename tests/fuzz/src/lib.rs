//! What the fuzz targets do with the bytes they are given. Each panics when something does not hold that always has to.
//!
//! They are plain functions, so that a stable compiler runs them too: over the seeds, and over mutations of them.

mod made;
pub mod seeds;

use bellwether_core::{CompiledFlag, Context, Fault, Flag, Now, Reason, Segment, SegmentEntry, Snapshot, State, Value};
use serde_json::json;

/// 2026-11-21T10:00:00Z.
const NOW: Now = Now::At(1_795_255_200_000);

/// What a target does with bytes.
pub type Body = fn(&[u8]);

/// Every target: its name and its body.
pub const TARGETS: [(&str, Body); 4] =
    [("rule", rule), ("segment", segment), ("context", context), ("evaluate", evaluate)];

/// A flag's JSON, a line's end, and a context's JSON: the flag is compiled, evaluated and explained.
pub fn rule(bytes: &[u8]) {
    let (flag, context) = split(bytes);
    let Ok(flag) = serde_json::from_slice::<Flag>(flag) else { return };
    let written = serde_json::to_value(&flag).unwrap_or_default();
    match CompiledFlag::compile(flag.clone()) {
        Ok(_) => {
            let context = serde_json::from_slice(context).unwrap_or_else(|_| Context::new("user"));
            check(&state(&[flag], &[]), &context);
        }
        Err(faults) => check_faults(&written, &faults),
    }
}

/// A segment's JSON: it is read, written as it was, and asked for the keys it has.
pub fn segment(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(entry) = SegmentEntry::read(text) else {
        if let Ok(segment) = serde_json::from_str::<Segment>(text) {
            let written = serde_json::to_value(&segment).unwrap_or_default();
            check_faults(&written, &SegmentEntry::of(segment).err().unwrap_or_default());
        }
        return;
    };
    let segment = entry.segment();
    let again = SegmentEntry::of(segment.clone());
    assert_eq!(
        again.as_ref().map(SegmentEntry::segment).ok().as_ref(),
        Some(&segment),
        "a segment reads as it is written"
    );
    for key in segment.included.iter() {
        assert!(entry.lists(bellwether_core::KeyList::Included, key), "a key that is listed is found");
    }
    let flag = asks_for(entry.key());
    let state = state(&[flag], std::slice::from_ref(&segment));
    for key in segment.included.iter().chain(segment.excluded.iter()).take(8) {
        let served = state.evaluate("asks", &Context::new(key), NOW).map(|served| served.reason);
        if segment.excluded.iter().any(|excluded| excluded == key) {
            assert_eq!(served, Ok(Reason::Default), "excluded wins");
        } else {
            assert_eq!(served, Ok(Reason::TargetingMatch), "who is included belongs to it");
        }
    }
    check(&state, &Context::new("user"));
}

/// A context's JSON: it is read, written and read again, and every value in it is found by its pointer.
pub fn context(bytes: &[u8]) {
    let Ok(context) = serde_json::from_slice::<Context>(bytes) else { return };
    let written = serde_json::to_string(&context).unwrap_or_default();
    let again = serde_json::from_str::<Context>(&written);
    assert_eq!(again.ok().as_ref(), Some(&context), "a context reads as it is written");
    let members = context.attributes().map(|(name, value)| (name.to_owned(), value.clone()));
    let whole = Value::Object(members.collect());
    let mut pointers = Vec::new();
    walk(&whole, &mut String::new(), &mut pointers);
    for pointer in pointers.iter().filter(|pointer| !pointer.is_empty()) {
        let wanted = whole.pointer(pointer).filter(|value| !value.is_null());
        assert_eq!(context.get(pointer), wanted, "{pointer}");
        assert_eq!(
            context.get(&format!("{pointer}/-")),
            whole.pointer(&format!("{pointer}/-")).filter(|v| !v.is_null())
        );
    }
    for (name, value) in context.attributes().filter(|(name, _)| !name.starts_with('/')) {
        assert_eq!(context.get(name), Some(value).filter(|value| !value.is_null()), "{name}");
    }
}

/// Bytes from which flags, segments and a context are made that mostly compile: a state of them is evaluated and
/// explained.
pub fn evaluate(bytes: &[u8]) {
    let Ok(world) = made::World::from_bytes(bytes) else { return };
    let mut flags: Vec<Flag> = Vec::new();
    for flag in world.flags {
        let written = serde_json::to_value(&flag).unwrap_or_default();
        match CompiledFlag::compile(flag.clone()) {
            Ok(_) if flags.iter().all(|other| other.key != flag.key) => flags.push(flag),
            Ok(_) => {}
            Err(faults) => check_faults(&written, &faults),
        }
    }
    let mut segments: Vec<Segment> = Vec::new();
    for segment in world.segments {
        let compiles = SegmentEntry::of(segment.clone()).is_ok();
        if compiles && segments.iter().all(|other| other.key != segment.key) {
            segments.push(segment);
        }
    }
    check(&state(&flags, &segments), &world.context);
}

/// The bytes before the first line's end and those after it.
fn split(bytes: &[u8]) -> (&[u8], &[u8]) {
    let at = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
    let (first, rest) = bytes.split_at(at);
    (first, rest.get(1..).unwrap_or_default())
}

/// A flag that serves `true` to the members of a segment.
fn asks_for(segment: &str) -> Flag {
    let clause = json!({"attribute": "targetingKey", "op": "in_segment", "values": [segment]});
    let flag = serde_json::from_value(json!({
        "key": "asks", "version": 1, "type": "boolean", "enabled": true, "off_variation": "off",
        "variations": [{"name": "on", "value": true}, {"name": "off", "value": false}],
        "rules": [{"id": "r", "clauses": [clause], "serve": {"variation": "on"}}],
        "fallthrough": {"variation": "off"},
    }));
    flag.unwrap_or_else(|error| panic!("{error}"))
}

/// The state of objects that each compile.
fn state(flags: &[Flag], segments: &[Segment]) -> State {
    let snapshot = Snapshot::new("fuzz", "epoch", 1, flags, segments);
    let snapshot = snapshot.unwrap_or_else(|error| panic!("{error}"));
    State::from_snapshot(snapshot).unwrap_or_else(|error| panic!("{error}"))
}

/// Every flag is answered, always the same, and explained as it is answered.
fn check(state: &State, context: &Context) {
    for entry in state.flags() {
        let key = entry.flag().key();
        let answer = state.evaluate(key, context, NOW);
        assert_eq!(answer, state.evaluate(key, context, NOW), "an answer does not change");
        let told = state.explain(key, context, NOW);
        assert_eq!(told.error_code, answer.err());
        assert_eq!(told.value.as_ref(), answer.ok().map(|served| served.value));
        assert_eq!(told.variation.as_deref(), answer.ok().map(|served| served.variation));
        assert_eq!(told.rule.as_deref(), answer.ok().and_then(|served| served.rule));
        assert_eq!(told.reason, answer.map_or(Reason::Error, |served| served.reason));
        assert_eq!(told.arm.as_deref(), answer.ok().and_then(|served| served.assignment).map(|found| found.arm));
    }
    let again = State::from_snapshot(state.to_snapshot());
    assert_eq!(again.map(|again| again.hash().to_owned()).ok().as_deref(), Some(state.hash()));
}

/// Each fault is at something that is there, or missing in an object that is there.
fn check_faults(document: &Value, faults: &[Fault]) {
    assert!(!faults.is_empty(), "what is refused has a fault");
    for fault in faults {
        let parent = fault.pointer.rsplit_once('/').and_then(|(parent, _)| document.pointer(parent));
        let there = document.pointer(&fault.pointer).is_some() || parent.is_some_and(Value::is_object);
        assert!(there, "{fault} in {document}");
    }
}

/// The pointers to all that is in a value.
fn walk(value: &Value, at: &mut String, found: &mut Vec<String>) {
    found.push(at.clone());
    let length = at.len();
    let mut within = |part: &str, value: &Value| {
        at.push('/');
        at.push_str(part);
        walk(value, at, found);
        at.truncate(length);
    };
    match value {
        Value::Object(members) => {
            members.iter().for_each(|(name, value)| within(&name.replace('~', "~0").replace('/', "~1"), value));
        }
        Value::Array(elements) => {
            elements.iter().enumerate().for_each(|(index, value)| within(&index.to_string(), value));
        }
        _ => {}
    }
}
