//! `F/history` and `F/history/{version}/restore`.

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::harness::{DEVELOPMENT, PRODUCTION, TestApp, configured, environment, flag, on_both};

fn history(environment: &str, key: &str, query: &str) -> String {
    configured(environment, key, &format!("/history{query}"))
}

fn restored(environment: &str, key: &str, version: u64) -> String {
    configured(environment, key, &format!("/history/{version}/restore"))
}

async fn items(app: &TestApp, key: &str, query: &str) -> Vec<Value> {
    app.get(&history(PRODUCTION, key, query)).await.expect(200)["items"].as_array().unwrap().clone()
}

fn versions(items: &[Value]) -> Vec<u64> {
    items.iter().map(|item| item["version"].as_u64().unwrap()).collect()
}

on_both!(each_version_tells_what_it_changed, async |app| {
    let app = app.with_flag("feature.a").await;
    app.roll_out(PRODUCTION, "feature.a", 25.0).await;
    app.roll_out(PRODUCTION, "feature.a", 40.0).await;
    let off = app.put_nothing(&configured(PRODUCTION, "feature.a", "/disable")).header("x-request-id", "why-off");
    let now = off.await.expect(200);

    let page = app.get(&history(PRODUCTION, "feature.a", "")).await.expect(200);
    assert!(page["next_cursor"].is_null());
    let items = page["items"].as_array().unwrap();
    assert_eq!(versions(items), [4, 3, 2, 1]);
    let newest = &items[0];
    assert_eq!(newest["configuration"], now["configuration"]);
    assert_eq!(newest["allocations"], now["allocations"]);
    assert_eq!((&newest["at"], &newest["actor"]), (&now["updated_at"], &now["updated_by"]));
    assert_eq!(newest["action"], "flag.disable");
    assert_eq!(newest["request_id"], "why-off");
    assert_eq!(newest["revision"], app.revision(PRODUCTION).await);
    assert_eq!(newest["changes"], json!([{"pointer": "/enabled", "before": true, "after": false}]));
    assert!(newest.get("reason").is_none() && newest.get("restored_version").is_none());

    let moved = json!([
        {"pointer": "/fallthrough/split/weights/off", "before": 75_000, "after": 60_000},
        {"pointer": "/fallthrough/split/weights/on", "before": 25_000, "after": 40_000},
    ]);
    assert_eq!(items[1]["changes"], moved);
    let audit = app.get("/api/v1/audit?action=flag.rollout&limit=1").await.expect(200);
    assert_eq!(audit["items"][0]["changes"], moved, "the audit says the same");
    assert_eq!((&items[3]["action"], &items[3]["changes"]), (&json!("flag.create"), &json!(null)));
});

on_both!(a_page_leads_to_the_next, async |app| {
    let app = app.with_flag("feature.a").await;
    for share in 1..=5 {
        app.roll_out(PRODUCTION, "feature.a", f64::from(share)).await;
    }
    let whole = items(&app, "feature.a", "").await;
    let mut pages = Vec::new();
    let mut cursor = String::new();
    for _ in 0..3 {
        let page = app.get(&history(PRODUCTION, "feature.a", &format!("?limit=2{cursor}"))).await.expect(200);
        pages.extend(page["items"].as_array().unwrap().clone());
        cursor = format!("&cursor={}", page["next_cursor"].as_str().unwrap_or_default());
    }
    assert_eq!(pages, whole, "the last of a page is compared with the first of the next");
    assert_eq!(cursor, "&cursor=");
    let wrong = app.get(&history(PRODUCTION, "feature.a", "?limit=0&cursor=x")).await;
    assert_eq!(wrong.faults(), ["/cursor", "/limit"]);
    app.get(&history(PRODUCTION, "feature.b", "")).await.problem(404, "not_found");
    assert_eq!(app.get(&history(PRODUCTION, "feature.a", "?cursor=-1")).await.faults(), ["/cursor"]);
});

