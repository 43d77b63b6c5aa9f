//! `P/segments/{key}/keys`: lists of keys as text.

use reqwest::Method;
use serde_json::{Value, json};

use super::segment;
use crate::harness::{DEVELOPMENT, TestApp, on_both};

/// What a change answers, without the version.
fn outcome(answer: &Value) -> [u64; 4] {
    ["added", "removed", "unchanged", "total"].map(|member| answer[member].as_u64().unwrap())
}

async fn text(app: &TestApp, query: &str) -> String {
    let answer = app.get(&segment("beta", &format!("/keys{query}"))).await;
    assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, "text/plain; charset=utf-8"));
    String::from_utf8(answer.body.to_vec()).unwrap()
}

on_both!(lists_are_replaced_added_to_and_taken_from, async |app| {
    let app = app.with_segment("beta", &[]).await;
    assert_eq!(text(&app, "").await, "");
    let put = app.keys_call(Method::PUT, "beta", "", "b\r\na\n\nb\nc").await;
    assert_eq!((outcome(&put.expect(200)), put.header("etag")), ([3, 0, 0, 3], "\"2\""));
    let posted = app.keys_call(Method::POST, "beta", "?list=included", "d\nb\n").await.expect(200);
    assert_eq!((outcome(&posted), &posted["version"]), ([1, 0, 3, 4], &json!(3)));
    let deleted = app.keys_call(Method::DELETE, "beta", "", "a\nz\n").await.expect(200);
    assert_eq!(outcome(&deleted), [0, 1, 3, 3]);
    let excluded = app.keys_call(Method::PUT, "beta", "?list=excluded", "c\n").await.expect(200);
    assert_eq!((outcome(&excluded), excluded.get("used_by")), ([1, 0, 0, 1], None));
    assert_eq!((text(&app, "").await, text(&app, "?list=excluded").await), ("b\nc\nd\n".into(), "c\n".into()));
    let shown = app.get(&segment("beta", "")).await.expect(200);
    assert_eq!(
        (&shown["included_count"], &shown["excluded_count"], &shown["version"]),
        (&json!(3), &json!(1), &json!(5))
    );
    let again = app.keys_call(Method::PUT, "beta", "", "d\nc\nb\n").await.expect(200);
    assert_eq!((outcome(&again), &again["version"]), ([0, 0, 3, 3], &json!(5)), "nothing differs");
    let emptied = app.keys_call(Method::PUT, "beta", "", "").await.expect(200);
    assert_eq!(outcome(&emptied), [0, 3, 0, 0]);
});

on_both!(a_version_may_be_asked_for, async |app| {
    let app = app.with_segment("beta", &["a"]).await;
    app.keys_call(Method::POST, "beta", "", "b\n").version(9).await.problem(412, "stale_version");
    app.keys_call(Method::POST, "beta", "", "b\n").version(1).await.expect(200);
    app.keys_call(Method::POST, "none", "", "b\n").await.problem(404, "not_found");
});

on_both!(many_keys_are_kept_in_parts, async |app| {
    let app = app.with_segment("beta", &[]).await;
    let all: String = (0..50_000).map(|at| format!("user-{at:06}\n")).collect();
    assert_eq!(outcome(&app.keys_call(Method::PUT, "beta", "", &all).await.expect(200)), [50_000, 0, 0, 50_000]);
    assert_eq!(text(&app, "").await, all);
    let shown = app.get(&segment("beta", "")).await.expect(200);
    assert_eq!((shown.get("included"), &shown["excluded"]), (None, &json!([])), "a long list is not shown");
    let more = app.keys_call(Method::POST, "beta", "", "user-012345a\n").await.expect(200);
    assert_eq!(outcome(&more), [1, 0, 50_000, 50_001]);
    let half: String = (0..50_000).filter(|at| at % 2 == 0).map(|at| format!("user-{at:06}\n")).collect();
    let fewer = app.keys_call(Method::DELETE, "beta", "", &half).await.expect(200);
    assert_eq!(outcome(&fewer), [0, 25_000, 25_001, 25_001]);
    let left = text(&app, "").await;
    assert_eq!((left.lines().count(), left.lines().is_sorted()), (25_001, true));
    let snapshot = app.snapshot(DEVELOPMENT).await;
    assert_eq!(snapshot["segments"][0]["included"].as_array().unwrap().len(), 25_001);
    app.stop().await;
    app.start_again().await;
    assert_eq!(text(&app, "").await, left, "the store has them all");
    assert_eq!(app.snapshot(DEVELOPMENT).await, snapshot);
});

on_both!(a_preview_changes_nothing, async |app| {
    let app = app.with_segment("beta", &["a"]).await.with_flag_for(DEVELOPMENT, "feature.a", "beta").await;
    let viewer = app.credentials().viewer.clone();
    for user in ["a", "b", "x", "y"] {
        app.serves(DEVELOPMENT, "feature.a", user).await;
    }
    let preview = app.keys_call(Method::PUT, "beta", "?preview=true", "b\nc\n").by(&viewer).await.expect(200);
    assert_eq!((outcome(&preview), &preview["version"]), ([2, 1, 0, 2], &json!(1)));
    let moves = json!([{"from": "off", "to": "on", "users": 1}, {"from": "on", "to": "off", "users": 1}]);
    let users = json!({"seen": 4, "moved": 2, "uncertain": 0, "moves": moves});
    assert_eq!(preview["used_by"], json!([{"flag": "feature.a", "environment": DEVELOPMENT, "recent_users": users}]));
    let body = json!({"name": "Beta", "excluded": ["a"], "rules": []});
    let preview = app.put(&segment("beta", "?preview=true"), &body).by(&viewer).await.expect(200);
    assert_eq!((outcome(&preview["included"]), outcome(&preview["excluded"])), ([0, 0, 1, 1], [1, 0, 0, 1]));
    assert_eq!(preview["used_by"][0]["flag"], "feature.a");
    assert_eq!(preview["changes"].as_array().unwrap().len(), 2, "{preview}");
    assert_eq!(app.get(&segment("beta", "")).await.expect(200)["version"], 1);
    assert_eq!(text(&app, "").await, "a\n");
});
