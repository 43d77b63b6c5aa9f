//! `?preview=true`: who would move, and nobody does.

use serde_json::{Value, json};

use crate::harness::{Answer, DEVELOPMENT, FLAGS, PRODUCTION, TestApp, configured, flag, on_both};

/// The bucket that each of the 100,000 is served by, from the ranges of the fallthrough.
fn buckets(view: &Value) -> Vec<String> {
    let whole = json!([[100_000, view["configuration"]["fallthrough"]["variation"]]]);
    let ranges = view["allocations"].get("fallthrough").unwrap_or(&whole).as_array().unwrap();
    let mut buckets = Vec::with_capacity(100_000);
    for range in ranges {
        buckets.resize(range[0].as_u64().unwrap().try_into().unwrap(), range[1].as_str().unwrap().to_owned());
    }
    buckets
}

fn moved(before: &Value, after: &Value) -> u64 {
    buckets(before).iter().zip(buckets(after)).filter(|(a, b)| **a != *b).count() as u64
}

/// Asks for the preview of a change, makes it, and compares.
async fn as_announced(app: &TestApp, flag: &str, call: impl AsyncFn(&str) -> Answer) -> Value {
    let (before, revision) = (app.configured(DEVELOPMENT, flag).await, app.revision(DEVELOPMENT).await);
    let preview = call("?preview=true").await.expect(200);
    assert_eq!(app.configured(DEVELOPMENT, flag).await, before, "a preview changes nothing");
    assert_eq!(app.revision(DEVELOPMENT).await, revision);
    call("").await.expect(200);
    let after = app.configured(DEVELOPMENT, flag).await;
    assert_eq!(preview["moved"], moved(&before, &after), "{preview}");
    let sum: u64 = preview["moves"].as_array().unwrap().iter().map(|m| m["buckets"].as_u64().unwrap()).sum();
    assert_eq!(preview["moved"], sum);
    preview
}

on_both!(a_rollout_moves_as_announced, async |app| {
    let app = app.with_flag("feature.a").await.with_string_flag("text", &["a", "b", "c"]).await;
    let to = async |flag: &str, body: Value| {
        let call =
            async |query: &str| app.put(&configured(DEVELOPMENT, flag, &format!("/rollout{query}")), &body).await;
        as_announced(&app, flag, call).await
    };
    let preview = to("feature.a", json!({"percentage": 10})).await;
    let moves = json!([{"where": "fallthrough", "from": "off", "to": "on", "buckets": 10_000}]);
    assert_eq!((&preview["moved"], &preview["moves"]), (&json!(10_000), &moves));
    let preview = to("feature.a", json!({"percentage": 25})).await;
    let moves = json!([{"where": "fallthrough", "from": "off", "to": "on", "buckets": 15_000}]);
    assert_eq!((&preview["moved"], &preview["moves"]), (&json!(15_000), &moves));
    let preview = to("feature.a", json!({"percentage": 25})).await;
    assert_eq!((&preview["moved"], &preview["moves"]), (&json!(0), &json!([])));
    to("feature.a", json!({"percentage": 0})).await;

    for weights in [[33.0, 33.0, 34.0], [50.0, 25.0, 25.0], [0.0, 0.0, 100.0], [12.345, 67.655, 20.0]] {
        to("text", json!({"weights": {"a": weights[0], "b": weights[1], "c": weights[2]}})).await;
    }
});

