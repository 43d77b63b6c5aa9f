//! The real program, killed at any moment: what it acknowledged is there, and SDKs never stop answering.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bellwether_sdk::{Client, Context};
use rand::RngExt as _;
use serde_json::{Value, json};
use tokio::process::{Child, Command};
use tokio::sync::Mutex;

use crate::harness::{eventually, within};

/// How often the server is killed.
const ROUNDS: u64 = 5;
/// How many write at once.
const WRITERS: u64 = 6;

fn program(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bellwether"));
    command.current_dir(folder).kill_on_drop(true).stderr(Stdio::null()).env_remove("BELLWETHER_DATABASE_URL");
    command
}

async fn serve(folder: &Path, address: SocketAddr, http: &reqwest::Client) -> Child {
    let server = program(folder).args(["serve", "--listen", &address.to_string()]).spawn().unwrap();
    eventually("the server's readiness", async || {
        let answer = http.get(format!("http://{address}/health/ready")).send().await.ok()?;
        answer.status().is_success().then_some(())
    })
    .await;
    server
}

/// A store that is set up, and a flag in it.
struct Product {
    folder: tempfile::TempDir,
    address: SocketAddr,
    http: reqwest::Client,
    token: String,
    key: String,
}

impl Product {
    async fn new() -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let folder = tempfile::tempdir().unwrap();
        let secrets = program(folder.path()).args(["init", "--json"]).output().await.unwrap();
        let secrets: Value = serde_json::from_slice(&secrets.stdout).unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let key = text(&secrets["environments"]["production"]["server_key"]);
        let http = reqwest::Client::builder().timeout(Duration::from_secs(10)).build().unwrap();
        Self { folder, address, http, token: text(&secrets["token"]), key }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}/api/v1{path}", self.address)
    }

    /// The status of a write, or `None` when nobody answered.
    async fn write(&self, method: reqwest::Method, path: &str, id: &str, body: &Value) -> Option<u16> {
        let request = self.http.request(method, self.url(path)).bearer_auth(&self.token).header("x-request-id", id);
        let request = request.header("content-type", "application/json").body(body.to_string());
        Some(request.send().await.ok()?.status().as_u16())
    }

    async fn read(&self, path: &str, token: &str) -> Value {
        let answer = self.http.get(self.url(path)).bearer_auth(token).send().await.unwrap();
        serde_json::from_str(&answer.text().await.unwrap()).unwrap()
    }

    /// How often each request is in the audit log, and how many changes of the rollout are.
    async fn audit(&self) -> (BTreeMap<String, usize>, u64) {
        let (mut seen, mut rollouts, mut cursor) = (BTreeMap::new(), 0, String::new());
        for _ in 0..1_000 {
            let page = self.read(&format!("/audit?limit=500{cursor}"), &self.token).await;
            for row in page["items"].as_array().unwrap() {
                *seen.entry(row["request_id"].as_str().unwrap().to_owned()).or_insert(0) += 1;
                rollouts += u64::from(row["action"] == "flag.rollout");
            }
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return (seen, rollouts),
            }
        }
        panic!("the audit log has no end");
    }
}

#[test]
fn what_was_acknowledged_survives_being_killed() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let product = Arc::new(Product::new().await);
        let mut server = serve(product.folder.path(), product.address, &product.http).await;
        let flag = json!({"key": "feature.a", "type": "boolean"});
        assert_eq!(product.write(reqwest::Method::POST, "/projects/default/flags", "create", &flag).await, Some(201));
        let flags = Client::builder(format!("http://{}", product.address), &product.key)
            .reconnect_within(Duration::from_millis(200))
            .connect()
            .unwrap();
        assert!(flags.wait_ready(Duration::from_secs(20)).await);

        let acknowledged = Arc::new(Mutex::new(Vec::new()));
        for round in 0..ROUNDS {
            let writes = Arc::new(AtomicU64::new(0));
            let writers: Vec<_> = (0..WRITERS)
                .map(|writer| {
                    let (product, acknowledged, writes) = (product.clone(), acknowledged.clone(), writes.clone());
                    tokio::spawn(async move {
                        let path = "/projects/default/environments/production/flags/feature.a/rollout";
                        for number in 0..10_000_u64 {
                            let id = format!("w-{round}-{writer}-{number}");
                            // Never the share that is there: each write is a change.
                            let share =
                                f64::from(u32::try_from((number * WRITERS + writer) % 99_000 + 1).unwrap()) / 1_000.0;
                            match product.write(reqwest::Method::PUT, path, &id, &json!({"percentage": share})).await {
                                Some(200) => acknowledged.lock().await.push(id),
                                Some(other) => panic!("a write was answered {other}"),
                                None => return,
                            }
                            writes.fetch_add(1, Ordering::Relaxed);
                        }
                    })
                })
                .collect();
            let moment = rand::rng().random_range(5..80);
            eventually("some writes", async || (writes.load(Ordering::Relaxed) >= moment).then_some(())).await;
            server.kill().await.unwrap();
            for writer in writers {
                within("the end of a writer", writer).await.unwrap();
            }
            // The server is gone; flags are still answered.
            let detail = flags.bool_detail("feature.a", &Context::new("user-1"), false);
            assert_eq!((detail.error, detail.variation.is_some()), (None, true));

            server = serve(product.folder.path(), product.address, &product.http).await;
            let snapshot = product.read("/snapshot", &product.key).await;
            let revision = snapshot["revision"].as_u64().unwrap();
            let (seen, rollouts) = product.audit().await;
            for id in acknowledged.lock().await.iter() {
                assert_eq!(seen.get(id), Some(&1), "the acknowledged write {id}");
            }
            assert_eq!(revision, rollouts + 1, "a revision for each change and one for the flag, none left out");
            assert_eq!(snapshot["flags"][0]["version"].as_u64(), Some(revision), "a version for each of them too");
            let mut revisions = flags.revisions();
            within("the SDK's catching up", revisions.wait_for(|at| *at == Some(revision))).await.unwrap();
        }
        assert!(acknowledged.lock().await.len() > 25);
        flags.close(Duration::from_secs(5)).await;
        server.kill().await.unwrap();
    });
}
