//! Many who write at once: every change is there once, and in one order.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::harness::{DEVELOPMENT, PRODUCTION, Socket, TestApp, configured, flag, have, on_both, state};

const WRITERS: usize = 8;
const WRITES: usize = 20;

/// One writer's acknowledged changes: the user that was targeted, and the version of the flag after it.
async fn write(app: &TestApp, writer: usize) -> Vec<(String, u64)> {
    let mut done = Vec::new();
    for write in 0..WRITES {
        let user = format!("user-{writer}-{write}");
        let f = configured(PRODUCTION, &format!("flag.{}", (writer + write) % 3), &format!("/targets/on/{user}"));
        let view = app.put_nothing(&f).header("x-request-id", &user).await.expect(200);
        done.push((user, view["version"].as_u64().unwrap()));
    }
    done
}

on_both!(revisions_are_dense_and_every_change_is_told_once, async |app| {
    let mut app = app;
    for n in 0..3 {
        app = app.with_flag(&format!("flag.{n}")).await;
    }
    let start = state(&app, PRODUCTION).await;
    let mut live = Socket::greet(&app, &app.keys(PRODUCTION).server, &have(&start)).await;
    assert_eq!(live.hear().await["type"], "ready");
    let done: Vec<_> = join_all((0..WRITERS).map(|writer| write(&app, writer))).await.concat();
    assert_eq!(done.len(), WRITERS * WRITES);

    let end = start.revision() + (WRITERS * WRITES) as u64;
    assert_eq!(app.revision(PRODUCTION).await, end);
    let fetched = state(&app, PRODUCTION).await;
    let followed = live.follow(start.clone(), end).await;
    assert_eq!(followed.hash(), fetched.hash(), "as it was pushed");
    let mut late = Socket::greet(&app, &app.keys(PRODUCTION).server, &have(&start)).await;
    assert_eq!(late.hear().await["type"], "ready");
    let caught_up = late.follow(start, end).await;
    assert_eq!(caught_up.hash(), fetched.hash(), "as it is kept for those who were away");

    let mut told: BTreeMap<String, usize> = BTreeMap::new();
    let mut cursor = String::new();
    loop {
        let page = app.get(&format!("/api/v1/audit?action=flag.target&limit=500{cursor}")).await.expect(200);
        for row in page["items"].as_array().unwrap() {
            *told.entry(row["request_id"].as_str().unwrap().to_owned()).or_default() += 1;
        }
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(told, done.iter().map(|(user, _)| (user.clone(), 1)).collect());
    for n in 0..3 {
        let view = app.configured(PRODUCTION, &format!("flag.{n}")).await;
        let keys = view["configuration"]["targets"][0]["keys"].as_array().unwrap().len() as u64;
        assert_eq!(view["version"], keys + 1, "each change is a version");
    }
});

on_both!(one_of_those_with_the_same_version_wins, async |app| {
    let app = app.with_flag("feature.a").await;
    let path = configured(PRODUCTION, "feature.a", "/rollout");
    let race = (1..=10).map(|share| {
        let call = app.put(&path, &json!({"percentage": share})).version(1);
        async move { call.await }
    });
    let answers = join_all(race).await;
    let won: Vec<_> = answers.iter().filter(|answer| answer.status == 200).collect();
    assert_eq!(won.len(), 1);
    for lost in answers.iter().filter(|answer| answer.status != 200) {
        lost.problem(412, "stale_version");
    }
    assert_eq!(app.configured(PRODUCTION, "feature.a").await, won[0].json());
});

on_both!(a_flag_is_created_once, async |app| {
    let new = json!({"key": "feature.a", "type": "boolean"});
    let race = (0..8).map(|_| {
        let call = app.post(crate::harness::FLAGS, &new);
        async move { call.await }
    });
    let mut statuses: Vec<_> = join_all(race).await.iter().map(|answer| answer.status.as_u16()).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409, 409, 409, 409, 409, 409, 409]);
    assert_eq!(app.revision(DEVELOPMENT).await, 1);
});

on_both!(changes_of_a_definition_and_of_its_configurations_meet, async |app| {
    let app = app.with_string_flag("text", &["a", "b"]).await;
    let define = async {
        for n in 0..10 {
            let variations: Value = json!([{"name": "a", "value": format!("a{n}")}, {"name": "b", "value": "b"}]);
            app.patch(&flag("text"), &json!({"variations": variations})).any_version().await.expect(200);
        }
    };
    let configure = async {
        for n in 0..10 {
            app.put_nothing(&configured(PRODUCTION, "text", &format!("/targets/a/user-{n}"))).await.expect(200);
        }
    };
    tokio::join!(define, configure);
    assert_eq!(app.configured(PRODUCTION, "text").await["version"], 21);
    let served = app.evaluate(PRODUCTION, "text", &json!({"targetingKey": "user-3"})).await.expect(200);
    assert_eq!(served["value"], "a9");
    assert_eq!(served["metadata"]["revision"], 21);
});

on_both!(a_burst_waits_its_turn, async |app| {
    let app = app.with_flag("feature.a").await;
    let reads = (0..300).map(|_| {
        let call = app.get(crate::harness::FLAGS);
        async move { call.await.expect(200) }
    });
    join_all(reads).await;
    let writes = (0..80).map(|n| {
        let call = app.put_nothing(&configured(PRODUCTION, "feature.a", &format!("/targets/on/user-{n}")));
        async move { call.await.expect(200) }
    });
    join_all(writes).await;
    assert_eq!(app.configured(PRODUCTION, "feature.a").await["version"], 81);
});