on_both!(a_whole_configuration_moves_as_announced, async |app| {
    let app = app.with_string_flag("text", &["a", "b", "c"]).await;
    let put = async |configuration: Value| {
        let call = async |query: &str| {
            let path = configured(DEVELOPMENT, "text", query);
            app.put(&path, &json!({"configuration": configuration})).any_version().await
        };
        as_announced(&app, "text", call).await
    };
    let patch = async |configuration: Value| {
        let call = async |query: &str| {
            let path = configured(DEVELOPMENT, "text", query);
            app.patch(&path, &json!({"configuration": configuration})).any_version().await
        };
        as_announced(&app, "text", call).await
    };
    let split = |a: u32, b: u32, c: u32| json!({"split": {"weights": {"a": a, "b": b, "c": c}}});
    put(json!({"enabled": true, "off_variation": "c", "fallthrough": split(33_000, 33_000, 34_000)})).await;
    let preview =
        put(json!({"enabled": true, "off_variation": "c", "fallthrough": split(50_000, 25_000, 25_000)})).await;
    assert_eq!(preview["moved"], 17_000);
    let preview = patch(json!({"fallthrough": split(60_000, 15_000, 25_000)})).await;
    assert_eq!(preview["moves"], json!([{"where": "fallthrough", "from": "b", "to": "a", "buckets": 10_000}]));
    let preview = patch(json!({"fallthrough": {"variation": "c", "split": null}})).await;
    assert_eq!(preview["moved"], 75_000);
});

on_both!(a_preview_is_asked_for_clearly, async |app| {
    let app = app.with_flag("feature.a").await;
    let path = |query: &str| configured(DEVELOPMENT, "feature.a", &format!("/rollout?preview={query}"));
    for unclear in ["", "1", "yes", "True", "TRUE"] {
        let answer = app.put(&path(unclear), &json!({"percentage": 10})).await;
        assert_eq!(answer.faults(), ["/preview"], "{unclear}");
    }
    // Were it left out for a slip of the pen, the change would be made.
    let slip = path("true").replace("preview=", "previev=");
    app.put(&slip, &json!({"percentage": 10})).await.problem(400, "malformed");
    assert_eq!(app.configured(DEVELOPMENT, "feature.a").await["version"], 1);
    app.put(&path("false"), &json!({"percentage": 10})).await.expect(200);
    assert_eq!(app.configured(DEVELOPMENT, "feature.a").await["version"], 2);
});

on_both!(a_preview_is_refused_as_the_change_would_be, async |app| {
    let app = app.with_flag("feature.a").await;
    let whole =
        json!({"configuration": {"enabled": true, "off_variation": "none", "fallthrough": {"variation": "on"}}});
    let path = configured(DEVELOPMENT, "feature.a", "?preview=true");
    assert_eq!(app.put(&path, &whole).await.faults(), ["/configuration/off_variation"]);
    app.patch(&path, &json!({})).version(7).await.problem(412, "stale_version");
    let nobody = json!({
        "moved": 0, "moves": [], "variations": [], "recent_users": {"seen": 0, "moved": 0, "uncertain": 0, "moves": []},
        "summary": "0 users switch away, and nobody gains anything.",
    });
    assert_eq!(app.patch(&path, &json!({})).version(1).await.expect(200), nobody);
});

/// Lets an environment see these users.
pub(crate) async fn see(app: &TestApp, environment: &str, users: std::ops::Range<usize>) {
    app.clone().with_flag("seen").await;
    for user in users {
        let context = json!({"targetingKey": format!("user-{user}"), "country": "NO"});
        app.evaluate(environment, "seen", &context).await.expect(200);
    }
}

/// How many of the users that [`see`] has seen are served something else after `change`, by asking for each.
pub(super) async fn served(app: &TestApp, flag: &str, users: std::ops::Range<usize>) -> Vec<Value> {
    let mut served = Vec::new();
    for user in users {
        let context = json!({"targetingKey": format!("user-{user}")});
        served.push(app.evaluate(DEVELOPMENT, flag, &context).await.expect(200)["variant"].clone());
    }
    served
}

