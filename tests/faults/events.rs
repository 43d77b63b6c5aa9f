//! Raw events: what is acknowledged outlives the server, and a flood of them takes nothing from anyone else.

use bellwether::clock;
use bellwether_core::window::{REQUEST_ERROR, Summary};
use reqwest::Method;
use serde_json::{Value, json};

use crate::alone;
use crate::harness::program::Site;
use crate::harness::{Backend, FLAGS, PRODUCTION, configured, eventually};
use crate::server::{Post, Server};
use crate::store::Database;

const EVENTS: &str = "/api/v1/events";
/// How often the server is killed.
const KILLS: u64 = 8;
/// Events of a batch.
const BATCH: u64 = 1_000;

/// A server, with a flag whose canary is in its first stage.
async fn begun(backend: Backend) -> (Site, Post, Server) {
    let site = Site::new(backend).await;
    let post = Post::of(&site);
    let mut server = post.start(&site);
    server.ready().await;
    server.call(Method::POST, FLAGS).json(&json!({"key": "flag", "type": "boolean"})).await.expect(201);
    let canary = configured(PRODUCTION, "flag", "/canary");
    server.call(Method::PUT, &canary).json(&json!({})).await.expect(200);
    server.call(Method::POST, &format!("{canary}/start")).json(&json!({})).await.expect(200);
    (site, post, server)
}

fn batch(sequence: u64) -> Value {
    let now = clock::rfc3339(clock::now());
    let event = |user: u64| json!({"context": {"targetingKey": format!("u{user}")}, "metric": REQUEST_ERROR, "value": 0, "at": now, "flags": ["flag"]});
    json!({"instance": "i", "sequence": sequence, "events": (0..BATCH).map(event).collect::<Vec<_>>()})
}

async fn kill(backend: Backend) {
    let (site, post, mut server) = begun(backend).await;
    let mut counted = 0;
    for sequence in 0..KILLS {
        let body = batch(sequence);
        let send = async |server: &Server| {
            let call = server.call(Method::POST, EVENTS).by(site.server_key(PRODUCTION)).json(&body);
            call.await.expect(202)
        };
        counted += send(&server).await["accepted"].as_u64().unwrap();
        server.kill().await;
        server = post.start(&site);
        server.ready().await;
        assert_eq!(send(&server).await, json!({"accepted": 0, "late": 0, "unattributed": 0, "duplicate": true}));
    }
    server.stop().await;
    assert!(counted >= BATCH, "windows of a second that began with the batch are open: {counted}");
    let stored = Database::open(&post.url).measurements();
    let trials = stored.cells.iter().map(|cell| match &cell.summary {
        Summary::Ratio(ratio) => ratio.n,
        Summary::Values(_) => panic!("{} is a ratio", cell.metric),
    });
    assert_eq!(trials.sum::<u64>(), counted);
}

#[test]
fn acknowledged_events_outlive_the_server_on_sqlite() {
    alone(kill(Backend::Sqlite));
}

#[test]
fn acknowledged_events_outlive_the_server_on_postgres() {
    alone(kill(Backend::Postgres));
}

/// More than there is room for comes in while none of it can be written.
async fn flood(backend: Backend) {
    let (site, post, server) = begun(backend).await;
    let held = Database::open(&post.url).hold_measurements();
    let padding = "x".repeat(3 << 20);
    let body = json!({"events": [{"context": {"targetingKey": "u", "padding": padding}, "metric": REQUEST_ERROR, "value": 0, "flags": ["flag"]}]});
    let flood = futures_util::future::join_all((0..24).map(|_| {
        let call = server.call(Method::POST, EVENTS).by(site.server_key(PRODUCTION)).json(&body);
        async move {
            let answer = call.await;
            if answer.status == 202 {
                // It waited for its turn until its window had closed: then there is nothing to write.
                assert_eq!(answer.json()["late"], 1, "{answer}");
                return "late".to_owned();
            }
            answer.problem(503, "busy");
            assert_eq!(answer.header("retry-after"), "1");
            answer.json()["detail"].as_str().unwrap().to_owned()
        }
    }));
    let others = async {
        let path = configured(PRODUCTION, "flag", "/targets/on/somebody");
        server.call(Method::PUT, &path).await.expect(200);
        let asked = server.call(Method::POST, "/ofrep/v1/evaluate/flags/flag").by(site.server_key(PRODUCTION));
        let answer = asked.json(&json!({"context": {"targetingKey": "somebody"}})).await.expect(200);
        assert_eq!(answer["value"], true, "the change is there");
    };
    let (told, ()) = futures_util::future::join(flood, others).await;
    assert!(told.iter().any(|detail| detail.contains("more measurements come in than can be written")), "{told:?}");
    drop(held);
    eventually("measurements are taken in again", async || {
        let call = server.call(Method::POST, EVENTS).by(site.server_key(PRODUCTION)).json(&batch(1));
        let answer = call.await;
        (answer.status == 202).then_some(())
    })
    .await;
    server.stop().await;
}

#[test]
fn a_flood_of_events_harms_nobody_else_on_sqlite() {
    alone(flood(Backend::Sqlite));
}

#[test]
fn a_flood_of_events_harms_nobody_else_on_postgres() {
    alone(flood(Backend::Postgres));
}
