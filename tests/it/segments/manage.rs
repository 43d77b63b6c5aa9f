//! Creating, reading, replacing and removing segments.

use serde_json::{Value, json};

use super::{SEGMENTS, segment};
use crate::harness::{DEVELOPMENT, FLAGS, TestApp, on_both};

on_both!(a_segment_is_kept_as_it_was_sent, async |app| {
    let rule = json!({"id": "staff", "description": "Ours", "clauses": [
        {"any": [{"attribute": "email", "op": "ends_with", "values": ["@example.com"]},
                 {"attribute": "role", "op": "in", "values": ["staff"]}]}]});
    let body = json!({"key": "beta", "name": "Beta", "description": "Early",
                      "included": ["b", "a", "b"], "excluded": ["z"], "rules": [rule]});
    let created = app.post(SEGMENTS, &body).await;
    let shown = created.expect(201);
    assert_eq!(created.header("etag"), "\"1\"");
    for (member, value) in [
        ("key", json!("beta")),
        ("name", json!("Beta")),
        ("description", json!("Early")),
        ("included_count", json!(2)),
        ("excluded_count", json!(1)),
        ("included", json!(["a", "b"])),
        ("excluded", json!(["z"])),
        ("rules", json!([rule])),
        ("version", json!(1)),
        ("updated_by", json!("the admin")),
    ] {
        assert_eq!(shown[member], value, "{member}");
    }
    let got = app.get(&segment("beta", "")).await;
    assert_eq!((got.expect(200), got.header("etag")), (shown.clone(), "\"1\""));
    let list = app.get(SEGMENTS).await.expect(200);
    assert_eq!(list["items"][0]["key"], "beta");
    assert_eq!(list["items"][0].get("included"), None, "a list shows no keys");
    app.post(SEGMENTS, &body).await.problem(409, "conflict");
    app.get(&segment("none", "")).await.problem(404, "not_found");
    app.get("/api/v1/projects/none/segments").await.problem(404, "not_found");
});

on_both!(what_is_left_out_is_drawn_or_empty, async |app| {
    let clause = json!({"attribute": "plan", "op": "exists"});
    let shown = app.post(SEGMENTS, &json!({"key": "a", "rules": [{"clauses": [clause]}]})).await.expect(201);
    assert_eq!((&shown["name"], &shown["description"]), (&json!("a"), &json!("")));
    assert_eq!((&shown["included"], &shown["excluded"]), (&json!([]), &json!([])));
    assert!(shown["rules"][0]["id"].as_str().is_some_and(|id| id.len() > 3), "{shown}");
});

on_both!(put_replaces_what_it_names, async |app| {
    let app = app.with_segment("beta", &["a", "b"]).await;
    let before = app.revision(DEVELOPMENT).await;
    let body = json!({"name": "New", "rules": []});
    app.put(&segment("beta", ""), &body).await.problem(428, "precondition_required");
    app.put(&segment("beta", ""), &body).version(2).await.problem(412, "stale_version");
    let put = app.put(&segment("beta", ""), &body).version(1).await;
    let shown = put.expect(200);
    assert_eq!((put.header("etag"), &shown["version"]), ("\"2\"", &json!(2)));
    assert_eq!((&shown["name"], &shown["included"]), (&json!("New"), &json!(["a", "b"])), "lists stay");
    let body = json!({"name": "New", "included": ["c"], "excluded": ["a"], "rules": []});
    let shown = app.put(&segment("beta", ""), &body).version(2).await.expect(200);
    assert_eq!((&shown["included"], &shown["excluded"]), (&json!(["c"]), &json!(["a"])));
    assert_eq!(app.revision(DEVELOPMENT).await, before + 2, "each is a revision");
    let again = app.put(&segment("beta", ""), &body).any_version().await.expect(200);
    assert_eq!(again, shown, "what changes nothing is no version");
    assert_eq!(app.revision(DEVELOPMENT).await, before + 2);
    app.put(&segment("none", ""), &body).any_version().await.problem(404, "not_found");
});

on_both!(a_segment_goes_and_may_come_again, async |app| {
    let app = app.with_segment("beta", &["a"]).await;
    app.delete(&segment("beta", "")).await.problem(428, "precondition_required");
    app.delete(&segment("beta", "")).version(7).await.problem(412, "stale_version");
    app.delete(&segment("beta", "")).version(1).await.expect(204);
    app.get(&segment("beta", "")).await.problem(404, "not_found");
    app.delete(&segment("beta", "")).any_version().await.problem(404, "not_found");
    let app = app.with_segment("beta", &[]).await;
    assert_eq!(app.get(&segment("beta", "")).await.expect(200)["version"], 1);
});

