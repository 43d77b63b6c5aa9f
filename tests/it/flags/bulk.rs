//! `P/flags:bulk`.

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::harness::{Call, DEVELOPMENT, FLAGS, PRODUCTION, Socket, TestApp, configured, flag, have, on_both, state};

const BULK: &str = "/api/v1/projects/default/flags:bulk";

fn bulk(app: &TestApp, body: &Value) -> Call {
    app.post(BULK, body)
}

async fn with_flags(app: TestApp, keys: &[&str]) -> TestApp {
    let mut app = app;
    for key in keys {
        app = app.with_flag(key).await;
    }
    app
}

async fn audited(app: &TestApp, action: &str) -> Vec<Value> {
    let page = app.get(&format!("/api/v1/audit?action={action}")).await.expect(200);
    page["items"].as_array().unwrap().clone()
}

on_both!(many_switches_are_one_revision, async |app| {
    let app = with_flags(app, &["a", "b", "c"]).await;
    app.put_nothing(&configured(PRODUCTION, "b", "/disable")).await.expect(200);
    let start = state(&app, PRODUCTION).await;
    let mut live = Socket::greet(&app, &app.keys(PRODUCTION).server, &have(&start)).await;
    assert_eq!(live.hear().await["type"], "ready");
    let elsewhere = app.revision(DEVELOPMENT).await;

    let body = json!({"action": "disable", "flags": ["c", "b", "a"], "environment": PRODUCTION, "reason": "incident"});
    let done = bulk(&app, &body).header("x-request-id", "all-off").await.expect(200);
    let item = |flag: &str, changed: bool| json!({"flag": flag, "version": 2, "changed": changed});
    assert_eq!(done, json!({"items": [item("c", true), item("b", false), item("a", true)]}));
    assert_eq!(app.revision(PRODUCTION).await, start.revision() + 1);
    assert_eq!(app.revision(DEVELOPMENT).await, elsewhere);

    let change = live.hear().await;
    assert_eq!(change["type"], "change");
    assert_eq!(change["flags"].as_array().unwrap().len(), 2, "{change}");
    assert_eq!(change["hash"], app.snapshot(PRODUCTION).await["hash"]);
    for key in ["a", "b", "c"] {
        assert_eq!(app.configured(PRODUCTION, key).await["configuration"]["enabled"], false);
    }
    let told: Vec<_> =
        audited(&app, "flag.disable").await.into_iter().filter(|row| row["request_id"] == "all-off").collect();
    let resources: Vec<_> = told.iter().map(|row| row["resource"].as_str().unwrap()).collect();
    assert_eq!(resources, ["flag/a", "flag/c"]);
    assert!(told.iter().all(|row| row["reason"] == "incident" && row["environment"] == PRODUCTION));
    let kept = app.get(&configured(PRODUCTION, "a", "/history?limit=1")).await.expect(200)["items"][0].clone();
    assert_eq!((&kept["reason"], &kept["request_id"]), (&json!("incident"), &json!("all-off")));

    let again = bulk(&app, &body).await.expect(200);
    assert!(again["items"].as_array().unwrap().iter().all(|item| item["changed"] == false));
    assert_eq!(app.revision(PRODUCTION).await, start.revision() + 1, "what changes nothing makes no revision");
    let back = json!({"action": "enable", "flags": ["a", "b"], "environment": PRODUCTION});
    bulk(&app, &back).await.expect(200);
    assert_eq!(app.configured(PRODUCTION, "b").await["configuration"]["enabled"], true);
});

