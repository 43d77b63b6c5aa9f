//! Policies of canaries.

use serde_json::json;

use super::{missing, told_together, wrong};
use crate::harness::{DEVELOPMENT, configured, on_both};

on_both!(of_a_canary, async |app| {
    let app = app.with_flag("canary.a").await;
    let path = configured(DEVELOPMENT, "canary.a", "/canary");
    let guard =
        |name: &str| json!({"name": name, "metric": "request.error", "test": "ratio_vs_control", "margin": 0.05});
    let right = json!({
        "treatment": "on", "control": "off", "where": "fallthrough", "alpha": 0.01, "dry_run": false,
        "layer": {"name": "l", "percentage": 20},
        "stages": [{"percentage": 1, "minimum_seconds": 60}, {"percentage": 10}, {"percentage": 100}],
        "guards": [guard("one"), guard("two"), {"name": "three", "metric": "request.duration_ms", "test": "quantile_limit",
            "quantile": 0.99, "limit": 2_000}],
    });
    let all = [
        wrong("/treatment", json!("ghost")),
        wrong("/treatment", json!(5)),
        wrong("/control", json!("none")),
        wrong("/where", json!("norule")),
        wrong("/alpha", json!(7)),
        wrong("/dry_run", json!("no")),
        wrong("/layer/name", json!("a b")),
        missing("/layer/percentage"),
        wrong("/stages/0", json!(5)),
        wrong("/stages/1/percentage", json!("x")),
        wrong("/stages/1/gate", json!("x")),
        wrong("/stages/2/percentage", json!(101)),
        wrong("/guards/0/metric", json!("a b")),
        wrong("/guards/0/test", json!("x")),
        wrong("/guards/1/name", json!("one")),
        wrong("/guards/1/margin", json!(11)),
        missing("/guards/1/metric"),
        wrong("/guards/1/metric", json!("a/b")),
        wrong("/guards/1/quantile", json!(7)),
        missing("/guards/2/quantile"),
        wrong("/guards/2/limit", json!({"flag": ""})).told(&["/flag"]),
        wrong("/guards/2/limit", json!({"flag": "a/b", "scale": 0})).told(&["/flag", "/scale"]),
        wrong("/guards/2/limit", json!([])),
        wrong("/more", json!(1)),
    ];
    told_together(|document| app.put(&path, document), &right, &all).await;
    // What goes with a test is not known then, what goes with none is.
    let mut limited = right.clone();
    limited["guards"][1] =
        json!({"name": "two", "metric": "m", "test": "ratio_limit", "limit": {"flag": "f", "scale": 1}});
    let tests = [
        wrong("/guards/0/name", json!("")),
        wrong("/guards/1/name", json!("")),
        wrong("/guards/1/test", json!("x")),
        wrong("/guards/1/test", json!(5)),
        missing("/guards/1/test"),
        wrong("/guards/1/metric", json!(5)),
        wrong("/guards/1/limit/flag", json!("f".repeat(101))),
        wrong("/guards/1/limit/scale", json!(0)),
        wrong("/guards/1/weight", json!(0)),
        wrong("/guards/2/metric", json!([])),
        wrong("/guards/2/test", json!("quantile")),
        wrong("/guards/2/name", json!({})),
    ];
    told_together(|document| app.put(&path, document), &limited, &tests).await;
    app.get(&path).await.problem(404, "not_found");
    app.put(&path, &right).await.expect(200);
});
