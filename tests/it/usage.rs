//! What is evaluated, and what that says of flags.

use bellwether::clock;
use bellwether::db::Part;
use bellwether::usage::Served;
use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::harness::{Call, DEVELOPMENT, FLAGS, PRODUCTION, TestApp, configured, environment, flag, on_both};

/// How often each variation of a flag was served in an environment, by name.
async fn counts(app: &TestApp, key: &str, flag: &str) -> Vec<(String, u64)> {
    let mut counts: Vec<_> =
        served(app, key, flag).await.into_iter().map(|served| (served.variation, served.evaluations)).collect();
    counts.sort();
    counts
}

/// The id of an environment.
pub(crate) async fn id(app: &TestApp, key: &str) -> i64 {
    app.services().projects.environment(&admin(), "default".to_owned(), key.to_owned()).await.unwrap().id()
}

fn admin() -> bellwether::access::Caller {
    bellwether::access::Caller::system("test")
}

async fn served(app: &TestApp, key: &str, flag: &str) -> Vec<Served> {
    app.services().flags.usage().served(id(app, key).await, flag)
}

async fn recent(app: &TestApp, key: &str) -> Vec<String> {
    let users = app.services().flags.usage().recent_users(id(app, key).await, clock::now());
    assert_eq!(users.seen, users.keys.len() as u64);
    let mut keys: Vec<_> = users.keys.iter().map(ToString::to_string).collect();
    keys.sort();
    keys
}

fn named(counts: &[(&str, u64)]) -> Vec<(String, u64)> {
    counts.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect()
}

fn batch(instance: &str, sequence: u64, rest: &Value) -> Value {
    let mut batch = json!({"instance": instance, "application": "a", "sequence": sequence, "windows": []});
    batch.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
    batch
}

fn send(app: &TestApp, batch: &Value) -> Call {
    app.post("/api/v1/measurements", batch).by(&app.keys(PRODUCTION).server)
}

on_both!(evaluations_are_counted_and_kept, async |app| {
    let app = app.with_flag("feature.a").await;
    let before = clock::now();
    for user in ["u", "v", "u"] {
        app.evaluate(PRODUCTION, "feature.a", &json!({"targetingKey": user})).await.expect(200);
    }
    app.evaluate(PRODUCTION, "feature.none", &json!({"targetingKey": "w"})).await.problem(404, "not_found");
    app.evaluate(PRODUCTION, "feature.a", &json!({})).await.expect(200);
    assert_eq!(counts(&app, PRODUCTION, "feature.a").await, named(&[("off", 4)]));
    assert_eq!(counts(&app, DEVELOPMENT, "feature.a").await, []);
    assert_eq!(counts(&app, PRODUCTION, "feature.none").await, []);
    assert_eq!(recent(&app, PRODUCTION).await[..2], ["u", "v"]);
    app.stop().await;
    app.start_again().await;
    app.roll_out(PRODUCTION, "feature.a", 100.0).await;
    app.evaluate(PRODUCTION, "feature.a", &json!({"targetingKey": "u"})).await.expect(200);
    assert_eq!(counts(&app, PRODUCTION, "feature.a").await, named(&[("off", 4), ("on", 1)]));
    let times = served(&app, PRODUCTION, "feature.a").await;
    assert!(times.iter().all(|one| before <= one.first && one.first <= one.last && one.last <= clock::now()));
    assert_eq!(recent(&app, PRODUCTION).await, ["u"], "users are in memory alone");
});

