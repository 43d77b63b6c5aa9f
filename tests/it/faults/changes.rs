//! Small verbs, and what goes for many flags.

use serde_json::{Value, json};

use super::{missing, told_together, wrong};
use crate::harness::{DEVELOPMENT, configured, on_both};

on_both!(of_an_action_on_many_flags, async |app| {
    let app = app.with_flag("a").await.with_flag("b").await.with_flag("c").await;
    let path = "/api/v1/projects/default/flags:bulk";
    let right = json!({"action": "disable", "flags": ["a", "b", "c"], "environment": DEVELOPMENT, "reason": "r"});
    let all = [
        missing("/environment"),
        wrong("/environment", json!("ghost")),
        wrong("/flags/0", json!("ghost")),
        wrong("/flags/1", json!(5)),
        wrong("/flags/2", json!("b/")),
        wrong("/reason", json!("r".repeat(1_001))),
        wrong("/more", json!(1)),
    ];
    for query in ["", "?preview=true"] {
        told_together(|document| app.post(&format!("{path}{query}"), document), &right, &all).await;
    }
    // Where it is to be done is not known then.
    let actions = [
        wrong("/action", json!("drop")),
        missing("/action"),
        wrong("/flags/0", json!("ghost")),
        wrong("/environment", json!("ghost")),
    ];
    told_together(|document| app.post(path, document), &right, &actions).await;
    let twice = json!({"action": "disable", "flags": ["a", "a", "ghost", {}], "environment": "nowhere"});
    assert_eq!(app.post(path, &twice).await.faults(), ["/environment", "/flags/1", "/flags/2", "/flags/3"]);
    let tag = json!({"action": "tag", "flags": ["a", "b"], "add": ["x", "y"], "remove": ["z"]});
    let all = [
        wrong("/add/0", json!("")),
        wrong("/add/1", json!("z")),
        wrong("/flags/0", json!("ghost")),
        wrong("/flags/1", json!("a")),
        wrong("/environment", json!(DEVELOPMENT)),
        wrong("/reason", json!(5)),
    ];
    // Of the last two one is the same flag as the other.
    told_together(|document| app.post(path, document), &tag, &all[..3]).await;
    told_together(|document| app.post(path, document), &tag, &all[3..]).await;
    let actions = [wrong("/action", json!(5)), wrong("/add/0", json!("")), wrong("/add/1", json!("z"))];
    told_together(|document| app.post(path, document), &tag, &actions).await;
    assert_eq!(app.configured(DEVELOPMENT, "a").await["version"], 1);

    let many: Vec<_> = (0..50).map(|at| format!("t{at}")).collect();
    app.post(path, &json!({"action": "tag", "flags": ["a"], "add": many})).await.expect(200);
    let one = json!({"action": "tag", "flags": ["b", "c"], "remove": ["z"], "add": ["x"]});
    let all = [
        wrong("/flags/1", json!("a")),
        wrong("/flags/0", json!("ghost")),
        wrong("/remove", json!(5)),
        wrong("/reason", json!([])),
    ];
    told_together(|document| app.post(path, document), &one, &all).await;
});

on_both!(of_shares, async |app| {
    let app = app.with_flag("feature.a").await;
    let path = format!("{}?preview=true", configured(DEVELOPMENT, "feature.a", "/rollout"));
    let put = |document: &Value| app.put(&path, document);
    let all = [
        wrong("/percentage", json!("x")),
        wrong("/percentage", json!(101)),
        wrong("/weights", json!({"on": 50, "off": 50})),
        wrong("/more", json!(1)),
    ];
    told_together(put, &json!({"percentage": 5}), &all).await;
    let all = [
        wrong("/percentage", json!(5)).elsewhere(&["/weights"]),
        wrong("/percentage", json!(101)).elsewhere(&["/percentage", "/weights"]),
        wrong("/percentage", json!([])).elsewhere(&["/percentage", "/weights"]),
        wrong("/weights/on", json!("x")),
        wrong("/weights/on", json!(0.0001)),
        wrong("/weights/ghost", json!(0)),
    ];
    told_together(put, &json!({"weights": {"on": 50, "off": 50}}), &all).await;
    for (body, expected) in [
        (json!({}), vec![""]),
        (json!({"more": 1}), vec!["", "/more"]),
        (json!({"weights": 5}), vec!["/weights"]),
        (json!({"percentage": 1, "weights": {"on": 1}}), vec!["/weights", "/weights"]),
        (json!({"weights": {"ghost": 100, "on": "x"}}), vec!["/weights/ghost", "/weights/on"]),
    ] {
        assert_eq!(put(&body).await.faults(), expected, "{body}");
    }
});

on_both!(of_a_reason, async |app| {
    let app = app.with_flag("feature.a").await;
    app.start_canary(DEVELOPMENT, "canary.a").await;
    let paths = [
        configured(DEVELOPMENT, "feature.a", "/history/1/restore"),
        configured(DEVELOPMENT, "feature.a", "/history/1/restore?preview=true"),
        configured(DEVELOPMENT, "canary.a", "/canary/pause"),
    ];
    let all = [wrong("/reason", json!("r".repeat(1_001))), wrong("/reason", json!(5)), wrong("/more", json!(1))];
    for path in paths {
        told_together(|document| app.post(&path, document).any_version(), &json!({"reason": "r"}), &all).await;
    }
});
