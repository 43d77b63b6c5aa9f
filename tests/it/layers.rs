//! `E/layers`, and releases that share users out by a layer: over HTTP, by OFREP and by what SDKs evaluate.

mod past;

use std::collections::BTreeSet;

use bellwether_core::window::{CONTROL, TREATMENT};
use bellwether_core::{Context, Now, State};
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::harness::{Answer, Call, DEVELOPMENT, PRODUCTION, TestApp, configured, environment, flag, on_both, state};

const USERS: u32 = 20_000;

fn canary(key: &str, rest: &str) -> String {
    configured(PRODUCTION, key, &format!("/canary{rest}"))
}

/// A policy whose stages are left by a person's word alone.
fn policy(layer: &str, percentage: f64) -> Value {
    let stage = |share: u32| json!({"percentage": share, "minimum_seconds": 3_600});
    json!({"stages": [stage(10), stage(50), stage(100)], "layer": {"name": layer, "percentage": percentage}})
}

fn act(app: &TestApp, key: &str, verb: &str) -> Call {
    app.post(&canary(key, &format!("/{verb}")), &json!({}))
}

/// Has a flag with a canary that asks for so much of a layer, and starts it.
async fn start(app: &TestApp, key: &str, policy: &Value) -> Answer {
    app.clone().with_flag(key).await;
    app.put(&canary(key, ""), policy).await.expect(200);
    act(app, key, "start").await
}

async fn layers(app: &TestApp) -> Value {
    app.get(&format!("{}/layers", environment(PRODUCTION))).await.expect(200)["items"].clone()
}

/// The part of a layer that a flag's release holds, as SDKs get it.
async fn held(app: &TestApp, key: &str) -> Value {
    let snapshot = app.snapshot(PRODUCTION).await;
    let flag = snapshot["flags"].as_array().unwrap().iter().find(|flag| flag["key"] == key).unwrap().clone();
    flag["release"]["layer"].clone()
}

fn user(number: u32) -> Value {
    json!({"targetingKey": format!("user-{number}")})
}

/// What a flag serves a context and the arm that counts it.
fn served<'s>(state: &'s State, key: &str, context: &Context) -> (&'s str, Option<&'s str>) {
    let evaluation = state.evaluate(key, context, Now::At(0)).unwrap();
    (evaluation.variation, evaluation.assignment.map(|assignment| assignment.arm))
}

/// The same of each user.
fn served_to_all<'s>(state: &'s State, key: &str) -> Vec<(&'s str, Option<&'s str>)> {
    (0..USERS).map(|number| served(state, key, &Context::new(format!("user-{number}")))).collect()
}

on_both!(releases_of_one_layer_have_no_user_in_common, async |app| {
    start(&app, "canary.a", &policy("checkout", 20.0)).await.expect(200);
    start(&app, "canary.b", &policy("checkout", 30.5)).await.expect(200);
    start(&app, "canary.c", &policy("search", 100.0)).await.expect(200);
    let evaluated = state(&app, PRODUCTION).await;
    let in_arms = |key: &str| -> BTreeSet<usize> {
        let all = served_to_all(&evaluated, key).into_iter().enumerate();
        all.filter(|(_, (_, arm))| arm.is_some()).map(|(user, _)| user).collect()
    };
    let (a, b) = (in_arms("canary.a"), in_arms("canary.b"));
    assert!(a.is_disjoint(&b), "{} users take part in both", a.intersection(&b).count());
    for (users, share) in [(&a, 0.2), (&b, 0.305)] {
        let found = users.len() as f64 / f64::from(USERS);
        // Four standard deviations of a share of 20,000.
        assert!((found - share).abs() < 0.014, "{found} for {share}");
    }
    assert_eq!(in_arms("canary.c").len(), USERS as usize, "another layer has all of its users");

    let of_a = served_to_all(&evaluated, "canary.a");
    let treated = of_a.iter().filter(|(_, arm)| *arm == Some(TREATMENT)).count() as f64 / a.len() as f64;
    assert!((treated - 0.1).abs() < 0.02, "a tenth of those who take part is treated: {treated}");
    for (user, (variation, arm)) in of_a.into_iter().enumerate() {
        match arm {
            Some(TREATMENT) => assert_eq!(variation, "on"),
            Some(CONTROL) => assert_eq!(variation, "off"),
            arm => assert_eq!((variation, arm), ("off", None), "user-{user} is outside"),
        }
    }

    // The same over HTTP, for one of each.
    let outside = user((0..USERS).find(|number| !a.contains(&(*number as usize))).unwrap());
    let inside = user(*a.first().unwrap() as u32);
    let explain = async |context: &Value| {
        let path = configured(PRODUCTION, "canary.a", "/explain");
        app.post(&path, &json!({"context": context})).await.expect(200)
    };
    let layer =
        |told: &Value| told["steps"].as_array().unwrap().iter().find(|step| step["step"] == "layer").unwrap().clone();
    let (told, step) = (explain(&outside).await, layer(&explain(&outside).await));
    assert_eq!((&step["inside"], &step["salt"]), (&json!(false), &json!("layer/checkout")));
    assert_eq!((&told["variation"], &told["arm"]), (&json!("off"), &Value::Null));
    let told = explain(&inside).await;
    assert_eq!(layer(&told)["inside"], true);
    assert!(told["arm"].is_string(), "{told}");
    let by_ofrep = app.evaluate(PRODUCTION, "canary.a", &outside).await.expect(200);
    assert_eq!((&by_ofrep["value"], &by_ofrep["variant"]), (&json!(false), &json!("off")));
});