on_both!(one_that_can_not_be_changed_stops_all, async |app| {
    let app = with_flags(app, &["a", "b", "old"]).await;
    app.delete(&flag("old")).any_version().await.expect(204);
    app.start_canary(PRODUCTION, "runs").await;
    let (revision, flags) = (app.revision(PRODUCTION).await, app.get(FLAGS).await.expect(200));
    let switch = |flags: Value| json!({"action": "disable", "flags": flags, "environment": PRODUCTION});
    assert_eq!(bulk(&app, &switch(json!(["a", "x", "b", "y"]))).await.faults(), ["/flags/1", "/flags/3"]);
    let problem = bulk(&app, &switch(json!(["a", "old"]))).await.problem(409, "conflict");
    assert_eq!(problem["errors"][0]["pointer"], "/flags/1");
    let archive = json!({"action": "archive", "flags": ["a", "runs"]});
    let problem = app.post(&format!("{BULK}?confirm_shrink=true"), &archive).await.problem(409, "conflict");
    assert_eq!(problem["errors"][0]["pointer"], "/flags/1");
    assert!(problem["errors"][0]["message"].as_str().unwrap().contains("a canary"), "{problem}");
    let many: Vec<_> = (0..50).map(|n| format!("t{n}")).collect();
    app.patch(&flag("b"), &json!({"tags": many})).any_version().await.expect(200);
    let b = app.get(&flag("b")).await.expect(200);
    let tag = json!({"action": "tag", "flags": ["a", "b"], "add": ["more"]});
    assert_eq!(bulk(&app, &tag).await.faults(), ["/flags/1"]);
    let too_many: Vec<_> = (0..51).map(|n| format!("t{n}")).collect();
    let tag_many = json!({"action": "tag", "flags": ["a"], "add": too_many, "remove": too_many});
    assert_eq!(bulk(&app, &tag_many).await.faults(), ["/add", "/remove"]);
    let nowhere = json!({"action": "enable", "flags": ["a"], "environment": "nowhere"});
    assert_eq!(bulk(&app, &nowhere).await.faults(), ["/environment"]);
    app.post("/api/v1/projects/other/flags:bulk", &tag).await.problem(404, "not_found");

    assert_eq!(app.revision(PRODUCTION).await, revision);
    let after = app.get(FLAGS).await.expect(200);
    assert_eq!(after["items"][0], flags["items"][0], "a stays as it was");
    assert_eq!(app.get(&flag("b")).await.expect(200), b);
    assert_eq!(app.configured(PRODUCTION, "a").await["version"], 1);
});

on_both!(the_kill_switch_works_while_a_canary_runs, async |app| {
    app.start_canary(PRODUCTION, "runs").await;
    bulk(&app, &json!({"action": "disable", "flags": ["runs"], "environment": PRODUCTION})).await.expect(200);
    assert_eq!(app.configured(PRODUCTION, "runs").await["configuration"]["enabled"], false);
});

on_both!(a_request_has_every_fault_named, async |app| {
    let app = with_flags(app, &["a"]).await;
    assert_eq!(bulk(&app, &json!({})).await.faults(), ["/action", "/flags"]);
    let wrong = json!({"action": "enable", "flags": ["a", "a", 1], "reason": 1, "more": true});
    assert_eq!(bulk(&app, &wrong).await.faults(), ["/environment", "/flags/1", "/flags/2", "/more", "/reason"]);
    assert_eq!(
        bulk(&app, &json!({"action": "enable", "flags": ["a", "a"]})).await.faults(),
        ["/environment", "/flags/1"]
    );
    let unclear = app.post(&format!("{BULK}?confirm_shrink=yes"), &json!({"action": "archive", "flags": ["a"]})).await;
    assert_eq!(unclear.faults(), ["/confirm_shrink"]);
    app.get(BULK).await.problem(405, "method_not_allowed");
});

on_both!(who_may_do_it_to_one_may_do_it_to_many, async |app| {
    let app = with_flags(app, &["a", "b", "c"]).await;
    let (viewer, editor) = (&app.credentials().viewer, &app.credentials().editor);
    let switch = |environment: &str| json!({"action": "disable", "flags": ["a"], "environment": environment});
    let tag = json!({"action": "tag", "flags": ["a"], "add": ["x"]});
    let archive = json!({"action": "archive", "flags": ["a"]});
    for body in [&switch(DEVELOPMENT), &tag, &archive] {
        bulk(&app, body).by(viewer).await.problem(403, "forbidden");
    }
    bulk(&app, &switch(DEVELOPMENT)).by(editor).await.expect(200);
    bulk(&app, &tag).by(editor).await.expect(200);
    bulk(&app, &switch(PRODUCTION)).by(editor).await.problem(403, "forbidden");
    bulk(&app, &archive).by(editor).await.problem(403, "forbidden");
    bulk(&app, &archive).by(&app.credentials().operator).await.expect(200);
});

on_both!(tags_come_and_go_without_a_revision, async |app| {
    let app = with_flags(app, &["a", "b"]).await;
    app.patch(&flag("a"), &json!({"tags": ["old", "kept"]})).any_version().await.expect(200);
    let revision = app.revision(PRODUCTION).await;
    let body = json!({"action": "tag", "flags": ["a", "b"], "add": ["new", "kept"], "remove": ["old"]});
    let done = bulk(&app, &body).await.expect(200);
    assert_eq!(done["items"][0], json!({"flag": "a", "version": 3, "changed": true}));
    assert_eq!(app.get(&flag("a")).await.expect(200)["tags"], json!(["kept", "new"]));
    assert_eq!(app.get(&flag("b")).await.expect(200)["tags"], json!(["new", "kept"]));
    assert_eq!(app.revision(PRODUCTION).await, revision);
    let again = bulk(&app, &body).await.expect(200);
    assert_eq!(again["items"][1], json!({"flag": "b", "version": 2, "changed": false}));
});

