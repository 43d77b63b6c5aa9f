//! The server is killed in the middle of its work, again and again.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bellwether_core::{Snapshot, State};
use bellwether_sdk::{Client, Context};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::audit::chained;
use crate::harness::program::{Program, Site, own_address};
use crate::harness::{Backend, Call, FLAGS, PRODUCTION, configured, eventually, within};

const ROUNDS: u32 = 5;
const WRITERS: u32 = 4;
const LOG: &str = "off,bellwether=info";

/// Writes until the server is gone; each write targets a user of its own.
async fn write(write: impl Fn(&str) -> Call, name: String, acknowledged: watch::Sender<Vec<String>>) {
    for n in 0.. {
        let user = format!("user-{name}-{n}");
        match write(&user).header("x-request-id", &user).send().await {
            Ok(answer) => {
                answer.expect(200);
                acknowledged.send_modify(|all| all.push(user));
            }
            Err(_) => return,
        }
    }
}

/// Lets writers write, and kills the server after so many of their changes were acknowledged; all that were.
async fn round(server: Program, round: u32, enough: usize) -> Vec<String> {
    let (acknowledged, _) = watch::channel(Vec::new());
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let (caller, origin) = (server.caller(), server.origin());
        let flag = format!("flag.{}", writer % 2);
        let change = move |user: &str| {
            let path = configured(PRODUCTION, &flag, &format!("/targets/on/{user}"));
            caller.call(&origin, Method::PUT, &path)
        };
        writers.spawn(write(change, format!("{round}-{writer}"), acknowledged.clone()));
    }
    let mut seen = acknowledged.subscribe();
    within("enough changes", seen.wait_for(|all| all.len() >= enough)).await.unwrap();
    server.kill().await;
    while let Some(ended) = within("the writers to notice", writers.join_next()).await {
        ended.unwrap();
    }
    acknowledged.borrow().clone()
}

/// Every audit row, oldest first.
async fn rows(server: &Program) -> Vec<Value> {
    let (mut rows, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = server.call(Method::GET, &format!("/api/v1/audit?limit=500{cursor}")).await.expect(200);
        rows.extend(page["items"].as_array().unwrap().clone());
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    rows.reverse();
    rows
}

/// Holds the store against what was acknowledged; the newest revision of production.
async fn check(server: &Program, key: &str, acknowledged: &[String]) -> u64 {
    let rows = rows(server).await;
    let mut previous = String::new();
    for (index, row) in rows.iter().enumerate() {
        assert_eq!(row["sequence"], index + 1, "the log is dense");
        assert_eq!(row["hash"], chained(&previous, row), "and its chain unbroken");
        previous = row["hash"].as_str().unwrap().to_owned();
    }
    let mut told: BTreeMap<&str, usize> = BTreeMap::new();
    for row in rows.iter().filter(|row| row["action"] == "flag.target") {
        *told.entry(row["request_id"].as_str().unwrap()).or_default() += 1;
    }
    for user in acknowledged {
        assert_eq!(told.get(user.as_str()), Some(&1), "{user} was acknowledged");
    }
    let changes: usize = told.values().sum();

    let answer = server.call(Method::GET, "/api/v1/snapshot").by(key).await;
    let snapshot: Snapshot = serde_json::from_slice(&answer.body).unwrap();
    let state = State::from_snapshot(snapshot).unwrap();
    assert_eq!(state.revision(), changes as u64 + 2, "a revision for each change, after the two flags'");
    let mut targeted = Vec::new();
    for flag in ["flag.0", "flag.1"] {
        let flag = state.flag(flag).unwrap().flag();
        let keys: Vec<_> = flag.targets.iter().flat_map(|target| target.keys.clone()).collect();
        assert_eq!(flag.version, keys.len() as u64 + 1);
        targeted.extend(keys);
    }
    targeted.sort();
    let told: Vec<_> = told.keys().map(|user| (*user).to_owned()).collect();
    assert_eq!(targeted, told, "what the log tells is what is served");
    state.revision()
}

/// Asks a client all the time; it must never have no answer.
fn ask_all_the_time(client: &Client, stop: &Arc<AtomicBool>) -> std::thread::JoinHandle<u64> {
    let (client, stop) = (client.clone(), stop.clone());
    std::thread::spawn(move || {
        let user = Context::new("nobody in particular");
        let mut asked = 0;
        while !stop.load(Ordering::Relaxed) {
            let told = client.bool_detail("flag.0", &user, true);
            assert_eq!((told.value, told.error), (false, None));
            asked += 1;
            std::thread::sleep(Duration::from_millis(1));
        }
        asked
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_is_there() {
    let site = Site::new(Backend::Sqlite).await;
    let mut server = Program::serve(&site, own_address(), LOG).await;
    let address = server.address;
    for flag in ["flag.0", "flag.1"] {
        server.call(Method::POST, FLAGS).json(&json!({"key": flag, "type": "boolean"})).await.expect(201);
    }
    let key = site.server_key(PRODUCTION).to_owned();
    let builder = Client::builder(server.origin(), &key).reconnect_within(Duration::ZERO);
    let client = builder.connect().unwrap();
    assert!(client.wait_ready(Duration::from_secs(45)).await);
    let stop = Arc::new(AtomicBool::new(false));
    let asking = ask_all_the_time(&client, &stop);
    let highest = watch_revisions(&client);

    let mut acknowledged = Vec::new();
    for number in 0..ROUNDS {
        acknowledged.extend(round(server, number, rand::random_range(1..60)).await);
        assert!(client.revision().is_some());
        server = Program::serve(&site, address, LOG).await;
        let revision = check(&server, &key, &acknowledged).await;
        let mut revisions = client.revisions();
        within("the SDK to catch up", revisions.wait_for(|at| *at == Some(revision))).await.unwrap();
    }
    assert!(acknowledged.len() >= ROUNDS as usize);
    stop.store(true, Ordering::Relaxed);
    let asked = tokio::task::spawn_blocking(|| asking.join()).await.unwrap();
    assert!(asked.expect("the SDK always had an answer") > 100);
    eventually("revisions that only rise, up to the last", async || {
        (*highest.lock().unwrap() == Ok(client.revision().unwrap_or_default())).then_some(())
    })
    .await;
    client.close(Duration::from_secs(45)).await;
    assert_eq!(server.end_by("TERM").await.0, 0);
}

/// The highest revision that a client was at, or the two between which it went back.
fn watch_revisions(client: &Client) -> Arc<Mutex<Result<u64, (u64, u64)>>> {
    let highest = Arc::new(Mutex::new(Ok(0)));
    let (mut revisions, kept) = (client.revisions(), highest.clone());
    let last = AtomicU64::new(0);
    tokio::spawn(async move {
        while revisions.changed().await.is_ok() {
            let at = revisions.borrow_and_update().unwrap_or_default();
            let before = last.swap(at, Ordering::Relaxed);
            let mut kept = kept.lock().unwrap();
            if kept.is_ok() {
                *kept = if at >= before { Ok(at) } else { Err((before, at)) };
            }
        }
    });
    highest
}