on_both!(large_versions_come_in_smaller_pages, async |app| {
    let app = app.with_flag("feature.a").await;
    let keys: Vec<_> = (0..9_000).map(|n| format!("{n:0>100}")).collect();
    for share in 1..=7 {
        let split = json!({"split": {"weights": {"on": share, "off": 100_000 - share}, "salt": "s"}});
        let targets = json!([{"variation": "on", "keys": keys}]);
        let whole = json!({"enabled": true, "off_variation": "off", "targets": targets, "fallthrough": split});
        app.configure(PRODUCTION, "feature.a", &whole).await.expect(200);
    }
    let mut found = Vec::new();
    let (mut cursor, mut pages) = (String::new(), 0);
    while found.len() < 8 {
        let page = app.get(&history(PRODUCTION, "feature.a", &cursor)).await;
        assert!(page.body.len() < 8 << 20, "{}", page.body.len());
        let page = page.expect(200);
        found.extend(page["items"].as_array().unwrap().clone());
        cursor = format!("?cursor={}", page["next_cursor"].as_str().unwrap_or_default());
        pages += 1;
        assert!(pages <= 8);
    }
    assert!(pages > 1);
    assert_eq!(versions(&found), [8, 7, 6, 5, 4, 3, 2, 1]);
    assert!(found[..7].iter().all(|item| item["changes"].as_array().is_some_and(|changes| !changes.is_empty())));
});

on_both!(an_old_version_comes_back_to_the_bucket, async |app| {
    let app = app.with_string_flag("text", &["a", "b", "c"]).await;
    let shares = async |a: u32, b: u32, c: u32| {
        let body = json!({"weights": {"a": a, "b": b, "c": c}});
        app.put(&configured(PRODUCTION, "text", "/rollout"), &body).await.expect(200)
    };
    let first = shares(33, 33, 34).await;
    shares(10, 80, 10).await;
    let again = shares(33, 33, 34).await;
    assert_ne!(first["allocations"], again["allocations"], "the same shares, other users");

    let path = restored(PRODUCTION, "text", 2);
    let preview = app.post(&format!("{path}?preview=true"), &json!({})).await.expect(200);
    assert!(preview["moved"].as_u64().unwrap() > 0);
    assert_eq!(app.configured(PRODUCTION, "text").await, again, "a preview changes nothing");
    let revision = app.revision(PRODUCTION).await;
    let answer = app.post(&path, &json!({"reason": "they were fine"})).version(4).await;
    let back = answer.expect(200);
    assert_eq!(answer.header("etag"), "\"5\"");
    assert_eq!((&back["configuration"], &back["allocations"]), (&first["configuration"], &first["allocations"]));
    assert_eq!(app.revision(PRODUCTION).await, revision + 1);

    let newest = items(&app, "text", "?limit=1").await.remove(0);
    assert_eq!(newest["restored_version"], 2);
    assert_eq!((&newest["action"], &newest["reason"]), (&json!("flag.restore"), &json!("they were fine")));
    let pointers: Vec<_> = newest["changes"].as_array().unwrap().iter().map(|change| &change["pointer"]).collect();
    assert_eq!(pointers, ["/allocations/fallthrough"], "the shares are the same, the users are not");
    let row = app.get("/api/v1/audit?action=flag.restore").await.expect(200)["items"][0].clone();
    assert_eq!((&row["reason"], &row["request_id"]), (&newest["reason"], &newest["request_id"]));
    assert_eq!(row["changes"][0]["pointer"], "/restored_version");
    assert_eq!(row["changes"][0]["after"], 2);

    // Old versions stay as they were.
    let all = items(&app, "text", "").await;
    assert_eq!(versions(&all), [5, 4, 3, 2, 1]);
    assert_eq!(all[3]["configuration"], first["configuration"]);
});

on_both!(what_is_restored_is_what_everyone_is_served, async |app| {
    let app = app.with_flag("feature.a").await;
    app.roll_out(PRODUCTION, "feature.a", 50.0).await;
    let users: Vec<_> = (0..40).map(|n| json!({"targetingKey": format!("user-{n}")})).collect();
    let served = async || {
        let mut served = Vec::new();
        for user in &users {
            let answer = app.evaluate(PRODUCTION, "feature.a", user).await.expect(200);
            served.push(answer["variant"].as_str().unwrap().to_owned());
        }
        served
    };
    let before = served().await;
    let whole = json!({"enabled": true, "off_variation": "off", "fallthrough": {"variation": "on"}});
    app.configure(PRODUCTION, "feature.a", &whole).await.expect(200);
    assert!(served().await.iter().all(|variation| variation == "on"));
    // By a call without a body.
    app.call(reqwest::Method::POST, &restored(PRODUCTION, "feature.a", 2)).await.expect(200);
    assert_eq!(served().await, before);
});

on_both!(restoring_what_is_there_changes_nothing, async |app| {
    let app = app.with_flag("feature.a").await;
    app.roll_out(PRODUCTION, "feature.a", 25.0).await;
    let revision = app.revision(PRODUCTION).await;
    let answer = app.post(&restored(PRODUCTION, "feature.a", 2), &json!({"reason": "x"})).await;
    assert_eq!(answer.expect(200)["version"], 2);
    assert_eq!(answer.header("etag"), "\"2\"");
    assert_eq!(app.revision(PRODUCTION).await, revision);
    let rows = app.get("/api/v1/audit?action=flag.restore").await.expect(200);
    assert_eq!(rows["items"], json!([]));
});

