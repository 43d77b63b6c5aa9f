//! `GET /api/v1/stream`, spoken without an SDK.

use bellwether::stream::Bounds;
use bellwether_core::State;
use serde_json::{Value, json};
use tokio::net::TcpSocket;
use tokio_tungstenite::tungstenite::Message;

use crate::harness::{
    DEVELOPMENT, FLAGS, PRODUCTION, Socket, TestApp, configured, environment, eventually, flag, have, hello, on_both,
    state, within,
};

/// Says hello with nothing in hand and takes what comes at once.
async fn fresh(app: &TestApp) -> (Socket, Value) {
    let mut socket = Socket::greet(app, &app.keys(PRODUCTION).server, &Value::Null).await;
    let ready = socket.hear().await;
    assert_eq!(ready["type"], "ready");
    assert_eq!(socket.hear().await, json!({"type": "resync", "revision": ready["revision"]}));
    (socket, ready)
}

/// Says hello with a state and takes the answer.
async fn with(app: &TestApp, state: &State) -> Socket {
    let mut socket = Socket::greet(app, &app.keys(PRODUCTION).server, &have(state)).await;
    assert_eq!(socket.hear().await["type"], "ready");
    socket
}

on_both!(a_reader_with_nothing_is_told_to_fetch, async |app| {
    let app = app.with_flag("feature.a").await;
    let (_, ready) = fresh(&app).await;
    let snapshot = app.snapshot(PRODUCTION).await;
    for member in ["epoch", "revision", "hash"] {
        assert_eq!(ready[member], snapshot[member], "{member}");
    }
    assert!(chrono::DateTime::parse_from_rfc3339(ready["clock"].as_str().unwrap()).is_ok());
});

on_both!(changes_lead_to_what_the_snapshot_says, async |app| {
    let app = app.with_flag("feature.a").await.with_string_flag("text", &["a", "b", "c"]).await;
    let start = state(&app, PRODUCTION).await;
    let mut socket = with(&app, &start).await;
    app.roll_out(PRODUCTION, "feature.a", 12.5).await;
    app.put_nothing(&configured(PRODUCTION, "text", "/targets/a/user")).await.expect(200);
    app.roll_out(DEVELOPMENT, "feature.a", 12.5).await;
    app.patch(&flag("text"), &json!({"name": "no reader sees it"})).any_version().await.expect(200);
    let app = app.with_flag("feature.b").await;
    app.delete(&flag("feature.a")).any_version().await.expect(204);
    let reached = socket.follow(start.clone(), start.revision() + 4).await;
    let fetched = state(&app, PRODUCTION).await;
    assert_eq!(reached.hash(), fetched.hash());
    let text = |state: &State| serde_json::to_string(&state.to_snapshot()).unwrap();
    assert_eq!(text(&reached), text(&fetched), "to the letter");
});

on_both!(who_was_away_gets_what_it_missed, async |app| {
    let app = app.with_flag("feature.a").await;
    let before = state(&app, PRODUCTION).await;
    for percentage in 1..=10 {
        app.roll_out(PRODUCTION, "feature.a", f64::from(percentage)).await;
    }
    let now = app.revision(PRODUCTION).await;
    let reached = with(&app, &before).await.follow(before.clone(), now).await;
    assert_eq!(reached.hash(), state(&app, PRODUCTION).await.hash());

    // Also after the server was away itself.
    app.stop().await;
    app.start_again().await;
    let mut socket = with(&app, &before).await;
    socket.follow(before.clone(), now).await;
    app.roll_out(PRODUCTION, "feature.a", 50.0).await;
    socket.follow(reached, now + 1).await;
});

