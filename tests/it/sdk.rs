//! The Rust SDK against a real server.

use std::time::Duration;

use bellwether::db::{Connection, Part};
use bellwether_core::window::Summary;
use bellwether_sdk::{Client, Context, ErrorCode, Reason};
use serde_json::{Value, json};

use crate::harness::{FLAGS, PRODUCTION, Proxy, TestApp, configured, eventually, on_both, sql, within};

/// The bound of what the SDK itself is asked to wait for.
pub(crate) const LONG: Duration = Duration::from_secs(45);

pub(crate) fn connect(origin: &str, key: &str) -> Client {
    let builder = Client::builder(origin, key).application("checkout").reconnect_within(Duration::ZERO);
    builder.connect().unwrap()
}

pub(crate) async fn ready(app: &TestApp) -> Client {
    let client = connect(&app.origin(), &app.keys(PRODUCTION).server);
    assert!(client.wait_ready(LONG).await, "flags arrive");
    client
}

async fn reaches(client: &Client, revision: u64) {
    let mut revisions = client.revisions();
    within("the revision", revisions.wait_for(|at| at.is_some_and(|at| at >= revision))).await.unwrap();
}

pub(crate) async fn close(client: Client) {
    within("the end of the client", client.close(LONG)).await;
}

on_both!(every_type_is_read_and_every_error_told, async |app| {
    for (kind, values) in [
        ("boolean", json!([true, false])),
        ("string", json!(["a", "b"])),
        ("integer", json!([9_007_199_254_740_992_i64, -1])),
        ("float", json!([0.1, 5])),
        ("json", json!([{"a": [1]}, null])),
    ] {
        let variation = |(index, value)| json!({"name": format!("v{index}"), "value": value});
        let variations: Vec<_> = values.as_array().unwrap().iter().enumerate().map(variation).collect();
        app.post(FLAGS, &json!({"key": kind, "type": kind, "variations": variations})).await.expect(201);
        let whole = json!({"enabled": true, "off_variation": "v1", "fallthrough": {"variation": "v0"},
                           "targets": [{"variation": "v1", "keys": ["other"]}]});
        app.configure(PRODUCTION, kind, &whole).await.expect(200);
    }
    let app = app.with_flag("split").await;
    app.roll_out(PRODUCTION, "split", 100.0).await;
    let client = ready(&app).await;
    let (user, other, nobody) = (Context::new("user"), Context::new("other"), Context::anonymous());
    assert!(client.bool("boolean", &user, false) && !client.bool("boolean", &other, true));
    assert_eq!((client.string("string", &user, "x"), client.string("string", &other, "x")), ("a".into(), "b".into()));
    assert_eq!((client.integer("integer", &user, 0), client.integer("integer", &other, 0)), (1 << 53, -1));
    assert_eq!((client.float("float", &user, 0.0), client.float("float", &other, 0.0)), (0.1, 5.0));
    assert_eq!(client.json("json", &user, json!(0)), json!({"a": [1]}));
    assert_eq!(client.json("json", &other, json!(0)), Value::Null);
    assert!(client.bool("split", &user, false));

    let told = client.string_detail("string", &other, "x");
    assert_eq!((told.reason, told.variation.as_deref(), told.error), (Reason::TargetingMatch, Some("v1"), None));
    assert_eq!((told.version, told.revision), (Some(2), Some(app.revision(PRODUCTION).await)));
    for (told, error) in [
        (client.bool_detail("none", &user, true), ErrorCode::FlagNotFound),
        (client.bool_detail("string", &user, true), ErrorCode::TypeMismatch),
        (client.bool_detail("split", &nobody, true), ErrorCode::TargetingKeyMissing),
    ] {
        assert_eq!((told.value, told.reason, told.error), (true, Reason::Error, Some(error)));
    }
    assert_eq!(client.integer_detail("float", &user, 7).error, Some(ErrorCode::TypeMismatch));
    assert_eq!(client.float_detail("integer", &user, 7.0).error, Some(ErrorCode::TypeMismatch));

    let early = connect("http://127.0.0.1:9", "bw_sdk_x");
    let told = early.bool_detail("boolean", &user, true);
    assert_eq!((told.value, told.error, told.revision), (true, Some(ErrorCode::ProviderNotReady), None));
    assert_eq!(early.revision(), None);
    close(early).await;
    close(client).await;
});

