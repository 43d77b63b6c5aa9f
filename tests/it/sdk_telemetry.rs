//! What the Rust SDK records of a service, as the server has it.

use std::collections::BTreeMap;
use std::time::Duration;

use bellwether::clock;
use bellwether_core::window::Summary;
use bellwether_sdk::{Client, Context};
use serde_json::{Value, json};

use crate::harness::{PRODUCTION, TestApp, configured, environment, eventually, on_both, within};
use crate::usage;

const LONG: Duration = Duration::from_secs(45);
const FLAG: &str = "canary.a";

/// A client that has its flags.
async fn client(app: &TestApp, instance: &str) -> Client {
    let builder = Client::builder(app.origin(), app.keys(PRODUCTION).server.clone());
    let builder = builder.application("checkout").instance(instance).reconnect_within(Duration::ZERO);
    let client = builder.db_pool_percent(|| 20.0).connect().unwrap();
    assert!(client.wait_ready(LONG).await, "flags arrive");
    client
}

/// Starts a canary at 50 % whose guards watch what the application measures; its release.
async fn start(app: &TestApp) -> String {
    let guard = |metric: &str, test: &str, rest: Value| {
        let mut guard = json!({"name": metric, "metric": metric, "test": test, "action": "notify"});
        guard.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        guard
    };
    let policy = json!({
        "treatment": "on", "control": "off", "stages": [{"percentage": 50, "minimum_seconds": 3_600}, {"percentage": 100}],
        "guards": [
            guard("order.value", "mean_vs_control", json!({"margin": 0.05})),
            guard("order.lost", "ratio_vs_control", json!({"margin": 0.05})),
        ],
    });
    app.put(&configured(PRODUCTION, FLAG, "/canary"), &policy).await.expect(200);
    let started = app.post(&configured(PRODUCTION, FLAG, "/canary/start"), &json!({})).await.expect(200);
    started["release"].as_str().unwrap().to_owned()
}

/// Trials and hits or sum of each arm's metrics, over all windows that are closed.
async fn counted(app: &TestApp, release: &str) -> BTreeMap<(String, String), (u64, f64)> {
    let (first, now) = (chrono::DateTime::UNIX_EPOCH, clock::now());
    let windows = app.services().measurements.closed(release.to_owned(), first, now).await.unwrap();
    let mut sums = BTreeMap::new();
    for (key, summary) in windows.into_iter().flat_map(|window| window.cells) {
        let (n, sum): &mut (u64, f64) = sums.entry(key).or_default();
        match summary {
            Summary::Ratio(ratio) => (*n, *sum) = (*n + ratio.n, *sum + ratio.k as f64),
            Summary::Values(values) => (*n, *sum) = (*n + values.n, *sum + values.mean * values.n as f64),
        }
    }
    sums
}

on_both!(a_guard_sees_what_the_application_tracks, async |app| {
    let app = app.with_flag(FLAG).await;
    let release = start(&app).await;
    let client = client(&app, "one").await;
    let mut expected: BTreeMap<(String, String), (u64, f64)> = BTreeMap::new();
    for number in 0..400_u32 {
        let user = Context::new(format!("user-{number}"));
        // Some pages ask for the flag by the client, others in the scope of a request.
        let scope = client.scope(&user);
        let on = if number % 2 == 0 { client.bool(FLAG, &user, false) } else { scope.bool(FLAG, false) };
        let (value, lost) = (f64::from(number % 7), number % 5 == 0);
        client.track("order.value", &user, value);
        client.track("order.lost", &user, f64::from(u8::from(lost)));
        client.track("order.unwatched", &user, value);
        // Whoever was not asked for the flag met no release.
        client.track("order.value", &Context::new(format!("stranger-{number}")), 1e6);
        let arm = if on { "treatment" } else { "control" };
        for (metric, amount) in [("order.value", value), ("order.lost", f64::from(u8::from(lost)))] {
            let sum = expected.entry((arm.to_owned(), metric.to_owned())).or_default();
            *sum = (sum.0 + 1, sum.1 + amount);
        }
    }
    assert_eq!(expected.len(), 4, "both arms were served");
    within("the end of the client", client.close(LONG)).await;
    let is_close = |a: &(u64, f64), b: &(u64, f64)| a.0 == b.0 && (a.1 - b.1).abs() < 1e-6;
    let found = eventually("the windows to close", async || {
        let found = counted(&app, &release).await;
        let total = |sums: &BTreeMap<_, (u64, f64)>| sums.values().map(|(n, _)| n).sum::<u64>();
        (total(&found) == total(&expected)).then_some(found)
    })
    .await;
    assert!(found.iter().zip(&expected).all(|(a, b)| a.0 == b.0 && is_close(a.1, b.1)), "{found:?}, not {expected:?}");

    let trials = expected[&("treatment".to_owned(), "order.lost".to_owned())].0;
    let seen = eventually("the guards to look", async || {
        let view = app.get(&configured(PRODUCTION, FLAG, "/canary")).await.expect(200);
        let samples = |guard: &Value| guard["samples"]["treatment"] == json!(trials);
        view["guards"].as_array().unwrap().iter().all(samples).then_some(view)
    })
    .await;
    assert_eq!(seen["guards"].as_array().unwrap().len(), 2, "{seen}");
});

