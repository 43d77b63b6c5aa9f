use serde_json::{Value, json};

use super::*;
use crate::{CompiledFlag, Flag, Segment, Snapshot};

const NOW: Now = Now::At(1_795_255_200_000);

fn state(flags: &[Value], segments: &[Value]) -> State {
    let read = |flag: &Value| serde_json::from_value::<Flag>(flag.clone()).unwrap();
    let flags: Vec<_> = flags.iter().map(read).collect();
    let segments: Vec<Segment> = segments.iter().map(|s| serde_json::from_value(s.clone()).unwrap()).collect();
    State::from_snapshot(Snapshot::new("production", "e", 9, &flags, &segments).unwrap()).unwrap()
}

fn flag(key: &str, extra: Value) -> Value {
    let mut flag = json!({
        "key": key, "version": 3, "type": "boolean", "enabled": true, "off_variation": "off",
        "variations": [{"name": "on", "value": true}, {"name": "off", "value": false}],
        "fallthrough": {"variation": "off"},
    });
    for (name, value) in extra.as_object().unwrap() {
        flag[name] = value.clone();
    }
    flag
}

fn boolean(extra: Value) -> State {
    state(&[flag("feature.a", extra)], &[])
}

fn evaluate<'s>(state: &'s State, context: &Value) -> Result<Evaluation<'s>, ErrorCode> {
    let context: Context = serde_json::from_value(context.clone()).unwrap();
    state.evaluate("feature.a", &context, NOW)
}

