use serde_json::{Value, json};

use super::*;
use crate::Flag;

fn compile(flag: Value) -> CompiledFlag {
    let flag: Flag = serde_json::from_value(flag).unwrap();
    CompiledFlag::compile(flag).unwrap()
}

fn boolean(extra: Value) -> CompiledFlag {
    let mut flag = json!({
        "key": "feature.a", "version": 3, "type": "boolean", "enabled": true, "off_variation": "off",
        "variations": [{"name": "on", "value": true}, {"name": "off", "value": false}],
        "fallthrough": {"variation": "off"},
    });
    for (name, value) in extra.as_object().unwrap() {
        flag[name] = value.clone();
    }
    compile(flag)
}

fn ask(flag: &CompiledFlag, context: Value) -> (String, Reason, Option<String>) {
    let context: Context = serde_json::from_value(context).unwrap();
    let answer = flag.evaluate(&context).unwrap();
    (answer.variation.to_owned(), answer.reason, answer.rule.map(str::to_owned))
}

fn quarter() -> Value {
    json!({"split": {"salt": "s", "ranges": [[25000, "on"], [100000, "off"]]}})
}

#[test]
fn order_is_switch_targets_rules_fallthrough() {
    let everything = json!({
        "targets": [{"variation": "on", "keys": ["vip", "42"]}],
        "rules": [
            {"id": "nordic", "clauses": [{"attribute": "country", "op": "in", "values": ["NO", "SE"]}], "serve": {"variation": "on"}},
            {"id": "all", "clauses": [{"attribute": "beta", "op": "exists"}], "serve": quarter()},
        ],
    });
    let flag = boolean(everything.clone());
    assert_eq!(ask(&flag, json!({"targetingKey": "vip"})), ("on".into(), Reason::TargetingMatch, None));
    assert_eq!(ask(&flag, json!({"targetingKey": 42})), ("on".into(), Reason::TargetingMatch, None));
    assert_eq!(ask(&flag, json!({"country": "SE"})), ("on".into(), Reason::TargetingMatch, Some("nordic".into())));
    let (_, reason, rule) = ask(&flag, json!({"targetingKey": "u", "beta": 1}));
    assert_eq!((reason, rule.as_deref()), (Reason::Split, Some("all")));
    assert_eq!(ask(&flag, json!({"targetingKey": "u"})), ("off".into(), Reason::Default, None));

    let mut disabled = everything;
    disabled["enabled"] = json!(false);
    let flag = boolean(disabled);
    assert_eq!(ask(&flag, json!({"targetingKey": "vip"})), ("off".into(), Reason::Disabled, None));
}

#[test]
fn a_flag_that_can_serve_one_value_only_is_static() {
    assert_eq!(ask(&boolean(json!({})), json!({})).1, Reason::Static);
}

#[test]
fn a_split_without_a_key_says_so() {
    let flag = boolean(json!({"fallthrough": quarter()}));
    for context in
        [json!({}), json!({"targetingKey": null}), json!({"targetingKey": 1.5}), json!({"targetingKey": ["u"]})]
    {
        let context: Context = serde_json::from_value(context).unwrap();
        assert_eq!(flag.evaluate(&context).unwrap_err(), ErrorCode::TargetingKeyMissing);
    }
    assert_eq!(ask(&flag, json!({"targetingKey": ""})).1, Reason::Split);
}

#[test]
fn a_split_serves_what_its_buckets_say() {
    let flag = boolean(json!({"fallthrough": quarter()}));
    for i in 0..2_000 {
        let key = format!("user-{i}");
        let expected = if bucket::bucket("s", &key) < 25_000 { "on" } else { "off" };
        assert_eq!(ask(&flag, json!({"targetingKey": key})).0, expected);
    }
}

#[test]
fn only_the_split_of_the_release_puts_users_in_an_arm() {
    let flag = boolean(json!({
        "targets": [{"variation": "on", "keys": ["vip"]}],
        "rules": [{"id": "r", "clauses": [{"attribute": "beta", "op": "exists"}], "serve": quarter()}],
        "fallthrough": quarter(),
        "release": {"id": "rel", "where": "fallthrough", "window_seconds": 10, "metrics": [],
            "arms": [{"name": "treatment", "variation": "on"}, {"name": "control", "variation": "off"}]},
    }));
    let arm = |context: Value| {
        let context: Context = serde_json::from_value(context).unwrap();
        flag.evaluate(&context).unwrap().assignment.map(|a| a.arm.to_owned())
    };
    assert_eq!(arm(json!({"targetingKey": "vip"})), None);
    assert_eq!(arm(json!({"targetingKey": "u", "beta": true})), None);
    let expected = if bucket::bucket("s", "u") < 25_000 { "treatment" } else { "control" };
    assert_eq!(arm(json!({"targetingKey": "u"})).as_deref(), Some(expected));
}

#[test]
fn compilation_names_every_fault() {
    let flag: Flag = serde_json::from_value(json!({
        "key": "-bad", "version": 1, "type": "integer", "enabled": true, "off_variation": "nothing",
        "variations": [{"name": "a", "value": 1}, {"name": "a", "value": "x"}],
        "targets": [{"variation": "b", "keys": []}, {"variation": "a", "keys": ["u", "u"]}],
        "rules": [{"id": "r", "clauses": [], "serve": {"variation": "a"}}, {"id": "r", "clauses": [], "serve": {"variation": "z"}}],
        "fallthrough": {"split": {"salt": "s", "hash": "md5", "ranges": [[50000, "a"], [40000, "c"]]}},
    }))
    .unwrap();
    let mut pointers: Vec<_> = CompiledFlag::compile(flag).unwrap_err().into_iter().map(|f| f.pointer).collect();
    pointers.sort();
    assert_eq!(
        pointers,
        [
            "/fallthrough/split/hash",
            "/fallthrough/split/ranges",
            "/fallthrough/split/ranges/1",
            "/key",
            "/off_variation",
            "/rules/1/id",
            "/rules/1/serve/variation",
            "/targets/0/variation",
            "/targets/1/keys/1",
            "/variations/1/name",
            "/variations/1/value",
        ]
    );
}
