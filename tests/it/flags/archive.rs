//! `DELETE P/flags/{key}`.

use serde_json::json;

use crate::harness::{DEVELOPMENT, FLAGS, PRODUCTION, configured, flag, on_both};

on_both!(an_archived_flag_is_no_longer_served, async |app| {
    let app = app.with_flag("feature.a").await.with_flag("feature.b").await;
    let revision = app.revision(PRODUCTION).await;
    let gone = app.delete(&flag("feature.a")).version(1).await;
    assert!(gone.expect(204).is_null());
    app.evaluate(PRODUCTION, "feature.a", &json!({"targetingKey": "u"})).await.problem(404, "not_found");
    let snapshot = app.snapshot(PRODUCTION).await;
    assert_eq!(snapshot["revision"], revision + 1);
    assert_eq!(snapshot["counts"]["flags"], 1);
    assert_eq!(snapshot["flags"][0]["key"], "feature.b");
    let kept = app.get(&flag("feature.a")).await.expect(200);
    assert!(kept["archived_at"].is_string());
    assert_eq!(app.get(&format!("{FLAGS}?archived=true")).await.expect(200)["items"], json!([kept]));
});

on_both!(an_archived_flag_stays_as_it_is, async |app| {
    let app = app.with_flag("feature.a").await;
    app.delete(&flag("feature.a")).any_version().await.expect(204);
    let (kept, revision) = (app.get(&flag("feature.a")).await.expect(200), app.revision(PRODUCTION).await);
    let variations = json!([{"name": "off", "value": false}]);
    app.patch(&flag("feature.a"), &json!({"variations": variations})).any_version().await.problem(409, "conflict");
    app.put_nothing(&configured(PRODUCTION, "feature.a", "/enable")).await.problem(409, "conflict");
    app.put(&configured(PRODUCTION, "feature.a", "/rollout"), &json!({"percentage": 1})).await.problem(409, "conflict");
    app.delete(&flag("feature.a")).any_version().await.expect(204);
    assert_eq!(app.get(&flag("feature.a")).await.expect(200), kept);
    assert_eq!(app.revision(PRODUCTION).await, revision);
});

on_both!(what_depends_on_a_flag_keeps_it, async |app| {
    let app =
        app.with_flag("a_b").await.with_flag("axb").await.with_flag("feature.b").await.with_flag("feature.c").await;
    let needs = |key: &str| {
        json!({"enabled": true, "off_variation": "off", "fallthrough": {"variation": "on"},
        "prerequisites": [{"flag": "axb", "variations": ["on"]}, {"flag": key, "variations": ["on"]}]})
    };
    for (environment, flag) in [(PRODUCTION, "feature.b"), (DEVELOPMENT, "feature.b"), (DEVELOPMENT, "feature.c")] {
        app.configure(environment, flag, &needs("a_b")).await.expect(200);
    }
    app.start_canary_on(PRODUCTION, "a_b").await;
    let problem = app.delete(&flag("a_b")).any_version().await.problem(409, "conflict");
    let said: Vec<_> =
        problem["errors"].as_array().unwrap().iter().map(|one| one["message"].as_str().unwrap()).collect();
    assert_eq!(
        said,
        [
            "flag a_b is needed: a canary or experiment runs on it in production; end it first",
            "flag a_b is needed: flag feature.b has it as a prerequisite in development",
            "flag a_b is needed: flag feature.c has it as a prerequisite in development",
            "flag a_b is needed: flag feature.b has it as a prerequisite in production",
        ]
    );
    for reason in &said {
        assert!(problem["detail"].as_str().unwrap().contains(reason), "{problem}");
    }
    app.post(&configured(PRODUCTION, "a_b", "/canary/rollback"), &json!({"reason": "x"})).await.expect(200);

    let archive = |flags: &[&str]| json!({"action": "archive", "flags": flags});
    let bulk = format!("{FLAGS}:bulk?confirm_shrink=true");
    let problem = app.post(&bulk, &archive(&["a_b", "feature.b"])).await.problem(409, "conflict");
    assert_eq!(problem["errors"].as_array().unwrap().len(), 1, "{problem}");
    assert_eq!(problem["errors"][0]["pointer"], "/flags/0");
    app.delete(&flag("feature.c")).any_version().await.expect(204);
    app.post(&bulk, &archive(&["a_b", "feature.b"])).await.expect(200);
    app.delete(&flag("axb")).any_version().await.expect(204);
});

on_both!(the_last_flag_leaves_an_empty_environment, async |app| {
    let app = app.with_flag("feature.a").await;
    app.delete(&flag("feature.a")).any_version().await.expect(204);
    let snapshot = app.snapshot(PRODUCTION).await;
    assert_eq!(snapshot["counts"]["flags"], 0);
    app.stop().await;
    app.start_again().await;
    assert_eq!(app.snapshot(PRODUCTION).await, snapshot);
});
