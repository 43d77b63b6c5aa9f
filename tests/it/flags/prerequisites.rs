//! Flags that need other flags: what may be said, what is refused, what is served.

use serde_json::{Value, json};

use crate::harness::{PRODUCTION, TestApp, configured, flag, on_both};

fn needs(of: &[(&str, &[&str])]) -> Value {
    let all: Vec<_> = of.iter().map(|(flag, variations)| json!({"flag": flag, "variations": variations})).collect();
    json!({"configuration": {"prerequisites": all}})
}

async fn patch(app: &TestApp, key: &str, body: &Value) -> crate::harness::Answer {
    app.patch(&configured(PRODUCTION, key, ""), body).any_version().await
}

on_both!(a_prerequisite_decides_before_everything_but_the_switch, async |app| {
    let app = app.with_flag("feature.a").await.with_flag("feature.b").await;
    app.roll_out(PRODUCTION, "feature.a", 100.0).await;
    let user = json!({"targetingKey": "u"});
    let served = async || app.evaluate(PRODUCTION, "feature.a", &user).await.expect(200);
    assert_eq!(served().await["value"], true);

    let answer = patch(&app, "feature.a", &needs(&[("feature.b", &["on"])])).await.expect(200);
    assert_eq!(answer["configuration"]["prerequisites"], json!([{"flag": "feature.b", "variations": ["on"]}]));
    let failed = served().await;
    assert_eq!((&failed["value"], &failed["variant"]), (&json!(false), &json!("off")));
    app.roll_out(PRODUCTION, "feature.b", 100.0).await;
    assert_eq!(served().await["reason"], "SPLIT");
    app.put(&configured(PRODUCTION, "feature.a", "/targets/on/u"), &Value::Null).await.expect(200);
    app.put(&configured(PRODUCTION, "feature.b", "/disable"), &Value::Null).await.expect(200);
    assert_eq!(served().await["value"], false, "before targets");

    let document = app.configured(PRODUCTION, "feature.a").await;
    let version = document["version"].as_u64().unwrap();
    let body = json!({"configuration": document["configuration"]});
    let same = app.put(&configured(PRODUCTION, "feature.a", ""), &body).version(version).await.expect(200);
    assert_eq!(same["version"], version, "what GET gives is what PUT takes");
});

on_both!(what_can_not_hold_is_refused, async |app| {
    let app = app.with_flag("a").await.with_flag("b").await.with_flag("c").await;
    let revision = app.revision(PRODUCTION).await;
    let at = |rest: &str| format!("/configuration/prerequisites{rest}");
    for (wrong, pointer) in [
        (needs(&[("gone", &["on"])]), at("/0/flag")),
        (needs(&[("a", &["on"])]), at("/0/flag")),
        (needs(&[("b", &["on"]), ("b", &["off"])]), at("/1/flag")),
        (needs(&[("b", &["on", "red"])]), at("/0/variations/1")),
        (needs(&[("b", &[])]), at("/0/variations")),
        (needs(&[("b/c", &["on"])]), at("/0/flag")),
        (json!({"configuration": {"prerequisites": [{"flag": "b"}]}}), at("/0/variations")),
    ] {
        let answer = patch(&app, "a", &wrong).await;
        assert_eq!(answer.faults(), [pointer], "{answer}");
    }
    assert_eq!(app.revision(PRODUCTION).await, revision);

    patch(&app, "a", &needs(&[("b", &["on"])])).await.expect(200);
    patch(&app, "b", &needs(&[("c", &["on"])])).await.expect(200);
    let cycle = patch(&app, "c", &needs(&[("a", &["on"])])).await;
    assert_eq!(cycle.faults(), [at("/0/flag")]);
    assert!(cycle.to_string().contains("c → a → b → c"), "{cycle}");
    patch(&app, "b", &needs(&[])).await.expect(200);
    patch(&app, "c", &needs(&[("a", &["on"])])).await.expect(200);
});

on_both!(what_others_need_stays, async |app| {
    let app = app.with_flag("a").await.with_flag("b").await;
    patch(&app, "a", &needs(&[("b", &["on"])])).await.expect(200);
    let without = json!({"variations": [{"name": "yes", "value": true}, {"name": "off", "value": false}]});
    let answer = app.patch(&flag("b"), &without).any_version().await;
    assert!(answer.faults().contains(&"/variations".to_owned()), "{answer}");

    app.delete(&flag("a")).any_version().await.expect(204);
    app.delete(&flag("b")).any_version().await.expect(204);
    let back = app.patch(&flag("a"), &json!({"archived": false})).any_version().await;
    assert_eq!(back.faults(), ["/environments/production/prerequisites/0/flag"], "{back}");
    app.patch(&flag("b"), &json!({"archived": false})).any_version().await.expect(200);
    app.patch(&flag("a"), &json!({"archived": false})).any_version().await.expect(200);
});

on_both!(every_operator_is_taken_and_given_back, async |app| {
    let app = app.with_flag("a").await;
    let clause = |op: &str, values: Value| json!({"attribute": "x", "op": op, "values": values});
    let clauses = json!([
        {"any": [clause("ends_with", json!(["z"])), {"none": [clause("matches", json!(["^a"]))]}]},
        {"all": [clause("between", json!([1, 2.5])), clause("modulo", json!([10, 3]))]},
        clause("within_last", json!(["36h"])), clause("date_between", json!([0, "2026-11-21T10:00:00Z"])),
        clause("semver_range", json!([">=1 <3"])), clause("ip_in", json!(["10.0.0.0/8"])),
        clause("all_of", json!(["a", 1])), clause("size", json!([0, 3])), clause("percent", json!(["s", 0, 500])),
    ]);
    let rules = json!([{"id": "r", "clauses": clauses, "serve": {"variation": "on"}}]);
    let answer = patch(&app, "a", &json!({"configuration": {"rules": rules}})).await.expect(200);
    assert_eq!(answer["configuration"]["rules"][0]["clauses"], clauses);
    let wrong = json!([
        {"all": [clause("modulo", json!([0, 1])), {"any": []}]},
        {"attribute": "x", "all": []},
        {"all": [], "none": []},
        {"op": "near"},
        clause("in_segment", json!(["nobody"])),
    ]);
    let rules = json!([{"id": "r", "clauses": wrong, "serve": {"variation": "blue"}}]);
    let answer = patch(&app, "a", &json!({"configuration": {"rules": rules}})).await;
    let mut pointers = answer.faults();
    pointers.sort();
    let at = |rest: &str| format!("/configuration/rules/0/{rest}");
    let clauses = [
        "0/all/0/values",
        "0/all/1/any",
        "1/all",
        "1/attribute",
        "2",
        "2/all",
        "2/none",
        "3/attribute",
        "3/op",
        "4/values/0",
    ];
    let mut expected: Vec<_> = clauses.iter().map(|rest| at(&format!("clauses/{rest}"))).collect();
    expected.push(at("serve/variation"));
    assert_eq!(pointers, expected, "{answer}");
});
