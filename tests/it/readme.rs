//! Every command of the README does what it says.

use std::process::Command;

use crate::harness::Postgres;

/// A port that nothing listens on just now.
fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// The `sh` blocks of the README, in order.
fn blocks() -> Vec<String> {
    let text = include_str!("../../README.md");
    let mut blocks = Vec::new();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once("```sh\n") {
        let (block, next) = after.split_once("```").expect("a block ends");
        blocks.push(block.to_owned());
        rest = next;
    }
    blocks
}

#[test]
fn the_first_steps_work_as_written() {
    let blocks = blocks();
    assert_eq!(blocks.first().map(String::as_str), Some("cargo run --release -- demo\n"), "tried by tests/run");
    assert_eq!(blocks.get(1).map(String::as_str), Some("tests/run\n"), "this runs in it");
    let steps = blocks.get(2..).expect("there are more");
    assert!(steps.len() >= 5, "the first steps are {} blocks", steps.len());

    let folder = tempfile::tempdir().unwrap();
    let port = free_port();
    let database = Postgres::shared().schema();
    let wait = format!(
        "for i in $(seq 200); do curl -sf http://127.0.0.1:{port}/health/ready >/dev/null && break; sleep 0.05; done\n"
    );
    let mut script = String::from("set -eu\ntrap 'kill $! 2>/dev/null; wait' EXIT\n");
    for block in steps {
        // The program under test in place of one built anew, and a port that is free.
        let block = block
            .replace("cargo build --release\n", "")
            .replace(
                "target/release/bellwether serve &",
                &format!("bellwether serve --listen 127.0.0.1:{port} &\n{wait}"),
            )
            .replace("target/release/bellwether", "bellwether")
            .replace("postgres://bellwether:secret@127.0.0.1:5432/bellwether", &database)
            .replace("127.0.0.1:8080", &format!("127.0.0.1:{port}"))
            .replace("curl -sS", "echo; curl -sS --fail-with-body");
        script.push_str(&block);
    }
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_bellwether"));
    let path = format!("{}:{}", program.parent().unwrap().display(), std::env::var("PATH").unwrap_or_default());
    let output = Command::new("bash")
        .args(["-c", &script])
        .current_dir(folder.path())
        .env("PATH", path)
        .env_remove("BELLWETHER_DATABASE_URL")
        .output()
        .unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}\n{err}");
    for expected in [
        r#""key":"feature.new-dashboard""#,
        r#"[25000,"on"]"#,
        r#""reason":"SPLIT""#,
        r#""moved":15000"#,
        r#""enabled":false"#,
        r#""action":"flag.disable""#,
        "The change that made it so",
        r#""state":"running""#,
        r#""state":"rolled_back""#,
    ] {
        assert!(out.contains(expected), "{expected} is not in\n{out}\n{err}");
    }
}