on_both!(what_ends_is_free_and_what_runs_keeps_its_users, async |app| {
    let first = start(&app, "canary.a", &policy("checkout", 40.0)).await.expect(200);
    start(&app, "canary.b", &policy("checkout", 50.0)).await.expect(200);
    let of_b = held(&app, "canary.b").await;
    assert_eq!(of_b, json!({"salt": "layer/checkout", "ranges": [[40_000, 90_000]], "otherwise": "off"}));
    let expected = json!([{
        "name": "checkout", "bucket_by": "targetingKey", "free_buckets": 10_000, "free_percentage": 10.0,
        "holders": [
            {"flag": "canary.a", "release": first["release"], "buckets": 40_000, "percentage": 40.0,
             "ranges": [[0, 40_000]]},
            {"flag": "canary.b", "release": app.get(&canary("canary.b", "")).await.expect(200)["release"],
             "buckets": 50_000, "percentage": 50.0, "ranges": [[40_000, 90_000]]},
        ],
    }]);
    assert_eq!(layers(&app).await, expected);
    let elsewhere = app.get(&format!("{}/layers", environment(DEVELOPMENT))).await.expect(200);
    assert_eq!(elsewhere["items"], json!([]), "each environment has its own");

    let before = app.revision(PRODUCTION).await;
    let refused = start(&app, "canary.c", &policy("checkout", 10.001)).await.problem(409, "conflict");
    let detail = refused["detail"].as_str().unwrap();
    for part in ["10 % of layer checkout is free", "10.001 %", "canary.a (40 %), canary.b (50 %)"] {
        assert!(detail.contains(part), "{part} is not in {detail}");
    }
    assert_eq!(app.get(&canary("canary.c", "")).await.expect(200)["state"], "draft");
    assert!(app.revision(PRODUCTION).await <= before + 1, "the new flag alone was told");
    // Just what is left, and then a part in two pieces.
    app.put(&canary("canary.c", ""), &policy("checkout", 10.0)).any_version().await.expect(200);
    act(&app, "canary.c", "start").await.expect(200);
    assert_eq!(layers(&app).await[0]["free_buckets"], 0);
    act(&app, "canary.a", "rollback").await.expect(200);
    act(&app, "canary.c", "promote").await.expect(200);
    assert_eq!(layers(&app).await[0]["free_buckets"], 50_000);
    start(&app, "canary.d", &policy("checkout", 45.0)).await.expect(200);
    assert_eq!(held(&app, "canary.d").await["ranges"], json!([[0, 40_000], [90_000, 95_000]]));

    // Whatever happens to it, a release keeps its users; so does everyone else's.
    for verb in ["advance", "pause", "resume"] {
        act(&app, "canary.b", verb).await.expect(200);
        assert_eq!(held(&app, "canary.b").await, of_b, "after {verb}");
    }
    app.stop().await;
    app.start_again().await;
    act(&app, "canary.d", "rollback").await.expect(200);
    assert_eq!(held(&app, "canary.b").await, of_b);
    assert_eq!(app.configured(PRODUCTION, "canary.b").await["allocations"]["fallthrough"][0], json!([50_000, "on"]));
    act(&app, "canary.b", "rollback").await.expect(200);
    assert_eq!(layers(&app).await, json!([]), "nobody has part of it");
});

