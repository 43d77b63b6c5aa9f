//! A store, the server on it, and everybody around: people who write, services that ask and report.

mod book;
mod canaries;
mod ledger;
mod reports;
mod revisions;
mod services;
mod writers;

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use reqwest::Method;
use serde_json::json;
use tokio::task::JoinSet;

use crate::harness::program::Site;
use crate::harness::{Backend, FLAGS, PRODUCTION, configured, eventually, within};
use crate::server::{Post, Server};
use crate::store::{Configuration, Database, Measurements};
use book::Book;
use canaries::Canaries;
pub(crate) use canaries::Seen;
pub(crate) use ledger::{Ledger, Totals, Write};
pub(crate) use reports::Lost;
use reports::Reports;
use revisions::Revisions;
pub(crate) use services::Service;
use writers::{CANARY, FLAGS_AT_FIRST, Leftover, SEGMENT, SEGMENTS};

/// Everything that a test knows of a store.
pub(crate) struct World {
    pub(crate) site: Site,
    pub(crate) post: Post,
    pub(crate) ledger: Ledger,
    pub(crate) random: StdRng,
    /// How long each start took until the server was ready.
    pub(crate) starts: Vec<Duration>,
    /// Which measurements may be lost.
    pub(crate) lost: Lost,
    leftover: Leftover,
    reports: Reports,
    book: Book,
    revisions: Revisions,
    canaries: Canaries,
    lives: u32,
}

/// Everybody who writes, until the server is gone or they are told to stop.
pub(crate) struct Everybody {
    all: JoinSet<Result<(), ()>>,
    ledger: Ledger,
}

/// What came of everything.
pub(crate) struct Outcome {
    pub(crate) totals: Totals,
    pub(crate) seen: Seen,
    /// Rows of the audit log.
    pub(crate) rows: i64,
    /// Batches of measurements.
    pub(crate) batches: usize,
}

impl World {
    /// A new store, with nobody around.
    pub(crate) async fn new(backend: Backend, seed: u64) -> Self {
        Self::at(Site::new(backend).await, seed)
    }

    /// Over a store that is there.
    pub(crate) fn at(site: Site, seed: u64) -> Self {
        Self {
            post: Post::of(&site),
            site,
            ledger: Ledger::default(),
            random: StdRng::seed_from_u64(seed),
            starts: Vec::new(),
            lost: Lost::Nothing,
            leftover: Leftover::default(),
            reports: Reports::default(),
            book: Book::default(),
            revisions: Revisions::default(),
            canaries: Canaries::default(),
            lives: 0,
        }
    }

    /// The key of production's services.
    pub(crate) fn key(&self) -> &str {
        self.site.server_key(PRODUCTION)
    }

    /// Starts a server and waits until it is ready.
    pub(crate) async fn start(&mut self) -> Server {
        let mut server = self.post.start(&self.site);
        self.starts.push(server.ready().await);
        server
    }

    /// Makes the flags, the segment, and the canary's policy: it climbs quickly.
    pub(crate) async fn furnish(&self, server: &Server) {
        let write = |id: &str, action, key: &str| Write { id: id.to_owned(), action, resource: format!("flag/{key}") };
        for key in FLAGS_AT_FIRST {
            let call = server.call(Method::POST, FLAGS).json(&json!({"key": key, "type": "boolean"}));
            self.ledger.send(write(&format!("first-{key}"), "flag.create", key), call).await.unwrap().unwrap();
        }
        let resource = format!("segment/{SEGMENT}");
        let write_segment = Write { id: "first-segment".to_owned(), action: "segment.create", resource };
        let call = server.call(Method::POST, SEGMENTS).json(&json!({"key": SEGMENT, "included": ["first"]}));
        self.ledger.send(write_segment, call).await.unwrap().unwrap();
        let stage = |share: u32| json!({"percentage": share, "minimum_seconds": 2, "minimum_samples": 2_000});
        let policy = json!({"stages": [stage(10), stage(50), {"percentage": 100}]});
        let call = server.call(Method::PUT, &configured(PRODUCTION, CANARY, "/canary")).json(&policy);
        self.ledger.send(write("policy", "canary.configure", CANARY), call).await.unwrap().unwrap();
    }

