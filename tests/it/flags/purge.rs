//! Back from the archive, and out of the store for good.

use serde_json::{Value, json};

use crate::harness::{FLAGS, PRODUCTION, TestApp, configured, flag, on_both};

fn purged(key: &str) -> String {
    format!("{}?purge=true", flag(key))
}

async fn last(app: &TestApp, action: &str) -> Value {
    app.get(&format!("/api/v1/audit?action={action}&limit=1")).await.expect(200)["items"][0].clone()
}

on_both!(an_archived_flag_comes_back_as_it_was, async |app| {
    let app = app.with_flag("feature.a").await;
    let before = app.roll_out(PRODUCTION, "feature.a", 25.0).await;
    app.delete(&flag("feature.a")).any_version().await.expect(204);
    let kept = app.configured(PRODUCTION, "feature.a").await;
    assert_eq!(kept["configuration"], before["configuration"], "what it served can be read");
    let back = json!({"archived": false});
    app.patch(&flag("feature.a"), &back).await.problem(428, "precondition_required");
    app.patch(&flag("feature.a"), &back).version(1).await.problem(412, "stale_version");
    app.patch(&flag("feature.a"), &back).version(2).by(&app.credentials().editor).await.problem(403, "forbidden");
    let answer = app.patch(&flag("feature.a"), &back).version(2).await;
    assert!(answer.expect(200).get("archived_at").is_none());
    assert_eq!(answer.header("etag"), "\"3\"");
    let after = app.configured(PRODUCTION, "feature.a").await;
    assert_eq!((&after["configuration"], &after["allocations"]), (&before["configuration"], &before["allocations"]));
    assert_eq!(after["version"], 4);
    app.evaluate(PRODUCTION, "feature.a", &json!({"targetingKey": "u"})).await.expect(200);
    let row = last(&app, "flag.unarchive").await;
    assert_eq!(row["changes"][0]["pointer"], "/archived_at");
    assert!(row["changes"][0]["before"].is_string() && row["changes"][0]["after"].is_null());

    let revision = app.revision(PRODUCTION).await;
    app.patch(&flag("feature.a"), &back).version(3).await.expect(200);
    assert_eq!(app.revision(PRODUCTION).await, revision, "it is in use already");
    for wrong in [json!(true), json!(null), json!("false")] {
        let patch = json!({"archived": wrong, "name": ""});
        assert_eq!(app.patch(&flag("feature.a"), &patch).any_version().await.faults(), ["/archived", "/name"]);
    }
});

on_both!(a_flag_may_come_back_otherwise, async |app| {
    let app = app.with_flag("feature.a").await;
    app.delete(&flag("feature.a")).any_version().await.expect(204);
    let patch = json!({"archived": false, "name": "Again", "client_visible": true});
    let back = app.patch(&flag("feature.a"), &patch).any_version().await.expect(200);
    assert_eq!((&back["name"], &back["client_visible"]), (&json!("Again"), &json!(true)));
    assert_eq!(app.snapshot(PRODUCTION).await["flags"][0]["client_visible"], true);
});

on_both!(a_purged_flag_is_gone_and_its_key_is_free, async |app| {
    let app = app.with_flag("feature.a").await.with_flag("feature.b").await;
    app.roll_out(PRODUCTION, "feature.a", 25.0).await;
    app.delete(&purged("feature.a")).version(1).await.problem(409, "conflict");
    app.delete(&flag("feature.a")).any_version().await.expect(204);
    app.delete(&purged("feature.a")).await.problem(428, "precondition_required");
    app.delete(&purged("feature.a")).version(1).await.problem(412, "stale_version");
    app.delete(&purged("feature.a")).version(2).by(&app.credentials().operator).await.problem(403, "forbidden");
    let unclear = app.delete(&format!("{}?purge=1", flag("feature.a"))).any_version().await;
    assert_eq!(unclear.faults(), ["/purge"]);
    let (snapshot, revision) = (app.snapshot(PRODUCTION).await, app.revision(PRODUCTION).await);
    assert!(app.delete(&purged("feature.a")).version(2).await.expect(204).is_null());

    for path in
        [flag("feature.a"), configured(PRODUCTION, "feature.a", ""), configured(PRODUCTION, "feature.a", "/history")]
    {
        app.get(&path).await.problem(404, "not_found");
    }
    app.delete(&purged("feature.a")).any_version().await.problem(404, "not_found");
    assert_eq!(app.get(&format!("{FLAGS}?archived=true")).await.expect(200)["items"], json!([]));
    assert_eq!(app.snapshot(PRODUCTION).await, snapshot, "SDKs see nothing of it");
    assert_eq!(app.revision(PRODUCTION).await, revision);
    let row = last(&app, "flag.purge").await;
    assert_eq!(row["resource"], "flag/feature.a");
    let gone = &row["changes"][0]["before"];
    assert_eq!(gone["configurations"][PRODUCTION]["fallthrough"]["split"]["weights"]["on"], 25_000, "{row}");
    let rows = app.get("/api/v1/audit?resource=flag/feature.a").await.expect(200);
    assert_eq!(rows["items"].as_array().unwrap().len(), 4, "its audit stays");

    let app = app.with_flag("feature.a").await;
    assert_eq!(app.configured(PRODUCTION, "feature.a").await["version"], 1);
    let history = app.get(&configured(PRODUCTION, "feature.a", "/history")).await.expect(200);
    assert_eq!(history["items"].as_array().unwrap().len(), 1, "the old one's versions do not come back");
    app.stop().await;
    app.start_again().await;
    assert_eq!(app.snapshot(PRODUCTION).await["counts"]["flags"], 2);
});