on_both!(starts_at_the_same_moment_do_not_overlap, async |app| {
    let keys: Vec<_> = (0..8).map(|number| format!("canary.{number}")).collect();
    for key in &keys {
        app.clone().with_flag(key).await;
        app.put(&canary(key, ""), &policy("checkout", 22.5)).await.expect(200);
    }
    let answers = join_all(keys.iter().map(|key| async { act(&app, key, "start").await })).await;
    let mut statuses: Vec<_> = answers.iter().map(|answer| answer.status.as_u16()).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 200, 200, 200, 409, 409, 409, 409]);
    let layer = &layers(&app).await[0];
    assert_eq!(layer["free_percentage"], 10.0);
    let ranges = layer["holders"].as_array().unwrap().iter().flat_map(|holder| holder["ranges"].as_array().unwrap());
    let mut ranges: Vec<(u32, u32)> = ranges.map(|range| serde_json::from_value(range.clone()).unwrap()).collect();
    ranges.sort_unstable();
    assert_eq!(ranges, [(0, 22_500), (22_500, 45_000), (45_000, 67_500), (67_500, 90_000)]);
});

on_both!(what_starts_again_reaches_the_users_that_it_had, async |app| {
    let taking_part = async |key: &str| -> BTreeSet<usize> {
        let evaluated = state(&app, PRODUCTION).await;
        let all = served_to_all(&evaluated, key).into_iter().enumerate();
        all.filter(|(_, (_, arm))| arm.is_some()).map(|(user, _)| user).collect()
    };
    let again = async |key: &str, percentage: f64| {
        act(&app, key, "rollback").await.expect(200);
        app.put(&canary(key, ""), &policy("checkout", percentage)).any_version().await.expect(200);
        act(&app, key, "start").await.expect(200);
        held(&app, key).await["ranges"].clone()
    };
    start(&app, "canary.a", &policy("checkout", 30.0)).await.expect(200);
    start(&app, "canary.b", &policy("checkout", 20.0)).await.expect(200);
    let (b, treated) = (taking_part("canary.b").await, served_to_all(&state(&app, PRODUCTION).await, "canary.b").len());
    assert!(!b.is_empty() && treated > 0);
    // What the first one leaves is lower, and stays free.
    act(&app, "canary.a", "rollback").await.expect(200);
    assert_eq!(again("canary.b", 20.0).await, json!([[30_000, 50_000]]));
    assert_eq!(taking_part("canary.b").await, b);
    assert_eq!(again("canary.b", 5.0).await, json!([[30_000, 35_000]]), "less: some of them");
    assert_eq!(again("canary.b", 40.0).await, json!([[0, 40_000]]), "more: all of them, and others");
    // Of what another one has meanwhile, nothing; the rest of what it had, and others for what is gone.
    act(&app, "canary.b", "rollback").await.expect(200);
    start(&app, "canary.c", &policy("checkout", 10.0)).await.expect(200);
    act(&app, "canary.b", "start").await.expect(200);
    assert_eq!(held(&app, "canary.b").await["ranges"], json!([[10_000, 50_000]]));
});

