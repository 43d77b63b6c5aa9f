//! What a release left in the history, and what was read while it ran: it does not come back as a split of everyone.

use bellwether_core::window::TREATMENT;
use serde_json::{Value, json};

use super::{USERS, act, canary, held, policy, served_to_all, start, user};
use crate::harness::{DEVELOPMENT, FLAGS, PRODUCTION, TestApp, configured, flag, on_both, state};

const A: &str = "canary.a";

fn restore(version: &Value, query: &str) -> String {
    configured(PRODUCTION, A, &format!("/history/{version}/restore{query}"))
}

/// A version of the flag's history, from the newest on.
async fn versions(app: &TestApp) -> Vec<Value> {
    app.get(&configured(PRODUCTION, A, "/history")).await.expect(200)["items"].as_array().unwrap().clone()
}

/// Two releases of one layer, which have all of it between them; how the first one's flag is configured then.
async fn both_run(app: &TestApp) -> Value {
    start(app, A, &policy("checkout", 20.0)).await.expect(200);
    start(app, "canary.b", &policy("checkout", 80.0)).await.expect(200);
    app.configured(PRODUCTION, A).await
}

/// What the flag serves each user and by which arm, as SDKs have it.
async fn everyone(app: &TestApp, key: &str) -> Vec<(String, Option<String>)> {
    let state = state(app, PRODUCTION).await;
    let owned = |(variation, arm): (&str, Option<&str>)| (variation.to_owned(), arm.map(str::to_owned));
    served_to_all(&state, key).into_iter().map(owned).collect()
}

on_both!(what_a_layer_limited_does_not_come_back_for_everyone, async |app| {
    let during = both_run(&app).await;
    let then = everyone(&app, A).await;
    let in_b: Vec<_> = everyone(&app, "canary.b").await.into_iter().map(|(_, arm)| arm.is_some()).collect();
    let treated = then.iter().position(|(variation, _)| variation == "on").unwrap();
    assert!(!in_b[treated]);
    act(&app, A, "rollback").await.expect(200);
    let ended = app.configured(PRODUCTION, A).await;

    let revision = app.revision(PRODUCTION).await;
    for query in ["?preview=true", ""] {
        let refused = app.post(&restore(&during["version"], query), &json!({})).await.problem(409, "conflict");
        let detail = refused["detail"].as_str().unwrap();
        for part in ["20 % of layer checkout", "has ended", "before the release or from after it"] {
            assert!(detail.contains(part), "{part} is not in {detail}");
        }
    }
    assert_eq!((app.configured(PRODUCTION, A).await, app.revision(PRODUCTION).await), (ended.clone(), revision));
    assert!(everyone(&app, A).await.iter().all(|(variation, _)| variation == "off"), "nobody was moved");

    // What it says to do instead can be done.
    app.post(&restore(&ended["version"], ""), &json!({})).await.expect(200);
    let before = app.post(&restore(&json!(1), ""), &json!({})).await.expect(200);
    assert_eq!(before["configuration"]["fallthrough"], json!({"variation": "off"}));
    app.post(&restore(&during["version"], ""), &json!({})).await.problem(409, "conflict");

    // The past is told as it was: who was treated, and who was another release's.
    let made = versions(&app).await.into_iter().find(|one| one["version"] == during["version"]).unwrap();
    let moments = [format!("?revision={}", made["revision"]), format!("?at={}", made["at"].as_str().unwrap())];
    let of_b = in_b.iter().position(|inside| *inside).unwrap();
    for (asked, number) in moments.iter().flat_map(|asked| [(asked, treated), (asked, of_b)]) {
        let path = configured(PRODUCTION, A, &format!("/explain{asked}"));
        let told = app.post(&path, &json!({"context": user(number as u32)})).await.expect(200);
        let (variation, arm) = &then[number];
        assert_eq!((told["variation"].as_str(), told["arm"].as_str()), (Some(&**variation), arm.as_deref()), "{asked}");
        let layer = told["steps"].as_array().unwrap().iter().find(|step| step["step"] == "layer").unwrap().clone();
        assert_eq!(layer["inside"], number == treated, "{asked}");
    }
});

