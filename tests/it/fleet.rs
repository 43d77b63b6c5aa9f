//! `E/propagation` and `E/fleet`: which instance has which revision.

use std::future::IntoFuture as _;

use serde_json::{Value, json};

use crate::harness::{PRODUCTION, Socket, TestApp, environment, eventually, have, hello, on_both, state, within};

async fn join(app: &TestApp, application: &str, instance: &str) -> Socket {
    let mut socket = Socket::connect(app, Some(&app.keys(PRODUCTION).server)).await.unwrap();
    let mut greeting = hello(&have(&state(app, PRODUCTION).await));
    (greeting["application"], greeting["instance"]) = (json!(application), json!(instance));
    socket.say(&greeting).await;
    assert_eq!(socket.hear().await["type"], "ready");
    socket
}

fn propagation(query: &str) -> String {
    format!("{}/propagation{query}", environment(PRODUCTION))
}

/// Says that the next change is in use.
async fn apply(socket: &mut Socket) -> u64 {
    let revision = socket.hear_change().await.revision;
    socket.say(&json!({"type": "applied", "revision": revision})).await;
    revision
}

on_both!(a_change_is_followed_to_the_last_instance, async |app| {
    let app = app.with_flag("feature.a").await;
    let nobody = app.get(&propagation("?wait=60s")).await.expect(200);
    assert_eq!((&nobody["connected"], &nobody["complete"], &nobody["p50_ms"]), (&json!(0), &json!(true), &Value::Null));
    let mut shop = join(&app, "shop", "1").await;
    let mut desk = join(&app, "desk", "2").await;
    app.roll_out(PRODUCTION, "feature.a", 30.0).await;
    let told = app.get(&propagation("")).await.expect(200);
    assert_eq!((&told["connected"], &told["applied"], &told["complete"]), (&json!(2), &json!(0), &json!(false)));
    let names: Vec<_> = told["laggards"].as_array().unwrap().iter().map(|one| &one["application"]).collect();
    assert_eq!(names, ["desk", "shop"]);
    assert_eq!((&told["laggards"][0]["behind"], &told["more_laggards"]), (&json!(1), &json!(0)));

    let revision = apply(&mut shop).await;
    assert_eq!(told["revision"], revision);
    let short = app.get(&propagation("?wait=1ms")).await.expect(200);
    assert_eq!(short["complete"], false, "it waits no longer than was asked for");
    assert!(short["p50_ms"].is_number(), "one of two has it");
    assert_eq!(short["p99_ms"], Value::Null, "the other one not yet");
    let waiting = app.get(&propagation(&format!("?revision={revision}&wait=60s")));
    let (done, _) = tokio::join!(within("the last instance", waiting.into_future()), apply(&mut desk));
    let done = done.expect(200);
    assert_eq!((&done["applied"], &done["complete"], &done["laggards"]), (&json!(2), &json!(true), &json!([])));
    let (half, most) = (done["p50_ms"].as_f64().unwrap(), done["p99_ms"].as_f64().unwrap());
    assert!(0.0 < half && half <= most && most < 60_000.0, "{half} {most}");
    assert!(done["made_at"].is_string());

    // Who comes later says nothing of how long it took.
    let _late = join(&app, "late", "3").await;
    let after = app.get(&propagation(&format!("?revision={revision}"))).await.expect(200);
    assert_eq!((&after["applied"], &after["p99_ms"]), (&json!(3), &done["p99_ms"]));
});

on_both!(a_rejected_change_is_told_until_it_is_made_up_for, async |app| {
    let app = app.with_flag("feature.a").await;
    let mut shop = join(&app, "shop", "1").await;
    app.roll_out(PRODUCTION, "feature.a", 30.0).await;
    let revision = shop.hear_change().await.revision;
    shop.say(&json!({"type": "rejected", "revision": revision, "error": "x".repeat(5_000)})).await;
    let fleet = format!("{}/fleet", environment(PRODUCTION));
    let rejected = eventually("the rejection", async || {
        let all = app.get(&fleet).await.expect(200);
        all["items"][0]["rejected"].as_object().cloned()
    })
    .await;
    assert_eq!((&rejected["revision"], rejected["error"].as_str().unwrap().len()), (&json!(revision), 1_000));
    let metrics = app.get("/metrics").await;
    let metrics = String::from_utf8_lossy(&metrics.body);
    let line = "stream_changes_rejected_total{project=\"default\",environment=\"production\"} 1";
    assert!(metrics.lines().any(|known| known.ends_with(line)), "{metrics}");
    // One that was never made is none, refused or not.
    shop.say(&json!({"type": "rejected", "revision": revision + 1_000, "error": "x"})).await;
    shop.say(&json!({"type": "applied", "revision": revision + 1_000})).await;
    shop.say(&json!({"type": "applied", "revision": revision})).await;
    let waited = app.get(&propagation("?wait=60s")).await.expect(200);
    assert_eq!(waited["complete"], true);
    let all = app.get(&fleet).await.expect(200);
    let metrics = app.get("/metrics").await;
    assert!(String::from_utf8_lossy(&metrics.body).lines().any(|known| known.ends_with(line)), "still one");
    let one = &all["items"][0];
    assert_eq!((&one["rejected"], &one["revision"], &one["behind"]), (&Value::Null, &json!(revision), &json!(0)));
    assert_eq!((&one["application"], &one["sdk"]), (&json!("shop"), &json!("test/1")));
});

on_both!(the_fleet_is_listed_in_pages, async |app| {
    let app = app.with_flag("feature.a").await;
    let mut sockets = Vec::new();
    for instance in ["b", "a", "c", "a"] {
        sockets.push(join(&app, "shop", instance).await);
    }
    let fleet = format!("{}/fleet?limit=3", environment(PRODUCTION));
    let page = app.get(&fleet).await.expect(200);
    let names = |page: &Value| -> Vec<String> {
        let items = page["items"].as_array().unwrap();
        items.iter().map(|one| one["instance"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(&page), ["a", "a", "b"]);
    let next = format!("{fleet}&cursor={}", page["next_cursor"].as_str().unwrap());
    let page = app.get(&next).await.expect(200);
    assert_eq!((names(&page), &page["next_cursor"]), (vec!["c".to_owned()], &Value::Null));
});

on_both!(what_can_not_be_waited_for_is_said, async |app| {
    let app = app.with_flag("feature.a").await;
    let newest = app.revision(PRODUCTION).await;
    for (query, pointer) in [
        ("?wait=10", "/wait"),
        ("?wait=61s", "/wait"),
        ("?revision=x", "/revision"),
        (&*format!("?revision={}", newest + 1), "/revision"),
    ] {
        assert_eq!(app.get(&propagation(query)).await.faults(), [pointer], "{query}");
    }
    let elsewhere = environment("none");
    app.get(&format!("{elsewhere}/propagation")).await.problem(404, "not_found");
    app.get(&format!("{elsewhere}/fleet")).await.problem(404, "not_found");
    app.get(&propagation("")).by(&app.keys(PRODUCTION).server).await.problem(403, "forbidden");
});

on_both!(a_stop_waits_for_nobody_who_waits, async |app| {
    let app = app.with_flag("feature.a").await;
    let _shop = join(&app, "shop", "1").await;
    app.roll_out(PRODUCTION, "feature.a", 30.0).await;
    let asking = app.clone();
    let waiting = tokio::spawn(async move { asking.get(&propagation("?wait=60s")).send().await });
    // By the time this is answered, the other question has arrived.
    app.get(&propagation("?wait=1ms")).await.expect(200);
    within("the end of the server", app.stop()).await;
    let _ = within("the end of the wait", waiting).await;
});