on_both!(on_a_rule_the_others_get_the_fallthrough, async |app| {
    let app = app.with_flag("canary.a").await;
    let rule = json!({"id": "nordic", "serve": {"variation": "off"},
                      "clauses": [{"attribute": "country", "op": "in", "values": ["NO"]}]});
    let whole = json!({"enabled": true, "off_variation": "off", "rules": [rule], "fallthrough": {"variation": "on"}});
    app.configure(PRODUCTION, "canary.a", &whole).await.expect(200);
    let mut wanted = policy("checkout", 25.0);
    wanted["where"] = json!("nordic");
    app.put(&canary("canary.a", ""), &wanted).await.expect(200);
    act(&app, "canary.a", "start").await.expect(200);
    assert_eq!(held(&app, "canary.a").await, json!({"salt": "layer/checkout", "ranges": [[0, 25_000]]}));
    let evaluated = state(&app, PRODUCTION).await;
    let mut counted = 0;
    for number in 0..USERS {
        let context = Context::new(format!("user-{number}")).set("country", "NO");
        match served(&evaluated, "canary.a", &context) {
            (_, Some(_)) => counted += 1,
            (variation, None) => assert_eq!(variation, "on", "the fallthrough's"),
        }
    }
    let share = f64::from(counted) / f64::from(USERS);
    assert!((share - 0.25).abs() < 0.014, "{share}");
});

on_both!(a_layer_goes_by_one_attribute, async |app| {
    let by_company = json!({"enabled": true, "off_variation": "off", "fallthrough": {"split": {
        "bucket_by": "company", "salt": "s", "weights": {"off": 100_000}}}});
    for key in ["canary.a", "canary.b"] {
        app.clone().with_flag(key).await;
        app.configure(PRODUCTION, key, &by_company).await.expect(200);
        app.put(&canary(key, ""), &policy("tenants", 30.0)).await.expect(200);
        act(&app, key, "start").await.expect(200);
    }
    assert_eq!(layers(&app).await[0]["bucket_by"], "company");
    assert_eq!(held(&app, "canary.b").await["bucket_by"], "company");
    let refused = start(&app, "canary.c", &policy("tenants", 10.0)).await.problem(409, "conflict");
    assert!(refused["detail"].as_str().unwrap().contains("by company"), "{refused}");
    let company = json!({"targetingKey": "u", "company": "acme"});
    let arm = app.post(&configured(PRODUCTION, "canary.a", "/explain"), &json!({"context": company}));
    assert_eq!(arm.await.expect(200)["steps"][1]["key"], "acme");
    let nobody = app.post(&configured(PRODUCTION, "canary.a", "/explain"), &json!({"context": {"targetingKey": "u"}}));
    let step = json!({"step": "layer", "inside": null, "bucket_by": "company", "key": null});
    assert_eq!(nobody.await.expect(200)["steps"][1], step);
});

on_both!(a_preview_counts_those_who_take_part, async |app| {
    start(&app, "canary.a", &policy("checkout", 20.0)).await.expect(200);
    let path = configured(PRODUCTION, "canary.a", "/disable?preview=true");
    let preview = app.put_nothing(&path).await.expect(200);
    assert_eq!(preview["moves"], json!([{"where": "fallthrough", "from": "on", "to": "off", "buckets": 2_000}]));
});

on_both!(every_fault_of_a_layer_is_named, async |app| {
    let app = app.with_flag("canary.a").await;
    for (layer, expected) in [
        (json!({"name": "a b", "percentage": 0}), vec!["/layer/name", "/layer/percentage"]),
        (json!({"name": "a", "percentage": 12.3456}), vec!["/layer/percentage"]),
        (json!({"name": "a", "percentage": 100.5}), vec!["/layer/percentage"]),
        (json!({"name": 1, "salt": "s"}), vec!["/layer/name", "/layer/salt", "/layer/percentage"]),
        (json!("checkout"), vec!["/layer"]),
    ] {
        let answer = app.put(&canary("canary.a", ""), &json!({"layer": layer})).await;
        answer.problem(422, "invalid");
        let (found, expected): (BTreeSet<_>, BTreeSet<_>) =
            (answer.faults().into_iter().collect(), expected.into_iter().map(str::to_owned).collect());
        assert_eq!(found, expected, "{layer}");
    }
    let plain = app.put(&canary("canary.a", ""), &json!({})).await.expect(200);
    assert_eq!(plain["policy"].get("layer"), None, "{plain}");
    let asked = app.put(&canary("canary.a", ""), &policy("checkout", 20.0)).any_version().await.expect(200);
    assert_eq!(asked["policy"]["layer"], json!({"name": "checkout", "percentage": 20}));
    app.get(&format!("{}/layers", environment("nowhere"))).await.problem(404, "not_found");
    app.delete(&flag("canary.a")).any_version().await.expect(204);
});