on_both!(what_a_canary_left_goes_with_the_flag, async |app| {
    app.start_canary(PRODUCTION, "feature.a").await;
    let canary = configured(PRODUCTION, "feature.a", "/canary");
    app.delete(&flag("feature.a")).any_version().await.problem(409, "conflict");
    app.post(&format!("{canary}/rollback"), &json!({"reason": "x"})).await.expect(200);
    app.delete(&flag("feature.a")).any_version().await.expect(204);
    let log = app.get(&format!("{canary}/log")).await.expect(200);
    assert_eq!(log["items"].as_array().unwrap().len(), 2, "an archived flag's log can be read");
    app.delete(&purged("feature.a")).any_version().await.expect(204);
    let app = app.with_flag("feature.a").await;
    app.get(&canary).await.problem(404, "not_found");
    assert_eq!(app.get(&format!("{canary}/log")).await.expect(200)["items"], json!([]));
});

on_both!(a_flag_that_a_canary_reads_is_not_archived, async |app| {
    let limit = json!({"key": "limit", "type": "float", "variations": [{"name": "default", "value": 5.0}]});
    app.post(FLAGS, &limit).await.expect(201);
    let app = app.with_flag("feature.a").await.with_flag("feature.b").await.with_flag("feature.c").await;
    let guard = json!({"name": "errors", "metric": "request.error", "test": "ratio_limit",
        "limit": {"flag": "limit", "scale": 0.01}, "weight": 1, "action": "rollback"});
    let stage = |percentage: u8| json!({"percentage": percentage, "minimum_seconds": 3_600});
    let policy = json!({"treatment": "on", "control": "off", "stages": [stage(50), stage(100)], "guards": [guard]});
    let canary = configured(PRODUCTION, "feature.a", "/canary");
    app.put(&canary, &policy).await.expect(200);
    let problem = app.delete(&flag("limit")).any_version().await.problem(409, "conflict");
    let reason = "the canary on feature.a in production would take a limit from it";
    assert!(problem["detail"].as_str().unwrap().contains(reason), "{problem}");
    let both = json!({"action": "archive", "flags": ["limit", "feature.a"]});
    app.post(&format!("{FLAGS}:bulk?preview=true"), &both).await.expect(200);
    app.post(&format!("{canary}/start"), &json!({})).await.expect(200);
    let problem = app.delete(&flag("limit")).any_version().await.problem(409, "conflict");
    let reason = "the canary on feature.a in production takes a limit from it";
    assert!(problem["detail"].as_str().unwrap().contains(reason), "{problem}");
    let body = json!({"action": "archive", "flags": ["limit"]});
    let problem = app.post(&format!("{FLAGS}:bulk"), &body).await.problem(409, "conflict");
    assert!(problem["errors"][0]["message"].as_str().unwrap().contains(reason), "{problem}");
    app.post(&format!("{canary}/rollback"), &json!({"reason": "x"})).await.expect(200);
    app.delete(&flag("limit")).any_version().await.expect(204);
});

on_both!(a_project_can_go_when_its_flags_are_purged, async |app| {
    app.post("/api/v1/projects", &json!({"key": "shop"})).await.expect(201);
    let (flags, project) = ("/api/v1/projects/shop/flags", "/api/v1/projects/shop");
    app.post(flags, &json!({"key": "x", "type": "boolean"})).await.expect(201);
    app.delete(&format!("{flags}/x")).any_version().await.expect(204);
    app.delete(project).any_version().await.problem(409, "conflict");
    app.delete(&format!("{flags}/x?purge=true")).any_version().await.expect(204);
    app.delete(project).any_version().await.expect(204);
});