on_both!(a_restore_is_refused_as_any_change_is, async |app| {
    let app = app.with_flag("feature.a").await;
    app.roll_out(PRODUCTION, "feature.a", 25.0).await;
    let (editor, production) = (&app.credentials().editor, restored(PRODUCTION, "feature.a", 1));
    app.post(&production, &json!({})).by(editor).await.problem(403, "forbidden");
    app.post(&restored(DEVELOPMENT, "feature.a", 1), &json!({})).by(editor).await.expect(200);
    app.post(&production, &json!({})).version(1).await.problem(412, "stale_version");
    assert_eq!(app.post(&production, &json!({"reason": 3, "x": 1})).await.faults(), ["/reason", "/x"]);
    assert_eq!(app.post(&production, &json!({"reason": "x".repeat(1_001)})).await.faults(), ["/reason"]);
    assert_eq!(app.post(&format!("{production}?preview=1"), &json!({})).await.faults(), ["/preview"]);
    for missing in ["0", "3", "18446744073709551615", "99999999999999999999", "-1", "x", "1.0"] {
        let path = configured(PRODUCTION, "feature.a", &format!("/history/{missing}/restore"));
        let problem = app.post(&path, &json!({})).await.problem(404, "not_found");
        assert!(!problem["detail"].as_str().unwrap().contains("kept"), "{problem}");
    }
    app.delete(&flag("feature.a")).any_version().await.expect(204);
    app.post(&production, &json!({})).await.problem(409, "conflict");
    assert_eq!(versions(&items(&app, "feature.a", "").await), [3, 2, 1], "it can still be read");
});

on_both!(what_the_flag_no_longer_has_is_named, async |app| {
    let app = app.with_string_flag("text", &["a", "b", "c"]).await;
    let serve = json!({"split": {"weights": {"a": 50_000, "b": 30_000, "c": 20_000}}});
    let rule = json!({"id": "r1", "clauses": [{"attribute": "x", "op": "exists"}], "serve": {"variation": "b"}});
    let targets = json!([{"variation": "b", "keys": ["u"]}]);
    let whole =
        json!({"enabled": true, "off_variation": "b", "targets": targets, "rules": [rule], "fallthrough": serve});
    app.configure(PRODUCTION, "text", &whole).await.expect(200);
    let plain = json!({"enabled": true, "off_variation": "c", "fallthrough": {"variation": "a"}});
    app.configure(PRODUCTION, "text", &plain).await.expect(200);
    let less = json!([{"name": "a", "value": "a"}, {"name": "c", "value": "c"}]);
    app.patch(&flag("text"), &json!({"variations": less})).any_version().await.expect(200);

    let answer = app.post(&restored(PRODUCTION, "text", 2), &json!({})).await;
    let faults = answer.faults();
    assert!(faults.iter().any(|fault| fault == "/configuration/off_variation"), "{answer}");
    assert!(faults.iter().any(|fault| fault.starts_with("/configuration/targets/0")), "{answer}");
    assert!(faults.iter().any(|fault| fault.starts_with("/configuration/rules/0/serve")), "{answer}");
    assert!(faults.iter().any(|fault| fault.starts_with("/configuration/fallthrough")), "{answer}");
    let preview = app.post(&format!("{}?preview=true", restored(PRODUCTION, "text", 2)), &json!({})).await;
    assert_eq!(preview.faults(), faults);
    // Its history is shown as it was.
    let old = items(&app, "text", "").await.remove(2);
    let weights = json!({"a": 50_000, "b": 30_000, "c": 20_000});
    assert_eq!(old["configuration"]["fallthrough"]["split"]["weights"], weights);
});

on_both!(a_running_canary_keeps_its_split, async |app| {
    app.start_canary(PRODUCTION, "feature.a").await;
    let running = app.configured(PRODUCTION, "feature.a").await;
    for query in ["", "?preview=true"] {
        let path = format!("{}{query}", restored(PRODUCTION, "feature.a", 1));
        app.post(&path, &json!({})).await.problem(409, "conflict");
    }
    assert_eq!(app.configured(PRODUCTION, "feature.a").await, running);
    // What is not the canary's comes back.
    app.put_nothing(&configured(PRODUCTION, "feature.a", "/disable")).await.expect(200);
    let back = app.post(&restored(PRODUCTION, "feature.a", 2), &json!({})).await.expect(200);
    assert_eq!(back["configuration"], running["configuration"]);
    let told: Vec<_> = items(&app, "feature.a", "").await.iter().map(|item| item["action"].clone()).collect();
    assert_eq!(told, ["flag.restore", "flag.disable", "canary.start", "flag.create"]);
});

