//! Services with the SDK, which ask for flags all the time, whatever becomes of the server.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use bellwether_sdk::{Client, Context};

use super::writers::CANARY;
use crate::harness::{eventually, within};

/// How long a service works on a request.
const REQUEST: Duration = Duration::from_millis(2);
/// How long an SDK may take to send the last of what it has measured.
const CLOSING: Duration = Duration::from_secs(45);

/// A service with an SDK that is connected.
pub(crate) struct Service {
    client: Client,
    stop: Arc<AtomicBool>,
    asking: JoinHandle<u64>,
    highest: Arc<Mutex<Result<u64, (u64, u64)>>>,
}

impl Service {
    /// Starts one and waits for its first flags.
    pub(crate) async fn start(origin: &str, key: &str) -> Self {
        let client = Client::builder(origin, key).reconnect_within(Duration::ZERO).connect().unwrap();
        assert!(client.wait_ready(CLOSING).await);
        let stop = Arc::new(AtomicBool::new(false));
        let asking = ask_all_the_time(client.clone(), stop.clone());
        let highest = watch_revisions(&client);
        Self { client, stop, asking, highest }
    }

    /// Waits until the SDK is at `revision` or later.
    pub(crate) async fn catch_up(&self, revision: u64) {
        let mut revisions = self.client.revisions();
        within("the SDK to catch up", revisions.wait_for(|at| at.is_some_and(|at| at >= revision))).await.unwrap();
    }

    /// Ends it; how often it was asked.
    ///
    /// # Panics
    /// When it ever had no answer, or went back.
    pub(crate) async fn stop(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        let asked = tokio::task::spawn_blocking(|| self.asking.join()).await.unwrap();
        let asked = asked.expect("the SDK always had an answer");
        let last = self.client.revision().unwrap();
        eventually("revisions that only rise, up to the last", async || {
            let highest = *self.highest.lock().unwrap();
            assert!(highest.is_ok(), "it went back: {highest:?}");
            (highest == Ok(last)).then_some(())
        })
        .await;
        self.client.close(CLOSING).await;
        asked
    }
}

/// Serves one request after the other; none may be without an answer.
fn ask_all_the_time(client: Client, stop: Arc<AtomicBool>) -> JoinHandle<u64> {
    thread::spawn(move || {
        let mut asked = 0;
        while !stop.load(Ordering::Relaxed) {
            let scope = client.scope(&Context::new(format!("user-{}", asked % 997)));
            let told = scope.bool_detail(CANARY, true);
            assert_eq!(told.error, None, "{told:?}");
            let timer = scope.timer();
            thread::sleep(REQUEST);
            timer.stop();
            scope.finish(asked % 50 != 0, "GET /");
            asked += 1;
        }
        asked
    })
}

/// The highest revision that a client was at, or the two between which it went back.
fn watch_revisions(client: &Client) -> Arc<Mutex<Result<u64, (u64, u64)>>> {
    let highest = Arc::new(Mutex::new(Ok(0)));
    let (mut revisions, kept) = (client.revisions(), highest.clone());
    tokio::spawn(async move {
        loop {
            let at = revisions.borrow_and_update().unwrap_or_default();
            {
                let mut kept = kept.lock().unwrap();
                if let Ok(before) = *kept {
                    *kept = if at >= before { Ok(at) } else { Err((before, at)) };
                }
            }
            if revisions.changed().await.is_err() {
                return;
            }
        }
    });
    highest
}
