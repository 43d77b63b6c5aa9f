//! Tokens and keys.

use serde_json::json;

use super::{missing, told_together, wrong};
use crate::harness::{DEVELOPMENT, on_both};

on_both!(of_a_token, async |app| {
    let tokens = "/api/v1/tokens";
    let right = json!({
        "kind": "client_key", "name": "shop", "project": "default", "environment": DEVELOPMENT,
        "allowed_origins": ["https://a.example", "*"],
    });
    let all = [
        wrong("/name", json!("")),
        missing("/name"),
        wrong("/environment", json!(5)),
        wrong("/role", json!("none")),
        wrong("/allowed_origins/0", json!("a")),
        wrong("/allowed_origins/1", json!(5)),
        wrong("/environment", json!("ghost")),
        wrong("/kind", json!("server_key")).elsewhere(&["/allowed_origins"]),
        wrong("/expires_at", json!("yesterday")),
        wrong("/more", json!(1)),
    ];
    told_together(|document| app.post(tokens, document), &right, &all).await;
    // Of no project it is not known whether it has the environment.
    let nowhere = [
        missing("/project"),
        wrong("/project", json!("ghost")),
        wrong("/environment", json!(5)),
        missing("/environment"),
        wrong("/name", json!("")),
        wrong("/allowed_origins/1", json!("a")),
        wrong("/kind", json!("server_key")).elsewhere(&["/allowed_origins"]),
    ];
    told_together(|document| app.post(tokens, document), &right, &nowhere).await;
    // What it has to have is not known then.
    let kinds =
        [wrong("/kind", json!("key")), missing("/kind"), wrong("/name", json!("")), wrong("/role", json!("none"))];
    told_together(|document| app.post(tokens, document), &right, &kinds).await;
    let service = json!({"kind": "service_token", "name": "pipeline", "role": "viewer"});
    let all = [
        missing("/role"),
        wrong("/project", json!("ghost")),
        wrong("/environment", json!(DEVELOPMENT)),
        wrong("/allowed_origins", json!(["*"])),
        wrong("/name", json!(5)),
    ];
    told_together(|document| app.post(tokens, document), &service, &all).await;
    let token = app.post(tokens, &service).await.expect(201);
    let one = format!("{tokens}/{}", token["id"].as_str().unwrap());
    let all = [wrong("/name", json!("")), wrong("/allowed_origins", json!(["*"])), wrong("/more", json!(1))];
    told_together(|document| app.patch(&one, document).any_version(), &json!({"name": "n"}), &all).await;
});