on_both!(what_services_report_counts_once, async |app| {
    let app = app.with_flag("feature.a").await;
    let last = clock::now() - TimeDelta::minutes(3);
    let evaluation = |flag: &str, variation: &str, count: u64| json!({"flag": flag, "variation": variation, "count": count, "last": clock::rfc3339(last)});
    let evaluations = [
        evaluation("feature.a", "on", 930),
        evaluation("feature.a", "on", 70),
        evaluation("feature.a", "off", 5),
        evaluation("feature.a", "gone", 1),
        evaluation("feature.gone", "on", 1),
    ];
    let exposure = json!({"release": "r", "arm": "treatment", "unit": "user-1", "at": clock::rfc3339(last)});
    let first = batch("i", 1, &json!({"evaluations": evaluations, "exposures": [exposure]}));
    for duplicate in [false, true] {
        assert_eq!(send(&app, &first).await.expect(202)["duplicate"], duplicate);
        assert_eq!(counts(&app, PRODUCTION, "feature.a").await, named(&[("off", 5), ("on", 1_000)]));
    }
    assert!(served(&app, PRODUCTION, "feature.a").await.iter().all(|one| one.last == last));
    assert_eq!(recent(&app, PRODUCTION).await, ["user-1"]);
    app.stop().await;
    app.start_again().await;
    assert_eq!(send(&app, &first).await.expect(202)["duplicate"], true);
    assert_eq!(counts(&app, PRODUCTION, "feature.a").await, named(&[("off", 5), ("on", 1_000)]));
    send(&app, &batch("j", 1, &json!({"evaluations": [evaluation("feature.a", "on", 1)]}))).await.expect(202);
    assert_eq!(counts(&app, PRODUCTION, "feature.a").await, named(&[("off", 5), ("on", 1_001)]));
});

on_both!(a_report_that_can_not_be_is_refused, async |app| {
    let late = clock::rfc3339(clock::now() + TimeDelta::hours(1));
    let evaluations = json!([
        {"flag": "f", "variation": "on", "count": -1, "last": late},
        {"flag": "f", "variation": "on", "count": 1, "last": "yesterday", "more": 1},
    ]);
    let refused = send(&app, &batch("i", 1, &json!({"evaluations": evaluations}))).await;
    let expected = ["/evaluations/0/count", "/evaluations/0/last", "/evaluations/1/last", "/evaluations/1/more"];
    assert_eq!(refused.faults(), expected, "of a shape or of a meaning, each is told");
    let body = json!({
        "evaluations": [{"flag": "f", "variation": "on", "count": 1, "last": late}],
        "exposures": [{"release": "r", "arm": "a", "unit": "u".repeat(1_001), "at": late}],
    });
    let refused = send(&app, &batch("i", 1, &body)).await;
    assert_eq!(refused.faults(), ["/evaluations/0/last", "/exposures/0/at", "/exposures/0/unit"]);
});

on_both!(a_purged_flag_leaves_nothing, async |app| {
    let app = app.with_flag("feature.a").await;
    app.evaluate(PRODUCTION, "feature.a", &json!({})).await.expect(200);
    app.stop().await;
    app.start_again().await;
    app.delete(&flag("feature.a")).any_version().await.expect(204);
    assert_eq!(counts(&app, PRODUCTION, "feature.a").await, named(&[("off", 1)]), "it can be brought back");
    app.delete(&format!("{}?purge=true", flag("feature.a"))).any_version().await.expect(204);
    assert_eq!(counts(&app, PRODUCTION, "feature.a").await, []);
    let app = app.with_flag("feature.a").await;
    app.stop().await;
    app.start_again().await;
    assert_eq!(counts(&app, PRODUCTION, "feature.a").await, []);
});

on_both!(an_environment_that_goes_takes_its_counts_along, async |app| {
    let app = app.with_flag("feature.a").await;
    let id = id(&app, DEVELOPMENT).await;
    app.evaluate(DEVELOPMENT, "feature.a", &json!({})).await.expect(200);
    app.delete(&environment(DEVELOPMENT)).any_version().await.expect(204);
    app.stop().await;
    app.start_again().await;
    assert_eq!(app.services().flags.usage().served(id, "feature.a"), []);
});

/// A time so many days ago, as the store keeps it.
fn ago(days: i64) -> String {
    clock::rfc3339(clock::now() - TimeDelta::days(days))
}

/// Lets the time that counting began, and flags were created, be so many days ago.
fn age(app: &TestApp, days: i64) {
    app.execute(Part::Configuration, &format!("UPDATE flags SET created_at = '{}'", ago(days)));
    app.execute(Part::Measurements, &format!("UPDATE flag_usage SET first_at = '{}'", ago(days)));
}

async fn shown(app: &TestApp, key: &str) -> (Value, Value) {
    let shown = app.get(&flag(key)).await.expect(200);
    (shown["state"].clone(), shown.get("stale_reason").cloned().unwrap_or_default())
}

async fn keys(app: &TestApp, query: &str) -> Vec<String> {
    let page = app.get(&format!("{FLAGS}?{query}")).await.expect(200);
    page["items"].as_array().unwrap().iter().map(|item| item["key"].as_str().unwrap().to_owned()).collect()
}

