//! `bellwether segments`.

use std::path::Path;

use serde_json::{Value, json};

use super::SEGMENTS;
use crate::harness::program::{Ran, run_with};
use crate::harness::{PRODUCTION, TestApp, on_both};

/// Runs `bellwether segments` with these arguments.
async fn segments(app: &TestApp, arguments: &[&str]) -> Ran {
    let (server, token) = (app.origin(), app.credentials().admin.clone());
    let variables = [("BELLWETHER_SERVER", server.as_str()), ("BELLWETHER_TOKEN", token.as_str())];
    run_with(&[&["segments"], arguments].concat(), &variables).await
}

/// What a command printed as JSON.
#[track_caller]
fn json_of(ran: &Ran) -> Value {
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{ran:?}");
    serde_json::from_str(&ran.stdout).unwrap()
}

fn write(path: &Path, text: &str) {
    use std::io::Write as _;
    std::fs::OpenOptions::new()
        .create(true)
        .truncate(true)
        .write(true)
        .open(path)
        .unwrap()
        .write_all(text.as_bytes())
        .unwrap();
}

on_both!(segments_from_the_command_line, async |app| {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys.txt");
    let path = file.to_str().unwrap();
    let rules = r#"[{"id":"pro","clauses":[{"attribute":"plan","op":"in","values":["pro"]}]}]"#;
    let created = segments(&app, &["create", "beta", "--name", "Beta", "--rules", rules, "--json"]).await;
    assert_eq!(json_of(&created)["rules"][0]["id"], "pro");

    let all: String = (0..30_000).map(|at| format!("user-{at:05}\n")).collect();
    write(&file, &all);
    let uploaded = segments(&app, &["upload", "beta", path]).await;
    assert_eq!(uploaded.stdout, "added 30000, removed 0; 30000 keys now, version 2\n", "{uploaded:?}");
    let printed = segments(&app, &["keys", "beta"]).await;
    assert!(printed.code == 0 && printed.stdout == all);
    write(&file, "user-00001\nother\n");
    let more = segments(&app, &["upload", "beta", path, "--add", "--json"]).await;
    assert_eq!(json_of(&more)["total"], 30_001);
    let fewer = segments(&app, &["upload", "beta", path, "--remove", "--json"]).await;
    assert_eq!(json_of(&fewer)["removed"], 2);
    let excluded = segments(&app, &["upload", "beta", path, "--list", "excluded", "--json"]).await;
    assert_eq!(json_of(&excluded)["added"], 2);
    let printed = segments(&app, &["keys", "beta", "--list", "excluded", "--json"]).await;
    assert_eq!(json_of(&printed), json!(["other", "user-00001"]));

    // Most of the keys would go.
    let refused = segments(&app, &["upload", "beta", path]).await;
    assert_eq!((refused.code, refused.stdout.as_str()), (1, ""), "{refused:?}");
    assert!(refused.stderr.contains("removes 29999 of the list's 29999 keys; add --yes"), "{refused:?}");
    let replaced = segments(&app, &["upload", "beta", path, "--yes", "--json"]).await;
    assert_eq!(json_of(&replaced)["removed"], 29_999);

    let list = segments(&app, &["list"]).await;
    let lines: Vec<_> = list.stdout.lines().map(|line| line.split_whitespace().collect::<Vec<_>>()).collect();
    assert_eq!(lines[0][..5], ["KEY", "NAME", "INCLUDED", "EXCLUDED", "RULES"]);
    assert_eq!(lines[1][..5], ["beta", "Beta", "2", "2", "1"]);
    let shown = segments(&app, &["get", "beta"]).await;
    assert!(shown.stdout.contains("included count") && shown.stdout.contains("rule pro"), "{shown:?}");
    assert_eq!(json_of(&segments(&app, &["list", "--json"]).await)[0]["key"], "beta");

    let kept = segments(&app, &["delete", "beta"]).await;
    assert!(kept.code == 1 && kept.stderr.contains("add --yes"), "{kept:?}");
    let gone = segments(&app, &["delete", "beta", "--yes"]).await;
    assert_eq!((gone.code, gone.stdout.as_str()), (0, "segment beta is removed\n"));
    assert_eq!(app.get(SEGMENTS).await.expect(200)["items"], json!([]));
});

on_both!(what_can_not_be_done_is_said, async |app| {
    let app = app.with_segment("beta", &["a"]).await.with_flag_for(PRODUCTION, "feature.a", "beta").await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys.txt");
    write(&file, &format!("fine\n{}\n", "x".repeat(1_001)));
    let (wrong, fine) = (file.to_str().unwrap(), folder.path().join("fine.txt"));
    write(&fine, "fine\n");
    let fine = fine.to_str().unwrap();
    for (arguments, said) in [
        (&["get", "none"][..], "there is no segment none"),
        (&["upload", "none", fine, "--add"], "there is no segment none"),
        (&["upload", "beta", wrong, "--add"], "/lines/2 a key has 1 to 1000 bytes"),
        (&["upload", "beta", "/none/keys.txt", "--add"], "/none/keys.txt can't be read"),
        (&["delete", "beta", "--yes"], "is used by flag feature.a in production"),
        (&["create", "beta"], "there is a segment beta already"),
        (&["create", "other", "--rules", "x"], "--rules is not JSON"),
        (&["list", "--project", "none"], "there is no project none"),
        (&["list", "--server", "http://127.0.0.1:9"], "no server answers at http://127.0.0.1:9"),
    ] {
        let ran = segments(&app, arguments).await;
        let sentence = ran.sentence();
        assert!(sentence.contains(said), "{arguments:?}: {sentence}");
    }
});
