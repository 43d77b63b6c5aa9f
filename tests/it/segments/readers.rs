//! What readers of an environment get: snapshots, changes, and the same answers everywhere.

use bellwether_core::{Context, Now, State};
use bellwether_sdk::Client;
use reqwest::Method;
use serde_json::json;

use super::{SEGMENTS, member_of, segment};
use crate::harness::{DEVELOPMENT, PRODUCTION, Socket, TestApp, environment, have, on_both, state, within};

/// The stream's answer to whoever has this.
async fn follow(app: &TestApp, before: State, revision: u64) -> State {
    let mut socket = Socket::greet(app, &app.keys(DEVELOPMENT).server, &have(&before)).await;
    assert_eq!(socket.hear().await["type"], "ready");
    socket.follow(before, revision).await
}

on_both!(changes_lead_where_snapshots_are, async |app| {
    let empty = state(&app, DEVELOPMENT).await;
    let mut socket = Socket::greet(&app, &app.keys(DEVELOPMENT).server, &have(&empty)).await;
    assert_eq!(socket.hear().await["type"], "ready");
    let some: Vec<_> = (0..200).map(|at| format!("user-{at:03}")).collect();
    let some: Vec<_> = some.iter().map(String::as_str).collect();
    let app = app.with_segment("beta", &some).await.with_segment("gone", &[]).await;
    app.keys_call(Method::POST, "beta", "", "user-1\nå\n").await.expect(200);
    app.keys_call(Method::PUT, "beta", "?list=excluded", "user-003\n").await.expect(200);
    app.keys_call(Method::DELETE, "beta", "", "user-005\n\u{2028}\n").await.expect(200);
    let rules = json!([{"id": "r", "clauses": [{"attribute": "plan", "op": "in", "values": ["pro"]}]}]);
    app.put(&segment("beta", ""), &json!({"name": "Beta", "rules": rules})).any_version().await.expect(200);
    app.put(&segment("beta", ""), &json!({"name": "Renamed", "rules": rules})).any_version().await.expect(200);
    app.delete(&segment("gone", "")).any_version().await.expect(204);
    let mut heard = Vec::new();
    let mut at = empty.apply(socket.hear_change().await).unwrap();
    let first = at.clone();
    for _ in 0..7 {
        let change = socket.hear_change().await;
        heard.push((change.segments.len(), change.segment_keys.len(), change.removed_segments.len()));
        at = at.apply(change).unwrap();
    }
    assert_eq!(heard, [(1, 0, 0), (0, 1, 0), (0, 2, 0), (0, 1, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1)]);
    let served = state(&app, DEVELOPMENT).await;
    assert_eq!((at.hash(), at.revision()), (served.hash(), served.revision()));
    assert_eq!(follow(&app, first, served.revision()).await.hash(), served.hash(), "whoever was away catches up");
    assert_eq!(served.segments().count(), 1);
    app.stop().await;
    app.start_again().await;
    assert_eq!(state(&app, DEVELOPMENT).await.hash(), served.hash(), "a restart loads the same");
    assert_eq!(app.snapshot(PRODUCTION).await["counts"], json!({"flags": 0, "segments": 1}));
});

on_both!(a_change_that_is_too_long_is_not_told, async |app| {
    let app = app.with_segment("beta", &[]).await.with_flag_for(DEVELOPMENT, "feature.a", "beta").await;
    let before = state(&app, DEVELOPMENT).await;
    let mut socket = Socket::greet(&app, &app.keys(DEVELOPMENT).server, &have(&before)).await;
    assert_eq!(socket.hear().await["type"], "ready");
    let all: String = (0..60_000).map(|at| format!("a-long-key-of-a-user-{at:06}\n")).collect();
    app.keys_call(Method::PUT, "beta", "", &all).await.expect(200);
    let told = socket.hear().await;
    assert_eq!((&told["type"], &told["revision"]), (&json!("resync"), &json!(before.revision() + 1)));
    app.keys_call(Method::POST, "beta", "", "one-more\n").await.expect(200);
    let change = socket.hear_change().await;
    assert_eq!((change.from, change.segment_keys.len()), (before.revision() + 1, 1));
    let fetched = state(&app, DEVELOPMENT).await;
    assert_eq!(fetched.hash(), change.hash);
    assert!(app.serves(DEVELOPMENT, "feature.a", "a-long-key-of-a-user-059999").await);

    for _ in 0..2 {
        // Over it nobody catches up; from it on everybody does.
        let mut late = Socket::greet(&app, &app.keys(DEVELOPMENT).server, &have(&before)).await;
        assert_eq!(late.hear().await["type"], "ready");
        assert_eq!(late.hear().await["type"], "resync");
        let at = app.revision(DEVELOPMENT).await;
        app.keys_call(Method::POST, "beta", "", &format!("more-{at}\n")).await.expect(200);
        let caught = follow(&app, fetched.clone(), at + 1).await;
        assert_eq!(caught.hash(), state(&app, DEVELOPMENT).await.hash());
        app.stop().await;
        app.start_again().await;
    }
});

