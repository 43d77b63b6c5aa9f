//! A rollout as its people see it: ten thousand users, with an HTTP client alone.

use std::collections::BTreeSet;

use futures_util::{StreamExt as _, stream};
use serde_json::json;

use crate::harness::{FLAGS, PRODUCTION, TestApp, configured, on_both};

const USERS: usize = 10_000;

/// Which of `users` are served true.
async fn served(app: &TestApp, users: impl IntoIterator<Item = usize>) -> BTreeSet<usize> {
    let ask = |user: usize| async move {
        let context = json!({"targetingKey": format!("user-{user}")});
        let served = app.evaluate(PRODUCTION, "feature.story", &context).await.expect(200);
        served["value"].as_bool().unwrap().then_some(user)
    };
    let answers = stream::iter(users).map(ask).buffer_unordered(8);
    answers.filter_map(|user| async move { user }).collect().await
}

on_both!(from_a_quarter_to_the_kill_switch, async |app| {
    app.post(FLAGS, &json!({"key": "feature.story", "type": "boolean"})).await.expect(201);
    let rollout = configured(PRODUCTION, "feature.story", "/rollout");
    app.put(&rollout, &json!({"percentage": 25})).header("x-request-id", "story-25").await.expect(200);
    let quarter = served(&app, 0..USERS).await;
    assert!((2_300..=2_700).contains(&quarter.len()), "{} of {USERS} at 25 %", quarter.len());

    app.put(&rollout, &json!({"percentage": 40})).header("x-request-id", "story-40").await.expect(200);
    assert_eq!(served(&app, quarter.iter().copied()).await, quarter, "nobody lost it");
    let more = served(&app, (0..USERS).filter(|user| !quarter.contains(user))).await;
    let share = quarter.len() + more.len();
    assert!((3_800..=4_200).contains(&share), "{share} of {USERS} at 40 %");

    let kill = configured(PRODUCTION, "feature.story", "/disable");
    app.put_nothing(&kill).header("x-request-id", "story-kill").await.expect(200);
    assert_eq!(served(&app, 0..USERS).await, BTreeSet::new());

    let page = app.get("/api/v1/audit?resource=flag/feature.story").await.expect(200);
    let told: Vec<_> = page["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (row["action"].as_str().unwrap(), row["request_id"].as_str().unwrap(), &row["changes"]))
        .collect();
    assert_eq!(told.len(), 4);
    let weights = |on: u32, off: u32| {
        json!([
            {"pointer": "/fallthrough/split/weights/off", "before": 75_000, "after": off},
            {"pointer": "/fallthrough/split/weights/on", "before": 25_000, "after": on},
        ])
    };
    let killed = json!([{"pointer": "/enabled", "before": true, "after": false}]);
    assert_eq!(told[0], ("flag.disable", "story-kill", &killed));
    assert_eq!(told[1], ("flag.rollout", "story-40", &weights(40_000, 60_000)));
    assert_eq!((told[2].0, told[2].1), ("flag.rollout", "story-25"));
    assert_eq!(told[3].0, "flag.create");
});
