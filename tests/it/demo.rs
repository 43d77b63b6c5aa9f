//! The demo on a PostgreSQL database; `tests/run` runs the one on SQLite, in an empty folder and from the release build.

use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::harness::program::{Site, run};
use crate::harness::{Backend, Postgres, within};

/// How long a demo of half a minute may take on a busy machine.
const LONG: Duration = Duration::from_secs(180);

fn demo(url: &str) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bellwether"));
    command.args(["demo", "--exit", "--listen", "127.0.0.1:0", "--database-url", url]).env_clear();
    command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap()
}

#[tokio::test]
async fn it_plays_in_an_empty_database_and_again_in_its_own() {
    let url = Postgres::shared().schema();
    let mut child = demo(&url);
    let mut said = String::new();
    timeout(LONG, child.stdout.take().unwrap().read_to_string(&mut said)).await.unwrap().unwrap();
    assert_eq!(within("its end", child.wait()).await.unwrap().code(), Some(0), "{said}");
    assert!(said.contains("rolled back by its guard") && said.contains("All went as it should."), "{said}");
    // What it did is kept, and the next one starts over.
    let ran = run(&["init", "--database-url", &url]).await;
    assert!(ran.sentence().contains("set up already"), "{ran:?}");
    let mut again = demo(&url);
    let mut lines = BufReader::new(again.stdout.take().unwrap()).lines();
    let first = within("its first line", lines.next_line()).await.unwrap().unwrap();
    assert!(first.starts_with("Bellwether listens on http://127.0.0.1:"), "{first}");
    again.kill().await.unwrap();
}

#[tokio::test]
async fn it_leaves_a_store_alone_that_is_in_use() {
    for backend in [Backend::Sqlite, Backend::Postgres] {
        let site = Site::new(backend).await;
        let ran = run(&["demo", "--exit", "--listen", "127.0.0.1:0", "--database-url", &site.url()]).await;
        assert!(ran.sentence().contains("holds a store that is in use"), "{ran:?}");
        let ran = run(&["migrate", "status", "--database-url", &site.url()]).await;
        assert!(!ran.stdout.contains("pending"), "{ran:?}");
    }
}