on_both!(flags_show_whether_they_are_of_use, async |app| {
    let config = json!({"key": "config.a", "type": "boolean", "kind": "config"});
    app.post(FLAGS, &config).await.expect(201);
    let app = app.with_flag("feature.a").await.with_flag("feature.b").await.with_flag("feature.gone").await;
    let app = app.with_flag("feature.never").await;
    for key in ["config.a", "feature.a", "feature.b", "feature.gone"] {
        app.evaluate(PRODUCTION, key, &json!({})).await.expect(200);
    }
    app.put(&configured(PRODUCTION, "feature.b", "/targets/on/u"), &json!(null)).await.expect(200);
    app.delete(&flag("feature.gone")).any_version().await.expect(204);
    assert_eq!(keys(&app, "stale=true").await, Vec::<String>::new(), "nothing is stale on its first day");
    app.stop().await;
    age(&app, 47);
    app.start_again().await;
    app.evaluate(PRODUCTION, "feature.b", &json!({"targetingKey": "u"})).await.expect(200);

    assert_eq!(shown(&app, "config.a").await, (json!("active"), json!(null)));
    let stale = (json!("potentially_stale"), json!("production has served only `off` for 47 days"));
    assert_eq!(shown(&app, "feature.a").await, stale);
    assert_eq!(shown(&app, "feature.b").await, (json!("active"), json!(null)));
    assert_eq!(shown(&app, "feature.gone").await, (json!("archived"), json!(null)));
    let (state, reason) = shown(&app, "feature.never").await;
    assert_eq!(state, "potentially_stale");
    assert!(reason.as_str().unwrap().starts_with("not evaluated in any environment since "), "{reason}");

    let in_use = ["config.a", "feature.a", "feature.b", "feature.never"];
    for (query, expected) in [
        ("state=active", vec!["config.a", "feature.b"]),
        ("state=potentially_stale", vec!["feature.a", "feature.never"]),
        ("state=archived", vec!["feature.gone"]),
        ("stale=true", vec!["feature.a", "feature.never"]),
        ("stale=false", vec!["config.a", "feature.b"]),
        ("stale=true&q=never", vec!["feature.never"]),
        ("stale=true&kind=config", vec![]),
        ("state=active&archived=true", vec![]),
        ("archived=true&stale=false", vec!["feature.gone"]),
        ("archived=false", in_use.to_vec()),
    ] {
        assert_eq!(keys(&app, query).await, expected, "{query}");
    }
    let wrong = app.get(&format!("{FLAGS}?state=stale&stale=1")).await;
    assert_eq!(wrong.faults(), ["/stale", "/state"]);

    // A patch's answer says it as well, and the log does not: it is not what somebody did.
    let patched = app.patch(&flag("feature.a"), &json!({"name": "A"})).any_version().await.expect(200);
    assert_eq!(patched["state"], "potentially_stale");
    let log = app.get("/api/v1/audit?action=flag.create").await.expect(200).to_string();
    assert!(!log.contains("/state"), "{log}");
});

on_both!(what_was_evaluated_long_ago_is_stale, async |app| {
    let app = app.with_flag("feature.a").await;
    app.evaluate(PRODUCTION, "feature.a", &json!({})).await.expect(200);
    app.stop().await;
    age(&app, 90);
    let last = clock::now() - TimeDelta::days(31);
    app.execute(Part::Measurements, &format!("UPDATE flag_usage SET last_at = '{}'", clock::rfc3339(last)));
    app.start_again().await;
    let reason = format!("not evaluated in any environment since {}", last.format("%-d %b %Y"));
    assert_eq!(shown(&app, "feature.a").await, (json!("potentially_stale"), json!(reason)));
    app.evaluate(DEVELOPMENT, "feature.a", &json!({})).await.expect(200);
    assert_eq!(shown(&app, "feature.a").await, (json!("active"), json!(null)), "not yet 30 days of it");
    app.evaluate(PRODUCTION, "feature.a", &json!({})).await.expect(200);
    assert_eq!(shown(&app, "feature.a").await.1, json!("production has served only `off` for 90 days"));
    app.start_canary_on(PRODUCTION, "feature.a").await;
    assert_eq!(shown(&app, "feature.a").await, (json!("active"), json!(null)), "a canary runs on it");
});