on_both!(users_seen_of_late_move_as_announced, async |app| {
    let app = app.with_flag("feature.a").await.with_flag("feature.b").await.with_flag("feature.c").await;
    let prerequisites = json!([{"flag": "feature.a", "variations": ["on"]}]);
    let needs = json!({"enabled": true, "off_variation": "off", "prerequisites": prerequisites,
        "fallthrough": {"variation": "on"}});
    app.configure(DEVELOPMENT, "feature.b", &needs).await.expect(200);
    let of_b = json!([{"flag": "feature.b", "variations": ["on"]}]);
    let needs =
        json!({"enabled": true, "off_variation": "off", "prerequisites": of_b, "fallthrough": {"variation": "on"}});
    app.configure(DEVELOPMENT, "feature.c", &needs).await.expect(200);
    see(&app, DEVELOPMENT, 0..60).await;

    let rollout = configured(DEVELOPMENT, "feature.a", "/rollout");
    let preview = app.put(&format!("{rollout}?preview=true"), &json!({"percentage": 40})).await.expect(200);
    let before = served(&app, "feature.a", 0..60).await;
    app.put(&rollout, &json!({"percentage": 40})).await.expect(200);
    let after = served(&app, "feature.a", 0..60).await;
    let moved = before.iter().zip(&after).filter(|(before, after)| before != after).count();
    assert!((10..40).contains(&moved), "{moved}");
    let moves = json!([{"from": "off", "to": "on", "users": moved}]);
    assert_eq!(preview["recent_users"], json!({"seen": 60, "moved": moved, "uncertain": 0, "moves": moves}));
    assert_eq!(
        preview["variations"],
        json!([
            {"variation": "off", "gains": 0, "loses": 40_000}, {"variation": "on", "gains": 40_000, "loses": 0},
        ])
    );
    let dependents: Vec<_> = preview["dependents"].as_array().unwrap().iter().map(|one| &one["flag"]).collect();
    assert_eq!(dependents, ["feature.b", "feature.c"]);
    assert_eq!(preview["dependents"][1]["recent_users"]["moved"], moved, "through the other one");
    let summary = preview["summary"].as_str().unwrap();
    let about = format!("About {moved} of the 60 users seen in the last 24 hours move.");
    assert!(summary.starts_with("0 users switch away; 40 % gain `on`. "), "{summary}");
    assert!(summary.contains(&about), "{summary}");
    assert!(summary.contains("Flag `feature.b` depends on this one"), "{summary}");

    // Of new splits of rules alike.
    let clause = |end: &str| json!({"attribute": "targetingKey", "op": "ends_with", "values": [end]});
    let half = json!({"split": {"weights": {"on": 50_000, "off": 50_000}}});
    let rule = |end: &str| json!({"clauses": [clause(end)], "serve": half});
    let patch = json!({"configuration": {"rules": [rule("1"), rule("2"), rule("3")]}});
    let path = configured(DEVELOPMENT, "feature.a", "");
    let preview = app.patch(&format!("{path}?preview=true"), &patch).await.expect(200);
    let before = served(&app, "feature.a", 0..60).await;
    app.patch(&path, &patch).any_version().await.expect(200);
    let after = served(&app, "feature.a", 0..60).await;
    let moved = before.iter().zip(&after).filter(|(before, after)| before != after).count();
    assert_eq!(preview["recent_users"]["moved"], moved);

    let other =
        app.put(&configured(PRODUCTION, "feature.a", "/rollout?preview=true"), &json!({"percentage": 40})).await;
    assert_eq!(other.expect(200)["recent_users"]["seen"], 0, "each environment has users of its own");
});

