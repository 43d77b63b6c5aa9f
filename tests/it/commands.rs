//! The command line, in processes of its own.

use std::path::Path;

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::program::{Program, Ran, Site, own_address, run, run_with, url};
use crate::harness::{Backend, FLAGS, on_each};

/// Writes a file that is no database.
fn write(path: &Path, text: &str) {
    use std::io::Write as _;
    let mut file = std::fs::OpenOptions::new().create(true).truncate(true).write(true).open(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

on_each!(init_prints_its_secrets_once, async |backend: Backend| {
    let site = Site::new(backend).await;
    assert_eq!(site.secrets["admin"]["username"], "admin");
    assert_eq!(site.secrets["project"], "default");
    let environments: Vec<_> = site.secrets["environments"].as_object().unwrap().keys().collect();
    assert_eq!(environments, ["development", "production", "staging"]);
    assert!(site.token().starts_with("bw_svc_") && site.server_key("staging").starts_with("bw_sdk_"));
    let secrets = site.all_secrets();
    assert_eq!(secrets.len(), 8);
    assert!(secrets.iter().all(|secret| secret.len() >= 43));
    for json in [&["--json"][..], &[]] {
        let url = site.url();
        let again = run(&[&["init", "--database-url", &url], json].concat()).await;
        assert!(again.sentence().contains("set up already"), "{again:?}");
    }
    // What it printed opens what it says.
    let server = Program::serve(&site, own_address(), "off,bellwether=info").await;
    server.call(Method::GET, FLAGS).await.expect(200);
    for (environment, keys) in site.secrets["environments"].as_object().unwrap() {
        let key = keys["server_key"].as_str().unwrap();
        let snapshot = server.call(Method::GET, "/api/v1/snapshot").by(key).await.expect(200);
        assert_eq!(&snapshot["environment"], environment);
    }
    assert_eq!(server.end_by("TERM").await.0, 0);
});

on_each!(init_for_people_is_a_table, async |backend: Backend| {
    let folder = tempfile::tempdir().unwrap();
    let url = backend.url(&folder.path().join("deep/er"));
    let ran = run(&["init", "--database-url", &url]).await;
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    for part in ["admin password", "bw_svc_", "production", "server key    bw_sdk_", "client key    bw_pub_"] {
        assert!(ran.stdout.contains(part), "{part}: {}", ran.stdout);
    }
    let again = run_with(&["init"], &[("BELLWETHER_DATABASE_URL", &url)]).await;
    assert!(again.sentence().contains("set up already"), "the environment says where the store is: {again:?}");
});

#[tokio::test]
async fn a_store_has_one_server() {
    let site = Site::new(Backend::Sqlite).await;
    let server = Program::serve(&site, own_address(), "off,bellwether=info").await;
    let url = site.url();
    for command in [
        &["serve", "--listen", "127.0.0.1:0", "--database-url", &url][..],
        &["init", "--json", "--database-url", &url],
        &["migrate", "up", "--database-url", &url],
        &["migrate", "status", "--database-url", &url],
        &["migrate", "down", "--yes", "--database-url", &url],
    ] {
        let ran = run(command).await;
        let sentence = ran.sentence();
        assert!(sentence.contains("in use") && sentence.contains("stop that one first"), "{command:?}: {sentence}");
    }
    server.call(Method::GET, FLAGS).await.expect(200);
    assert_eq!(server.end_by("INT").await.0, 0);
    let after = run(&["migrate", "status", "--database-url", &url]).await;
    assert_eq!(after.code, 0, "{after:?}");
}

#[tokio::test]
async fn commands_do_not_change_a_store_on_postgresql_under_its_server() {
    let site = Site::new(Backend::Postgres).await;
    let server = Program::serve(&site, own_address(), "off,bellwether=info").await;
    let url = site.url();
    for command in [&["init", "--json"][..], &["seed"], &["migrate", "down", "--yes"], &["demo", "--exit"]] {
        let ran = run(&[command, &["--database-url", &url]].concat()).await;
        assert!(ran.sentence().contains("is in use by another bellwether process"), "{ran:?}");
    }
    for step in ["up", "status"] {
        let ran = run(&["migrate", step, "--database-url", &url]).await;
        assert!(ran.code == 0 && !ran.stdout.contains("pending"), "{ran:?}");
    }
    // A store in another schema is another store.
    Site::new(Backend::Postgres).await;
    server.end_by("KILL").await;
    assert_eq!(run(&["seed", "--database-url", &url]).await.code, 0);
}

#[cfg(unix)]
#[tokio::test]
async fn the_files_of_a_store_are_for_one_user() {
    use std::os::unix::fs::PermissionsExt as _;
    let site = Site::new(Backend::Sqlite).await;
    for name in ["bellwether.db", "bellwether.measurements.db"] {
        let mode = std::fs::metadata(site.path(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

#[tokio::test]
async fn a_port_has_one_server() {
    let (site, other) = (Site::new(Backend::Sqlite).await, Site::new(Backend::Sqlite).await);
    let server = Program::serve(&site, own_address(), "off,bellwether=info").await;
    let address = server.address.to_string();
    let ran = run(&["serve", "--listen", &address, "--database-url", &other.url()]).await;
    let sentence = ran.sentence();
    assert!(sentence.contains(&address) && sentence.contains("--listen"), "{sentence}");
    server.call(Method::GET, FLAGS).await.expect(200);
    assert_eq!(server.end_by("TERM").await.0, 0);
}

/// # Panics
/// Unless each command that opens the store ends with a sentence about it.
async fn unreadable(url: &str, about: &str) {
    for command in [
        &["serve", "--listen", "127.0.0.1:0", "--database-url", url][..],
        &["init", "--json", "--database-url", url],
        &["migrate", "up", "--database-url", url],
        &["migrate", "status", "--database-url", url],
    ] {
        let ran = run(command).await;
        assert!(ran.sentence().contains(about), "{command:?}: {ran:?}");
    }
}

#[tokio::test]
async fn a_database_that_can_not_be_read_is_said_to_be() {
    let site = Site::new(Backend::Sqlite).await;
    let folder = site.path("folder");
    std::fs::DirBuilder::new().create(&folder).unwrap();
    unreadable(&url(&folder), "can't be opened").await;
    let garbage = site.path("garbage.db");
    write(&garbage, &"this is no database\n".repeat(100));
    unreadable(&url(&garbage), "can't be opened").await;
    unreadable(&url(&garbage.join("under.db")), "can't be opened").await;
    write(&site.path("half.measurements.db"), &"nor is this\n".repeat(100));
    unreadable(&url(&site.path("half.db")), "half.measurements.db").await;
    // A database of somebody else.
    let other = site.path("other.db");
    let connection = <diesel::sqlite::SqliteConnection as diesel::Connection>::establish(&other.display().to_string());
    let create = "CREATE TABLE projects (id TEXT)";
    diesel::RunQueryDsl::execute(diesel::sql_query(create), &mut connection.unwrap()).unwrap();
    for command in [&["serve", "--listen", "127.0.0.1:0"][..], &["init"]] {
        let url = url(&other);
        let ran = run(&[command, &["--database-url", &url]].concat()).await;
        assert!(ran.sentence().contains("can't be migrated"), "{ran:?}");
    }
}

#[tokio::test]
async fn a_url_that_can_not_be_used_is_said_to_be() {
    for (wrong, about) in [
        ("mysql://user:hunter2@host/db", "`mysql`"),
        ("postgres//user:hunter2@host/db", "sqlite://path/to/file.db"),
        ("data/bellwether.db", "sqlite://path/to/file.db"),
        ("", "sqlite://path/to/file.db"),
        ("sqlite://", "names no file"),
    ] {
        for command in [&["serve"][..], &["init", "--json"], &["migrate", "up"], &["migrate", "status"]] {
            let by_argument = run(&[command, &["--database-url", wrong]].concat()).await;
            let by_variable = run_with(command, &[("BELLWETHER_DATABASE_URL", wrong)]).await;
            for ran in [by_argument, by_variable] {
                let sentence = ran.sentence();
                assert!(sentence.contains(about), "{command:?} {wrong}: {sentence}");
                assert!(!sentence.contains("hunter2"), "{sentence}");
            }
        }
    }
    let help = run_with(&["init", "--help"], &[("BELLWETHER_DATABASE_URL", "postgres://user:hunter2@host/db")]).await;
    assert_eq!(help.code, 0);
    assert!(help.stdout.contains("BELLWETHER_DATABASE_URL") && !help.stdout.contains("hunter2"), "{}", help.stdout);
}

#[tokio::test]
async fn every_wrong_setting_is_named() {
    let site = Site::new(Backend::Sqlite).await;
    let config = site.path("settings.toml");
    let config_path = config.display().to_string();
    let ran = run(&[
        "serve",
        "--listen",
        "nowhere",
        "--database-url",
        "x",
        "--window-seconds",
        "0",
        "--grace-seconds",
        "9999",
    ])
    .await;
    let sentence = ran.sentence();
    for setting in
        ["/server/listen", "/store/database_url", "/measurements/window_seconds", "/measurements/grace_seconds"]
    {
        assert!(sentence.contains(setting), "{setting}: {sentence}");
    }
    for wrong in ["--history-versions=-1", "--grace-seconds=soon"] {
        let ran = run(&["serve", wrong]).await;
        assert!(ran.sentence().contains(wrong.split('=').next().unwrap()), "{ran:?}");
    }
    write(&config, "[server]\nlisten = 7\nport = 80\n[stor]\n");
    let ran = run(&["serve", "--config", &config_path, "--database-url", &site.url()]).await;
    let sentence = ran.sentence();
    for setting in ["/server/listen", "/server/port", "/stor"] {
        assert!(sentence.contains(setting), "{setting}: {sentence}");
    }
    write(&config, "[server\n");
    let ran = run(&["serve", "--config", &config_path, "--database-url", &site.url()]).await;
    assert!(ran.sentence().contains("settings.toml"), "{ran:?}");
    let ran = run(&["serve", "--config", "/no/such/file.toml", "--database-url", &site.url()]).await;
    assert!(ran.sentence().contains("/no/such/file.toml"), "{ran:?}");
}

fn states(ran: &Ran) -> Vec<(&str, &str)> {
    ran.stdout.lines().map(|line| line.split_once("  ").unwrap()).collect()
}

on_each!(the_schema_goes_up_and_down, async |backend: Backend| {
    let folder = tempfile::tempdir().unwrap();
    let url = backend.url(folder.path());
    let migrate = async |step: &[&str]| {
        let ran = run(&[&["migrate"], step, &["--database-url", &url]].concat()).await;
        assert_eq!(ran.stderr.is_empty(), ran.code == 0, "{ran:?}");
        ran
    };
    let before = migrate(&["status"]).await;
    let names: Vec<_> = states(&before).iter().map(|(_, name)| (*name).to_owned()).collect();
    assert!(names.len() >= 5 && states(&before).iter().all(|(state, _)| *state == "pending"), "{before:?}");
    let up = migrate(&["up"]).await;
    assert_eq!(up.stdout.lines().count(), names.len());
    assert!(states(&migrate(&["status"]).await).iter().all(|(state, _)| *state == "applied"));
    assert_eq!(migrate(&["up"]).await.stdout, "nothing to do\n");

    let asked = migrate(&["down"]).await;
    assert_eq!(asked.code, 1, "{asked:?}");
    assert!(asked.stderr.contains("--yes"));
    assert!(states(&migrate(&["status"]).await).iter().all(|(state, _)| *state == "applied"));
    let down = migrate(&["down", "--yes"]).await;
    assert_eq!(states(&down), [("taken back", names.last().unwrap().as_str())]);
    let status = migrate(&["status"]).await;
    assert_eq!(states(&status).iter().filter(|(state, _)| *state == "pending").count(), 1);
    for _ in 1..names.len() {
        assert_eq!(migrate(&["down", "--yes"]).await.code, 0);
    }
    assert_eq!(migrate(&["down", "--yes"]).await.stdout, "nothing to do\n");
    migrate(&["up"]).await;
    assert_eq!(run(&["init", "--json", "--database-url", &url]).await.code, 0);
});

#[tokio::test]
async fn health_asks_a_server() {
    let site = Site::new(Backend::Sqlite).await;
    let server = Program::serve(&site, own_address(), "off,bellwether=info").await;
    let origin = server.origin();
    for arguments in [&["health", "--server", &origin][..], &["health", "--server", &format!("{origin}/")]] {
        let ran = run(arguments).await;
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
        assert_eq!(ran.stdout, format!("ok  version {}\n", env!("CARGO_PKG_VERSION")));
    }
    let ran = run_with(&["health"], &[("BELLWETHER_SERVER", &origin)]).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(server.end_by("TERM").await.0, 0);
    let ran = run(&["health", "--server", &origin]).await;
    assert!(ran.sentence().contains(&origin), "{ran:?}");
    for wrong in ["nowhere", "ftp://127.0.0.1", ""] {
        run(&["health", "--server", wrong]).await.sentence();
    }
}

#[tokio::test]
async fn what_is_no_command_is_explained() {
    for arguments in [&["serv"][..], &["serve", "--port", "1"], &["migrate"], &["init", "surplus"], &[]] {
        let ran = run(arguments).await;
        assert_eq!(ran.code, 2, "{ran:?}");
        assert!(ran.stderr.contains("Usage:") && !ran.stderr.contains("panicked"), "{ran:?}");
    }
    let version = run(&["--version"]).await;
    assert_eq!((version.code, version.stdout), (0, format!("bellwether {}\n", env!("CARGO_PKG_VERSION"))));
}

on_each!(a_server_that_is_told_to_go_finishes_what_it_does, async |backend: Backend| {
    let site = Site::new(backend).await;
    let server = Program::serve(&site, own_address(), "off,bellwether=info").await;
    let flag = |n: u32| json!({"key": format!("flag.{n}"), "type": "boolean"});
    let mut acknowledged = 0;
    for n in 0..5 {
        server.call(Method::POST, FLAGS).json(&flag(n)).await.expect(201);
        acknowledged += 1;
    }
    let (code, said) = server.end_by("TERM").await;
    assert_eq!(code, 0, "{said}");
    let events: Vec<Value> = said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(events.iter().any(|event| event["message"] == "going away"), "{said}");
    assert!(!events.iter().any(|event| event["level"] == "ERROR" || event["level"] == "WARN"), "{said}");
    let server = Program::serve(&site, own_address(), "off,bellwether=info").await;
    let page = server.call(Method::GET, FLAGS).await.expect(200);
    assert_eq!(page["items"].as_array().unwrap().len(), acknowledged);
    assert_eq!(server.end_by("TERM").await.0, 0);
});
