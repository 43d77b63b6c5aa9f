//! `/projects`, `P`, `P/environments`, `E`.

use serde_json::{Value, json};

use crate::harness::{DEVELOPMENT, FLAGS, Keys, PRODUCTION, TestApp, environment, on_both};

const PROJECTS: &str = "/api/v1/projects";
const ENVIRONMENTS: &str = "/api/v1/projects/default/environments";

fn keys(page: &Value) -> Vec<String> {
    page["items"].as_array().unwrap().iter().map(|item| item["key"].as_str().unwrap().to_owned()).collect()
}

/// Keys of an environment that was created after the server started.
async fn keys_of(app: &TestApp, project: &str, environment: &str) -> Keys {
    let services = app.services();
    let (project, environment) = (project.to_owned(), environment.to_owned());
    let create = move |c: &mut bellwether::db::Connection<'_>| {
        let environment = bellwether::projects::environment(c, &project, &environment)?;
        Keys::create(c, &environment)
    };
    let keys = services.store.write(bellwether::db::Part::Configuration, create).await.unwrap();
    services.access.reload().await.unwrap();
    keys
}

on_both!(a_store_begins_with_a_project, async |app| {
    let page = app.get(PROJECTS).await.expect(200);
    assert_eq!(keys(&page), ["default"]);
    assert_eq!(page["items"][0]["version"], 1);
    let page = app.get(ENVIRONMENTS).await.expect(200);
    assert_eq!(keys(&page), ["development", "staging", "production"]);
    let production: Vec<_> = page["items"].as_array().unwrap().iter().map(|item| &item["production"]).collect();
    assert_eq!(production, [false, false, true]);
});

on_both!(a_project_from_its_beginning_to_its_end, async |app| {
    let created = app.post(PROJECTS, &json!({"key": "shop", "name": "The shop"})).await;
    let body = created.expect(201);
    assert_eq!(created.header("etag"), "\"1\"");
    assert_eq!((&body["key"], &body["name"], &body["description"]), (&json!("shop"), &json!("The shop"), &json!("")));
    let path = format!("{PROJECTS}/shop");
    assert_eq!(app.get(&path).await.expect(200), body);
    assert_eq!(keys(&app.get(PROJECTS).await.expect(200)), ["default", "shop"]);
    let page = app.get(&format!("{path}/environments")).await.expect(200);
    assert_eq!(keys(&page), ["development", "staging", "production"]);
    app.post(PROJECTS, &json!({"key": "shop"})).await.problem(409, "conflict");

    let changed = app.patch(&path, &json!({"description": "Sells."})).await;
    assert_eq!(changed.header("etag"), "\"2\"");
    assert_eq!(changed.expect(200)["name"], "The shop");
    app.patch(&path, &json!({"name": "x"})).version(1).await.problem(412, "stale_version");
    app.delete(&path).version(1).await.problem(412, "stale_version");
    app.patch(&path, &json!({"name": "Shop"})).version(2).await.expect(200);

    app.post(&format!("{path}/flags"), &json!({"key": "a", "type": "boolean"})).await.expect(201);
    app.delete(&path).await.problem(409, "conflict");
    assert_eq!(keys(&app.get(PROJECTS).await.expect(200)), ["default", "shop"]);

    app.post(PROJECTS, &json!({"key": "gone"})).await.expect(201);
    app.delete(&format!("{PROJECTS}/gone")).await.expect(204);
    app.get(&format!("{PROJECTS}/gone")).await.problem(404, "not_found");
    app.delete(&format!("{PROJECTS}/gone")).await.problem(404, "not_found");
});

on_both!(an_environment_from_its_beginning_to_its_end, async |app| {
    let app = app.with_flag("feature.a").await.with_string_flag("text", &["a", "b"]).await;
    let created = app.post(ENVIRONMENTS, &json!({"key": "qa", "name": "QA"})).await;
    let body = created.expect(201);
    assert_eq!(created.header("etag"), "\"1\"");
    assert_eq!(
        (&body["production"], &body["revision"], &body["project"]),
        (&json!(false), &json!(1), &json!("default"))
    );
    assert_eq!(app.get(&environment("qa")).await.expect(200), body);
    assert_eq!(keys(&app.get(ENVIRONMENTS).await.expect(200)), ["development", "staging", "production", "qa"]);
    app.post(ENVIRONMENTS, &json!({"key": "qa"})).await.problem(409, "conflict");

    // Every flag is there, and serves off.
    let qa = keys_of(&app, "default", "qa").await;
    let snapshot = app.get("/api/v1/snapshot").by(&qa.server).await.expect(200);
    assert_eq!(snapshot["environment"], "qa");
    assert_eq!(snapshot["counts"]["flags"], 2);
    for (flag, value) in [("feature.a", json!(false)), ("text", json!("b"))] {
        let served = app.evaluate(PRODUCTION, flag, &json!({"targetingKey": "u"})).by(&qa.server).await.expect(200);
        assert_eq!(served["value"], value);
    }

    let changed = app.patch(&environment("qa"), &json!({"production": true})).version(1).await;
    assert_eq!(changed.header("etag"), "\"2\"");
    assert_eq!(changed.expect(200)["production"], true);
    app.patch(&environment("qa"), &json!({"name": "x"})).version(1).await.problem(412, "stale_version");
    app.delete(&environment("qa")).version(1).await.problem(412, "stale_version");
    let editor = app.credentials().editor.clone();
    let disable = crate::harness::configured("qa", "feature.a", "/disable");
    app.put_nothing(&disable).by(&editor).await.problem(403, "forbidden");
    app.delete(&environment("qa")).version(2).await.problem(409, "conflict");
    app.patch(&environment("qa"), &json!({"production": false})).version(2).await.expect(200);
    app.delete(&environment("qa")).version(3).await.expect(204);
    app.get(&environment("qa")).await.problem(404, "not_found");
});

