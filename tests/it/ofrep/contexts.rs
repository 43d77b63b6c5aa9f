//! Strange contexts do no harm.

use serde_json::{Value, json};

use super::ALL;
use crate::harness::{DEVELOPMENT, TestApp, on_both};

/// A flag with a rule about the attribute `/a/b/0`.
async fn furnished(app: TestApp) -> TestApp {
    let app = app.with_string_flag("text", &["a", "b"]).await;
    let clause = json!([{"attribute": "/a/b/0", "op": "in", "values": ["x"]}]);
    let rules = json!([{"id": "r", "clauses": clause, "serve": {"variation": "a"}}]);
    let whole = json!({"enabled": true, "off_variation": "b", "rules": rules, "fallthrough": {"variation": "b"}});
    app.configure(DEVELOPMENT, "text", &whole).await.expect(200);
    app
}

on_both!(that_are_json, async |app| {
    let app = furnished(app).await;
    let deep = (0..100).fold(json!("x"), |inner, _| json!({"a": inner}));
    let many: serde_json::Map<String, Value> = (0..80_000).map(|n| (format!("{n:x}"), json!(1))).collect();
    for (context, value) in [
        (json!({"a": {"b": ["x"]}}), "a"),
        (json!({"a": {"b": {"0": "x"}}}), "a"),
        (json!({"a": {"b": "x"}}), "b"),
        (json!({"a": [], "": {"": null}}), "b"),
        (json!({"a": 1e308, "b": -0.0, "c": u64::MAX, "\u{0}": "\u{fffd}"}), "b"),
        (deep, "b"),
        (Value::Object(many), "b"),
        (json!({"targetingKey": "k".repeat(100_000)}), "b"),
    ] {
        assert_eq!(app.evaluate(DEVELOPMENT, "text", &context).await.expect(200)["value"], value);
        let all = app.post(ALL, &json!({"context": context})).by(&app.keys(DEVELOPMENT).server).await.expect(200);
        assert_eq!(all["flags"][0]["value"], value);
    }
});

on_both!(that_are_hardly_json, async |app| {
    let app = furnished(app).await;
    let nested = |open: &str, close: &str, depth: usize| format!("{}{}", open.repeat(depth), close.repeat(depth));
    let large = format!("1{}", "0".repeat(400));
    let many: Vec<String> = (0..100_000).map(|n| format!("\"attribute-{n}\":{n}")).collect();
    for attributes in [
        format!("\"a\":{}", nested("[", "]", 10_000)),
        format!("\"a\":{}1{}", "{\"a\":".repeat(10_000), "}".repeat(10_000)),
        format!("\"a\":{large}"),
        format!("\"a\":-{large}"),
        format!("\"a\":0.{large}"),
        "\"a\":1e999999999999".to_owned(),
        "\"a\":1e-999999999999".to_owned(),
        "\"a\":NaN".to_owned(),
        r#""a":"\ud800""#.to_owned(),
        r#""a":"\udc00\ud800","\ud83d":1"#.to_owned(),
        r#""\u0000":"\u0000""#.to_owned(),
        r#""a":1,"a":2,"a":{"b":["x"]}"#.to_owned(),
        r#""targetingKey":"u","targetingKey":"v""#.to_owned(),
        many.join(","),
    ] {
        let body = format!("{{\"context\":{{{attributes}}}}}");
        let start: String = body.chars().take(60).collect();
        for path in [ALL, "/ofrep/v1/evaluate/flags/text"] {
            let answer = app.post(path, &json!({})).by(&app.keys(DEVELOPMENT).server).body(body.clone()).await;
            assert!(matches!(answer.status.as_u16(), 200 | 400 | 413), "{start}: {answer}");
            if answer.status != 200 {
                assert!(answer.json()["errorCode"].is_string(), "{start}: {answer}");
            }
        }
    }
    let twice = r#"{"context":{},"context":{"a":{"b":["x"]}}}"#;
    let answer = app.post(ALL, &json!({})).by(&app.keys(DEVELOPMENT).server).body(twice).await;
    assert_eq!(answer.problem(400, "invalid")["errorCode"], "INVALID_CONTEXT");
});

on_both!(a_context_does_not_say_how_much_there_is_to_do, async |app| {
    let values: Vec<_> = (0..2_000).map(|at| format!("abz{at}")).collect();
    let clauses = ["contains", "starts_with", "ends_with"]
        .map(|op| json!({"attribute": "a", "op": op, "values": values, "ignore_case": true}));
    let rule = json!({"id": "r", "clauses": [{"any": clauses}], "serve": {"variation": "on"}});
    let whole = json!({"enabled": true, "off_variation": "off", "rules": [rule], "fallthrough": {"variation": "off"}});
    let app = app.with_flag("feature.a").await;
    app.configure(DEVELOPMENT, "feature.a", &whole).await.expect(200);
    let (long, many) = ("ab".repeat(450_000), vec!["ABZ7"; 140_000]);
    for (attribute, variant) in [
        (json!("xABZ7"), "on"),
        (json!(["x", "ABZ7"]), "on"),
        (json!(long), "off"),
        (json!(many), "off"),
        (json!([long]), "off"),
    ] {
        let context = json!({"targetingKey": "u", "a": attribute});
        assert_eq!(app.evaluate(DEVELOPMENT, "feature.a", &context).await.expect(200)["variant"], variant);
        let all = app.post("/ofrep/v1/evaluate/flags", &json!({"context": context}));
        assert_eq!(all.by(&app.keys(DEVELOPMENT).server).await.expect(200)["flags"][0]["variant"], variant);
    }
});