    /// Lets everybody write to a server.
    pub(crate) fn everybody(&mut self, server: &Server) -> Everybody {
        self.lives += 1;
        let (caller, origin) = (server.caller(), server.origin());
        let seed = (self.lives, self.random.random());
        let mut all = writers::start(&caller, &origin, &self.ledger, &self.leftover, seed);
        let key = self.key().to_owned();
        all.spawn(self.reports.clone().send(caller, origin, key, self.ledger.clone()));
        Everybody { all, ledger: self.ledger.clone() }
    }

    /// Holds the store, and the server that runs on it, against all that was answered. Nobody writes meanwhile, the
    /// guards apart.
    pub(crate) async fn check(&mut self, server: &Server) -> Configuration {
        let stored = self.check_stored();
        self.revisions.check_served(server, &self.site, &stored).await;
        stored
    }

    /// Holds the store against all that was answered.
    fn check_stored(&mut self) -> Configuration {
        let (stored, measured) = self.stored();
        self.book.read(&stored, &self.ledger);
        self.revisions.check(&stored);
        self.canaries.check(&stored, &measured, &self.book);
        self.reports.check(&measured, self.lost);
        stored
    }

    fn stored(&self) -> (Configuration, Measurements) {
        let mut database = Database::open(&self.post.url);
        let stored = database.configuration(|environment| self.revisions.seen(environment), self.book.sequence());
        // Windows are never changed once a guard has taken them in: those can be read later than the guards.
        (stored, database.measurements())
    }

    /// The revision of production, as it is stored.
    pub(crate) fn revision(&self, stored: &Configuration) -> u64 {
        let production = stored.environments.iter().find(|row| row.key == PRODUCTION).unwrap();
        production.revision.unsigned_abs()
    }

    /// Waits until the guards have taken in what has closed.
    pub(crate) async fn guards_catch_up(&mut self) {
        eventually("the guards to take in what has closed", async || {
            let stored = self.check_stored();
            (!stored.canaries.iter().any(canaries::is_behind)).then_some(())
        })
        .await;
    }

    /// Changes something, and waits until the services have it; then ends them. How often they were asked.
    pub(crate) async fn end(&mut self, server: &Server, services: Vec<Service>) -> u64 {
        let last = server.call(Method::PUT, &configured(PRODUCTION, FLAGS_AT_FIRST[1], "/targets/on/last"));
        let write =
            Write { id: "last".to_owned(), action: "flag.target", resource: format!("flag/{}", FLAGS_AT_FIRST[1]) };
        self.ledger.send(write, last).await.unwrap().unwrap();
        let stored = self.check(server).await;
        let mut asked = 0;
        for service in services {
            service.catch_up(self.revision(&stored)).await;
            asked += service.stop().await;
        }
        asked
    }

    /// What came of everything, with a last look at a store whose server has ended.
    pub(crate) fn outcome(mut self) -> Outcome {
        Database::open(&self.post.url).is_sound();
        let stored = self.check_stored();
        let batches = self.reports.check(&self.stored().1, self.lost);
        let (totals, seen) = (self.ledger.totals(), self.canaries.seen(&stored));
        Outcome { totals, seen, rows: self.book.sequence(), batches }
    }
}

impl Everybody {
    /// Waits until everybody has noticed that the server is gone.
    pub(crate) async fn notice(mut self) {
        while let Some(ended) = within("everybody to notice", self.all.join_next()).await {
            ended.unwrap().unwrap_err();
        }
    }

    /// Has everybody stop.
    pub(crate) async fn stop(self) {
        self.ledger.close(true);
        let ledger = self.ledger.clone();
        self.notice().await;
        ledger.close(false);
    }
}