on_both!(while_the_release_runs_its_versions_come_back_within_the_layer, async |app| {
    let during = both_run(&app).await;
    let then = everyone(&app, A).await;
    let part = held(&app, A).await;
    app.put_nothing(&configured(PRODUCTION, A, "/targets/on/user-7")).await.expect(200);
    let preview = app.post(&restore(&during["version"], "?preview=true"), &json!({})).await.expect(200);
    assert_eq!((&preview["moved"], &preview["changed_targets"]["users"]), (&json!(0), &json!(1)));
    let back = app.post(&restore(&during["version"], ""), &json!({})).await.expect(200);
    assert_eq!(back["configuration"], during["configuration"]);
    assert_eq!((held(&app, A).await, everyone(&app, A).await), (part, then));

    // Another share is the release's to give.
    act(&app, A, "advance").await.expect(200);
    app.post(&restore(&during["version"], ""), &json!({})).await.problem(409, "conflict");
    act(&app, A, "rollback").await.expect(200);

    // A later release has the split, and keeps it to its own part of the layer.
    app.put(&canary(A, ""), &policy("checkout", 15.0)).any_version().await.expect(200);
    act(&app, A, "start").await.expect(200);
    app.put_nothing(&configured(PRODUCTION, A, "/targets/on/user-7")).await.expect(200);
    let back = app.post(&restore(&during["version"], ""), &json!({})).await.expect(200);
    assert_eq!(back["configuration"]["fallthrough"]["split"]["layer"]["percentage"], 15);
    assert_eq!(held(&app, A).await["ranges"], json!([[0, 15_000]]));
    let in_arms = everyone(&app, A).await.iter().filter(|(_, arm)| arm.is_some()).count();
    assert!((in_arms as f64 / f64::from(USERS) - 0.15).abs() < 0.014, "{in_arms}");
});

on_both!(the_history_says_whom_a_split_was_for, async |app| {
    let during = both_run(&app).await;
    act(&app, A, "promote").await.expect(200);
    let limit = json!({"name": "checkout", "percentage": 20, "otherwise": "off"});
    assert_eq!(during["configuration"]["fallthrough"]["split"]["layer"], limit);
    let all = versions(&app).await;
    let of = |version: &Value| all.iter().find(|one| one["version"] == *version).unwrap();
    assert_eq!(of(&during["version"])["configuration"], during["configuration"]);
    assert!(all[0]["configuration"]["fallthrough"]["split"].get("layer").is_none(), "{}", all[0]);
    let gone = json!([
        {"pointer": "/fallthrough/split/layer", "before": limit, "after": null},
        {"pointer": "/fallthrough/split/weights/off", "before": 90_000, "after": 0},
        {"pointer": "/fallthrough/split/weights/on", "before": 10_000, "after": 100_000},
    ]);
    assert_eq!(all[0]["changes"], gone);
    let audit = app.get("/api/v1/audit?action=canary.promote").await.expect(200);
    assert_eq!(audit["items"][0]["changes"], gone, "the audit says the same");
});

on_both!(what_was_read_in_a_layer_is_not_written_elsewhere, async |app| {
    let app = app.with_flag("feature.other").await;
    let during = both_run(&app).await;
    let read = &during["configuration"];
    let then = everyone(&app, A).await;

    // Where it was read it is what it was, and everything else can be changed.
    let same = app.configure(PRODUCTION, A, read).await.expect(200);
    assert_eq!(same["version"], during["version"]);
    let on = json!({"configuration": {"targets": [{"variation": "on", "keys": ["somebody"]}]}});
    let patched = app.patch(&configured(PRODUCTION, A, ""), &on).any_version().await.expect(200);
    assert_eq!(patched["configuration"]["fallthrough"], read["fallthrough"]);
    let mut without = patched["configuration"].clone();
    without["fallthrough"]["split"].as_object_mut().unwrap().remove("layer");
    let kept = app.configure(PRODUCTION, A, &without).await.expect(200);
    assert_eq!(kept["configuration"], patched["configuration"], "the layer is the release's, said or not");
    assert_eq!(everyone(&app, A).await, then);

    // Elsewhere it would be for everyone: in another environment, in another flag, under a rule, as another share.
    let at = "/configuration/fallthrough/split/layer";
    for (environment, key) in [(DEVELOPMENT, A), (PRODUCTION, "feature.other"), (PRODUCTION, "canary.b")] {
        for query in ["?preview=true", ""] {
            let document = json!({"configuration": read});
            let answer = app.put(&configured(environment, key, query), &document).any_version().await;
            answer.problem(422, "invalid");
            assert_eq!(answer.faults(), [at], "{environment} {key}");
        }
    }
    let mut strange = read.clone();
    strange["off_variation"] = json!("none");
    strange["fallthrough"]["split"]["layer"]["percentage"] = json!(30);
    strange["rules"] = json!([{"clauses": [], "serve": read["fallthrough"]}]);
    let mut found = app.configure(PRODUCTION, A, &strange).await.faults();
    found.sort();
    assert_eq!(found, [at, "/configuration/off_variation", "/configuration/rules/0/serve/split/layer"]);

    // Whoever means everyone says so, and is told who moves.
    let mut plain = read.clone();
    plain["fallthrough"]["split"].as_object_mut().unwrap().remove("layer");
    let document = json!({"configuration": plain});
    let other = configured(PRODUCTION, "feature.other", "?preview=true");
    let preview = app.put(&other, &document).any_version().await.expect(200);
    assert_eq!(preview["moves"], json!([{"where": "fallthrough", "from": "off", "to": "on", "buckets": 10_000}]));
    app.configure(PRODUCTION, "feature.other", &plain).await.expect(200);

    // When the release has ended there is no layer to be kept; what is read then can be written.
    act(&app, A, "rollback").await.expect(200);
    for read in [read, &patched["configuration"]] {
        let answer = app.configure(PRODUCTION, A, read).await;
        assert_eq!(answer.faults(), [at]);
        assert!(answer.json()["errors"][0]["message"].as_str().unwrap().contains("20 % of layer checkout"));
    }
    let ended = app.configured(PRODUCTION, A).await;
    let again = app.configure(PRODUCTION, A, &ended["configuration"]).await.expect(200);
    assert_eq!(again, ended);
});

