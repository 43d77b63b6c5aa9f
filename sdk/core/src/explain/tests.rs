use serde_json::{Value, json};

use super::*;
use crate::{Segment, Snapshot};

fn boolean(key: &str, extra: Value) -> Flag {
    let mut flag = json!({
        "key": key, "version": 3, "type": "boolean", "enabled": true, "off_variation": "off",
        "variations": [{"name": "on", "value": true}, {"name": "off", "value": false}],
        "fallthrough": {"variation": "off"},
    });
    for (name, value) in extra.as_object().unwrap() {
        flag[name] = value.clone();
    }
    serde_json::from_value(flag).unwrap()
}

fn explain(flags: &[Flag], context: Value) -> Explanation {
    let beta: Segment =
        serde_json::from_value(json!({"key": "beta", "version": 1, "included": ["a"], "excluded": ["x"],
        "rules": [{"id": "nordic", "clauses": [{"attribute": "country", "op": "in", "values": ["NO"]}]}]}))
        .unwrap();
    let state = State::from_snapshot(Snapshot::new("e", "e", 9, flags, &[beta]).unwrap()).unwrap();
    let context: Context = serde_json::from_value(context).unwrap();
    let explanation = state.explain("a", &context, Now::At(0));
    let answer = state.evaluate("a", &context, Now::At(0));
    assert_eq!(explanation.variation.as_deref(), answer.as_ref().ok().map(|answer| answer.variation));
    assert_eq!(explanation.error_code, answer.err());
    explanation
}

#[test]
fn every_step_is_told_in_order() {
    let a = boolean(
        "a",
        json!({
            "prerequisites": [{"flag": "b", "variations": ["on"]}],
            "targets": [{"variation": "on", "keys": ["vip"]}],
            "rules": [
                {"id": "r1", "clauses": [
                    {"attribute": "plan", "op": "in", "values": ["pro"]}, {"attribute": "never", "op": "exists"},
                ], "serve": {"variation": "on"}},
                {"id": "r2", "description": "friends", "clauses": [{"any": [
                    {"attribute": "age", "op": "lt", "values": [3], "negate": true},
                    {"attribute": "targetingKey", "op": "in_segment", "values": ["beta"]},
                ]}], "serve": {"split": {"salt": "s", "ranges": [[100_000, "on"]]}}},
            ],
        }),
    );
    let b = boolean("b", json!({"fallthrough": {"variation": "on"}}));
    let told = explain(&[a.clone(), b.clone()], json!({"targetingKey": "u", "plan": 1, "age": "old", "country": "NO"}));
    assert_eq!(
        told.steps[..4],
        [
            json!({"step": "kill_switch", "enabled": true}),
            json!({"step": "prerequisite", "flag": "b", "wanted": ["on"], "served": "on", "holds": true, "steps": [
                {"step": "kill_switch", "enabled": true},
                {"step": "serve", "where": "fallthrough", "variation": "on"},
            ]}),
            json!({"step": "target", "key": "u", "variation": null}),
            json!({"step": "rule", "rule": "r1", "description": "", "matched": false, "clauses": [
                {"attribute": "plan", "op": "in", "values": ["pro"], "found": 1, "outcome": "not_matched",
                    "matched": false},
            ]}),
        ]
    );
    let segment = json!({"segment": "beta", "key": "u", "because": "rule", "member": true, "rules": [
        {"rule": "nordic", "description": "", "matched": true, "clauses": [
            {"attribute": "country", "op": "in", "values": ["NO"], "found": "NO", "outcome": "matched", "matched": true},
        ]},
    ]});
    let group = json!({"group": "any", "matched": true, "clauses": [
        {"attribute": "age", "op": "lt", "values": [3], "negate": true, "found": "old", "outcome": "wrong_type",
            "matched": false},
        {"attribute": "targetingKey", "op": "in_segment", "values": ["beta"], "found": "u", "outcome": "matched",
            "matched": true, "segments": [segment]},
    ]});
    let bucket = crate::bucket::bucket("s", "u");
    assert_eq!(
        told.steps[4..],
        [
            json!({"step": "rule", "rule": "r2", "description": "friends", "matched": true, "clauses": [group]}),
            json!({"step": "split", "where": "r2", "key": "u", "salt": "s", "bucket": bucket, "range": [0, 100_000],
                "variation": "on"}),
        ]
    );
    assert_eq!(
        (told.reason, told.rule.as_deref(), told.version, told.revision),
        (Reason::Split, Some("r2"), Some(3), 9)
    );

    let told = explain(&[a, b], json!({"plan": null, "age": 5}));
    assert_eq!(told.steps[2], json!({"step": "target", "key": null, "variation": null}));
    assert_eq!(told.steps[3]["clauses"][0]["outcome"], "missing");
    assert_eq!(told.error_code, Some(ErrorCode::TargetingKeyMissing));
    assert_eq!(told.steps[5]["key"], Value::Null);
    assert_eq!(told.steps[5]["bucket_by"], "targetingKey");
}

#[test]
fn what_is_not_there_is_said() {
    let told = explain(&[boolean("a", json!({"prerequisites": [{"flag": "gone", "variations": ["on"]}]}))], json!({}));
    assert_eq!(told.reason, Reason::PrerequisiteFailed);
    assert_eq!(told.steps[1]["error_code"], "FLAG_NOT_FOUND");
    assert_eq!(told.steps[2], json!({"step": "serve", "where": "off", "variation": "off"}));
    let told = explain(&[], json!({}));
    assert_eq!((told.error_code, told.reason, told.version), (Some(ErrorCode::FlagNotFound), Reason::Error, None));
    assert_eq!(told.steps, [] as [Value; 0]);
}

#[test]
fn a_clause_of_percentages_tells_the_bucket() {
    let clauses = json!([{"attribute": "targetingKey", "op": "percent", "values": ["s", 0, 100_000]}]);
    let rules = json!([{"id": "r", "clauses": clauses, "serve": {"variation": "on"}}]);
    let told = explain(&[boolean("a", json!({"rules": rules}))], json!({"targetingKey": "u"}));
    assert_eq!(told.steps[1]["clauses"][0]["bucket"], crate::bucket::bucket("s", "u"));
}

#[test]
fn what_is_long_in_a_context_is_cut() {
    let clause = |attribute| json!({"attribute": attribute, "op": "in", "values": ["x", 7]});
    let clauses = json!([{"any": [clause("long"), clause("list"), clause("object"), clause("mixed")]}]);
    let rules = json!([{"id": "r", "clauses": clauses, "serve": {"variation": "on"}}]);
    let long = "é".repeat(100_000);
    let context = json!({
        "targetingKey": long, "long": long, "list": vec![long.as_str(); 1_000], "object": {"a": long},
        "mixed": [[long], {"a": long}, [], {}, null, 7],
    });
    let told = explain(&[boolean("a", json!({"rules": rules}))], context);
    assert!(serde_json::to_string(&told).unwrap().len() < 20_000);
    let cut = format!("{}…", "é".repeat(256));
    let found: Vec<_> =
        told.steps[1]["clauses"][0]["clauses"].as_array().unwrap().iter().map(|c| &c["found"]).collect();
    let mut list = vec![json!(cut); 20];
    list.push(json!("… and 980 more"));
    let mixed = json!([["…"], {"…": "…"}, [], {}, null, 7]);
    assert_eq!(found, [&json!(cut), &json!(list), &json!({"…": "…"}), &mixed]);
    assert_eq!(told.rule.as_deref(), Some("r"), "the whole value is looked at");
}
