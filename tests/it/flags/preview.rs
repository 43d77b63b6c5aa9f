//! `?preview=true`: who would move, and nobody does.

use serde_json::{Value, json};

use crate::harness::{Answer, DEVELOPMENT, TestApp, configured, on_both};

/// The bucket that each of the 100,000 is served by, from the ranges of the fallthrough.
fn buckets(view: &Value) -> Vec<String> {
    let whole = json!([[100_000, view["configuration"]["fallthrough"]["variation"]]]);
    let ranges = view["allocations"].get("fallthrough").unwrap_or(&whole).as_array().unwrap();
    let mut buckets = Vec::with_capacity(100_000);
    for range in ranges {
        buckets.resize(range[0].as_u64().unwrap().try_into().unwrap(), range[1].as_str().unwrap().to_owned());
    }
    buckets
}

fn moved(before: &Value, after: &Value) -> u64 {
    buckets(before).iter().zip(buckets(after)).filter(|(a, b)| **a != *b).count() as u64
}

/// Asks for the preview of a change, makes it, and compares.
async fn as_announced(app: &TestApp, flag: &str, call: impl AsyncFn(&str) -> Answer) -> Value {
    let (before, revision) = (app.configured(DEVELOPMENT, flag).await, app.revision(DEVELOPMENT).await);
    let preview = call("?preview=true").await.expect(200);
    assert_eq!(app.configured(DEVELOPMENT, flag).await, before, "a preview changes nothing");
    assert_eq!(app.revision(DEVELOPMENT).await, revision);
    call("").await.expect(200);
    let after = app.configured(DEVELOPMENT, flag).await;
    assert_eq!(preview["moved"], moved(&before, &after), "{preview}");
    let sum: u64 = preview["moves"].as_array().unwrap().iter().map(|m| m["buckets"].as_u64().unwrap()).sum();
    assert_eq!(preview["moved"], sum);
    preview
}

on_both!(a_rollout_moves_as_announced, async |app| {
    let app = app.with_flag("feature.a").await.with_string_flag("text", &["a", "b", "c"]).await;
    let to = async |flag: &str, body: Value| {
        let call =
            async |query: &str| app.put(&configured(DEVELOPMENT, flag, &format!("/rollout{query}")), &body).await;
        as_announced(&app, flag, call).await
    };
    let preview = to("feature.a", json!({"percentage": 10})).await;
    let moves = json!([{"where": "fallthrough", "from": "off", "to": "on", "buckets": 10_000}]);
    assert_eq!((&preview["moved"], &preview["moves"]), (&json!(10_000), &moves));
    let preview = to("feature.a", json!({"percentage": 25})).await;
    let moves = json!([{"where": "fallthrough", "from": "off", "to": "on", "buckets": 15_000}]);
    assert_eq!((&preview["moved"], &preview["moves"]), (&json!(15_000), &moves));
    let preview = to("feature.a", json!({"percentage": 25})).await;
    assert_eq!((&preview["moved"], &preview["moves"]), (&json!(0), &json!([])));
    to("feature.a", json!({"percentage": 0})).await;

    for weights in [[33.0, 33.0, 34.0], [50.0, 25.0, 25.0], [0.0, 0.0, 100.0], [12.345, 67.655, 20.0]] {
        to("text", json!({"weights": {"a": weights[0], "b": weights[1], "c": weights[2]}})).await;
    }
});

on_both!(a_whole_configuration_moves_as_announced, async |app| {
    let app = app.with_string_flag("text", &["a", "b", "c"]).await;
    let put = async |configuration: Value| {
        let call = async |query: &str| {
            let path = configured(DEVELOPMENT, "text", query);
            app.put(&path, &json!({"configuration": configuration})).any_version().await
        };
        as_announced(&app, "text", call).await
    };
    let patch = async |configuration: Value| {
        let call = async |query: &str| {
            let path = configured(DEVELOPMENT, "text", query);
            app.patch(&path, &json!({"configuration": configuration})).any_version().await
        };
        as_announced(&app, "text", call).await
    };
    let split = |a: u32, b: u32, c: u32| json!({"split": {"weights": {"a": a, "b": b, "c": c}}});
    put(json!({"enabled": true, "off_variation": "c", "fallthrough": split(33_000, 33_000, 34_000)})).await;
    let preview =
        put(json!({"enabled": true, "off_variation": "c", "fallthrough": split(50_000, 25_000, 25_000)})).await;
    assert_eq!(preview["moved"], 17_000);
    let preview = patch(json!({"fallthrough": split(60_000, 15_000, 25_000)})).await;
    assert_eq!(preview["moves"], json!([{"where": "fallthrough", "from": "b", "to": "a", "buckets": 10_000}]));
    let preview = patch(json!({"fallthrough": {"variation": "c", "split": null}})).await;
    assert_eq!(preview["moved"], 75_000);
});

on_both!(a_preview_is_asked_for_clearly, async |app| {
    let app = app.with_flag("feature.a").await;
    let path = |query: &str| configured(DEVELOPMENT, "feature.a", &format!("/rollout?preview={query}"));
    for unclear in ["", "1", "yes", "True", "TRUE"] {
        let answer = app.put(&path(unclear), &json!({"percentage": 10})).await;
        assert_eq!(answer.faults(), ["/preview"], "{unclear}");
    }
    // Were it left out for a slip of the pen, the change would be made.
    let slip = path("true").replace("preview=", "previev=");
    app.put(&slip, &json!({"percentage": 10})).await.problem(400, "malformed");
    assert_eq!(app.configured(DEVELOPMENT, "feature.a").await["version"], 1);
    app.put(&path("false"), &json!({"percentage": 10})).await.expect(200);
    assert_eq!(app.configured(DEVELOPMENT, "feature.a").await["version"], 2);
});

on_both!(a_preview_is_refused_as_the_change_would_be, async |app| {
    let app = app.with_flag("feature.a").await;
    let whole =
        json!({"configuration": {"enabled": true, "off_variation": "none", "fallthrough": {"variation": "on"}}});
    let path = configured(DEVELOPMENT, "feature.a", "?preview=true");
    assert_eq!(app.put(&path, &whole).await.faults(), ["/configuration/off_variation"]);
    app.patch(&path, &json!({})).version(7).await.problem(412, "stale_version");
    assert_eq!(app.patch(&path, &json!({})).version(1).await.expect(200), json!({"moved": 0, "moves": []}));
});