on_both!(who_can_not_be_led_there_is_told_to_fetch, async |app| {
    let app = app.with_flag("feature.a").await;
    let old = state(&app, PRODUCTION).await;
    app.roll_out(PRODUCTION, "feature.a", 1.0).await;
    let now = state(&app, PRODUCTION).await;
    let (epoch, revision) = (now.epoch(), now.revision());
    for wrong in [
        json!({"epoch": "another", "revision": revision, "hash": now.hash()}),
        json!({"epoch": epoch, "revision": revision, "hash": old.hash()}),
        json!({"epoch": epoch, "revision": revision, "hash": ""}),
        json!({"epoch": epoch, "revision": old.revision(), "hash": now.hash()}),
        json!({"epoch": epoch, "revision": revision + 1, "hash": now.hash()}),
        json!({"epoch": epoch, "revision": u64::MAX, "hash": now.hash()}),
    ] {
        let mut socket = Socket::greet(&app, &app.keys(PRODUCTION).server, &wrong).await;
        assert_eq!(socket.hear().await["type"], "ready");
        assert_eq!(socket.hear().await, json!({"type": "resync", "revision": revision}), "{wrong}");
        // And from there on it hears of changes.
    }
    let (mut socket, _) = fresh(&app).await;
    app.roll_out(PRODUCTION, "feature.a", 2.0).await;
    socket.follow(now, revision + 1).await;
});

on_both!(one_change_reaches_everyone_in_the_environment, async |app| {
    let app = app.with_flag("feature.a").await;
    let mut here = Vec::new();
    for _ in 0..20 {
        here.push(fresh(&app).await.0);
    }
    let elsewhere = state(&app, DEVELOPMENT).await;
    let mut there = Socket::greet(&app, &app.keys(DEVELOPMENT).server, &have(&elsewhere)).await;
    there.hear().await;
    app.roll_out(PRODUCTION, "feature.a", 30.0).await;
    app.put_nothing(&configured(DEVELOPMENT, "feature.a", "/disable")).await.expect(200);
    let first = here[0].hear_text().await;
    for socket in &mut here[1..] {
        assert_eq!(socket.hear_text().await, first);
    }
    let heard = there.hear_change().await;
    assert_eq!(heard.revision, elsewhere.revision() + 1, "the first thing that is heard there is its own");
});

on_both!(receipts_are_counted, async |app| {
    let app = app.with_flag("feature.a").await;
    let services = app.services();
    let production = environment_id(&app, PRODUCTION).await;
    let start = state(&app, PRODUCTION).await;
    let (mut a, mut b) = (with(&app, &start).await, with(&app, &start).await);
    let reach = async |connected: usize, applied: usize, revision: u64| {
        eventually("the receipts", async || {
            let reach = services.fleet.reach(production, revision);
            (reach.connected == connected && reach.applied == applied).then_some(())
        })
        .await;
    };
    reach(2, 2, start.revision()).await;
    app.roll_out(PRODUCTION, "feature.a", 30.0).await;
    let next = start.revision() + 1;
    reach(2, 0, next).await;
    a.hear_change().await;
    a.say(&json!({"type": "applied", "revision": next})).await;
    reach(2, 1, next).await;
    b.say(&json!({"type": "rejected", "revision": next, "error": "no"})).await;
    b.say(&json!({"type": "news", "of": "a later version"})).await;
    b.say(&json!("nonsense")).await;
    b.say(&json!({"type": "applied", "revision": next})).await;
    reach(2, 2, next).await;
    drop(a);
    reach(1, 1, next).await;
});

async fn environment_id(app: &TestApp, key: &str) -> i64 {
    let projects = app.services().projects;
    projects.environment(&system(), "default".to_owned(), key.to_owned()).await.unwrap().id()
}

fn system() -> bellwether::access::Caller {
    bellwether::access::Caller::system("test")
}

on_both!(the_handshake_takes_a_server_key, async |app| {
    let refused = async |key: Option<&str>| Socket::connect(&app, key).await.err();
    assert_eq!(refused(None).await, Some(401));
    assert_eq!(refused(Some("bw_sdk_x")).await, Some(401));
    assert_eq!(refused(Some(&app.keys(PRODUCTION).client)).await, Some(403));
    assert_eq!(refused(Some(&app.credentials().admin)).await, Some(403));
    assert_eq!(refused(Some(&app.keys(PRODUCTION).server)).await, None);
    let plain = app.get("/api/v1/stream").by(&app.keys(PRODUCTION).server).await;
    plain.problem(400, "malformed");
});

