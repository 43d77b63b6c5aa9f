//! Answers against the protocol's own schemas, as tests/clients/ofrep has them.

use serde_json::{Value, json};

use super::{ALL, of_each_type};
use crate::harness::{Answer, DEVELOPMENT, FLAGS, configured, flag, on_both};

/// What an answer has against the schema of that name.
fn faults(schema: &str, body: &Value) -> Vec<String> {
    let mut document: Value = serde_saphyr::from_str(include_str!("../../clients/ofrep/openapi.yaml")).unwrap();
    let whole = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "components": document["components"].take(),
        "$ref": format!("#/components/schemas/{schema}"),
    });
    let validator = jsonschema::options().should_validate_formats(true).build(&whole).unwrap();
    validator.iter_errors(body).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

#[track_caller]
fn fits(schema: &str, answer: &Answer, status: u16) {
    assert_eq!(answer.status, status, "{answer}");
    let wrong = faults(schema, &answer.json());
    assert!(wrong.is_empty(), "{schema}: {wrong:#?}\n{answer}");
}

#[test]
fn what_is_wrong_is_found() {
    let success = |body: Value| faults("serverEvaluationSuccess", &body).len();
    assert_eq!(success(json!({"key": "a", "reason": "STATIC", "value": 1, "metadata": {"a": 1.5}})), 0);
    assert_ne!(success(json!({"key": "a", "reason": "PREREQUISITE_FAILED", "value": 1})), 0);
    assert_ne!(success(json!({"key": "a", "value": 1})), 0);
    assert_ne!(success(json!({"key": "a", "reason": "STATIC", "value": null})), 0);
    assert_ne!(success(json!({"key": "a", "reason": "STATIC", "value": 1, "metadata": {"a": []}})), 0);
    assert_ne!(faults("bulkEvaluationSuccess", &json!({"flags": [{"key": "a", "value": 1}]})).len(), 0);
}

on_both!(every_answer_fits, async |app| {
    let app = of_each_type(app).await.with_flag("split").await.with_flag("disabled").await.with_flag("gone").await;
    let lists = json!([{"name": "list", "value": [1, {"a": null}]}]);
    app.post(FLAGS, &json!({"key": "list", "type": "json", "variations": lists})).await.expect(201);
    app.roll_out(DEVELOPMENT, "split", 50.0).await;
    app.put_nothing(&configured(DEVELOPMENT, "disabled", "/disable")).await.expect(200);
    app.delete(&flag("gone")).any_version().await.expect(204);
    let clauses = json!([{"attribute": "country", "op": "in", "values": ["NO"]}]);
    let rules = json!([{"id": "norway", "clauses": clauses, "serve": {"variation": "first"}}]);
    app.patch(&configured(DEVELOPMENT, "of-string", ""), &json!({"configuration": {"rules": rules}}))
        .any_version()
        .await
        .expect(200);
    let needy = json!([{"flag": "disabled", "variations": ["on"]}]);
    app.patch(&configured(DEVELOPMENT, "of-float", ""), &json!({"configuration": {"prerequisites": needy}}))
        .any_version()
        .await
        .expect(200);

    let server = app.keys(DEVELOPMENT).server.clone();
    let keys = ["of-boolean", "of-string", "of-integer", "of-float", "of-json", "list", "split", "disabled"];
    for context in [json!({"targetingKey": "u", "country": "NO"}), json!({"targetingKey": "u"})] {
        for key in keys {
            fits("serverEvaluationSuccess", &app.evaluate(DEVELOPMENT, key, &context).await, 200);
        }
    }
    for context in [json!({"targetingKey": "u", "country": "NO"}), json!({})] {
        let all = app.post(ALL, &json!({"context": context})).by(&server).await;
        assert_eq!(all.json()["flags"].as_array().unwrap().len(), keys.len());
        fits("bulkEvaluationSuccess", &all, 200);
    }
    for key in ["none", "gone"] {
        fits("flagNotFound", &app.evaluate(DEVELOPMENT, key, &json!({})).await, 404);
    }
    fits("evaluationFailure", &app.evaluate(DEVELOPMENT, "split", &json!({})).await, 400);
    let one = format!("{ALL}/split");
    for body in ["", "{", "[]", "{}", "{\"context\":1}"] {
        let post = |path: &str| app.post(path, &json!({})).by(&server).body(body.to_owned());
        fits("evaluationFailure", &post(&one).await, 400);
        fits("bulkEvaluationFailure", &post(ALL).await, 400);
    }
});