on_both!(switches_and_targets_move_as_announced, async |app| {
    let app = app.with_flag("feature.a").await;
    app.roll_out(DEVELOPMENT, "feature.a", 25.0).await;
    let path = |rest: &str| configured(DEVELOPMENT, "feature.a", rest);
    let call = async |query: &str| app.put_nothing(&path(&format!("/disable{query}"))).await;
    let preview = as_announced_of(&app, &call).await;
    assert_eq!(preview["moves"], json!([{"where": "fallthrough", "from": "on", "to": "off", "buckets": 25_000}]));
    assert_eq!(preview["summary"], "25 % lose `on`.");
    let call = async |query: &str| app.put_nothing(&path(&format!("/enable{query}"))).await;
    let preview = as_announced_of(&app, &call).await;
    assert_eq!(preview["summary"], "0 users switch away; 25 % gain `on`.");

    // One whom the split serves `off`.
    let users = async |user: usize| {
        let context = json!({"targetingKey": format!("user-{user}")});
        app.evaluate(DEVELOPMENT, "feature.a", &context).await.expect(200)["variant"] == "off"
    };
    let mut user = 0;
    while !users(user).await {
        user += 1;
    }
    let target = format!("/targets/on/user-{user}");
    let call = async |query: &str| app.put_nothing(&path(&format!("{target}{query}"))).await;
    let preview = as_announced_of(&app, &call).await;
    let moves = json!([{"from": "off", "to": "on", "users": 1}]);
    assert_eq!(preview["changed_targets"], json!({"users": 1, "moved": 1, "moves": moves}));
    assert!(
        preview["summary"].as_str().unwrap().starts_with("1 user with a target of their own goes from `off` to `on`.")
    );
    let call = async |query: &str| app.delete(&path(&format!("{target}{query}"))).await;
    let preview = as_announced_of(&app, &call).await;
    assert_eq!(preview["changed_targets"]["moves"], json!([{"from": "on", "to": "off", "users": 1}]));
    app.delete(&path(&format!("{target}?preview=true"))).await.problem(404, "not_found");
    app.put_nothing(&path("/targets/none/u?preview=true")).await.problem(404, "not_found");
});

/// Asks for a preview, which changes nothing, and makes the change.
async fn as_announced_of(app: &TestApp, call: &impl AsyncFn(&str) -> Answer) -> Value {
    let before = app.configured(DEVELOPMENT, "feature.a").await;
    let preview = call("?preview=true").await.expect(200);
    assert_eq!(app.configured(DEVELOPMENT, "feature.a").await, before, "a preview changes nothing");
    assert_ne!(call("").await.expect(200)["version"], before["version"]);
    preview
}

on_both!(what_buckets_do_not_tell_is_counted_on_users, async |app| {
    let app = app.with_flag("feature.a").await;
    see(&app, DEVELOPMENT, 0..20).await;
    let path = configured(DEVELOPMENT, "feature.a", "?preview=true");
    let clause = json!({"attribute": "targetingKey", "op": "ends_with", "values": ["7"]});
    let rule = json!({"id": "sevens", "clauses": [clause], "serve": {"variation": "on"}});
    let preview = app.patch(&path, &json!({"configuration": {"rules": [rule]}})).await.expect(200);
    assert_eq!((&preview["moved"], &preview["changed_rules"]), (&json!(0), &json!(["sevens"])));
    assert_eq!(preview["recent_users"]["moved"], 2, "user-7 and user-17");
    let prerequisites = json!([{"flag": "seen", "variations": ["on"]}]);
    let preview = app.patch(&path, &json!({"configuration": {"prerequisites": prerequisites}})).await.expect(200);
    assert_eq!(preview["changed_prerequisites"], true);
    let nobody = json!({"seen": 20, "moved": 0, "uncertain": 0, "moves": []});
    assert_eq!(preview["recent_users"], nobody, "it serves off either way");

    let clause = json!({"attribute": "country", "op": "in", "values": ["NO"]});
    let rule = json!({"id": "north", "clauses": [clause], "serve": {"variation": "on"}});
    let preview = app.patch(&path, &json!({"configuration": {"rules": [rule]}})).await.expect(200);
    let anybody = json!({"seen": 20, "moved": 0, "uncertain": 20, "moves": []});
    assert_eq!(preview["recent_users"], anybody, "where they are from is not kept");
    let summary = preview["summary"].as_str().unwrap();
    let told = "About 0 of the 20 users seen in the last 24 hours move, going by their keys alone; \
                what 20 get depends on other attributes.";
    assert!(summary.ends_with(told), "{summary}");
    let split = json!({"bucket_by": "company", "weights": {"on": 100_000}});
    let preview = app
        .patch(&path, &json!({"configuration": {"fallthrough": {"split": split, "variation": null}}}))
        .await
        .expect(200);
    assert_eq!(preview["recent_users"], anybody, "nor is the company");
});

