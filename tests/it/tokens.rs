//! `/api/v1/tokens`.

use bellwether::access;
use bellwether::db::{Connection, Part};
use serde_json::{Value, json};

use crate::harness::{DEVELOPMENT, FLAGS, PRODUCTION, Socket, TestApp, on_both, sql};

const TOKENS: &str = "/api/v1/tokens";

fn one(token: &Value) -> String {
    format!("{TOKENS}/{}", token["id"].as_str().unwrap())
}

fn key(kind: &str, environment: &str) -> Value {
    json!({"kind": kind, "name": "new", "project": "default", "environment": environment})
}

fn secret(token: &Value) -> &str {
    token["token"].as_str().unwrap()
}

on_both!(a_secret_is_shown_once, async |app| {
    let new = json!({"kind": "service_token", "name": "pipeline", "role": "editor"});
    let answer = app.post(TOKENS, &new).await;
    let created = answer.expect(201);
    assert_eq!(answer.header("etag"), "\"1\"");
    let text = secret(&created).to_owned();
    assert!(text.starts_with("bw_svc_") && text.len() == 50, "{text}");
    assert_eq!(created["prefix"], text[..11]);
    let mut kept = created.clone();
    kept.as_object_mut().unwrap().remove("token");
    let shown = app.get(&one(&created)).await;
    assert_eq!(shown.expect(200), kept);
    assert_eq!(shown.header("etag"), "\"1\"");
    let expected = json!({
        "id": created["id"], "kind": "service_token", "name": "pipeline", "role": "editor", "project": null,
        "environment": null, "prefix": text[..11], "allowed_origins": [], "version": 1,
        "created_at": created["created_at"], "last_used_at": null, "expires_at": null, "revoked": false,
    });
    assert_eq!(kept, expected);
    for place in [TOKENS, "/api/v1/audit"] {
        let page = app.get(place).await;
        assert!(!String::from_utf8_lossy(&page.body).contains(&text[11..]), "{place}");
    }
    app.get(FLAGS).by(&text).await.expect(200);
    app.get(TOKENS).by(&text).await.problem(403, "forbidden");
});

on_both!(each_kind_opens_its_own, async |app| {
    let app = app.with_flag("feature.a").await;
    let evaluate = |key: &str| app.evaluate(DEVELOPMENT, "feature.a", &json!({})).by(key);
    let server = app.post(TOKENS, &key("server_key", PRODUCTION)).await.expect(201);
    assert_eq!((&server["project"], &server["environment"]), (&json!("default"), &json!(PRODUCTION)));
    assert_eq!(evaluate(secret(&server)).await.expect(200)["value"], false);
    app.get("/api/v1/snapshot").by(secret(&server)).await.expect(200);
    let client = app.post(TOKENS, &key("client_key", PRODUCTION)).await.expect(201);
    assert!(secret(&client).starts_with("bw_pub_"));
    evaluate(secret(&client)).await.problem(404, "not_found");
    app.get("/api/v1/snapshot").by(secret(&client)).await.problem(403, "forbidden");
    for role in ["viewer", "editor", "operator", "admin"] {
        let new = json!({"kind": "service_token", "name": role, "role": role});
        let token = app.post(TOKENS, &new).await.expect(201);
        let status = if role == "admin" { 200 } else { 403 };
        app.get(TOKENS).by(secret(&token)).await.expect(status);
    }
});

on_both!(a_revoked_token_opens_nothing_at_once, async |app| {
    let created = app.post(TOKENS, &key("server_key", DEVELOPMENT)).await.expect(201);
    let snapshot = || app.get("/api/v1/snapshot").by(secret(&created));
    snapshot().await.expect(200);
    let mut socket = Socket::greet(&app, secret(&created), &Value::Null).await;
    assert_eq!(socket.hear().await["type"], "ready");
    app.delete(&one(&created)).version(7).await.problem(412, "stale_version");
    app.delete(&one(&created)).version(1).await.expect(204);
    snapshot().await.problem(401, "unauthenticated");
    assert_eq!(socket.hear_the_end().await, (1008, "the key is revoked".to_owned()));
    let shown = app.get(&one(&created)).await.expect(200);
    assert_eq!((&shown["revoked"], &shown["version"]), (&json!(true), &json!(2)));
    app.delete(&one(&created)).await.expect(204);
    assert_eq!(app.get(&one(&created)).await.expect(200)["version"], 2, "a second time it does nothing");
    app.patch(&one(&created), &json!({"name": "x"})).await.problem(409, "conflict");
    app.stop().await;
    app.start_again().await;
    snapshot().await.problem(401, "unauthenticated");
});

