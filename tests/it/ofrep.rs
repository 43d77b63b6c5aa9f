//! `POST /ofrep/v1/evaluate/flags/{key}`.

use serde_json::{Value, json};

use crate::harness::{DEVELOPMENT, FLAGS, PRODUCTION, TestApp, flag, on_both};

/// A string flag that client keys may evaluate.
async fn visible(app: TestApp, key: &str) -> TestApp {
    let app = app.with_string_flag(key, &["a", "b"]).await;
    app.patch(&flag(key), &json!({"client_visible": true})).any_version().await.expect(200);
    app
}

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

on_both!(a_context_may_be_left_out, async |app| {
    let app = app.with_flag("feature.a").await;
    let path = "/ofrep/v1/evaluate/flags/feature.a";
    let server = app.keys(DEVELOPMENT).server.clone();
    for body in [json!({}), json!({"context": null}), json!({"context": {}}), json!({"more": 1, "context": {}})] {
        assert_eq!(app.post(path, &body).by(&server).await.expect(200)["value"], false, "{body}");
    }
    app.roll_out(DEVELOPMENT, "feature.a", 50.0).await;
    for context in [
        json!({}),
        json!({"targetingKey": null}),
        json!({"targetingKey": 4.2}),
        json!({"targetingKey": true}),
        json!({"targetingKey": ["u"]}),
        json!({"user": "u"}),
    ] {
        let problem = app.evaluate(DEVELOPMENT, "feature.a", &context).await.problem(400, "invalid");
        assert_eq!(problem["errorCode"], "TARGETING_KEY_MISSING", "{context}");
        assert_eq!(problem["key"], "feature.a");
        assert_eq!(problem["errorDetails"], problem["detail"]);
    }
    for context in [json!({"targetingKey": ""}), json!({"targetingKey": 42})] {
        assert_eq!(app.evaluate(DEVELOPMENT, "feature.a", &context).await.expect(200)["reason"], "SPLIT");
    }
});

on_both!(an_error_has_the_members_of_both_formats, async |app| {
    let app = app.with_flag("feature.a").await;
    let server = app.keys(DEVELOPMENT).server.clone();
    let path = "/ofrep/v1/evaluate/flags/feature.a";
    let problem = app.evaluate(DEVELOPMENT, "none", &json!({})).await.problem(404, "not_found");
    assert_eq!((&problem["errorCode"], &problem["key"]), (&json!("FLAG_NOT_FOUND"), &json!("none")));
    let malformed = app.post(path, &json!({})).by(&server).body("{").await.problem(400, "malformed");
    assert_eq!((&malformed["errorCode"], &malformed["key"]), (&json!("PARSE_ERROR"), &json!("feature.a")));
    for (body, pointer) in [
        (json!([]), ""),
        (json!("x"), ""),
        (json!({"context": 1}), "/context"),
        (json!({"context": "u"}), "/context"),
        (json!({"context": []}), "/context"),
    ] {
        let answer = app.post(path, &body).by(&server).await;
        assert_eq!(answer.faults(), [pointer], "{body}");
        assert_eq!(answer.json()["errorCode"], "INVALID_CONTEXT");
    }
    let problem = app.post(path, &json!({})).by_nobody().await.problem(401, "unauthenticated");
    assert_eq!(problem["errorCode"], "GENERAL");
    app.post(path, &json!({})).await.problem(403, "forbidden");
    app.get(path).by(&server).await.problem(405, "method_not_allowed");
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

on_both!(a_strange_context_does_no_harm, async |app| {
    let app = app.with_string_flag("text", &["a", "b"]).await;
    let clause = json!([{"attribute": "/a/b/0", "op": "in", "values": ["x"]}]);
    let rules = json!([{"id": "r", "clauses": clause, "serve": {"variation": "a"}}]);
    let whole = json!({"enabled": true, "off_variation": "b", "rules": rules, "fallthrough": {"variation": "b"}});
    app.configure(DEVELOPMENT, "text", &whole).await.expect(200);
    let deep = (0..100).fold(json!("x"), |inner, _| json!({"a": inner}));
    for (context, value) in [
        (json!({"a": {"b": ["x"]}}), "a"),
        (json!({"a": {"b": {"0": "x"}}}), "a"),
        (json!({"a": {"b": "x"}}), "b"),
        (json!({"a": [], "": {"": null}}), "b"),
        (json!({"a": 1e308, "b": -0.0, "c": u64::MAX, "\u{0}": "\u{fffd}"}), "b"),
        (deep, "b"),
        (json!({"targetingKey": "k".repeat(100_000)}), "b"),
    ] {
        assert_eq!(app.evaluate(DEVELOPMENT, "text", &context).await.expect(200)["value"], value);
    }
});

on_both!(a_key_with_strange_letters_is_not_there, async |app| {
    for (path, key) in [("a%20b", "a b"), ("a%2Fb", "a/b"), ("%C3%A4", "ä"), ("100%25", "100%")] {
        let problem = app.evaluate(DEVELOPMENT, path, &json!({})).await.problem(404, "not_found");
        assert_eq!(problem["key"], key);
    }
    assert_eq!(app.get(FLAGS).await.expect(200)["items"], json!([]));
});
