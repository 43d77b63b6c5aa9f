//! The server is killed at any moment, again and again, while everybody goes on.

mod book;
mod canaries;
mod ledger;
mod moment;
mod reports;
mod revisions;
mod services;
mod writers;

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use reqwest::Method;
use serde_json::json;
use tokio::time::sleep;

use crate::harness::program::Site;
use crate::harness::{Backend, FLAGS, PRODUCTION, configured, eventually, within};
use crate::long;
use crate::server::{Post, Server};
use crate::store::{Configuration, Database, Measurements};
use book::Book;
use canaries::{Canaries, Seen};
use ledger::{Ledger, Totals, Write};
use moment::{Kind, Moment};
use reports::Reports;
use revisions::Revisions;
use services::Service;
use writers::{CANARY, FLAGS_AT_FIRST, Leftover};

/// Stores that are worked on at once, each with servers of its own.
const STORES: u32 = 3;
/// Half of all starts take less than this until the server is ready.
const READY: Duration = Duration::from_secs(1);
/// After so many kills the SDKs have to catch up before the next.
const CATCH_UP_EVERY: u32 = 10;

/// A store, the server on it that lives now, and everybody around.
struct World {
    site: Site,
    post: Post,
    ledger: Ledger,
    leftover: Leftover,
    reports: Reports,
    book: Book,
    revisions: Revisions,
    canaries: Canaries,
    random: StdRng,
    /// How long each start took until the server was ready.
    starts: Vec<Duration>,
    killed: Vec<Kind>,
}

/// What came of a store's part of the kills.
struct Ended {
    starts: Vec<Duration>,
    killed: Vec<Kind>,
    totals: Totals,
    seen: Seen,
    rows: i64,
    batches: usize,
    asked: u64,
}

impl World {
    async fn new(backend: Backend, seed: u64) -> Self {
        let site = Site::new(backend).await;
        Self {
            post: Post::of(&site),
            site,
            ledger: Ledger::default(),
            leftover: Leftover::default(),
            reports: Reports::default(),
            book: Book::default(),
            revisions: Revisions::default(),
            canaries: Canaries::default(),
            random: StdRng::seed_from_u64(seed),
            starts: Vec::new(),
            killed: Vec::new(),
        }
    }

    /// Starts a server and waits until it is ready.
    async fn start(&mut self) -> Server {
        let mut server = self.post.start(&self.site);
        self.starts.push(server.ready().await);
        server
    }

    /// Makes the flags, and the canary's policy: it climbs quickly.
    async fn furnish(&self, server: &Server) {
        let write = |id: &str, action, key: &str| Write { id: id.to_owned(), action, resource: format!("flag/{key}") };
        for key in FLAGS_AT_FIRST {
            let call = server.call(Method::POST, FLAGS).json(&json!({"key": key, "type": "boolean"}));
            self.ledger.send(write(&format!("first-{key}"), "flag.create", key), call).await.unwrap().unwrap();
        }
        let stage = |share: u32| json!({"percentage": share, "minimum_seconds": 2, "minimum_samples": 2_000});
        let policy = json!({"stages": [stage(10), stage(50), {"percentage": 100}]});
        let call = server.call(Method::PUT, &configured(PRODUCTION, CANARY, "/canary")).json(&policy);
        self.ledger.send(write("policy", "canary.configure", CANARY), call).await.unwrap().unwrap();
    }

    /// Holds the store, and the server that has come up on it, against all that was acknowledged.
    async fn check(&mut self, server: &Server) -> Configuration {
        let (stored, measured) = self.stored();
        self.book.read(&stored, &self.ledger);
        self.revisions.check(&stored);
        self.canaries.check(&stored, &measured, &self.book);
        self.reports.check(&measured);
        self.revisions.check_served(server, &self.site, &stored).await;
        stored
    }

    fn stored(&self) -> (Configuration, Measurements) {
        let mut database = Database::open(&self.post.url);
        let stored = database.configuration(|environment| self.revisions.seen(environment), self.book.sequence());
        // Windows are never changed once a guard has taken them in: those can be read later than the guards.
        (stored, database.measurements())
    }

    /// One life of the server, from its start to its violent end.
    async fn live(&mut self, life: u32, services: &[Service]) {
        let moment = Moment::draw(&mut self.random);
        self.killed.push(moment.kind());
        if let Moment::Starting(after) = moment {
            let server = self.post.start(&self.site);
            sleep(after).await;
            return server.kill().await;
        }
        let server = self.start().await;
        let stored = self.check(&server).await;
        if life.is_multiple_of(CATCH_UP_EVERY) {
            let production = stored.environments.iter().find(|row| row.key == PRODUCTION).unwrap();
            for service in services {
                service.catch_up(production.revision.unsigned_abs()).await;
            }
        }
        if let Moment::Idle(after) = moment {
            sleep(after).await;
            return server.kill().await;
        }
        let (caller, origin) = (server.caller(), server.origin());
        let mut acknowledged = self.ledger.count();
        let seed = (life, self.random.random());
        let mut everybody = writers::start(&caller, &origin, &self.ledger, &self.leftover, seed);
        let key = self.site.server_key(PRODUCTION).to_owned();
        everybody.spawn(self.reports.clone().send(caller, origin, key));
        moment.wait(&mut acknowledged).await;
        server.kill().await;
        while let Some(ended) = within("everybody to notice", everybody.join_next()).await {
            ended.unwrap().unwrap_err();
        }
    }

