//! What SDKs had in use, one revision after the other, while the server is killed and they are closed and opened again.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bellwether_core::{Snapshot, State};
use bellwether_sdk::{Client, Context, FlagsChanged, Subscription};
use reqwest::Method;
use tempfile::TempDir;
use tokio::task::JoinHandle;

use crate::harness::{Backend, PRODUCTION, configured, within};
use crate::server::Server;
use crate::world::{Ledger, World, Write};
use crate::{alone, long, seed};

/// SDKs, each with a folder of its own.
const SERVICES: usize = 4;
/// The flag that users are targeted by.
const FLAG: &str = "shared.0";
/// Changes that are acknowledged before a server is killed.
const ACKNOWLEDGED: usize = 40;
/// How long an SDK may take to end.
const CLOSING: Duration = Duration::from_secs(5);

/// A service that keeps its flags in a folder.
struct Service {
    folder: TempDir,
    origin: String,
    key: String,
    /// The revisions that were in use, with those that it began with.
    history: Arc<Mutex<Vec<u64>>>,
    running: Option<(Client, Subscription)>,
    /// How often it began with what it had kept.
    kept: usize,
}

impl Service {
    fn new(server: &Server, key: &str) -> Self {
        let (folder, history) = (tempfile::tempdir().unwrap(), Arc::default());
        let (origin, key) = (server.origin(), key.to_owned());
        let mut service = Self { folder, origin, key, history, running: None, kept: 0 };
        service.open();
        service
    }

    fn open(&mut self) {
        let builder = Client::builder(&self.origin, &self.key).cache_dir(self.folder.path());
        let client = builder.reconnect_within(Duration::ZERO).poll_every(Duration::from_secs(2)).connect().unwrap();
        let history = self.history.clone();
        // A change may come in between, so the first is noted under the lock that listeners wait for.
        let mut noted = self.history.lock().unwrap();
        let listening = client.on_change(move |changed: &FlagsChanged| history.lock().unwrap().push(changed.revision));
        noted.extend(client.revision());
        self.kept += usize::from(client.revision().is_some());
        drop(noted);
        self.running = Some((client, listening));
    }

    async fn close(&mut self) {
        let Some((client, listening)) = self.running.take() else { return };
        client.close(CLOSING).await;
        drop(listening);
        let last = self.history.lock().unwrap().last().copied();
        assert_eq!(client.revision(), last, "its listener heard of every revision");
    }

    fn client(&self) -> &Client {
        &self.running.as_ref().unwrap().0
    }

    /// # Panics
    /// When it ever went back.
    fn check(&self) -> usize {
        let history = self.history.lock().unwrap();
        assert!(history.is_sorted(), "applied revisions only rise: {history:?}");
        history.len()
    }
}

/// Targets one user after the other until the server is gone; those whose change was acknowledged.
fn target(server: &Server, ledger: &Ledger, life: u32) -> JoinHandle<Vec<String>> {
    let (caller, origin, ledger) = (server.caller(), server.origin(), ledger.clone());
    tokio::spawn(async move {
        let mut acknowledged = Vec::new();
        for number in 0.. {
            let user = format!("history-{life}-{number}");
            let write = Write { id: user.clone(), action: "flag.target", resource: format!("flag/{FLAG}") };
            let call = caller.call(&origin, Method::PUT, &configured(PRODUCTION, FLAG, &format!("/targets/on/{user}")));
            match ledger.send(write, call).await {
                Ok(Some(_)) => acknowledged.push(user),
                Ok(None) => {}
                Err(()) => break,
            }
        }
        acknowledged
    })
}

/// The epoch and the revision that a server serves.
async fn served(world: &World, server: &Server) -> (String, u64) {
    let answer = server.call(Method::GET, "/api/v1/snapshot").by(world.key()).await;
    let state = State::from_snapshot(serde_json::from_slice::<Snapshot>(&answer.body).unwrap()).unwrap();
    (state.epoch().to_owned(), state.revision())
}

#[test]
fn applied_revisions_only_rise_and_every_acknowledged_change_arrives() {
    alone(async {
        let seed = seed();
        println!("history: BELLWETHER_FAULTS_SEED={seed} repeats what is written");
        let mut world = World::new(Backend::Sqlite, seed).await;
        let mut server = world.start().await;
        world.furnish(&server).await;
        let (epoch, _) = served(&world, &server).await;
        let mut services: Vec<_> = (0..SERVICES).map(|_| Service::new(&server, world.key())).collect();
        let mut acknowledged = Vec::new();
        for life in 0..if long() { 60 } else { 8 } {
            // The store's log is whole and its revisions are dense, whatever became of the server before.
            world.check(&server).await;
            let mut count = world.ledger.count();
            let everybody = world.everybody(&server);
            let targeting = target(&server, &world.ledger, life);
            within("some changes", count.wait_for(|count| *count > ACKNOWLEDGED)).await.unwrap();
            // One while it changes, one while nobody is there.
            let which = life as usize % SERVICES;
            services[which].close().await;
            services[which].open();
            within("more changes", count.wait_for(|count| *count > 2 * ACKNOWLEDGED)).await.unwrap();
            server.kill().await;
            everybody.notice().await;
            acknowledged.extend(within("the writer to notice", targeting).await.unwrap());
            let other = (which + 1) % SERVICES;
            services[other].close().await;
            services[other].open();
            server = world.start().await;
        }
        world.end(&server, Vec::new()).await;
        let (last_epoch, revision) = served(&world, &server).await;
        assert_eq!(last_epoch, epoch, "one life of the store, in which revisions only rise");
        let (mut revisions, mut kept) = (0, 0);
        for service in &mut services {
            let mut at = service.client().revisions();
            within("the last revision", at.wait_for(|at| at.is_some_and(|at| at >= revision))).await.unwrap();
            for user in &acknowledged {
                assert!(service.client().bool(FLAG, &Context::new(user), false), "{user} did not arrive");
            }
            service.close().await;
            revisions += service.check();
            kept += service.kept;
        }
        println!(
            "history: {} changes of one writer, {revisions} revisions in use, {kept} starts from disk",
            acknowledged.len()
        );
        assert!(kept >= SERVICES, "they began with what they had");
        server.stop().await;
        world.outcome();
    });
}
