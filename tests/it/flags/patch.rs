//! `PATCH P/flags/{key}`.

use serde_json::json;

use crate::harness::{DEVELOPMENT, PRODUCTION, flag, on_both};

const ENVIRONMENTS: [&str; 3] = [DEVELOPMENT, "staging", PRODUCTION];

on_both!(words_change_without_a_revision, async |app| {
    let app = app.with_flag("feature.a").await;
    let revision = app.revision(PRODUCTION).await;
    let patch = json!({"name": "A", "tags": ["x"], "metadata": {"a": {"b": 1, "c": 2}, "d": 3}});
    let changed = app.patch(&flag("feature.a"), &patch).version(1).await;
    assert_eq!(changed.header("etag"), "\"2\"");
    let body = changed.expect(200);
    assert_eq!(body["version"], 2);
    assert_eq!(body["name"], "A");
    let patch = json!({"metadata": {"a": {"b": null}, "d": null, "e": [1]}, "tags": [], "description": "more"});
    let body = app.patch(&flag("feature.a"), &patch).version(2).await.expect(200);
    assert_eq!(body["metadata"], json!({"a": {"c": 2}, "e": [1]}));
    assert_eq!((&body["tags"], &body["name"]), (&json!([]), &json!("A")));
    let same = app.patch(&flag("feature.a"), &patch).version(3).await;
    assert_eq!(same.expect(200)["version"], 3, "nothing differs, so nothing happened");
    assert_eq!(app.revision(PRODUCTION).await, revision);
    assert_eq!(app.configured(PRODUCTION, "feature.a").await["version"], 1);
});

on_both!(variations_are_seen_in_every_environment, async |app| {
    let app = app.with_string_flag("text", &["a", "b"]).await;
    let mut before = Vec::new();
    for environment in ENVIRONMENTS {
        before.push(app.revision(environment).await);
    }
    let patch = json!({"variations": [
        {"name": "a", "value": "a"}, {"name": "b", "value": "other"}, {"name": "c", "value": "new"}
    ]});
    app.patch(&flag("text"), &patch).version(1).await.expect(200);
    for (environment, before) in ENVIRONMENTS.into_iter().zip(before) {
        let served = app.evaluate(environment, "text", &json!({"targetingKey": "u"})).await.expect(200);
        assert_eq!(served["value"], "other", "{environment}");
        let snapshot = app.snapshot(environment).await;
        assert_eq!(snapshot["revision"], before + 1);
        assert_eq!(snapshot["flags"][0]["variations"], patch["variations"]);
        assert_eq!(snapshot["flags"][0]["version"], 2);
        assert_eq!(app.configured(environment, "text").await["version"], 2);
    }
});

on_both!(visibility_is_seen_by_client_keys, async |app| {
    let app = app.with_flag("feature.a").await;
    let context = json!({"targetingKey": "u"});
    let client = app.keys(PRODUCTION).client.clone();
    app.evaluate(PRODUCTION, "feature.a", &context).by(&client).await.problem(404, "not_found");
    app.patch(&flag("feature.a"), &json!({"client_visible": true})).version(1).await.expect(200);
    app.evaluate(PRODUCTION, "feature.a", &context).by(&client).await.expect(200);
});

on_both!(a_change_names_the_version_it_is_for, async |app| {
    let app = app.with_flag("feature.a").await;
    let patch = json!({"name": "A"});
    app.patch(&flag("feature.a"), &patch).await.problem(428, "precondition_required");
    app.delete(&flag("feature.a")).await.problem(428, "precondition_required");
    app.patch(&flag("feature.a"), &patch).version(1).await.expect(200);
    for stale in ["\"1\"", "\"3\"", "\"x\"", "2", "W/\"2\""] {
        let refused = app.patch(&flag("feature.a"), &json!({"name": "B"})).header("if-match", stale).await;
        refused.problem(412, "stale_version");
        assert_eq!(refused.header("etag"), "\"2\"");
        app.delete(&flag("feature.a")).header("if-match", stale).await.problem(412, "stale_version");
    }
    let kept = app.get(&flag("feature.a")).await.expect(200);
    assert_eq!((&kept["name"], &kept["version"]), (&json!("A"), &json!(2)));
    app.patch(&flag("none"), &patch).any_version().await.problem(404, "not_found");
});

on_both!(what_production_serves_takes_an_operator, async |app| {
    let app = app.with_flag("feature.a").await;
    let (editor, operator) = (app.credentials().editor.clone(), app.credentials().operator.clone());
    let revision = app.revision(DEVELOPMENT).await;
    app.patch(&flag("feature.a"), &json!({"name": "A"})).any_version().by(&editor).await.expect(200);
    let visible = json!({"client_visible": true});
    app.patch(&flag("feature.a"), &visible).any_version().by(&editor).await.problem(403, "forbidden");
    assert_eq!(app.revision(DEVELOPMENT).await, revision, "no environment has changed");
    assert_eq!(app.get(&flag("feature.a")).await.expect(200)["client_visible"], false);
    app.patch(&flag("feature.a"), &visible).any_version().by(&operator).await.expect(200);
});

on_both!(links_are_replaced_as_a_whole, async |app| {
    let app = app.with_flag("feature.a").await;
    let links = json!([{"title": "Plan", "url": "https://example.com"}, {"title": "Graph", "url": "http://g.example"}]);
    app.patch(&flag("feature.a"), &json!({"links": links})).version(1).await.expect(200);
    assert_eq!(app.get(&flag("feature.a")).await.expect(200)["links"], links);
    let wrong = json!([{"title": "", "url": "https://example.com"}, {"title": "x", "url": "javascript:alert(1)"}]);
    let refused = app.patch(&flag("feature.a"), &json!({"links": wrong})).version(2).await;
    assert_eq!(refused.faults(), ["/links/0/title", "/links/1/url"]);
    let many: Vec<_> = (0..21).map(|_| json!({"title": "x", "url": "https://example.com"})).collect();
    assert_eq!(app.patch(&flag("feature.a"), &json!({"links": many})).version(2).await.faults(), ["/links"]);
    let surplus = json!([{"title": "x", "url": "https://example.com", "rel": "y"}, {"title": "x"}, 7]);
    let refused = app.patch(&flag("feature.a"), &json!({"links": surplus})).version(2).await;
    assert_eq!(refused.faults(), ["/links/0/rel", "/links/1/url", "/links/2"]);
    app.patch(&flag("feature.a"), &json!({"links": null})).version(2).await.expect(200);
    assert_eq!(app.get(&flag("feature.a")).await.expect(200)["links"], json!([]));
});
