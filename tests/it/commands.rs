//! Commands that can't do their work say why in one sentence, and exit with 2.

use std::path::Path;
use std::process::{Command, Output, Stdio};

fn bellwether(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_bellwether"))
        .args(arguments)
        .current_dir(folder)
        .env_remove("BELLWETHER_DATABASE_URL")
        .env("BELLWETHER_LOG", "error")
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

/// Exit code 2, and one line on standard error with `part` in it.
fn refused(output: &Output, part: &str) {
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(error.contains(part), "`{part}` is not in {error}");
    assert!(!error.contains("panicked"), "{error}");
    assert_eq!(error.trim_end().lines().count(), 1, "{error}");
}

#[test]
fn a_store_is_set_up_once() {
    let folder = tempfile::tempdir().unwrap();
    let first = bellwether(folder.path(), &["init", "--json"]);
    assert!(first.status.success());
    let secrets: serde_json::Value = serde_json::from_slice(&first.stdout).unwrap();
    for environment in ["development", "staging", "production"] {
        let keys = &secrets["environments"][environment];
        assert!(keys["server_key"].as_str().unwrap().starts_with("bw_sdk_"));
        assert!(keys["client_key"].as_str().unwrap().starts_with("bw_pub_"));
    }
    assert!(secrets["token"].as_str().unwrap().starts_with("bw_svc_"));
    assert_eq!(secrets["admin"]["username"], "admin");
    refused(&bellwether(folder.path(), &["init", "--json"]), "set up already");
}

#[test]
fn the_default_flags_are_nine() {
    let folder = tempfile::tempdir().unwrap();
    let seeded = bellwether(folder.path(), &["seed"]);
    let lines = String::from_utf8(seeded.stdout).unwrap();
    assert_eq!(lines.lines().filter(|line| line.starts_with("created")).count(), 9, "{lines}");
    let again = String::from_utf8(bellwether(folder.path(), &["seed"]).stdout).unwrap();
    assert_eq!(again.lines().filter(|line| line.starts_with("already there")).count(), 9, "{again}");
}

#[test]
fn what_can_not_be_opened_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let serve = |url: &str| bellwether(folder.path(), &["serve", "--listen", "127.0.0.1:0", "--database-url", url]);
    refused(&serve("mysql://user:secret@host/db"), "sqlite://");
    assert!(!String::from_utf8_lossy(&serve("mysql://user:secret@host/db").stderr).contains("secret"));
    refused(&serve("sqlite://"), "names no file");
    refused(&serve("sqlite:///proc/none/bellwether.db"), "can't be opened");
    let garbage = folder.path().join("garbage.db");
    Command::new("sh")
        .args(["-c", "head -c 8192 /dev/urandom > garbage.db"])
        .current_dir(folder.path())
        .status()
        .unwrap();
    refused(&serve(&format!("sqlite://{}", garbage.display())), "garbage.db");
    refused(&bellwether(folder.path(), &["serve", "--listen", "nowhere"]), "127.0.0.1:8080");
    refused(&bellwether(folder.path(), &["serve", "--config", "none.toml"]), "none.toml");
    refused(&bellwether(folder.path(), &["health", "--server", "http://127.0.0.1:9"]), "no server answers");
}

#[test]
fn a_port_or_a_store_in_use_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    refused(&bellwether(folder.path(), &["serve", "--listen", &address]), "give another --listen");

    let store =
        bellwether::app::open(&format!("sqlite://{}/data/bellwether.db", folder.path().display()).parse().unwrap());
    let held = store.unwrap();
    for command in [&["serve", "--listen", "127.0.0.1:0"][..], &["init"], &["seed"], &["migrate", "status"]] {
        refused(&bellwether(folder.path(), command), "in use by another bellwether process");
    }
    drop(held);
    assert!(bellwether(folder.path(), &["migrate", "status"]).status.success());
}

#[test]
fn the_schema_goes_up_and_down() {
    let folder = tempfile::tempdir().unwrap();
    let lines = |arguments: &[&str]| {
        let output = bellwether(folder.path(), arguments);
        assert!(output.status.success(), "{arguments:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let up = lines(&["migrate", "up"]);
    assert!(up.lines().all(|line| line.starts_with("migrated")) && up.lines().count() >= 5, "{up}");
    assert_eq!(lines(&["migrate", "up"]), "nothing to do\n");
    assert_eq!(bellwether(folder.path(), &["migrate", "down"]).status.code(), Some(1), "it asks first");
    assert!(lines(&["migrate", "down", "--yes"]).starts_with("taken back  0005"));
    assert!(lines(&["migrate", "status"]).contains("pending  0005"));
}