on_both!(an_environment_without_flags_is_served_too, async |app| {
    app.post(PROJECTS, &json!({"key": "shop"})).await.expect(201);
    app.post(&format!("{PROJECTS}/shop/environments"), &json!({"key": "qa"})).await.expect(201);
    for name in ["production", "qa"] {
        let keys = keys_of(&app, "shop", name).await;
        let snapshot = app.get("/api/v1/snapshot").by(&keys.server).await.expect(200);
        assert_eq!((&snapshot["environment"], &snapshot["revision"]), (&json!(name), &json!(0)));
        app.evaluate(PRODUCTION, "a", &json!({})).by(&keys.server).await.problem(404, "not_found");
    }
    let keys = keys_of(&app, "shop", "qa").await;
    app.post(&format!("{PROJECTS}/shop/flags"), &json!({"key": "a", "type": "boolean"})).await.expect(201);
    app.evaluate(PRODUCTION, "a", &json!({"targetingKey": "u"})).by(&keys.server).await.expect(200);
});

on_both!(keys_end_with_their_environment, async |app| {
    let app = app.with_flag("feature.a").await;
    app.post(ENVIRONMENTS, &json!({"key": "qa"})).await.expect(201);
    let old = keys_of(&app, "default", "qa").await;
    app.get("/api/v1/snapshot").by(&old.server).await.expect(200);
    app.delete(&environment("qa")).await.expect(204);
    app.get("/api/v1/snapshot").by(&old.server).await.problem(401, "unauthenticated");
    app.evaluate(PRODUCTION, "feature.a", &json!({})).by(&old.client).await.problem(401, "unauthenticated");

    // An environment that comes after it may have its number, but nothing else of it.
    app.post(ENVIRONMENTS, &json!({"key": "new"})).await.expect(201);
    app.get("/api/v1/snapshot").by(&old.server).await.problem(401, "unauthenticated");
    let new = keys_of(&app, "default", "new").await;
    let snapshot = app.get("/api/v1/snapshot").by(&new.server).await.expect(200);
    assert_eq!((&snapshot["environment"], &snapshot["revision"]), (&json!("new"), &json!(1)));
    assert_eq!(snapshot["flags"][0]["version"], 1);

    app.post(PROJECTS, &json!({"key": "shop"})).await.expect(201);
    let shop = keys_of(&app, "shop", "production").await;
    app.get("/api/v1/snapshot").by(&shop.server).await.expect(200);
    app.delete(&format!("{PROJECTS}/shop")).await.expect(204);
    app.get("/api/v1/snapshot").by(&shop.server).await.problem(401, "unauthenticated");
    app.get("/api/v1/snapshot").by(&app.keys(DEVELOPMENT).server).await.expect(200);
});

on_both!(faults_are_named_at_once, async |app| {
    let long = "n".repeat(201);
    for (path, body, pointers) in [
        (PROJECTS, json!({}), vec!["/key"]),
        (PROJECTS, json!({"key": "-", "name": "", "colour": 1}), vec!["/colour", "/key", "/name"]),
        (PROJECTS, json!({"key": "x".repeat(101), "description": "d".repeat(10_001)}), vec!["/description", "/key"]),
        (PROJECTS, json!({"key": 7, "name": long}), vec!["/key", "/name"]),
        (ENVIRONMENTS, json!({"key": "a b", "production": "yes"}), vec!["/key", "/production"]),
        (ENVIRONMENTS, json!({"name": long}), vec!["/key", "/name"]),
    ] {
        let answer = app.post(path, &body).await;
        assert_eq!(answer.faults(), pointers, "{body}: {answer}");
    }
    let answer = app.patch(&environment(DEVELOPMENT), &json!({"key": "x", "name": "", "production": 1})).await;
    assert_eq!(answer.faults(), ["/key", "/name", "/production"]);
    let answer = app.patch(&format!("{PROJECTS}/default"), &json!({"key": "x", "name": ""})).await;
    assert_eq!(answer.faults(), ["/key", "/name"]);
    assert_eq!(app.get(&environment(DEVELOPMENT)).await.expect(200)["version"], 1);
    app.get(&environment("none")).await.problem(404, "not_found");
    app.patch(&environment("none"), &json!({})).await.problem(404, "not_found");
    app.delete(&environment("none")).await.problem(404, "not_found");
    app.get(&format!("{PROJECTS}/none/environments")).await.problem(404, "not_found");
    app.post(&format!("{PROJECTS}/none/environments"), &json!({"key": "a"})).await.problem(404, "not_found");
    app.get(&format!("{PROJECTS}/none/flags")).await.problem(404, "not_found");
    assert_eq!(app.get(FLAGS).await.expect(200)["items"], json!([]));
});

on_both!(lists_have_pages, async |app| {
    for key in ["a", "b", "z"] {
        app.post(PROJECTS, &json!({"key": key})).await.expect(201);
        app.post(ENVIRONMENTS, &json!({"key": key})).await.expect(201);
    }
    for (path, expected) in [
        (PROJECTS, vec!["a", "b", "default", "z"]),
        (ENVIRONMENTS, vec!["development", "staging", "production", "a", "b", "z"]),
    ] {
        let (mut seen, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = app.get(&format!("{path}?limit=2{cursor}")).await.expect(200);
            seen.extend(keys(&page));
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        assert_eq!(seen, expected);
    }
});