on_both!(segments_are_listed_in_pages, async |app| {
    for key in ["b", "B", "a.1", "a"] {
        app.post(SEGMENTS, &json!({"key": key})).await.expect(201);
    }
    let keys = |page: &Value| -> Vec<String> {
        page["items"].as_array().unwrap().iter().map(|item| item["key"].as_str().unwrap().to_owned()).collect()
    };
    let first = app.get(&format!("{SEGMENTS}?limit=3")).await.expect(200);
    assert_eq!(keys(&first), ["B", "a", "a.1"]);
    let cursor = first["next_cursor"].as_str().unwrap();
    let rest = app.get(&format!("{SEGMENTS}?limit=3&cursor={cursor}")).await.expect(200);
    assert_eq!((keys(&rest), &rest["next_cursor"]), (vec!["b".to_owned()], &Value::Null));
});

on_both!(what_happened_is_in_the_log, async |app| {
    let app = app.with_segment("beta", &["a"]).await;
    let body = json!({"name": "Beta", "included": ["b"], "rules": []});
    app.put(&segment("beta", ""), &body).any_version().await.expect(200);
    let many: String = (0..500).map(|at| format!("user-{at:03}\n")).collect();
    app.keys_call(reqwest::Method::POST, "beta", "?list=excluded", &many).await.expect(200);
    app.delete(&segment("beta", "")).any_version().await.expect(204);
    let log = app.get("/api/v1/audit?resource=segment/beta").await.expect(200);
    let items = log["items"].as_array().unwrap();
    let actions: Vec<_> = items.iter().map(|item| item["action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["segment.delete", "segment.add_keys", "segment.update", "segment.create"]);
    assert_eq!(
        items[2]["changes"],
        json!([
            {"pointer": "/name", "before": "beta", "after": "Beta"},
            {"pointer": "/included", "before": {"count": 1, "keys": ["a"]}, "after": {"count": 1, "keys": ["b"]}},
        ])
    );
    let added = &items[1]["changes"][0];
    assert_eq!((&added["pointer"], &added["before"]), (&json!("/excluded"), &Value::Null));
    assert_eq!(added["after"]["count"], 500);
    assert_eq!(added["after"]["keys"].as_array().unwrap().len(), 100, "some of many");
    assert_eq!(items[0]["changes"][0]["before"]["excluded_count"], 500);
});

/// A project of its own, without flags.
async fn other_project(app: &TestApp) -> String {
    app.post("/api/v1/projects", &json!({"key": "shop"})).await.expect(201);
    "/api/v1/projects/shop/segments".to_owned()
}

on_both!(segments_belong_to_their_project, async |app| {
    let shop = other_project(&app).await;
    app.post(&shop, &json!({"key": "beta", "included": ["x"]})).await.expect(201);
    app.get(&segment("beta", "")).await.problem(404, "not_found");
    assert_eq!(app.snapshot(DEVELOPMENT).await["counts"], json!({"flags": 0, "segments": 0}));
    let gone = app.delete("/api/v1/projects/shop").any_version().await.problem(409, "conflict");
    assert!(gone["detail"].as_str().unwrap().contains("segments"), "{gone}");
    app.delete(&format!("{shop}/beta")).any_version().await.expect(204);
    app.delete("/api/v1/projects/shop").any_version().await.expect(204);
});

on_both!(a_project_without_environments_has_segments_all_the_same, async |app| {
    let shop = other_project(&app).await;
    let production = "/api/v1/projects/shop/environments/production";
    app.patch(production, &json!({"production": false})).any_version().await.expect(200);
    for environment in ["development", "staging", "production"] {
        app.delete(&format!("/api/v1/projects/shop/environments/{environment}")).any_version().await.expect(204);
    }
    app.post(&shop, &json!({"key": "beta", "included": ["x"]})).await.expect(201);
    let added = app.call(reqwest::Method::POST, &format!("{shop}/beta/keys")).body("y\n").await.expect(200);
    assert_eq!((&added["added"], &added["total"], &added["version"]), (&json!(1), &json!(2), &json!(2)));
    let created = json!({"key": "qa"});
    let created = app.post("/api/v1/projects/shop/environments", &created).await.expect(201);
    assert_eq!(created["revision"], 1, "a new environment has the segments");
    app.post(FLAGS, &json!({"key": "a", "type": "boolean"})).await.expect(201);
});
