//! `?preview=true` on an action on many flags, and on the archive.

use serde_json::{Value, json};

use super::preview::{see, served};
use crate::harness::{Call, DEVELOPMENT, FLAGS, PRODUCTION, TestApp, configured, flag, on_both};

const BULK: &str = "/api/v1/projects/default/flags:bulk";

fn preview(app: &TestApp, body: &Value) -> Call {
    app.post(&format!("{BULK}?preview=true"), body)
}

/// Everything that a change would leave a trace in.
async fn all(app: &TestApp) -> Vec<Value> {
    let mut all = vec![app.get(FLAGS).await.expect(200), app.get("/api/v1/audit").await.expect(200)];
    for environment in [DEVELOPMENT, PRODUCTION] {
        all.push(app.snapshot(environment).await);
    }
    all
}

/// How many of the first 60 users are served something else by `flag` after `change`.
async fn moved(before: &[Value], app: &TestApp, flag: &str) -> usize {
    before.iter().zip(served(app, flag, 0..60).await).filter(|(before, after)| **before != *after).count()
}

/// A flag that serves `on` to whom another serves `on`.
async fn with_dependent(app: TestApp, key: &str, on: &str) -> TestApp {
    let app = app.with_flag(key).await;
    let needs = json!([{"flag": on, "variations": ["on"]}]);
    let body =
        json!({"enabled": true, "off_variation": "off", "prerequisites": needs, "fallthrough": {"variation": "on"}});
    app.configure(DEVELOPMENT, key, &body).await.expect(200);
    app
}

on_both!(many_switches_move_as_announced, async |app| {
    let app = with_dependent(app.with_flag("a").await.with_flag("b").await, "needs-a", "a").await;
    let app = with_dependent(app, "alone", "a").await;
    app.roll_out(DEVELOPMENT, "a", 40.0).await;
    app.roll_out(DEVELOPMENT, "b", 25.0).await;
    see(&app, DEVELOPMENT, 0..60).await;
    let before = all(&app).await;
    let flags = ["b", "a", "needs-a"];
    let body = json!({"action": "disable", "flags": flags, "environment": DEVELOPMENT});
    let told = preview(&app, &body).by(&app.credentials().viewer).await.expect(200);
    assert_eq!(all(&app).await, before, "a preview changes nothing");
    assert_eq!(told["shrinks"], false);
    let items = told["items"].as_array().unwrap();
    assert!(items.iter().all(|item| item["environments"].as_object().unwrap().len() == 1));
    let of = |at: usize| &items[at]["environments"][DEVELOPMENT];
    let moves = |buckets: u32| json!([{"where": "fallthrough", "from": "on", "to": "off", "buckets": buckets}]);
    assert_eq!((&items[0]["flag"], &of(0)["moves"]), (&json!("b"), &moves(25_000)));
    assert_eq!((&items[1]["flag"], &of(1)["moves"]), (&json!("a"), &moves(40_000)));
    let dependents: Vec<_> = of(1)["dependents"].as_array().unwrap().iter().map(|one| &one["flag"]).collect();
    assert_eq!(dependents, ["alone", "needs-a"]);

    let mut were = Vec::new();
    for flag in flags {
        were.push(served(&app, flag, 0..60).await);
    }
    app.post(BULK, &body).await.expect(200);
    for (at, flag) in flags.into_iter().enumerate() {
        let moved = moved(&were[at], &app, flag).await;
        assert!(moved > 0, "{flag}");
        assert_eq!(of(at)["recent_users"]["moved"], moved, "{flag}: {}", of(at));
    }
    let again = preview(&app, &body).await.expect(200);
    let (zero, one) = (&again["items"][1]["environments"][DEVELOPMENT], json!(0));
    assert_eq!((&zero["moved"], &zero["recent_users"]["moved"]), (&one, &one), "it is off already");
    let back = json!({"action": "enable", "flags": ["a"], "environment": DEVELOPMENT});
    let back = preview(&app, &back).await.expect(200);
    assert_eq!(
        back["items"][0]["environments"][DEVELOPMENT]["summary"].as_str().unwrap().split('.').next(),
        Some("0 users switch away; 40 % gain `on`")
    );
});

