//! `GET /api/v1/audit`.

use serde_json::{Value, json};

use crate::harness::{DEVELOPMENT, FLAGS, PRODUCTION, TestApp, chained, configured, environment, flag, on_both, sql};

const AUDIT: &str = "/api/v1/audit";

/// The rows that pass a query, oldest first, over all pages.
async fn rows(app: &TestApp, query: &str) -> Vec<Value> {
    let (mut rows, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = app.get(&format!("{AUDIT}?limit=7{query}{cursor}")).await.expect(200);
        rows.extend(page["items"].as_array().unwrap().clone());
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    rows.reverse();
    rows
}

fn actions(rows: &[Value]) -> Vec<&str> {
    rows.iter().map(|row| row["action"].as_str().unwrap()).collect()
}

on_both!(every_change_is_told_with_its_difference, async |app| {
    let operator = app.credentials().operator.clone();
    let call = |id: &str| format!("request-{id}");
    let body = json!({"key": "feature.a", "type": "boolean"});
    app.post(FLAGS, &body).header("x-request-id", &call("create")).header("user-agent", "curl/8").await.expect(201);
    let rollout = app.put(&configured(PRODUCTION, "feature.a", "/rollout"), &json!({"percentage": 25}));
    let view = rollout.by(&operator).header("x-request-id", &call("rollout")).await.expect(200);
    app.put_nothing(&configured(PRODUCTION, "feature.a", "/disable")).await.expect(200);
    app.put_nothing(&configured(PRODUCTION, "feature.a", "/enable")).await.expect(200);
    app.put_nothing(&configured(DEVELOPMENT, "feature.a", "/targets/on/user-1")).await.expect(200);
    app.delete(&configured(DEVELOPMENT, "feature.a", "/targets/on/user-1")).await.expect(200);
    app.patch(&configured(DEVELOPMENT, "feature.a", ""), &json!({"configuration": {"off_variation": "on"}}))
        .any_version()
        .await
        .expect(200);
    app.patch(&flag("feature.a"), &json!({"name": "A", "tags": ["x"]})).any_version().await.expect(200);
    app.delete(&flag("feature.a")).any_version().await.expect(204);

    let rows = rows(&app, "&resource=flag/feature.a").await;
    let expected = [
        "flag.create",
        "flag.rollout",
        "flag.disable",
        "flag.enable",
        "flag.target",
        "flag.untarget",
        "flag.configure",
        "flag.update",
        "flag.archive",
    ];
    assert_eq!(actions(&rows), expected);
    for row in &rows {
        assert_eq!((&row["project"], &row["status"]), (&json!("default"), &json!("succeeded")));
        assert_eq!(row["address"], "127.0.0.1");
        assert_eq!(row["actor"]["kind"], "service_token");
    }
    let created = &rows[0];
    assert_eq!(created["actor"]["name"], "the admin");
    assert_eq!((&created["request_id"], &created["user_agent"]), (&json!("request-create"), &json!("curl/8")));
    assert_eq!(created["environment"], Value::Null);
    assert_eq!(created["changes"][0]["before"], Value::Null);
    assert_eq!(created["changes"][0]["after"]["key"], "feature.a");
    let rolled = &rows[1];
    assert_eq!((&rolled["actor"]["name"], &rolled["environment"]), (&json!("the operator"), &json!(PRODUCTION)));
    assert_eq!(rolled["request_id"], "request-rollout");
    let split = &view["configuration"]["fallthrough"]["split"];
    assert_eq!(
        rolled["changes"],
        json!([
            {"pointer": "/fallthrough/split", "before": null, "after": split},
            {"pointer": "/fallthrough/variation", "before": "off", "after": null},
        ])
    );
    assert_eq!(rows[2]["changes"], json!([{"pointer": "/enabled", "before": true, "after": false}]));
    assert_eq!(rows[3]["changes"], json!([{"pointer": "/enabled", "before": false, "after": true}]));
    let target = json!([{"variation": "on", "keys": ["user-1"]}]);
    assert_eq!(rows[4]["changes"], json!([{"pointer": "/targets", "before": null, "after": target}]));
    assert_eq!(rows[5]["changes"], json!([{"pointer": "/targets", "before": target, "after": null}]));
    assert_eq!(rows[6]["changes"], json!([{"pointer": "/off_variation", "before": "off", "after": "on"}]));
    let words = json!([
        {"pointer": "/name", "before": "feature.a", "after": "A"},
        {"pointer": "/tags", "before": [], "after": ["x"]},
    ]);
    assert_eq!(rows[7]["changes"], words);
    assert_eq!(rows[8]["changes"][0]["pointer"], "/archived_at");
});

on_both!(what_did_not_happen_is_not_told, async |app| {
    let app = app.with_flag("feature.a").await;
    let before = rows(&app, "").await.len();
    app.post(FLAGS, &json!({"key": "feature.a", "type": "boolean"})).await.problem(409, "conflict");
    app.put(&configured(PRODUCTION, "feature.a", "/rollout"), &json!({"percentage": 101})).await.faults();
    app.put_nothing(&configured(PRODUCTION, "feature.a", "/disable")).version(9).await.problem(412, "stale_version");
    app.put_nothing(&configured(PRODUCTION, "feature.a", "/enable")).await.expect(200);
    app.put(&configured(PRODUCTION, "feature.a", "/rollout?preview=true"), &json!({"percentage": 1})).await.expect(200);
    let editor = app.credentials().editor.clone();
    app.put_nothing(&configured(PRODUCTION, "feature.a", "/disable")).by(&editor).await.problem(403, "forbidden");
    assert_eq!(rows(&app, "").await.len(), before);
});

on_both!(projects_and_environments_are_told_too, async |app| {
    app.post("/api/v1/projects", &json!({"key": "shop"})).await.expect(201);
    app.patch("/api/v1/projects/shop", &json!({"name": "Shop"})).await.expect(200);
    app.post("/api/v1/projects/shop/environments", &json!({"key": "qa"})).await.expect(201);
    let qa = "/api/v1/projects/shop/environments/qa";
    app.patch(qa, &json!({"production": true})).await.expect(200);
    app.delete(qa).await.problem(409, "conflict");
    app.patch(qa, &json!({"production": false})).await.expect(200);
    app.delete(qa).await.expect(204);
    app.delete("/api/v1/projects/shop").await.expect(204);
    let all = rows(&app, "").await;
    let shop: Vec<_> = all.iter().filter(|row| row["project"] == "shop").cloned().collect();
    let expected = [
        "project.create",
        "environment.create",
        "environment.create",
        "environment.create",
        "project.update",
        "environment.create",
        "environment.update",
        "environment.update",
        "environment.delete",
        "project.delete",
    ];
    assert_eq!(actions(&shop), expected);
    let update = &shop[6]["changes"];
    assert!(update.as_array().unwrap().contains(&json!({"pointer": "/production", "before": false, "after": true})));
    assert_eq!((&shop[6]["resource"], &shop[6]["environment"]), (&json!("environment/qa"), &json!("qa")));
});

on_both!(filters_hold_together, async |app| {
    let app = app.with_flag("feature.a").await.with_flag("feature.b").await;
    let operator = app.credentials().operator.clone();
    app.put_nothing(&configured(PRODUCTION, "feature.a", "/disable")).by(&operator).await.expect(200);
    app.put_nothing(&configured(DEVELOPMENT, "feature.b", "/disable")).await.expect(200);
    let all = rows(&app, "").await;
    let disabled = rows(&app, "&action=flag.disable").await;
    assert_eq!(actions(&disabled), ["flag.disable", "flag.disable"]);
    let (first, second) = (&disabled[..1], &disabled[1..]);
    let count = async |query: &str| rows(&app, query).await.len();
    assert_eq!(rows(&app, "&actor=the%20operator").await, first);
    let id = first[0]["actor"]["id"].as_str().unwrap();
    assert_eq!(rows(&app, &format!("&actor={id}")).await, first);
    assert_eq!(rows(&app, "&action=flag.disable&environment=development").await, second);
    assert_eq!(rows(&app, "&action=flag.disable&resource=flag/feature.a").await, first);
    assert_eq!(count("&action=flag.disable&resource=flag/feature").await, 0, "a resource is named in full");
    assert_eq!(count("&status=succeeded").await, all.len());
    assert_eq!(count("&status=failed").await, 0);
    assert_eq!(count("&environment=none").await, 0);
    let at = |row: &[Value]| row[0]["at"].as_str().unwrap().to_owned();
    assert_eq!(rows(&app, &format!("&from={}", at(second))).await, second);
    assert_eq!(count(&format!("&to={}", at(second))).await, all.len() - 1);
    assert_eq!(rows(&app, &format!("&from={}&to={}", at(first), at(second))).await, first);
    assert_eq!(count("&from=2001-01-01T00:00:00%2B02:00").await, all.len());
    for (query, pointers) in [
        ("from=yesterday", vec!["/from"]),
        ("from=x&to=y", vec!["/from", "/to"]),
        ("limit=0", vec!["/limit"]),
        ("cursor=x", vec!["/cursor"]),
        ("to=x&limit=501&cursor=y", vec!["/cursor", "/limit", "/to"]),
    ] {
        assert_eq!(app.get(&format!("{AUDIT}?{query}")).await.faults(), pointers, "{query}");
    }
});

on_both!(the_chain_of_hashes_can_be_recomputed, async |app| {
    let app = app.with_flag("feature.a").await.with_string_flag("text", &["käse"]).await;
    app.patch(&flag("feature.a"), &json!({"metadata": {"n": [1, 0.1, 1e-7, null, "\u{7}\"\\ä\u{2028}"]}}))
        .any_version()
        .await
        .expect(200);
    app.roll_out(PRODUCTION, "feature.a", 33.333).await;
    app.patch(&environment(DEVELOPMENT), &json!({"name": "Dev"})).await.expect(200);
    let rows = rows(&app, "").await;
    assert!(rows.len() >= 9);
    let mut previous = String::new();
    for (index, row) in rows.iter().enumerate() {
        assert_eq!(row["sequence"], index + 1);
        assert_eq!(row["hash"], chained(&previous, row), "{row}");
        previous = row["hash"].as_str().unwrap().to_owned();
    }
});

on_both!(rows_can_not_be_changed, async |app| {
    let app = app.with_flag("feature.a").await;
    let before = rows(&app, "").await;
    let update = |c: &mut bellwether::db::Connection<'_>| sql::execute(c, "UPDATE audit SET actor_name = 'nobody'");
    let store = app.services().store;
    store.write(bellwether::db::Part::Configuration, update).await.unwrap_err();
    assert_eq!(rows(&app, "").await, before);
});
