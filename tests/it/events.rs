//! `POST /api/v1/events`.

use bellwether::clock;
use bellwether_core::window::Summary;
use bellwether_core::{Context, Now, Snapshot, State};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use crate::harness::{Call, DEVELOPMENT, PRODUCTION, TestApp, configured, eventually, on_both};

const EVENTS: &str = "/api/v1/events";

fn send(app: &TestApp, body: &Value) -> Call {
    app.post(EVENTS, body).by(&app.keys(PRODUCTION).server)
}

fn event(user: &str, metric: &str, value: f64) -> Value {
    json!({"context": {"targetingKey": user}, "metric": metric, "value": value, "flags": ["canary.a"]})
}

fn receipt(accepted: usize, late: usize, unattributed: usize) -> Value {
    json!({"accepted": accepted, "late": late, "unattributed": unattributed, "duplicate": false})
}

/// The arm of a user, as an SDK finds it.
async fn arms(app: &TestApp) -> impl Fn(&str) -> String {
    let snapshot = app.get("/api/v1/snapshot").by(&app.keys(PRODUCTION).server).await;
    let snapshot: Snapshot = serde_json::from_slice(&snapshot.body).unwrap();
    let state = State::from_snapshot(snapshot).unwrap();
    move |user| {
        let evaluation = state.evaluate("canary.a", &Context::new(user), Now::At(0)).unwrap();
        evaluation.assignment.unwrap().arm.to_owned()
    }
}

/// A moment that is a window's beginning, so many seconds from now.
fn start(in_seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(clock::now().timestamp() + in_seconds, 0).unwrap()
}

on_both!(each_event_counts_in_its_user_s_arm, async |app| {
    let release = app.start_canary(PRODUCTION, "canary.a").await;
    let arm = arms(&app).await;
    let (at, users) = (start(1), (0..200).map(|user| format!("user-{user}")).collect::<Vec<_>>());
    let mut events = Vec::new();
    for (number, user) in users.iter().enumerate() {
        let mut failed = event(user, "request.error", f64::from(u8::from(number % 4 == 0)));
        failed["label"] = json!("POST /pay 502");
        events.extend([failed, event(user, "request.duration_ms", number as f64)]);
    }
    for event in &mut events {
        event["at"] = json!(clock::rfc3339(at + TimeDelta::milliseconds(300)));
    }
    assert_eq!(send(&app, &json!({"events": events})).await.expect(202), receipt(400, 0, 0));
    let measurements = app.services().measurements;
    let closed = eventually("the window to close", async || {
        measurements.closed(release.clone(), at, at).await.unwrap().into_iter().next()
    })
    .await;
    for arm_name in ["treatment", "control"] {
        let of = |metric: &str| &closed.cells[&(arm_name.to_owned(), metric.to_owned())];
        let numbers: Vec<_> = (0..200).filter(|number| arm(&users[*number]) == arm_name).collect();
        let failed = numbers.iter().filter(|number| **number % 4 == 0).count() as u64;
        let Summary::Ratio(errors) = of("request.error") else { panic!("{closed:?}") };
        assert_eq!((errors.n, errors.k), (numbers.len() as u64, failed));
        assert_eq!(errors.labels, [("POST /pay 502".to_owned(), failed)]);
        let Summary::Values(times) = of("request.duration_ms") else { panic!("{closed:?}") };
        let mean = numbers.iter().sum::<usize>() as f64 / numbers.len() as f64;
        assert_eq!(times.n, numbers.len() as u64);
        assert!((times.mean - mean).abs() < 1e-9, "{} is not {mean}", times.mean);
    }
});

on_both!(a_batch_with_a_number_counts_once, async |app| {
    app.start_canary(PRODUCTION, "canary.a").await;
    let batch =
        |sequence: u64| json!({"instance": "i", "sequence": sequence, "events": [event("u", "request.error", 1.0)]});
    assert_eq!(send(&app, &batch(1)).await.expect(202), receipt(1, 0, 0));
    let again = json!({"accepted": 0, "late": 0, "unattributed": 0, "duplicate": true});
    assert_eq!(send(&app, &batch(1)).await.expect(202), again);
    assert_eq!(send(&app, &batch(2)).await.expect(202), receipt(1, 0, 0));
    let unnumbered = json!({"events": [event("u", "request.error", 1.0)]});
    for _ in 0..2 {
        assert_eq!(send(&app, &unnumbered).await.expect(202), receipt(1, 0, 0));
    }
    app.stop().await;
    app.start_again().await;
    assert_eq!(send(&app, &batch(2)).await.expect(202), again);
});