on_both!(the_sdk_and_the_server_agree, async |app| {
    let app = app.with_string_flag("text", &["a", "b", "c"]).await;
    let clause = |attribute: &str, op: &str, values: Value| json!({"attribute": attribute, "op": op, "values": values});
    let whole = json!({
        "enabled": true, "off_variation": "c",
        "rules": [
            {"id": "no", "clauses": [clause("country", "in", json!(["NO"]))], "serve": {"variation": "a"}},
            {"id": "old", "clauses": [clause("age", "gte", json!([40]))],
             "serve": {"split": {"weights": {"a": 10_000, "b": 20_000, "c": 70_000}}}},
        ],
        "fallthrough": {"split": {"weights": {"a": 33_333, "b": 33_333, "c": 33_334}}},
    });
    app.configure(PRODUCTION, "text", &whole).await.expect(200);
    let client = ready(&app).await;
    for n in 0..100 {
        let country = if n % 7 == 0 { "NO" } else { "SE" };
        let context = Context::new(format!("user-{n}")).set("country", country).set("age", n);
        let here = client.string_detail("text", &context, "none");
        let there = app.evaluate(PRODUCTION, "text", &serde_json::to_value(&context).unwrap()).await.expect(200);
        assert_eq!(
            (&json!(here.value), &json!(here.reason.name())),
            (&there["value"], &there["reason"]),
            "{context:?}"
        );
        assert_eq!(here.rule.map(Value::from).unwrap_or_default(), there["metadata"]["rule"], "{context:?}");
    }
    close(client).await;
});

on_both!(a_change_arrives, async |app| {
    let app = app.with_flag("feature.a").await;
    let (first, second) = (ready(&app).await, ready(&app).await);
    let user = Context::new("user");
    for (percentage, on) in [(100.0, true), (0.0, false), (100.0, true)] {
        let view = app.roll_out(PRODUCTION, "feature.a", percentage).await;
        let revision = app.revision(PRODUCTION).await;
        for client in [&first, &second] {
            reaches(client, revision).await;
            let told = client.bool_detail("feature.a", &user, !on);
            assert_eq!((told.value, told.revision), (on, Some(revision)));
            assert_eq!(told.version, view["version"].as_u64());
        }
    }
    app.put_nothing(&configured(PRODUCTION, "feature.a", "/disable")).await.expect(200);
    reaches(&first, app.revision(PRODUCTION).await).await;
    assert_eq!(first.bool_detail("feature.a", &user, true).reason, Reason::Disabled);
    let app = app.with_flag("feature.b").await;
    app.delete(&crate::harness::flag("feature.a")).any_version().await.expect(204);
    reaches(&first, app.revision(PRODUCTION).await).await;
    assert_eq!(first.bool_detail("feature.a", &user, true).error, Some(ErrorCode::FlagNotFound));
    assert_eq!(first.bool_detail("feature.b", &user, true).error, None);
    close(first).await;
    close(second).await;
});

on_both!(a_server_that_comes_back_is_caught_up_with, async |app| {
    let app = app.with_flag("feature.a").await;
    app.roll_out(PRODUCTION, "feature.a", 100.0).await;
    let proxy = Proxy::start().await;
    proxy.put(Some(app.address()));
    let client = connect(&proxy.origin(), &app.keys(PRODUCTION).server);
    assert!(client.wait_ready(LONG).await);
    let user = Context::new("user");
    for round in 0..2 {
        let on = round % 2 == 0;
        // The first time it says good-bye, the second time it does not.
        if round == 1 {
            proxy.put(None);
        }
        app.stop().await;
        proxy.put(None);
        assert_eq!(client.bool("feature.a", &user, !on), on, "it goes on answering");
        app.start_again().await;
        // While the client is away.
        app.roll_out(PRODUCTION, "feature.a", if on { 0.0 } else { 100.0 }).await;
        assert_eq!(client.bool("feature.a", &user, !on), on);
        proxy.put(Some(app.address()));
        reaches(&client, app.revision(PRODUCTION).await).await;
        assert_eq!(client.bool("feature.a", &user, on), !on);
    }
    close(client).await;
});