on_both!(what_may_change, async |app| {
    let created = app.post(TOKENS, &key("client_key", DEVELOPMENT)).await.expect(201);
    let origins = json!(["https://a.example", "capacitor://localhost", "https://a.example"]);
    let changed = app.patch(&one(&created), &json!({"name": "web", "allowed_origins": origins})).version(1).await;
    assert_eq!(changed.header("etag"), "\"2\"");
    let changed = changed.expect(200);
    assert_eq!(changed["name"], "web");
    assert_eq!(changed["allowed_origins"], json!(["https://a.example", "capacitor://localhost"]));
    app.patch(&one(&created), &json!({"name": "x"})).version(1).await.problem(412, "stale_version");
    assert_eq!(app.patch(&one(&created), &json!({})).await.expect(200)["version"], 2, "nothing changed");
    let server = app.post(TOKENS, &key("server_key", DEVELOPMENT)).await.expect(201);
    let patch = app.patch(&one(&server), &json!({"allowed_origins": ["*"]})).await;
    assert_eq!(patch.faults(), ["/allowed_origins"]);
    assert_eq!(app.patch(&one(&server), &json!({"role": "admin", "name": ""})).await.faults(), ["/name", "/role"]);
    for id in ["none", "", "%20"] {
        let path = format!("{TOKENS}/{id}");
        assert_eq!(app.get(&path).await.status, 404);
        assert_eq!(app.patch(&path, &json!({})).await.status, 404);
        assert_eq!(app.delete(&path).await.status, 404);
    }
    assert_eq!(app.evaluate(DEVELOPMENT, "none", &json!({})).by(secret(&created)).await.status, 404, "still good");
});

on_both!(what_is_wrong_with_a_new_token, async |app| {
    let cases = [
        (json!({}), vec!["/kind", "/name"]),
        (json!({"kind": "x", "name": ""}), vec!["/kind", "/name"]),
        (json!({"kind": "service_token", "name": "x"}), vec!["/role"]),
        (json!({"kind": "service_token", "name": "x", "role": "root"}), vec!["/role"]),
        (
            json!({"kind": "service_token", "name": "x", "role": "viewer", "project": "default", "environment": "staging",
                   "allowed_origins": ["*"]}),
            vec!["/allowed_origins", "/environment", "/project"],
        ),
        (json!({"kind": "server_key", "name": "x", "role": "viewer"}), vec!["/environment", "/project", "/role"]),
        (
            json!({"kind": "client_key", "name": "x", "project": "default", "environment": "staging",
                   "allowed_origins": ["https://a.example", "example.com", 5, "*.b"]}),
            vec!["/allowed_origins/1", "/allowed_origins/2", "/allowed_origins/3"],
        ),
        (
            json!({"kind": "service_token", "name": "x", "role": "viewer", "expires_at": "2001-01-01T00:00:00Z"}),
            vec!["/expires_at"],
        ),
        (
            json!({"kind": "service_token", "name": "x\u{0}", "role": "viewer", "expires_at": "soon", "more": 1}),
            vec!["/expires_at", "/more", "/name"],
        ),
        (json!({"kind": "service_token", "name": "x".repeat(201), "role": "viewer"}), vec!["/name"]),
    ];
    for (body, pointers) in cases {
        assert_eq!(app.post(TOKENS, &body).await.faults(), pointers, "{body}");
    }
    let nowhere = json!({"kind": "server_key", "name": "x", "project": "none", "environment": "staging"});
    assert_eq!(app.post(TOKENS, &nowhere).await.faults(), ["/project"]);
    assert_eq!(app.post(TOKENS, &key("server_key", "none")).await.faults(), ["/environment"]);
});