fn ask(state: &State, context: Value) -> (String, Reason, Option<String>) {
    let answer = evaluate(state, &context).unwrap();
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
        assert_eq!(flag.evaluate("feature.a", &context, NOW).unwrap_err(), ErrorCode::TargetingKeyMissing);
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
        flag.evaluate("feature.a", &context, NOW).unwrap().assignment.map(|a| a.arm.to_owned())
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

#[test]
fn prerequisites_hold_when_a_flag_serves_what_is_wanted() {
    let needs = |flag: &str, variations: Value| json!({"flag": flag, "variations": variations});
    let served = |prerequisites: Value, b: Value| {
        let a = flag("feature.a", json!({"fallthrough": {"variation": "on"}, "prerequisites": prerequisites}));
        let states = state(&[a, flag("b", b)], &[]);
        let (variation, reason, _) = ask(&states, json!({"targetingKey": "u"}));
        (variation == "on", reason)
    };
    let on = json!({"fallthrough": {"variation": "on"}});
    assert_eq!(served(json!([needs("b", json!(["on"]))]), on.clone()), (true, Reason::Default));
    assert_eq!(served(json!([needs("b", json!(["off", "on"]))]), on.clone()), (true, Reason::Default));
    assert_eq!(served(json!([needs("b", json!(["off"]))]), on.clone()), (false, Reason::PrerequisiteFailed));
    assert_eq!(served(json!([needs("gone", json!(["on"]))]), on.clone()), (false, Reason::PrerequisiteFailed));
    let off = json!({"enabled": false, "fallthrough": {"variation": "on"}});
    assert_eq!(served(json!([needs("b", json!(["on"]))]), off.clone()), (false, Reason::PrerequisiteFailed));
    assert_eq!(served(json!([needs("b", json!(["off"]))]), off), (true, Reason::Default));
    let split = json!({"fallthrough": {"split": {"bucket_by": "device", "salt": "s", "ranges": [[100_000, "on"]]}}});
    assert_eq!(served(json!([needs("b", json!(["on"]))]), split), (false, Reason::PrerequisiteFailed));
}

#[test]
fn a_cycle_ends_and_so_does_a_flood() {
    let needs = |keys: &[String]| {
        let all: Vec<_> = keys.iter().map(|key| json!({"flag": key, "variations": ["on"]})).collect();
        json!({"fallthrough": {"variation": "on"}, "prerequisites": all})
    };
    let ring = state(&[flag("feature.a", needs(&["b".into()])), flag("b", needs(&["feature.a".into()]))], &[]);
    assert_eq!(ask(&ring, json!({})).1, Reason::PrerequisiteFailed);
    let layer = |level: usize| (0..20).map(|i| format!("l{level}-{i}")).collect::<Vec<_>>();
    let mut flags = vec![flag("feature.a", needs(&layer(0)))];
    for level in 0..20 {
        flags.extend(layer(level).iter().map(|key| flag(key, needs(&layer(level + 1)))));
    }
    assert_eq!(ask(&state(&flags, &[]), json!({})).1, Reason::PrerequisiteFailed);
}

fn member(segments: &[Value], context: Value) -> bool {
    let rule = json!({"rules": [{"id": "r", "serve": {"variation": "on"},
        "clauses": [{"attribute": "targetingKey", "op": "in_segment", "values": ["beta"]}]}]});
    ask(&state(&[flag("feature.a", rule)], segments), context).0 == "on"
}

#[test]
fn segments_list_exclude_and_match() {
    let beta = json!({"key": "beta", "version": 1, "included": ["42", "a", "b"], "excluded": ["b", "nordic"],
    "rules": [
        {"id": "r1", "clauses": [{"attribute": "country", "op": "in", "values": ["NO"]}]},
        {"id": "r2", "clauses": [{"attribute": "plan", "op": "exists"}, {"attribute": "targetingKey", "op": "in_segment", "values": ["inner"]}]},
    ]});
    let inner = json!({"key": "inner", "version": 1, "included": ["deep"]});
    let asked = |context| member(&[beta.clone(), inner.clone()], context);
    assert!(asked(json!({"targetingKey": "a"})) && asked(json!({"targetingKey": 42})));
    assert!(!asked(json!({"targetingKey": "b"})), "excluded wins");
    assert!(asked(json!({"targetingKey": "c", "country": "NO"})));
    assert!(!asked(json!({"targetingKey": "nordic", "country": "NO"})));
    assert!(asked(json!({"targetingKey": "deep", "plan": 1})) && !asked(json!({"targetingKey": "deep"})));
    assert!(!asked(json!({"country": "NO"})), "nobody in particular is in no segment");
    assert!(!member(&[], json!({"targetingKey": "a"})), "a segment that is not there has nobody");
}

#[test]
fn segments_that_name_each_other_end() {
    let names = |key: &str, other: &str| {
        json!({"key": key, "version": 1,
        "rules": [{"id": "r", "clauses": [{"attribute": "targetingKey", "op": "in_segment", "values": [other]}]}]})
    };
    assert!(!member(&[names("beta", "b"), names("b", "beta")], json!({"targetingKey": "a"})));
}

#[test]
fn a_layer_gives_a_release_only_its_own_users() {
    let layer =
        |otherwise: Value| json!({"salt": "layer", "ranges": [[0, 20_000], [50_000, 60_000]], "otherwise": otherwise});
    let release = |place: &str, layer: Value| {
        json!({
            "id": "rel", "where": place, "window_seconds": 10, "metrics": [], "layer": layer,
            "arms": [{"name": "treatment", "variation": "on"}, {"name": "control", "variation": "off"}],
        })
    };
    let everyone = json!({"split": {"salt": "s", "ranges": [[100_000, "on"]]}});
    let on_fallthrough =
        boolean(json!({"fallthrough": everyone, "release": release("fallthrough", layer(json!("off")))}));
    let rule = json!([{"id": "r", "clauses": [], "serve": everyone}]);
    let on_rule = boolean(json!({"rules": rule, "release": release("r", layer(Value::Null))}));
    for user in 0..200 {
        let key = format!("user-{user}");
        let bucket = bucket::bucket("layer", &key);
        let inside = bucket < 20_000 || (50_000..60_000).contains(&bucket);
        for state in [&on_fallthrough, &on_rule] {
            let answer = evaluate(state, &json!({"targetingKey": key})).unwrap();
            assert_eq!(answer.variation, if inside { "on" } else { "off" });
            assert_eq!(answer.assignment.map(|a| a.arm), inside.then_some("treatment"));
            assert_eq!(answer.reason, if inside { Reason::Split } else { Reason::Default });
        }
    }
    assert_eq!(evaluate(&on_rule, &json!({})), Err(ErrorCode::TargetingKeyMissing));
    let for_one = json!({"fallthrough": {"variation": "on"}, "release": release("fallthrough", layer(json!("off")))});
    let reasons = (0..20).map(|user| ask(&boolean(for_one.clone()), json!({"targetingKey": user})));
    let reasons: Vec<_> = reasons.map(|(variation, reason, _)| (variation, reason)).collect();
    for variation in ["on", "off"] {
        assert!(reasons.contains(&(variation.to_owned(), Reason::Default)), "two variations are not static");
    }
    let faults = |release: Value| {
        let flag: Flag =
            serde_json::from_value(flag("a", json!({"fallthrough": everyone, "release": release}))).unwrap();
        CompiledFlag::compile(flag).unwrap_err().into_iter().map(|fault| fault.pointer).collect::<Vec<_>>()
    };
    assert_eq!(faults(release("fallthrough", layer(Value::Null))), ["/release/layer/otherwise"]);
    let overlapping = json!({"salt": "layer", "ranges": [[0, 20_000], [10_000, 60_000]], "otherwise": "none"});
    assert_eq!(faults(release("fallthrough", overlapping)), ["/release/layer/ranges", "/release/layer/otherwise"]);
}

#[test]
fn a_flag_whose_every_way_leads_to_one_variation_is_static() {
    let rule = |variation: &str| json!({"rules": [{"id": "r", "clauses": [{"attribute": "x", "op": "exists"}], "serve": {"variation": variation}}]});
    assert_eq!(ask(&boolean(rule("off")), json!({})).1, Reason::Static);
    assert_eq!(ask(&boolean(rule("off")), json!({"x": 1})).1, Reason::TargetingMatch);
    assert_eq!(ask(&boolean(rule("on")), json!({})).1, Reason::Default);
}
