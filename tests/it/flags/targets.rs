//! `F/targets/{variation}/{context key}`.

use serde_json::{Value, json};

use crate::harness::{DEVELOPMENT, TestApp, configured, on_both};

fn target(variation: &str, key: &str) -> String {
    configured(DEVELOPMENT, "text", &format!("/targets/{variation}/{key}"))
}

async fn targets(app: &TestApp) -> Value {
    app.configured(DEVELOPMENT, "text").await["configuration"].get("targets").cloned().unwrap_or(json!([]))
}

on_both!(one_user_is_served_otherwise, async |app| {
    let app = app.with_string_flag("text", &["a", "b", "c"]).await;
    let answer = app.put_nothing(&target("a", "user-1")).await;
    assert_eq!(answer.header("etag"), "\"2\"");
    assert_eq!(answer.expect(200)["configuration"]["targets"], json!([{"variation": "a", "keys": ["user-1"]}]));
    app.put_nothing(&target("a", "user-2")).version(2).await.expect(200);
    app.put_nothing(&target("b", "user-3")).await.expect(200);
    let moved = app.put_nothing(&target("b", "user-1")).await.expect(200);
    assert_eq!(
        moved["configuration"]["targets"],
        json!([{"variation": "a", "keys": ["user-2"]}, {"variation": "b", "keys": ["user-3", "user-1"]}])
    );
    for (user, value) in [("user-1", "b"), ("user-2", "a"), ("user-3", "b"), ("user-4", "c")] {
        let served = app.evaluate(DEVELOPMENT, "text", &json!({"targetingKey": user})).await.expect(200);
        assert_eq!(served["value"], value, "{user}");
    }
    let revision = app.revision(DEVELOPMENT).await;
    app.put_nothing(&target("b", "user-1")).await.expect(200);
    assert_eq!(app.revision(DEVELOPMENT).await, revision, "it was so already");

    app.delete(&target("a", "user-2")).await.expect(200);
    assert_eq!(targets(&app).await, json!([{"variation": "b", "keys": ["user-3", "user-1"]}]));
    app.delete(&target("a", "user-2")).await.problem(404, "not_found");
    app.delete(&target("a", "user-3")).await.problem(404, "not_found");
    app.delete(&target("none", "user-3")).await.problem(404, "not_found");
    app.put_nothing(&target("none", "user-3")).await.problem(404, "not_found");
    app.put_nothing(&target("a", &"k".repeat(1_001))).await.faults();
    assert_eq!(app.revision(DEVELOPMENT).await, revision + 1);
});

on_both!(keys_are_any_text, async |app| {
    let app = app.with_string_flag("text", &["a", "b", "c"]).await;
    for (key, encoded) in [
        ("42", "42"),
        ("-7", "-7"),
        ("1.50", "1.50"),
        ("true", "true"),
        ("a b", "a%20b"),
        ("a/b", "a%2Fb"),
        ("a%2Fb", "a%252Fb"),
        ("100%", "100%25"),
        ("käse+日本", "k%C3%A4se+%E6%97%A5%E6%9C%AC"),
        ("?#;", "%3F%23%3B"),
        ("...", "%2E%2E%2E"),
    ] {
        let put = app.put_nothing(&target("a", encoded)).await.expect(200);
        assert_eq!(put["configuration"]["targets"], json!([{"variation": "a", "keys": [key]}]), "{encoded}");
        let served = app.evaluate(DEVELOPMENT, "text", &json!({"targetingKey": key})).await.expect(200);
        assert_eq!(served["value"], "a", "{key}");
        app.delete(&target("a", encoded)).await.expect(200);
        assert_eq!(targets(&app).await, json!([]));
    }
});

on_both!(numbers_name_projects_flags_and_variations_too, async |app| {
    let app = app.with_string_flag("7", &["1", "2"]).await;
    app.post("/api/v1/projects", &json!({"key": "9"})).await.expect(201);
    app.post("/api/v1/projects/9/environments", &json!({"key": "8"})).await.expect(201);
    let variations = json!([{"name": "1", "value": "x"}, {"name": "2", "value": "y"}]);
    let flag = json!({"key": "7", "type": "string", "variations": variations});
    app.post("/api/v1/projects/9/flags", &flag).await.expect(201);
    let f = "/api/v1/projects/9/environments/8/flags/7";
    app.get(f).await.expect(200);
    app.put_nothing(&format!("{f}/disable")).await.expect(200);
    let put = app.put_nothing(&format!("{f}/targets/1/3")).await.expect(200);
    assert_eq!(put["configuration"]["targets"], json!([{"variation": "1", "keys": ["3"]}]));
    app.delete(&format!("{f}/targets/1/3")).await.expect(200);
});