on_both!(only_so_many_versions_are_kept, async |app| {
    let app = app.with_flag("feature.a").await.with_flag("feature.b").await;
    for share in 1..=6 {
        app.roll_out(PRODUCTION, "feature.a", f64::from(share)).await;
    }
    app.start_again_with_history(3).await;
    app.roll_out(PRODUCTION, "feature.a", 10.0).await;
    let kept = items(&app, "feature.a", "").await;
    assert_eq!(versions(&kept), [8, 7, 6], "the first change after the setting brings it down");
    assert!(kept[2]["changes"].is_null() && kept[1]["changes"].is_array());
    let problem = app.post(&restored(PRODUCTION, "feature.a", 5), &json!({})).await.problem(404, "not_found");
    assert!(problem["detail"].as_str().unwrap().contains("only so many of the latest versions are kept"), "{problem}");
    app.post(&restored(PRODUCTION, "feature.a", 6), &json!({})).await.expect(200);
    assert_eq!(versions(&items(&app, "feature.a", "").await), [9, 8, 7]);
    app.put_nothing(&configured(PRODUCTION, "feature.b", "/disable")).await.expect(200);
    assert_eq!(versions(&items(&app, "feature.b", "").await), [2, 1], "each flag has its own");

    app.start_again_with_history(1).await;
    app.roll_out(PRODUCTION, "feature.a", 20.0).await;
    assert_eq!(versions(&items(&app, "feature.a", "").await), [10]);
    let snapshot = app.snapshot(PRODUCTION).await;
    assert_eq!(snapshot["flags"][0]["version"], 10);
});

on_both!(a_restore_and_a_change_do_not_overwrite_each_other, async |app| {
    let app = app.with_flag("feature.a").await;
    app.roll_out(PRODUCTION, "feature.a", 25.0).await;
    for round in 0..5 {
        // Version 1 is not in force, so that restoring it is a change.
        app.roll_out(PRODUCTION, "feature.a", f64::from(10 + round)).await;
        let version = app.configured(PRODUCTION, "feature.a").await["version"].as_u64().unwrap();
        let path = configured(PRODUCTION, "feature.a", "/rollout");
        let put = app.put(&path, &json!({"percentage": 50 + round})).version(version);
        let restore = app.post(&restored(PRODUCTION, "feature.a", 1), &json!({})).version(version);
        let answers = join_all([put, restore].map(|call| async move { call.await })).await;
        let won: Vec<_> = answers.iter().filter(|answer| answer.status == 200).collect();
        assert_eq!(won.len(), 1, "{} {}", answers[0], answers[1]);
        assert_eq!(won[0].json()["version"], version + 1);
        assert_eq!(app.configured(PRODUCTION, "feature.a").await, won[0].json());
    }
    let free = (0..10).map(|n| {
        let share = app.put(&configured(PRODUCTION, "feature.a", "/rollout"), &json!({"percentage": 10 + n}));
        let restore = app.post(&restored(PRODUCTION, "feature.a", 2), &json!({}));
        async move { (share.await.expect(200), restore.await.expect(200)) }
    });
    join_all(free).await;
    let all = items(&app, "feature.a", "?limit=500").await;
    let expected: Vec<_> = (1..=all.len() as u64).rev().collect();
    assert_eq!(versions(&all), expected, "every version once");
    let revisions: Vec<_> = all.iter().map(|item| item["revision"].as_u64().unwrap()).collect();
    assert!(revisions.windows(2).all(|pair| pair[0] == pair[1] + 1), "{revisions:?}");
    assert_eq!(all[0]["configuration"], app.configured(PRODUCTION, "feature.a").await["configuration"]);
});

on_both!(a_new_environment_has_its_own_history, async |app| {
    let app = app.with_flag("feature.a").await;
    app.post("/api/v1/projects/default/environments", &json!({"key": "qa"})).await.expect(201);
    let page = app.get(&history("qa", "feature.a", "")).await.expect(200);
    assert_eq!(page["items"][0]["action"], "environment.create");
    assert_eq!(page["items"][0]["revision"], 1);
    app.roll_out("qa", "feature.a", 5.0).await;
    assert_eq!(items(&app, "feature.a", "").await.len(), 1);
    app.delete(&environment("qa")).any_version().await.expect(204);
});