on_both!(what_belongs_to_no_release_is_told, async |app| {
    app.start_canary(PRODUCTION, "canary.a").await;
    let app = app.with_flag("other").await;
    let mut of_another = event("u", "request.error", 1.0);
    of_another["flags"] = json!(["other", "none"]);
    let mut late = event("u", "request.error", 1.0);
    late["at"] = json!("2026-01-01T00:00:00Z");
    let mut anonymous = event("u", "request.error", 1.0);
    anonymous["context"] = json!({});
    let events = [event("u", "request.error", 1.0), event("u", "unwatched", 1.0), of_another, late, anonymous];
    let batch = json!({"events": events});
    assert_eq!(send(&app, &batch).await.expect(202), receipt(1, 1, 3));
    // A key that everyone has counts for no canary.
    for call in [
        send(&app, &batch).by(&app.keys(PRODUCTION).client),
        send(&app, &batch).by_nobody().header("x-api-key", &app.keys(PRODUCTION).client),
        send(&app, &batch).by(&app.keys(DEVELOPMENT).server),
    ] {
        assert_eq!(call.await.expect(202), receipt(0, 0, 5));
    }
    app.post(&configured(PRODUCTION, "canary.a", "/canary/rollback"), &json!({})).await.expect(200);
    assert_eq!(send(&app, &batch).await.expect(202), receipt(0, 0, 5));

    // Nor does it take a service's number.
    let numbered = json!({"instance": "checkout", "sequence": 1, "events": []});
    for key in [&app.keys(PRODUCTION).client, &app.keys(PRODUCTION).client, &app.keys(PRODUCTION).server] {
        assert_eq!(send(&app, &numbered).by(key).await.expect(202), receipt(0, 0, 0));
    }
    let windows = json!({"instance": "checkout", "application": "a", "sequence": 1, "windows": []});
    let counted = app.post("/api/v1/measurements", &windows).by(&app.keys(PRODUCTION).server).await;
    assert_eq!(counted.expect(202)["duplicate"], true, "an instance has one row of numbers");
});

on_both!(every_fault_is_named_and_nothing_counted, async |app| {
    app.start_canary(PRODUCTION, "canary.a").await;
    let fine = event("u", "request.error", 1.0);
    let with = |name: &str, value: Value| {
        let mut event = fine.clone();
        event[name] = value;
        event
    };
    let mut nobody = with("context", json!(-1));
    nobody["label"] = json!("x".repeat(201));
    nobody["at"] = json!("2100-01-01T00:00:00Z");
    let events =
        [fine.clone(), with("value", json!("1")), with("at", json!("soon")), with("metric", json!("")), nobody];
    let batch = json!({"instance": "i", "sequence": 1, "events": events, "more": 1});
    let expected = ["/events/1/value", "/events/2/at", "/events/3/metric", "/events/4/at", "/events/4/context"];
    assert_eq!(send(&app, &batch).await.faults(), [&expected[..], &["/events/4/label", "/more"]].concat());
    let fine = json!({"instance": "i", "sequence": 1, "events": [fine]});
    assert_eq!(send(&app, &fine).await.expect(202), receipt(1, 0, 0), "the number was not used up");

    let mut events = vec![event("u", "request.error", 0.0); 10_000];
    let large = json!({"events": events});
    assert_eq!(send(&app, &large).await.expect(202), receipt(10_000, 0, 0));
    events.push(event("u", "request.error", 0.0));
    assert_eq!(send(&app, &json!({"events": events})).await.faults(), ["/events"]);

    send(&app, &json!({})).body("{").await.problem(400, "malformed");
    send(&app, &json!({})).body("x".repeat(5 << 20)).await.problem(413, "too_large");
    send(&app, &json!({})).header("content-type", "text/plain").await.problem(415, "unsupported_media_type");
    send(&app, &fine).by(&app.credentials().admin).await.problem(403, "forbidden");
    send(&app, &fine).by_nobody().await.problem(401, "unauthenticated");
});

on_both!(a_harmful_canary_is_taken_back_by_what_events_say, async |app| {
    app.start_canary(PRODUCTION, "canary.a").await;
    let arm = arms(&app).await;
    let users: Vec<_> = (0..400).map(|user| format!("user-{user}")).collect();
    let events: Vec<_> = users
        .iter()
        .enumerate()
        .map(|(number, user)| {
            let failed = number % 50 == 0 || (number % 3 == 0 && arm(user) == "treatment");
            event(user, "request.error", f64::from(u8::from(failed)))
        })
        .collect();
    let canary = configured(PRODUCTION, "canary.a", "/canary");
    eventually("the rollback", async || {
        let receipt = send(&app, &json!({"events": events})).await.expect(202);
        assert_eq!(receipt["late"], 0, "{receipt}");
        (app.get(&canary).await.expect(200)["state"] == "rolled_back").then_some(())
    })
    .await;
});