    /// Kills so many servers, and looks at what is left.
    async fn run(mut self, name: &str, kills: u32) -> Ended {
        let server = self.start().await;
        self.furnish(&server).await;
        self.check(&server).await;
        let key = self.site.server_key(PRODUCTION);
        let services = [Service::start(&server.origin(), key).await, Service::start(&server.origin(), key).await];
        server.kill().await;
        for life in 1..=kills {
            self.live(life, &services).await;
            if life.is_multiple_of(10) {
                println!("{name}: {life} of {kills} kills, {:?}", self.ledger.totals());
            }
        }
        let server = self.start().await;
        self.check(&server).await;
        eventually("the guards to take in what has closed", async || {
            let (stored, measured) = self.stored();
            let behind = stored.canaries.iter().any(canaries::is_behind);
            self.book.read(&stored, &self.ledger);
            self.revisions.check(&stored);
            self.canaries.check(&stored, &measured, &self.book);
            (!behind).then_some(())
        })
        .await;
        let asked = self.end(&server, services).await;
        assert_eq!(server.errors(), Vec::<String>::new());
        server.stop().await;
        Database::open(&self.post.url).is_sound();
        let (stored, measured) = self.stored();
        Ended {
            starts: self.starts,
            killed: self.killed,
            totals: self.ledger.totals(),
            seen: self.canaries.seen(&stored),
            rows: self.book.sequence(),
            batches: self.reports.check(&measured),
            asked,
        }
    }

    /// Lets the SDKs see one more change, and ends them; how often they were asked.
    async fn end(&self, server: &Server, services: [Service; 2]) -> u64 {
        let last = server.call(Method::PUT, &configured(PRODUCTION, FLAGS_AT_FIRST[1], "/targets/on/last"));
        last.await.expect(200);
        let stored = self.stored().0;
        let production = stored.environments.iter().find(|row| row.key == PRODUCTION).unwrap();
        let mut asked = 0;
        for service in services {
            service.catch_up(production.revision.unsigned_abs()).await;
            asked += service.stop().await;
        }
        asked
    }
}

/// Runs the kills, spread over some stores, and prints what came of them.
fn kill(backend: Backend, kills: u32) {
    let name = format!("{backend:?}").to_lowercase();
    let seed: u64 =
        std::env::var("BELLWETHER_FAULTS_SEED").map_or_else(|_| rand::random(), |seed| seed.parse().unwrap());
    println!("{name}: {kills} kills; BELLWETHER_FAULTS_SEED={seed} repeats their moments");
    let part = move |store: u32| kills / STORES + u32::from(store < kills % STORES);
    let work = move |store: u32, name: String| {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(async { World::new(backend, seed ^ u64::from(store)).await.run(&name, part(store)).await })
    };
    let start = |store: u32| {
        let name = format!("{name} {store}");
        std::thread::spawn(move || work(store, name))
    };
    let worlds: Vec<_> = (0..STORES).map(start).collect();
    let ended: Vec<Ended> = worlds.into_iter().map(|world| world.join().unwrap()).collect();
    report(&name, &ended);
}

/// # Panics
/// When restarts take too long.
fn report(name: &str, ended: &[Ended]) {
    let sum = |of: fn(&Ended) -> usize| ended.iter().map(of).sum::<usize>();
    let killed = |kind: Kind| ended.iter().flat_map(|one| &one.killed).filter(|killed| **killed == kind).count();
    let moments = Kind::ALL.map(|kind| format!("{kind:?} {}", killed(kind))).join(", ");
    println!("{name}: killed at the moments: {moments}");
    println!(
        "{name}: {} changes acknowledged, {} refused; of those without an answer {} were done and {} were not",
        sum(|one| one.totals.acknowledged),
        sum(|one| one.totals.refused),
        sum(|one| one.totals.came_through),
        sum(|one| one.totals.lost),
    );
    println!(
        "{name}: {} rows of the log, {} releases over {} windows with {} verdicts, {} batches, {} answers of SDKs",
        sum(|one| one.rows as usize),
        sum(|one| one.seen.releases),
        sum(|one| one.seen.windows as usize),
        sum(|one| one.seen.verdicts),
        sum(|one| one.batches),
        sum(|one| one.asked as usize),
    );
    let mut starts: Vec<_> = ended.iter().flat_map(|one| one.starts.clone()).collect();
    starts.sort();
    let part = |of: usize| starts[(starts.len() - 1) * of / 100].as_millis();
    let all = starts.len();
    println!(
        "{name}: ready after a start: median {} ms, p95 {} ms, at most {} ms of {all}",
        part(50),
        part(95),
        part(100)
    );
    assert!(starts[all / 2] < READY, "half of all starts took longer than {READY:?}");
}

#[test]
fn nothing_acknowledged_is_lost_on_sqlite() {
    kill(Backend::Sqlite, if long() { 1_000 } else { 100 });
}

#[test]
fn nothing_acknowledged_is_lost_on_postgres() {
    kill(Backend::Postgres, if long() { 200 } else { 20 });
}
