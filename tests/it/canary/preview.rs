//! `?preview=true` on what a person does with a canary: who would move, and nobody does.

use bellwether_core::{Context, Now};
use serde_json::{Value, json};

use super::{FLAG, canary};
use crate::flags::preview::see;
use crate::harness::{PRODUCTION, TestApp, configured, on_both, state};

const USERS: usize = 150;

/// What each of the users is served.
async fn served(app: &TestApp) -> Vec<String> {
    let state = state(app, PRODUCTION).await;
    let one = |user: usize| {
        let context = Context::new(format!("user-{user}"));
        state.evaluate(FLAG, &context, Now::At(0)).unwrap().variation.to_owned()
    };
    (0..USERS).map(one).collect()
}

/// Everything that a preview must leave as it is.
async fn standing(app: &TestApp) -> [Value; 5] {
    let page = async |path: &str| app.get(path).await.expect(200);
    [
        page(&canary("")).await,
        page(&canary("/log")).await,
        page(&configured(PRODUCTION, FLAG, "")).await,
        page(&configured(PRODUCTION, FLAG, "/history")).await,
        page("/api/v1/audit?limit=5").await,
    ]
}

/// Previews an act, does it, and holds what became of each user against what was told; the preview.
async fn as_announced(app: &TestApp, act: &str) -> Value {
    let (before, users) = (standing(app).await, served(app).await);
    let path = canary(&format!("/{act}"));
    let preview = app.post(&format!("{path}?preview=true"), &json!({})).await.expect(200);
    assert_eq!(standing(app).await, before, "a preview of {act} changes nothing");
    app.post(&path, &json!({})).await.expect(200);
    let moved = users.iter().zip(served(app).await).filter(|(before, after)| **before != *after).count();
    let recent = &preview["recent_users"];
    assert_eq!((&recent["seen"], &recent["moved"]), (&json!(USERS), &json!(moved)), "{act}: {preview}");
    preview
}

fn moves(from: &str, to: &str, buckets: u32) -> Value {
    json!([{"where": "fallthrough", "from": from, "to": to, "buckets": buckets}])
}

fn manual(rest: Value) -> Value {
    let stage = |share: u32| json!({"percentage": share, "minimum_seconds": 3_600, "gate": "manual"});
    let mut policy = json!({"stages": [stage(10), stage(40), {"percentage": 100}]});
    policy.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
    policy
}

on_both!(every_act_moves_as_announced, async |app| {
    let app = app.with_flag(FLAG).await;
    see(&app, PRODUCTION, 0..USERS).await;
    app.put(&canary(""), &manual(json!({}))).await.expect(200);
    let told = as_announced(&app, "start").await;
    assert_eq!(told["moves"], moves("off", "on", 10_000));
    assert!(told["summary"].as_str().unwrap().starts_with("0 users switch away; 10 % gain `on`. About "), "{told}");
    assert_eq!(as_announced(&app, "advance").await["moves"], moves("off", "on", 30_000));
    for act in ["pause", "resume"] {
        assert_eq!(as_announced(&app, act).await["moved"], 0);
    }
    assert_eq!(as_announced(&app, "rollback").await["moves"], moves("on", "off", 40_000));
    assert_eq!(as_announced(&app, "start").await["moves"], moves("off", "on", 10_000));
    assert_eq!(as_announced(&app, "promote").await["moves"], moves("off", "on", 90_000));
    // What was promoted and starts again is taken from most of its users: good to know before.
    assert_eq!(as_announced(&app, "start").await["moves"], moves("on", "off", 90_000));
});

on_both!(a_variation_that_nobody_is_served_shuffles_nobody, async |app| {
    let app = app.with_string_flag(FLAG, &["a", "b", "c"]).await;
    let policy = manual(json!({"treatment": "a", "control": "c"}));
    app.put(&canary(""), &policy).await.expect(200);
    let mut first = Vec::new();
    for act in ["start", "advance", "rollback", "start", "advance"] {
        app.post(&canary(&format!("/{act}")), &json!({})).await.expect(200);
        let ranges = app.configured(PRODUCTION, FLAG).await["allocations"]["fallthrough"].clone();
        let expected = match act {
            "start" => json!([[10_000, "a"], [100_000, "c"]]),
            "advance" => json!([[40_000, "a"], [100_000, "c"]]),
            _ => json!([[100_000, "c"]]),
        };
        assert_eq!(ranges, expected, "after {act}");
        first.push(served(&app).await);
    }
    assert_eq!((&first[0], &first[1]), (&first[3], &first[4]), "the same users");
});

on_both!(in_a_layer_every_act_moves_as_announced, async |app| {
    let app = app.with_flag(FLAG).await;
    see(&app, PRODUCTION, 0..USERS).await;
    app.put(&canary(""), &manual(json!({"layer": {"name": "checkout", "percentage": 50}}))).await.expect(200);
    assert_eq!(as_announced(&app, "start").await["moves"], moves("off", "on", 5_000));
    assert_eq!(as_announced(&app, "advance").await["moves"], moves("off", "on", 15_000));
    assert_eq!(as_announced(&app, "promote").await["moves"], moves("off", "on", 80_000));
    assert_eq!(as_announced(&app, "start").await["moves"], moves("on", "off", 95_000));
    assert_eq!(as_announced(&app, "rollback").await["moves"], moves("on", "off", 5_000));
});

on_both!(a_preview_is_refused_as_the_act_would_be, async |app| {
    let app = app.with_flag(FLAG).await;
    let preview = |act: &str| app.post(&canary(&format!("/{act}?preview=true")), &json!({}));
    preview("start").await.problem(404, "not_found");
    app.put(&canary(""), &manual(json!({}))).await.expect(200);
    for act in ["advance", "pause", "resume", "rollback", "promote"] {
        preview(act).await.problem(409, "conflict");
    }
    preview("start").version(9).await.problem(412, "stale_version");
    let path = canary("/start?preview=true");
    assert_eq!(app.post(&path, &json!({"reason": "x".repeat(1_001)})).await.faults(), ["/reason"]);
    assert_eq!(app.post(&canary("/start?preview=perhaps"), &json!({})).await.faults(), ["/preview"]);
    let limit = json!({"guards": [{"name": "slow", "metric": "request.duration_ms", "test": "quantile_limit",
        "quantile": 0.99, "limit": {"flag": "nothing.like.it"}}]});
    app.put(&canary(""), &manual(limit)).any_version().await.expect(200);
    let faults = preview("start").await.faults();
    assert_eq!(faults, app.post(&canary("/start"), &json!({})).await.faults());
    assert!(!faults.is_empty());
    assert_eq!(app.get(&canary("")).await.expect(200)["state"], "draft");
});
