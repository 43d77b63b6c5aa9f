//! The Rust SDK where it has no stream, or no server.

use std::time::Duration;

use bellwether_sdk::{Client, Context};

use crate::harness::{PRODUCTION, Proxy, on_both, within};

const LONG: Duration = Duration::from_secs(45);

async fn is_on(client: &Client, flag: &str) {
    let user = Context::new("u");
    let mut revisions = client.revisions();
    let on = async {
        while !client.bool(flag, &user, false) {
            revisions.changed().await.unwrap();
        }
    };
    within("the flag", on).await;
}

on_both!(flags_are_polled_where_no_stream_gets_through, async |app| {
    let app = app.with_flag("feature.a").await;
    let proxy = Proxy::start().await;
    proxy.refuse_streams();
    proxy.put(Some(app.address()));
    let builder = Client::builder(proxy.origin(), app.keys(PRODUCTION).server.clone());
    let client = builder.reconnect_within(Duration::ZERO).poll_every(Duration::from_secs(1)).connect().unwrap();
    assert!(client.wait_ready(LONG).await, "the first flags are asked for at once");
    assert!(!client.bool("feature.a", &Context::new("u"), true));
    app.roll_out(PRODUCTION, "feature.a", 100.0).await;
    is_on(&client, "feature.a").await;
    assert_eq!(client.revision(), Some(app.revision(PRODUCTION).await));
    within("the end of the client", client.close(LONG)).await;
});

on_both!(a_process_that_starts_without_its_server_has_the_last_flags, async |app| {
    let app = app.with_flag("feature.a").await;
    app.roll_out(PRODUCTION, "feature.a", 100.0).await;
    let folder = tempfile::tempdir().unwrap();
    let proxy = Proxy::start().await;
    proxy.put(Some(app.address()));
    let builder = Client::builder(proxy.origin(), app.keys(PRODUCTION).server.clone())
        .cache_dir(folder.path())
        .reconnect_within(Duration::ZERO);
    let first = builder.clone().connect().unwrap();
    assert!(first.wait_ready(LONG).await);
    let revision = first.revision();
    within("the end of the client", first.close(LONG)).await;

    app.stop().await;
    proxy.put(None);
    let user = Context::new("u");
    let second = builder.clone().connect().unwrap();
    assert!(second.bool("feature.a", &user, false), "at once");
    assert_eq!(second.revision(), revision);
    let offline = builder.offline().connect().unwrap();
    assert!(offline.bool("feature.a", &user, false));

    app.start_again().await;
    proxy.put(Some(app.address()));
    app.roll_out(PRODUCTION, "feature.a", 0.0).await;
    let mut revisions = second.revisions();
    let newest = app.revision(PRODUCTION).await;
    within("the change", revisions.wait_for(|at| *at == Some(newest))).await.unwrap();
    assert!(!second.bool("feature.a", &user, true));
    assert!(offline.bool("feature.a", &user, false), "it stays as it was");
});

on_both!(flags_to_begin_with_are_those_of_a_snapshot, async |app| {
    let app = app.with_flag("feature.a").await;
    app.roll_out(PRODUCTION, "feature.a", 100.0).await;
    let answer = app.get("/api/v1/snapshot").by(&app.keys(PRODUCTION).server).await;
    let snapshot = String::from_utf8(answer.body.to_vec()).unwrap();
    let offline = |builder: bellwether_sdk::ClientBuilder| builder.offline().connect();
    let builder = Client::builder("", "");
    let client = offline(builder.clone().bootstrap_json(&snapshot)).unwrap();
    assert!(client.bool("feature.a", &Context::new("u"), false));
    assert!(offline(builder.clone().bootstrap_json(snapshot.replace("100000", "99999"))).is_err());
    let folder = tempfile::tempdir().unwrap();
    let missing = offline(builder.clone().bootstrap_file(folder.path().join("none.json"))).unwrap_err().to_string();
    assert!(missing.contains("none.json"), "{missing}");
    assert!(!offline(builder).unwrap().bool("feature.a", &Context::new("u"), false));
});
