use serde_json::{Value, json};

use super::{of_each_type, visible};
use crate::harness::{DEVELOPMENT, PRODUCTION, on_both};

on_both!(a_value_comes_with_its_reason, async |app| {
    let app = app.with_string_flag("text", &["a", "b"]).await;
    let context = json!({"targetingKey": "u", "country": "NO"});
    let answer = app.evaluate(DEVELOPMENT, "text", &context).await;
    assert_eq!(answer.header("content-type"), "application/json");
    let revision = app.revision(DEVELOPMENT).await;
    let expected = json!({
        "key": "text", "value": "b", "reason": "STATIC", "variant": "b",
        "metadata": {"version": 1, "revision": revision},
    });
    assert_eq!(answer.expect(200), expected);
    let configuration = json!({
        "enabled": true, "off_variation": "a", "targets": [{"variation": "a", "keys": ["t"]}],
        "rules": [
            {"id": "se", "clauses": [{"attribute": "country", "op": "in", "values": ["SE"]}], "serve": {"variation": "a"}},
            {"id": "no", "clauses": [{"attribute": "country", "op": "in", "values": ["NO"]}],
             "serve": {"split": {"weights": {"a": 100_000}}}},
        ],
        "fallthrough": {"variation": "b"},
    });
    app.configure(DEVELOPMENT, "text", &configuration).await.expect(200);
    for (context, reason, value, rule) in [
        (json!({"targetingKey": "t"}), "TARGETING_MATCH", "a", json!(null)),
        (json!({"targetingKey": "u", "country": "SE"}), "TARGETING_MATCH", "a", json!("se")),
        (json!({"targetingKey": "u", "country": "NO"}), "SPLIT", "a", json!("no")),
        (json!({"targetingKey": "u"}), "DEFAULT", "b", json!(null)),
        (json!({}), "DEFAULT", "b", json!(null)),
    ] {
        let served = app.evaluate(DEVELOPMENT, "text", &context).await.expect(200);
        assert_eq!((&served["reason"], &served["value"]), (&json!(reason), &json!(value)), "{context}");
        assert_eq!(served["metadata"].get("rule").cloned().unwrap_or_default(), rule, "{context}");
        assert_eq!(served["metadata"]["version"], 2);
    }
});

on_both!(a_client_key_sees_what_it_may, async |app| {
    let app = visible(app, "shown").await.with_string_flag("hidden", &["a", "b"]).await;
    let client = app.keys(DEVELOPMENT).client.clone();
    let context = json!({"targetingKey": "u"});
    assert_eq!(app.evaluate(DEVELOPMENT, "shown", &context).by(&client).await.expect(200)["value"], "b");
    let hidden = app.evaluate(DEVELOPMENT, "hidden", &context).by(&client).await.problem(404, "not_found");
    let none = app.evaluate(DEVELOPMENT, "nonexx", &context).by(&client).await.problem(404, "not_found");
    let same = |mut problem: Value| {
        problem["request_id"] = json!("");
        problem.to_string().replace("nonexx", "hidden")
    };
    assert_eq!(same(hidden), same(none), "there is no telling one from the other");
    app.evaluate(DEVELOPMENT, "hidden", &context).await.expect(200);

    let by_header = |key: &str| app.evaluate(DEVELOPMENT, "shown", &context).by_nobody().header("x-api-key", key);
    by_header(&client).await.expect(200);
    by_header(&app.keys(DEVELOPMENT).server).await.expect(200);
    by_header("bw_pub_x").await.problem(401, "unauthenticated");
    by_header("").await.problem(401, "unauthenticated");
});

on_both!(a_key_opens_its_own_environment, async |app| {
    let app = visible(app, "text").await;
    let whole = json!({"enabled": true, "off_variation": "b", "fallthrough": {"variation": "a"}});
    app.configure(PRODUCTION, "text", &whole).await.expect(200);
    for (environment, value) in [(DEVELOPMENT, "b"), ("staging", "b"), (PRODUCTION, "a")] {
        for key in [&app.keys(environment).server, &app.keys(environment).client] {
            let served = app.evaluate(DEVELOPMENT, "text", &json!({"targetingKey": "u"})).by(key).await.expect(200);
            assert_eq!(served["value"], value);
        }
    }
    app.post("/api/v1/projects", &json!({"key": "other"})).await.expect(201);
    let new = json!({"key": "elsewhere", "type": "boolean", "client_visible": true});
    app.post("/api/v1/projects/other/flags", &new).await.expect(201);
    app.evaluate(DEVELOPMENT, "elsewhere", &json!({})).await.problem(404, "not_found");
});

on_both!(a_value_is_of_its_type, async |app| {
    let app = of_each_type(app).await;
    for (value_type, value) in [
        ("boolean", "false"),
        ("string", "\"b\""),
        ("integer", "9007199254740992"),
        ("float", "10.0"),
        ("json", "{\"a\":[1,null],\"b\":1.0}"),
    ] {
        let key = format!("of-{value_type}");
        let answer = app.evaluate(DEVELOPMENT, &key, &json!({})).await;
        answer.expect(200);
        let text = String::from_utf8(answer.body.to_vec()).unwrap();
        assert!(text.starts_with(&format!("{{\"key\":\"{key}\",\"value\":{value},\"reason\":\"STATIC\"")), "{text}");
    }
});

on_both!(metadata_is_primitive, async |app| {
    let app = app.with_flag("feature.a").await;
    let clauses = json!([{"attribute": "country", "op": "in", "values": ["NO"]}]);
    let rules = json!([{"id": "r", "clauses": clauses, "serve": {"variation": "on"}}]);
    let whole = json!({"enabled": true, "off_variation": "off", "rules": rules, "fallthrough": {"variation": "off"}});
    app.configure(DEVELOPMENT, "feature.a", &whole).await.expect(200);
    let served = app.evaluate(DEVELOPMENT, "feature.a", &json!({"country": "NO"})).await.expect(200);
    for (name, value) in served["metadata"].as_object().unwrap() {
        assert!(value.is_string() || value.is_number() || value.is_boolean(), "{name}: {value}");
    }
    assert_eq!(served["metadata"]["rule"], "r");
});

on_both!(a_disabled_flag_says_so, async |app| {
    let app = app.with_flag("feature.a").await;
    app.put_nothing(&crate::harness::configured(DEVELOPMENT, "feature.a", "/disable")).await.expect(200);
    let served = app.evaluate(DEVELOPMENT, "feature.a", &json!({})).await.expect(200);
    assert_eq!((&served["reason"], &served["value"]), (&json!("DISABLED"), &json!(false)));
});

on_both!(a_prerequisite_that_fails_is_said_as_disabled, async |app| {
    let app = app.with_flag("feature.a").await.with_flag("feature.b").await;
    let needy = json!({"configuration": {"prerequisites": [{"flag": "feature.b", "variations": ["on"]}]}});
    let f = crate::harness::configured(DEVELOPMENT, "feature.a", "");
    app.patch(&f, &needy).any_version().await.expect(200);
    let served = app.evaluate(DEVELOPMENT, "feature.a", &json!({})).await.expect(200);
    assert_eq!((&served["reason"], &served["value"]), (&json!("DISABLED"), &json!(false)));
});

on_both!(a_key_is_decoded, async |app| {
    let app = app.with_flag("feature.a").await;
    for path in ["feature%2Ea", "%66eature.a", "feature%2ea"] {
        let served = app.evaluate(DEVELOPMENT, path, &json!({})).await.expect(200);
        assert_eq!(served["key"], "feature.a", "{path}");
    }
});
