//! What services measure and report.

use serde_json::{Value, json};

use super::{missing, told_together, wrong};
use crate::harness::{DEVELOPMENT, on_both};

on_both!(of_measurements, async |app| {
    let send = |document: &Value| app.post("/api/v1/measurements", document).by(&app.keys(DEVELOPMENT).server);
    let window = |rest: Value| {
        let mut window = json!({"start": "2026-01-01T00:00:00Z", "seconds": 1, "release": "r", "arm": "control"});
        window.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        window
    };
    let right = json!({
        "instance": "i", "application": "a", "sequence": 1,
        "windows": [
            window(json!({"metric": "request.error", "n": 10, "k": 2, "labels": [["x", 1], ["y", 1]]})),
            window(json!({"metric": "request.duration_ms", "n": 10, "mean": 2.0, "m2": 1.0, "min": 1.0, "max": 3.0})),
        ],
        "exposures": [{"release": "r", "arm": "control", "unit": "u", "at": "2026-01-01T00:00:00Z"}],
        "evaluations": [{"flag": "f", "variation": "v", "count": 1, "last": "2026-01-01T00:00:00Z"}],
        "resources": {"cpu_percent": 1},
    });
    let all = [
        wrong("/instance", json!("")),
        missing("/application"),
        wrong("/sequence", json!(-1)),
        wrong("/windows/0/start", json!("now")),
        wrong("/windows/0/arm", json!(5)),
        missing("/windows/0/k").elsewhere(&["/windows/0"]),
        wrong("/windows/0/n", json!("x")),
        wrong("/windows/0/labels/0/0", json!("x".repeat(201))),
        wrong("/windows/0/labels/1", json!(["y"])),
        wrong("/windows/1/seconds", json!(0)),
        wrong("/windows/1/min", json!("x")),
        wrong("/windows/1/max", json!("x")),
        wrong("/windows/1/mean", json!("x")),
        wrong("/windows/1/m2", json!("x")),
        missing("/windows/1/m2").elsewhere(&["/windows/1"]),
        wrong("/windows/1/above", json!([[1, 1], [2, 11]])).told(&["/1"]),
        wrong("/windows/1/histogram", json!([[1]])).told(&["/0"]),
        wrong("/windows/1/metric", json!("")),
        wrong("/exposures/0/unit", json!("u".repeat(1_001))),
        wrong("/exposures/0/at", json!("2126-01-01T00:00:00Z")),
        missing("/evaluations/0/flag"),
        wrong("/evaluations/0/last", json!("2126-01-01T00:00:00Z")),
        wrong("/resources/cpu_percent", json!(-1)),
        wrong("/more", json!(1)),
    ];
    told_together(send, &right, &all).await;
    let figures = [
        wrong("/windows/1/mean", json!(9)),
        wrong("/windows/1/m2", json!([])),
        wrong("/windows/1/m2", json!(-1)),
        wrong("/windows/1/histogram", json!([[5_000, 1], ["x", 1]])).told(&["/0", "/1/0"]),
        wrong("/windows/1/above", json!([[1, 11], [2]])).told(&["/0", "/1"]),
        wrong("/windows/0/labels", json!([["x", 9], ["y"]])).told(&["", "/1"]),
    ];
    told_together(send, &right, &figures).await;
    send(&right).await.expect(202);
});

on_both!(of_events, async |app| {
    let send = |document: &Value| app.post("/api/v1/events", document).by(&app.keys(DEVELOPMENT).server);
    let event = json!({"context": {"targetingKey": "u"}, "metric": "m", "value": 1, "flags": ["f", "g"]});
    let right = json!({"instance": "i", "sequence": 1, "events": [event, event]});
    let all = [
        wrong("/instance", json!("")),
        missing("/instance"),
        wrong("/sequence", json!("x")),
        wrong("/events/0/context", json!([])),
        wrong("/events/0/at", json!("now")),
        wrong("/events/0/flags", json!(vec!["f"; 101])),
        wrong("/events/0/flags", json!(["f", 5])).told(&["/1"]),
        missing("/events/1/metric"),
        wrong("/events/1/value", json!(1e200)),
        wrong("/events/1/value", json!("x")),
        wrong("/events/1/label", json!("l".repeat(201))),
        wrong("/events/1/at", json!("2126-01-01T00:00:00Z")),
        wrong("/more", json!(1)),
    ];
    told_together(send, &right, &all).await;
    send(&right).await.expect(202);
});