on_both!(another_life_of_the_store_is_taken_over_whole, async |app| {
    let app = app.with_flag("feature.a").await;
    app.stop().await;
    let backup = app.back_up();
    app.start_again().await;
    let early = app.revision(PRODUCTION).await;
    for percentage in [10.0, 20.0, 100.0] {
        app.roll_out(PRODUCTION, "feature.a", percentage).await;
    }
    let proxy = Proxy::start().await;
    proxy.put(Some(app.address()));
    let client = connect(&proxy.origin(), &app.keys(PRODUCTION).server);
    assert!(client.wait_ready(LONG).await);
    let user = Context::new("user");
    assert!(client.bool("feature.a", &user, false));
    proxy.put(None);
    app.stop().await;
    app.restore(&backup);
    app.start_again().await;
    proxy.put(Some(app.address()));
    let mut revisions = client.revisions();
    within("the lower revision", revisions.wait_for(|at| *at == Some(early))).await.unwrap();
    assert!(!client.bool("feature.a", &user, true));
    app.roll_out(PRODUCTION, "feature.a", 100.0).await;
    within("the next revision", revisions.wait_for(|at| *at == Some(early + 1))).await.unwrap();
    assert!(client.bool("feature.a", &user, false));
    close(client).await;
});

on_both!(who_is_refused_comes_back_less_often, async |app| {
    let (refusing, nobody_home) = (Proxy::start().await, Proxy::start().await);
    refusing.put(Some(app.address()));
    let refused = connect(&refusing.origin(), "bw_sdk_wrong");
    let mut knocks = refusing.knocks();
    within("the first attempt", knocks.wait_for(|count| *count > 1)).await.unwrap();
    // A client that finds nobody is the clock: it waits for up to half a second, a second, two.
    let waiting = connect(&nobody_home.origin(), "bw_sdk_wrong");
    within("further attempts", nobody_home.knocks().wait_for(|count| *count >= 5)).await.unwrap();
    // Once for the stream, and once for what the stream would have brought.
    assert_eq!(*refusing.knocks().borrow(), 2, "the key is not tried again so soon");
    let told = refused.bool_detail("feature.a", &Context::new("user"), true);
    assert_eq!((told.value, told.error), (true, Some(ErrorCode::ProviderNotReady)));

    let client_key = connect(&app.origin(), &app.keys(PRODUCTION).client);
    assert!(!client_key.wait_ready(Duration::from_millis(1)).await);
    for client in [refused, waiting, client_key] {
        close(client).await;
    }
});

/// Trials and failures of each arm, and how many durations, that the server has of a release.
pub(crate) async fn counted(app: &TestApp, release: &str) -> (u64, u64, u64, u64, u64) {
    let since = chrono::DateTime::UNIX_EPOCH;
    let now = bellwether::clock::now();
    let windows = app.services().measurements.closed(release.to_owned(), since, now).await.unwrap();
    let (mut treatment, mut control, mut times) = ((0, 0), (0, 0), 0);
    for ((arm, metric), summary) in windows.into_iter().flat_map(|window| window.cells) {
        match summary {
            Summary::Ratio(ratio) => {
                assert_eq!(metric, "request.error");
                let sum = if arm == "treatment" { &mut treatment } else { &mut control };
                *sum = (sum.0 + ratio.n, sum.1 + ratio.k);
            }
            Summary::Values(values) => {
                assert_eq!(metric, "request.duration_ms");
                times += values.n;
            }
        }
    }
    (treatment.0, treatment.1, control.0, control.1, times)
}

pub(crate) async fn are_counted(app: &TestApp, release: &str, expected: (u64, u64, u64, u64, u64)) {
    eventually(&format!("{expected:?} to be counted"), async || {
        (counted(app, release).await == expected).then_some(())
    })
    .await;
}

/// Requests of `users`, each fourth of which fails; how many were of treatment and how many of those failed, and the
/// same of control.
fn requests(client: &Client, users: std::ops::Range<u32>) -> (u64, u64, u64, u64) {
    let (mut treatment, mut control) = ((0, 0), (0, 0));
    for user in users {
        let request = client.scope(&Context::new(format!("user-{user}")));
        let arm = if request.bool("canary.a", false) { &mut treatment } else { &mut control };
        request.timer().stop();
        let failed = user % 4 == 0;
        *arm = (arm.0 + 1, arm.1 + u64::from(failed));
        request.finish(!failed, "GET /");
    }
    (treatment.0, treatment.1, control.0, control.1)
}