on_both!(the_list_is_paged, async |app| {
    let all = app.get(TOKENS).await.expect(200);
    let ids = |page: &Value| -> Vec<Value> {
        page["items"].as_array().unwrap().iter().map(|token| token["id"].clone()).collect()
    };
    assert_eq!(ids(&all).len(), 10, "four service tokens, and two keys of each environment");
    let (mut paged, mut cursor) = (Vec::new(), String::new());
    for _ in 0..4 {
        let page = app.get(&format!("{TOKENS}?limit=3{cursor}")).await.expect(200);
        paged.extend(ids(&page));
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(paged, ids(&all));
    let kinds: Vec<_> = all["items"].as_array().unwrap().iter().map(|token| token["kind"].as_str().unwrap()).collect();
    assert!(!kinds.contains(&"user"), "sessions are not listed");
});

on_both!(an_expired_token_opens_nothing, async |app| {
    let at = "2999-01-01T00:00:00.000000Z";
    let new = json!({"kind": "service_token", "name": "soon", "role": "viewer", "expires_at": at});
    let created = app.post(TOKENS, &new).await.expect(201);
    assert_eq!(created["expires_at"], at);
    app.get(FLAGS).by(secret(&created)).await.expect(200);
    let services = app.services();
    let expire = |c: &mut Connection<'_>| {
        sql::execute(c, "UPDATE credentials SET expires_at = '2001-01-01T00:00:00.000000Z' WHERE name = 'soon'")
    };
    services.store.write(Part::Configuration, expire).await.unwrap();
    services.access.reload().await.unwrap();
    app.get(FLAGS).by(secret(&created)).await.problem(401, "unauthenticated");
});

on_both!(the_last_use_is_known, async |app| {
    let created = app.post(TOKENS, &key("server_key", DEVELOPMENT)).await.expect(201);
    let last = async || app.get(&one(&created)).await.expect(200)["last_used_at"].clone();
    assert_eq!(last().await, Value::Null);
    app.get("/api/v1/snapshot").by(secret(&created)).await.expect(200);
    let used = last().await;
    let at = used.as_str().unwrap();
    assert!(at.ends_with(":00.000000Z"), "to the minute: {at}");
    let age = bellwether::clock::now() - at.parse::<chrono::DateTime<chrono::Utc>>().unwrap();
    assert!(age.num_seconds() < 180, "{at}");
    // It is written when the server ends at the latest.
    app.stop().await;
    app.start_again().await;
    assert_eq!(last().await, used);
});

on_both!(what_was_done_is_in_the_log, async |app| {
    let created = app.post(TOKENS, &key("client_key", DEVELOPMENT)).await.expect(201);
    app.patch(&one(&created), &json!({"allowed_origins": ["*"]})).await.expect(200);
    app.delete(&one(&created)).await.expect(204);
    app.delete(&one(&created)).await.expect(204);
    let resource = format!("token/{}", created["id"].as_str().unwrap());
    let log = app.get(&format!("/api/v1/audit?resource={resource}")).await.expect(200);
    let items = log["items"].as_array().unwrap();
    let actions: Vec<_> = items.iter().map(|item| item["action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["token.revoke", "token.update", "token.create"]);
    assert_eq!(items[0]["environment"], DEVELOPMENT);
    assert_eq!(items[0]["changes"], json!([{"pointer": "/revoked", "before": false, "after": true}]));
    let pointers: Vec<_> =
        items[1]["changes"].as_array().unwrap().iter().map(|change| change["pointer"].as_str().unwrap()).collect();
    assert!(pointers.iter().all(|pointer| pointer.starts_with("/allowed_origins")), "{pointers:?}");
});

on_both!(an_environments_keys_end_with_it, async |app| {
    let environments = "/api/v1/projects/default/environments";
    app.post(environments, &json!({"key": "qa"})).await.expect(201);
    let created = app.post(TOKENS, &key("server_key", "qa")).await.expect(201);
    app.get("/api/v1/snapshot").by(secret(&created)).await.expect(200);
    app.delete(&format!("{environments}/qa")).any_version().await.expect(204);
    app.get("/api/v1/snapshot").by(secret(&created)).await.problem(401, "unauthenticated");
    app.get(&one(&created)).await.problem(404, "not_found");
});

on_both!(a_token_of_before_has_no_prefix, async |app: TestApp| {
    let services = app.services();
    let older = |c: &mut Connection<'_>| {
        access::create_service_token(c, "older", access::Role::Viewer)?;
        sql::execute(c, "UPDATE credentials SET prefix = '' WHERE name = 'older'")
    };
    services.store.write(Part::Configuration, older).await.unwrap();
    let page = app.get(TOKENS).await.expect(200);
    let found = page["items"].as_array().unwrap().iter().find(|token| token["name"] == "older").unwrap();
    assert_eq!(found["prefix"], "");
});