on_both!(what_is_served_where_prerequisites_fail_is_told_of, async |app| {
    let app = app.with_flag("seen.before").await.with_string_flag("text", &["a", "b", "c"]).await;
    see(&app, DEVELOPMENT, 0..20).await;
    let needs = json!([{"flag": "seen.before", "variations": ["on"]}]);
    let whole =
        json!({"enabled": true, "off_variation": "c", "prerequisites": needs, "fallthrough": {"variation": "a"}});
    app.configure(DEVELOPMENT, "text", &whole).await.expect(200);
    let path = configured(DEVELOPMENT, "text", "?preview=true");
    let preview = app.patch(&path, &json!({"configuration": {"off_variation": "b"}})).await.expect(200);
    assert_eq!((&preview["changed_prerequisites"], &preview["recent_users"]["moved"]), (&json!(true), &json!(20)));
    let summary = preview["summary"].as_str().unwrap();
    assert!(summary.starts_with("The prerequisites change, or what is served where they do not hold: "), "{summary}");
});

on_both!(who_sees_a_flag_is_told_of, async |app| {
    let app = app.with_flag("feature.a").await;
    for (visible, end) in [
        (true, "are served it, in place of their own defaults."),
        (false, "are served their own defaults in its place."),
    ] {
        let path = |query: &str| format!("{}{query}", flag("feature.a"));
        let patch = json!({"client_visible": visible});
        let preview = app.patch(&path("?preview=true"), &patch).any_version().await.expect(200);
        let here = &preview["environments"][DEVELOPMENT];
        assert_eq!(here["changed_visibility"], true);
        assert!(here["summary"].as_str().unwrap().ends_with(end), "{here}");
        app.patch(&path(""), &patch).any_version().await.expect(200);
    }
});

on_both!(new_values_move_as_announced, async |app| {
    let variations = |large: i64| json!([{"name": "large", "value": large}, {"name": "small", "value": 20}]);
    let body = json!({"key": "page.size", "type": "integer", "variations": variations(50)});
    app.post(FLAGS, &body).await.expect(201);
    let rollout = configured(DEVELOPMENT, "page.size", "/rollout");
    app.put(&rollout, &json!({"weights": {"large": 40, "small": 60}})).await.expect(200);
    see(&app, DEVELOPMENT, 0..30).await;
    let large = served(&app, "page.size", 0..30).await.iter().filter(|served| **served == "large").count();
    let path = format!("{}?preview=true", flag("page.size"));
    let before = app.get(&flag("page.size")).await.expect(200);
    let preview = app.patch(&path, &json!({"variations": variations(100)})).any_version().await.expect(200);
    assert_eq!(app.get(&flag("page.size")).await.expect(200), before);
    let here = &preview["environments"][DEVELOPMENT];
    assert_eq!(here["moves"], json!([{"where": "fallthrough", "from": "large", "to": "large", "buckets": 40_000}]));
    assert_eq!(here["recent_users"]["moved"], large);
    assert!(here["summary"].as_str().unwrap().contains("40 % are served another value of `large`"), "{here}");
    let there = &preview["environments"][PRODUCTION];
    assert_eq!((&there["moved"], &there["recent_users"]["seen"]), (&json!(0), &json!(0)));

    let preview = app.patch(&path, &json!({"name": "Size"})).any_version().await.expect(200);
    assert_eq!(preview["environments"][DEVELOPMENT]["moved"], 0);
    let gone = json!([{"name": "small", "value": 20}]);
    let fault = format!("/environments/{DEVELOPMENT}/fallthrough/split/ranges/0");
    let refused = app.patch(&path, &json!({"variations": gone})).any_version().await;
    assert!(refused.faults().contains(&fault), "{refused}");
    app.patch(&path, &json!({"name": "x"})).version(9).await.problem(412, "stale_version");
    app.delete(&flag("page.size")).any_version().await.expect(204);
    let back = app.patch(&path, &json!({"archived": false})).any_version().await.expect(200);
    let recent = &back["environments"][DEVELOPMENT]["recent_users"];
    assert_eq!((&recent["moved"], &recent["moves"][0]["from"]), (&json!(30), &json!(null)));
    assert_eq!(back["environments"][DEVELOPMENT]["moved"], 100_000);
});
