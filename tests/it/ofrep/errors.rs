//! What OFREP answers when it has no value: a problem document with OFREP's own members.

use reqwest::Method;
use serde_json::{Value, json};

use super::ALL;
use crate::harness::{Answer, DEVELOPMENT, FLAGS, flag, on_both};

const ONE: &str = "/ofrep/v1/evaluate/flags/feature.a";

/// Holds the members against each other.
#[track_caller]
fn ofrep(answer: &Answer, status: u16, code: &str, error_code: &str) -> Value {
    let problem = answer.problem(status, code);
    assert_eq!(problem["errorCode"], error_code, "{answer}");
    assert_eq!(problem["errorDetails"], problem["detail"], "{answer}");
    let key = answer.path.strip_prefix(ALL).and_then(|rest| rest.strip_prefix('/'));
    assert_eq!(problem.get("key").is_some(), key.is_some(), "{answer}");
    problem
}

on_both!(of_a_body_that_can_not_be_read, async |app| {
    let app = app.with_flag("feature.a").await;
    let server = app.keys(DEVELOPMENT).server.clone();
    for path in [ONE, ALL] {
        for body in
            ["", " ", "{", "[]", "[{\"targetingKey\":\"u\"}]", "\"x\"", "null", "{} {}", "{'context':{}}", "\u{feff}{}"]
        {
            let answer = app.post(path, &json!({})).by(&server).body(body).await;
            ofrep(&answer, 400, "malformed", "PARSE_ERROR");
        }
        let not_utf8 = app.post(path, &json!({})).by(&server).body(&b"{\"context\":{\"a\":\"\xff\"}}"[..]).await;
        ofrep(&not_utf8, 400, "malformed", "PARSE_ERROR");
        for body in [
            json!({}),
            json!({"targetingKey": "u"}),
            json!({"context": null}),
            json!({"context": 1}),
            json!({"context": "u"}),
            json!({"context": []}),
            json!({"context": true}),
        ] {
            let answer = app.post(path, &body).by(&server).await;
            assert_eq!(answer.faults(), ["/context"], "{body}");
            ofrep(&answer, 400, "invalid", "INVALID_CONTEXT");
        }
        let text = app.post(path, &json!({"context": {}})).by(&server).header("content-type", "text/plain").await;
        ofrep(&text, 415, "unsupported_media_type", "GENERAL");
        let charset = app.post(path, &json!({"context": {}})).by(&server);
        charset.header("content-type", "application/json; charset=utf-8").await.expect(200);
        let padding = " ".repeat(1 << 20);
        let large = app.post(path, &json!({})).by(&server).body(format!("{{\"context\":{{}}}}{padding}")).await;
        ofrep(&large, 413, "too_large", "GENERAL");
    }
});

on_both!(of_a_missing_targeting_key, async |app| {
    let app = app.with_flag("feature.a").await;
    for context in [json!({}), json!({"targetingKey": null})] {
        app.evaluate(DEVELOPMENT, "feature.a", &context).await.expect(200);
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
        let answer = app.evaluate(DEVELOPMENT, "feature.a", &context).await;
        let problem = ofrep(&answer, 400, "invalid", "TARGETING_KEY_MISSING");
        assert_eq!(problem["key"], "feature.a");
    }
    for context in [json!({"targetingKey": ""}), json!({"targetingKey": 42})] {
        assert_eq!(app.evaluate(DEVELOPMENT, "feature.a", &context).await.expect(200)["reason"], "SPLIT");
    }
});

on_both!(of_a_flag_that_is_not_there, async |app| {
    let app = app.with_flag("gone").await;
    app.delete(&flag("gone")).any_version().await.expect(204);
    for (path, key) in [
        ("none", "none"),
        ("gone", "gone"),
        ("a%20b", "a b"),
        ("a%2Fb", "a/b"),
        ("a/b", "a/b"),
        ("a//b/", "a//b/"),
        ("%C3%A4", "ä"),
        ("100%25", "100%"),
        ("a:b", "a:b"),
        (&"k".repeat(5_000), &"k".repeat(5_000)),
    ] {
        let answer = app.evaluate(DEVELOPMENT, path, &json!({})).await;
        let problem = ofrep(&answer, 404, "not_found", "FLAG_NOT_FOUND");
        assert_eq!(problem["key"], key);
    }
    assert_eq!(app.get(FLAGS).await.expect(200)["items"], json!([]));
    let nowhere = app.post("/ofrep/v1/none", &json!({})).await.problem(404, "not_found");
    assert_eq!(nowhere["errorCode"], "GENERAL");
});

on_both!(of_a_caller_who_may_not, async |app| {
    let app = app.with_flag("feature.a").await;
    let key = app.keys(DEVELOPMENT).server.clone();
    for path in [ONE, ALL] {
        let ask = || app.post(path, &json!({"context": {}}));
        for answer in [ask().by_nobody().await, ask().by("bw_pub_x").await, ask().by(&format!("{key}x")).await] {
            ofrep(&answer, 401, "unauthenticated", "GENERAL");
            assert_eq!(answer.header("www-authenticate"), "Bearer");
        }
        ofrep(&ask().await, 403, "forbidden", "GENERAL");
        ofrep(&app.call(Method::GET, path).by(&key).await, 405, "method_not_allowed", "GENERAL");
        ofrep(&app.call(Method::OPTIONS, path).by(&key).await, 405, "method_not_allowed", "GENERAL");
    }
});