on_both!(archiving_much_is_confirmed, async |app| {
    let app = with_flags(app, &["a", "b", "c", "d"]).await;
    let revision = app.revision(PRODUCTION).await;
    let archive = |flags: Value| json!({"action": "archive", "flags": flags, "reason": "clean up"});
    let problem = bulk(&app, &archive(json!(["a", "b", "c"]))).await.problem(409, "conflict");
    let detail = problem["detail"].as_str().unwrap();
    assert!(
        detail.contains("3 of the 4 flags") && detail.contains("a, b, c") && detail.contains("confirm_shrink=true")
    );
    assert_eq!(app.revision(PRODUCTION).await, revision);

    let done = bulk(&app, &archive(json!(["a", "b"]))).await.expect(200);
    assert_eq!(done["items"][0], json!({"flag": "a", "version": 2, "changed": true}));
    for environment in [DEVELOPMENT, PRODUCTION] {
        assert_eq!(app.revision(environment).await, revision + 1, "one for all of them");
        assert_eq!(app.snapshot(environment).await["counts"]["flags"], 2);
    }
    assert_eq!(audited(&app, "flag.archive").await.len(), 2);
    let last = archive(json!(["a", "c", "d"]));
    bulk(&app, &last).await.problem(409, "conflict");
    let done = app.post(&format!("{BULK}?confirm_shrink=true"), &last).await.expect(200);
    let changed: Vec<_> = done["items"].as_array().unwrap().iter().map(|item| item["changed"].clone()).collect();
    assert_eq!(changed, [false, true, true], "an archived one is archived already");
    assert_eq!(app.snapshot(PRODUCTION).await["counts"]["flags"], 0);
    bulk(&app, &archive(json!(["a", "b"]))).await.expect(200);
});

on_both!(five_hundred_at_once, async |app| {
    let keys: Vec<_> = (0..501).map(|n| format!("flag-{n}")).collect();
    let made = keys.iter().take(500).map(|key| {
        let call = app.post(FLAGS, &json!({"key": key, "type": "boolean"}));
        async move { call.await.expect(201) }
    });
    for made in made {
        made.await;
    }
    let body = |flags: &[String]| json!({"action": "disable", "flags": flags, "environment": PRODUCTION});
    assert_eq!(bulk(&app, &body(&keys)).await.faults(), ["/flags"]);
    let revision = app.revision(PRODUCTION).await;
    bulk(&app, &body(&keys[..500])).await.expect(200);
    assert_eq!(app.revision(PRODUCTION).await, revision + 1);
    let snapshot = app.snapshot(PRODUCTION).await;
    assert!(snapshot["flags"].as_array().unwrap().iter().all(|flag| flag["enabled"] == false));
});

on_both!(a_bulk_and_an_archive_meet, async |app| {
    let app = with_flags(app, &["a", "b", "c", "d", "e", "f"]).await;
    let start = state(&app, PRODUCTION).await;
    let mut live = Socket::greet(&app, &app.keys(PRODUCTION).server, &have(&start)).await;
    assert_eq!(live.hear().await["type"], "ready");
    let archives = ["a", "b", "c"].map(|key| app.delete(&flag(key)).any_version());
    let bulks = (0..6).map(|n| {
        let action = if n % 2 == 0 { "disable" } else { "enable" };
        bulk(&app, &json!({"action": action, "flags": ["a", "b", "c", "d"], "environment": PRODUCTION}))
    });
    let calls = archives.into_iter().chain(bulks).map(|call| async move { call.await });
    let answers = join_all(calls).await;
    assert!(answers[..3].iter().all(|answer| answer.status == 204));
    for refused in answers[3..].iter().filter(|answer| answer.status != 200) {
        refused.problem(409, "conflict");
    }
    let end = app.revision(PRODUCTION).await;
    let followed = live.follow(start, end).await;
    assert_eq!(followed.hash(), app.snapshot(PRODUCTION).await["hash"].as_str().unwrap());
    for key in ["a", "b", "c"] {
        let history = app.get(&configured(PRODUCTION, key, "/history")).await.expect(200);
        assert_eq!(history["items"][0]["action"], "flag.archive", "nothing was changed after it");
    }
});