on_both!(who_does_not_say_hello_is_sent_away, async |app| {
    let connect = async || Socket::connect(&app, Some(&app.keys(PRODUCTION).server)).await.unwrap();
    let hello = hello(&Value::Null);
    let mut incomplete = hello.clone();
    incomplete.as_object_mut().unwrap().remove("instance");
    for first in [
        Message::text("{}"),
        Message::text("nonsense"),
        Message::text("{\"type\":\"applied\",\"revision\":1}"),
        Message::text(incomplete.to_string()),
        Message::binary(hello.to_string().into_bytes()),
        Message::text("x".repeat(100_000)),
    ] {
        let mut socket = connect().await;
        // The server may close before all of it is sent.
        let _ = socket.send(first).await;
        assert_eq!(socket.hear_the_end().await.0, 1008);
    }
});

on_both!(frames_are_of_text_and_of_measure, async |app| {
    let (mut socket, _) = fresh(&app).await;
    socket.send(Message::binary(vec![1, 2, 3])).await.unwrap();
    assert_eq!(socket.hear_the_end().await.0, 1003);

    let (mut socket, _) = fresh(&app).await;
    let _ = socket.send(Message::text("x".repeat(65_537))).await;
    let (code, why) = socket.hear_the_end().await;
    // The connection may break before the farewell is read, for the frame is not taken off the wire.
    assert!([0, 1002, 1009].contains(&code), "{code} {why}");

    let (mut socket, _) = fresh(&app).await;
    socket.send(Message::text(" ".repeat(60_000))).await.unwrap();
    socket.send(Message::Ping(vec![1].into())).await.unwrap();
    let app = app.with_flag("feature.a").await;
    socket.hear_change().await;
    drop(app);
});

on_both!(a_key_that_ends_closes_its_streams, async |app| {
    let app = app.with_flag("feature.a").await;
    let services = app.services();
    let (mine, _) = fresh(&app).await;
    let mut other = Socket::greet(&app, &app.keys(DEVELOPMENT).server, &Value::Null).await;
    let secret = bellwether::access::Secret::new(app.keys(PRODUCTION).server.clone());
    let caller = services.access.authenticate(&secret, bellwether::access::Origin::default()).unwrap();
    services.access.log_out(&caller, &secret).await.unwrap();
    app.roll_out(DEVELOPMENT, "feature.a", 5.0).await;
    assert_eq!(other.hear().await["type"], "ready");
    assert_eq!(other.hear().await["type"], "resync");
    other.hear_change().await;
    // With an environment go its keys.
    app.delete(&environment(DEVELOPMENT)).await.expect(204);
    for mut ended in [mine, other] {
        let (code, why) = ended.hear_the_end().await;
        assert_eq!(code, 1008, "{why}");
    }
});

on_both!(the_server_says_when_it_goes_away, async |app| {
    let mut sockets = vec![fresh(&app).await.0, fresh(&app).await.0];
    let silent = Socket::connect(&app, Some(&app.keys(PRODUCTION).server)).await.unwrap();
    let stopping = app.clone();
    let stop = tokio::spawn(async move { stopping.stop().await });
    for socket in &mut sockets {
        let drain = socket.hear().await;
        assert_eq!(drain["type"], "drain");
        assert!(drain["retry_after_ms"].as_u64().is_some_and(|wait| (1_000..=60_000).contains(&wait)), "{drain}");
        assert_eq!(socket.hear_the_end().await.0, 1001);
    }
    within("the end of the server", stop).await.unwrap();
    drop(silent);
    app.start_again().await;
    fresh(&app).await;
});

