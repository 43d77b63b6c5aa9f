//! `F/canary` and below, and what its guards do with what services measure.

mod preview;

use bellwether_core::window::{CONTROL, TREATMENT};
use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use crate::harness::{DEVELOPMENT, PRODUCTION, TestApp, configured, eventually, on_both};

const FLAG: &str = "canary.a";

fn canary(rest: &str) -> String {
    configured(PRODUCTION, FLAG, &format!("/canary{rest}"))
}

/// A policy that climbs quickly: 10, 50, 100 %.
fn quick() -> Value {
    let stage = |share: u32| json!({"percentage": share, "minimum_seconds": 1, "minimum_samples": 100});
    json!({"stages": [stage(10), stage(50), {"percentage": 100}]})
}

async fn started(app: TestApp, policy: &Value) -> TestApp {
    let app = app.with_flag(FLAG).await;
    app.put(&canary(""), policy).await.expect(200);
    app.post(&canary("/start"), &json!({"reason": "first release"})).await.expect(200);
    app
}

async fn seen(app: &TestApp) -> Value {
    app.get(&canary("")).await.expect(200)
}

/// Waits until the canary is in `state`.
async fn state(app: &TestApp, state: &str) -> Value {
    eventually(&format!("the state {state}"), async || Some(seen(app).await).filter(|view| view["state"] == state))
        .await
}