on_both!(users_that_meet_a_release_are_reported_once, async |app| {
    app.start_canary(PRODUCTION, FLAG).await;
    let client = client(&app, "one").await;
    let seen = async || {
        let environment = usage::id(&app, PRODUCTION).await;
        app.services().flags.usage().recent_users(environment, clock::now()).seen
    };
    for _ in 0..3 {
        for number in 0..50 {
            client.bool(FLAG, &Context::new(format!("user-{number}")), false);
        }
        within("the flush", client.flush()).await;
        assert_eq!(seen().await, 50);
    }
    client.bool(FLAG, &Context::anonymous(), false);
    within("the end of the client", client.close(LONG)).await;
    assert_eq!(seen().await, 50);
});

on_both!(the_fleet_shows_what_a_process_uses, async |app| {
    let app = app.with_flag("feature.a").await;
    let (one, other) = (client(&app, "one").await, client(&app, "other").await);
    let fleet = async || {
        let list = app.get(&format!("{}/fleet", environment(PRODUCTION))).await.expect(200);
        let items = list["items"].as_array().unwrap().clone();
        items
            .into_iter()
            .map(|item| (item["instance"].as_str().unwrap().to_owned(), item["resources"].clone()))
            .collect()
    };
    within("the flush", one.flush()).await;
    let told: BTreeMap<String, Value> = eventually("both to be connected", async || {
        let told: BTreeMap<String, Value> = fleet().await;
        (told.len() == 2).then_some(told)
    })
    .await;
    assert_eq!(told["other"], Value::Null, "it has said nothing yet");
    assert_eq!(told["one"]["db_pool_percent"], json!(20.0));
    assert!(told["one"]["at"].is_string());
    let memory = told["one"]["memory_percent"].as_f64();
    assert!(!cfg!(target_os = "linux") || memory.is_some_and(|percent| percent > 0.0 && percent <= 100.0), "{told:?}");
    for client in [one, other] {
        within("the end of the client", client.close(LONG)).await;
    }
});

on_both!(what_a_process_can_not_use_is_refused, async |app| {
    let send = |resources: Value| {
        let batch = json!({"instance": "i", "application": "a", "sequence": 1, "windows": [], "resources": resources});
        app.post("/api/v1/measurements", &batch).by(&app.keys(PRODUCTION).server)
    };
    let wrong = json!({"cpu_percent": -1, "memory_percent": 10_001, "db_pool_percent": "20"});
    let pointers = ["/resources/cpu_percent", "/resources/db_pool_percent", "/resources/memory_percent"];
    assert_eq!(send(wrong).await.faults(), pointers);
    assert_eq!(send(json!({"disk_percent": 1})).await.faults(), ["/resources/disk_percent"]);
    // Of an instance that is not connected there is nothing to show.
    send(json!({"cpu_percent": 250.0, "memory_percent": null})).await.expect(202);
});