on_both!(who_does_not_read_or_speak_is_let_go_and_slows_nobody, async |app| {
    let mut silent = Socket::connect(&app, Some(&app.keys(PRODUCTION).server)).await.unwrap();
    let values: Vec<_> = (0..4).map(|n| json!({"name": n.to_string(), "value": "x".repeat(50_000)})).collect();
    app.post(FLAGS, &json!({"key": "big", "type": "string", "variations": values})).await.expect(201);
    let production = environment_id(&app, PRODUCTION).await;
    let services = app.services();
    let connected = async |count: usize| {
        eventually("the number of readers", async || {
            (services.fleet.reach(production, 0).connected == count).then_some(())
        })
        .await;
    };
    let (mut reader, _) = fresh(&app).await;
    let small = TcpSocket::new_v4().unwrap();
    small.set_recv_buffer_size(4_096).unwrap();
    let mut sleeper = Socket::over(small, &app, Some(&app.keys(PRODUCTION).server)).await.unwrap();
    sleeper.say(&hello(&Value::Null)).await;
    connected(2).await;

    let mut at = state(&app, PRODUCTION).await;
    // More than the network and the server hold back for one that does not read.
    for step in 0..80 {
        let verb = if step % 2 == 0 { "/disable" } else { "/enable" };
        app.put_nothing(&configured(PRODUCTION, "big", verb)).await.expect(200);
        let next = at.revision() + 1;
        at = within("the change", reader.follow(at, next)).await;
    }
    connected(1).await;
    assert_eq!(silent.hear_the_end().await.0, 1008);
    app.clone().with_flag("small").await;
    reader.follow(at.clone(), at.revision() + 1).await;
    drop(sleeper);
});

on_both!(a_server_that_lost_its_place_tells_its_readers_to_fetch, async |app| {
    use bellwether::flags::{Place, edit};
    use bellwether::version::IfMatch;
    let app = app.with_flag("feature.a").await;
    let start = state(&app, PRODUCTION).await;
    let mut socket = with(&app, &start).await;
    // A change that is in the store and that the server was not told of.
    let work = |c: &mut bellwether::db::Connection<'_>| {
        let place =
            Place { project: "default".to_owned(), environment: PRODUCTION.to_owned(), flag: "feature.a".to_owned() };
        let change = |edited: &bellwether::flags::Edited| {
            Ok(bellwether::flags::Configuration { enabled: false, ..edited.configuration().clone() })
        };
        edit(c, &system(), &place, IfMatch::Any, "flag.disable", change).map(drop)
    };
    app.services().store.write(bellwether::db::Part::Configuration, work).await.unwrap();
    assert_eq!(state(&app, PRODUCTION).await.revision(), start.revision());
    app.roll_out(PRODUCTION, "feature.a", 5.0).await;
    let revision = start.revision() + 2;
    assert_eq!(socket.hear().await, json!({"type": "resync", "revision": revision}));
    let found = state(&app, PRODUCTION).await;
    assert_eq!(found.revision(), revision);
    assert!(!found.flag("feature.a").unwrap().flag().enabled());
    app.roll_out(PRODUCTION, "feature.a", 6.0).await;
    socket.follow(found, revision + 1).await;
});

on_both!(so_many_streams_are_let_in, async |app| {
    app.start_again_with_streams(Bounds { streams: 2, ..Bounds::default() }).await;
    let key = app.keys(PRODUCTION).server.clone();
    let (first, _) = fresh(&app).await;
    let _second = fresh(&app).await;
    let refused = app.get("/api/v1/stream").by(&key).await;
    refused.problem(503, "busy");
    assert_eq!(refused.header("retry-after"), "1");
    // A key that is not good is told so, and takes nobody's place.
    app.get("/api/v1/stream").by("bw_srv_x").await.problem(401, "unauthenticated");
    drop(first);
    eventually("a place", async || Socket::connect(&app, Some(&key)).await.ok()).await;
});