on_both!(what_scopes_saw_arrives_at_the_server, async |app| {
    let release = app.start_canary(PRODUCTION, "canary.a").await;
    let (first, second) = (ready(&app).await, ready(&app).await);
    let sum = |a: (u64, u64, u64, u64), b: (u64, u64, u64, u64)| (a.0 + b.0, a.1 + b.1, a.2 + b.2, a.3 + b.3);
    let mut all = sum(requests(&first, 0..200), requests(&second, 200..300));
    within("the flush", first.flush()).await;
    all = sum(all, requests(&first, 300..400));
    // A request that met no release counts for none.
    let stranger = first.scope(&Context::new("user-1"));
    stranger.timer().stop();
    stranger.finish(false, "GET /");
    // Closing sends what is left; the second one's windows go by themselves when they have ended.
    close(first).await;
    assert!(all.0 > 150 && all.2 > 150, "both arms were served: {all:?}");
    are_counted(&app, &release, (all.0, all.1, all.2, all.3, 400)).await;
    close(second).await;
});

/// Failures of treatment that the server has of a release, windows that are still open included.
async fn failures(app: &TestApp, release: &str) -> u64 {
    let query = format!(
        "SELECT summary AS text FROM measurement_windows
         WHERE release_id = '{release}' AND arm = 'treatment' AND metric = 'request.error'"
    );
    let read = move |c: &mut Connection<'_>| sql::texts(c, &query);
    let summaries = app.services().store.read(Part::Measurements, read).await.unwrap();
    let failed = |summary: &String| serde_json::from_str::<Value>(summary).unwrap()["k"].as_u64().unwrap();
    summaries.iter().map(failed).sum()
}

on_both!(what_the_server_could_not_take_or_answer_is_counted_once, async |app| {
    app.start_again_with_grace(3_600).await;
    let release = app.start_canary(PRODUCTION, "canary.a").await;
    let proxy = Proxy::start().await;
    proxy.put(Some(app.address()));
    let client = connect(&proxy.origin(), &app.keys(PRODUCTION).server);
    assert!(client.wait_ready(LONG).await);

    // The server takes it, and its answer is lost.
    proxy.mute(true);
    let mut failed = requests(&client, 0..100).1;
    within("an attempt", client.flush()).await;
    assert_eq!(failures(&app, &release).await, failed);
    proxy.mute(false);
    // The server is away.
    proxy.put(None);
    app.stop().await;
    failed += requests(&client, 100..200).1;
    within("an attempt", client.flush()).await;
    app.start_again().await;
    assert!(failures(&app, &release).await < failed);
    proxy.put(Some(app.address()));
    close(client).await;
    assert_eq!(failures(&app, &release).await, failed);
});

on_both!(a_closed_client_still_answers, async |app| {
    let app = app.with_flag("feature.a").await;
    app.roll_out(PRODUCTION, "feature.a", 100.0).await;
    let client = ready(&app).await;
    close(client.clone()).await;
    app.roll_out(PRODUCTION, "feature.a", 0.0).await;
    assert!(client.bool("feature.a", &Context::new("user"), false));
    within("a flush of nothing", client.flush()).await;
    close(client).await;
});

on_both!(what_is_evaluated_is_reported, async |app| {
    let app = app.with_flag("feature.a").await.with_flag("feature.b").await;
    app.put(&configured(PRODUCTION, "feature.b", "/targets/on/u"), &Value::Null).await.expect(200);
    let client = ready(&app).await;
    for user in ["u", "v", "w"] {
        let user = Context::new(user);
        client.bool("feature.a", &user, true);
        client.scope(&user).bool_detail("feature.b", true);
        client.bool("feature.none", &user, true);
        client.string("feature.a", &user, "of another type");
    }
    within("the report", client.flush()).await;
    let environment = crate::usage::id(&app, PRODUCTION).await;
    let served = |flag: &str| {
        let served = app.services().flags.usage().served(environment, flag);
        let mut served: Vec<_> = served.into_iter().map(|one| (one.variation, one.evaluations)).collect();
        served.sort();
        served
    };
    assert_eq!(served("feature.a"), [("off".to_owned(), 3)]);
    assert_eq!(served("feature.b"), [("off".to_owned(), 2), ("on".to_owned(), 1)]);
    within("the report", client.flush()).await;
    assert_eq!(served("feature.a"), [("off".to_owned(), 3)], "once");
    close(client).await;
});
