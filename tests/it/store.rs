//! The store itself: its schema, and how it is opened.

use std::net::SocketAddr;

use bellwether::db::{Direction, Store};
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::program::{Program, Site, own_address, run, run_with};
use crate::harness::{Backend, FLAGS, PASSWORD, PRODUCTION, Postgres, configured, flag, on_each};

on_each!(every_step_down_works_and_up_again, async |backend: Backend| {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&backend.url(folder.path()).parse().unwrap()).unwrap();
    let up = store.migrate(Direction::Up).unwrap();
    assert!(up.len() >= 5, "{up:?}");
    assert!(store.migrations().unwrap().iter().all(|migration| migration.applied));
    assert_eq!(store.migrate(Direction::Up).unwrap(), Vec::<String>::new());
    let mut down = Vec::new();
    for _ in 0..up.len() {
        down.extend(store.migrate(Direction::Down).unwrap());
    }
    down.reverse();
    let mut sorted = up.clone();
    sorted.sort();
    assert_eq!(down, sorted);
    assert_eq!(store.migrate(Direction::Down).unwrap(), Vec::<String>::new());
    assert_eq!(store.migrate(Direction::Up).unwrap(), up);
});

/// How many migrations there were before flags kept what was served, and segments, tokens and usage came.
const EARLIER: usize = 6;

/// What can be asked of the flags of [`a_filled_store_is_brought_up_to_date`], however old the store is.
async fn told(server: &Program, key: &str) -> Vec<Value> {
    let f = |flag: &str| configured(PRODUCTION, flag, "");
    let mut told = Vec::new();
    for path in [f("kept"), f("needs"), format!("{}/history", f("kept")), flag("gone"), FLAGS.to_owned()] {
        told.push(server.call(Method::GET, &path).await.expect(200));
    }
    told.push(server.call(Method::GET, "/api/v1/snapshot").by(key).await.expect(200));
    told
}

on_each!(a_filled_store_is_brought_up_to_date, async |backend: Backend| {
    let site = Site::new(backend).await;
    let url = site.url();
    let key = site.server_key(PRODUCTION);
    let log = "off,bellwether=info";
    let server = Program::serve(&site, own_address(), log).await;
    let post = async |path: &str, body: Value| server.call(Method::POST, path).json(&body).await;
    for flag in ["kept", "needs", "gone"] {
        post(FLAGS, json!({"key": flag, "type": "boolean"})).await.expect(201);
    }
    let put = async |flag: &str, rest: &str, body: Value| {
        let call = server.call(Method::PUT, &configured(PRODUCTION, flag, rest)).any_version();
        call.json(&body).await.expect(200);
    };
    put("kept", "/rollout", json!({"percentage": 0})).await;
    put("kept", "/rollout", json!({"percentage": 100})).await;
    let needs = json!([{"flag": "kept", "variations": ["on"]}]);
    let whole =
        json!({"enabled": true, "off_variation": "off", "prerequisites": needs, "fallthrough": {"variation": "on"}});
    put("needs", "", json!({"configuration": whole})).await;
    server.call(Method::DELETE, &flag("gone")).any_version().await.expect(204);
    let before = told(&server, key).await;
    assert_eq!(server.end_by("TERM").await.0, 0);

    // As an earlier program left it.
    let store = Store::open(&url.parse().unwrap()).unwrap();
    let migrations = store.migrations().unwrap();
    drop(store);
    let later: Vec<_> = migrations.iter().map(|migration| migration.name.clone()).skip(EARLIER).collect();
    assert!(later.len() >= 5, "{later:?}");
    let unasked = run(&["migrate", "down", "--database-url", &url]).await;
    assert_ne!(unasked.code, 0, "{unasked:?}");
    for name in later.iter().rev() {
        let ran = run(&["migrate", "down", "--yes", "--database-url", &url]).await;
        assert!(ran.code == 0 && ran.stdout.contains(name), "{ran:?}");
    }
    let status = run(&["migrate", "status", "--database-url", &url]).await;
    assert_eq!(status.stdout.matches("pending").count(), later.len(), "{status:?}");
    let up = run(&["migrate", "up", "--database-url", &url]).await;
    assert!(up.code == 0 && later.iter().all(|name| up.stdout.contains(name)), "{up:?}");

    // Whoever had a secret has it still.
    let server = Program::serve(&site, own_address(), log).await;
    assert_eq!(told(&server, key).await, before);
    let evaluate = async |flag: &str| {
        let call = server.call(Method::POST, &format!("/ofrep/v1/evaluate/flags/{flag}")).by(key);
        call.json(&json!({"context": {"targetingKey": "u"}})).await
    };
    assert_eq!(evaluate("needs").await.expect(200)["value"], true);
    assert_eq!(evaluate("gone").await.status, 404);
    let tokens = server.call(Method::GET, "/api/v1/tokens").await.expect(200);
    let old = tokens["items"].as_array().unwrap();
    assert!(!old.is_empty() && old.iter().all(|token| token["version"] == 1), "{tokens}");

    // What is in force was taken over to the letter; of older versions the configuration is left.
    let explain = async |query: &str| {
        let path = configured(PRODUCTION, "kept", &format!("/explain{query}"));
        server.call(Method::POST, &path).json(&json!({"targetingKey": "u"})).await.expect(200)
    };
    let now = explain("").await;
    assert_eq!((&now["value"], &now["change"]["action"]), (&json!(true), &json!("flag.rollout")));
    let revision = now["change"]["revision"].as_u64().unwrap();
    let then = explain(&format!("?revision={}", revision - 1)).await;
    assert_eq!(then["value"], false);
    assert!(then["notes"][0].as_str().unwrap().contains("only the configuration is kept"), "{then}");

    // And it goes on from there.
    let off = server.call(Method::PUT, &configured(PRODUCTION, "kept", "/disable")).await.expect(200);
    assert_eq!(off["version"], 4);
    assert_eq!(evaluate("needs").await.expect(200)["value"], false);
    let segment = json!({"key": "beta", "included": ["u"]});
    server.call(Method::POST, "/api/v1/projects/default/segments").json(&segment).await.expect(201);
    assert_eq!(server.end_by("TERM").await.0, 0);
});