on_both!(an_archive_of_many_moves_as_announced, async |app| {
    let app = with_dependent(app.with_flag("a").await.with_flag("old").await, "needs-a", "a").await;
    app.delete(&flag("old")).any_version().await.expect(204);
    see(&app, DEVELOPMENT, 0..20).await;
    let before = all(&app).await;
    let body = json!({"action": "archive", "flags": ["a", "old", "needs-a"]});
    // Two of three flags in use: the change itself has to be confirmed.
    app.post(BULK, &body).await.problem(409, "conflict");
    for query in ["?preview=true", "?preview=true&confirm_shrink=true"] {
        let told = app.post(&format!("{BULK}{query}"), &body).await.expect(200);
        assert_eq!(told["shrinks"], true);
        for (at, flag) in [(0, "a"), (2, "needs-a")] {
            let item = &told["items"][at];
            assert_eq!(item["flag"], flag);
            let here = &item["environments"][DEVELOPMENT];
            assert_eq!(here["moved"], 100_000);
            let moves = json!([{"from": "off", "to": null, "users": 20}]);
            assert_eq!(
                here["recent_users"],
                json!({"seen": 20, "moved": 20, "uncertain": 0, "moves": moves}),
                "{flag}"
            );
            assert!(here["summary"].as_str().unwrap().contains("their services' own defaults"), "{here}");
            assert_eq!(item["environments"][PRODUCTION]["recent_users"]["seen"], 0);
        }
        let old = &told["items"][1]["environments"][DEVELOPMENT];
        assert_eq!((&old["moved"], &old["recent_users"]["moved"]), (&json!(0), &json!(0)), "it is archived already");
    }
    assert_eq!(all(&app).await, before, "a preview changes nothing");
    let one = preview(&app, &json!({"action": "archive", "flags": ["needs-a"]})).await.expect(200);
    assert_eq!(one["shrinks"], false);
    let tag = preview(&app, &json!({"action": "tag", "flags": ["a"], "add": ["x"]})).await.expect(200);
    assert_eq!(tag, json!({"items": [{"flag": "a", "environments": {}}], "shrinks": false}), "nobody moves");
    assert_eq!(all(&app).await, before);
});

on_both!(a_preview_of_many_is_refused_as_the_change_would_be, async |app| {
    let app = with_dependent(app.with_flag("a").await.with_flag("old").await, "needs-a", "a").await;
    app.delete(&flag("old")).any_version().await.expect(204);
    let switch = |flags: Value| json!({"action": "disable", "flags": flags, "environment": DEVELOPMENT});
    assert_eq!(preview(&app, &switch(json!(["a", "none"]))).await.faults(), ["/flags/1"]);
    let refused = preview(&app, &switch(json!(["a", "old"]))).await.problem(409, "conflict");
    assert_eq!(refused["errors"][0]["pointer"], "/flags/1");
    let refused = preview(&app, &json!({"action": "archive", "flags": ["a"]})).await.problem(409, "conflict");
    assert!(refused["errors"][0]["message"].as_str().unwrap().contains("flag needs-a"), "{refused}");
    let nowhere = json!({"action": "enable", "flags": ["a"], "environment": "nowhere"});
    assert_eq!(preview(&app, &nowhere).await.faults(), ["/environment"]);
    assert_eq!(app.post(&format!("{BULK}?preview=1"), &switch(json!(["a"]))).await.faults(), ["/preview"]);
});

on_both!(the_archive_of_a_flag_moves_as_announced, async |app| {
    let app = with_dependent(app.with_flag("a").await, "needs-a", "a").await;
    app.roll_out(DEVELOPMENT, "needs-a", 40.0).await;
    see(&app, DEVELOPMENT, 0..30).await;
    let before = all(&app).await;
    let path = |key: &str| format!("{}?preview=true", flag(key));
    let refused = app.delete(&path("a")).any_version().await.problem(409, "conflict");
    assert!(refused["errors"][0]["message"].as_str().unwrap().contains("flag needs-a"), "{refused}");
    app.delete(&path("needs-a")).await.problem(428, "precondition_required");
    app.delete(&path("needs-a")).version(7).await.problem(412, "stale_version");
    app.delete(&path("none")).any_version().await.problem(404, "not_found");
    assert_eq!(app.delete(&format!("{}&purge=true", path("a"))).any_version().await.faults(), ["/preview"]);
    let told = app.delete(&path("needs-a")).version(1).by(&app.credentials().viewer).await.expect(200);
    assert_eq!(all(&app).await, before, "a preview changes nothing");
    let here = &told["environments"][DEVELOPMENT];
    let users: u64 =
        here["recent_users"]["moves"].as_array().unwrap().iter().map(|m| m["users"].as_u64().unwrap()).sum();
    assert_eq!((&here["moved"], users), (&json!(100_000), 30));
    assert_eq!(told["environments"].as_object().unwrap().len(), 3);
    app.delete(&flag("needs-a")).any_version().await.expect(204);
    let again = app.delete(&path("needs-a")).any_version().await.expect(200);
    assert_eq!(again["environments"][DEVELOPMENT]["moved"], 0, "it is archived already");

    app.delete(&flag("a")).any_version().await.expect(204);
    let back = app.patch(&path("needs-a"), &json!({"archived": false})).any_version().await;
    assert_eq!(back.faults(), [format!("/environments/{DEVELOPMENT}/prerequisites/0/flag")], "as the change would be");
    app.get(&configured(DEVELOPMENT, "needs-a", "")).await.expect(200);
});
