//! The server is killed at any moment, again and again, while everybody goes on.

mod moment;

use std::time::Duration;

use tokio::time::sleep;

use crate::harness::{Backend, block_on};
use crate::world::{Outcome, Service, World};
use crate::{alone, long, seed};
use moment::{Kind, Moment};

/// Stores that are worked on at once, each with servers of its own.
const STORES: u32 = 3;
/// What a start takes at most until the server is ready.
const READY: Duration = Duration::from_secs(1);
/// After so many kills the SDKs have to catch up before the next.
const CATCH_UP_EVERY: u32 = 10;

/// What came of a store's part of the kills.
struct Ended {
    starts: Vec<Duration>,
    killed: Vec<Kind>,
    outcome: Outcome,
    asked: u64,
}

/// One life of the server, from its start to its violent end.
async fn live(world: &mut World, life: u32, moment: Moment, services: &[Service]) {
    if let Moment::Starting(after) = moment {
        let server = world.post.start(&world.site);
        sleep(after).await;
        return server.kill().await;
    }
    let server = world.start().await;
    let stored = world.check(&server).await;
    if life.is_multiple_of(CATCH_UP_EVERY) {
        for service in services {
            service.catch_up(world.revision(&stored)).await;
        }
    }
    if let Moment::Idle(after) = moment {
        sleep(after).await;
        return server.kill().await;
    }
    let mut acknowledged = world.ledger.count();
    let everybody = world.everybody(&server);
    moment.wait(&mut acknowledged).await;
    server.kill().await;
    everybody.notice().await;
}

/// Kills so many servers of a store, and looks at what is left.
async fn run(mut world: World, name: &str, kills: u32) -> Ended {
    let server = world.start().await;
    world.furnish(&server).await;
    world.check(&server).await;
    let service = Service::start(&server.origin(), world.key()).await;
    let services = vec![service, Service::start(&server.origin(), world.key()).await];
    server.kill().await;
    let mut killed = Vec::new();
    for life in 1..=kills {
        let moment = Moment::draw(&mut world.random);
        killed.push(moment.kind());
        live(&mut world, life, moment, &services).await;
        if life.is_multiple_of(10) {
            println!("{name}: {life} of {kills} kills, {:?}", world.ledger.totals());
        }
    }
    let server = world.start().await;
    world.check(&server).await;
    world.guards_catch_up().await;
    let asked = world.end(&server, services).await;
    assert_eq!(server.errors(), Vec::<String>::new());
    server.stop().await;
    Ended { starts: world.starts.clone(), killed, outcome: world.outcome(), asked }
}

/// Runs the kills, spread over some stores, and prints what came of them.
fn kill(backend: Backend, kills: u32) {
    let name = format!("{backend:?}").to_lowercase();
    let seed = seed();
    println!("{name}: {kills} kills; BELLWETHER_FAULTS_SEED={seed} repeats their moments");
    let part = move |store: u32| kills / STORES + u32::from(store < kills % STORES);
    let work = move |store: u32, name: String| {
        block_on(async { run(World::new(backend, seed ^ u64::from(store)).await, &name, part(store)).await })
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
        sum(|one| one.outcome.totals.acknowledged),
        sum(|one| one.outcome.totals.refused),
        sum(|one| one.outcome.totals.came_through),
        sum(|one| one.outcome.totals.lost),
    );
    println!(
        "{name}: {} rows of the log, {} releases over {} windows with {} verdicts, {} batches, {} answers of SDKs",
        sum(|one| one.outcome.rows as usize),
        sum(|one| one.outcome.seen.releases),
        sum(|one| one.outcome.seen.windows as usize),
        sum(|one| one.outcome.seen.verdicts),
        sum(|one| one.outcome.batches),
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
    // Most of them start beside others, and wait for a processor.
    assert!(starts[all / 4] < READY, "no quarter of all starts took less than {READY:?}");
}

#[test]
fn nothing_acknowledged_is_lost_on_sqlite() {
    alone(async { kill(Backend::Sqlite, if long() { 1_000 } else { 100 }) });
}

#[test]
fn nothing_acknowledged_is_lost_on_postgres() {
    alone(async { kill(Backend::Postgres, if long() { 200 } else { 20 }) });
}
