//! `PUT F/rollout`.

use serde_json::{Value, json};

use crate::harness::{DEVELOPMENT, FLAGS, TestApp, configured, on_both};

async fn weights(app: &TestApp, flag: &str, body: Value) -> Value {
    let view = app.put(&configured(DEVELOPMENT, flag, "/rollout"), &body).await.expect(200);
    view["configuration"]["fallthrough"]["split"]["weights"].clone()
}

on_both!(a_percentage_is_the_share_of_true, async |app| {
    let app = app.with_flag("feature.a").await;
    for (percentage, on) in [
        (json!(25), 25_000),
        (json!(33.333), 33_333),
        (json!(0.001), 1),
        (json!(99.999), 99_999),
        (json!(0), 0),
        (json!(100), 100_000),
        (json!(100.0), 100_000),
        (json!(1e1), 10_000),
        (json!(-0.0), 0),
    ] {
        let given = weights(&app, "feature.a", json!({"percentage": percentage})).await;
        assert_eq!(given, json!({"on": on, "off": 100_000 - on}), "{percentage}");
    }
    let view = app.configured(DEVELOPMENT, "feature.a").await;
    assert_eq!(view["allocations"], json!({"fallthrough": [[100_000, "off"]]}), "it ended at 0 %");

    // The `true` variation is found by its value, whatever its name and place.
    let variations = json!([{"name": "old", "value": false}, {"name": "new", "value": true}]);
    app.post(FLAGS, &json!({"key": "turned", "type": "boolean", "variations": variations})).await.expect(201);
    assert_eq!(weights(&app, "turned", json!({"percentage": 10})).await, json!({"old": 90_000, "new": 10_000}));
});

on_both!(weights_are_in_percent, async |app| {
    let app = app.with_string_flag("text", &["a", "b", "c"]).await.with_flag("feature.a").await;
    let given = weights(&app, "text", json!({"weights": {"a": 33.333, "b": 33.333, "c": 33.334}})).await;
    assert_eq!(given, json!({"a": 33_333, "b": 33_333, "c": 33_334}));
    let given = weights(&app, "text", json!({"weights": {"c": 100}})).await;
    assert_eq!(given, json!({"a": 0, "b": 0, "c": 100_000}), "those not named get nothing");
    let given = weights(&app, "feature.a", json!({"weights": {"on": 0.001, "off": 99.999}})).await;
    assert_eq!(given, json!({"on": 1, "off": 99_999}));
});

on_both!(a_split_keeps_its_salt_and_everyone_in_it, async |app| {
    let app = app.with_flag("feature.a").await;
    let first = app.roll_out(DEVELOPMENT, "feature.a", 10.0).await;
    assert_eq!(first["allocations"], json!({"fallthrough": [[10_000, "on"], [100_000, "off"]]}));
    let salt = first["configuration"]["fallthrough"]["split"]["salt"].clone();
    for (percentage, end) in [(25.0, 25_000), (0.0, 0), (100.0, 100_000), (25.0, 25_000)] {
        let view = app.roll_out(DEVELOPMENT, "feature.a", percentage).await;
        assert_eq!(view["configuration"]["fallthrough"]["split"]["salt"], salt, "{percentage}");
        let mut ranges = vec![json!([end, "on"]), json!([100_000, "off"])];
        ranges.retain(|range| range[0] != 0);
        ranges.truncate(if end == 100_000 { 1 } else { 2 });
        assert_eq!(view["allocations"]["fallthrough"], json!(ranges), "{percentage}");
    }
});

on_both!(shares_that_can_not_be, async |app| {
    let app = app.with_flag("feature.a").await.with_string_flag("text", &["a", "b", "c"]).await;
    let variations = json!([{"name": "on", "value": true}]);
    app.post(FLAGS, &json!({"key": "single", "type": "boolean", "variations": variations})).await.expect(201);
    let revision = app.revision(DEVELOPMENT).await;
    for (flag, wrong, pointers) in [
        ("feature.a", json!({"percentage": -0.001}), vec!["/percentage"]),
        ("feature.a", json!({"percentage": 100.001}), vec!["/percentage"]),
        ("feature.a", json!({"percentage": 1e300}), vec!["/percentage"]),
        ("feature.a", json!({"percentage": -1e300}), vec!["/percentage"]),
        ("feature.a", json!({"percentage": 0.0001}), vec!["/percentage"]),
        ("feature.a", json!({"percentage": 33.3333}), vec!["/percentage"]),
        ("feature.a", json!({"percentage": "25"}), vec!["/percentage"]),
        ("feature.a", json!({"percentage": "NaN"}), vec!["/percentage"]),
        ("feature.a", json!({"percentage": true}), vec!["/percentage"]),
        ("feature.a", json!({"percentage": [25]}), vec!["/percentage"]),
        ("feature.a", json!({"percentage": null}), vec![""]),
        ("feature.a", json!({}), vec![""]),
        ("feature.a", json!({"percentage": 1, "weights": {"on": 100}}), vec!["/weights"]),
        ("feature.a", json!({"percent": 1}), vec!["", "/percent"]),
        ("feature.a", json!({"percentage": 1, "salt": "x"}), vec!["/salt"]),
        ("feature.a", json!([25]), vec![""]),
        ("feature.a", json!(25), vec![""]),
        ("text", json!({"percentage": 25}), vec!["/percentage"]),
        ("single", json!({"percentage": 25}), vec!["/percentage"]),
        ("text", json!({"weights": {"a": 50, "b": 49.999}}), vec!["/weights"]),
        ("text", json!({"weights": {"a": 50, "b": 50.001}}), vec!["/weights"]),
        ("text", json!({"weights": {}}), vec!["/weights"]),
        ("text", json!({"weights": {"a": 100, "none": 0}}), vec!["/weights/none"]),
        ("text", json!({"weights": {"a": 100, "x/y": 1}}), vec!["/weights", "/weights/x~1y"]),
        ("text", json!({"weights": {"a": -1, "b": 101, "c": 0.0001}}), vec!["/weights/a", "/weights/b", "/weights/c"]),
        ("text", json!({"weights": {"a": "100"}}), vec!["/weights/a"]),
        ("text", json!({"weights": {"a": -1, "none": 5}}), vec!["/weights/a", "/weights/none"]),
        ("text", json!({"weights": [100]}), vec!["/weights"]),
    ] {
        for preview in ["", "?preview=true"] {
            let path = configured(DEVELOPMENT, flag, &format!("/rollout{preview}"));
            let answer = app.put(&path, &wrong).await;
            assert_eq!(answer.faults(), pointers, "{wrong}: {answer}");
        }
    }
    for number in ["NaN", "Infinity", "-Infinity", "1e999", "0x10", "1_000", "25.", "01"] {
        let path = configured(DEVELOPMENT, "feature.a", "/rollout");
        let call = app.put(&path, &json!({})).body(format!("{{\"percentage\": {number}}}"));
        call.await.problem(400, "malformed");
    }
    assert_eq!(app.revision(DEVELOPMENT).await, revision);
    assert_eq!(app.configured(DEVELOPMENT, "feature.a").await["version"], 1);
});