#[tokio::test]
async fn a_server_that_will_not_do_is_said_to_be() {
    let server = Postgres::shared();
    let url = server.url();
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    for (wrong, about) in [
        (url.replace(&format!(":{}/", server.port()), &format!(":{closed}/")), "Connection refused"),
        (url.replace("127.0.0.1", "no-such-host.invalid"), "no-such-host.invalid"),
        (url.replace(PASSWORD, "a-wrong-password"), "password authentication failed"),
        (url.replace(&format!(":{PASSWORD}"), ""), "no password supplied"),
        (url.replace("//bellwether:", "//nobody:"), "\"nobody\""),
        (url.replace("/postgres", "/no_such_database"), "\"no_such_database\" does not exist"),
        (format!("{url}?options=-c%20search_path%3Dno_such_schema"), "create the schema first"),
        (format!("{url}?options=--nonsense"), "nonsense"),
    ] {
        for command in
            [&["serve", "--listen", "127.0.0.1:0"][..], &["init", "--json"], &["migrate", "up"], &["migrate", "status"]]
        {
            let ran = run_with(command, &[("BELLWETHER_DATABASE_URL", &wrong)]).await;
            let sentence = ran.sentence();
            assert!(sentence.contains(about) && sentence.contains("can't be opened"), "{wrong}: {sentence}");
            assert!(!sentence.contains("password-of") && !sentence.contains("a-wrong-password"), "{sentence}");
        }
    }
}

#[tokio::test]
async fn a_database_of_another_encoding_or_of_somebody_else_is_left_alone() {
    use diesel::Connection as _;
    use diesel::connection::SimpleConnection as _;
    let server = Postgres::shared();
    let mut connection = diesel::pg::PgConnection::establish(&server.url()).unwrap();
    let create = "CREATE DATABASE ascii ENCODING 'SQL_ASCII' LOCALE_PROVIDER 'libc' LOCALE 'C' TEMPLATE template0";
    connection.batch_execute(create).unwrap();
    let ran = run(&["init", "--database-url", &server.url().replace("/postgres", "/ascii")]).await;
    assert!(ran.sentence().contains("create it with ENCODING 'UTF8'"), "{ran:?}");

    let url = server.schema();
    let mut connection = diesel::pg::PgConnection::establish(&url).unwrap();
    connection.batch_execute("CREATE TABLE projects (id TEXT)").unwrap();
    let ran = run(&["init", "--database-url", &url]).await;
    assert!(ran.sentence().contains("can't be migrated"), "{ran:?}");
}

/// Starts four programs at once on a store that is not there yet.
async fn four(url: &str) -> Vec<Result<Program, String>> {
    let log = "off,bellwether=info";
    let starts = (0..4).map(|_| Program::try_serve(url, "", SocketAddr::from(([127, 0, 0, 1], 0)), log));
    futures_util::future::join_all(starts).await
}

on_each!(four_may_start_at_once, async |backend: Backend| {
    let folder = tempfile::tempdir().unwrap();
    let (mut serving, mut refused) = (Vec::new(), Vec::new());
    for start in four(&backend.url(folder.path())).await {
        match start {
            Ok(server) => serving.push(server),
            Err(said) => refused.push(said),
        }
    }
    match backend {
        Backend::Sqlite => {
            assert_eq!((serving.len(), refused.len()), (1, 3), "{refused:?}");
            assert!(refused.iter().all(|said| said.contains("is in use by another bellwether process")), "{refused:?}");
        }
        Backend::Postgres => assert_eq!((serving.len(), refused), (4, Vec::new())),
    }
    for server in serving {
        assert_eq!(server.call(Method::GET, "/health/ready").await.status, 200);
        assert_eq!(server.end_by("TERM").await.0, 0);
    }
});