on_both!(everyone_gives_the_same_answer, async |app| {
    let rules = json!([{"clauses": [{"attribute": "email", "op": "ends_with", "values": ["@example.com"]}]}]);
    let body = json!({"key": "staff", "included": ["ann"], "excluded": ["eve"], "rules": rules});
    app.post(SEGMENTS, &body).await.expect(201);
    let rules = json!([{"clauses": [member_of("staff")]}]);
    app.post(SEGMENTS, &json!({"key": "wide", "included": ["bob"], "rules": rules})).await.expect(201);
    let app = app.with_flag_for(DEVELOPMENT, "feature.a", "wide").await;
    let client = Client::builder(app.origin(), &app.keys(DEVELOPMENT).server)
        .application("test")
        .reconnect_within(std::time::Duration::ZERO)
        .connect()
        .unwrap();
    assert!(client.wait_ready(std::time::Duration::from_secs(45)).await);
    for round in 0..2 {
        let revision = app.revision(DEVELOPMENT).await;
        let mut revisions = client.revisions();
        within("the revision", revisions.wait_for(|at| at.is_some_and(|at| at >= revision))).await.unwrap();
        let served = state(&app, DEVELOPMENT).await;
        for (user, email, expected) in [
            ("ann", "", true),
            ("bob", "", true),
            ("eve", "eve@example.com", false),
            ("joe", "joe@example.com", true),
            ("joe", "joe@example.org", false),
            ("new", "", round == 1),
        ] {
            let context = json!({"targetingKey": user, "email": email});
            let told = app.evaluate(DEVELOPMENT, "feature.a", &context).await.expect(200);
            assert_eq!(told["value"], expected, "{user} {email}");
            let own = bellwether_sdk::Context::new(user).set("email", email);
            assert_eq!(client.bool("feature.a", &own, !expected), expected, "{user} {email}");
            let context: Context = serde_json::from_value(context).unwrap();
            let evaluated = served.evaluate("feature.a", &context, Now::At(0)).unwrap();
            assert_eq!(evaluated.reason == bellwether_core::Reason::TargetingMatch, expected);
        }
        app.keys_call(Method::POST, "staff", "", "new\n").await.expect(200);
    }
    within("the end of the client", client.close(std::time::Duration::from_secs(45))).await;
});

on_both!(a_new_environment_has_every_segment, async |app| {
    let app = app.with_segment("beta", &["a"]).await;
    let created = app.post("/api/v1/projects/default/environments", &json!({"key": "qa"})).await.expect(201);
    assert_eq!(created["revision"], 1);
    app.keys_call(Method::POST, "beta", "", "b\n").await.expect(200);
    assert_eq!(app.get(&environment("qa")).await.expect(200)["revision"], 2);
    app.stop().await;
    app.start_again().await;
    app.keys_call(Method::POST, "beta", "", "c\n").await.expect(200);
    app.delete(&environment("qa")).any_version().await.expect(204);
    app.keys_call(Method::POST, "beta", "", "d\n").await.expect(200);
});

on_both!(changes_at_once_are_all_made, async |app| {
    let app = app.with_segment("beta", &[]).await;
    let changes = (0..24).map(|at| app.keys_call(Method::POST, "beta", "", &format!("user-{at}\n")).into_future());
    for answer in futures_util::future::join_all(changes).await {
        answer.expect(200);
    }
    let shown = app.get(&segment("beta", "")).await.expect(200);
    assert_eq!((&shown["version"], &shown["included_count"]), (&json!(25), &json!(24)));
});
