//! `POST P/flags`.

use serde_json::{Value, json};

use crate::harness::{DEVELOPMENT, FLAGS, PRODUCTION, configured, flag, on_both};

on_both!(a_boolean_flag_needs_a_key_and_its_type, async |app| {
    let created = app.post(FLAGS, &json!({"key": "feature.a", "type": "boolean"})).await;
    let body = created.expect(201);
    assert_eq!(created.header("etag"), "\"1\"");
    assert_eq!(body["key"], "feature.a");
    assert_eq!(body["type"], "boolean");
    assert_eq!(body["kind"], "release");
    assert_eq!(body["name"], "feature.a");
    assert_eq!(body["description"], "");
    assert_eq!(body["owner"], "");
    assert_eq!(body["tags"], json!([]));
    assert_eq!(body["client_visible"], false);
    assert_eq!(body["metadata"], json!({}));
    assert_eq!(body["links"], json!([]));
    assert_eq!(body["version"], 1);
    assert_eq!(body["variations"], json!([{"name": "on", "value": true}, {"name": "off", "value": false}]));
    let read = app.get(&flag("feature.a")).await;
    assert_eq!(read.expect(200), body);
    assert_eq!(read.header("etag"), "\"1\"");
});

on_both!(every_member_is_kept, async |app| {
    let given = json!({
        "key": "experiment.b", "type": "string", "kind": "experiment", "name": "B", "description": "What it is.",
        "tags": ["checkout", "q4"], "owner": "team-pay", "client_visible": true,
        "variations": [{"name": "control", "value": "a"}, {"name": "treatment", "value": "b"}],
        "metadata": {"ticket": {"id": 7}},
        "links": [{"title": "The plan", "url": "https://example.com/plan?x=1#y"}],
    });
    let created = app.post(FLAGS, &given).await.expect(201);
    for (member, value) in given.as_object().unwrap() {
        assert_eq!(&created[member], value, "{member}");
    }
});

on_both!(values_take_the_form_of_their_type, async |app| {
    let big = 9_007_199_254_740_992_i64;
    for (kind, given, kept) in [
        ("boolean", vec![json!(true), json!(false)], r"[true,false]"),
        ("string", vec![json!(""), json!("åse\u{1}")], r#"["","åse\u0001"]"#),
        ("integer", vec![json!(2.0), json!(-big), json!(big)], "[2,-9007199254740992,9007199254740992]"),
        ("float", vec![json!(5), json!(0.1), json!(-2.5e10)], "[5.0,0.1,-25000000000.0]"),
        ("json", vec![json!({"b": [1, null]}), json!(null), json!(7)], r#"[{"b":[1,null]},null,7]"#),
    ] {
        let key = format!("of.{kind}");
        let variations: Vec<_> = given
            .iter()
            .enumerate()
            .map(|(index, value)| json!({"name": format!("v{index}"), "value": value}))
            .collect();
        let created = app.post(FLAGS, &json!({"key": key, "type": kind, "variations": variations})).await.expect(201);
        let values: Vec<&Value> = created["variations"].as_array().unwrap().iter().map(|v| &v["value"]).collect();
        assert_eq!(serde_json::to_string(&values).unwrap(), kept, "{kind}");
        let served = app.evaluate(PRODUCTION, &key, &json!({"targetingKey": "u"})).await;
        let off = serde_json::to_string(values.last().unwrap()).unwrap();
        assert!(String::from_utf8_lossy(&served.body).contains(&format!("\"value\":{off}")), "{served}");
    }
});

on_both!(a_new_flag_is_on_and_serves_off_everywhere, async |app| {
    let mut revisions = Vec::new();
    for environment in [DEVELOPMENT, "staging", PRODUCTION] {
        revisions.push((environment, app.revision(environment).await));
    }
    let app = app.with_flag("feature.a").await;
    let variations = json!([{"name": "a", "value": 1}, {"name": "b", "value": 2}, {"name": "c", "value": 3}]);
    let named = json!({"key": "named", "type": "integer", "variations": variations, "off_variation": "b"});
    app.post(FLAGS, &named).await.expect(201);
    for (environment, revision) in revisions {
        assert_eq!(app.revision(environment).await, revision + 2, "{environment}");
        let answer = app.get(&configured(environment, "feature.a", "")).await;
        let view = answer.expect(200);
        assert_eq!(answer.header("etag"), "\"1\"");
        assert_eq!(view["flag"], "feature.a");
        assert_eq!(view["environment"], environment);
        assert_eq!(view["version"], 1);
        let expected = json!({"enabled": true, "off_variation": "off", "fallthrough": {"variation": "off"}});
        assert_eq!(view["configuration"], expected);
        assert_eq!(view["allocations"], json!({}));
        let served = app.evaluate(environment, "feature.a", &json!({"targetingKey": "u"})).await.expect(200);
        assert_eq!((&served["value"], &served["reason"]), (&json!(false), &json!("STATIC")));
        let named = app.configured(environment, "named").await;
        assert_eq!(named["configuration"]["off_variation"], "b");
        assert_eq!(named["configuration"]["fallthrough"], json!({"variation": "b"}));
    }
});

on_both!(a_key_is_taken_once, async |app| {
    let app = app.with_flag("feature.a").await;
    let before = app.revision(PRODUCTION).await;
    app.post(FLAGS, &json!({"key": "feature.a", "type": "boolean"})).await.problem(409, "conflict");
    app.delete(&flag("feature.a")).any_version().await.expect(204);
    app.post(FLAGS, &json!({"key": "feature.a", "type": "boolean"})).await.problem(409, "conflict");
    assert_eq!(app.revision(PRODUCTION).await, before + 1, "the deletion alone is seen");
});

on_both!(another_project_has_flags_of_its_own, async |app| {
    let app = app.with_flag("feature.a").await;
    app.post("/api/v1/projects", &json!({"key": "other"})).await.expect(201);
    app.post("/api/v1/projects/other/flags", &json!({"key": "feature.a", "type": "boolean"})).await.expect(201);
    app.post("/api/v1/projects/other/flags", &json!({"key": "b", "type": "boolean"})).await.expect(201);
    app.get(&flag("b")).await.problem(404, "not_found");
    app.get("/api/v1/projects/other/environments/production/flags/b").await.expect(200);
    app.get("/api/v1/projects/none/flags/b").await.problem(404, "not_found");
    app.post("/api/v1/projects/none/flags", &json!({"key": "b", "type": "boolean"})).await.problem(404, "not_found");
});