on_both!(a_rule_that_a_layer_limited_is_not_restored_for_all_it_matches, async |app| {
    let app = app.with_flag(A).await;
    let rule = json!({"id": "nordic", "serve": {"variation": "off"},
                      "clauses": [{"attribute": "country", "op": "in", "values": ["NO"]}]});
    let whole = json!({"enabled": true, "off_variation": "off", "rules": [rule], "fallthrough": {"variation": "on"}});
    app.configure(PRODUCTION, A, &whole).await.expect(200);
    let mut wanted = policy("checkout", 25.0);
    wanted["where"] = json!("nordic");
    app.put(&canary(A, ""), &wanted).await.expect(200);
    act(&app, A, "start").await.expect(200);
    let during = app.configured(PRODUCTION, A).await;
    let split = &during["configuration"]["rules"][0]["serve"]["split"];
    assert_eq!(split["layer"], json!({"name": "checkout", "percentage": 25}));
    let same = app.configure(PRODUCTION, A, &during["configuration"]).await.expect(200);
    assert_eq!(same["version"], during["version"]);
    act(&app, A, "promote").await.expect(200);
    app.post(&restore(&during["version"], ""), &json!({})).await.problem(409, "conflict");
    let found = app.configure(PRODUCTION, A, &during["configuration"]).await.faults();
    assert_eq!(found, ["/configuration/rules/0/serve/split/layer"]);
});

on_both!(the_archive_keeps_what_was_limited, async |app| {
    let during = both_run(&app).await;
    app.delete(&flag(A)).any_version().await.problem(409, "conflict");
    act(&app, A, "rollback").await.expect(200);
    let ended = app.configured(PRODUCTION, A).await;
    app.delete(&flag(A)).any_version().await.expect(204);
    let kept = versions(&app).await.into_iter().find(|one| one["version"] == during["version"]).unwrap();
    assert_eq!(kept["configuration"], during["configuration"]);
    app.post(&restore(&during["version"], ""), &json!({})).await.problem(409, "conflict");
    app.patch(&flag(A), &json!({"archived": false})).any_version().await.expect(200);
    assert_eq!(app.configured(PRODUCTION, A).await["configuration"], ended["configuration"]);
    let refused = app.post(&restore(&during["version"], ""), &json!({})).await.problem(409, "conflict");
    assert!(refused["detail"].as_str().unwrap().contains("20 % of layer checkout"), "{refused}");
});

on_both!(many_at_once_are_told_within_their_layers, async |app| {
    both_run(&app).await;
    let then = everyone(&app, A).await;
    let bulk = |action: &str| json!({"action": action, "flags": [A, "canary.b"], "environment": PRODUCTION});
    let (preview, write) = (format!("{FLAGS}:bulk?preview=true"), format!("{FLAGS}:bulk"));
    let told = app.post(&preview, &bulk("disable")).await.expect(200);
    let moved: Vec<_> =
        told["items"].as_array().unwrap().iter().map(|item| &item["environments"][PRODUCTION]).collect();
    assert_eq!([&moved[0]["moved"], &moved[1]["moved"]], [2_000, 8_000]);
    app.post(&write, &bulk("disable")).await.expect(200);
    app.post(&write, &bulk("enable")).await.expect(200);
    assert_eq!(everyone(&app, A).await, then);
    assert!(then.iter().any(|(_, arm)| arm.as_deref() == Some(TREATMENT)));
});
