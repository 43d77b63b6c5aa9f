//! The store itself: its schema, and how it is opened.

use std::net::SocketAddr;

use bellwether::db::{Direction, Store};
use reqwest::Method;

use crate::harness::program::{Program, run, run_with};
use crate::harness::{Backend, PASSWORD, Postgres, on_each};

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