/// Services that report a window of requests each second until dropped: so many failures of a thousand.
struct Reporting {
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Reporting {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn report(app: &TestApp, treatment: u64, control: u64) -> Reporting {
    let app = app.clone();
    let task = tokio::spawn(async move {
        let mut ticks = tokio::time::interval(std::time::Duration::from_millis(500));
        for sequence in 0..1_000_u64 {
            ticks.tick().await;
            let view = seen(&app).await;
            let Some(release) = view["release"].as_str() else { continue };
            let now: DateTime<Utc> = bellwether::clock::now();
            let window = |arm: &str, summary: Value| {
                let mut window = json!({"start": now, "seconds": 1, "release": release, "arm": arm});
                window.as_object_mut().unwrap().extend(summary.as_object().unwrap().clone());
                window
            };
            let errors =
                |k: u64| json!({"metric": "request.error", "n": 1000, "k": k, "labels": [["POST /pay 502", k]]});
            let latency = json!({"metric": "request.duration_ms", "n": 1000, "mean": 90.0, "m2": 1e6, "min": 5.0,
                "max": 400.0, "histogram": [[100, 900], [115, 90], [150, 10]]});
            let windows = [
                window(TREATMENT, errors(treatment)),
                window(CONTROL, errors(control)),
                window(TREATMENT, latency.clone()),
                window(CONTROL, latency),
            ];
            let body = json!({"instance": "t", "application": "shop", "sequence": sequence, "windows": windows});
            let answer = app.post("/api/v1/measurements", &body).by(&app.keys(PRODUCTION).server).await;
            answer.expect(202);
        }
    });
    Reporting { task }
}

async fn share(app: &TestApp) -> Value {
    app.configured(PRODUCTION, FLAG).await["allocations"]["fallthrough"].clone()
}

on_both!(a_healthy_canary_climbs_and_is_promoted, async |app| {
    let app = started(app, &quick()).await;
    assert_eq!(share(&app).await, json!([[10_000, "on"], [100_000, "off"]]));
    let _reporting = report(&app, 10, 10);
    let view = state(&app, "promoted").await;
    assert_eq!((view["percentage"].as_f64(), view["stage"].as_u64()), (Some(100.0), Some(2)));
    assert_eq!(share(&app).await, json!([[100_000, "on"]]));
    assert_eq!(app.snapshot(PRODUCTION).await["flags"][0]["release"], Value::Null, "the release is over");
    let log = app.get(&canary("/log")).await.expect(200);
    let events: Vec<_> = log["items"].as_array().unwrap().iter().rev().map(|item| item["event"].clone()).collect();
    assert_eq!(events, ["started", "advanced", "promoted"]);
    // What a person may do no longer is refused.
    app.post(&canary("/advance"), &json!({})).await.problem(409, "conflict");
});

on_both!(a_harmful_canary_is_rolled_back_with_a_record, async |app| {
    let app = started(app, &quick()).await;
    let _reporting = report(&app, 200, 10);
    let view = state(&app, "rolled_back").await;
    assert_eq!(share(&app).await, json!([[100_000, "off"]]));

    let errors = view["guards"].as_array().unwrap().iter().find(|guard| guard["name"] == "errors").unwrap().clone();
    assert_eq!(errors["verdict"], "harm");
    assert!(errors["log_e"].as_f64() >= errors["threshold"].as_f64());
    assert!((errors["threshold"].as_f64().unwrap() - 500_f64.ln()).abs() < 1e-9, "alpha is split over five guards");

    let id = view["verdict"].as_str().unwrap();
    let record = app.get(&canary(&format!("/verdicts/{id}"))).await.expect(200);
    assert_eq!((&record["decision"], &record["release"]), (&json!("rollback"), &view["release"]));
    assert_eq!(record["allocation"], json!([[10_000, "on"], [100_000, "off"]]));
    assert_eq!(record["guards"].as_array().unwrap().len(), 5);
    assert!(record["reason"].as_str().unwrap().contains("against"), "{}", record["reason"]);
    let windows = record["windows"].as_array().unwrap();
    let treatment = windows.iter().find(|w| w["arm"] == TREATMENT && w["metric"] == "request.error").unwrap();
    assert_eq!((treatment["n"].as_u64().unwrap() % 1000, treatment["k"].as_u64().unwrap() % 200), (0, 0));
    assert_eq!(app.get(&canary("/verdicts")).await.expect(200)["items"][0]["id"], record["id"]);

    let audit = app.get("/api/v1/audit?action=canary.rollback").await.expect(200);
    let row = &audit["items"][0];
    assert_eq!((&row["actor"]["kind"], &row["resource"]), (&json!("guard"), &json!("flag/canary.a")));
    assert_eq!(row["reason"], record["reason"]);
    assert_eq!(row["changes"][0]["pointer"], "/fallthrough/split/weights/off");

    // A new start reaches the same users first.
    app.post(&canary("/start"), &json!({"reason": "mended"})).await.expect(200);
    assert_eq!(share(&app).await, json!([[10_000, "on"], [100_000, "off"]]));
});

on_both!(what_hurts_both_arms_is_not_the_canarys_fault, async |app| {
    let mut policy = quick();
    policy["guards"] =
        json!([{"name": "error limit", "metric": "request.error", "test": "ratio_limit", "limit": 0.05}]);
    let app = started(app, &policy).await;
    let _reporting = report(&app, 150, 150);
    let view = state(&app, "held").await;
    assert!(view["waiting_for"].as_str().unwrap().contains("both arms"), "{}", view["waiting_for"]);
    assert_eq!(share(&app).await, json!([[10_000, "on"], [100_000, "off"]]));
});

on_both!(silence_promotes_nothing, async |app| {
    let app = started(app, &quick()).await;
    let view = state(&app, "held").await;
    assert!(view["waiting_for"].as_str().unwrap().contains("Not enough data"), "{}", view["waiting_for"]);
    assert_eq!(view["stage"], 0);
});

on_both!(a_dry_run_tells_and_does_nothing, async |app| {
    let mut policy = quick();
    policy["dry_run"] = json!(true);
    let app = started(app, &policy).await;
    let _reporting = report(&app, 300, 10);
    let told = eventually("a verdict", async || {
        let all = app.get(&canary("/verdicts")).await.expect(200);
        all["items"].as_array().unwrap().iter().find(|verdict| verdict["decision"] == "rollback").cloned()
    });
    assert_eq!(told.await["dry_run"], true);
    assert_eq!(seen(&app).await["state"], "running");
    assert_eq!(share(&app).await, json!([[10_000, "on"], [100_000, "off"]]));
});

on_both!(a_person_is_in_control_at_any_time, async |app| {
    let app = started(app, &json!({})).await;
    let act = async |verb: &str| app.post(&canary(&format!("/{verb}")), &json!({"reason": verb})).await;
    act("start").await.problem(409, "conflict");
    act("resume").await.problem(409, "conflict");
    assert_eq!(act("advance").await.expect(200)["stage"], 1);
    assert_eq!(share(&app).await, json!([[10_000, "on"], [100_000, "off"]]));
    assert_eq!(act("pause").await.expect(200)["state"], "paused");
    act("pause").await.problem(409, "conflict");
    let view = act("resume").await.expect(200);
    assert_eq!(view["state"], "running");
    let stale = app.post(&canary("/pause"), &json!({})).version(1).await;
    stale.problem(412, "stale_version");
    let fresh = app.post(&canary("/pause"), &json!({})).version(view["version"].as_u64().unwrap()).await;
    fresh.expect(200);
    assert_eq!(act("rollback").await.expect(200)["state"], "rolled_back");
    assert_eq!(share(&app).await, json!([[100_000, "off"]]));
    act("promote").await.problem(409, "conflict");
    act("start").await.expect(200);
    assert_eq!(act("promote").await.expect(200)["state"], "promoted");
    assert_eq!(share(&app).await, json!([[100_000, "on"]]));
    // An empty body is a reason left out.
    app.call(reqwest::Method::POST, &canary("/start")).await.expect(200);
    app.call(reqwest::Method::POST, &canary("/rollback")).body("{").await.problem(400, "malformed");

    let audit = app.get("/api/v1/audit?resource=flag/canary.a").await.expect(200);
    let actions: Vec<_> =
        audit["items"].as_array().unwrap().iter().map(|row| row["action"].as_str().unwrap()).collect();
    for action in [
        "canary.configure",
        "canary.start",
        "canary.advance",
        "canary.pause",
        "canary.resume",
        "canary.rollback",
        "canary.promote",
    ] {
        assert!(actions.contains(&action), "{action} is not in {actions:?}");
    }
    let reasons: Vec<_> =
        audit["items"].as_array().unwrap().iter().map(|row| row["reason"].as_str().unwrap()).collect();
    assert!(reasons.contains(&"rollback"), "{reasons:?}");
});

on_both!(a_running_canary_owns_its_split_and_nothing_else, async |app| {
    let app = started(app, &json!({})).await;
    let path = configured(PRODUCTION, FLAG, "/rollout");
    app.put(&path, &json!({"percentage": 30})).await.problem(409, "conflict");
    let before = app.configured(PRODUCTION, FLAG).await;
    let mut whole = before["configuration"].clone();
    whole["fallthrough"] = json!({"variation": "on"});
    app.configure(PRODUCTION, FLAG, &whole).await.problem(409, "conflict");
    assert_eq!(app.configured(PRODUCTION, FLAG).await, before, "nothing changed");
    app.put_nothing(&configured(PRODUCTION, FLAG, "/targets/on/vip")).await.expect(200);
    app.put_nothing(&configured(PRODUCTION, FLAG, "/disable")).await.expect(200);
    app.put(&canary(""), &json!({})).any_version().await.problem(409, "conflict");
    app.delete(&canary("")).any_version().await.problem(409, "conflict");
    // Elsewhere the flag is as free as ever.
    app.put(&configured(DEVELOPMENT, FLAG, "/rollout"), &json!({"percentage": 30})).await.expect(200);
});

on_both!(a_rule_that_a_canary_runs_on_stays, async |app| {
    let app = app.with_flag(FLAG).await;
    let rule = json!({"id": "r", "clauses": [], "serve": {"variation": "off"}});
    let fine = json!({"enabled": true, "off_variation": "off", "rules": [rule], "fallthrough": {"variation": "off"}});
    app.configure(PRODUCTION, FLAG, &fine).await.expect(200);
    app.put(&canary(""), &json!({"where": "r"})).await.expect(200);
    app.post(&canary("/start"), &json!({})).await.expect(200);
    let before = app.configured(PRODUCTION, FLAG).await;
    let path = |rest: &str| configured(PRODUCTION, FLAG, rest);
    let mut without = before["configuration"].clone();
    without["rules"] = json!([]);
    for preview in ["", "?preview=true"] {
        let whole = app.put(&path(preview), &json!({"configuration": without})).any_version();
        let patch = app.patch(&path(preview), &json!({"configuration": {"rules": null}})).any_version();
        for answer in [whole.await, patch.await] {
            let problem = answer.problem(409, "conflict");
            assert!(problem["detail"].as_str().unwrap().contains("owns this split"), "{problem}");
        }
    }
    app.post(&path("/history/1/restore"), &json!({})).any_version().await.problem(409, "conflict");
    // What is wrong with the document itself comes first.
    without["off_variation"] = json!("none");
    assert_eq!(app.configure(PRODUCTION, FLAG, &without).await.faults(), ["/configuration/off_variation"]);
    assert_eq!(app.configured(PRODUCTION, FLAG).await, before);
});

on_both!(a_policy_is_checked_versioned_and_removed, async |app| {
    let app = app.with_flag(FLAG).await;
    app.get(&canary("")).await.problem(404, "not_found");
    app.post(&canary("/start"), &json!({})).await.problem(404, "not_found");
    let wrong = json!({
        "treatment": "no", "alpha": 0.7, "stages": [{"percentage": 50}, {"percentage": 10}],
        "guards": [{"name": "g", "metric": "request.error", "test": "ratio_limit", "limit": 3, "weight": -1}],
    });
    let faults = app.put(&canary(""), &wrong).await;
    faults.problem(422, "invalid");
    let pointers = faults.faults();
    for pointer in ["/treatment", "/alpha", "/stages/1/percentage", "/guards/0/limit", "/guards/0/weight"] {
        assert!(pointers.iter().any(|known| known == pointer), "{pointer} is not in {pointers:?}");
    }
    app.put(&canary(""), &json!({"stagez": []})).await.problem(422, "invalid");
    app.get(&canary("")).await.problem(404, "not_found");

    let view = app.put(&canary(""), &json!({})).await.expect(200);
    assert_eq!((&view["state"], &view["version"]), (&json!("draft"), &json!(1)));
    let shares: Vec<_> =
        view["policy"]["stages"].as_array().unwrap().iter().map(|s| s["percentage"].as_u64().unwrap()).collect();
    assert_eq!(shares, [1, 10, 25, 50, 100]);
    let names: Vec<_> =
        view["policy"]["guards"].as_array().unwrap().iter().map(|g| g["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["errors", "latency", "tail", "error limit", "p99 limit"]);
    app.put(&canary(""), &view["policy"]).await.problem(428, "precondition_required");
    assert_eq!(app.put(&canary(""), &view["policy"]).version(1).await.expect(200)["version"], 2);
    app.delete(&canary("")).version(1).await.problem(412, "stale_version");
    assert_eq!(app.delete(&canary("")).version(2).await.status, 204);
    app.get(&canary("")).await.problem(404, "not_found");
});

on_both!(a_limit_is_read_from_its_flag_when_a_stage_starts, async |app| {
    let app = app.with_flag(FLAG).await;
    let threshold = json!({"key": "limit", "type": "float", "variations": [{"name": "percent", "value": 4.0}]});
    app.post("/api/v1/projects/default/flags", &threshold).await.expect(201);
    let policy = |flag: &str| json!({"guards": [{"name": "l", "metric": "request.error", "test": "ratio_limit", "limit": {"flag": flag, "scale": 0.01}}]});
    app.put(&canary(""), &policy("missing")).await.expect(200);
    assert_eq!(app.post(&canary("/start"), &json!({})).await.faults(), ["/guards/0/limit"]);
    app.put(&canary(""), &policy("limit")).any_version().await.expect(200);
    let view = app.post(&canary("/start"), &json!({})).await.expect(200);
    assert_eq!(view["guards"][0]["limit"], 0.04);
});

on_both!(guards_go_on_where_they_were_after_a_restart, async |app| {
    let mut policy = quick();
    policy["stages"][0]["minimum_seconds"] = json!(3600);
    let app = started(app, &policy).await;
    let reporting = report(&app, 10, 10);
    let samples = |view: &Value| view["guards"][0]["samples"]["treatment"].as_u64().unwrap_or_default();
    eventually("a window", async || Some(samples(&seen(&app).await)).filter(|n| *n > 0)).await;
    drop(reporting);
    let before = seen(&app).await;
    app.stop().await;
    app.start_again().await;
    let after = seen(&app).await;
    assert!(samples(&after) >= samples(&before), "{} of {}", samples(&after), samples(&before));
    assert_eq!((&after["release"], &after["state"]), (&before["release"], &before["state"]));
    let _reporting = report(&app, 300, 10);
    state(&app, "rolled_back").await;
});
