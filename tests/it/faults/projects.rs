//! Projects and environments.

use serde_json::json;

use super::{missing, told_together, wrong};
use crate::harness::{environment, on_both};

const PROJECTS: &str = "/api/v1/projects";
const DEFAULT: &str = "/api/v1/projects/default";

on_both!(of_a_project, async |app| {
    let right = json!({"key": "shop", "name": "n", "description": "d"});
    let create = [
        wrong("/key", json!("a b")),
        wrong("/key", json!(5)),
        missing("/key"),
        wrong("/name", json!("")),
        wrong("/name", json!("a\0")),
        wrong("/description", json!("d".repeat(10_001))),
        wrong("/description", json!([])),
        wrong("/more", json!(1)),
    ];
    told_together(|document| app.post(PROJECTS, document), &right, &create).await;
    let change = [
        wrong("/key", json!("shop")),
        wrong("/name", json!("n".repeat(201))),
        wrong("/name", json!(5)),
        wrong("/description", json!("d".repeat(10_001))),
    ];
    let words = json!({"name": "n", "description": "d"});
    told_together(|document| app.patch(DEFAULT, document).any_version(), &words, &change).await;
    assert_eq!(app.get(DEFAULT).await.expect(200)["version"], 1);
});

on_both!(of_an_environment, async |app| {
    let right = json!({"key": "qa", "name": "n", "production": false});
    let create = [
        wrong("/key", json!("-")),
        missing("/key"),
        wrong("/name", json!("")),
        wrong("/name", json!({})),
        wrong("/production", json!("yes")),
        wrong("/more", json!(1)),
    ];
    let environments = format!("{DEFAULT}/environments");
    told_together(|document| app.post(&environments, document), &right, &create).await;
    let change = [wrong("/name", json!("")), wrong("/production", json!(1)), wrong("/key", json!("qa"))];
    let staging = environment("staging");
    let words = json!({"name": "n", "production": false});
    told_together(|document| app.patch(&staging, document).any_version(), &words, &change).await;
    assert_eq!(app.get(&staging).await.expect(200)["version"], 1);
});
