//! The store is away for a while.

use diesel::Connection as _;
use diesel::connection::SimpleConnection as _;
use diesel::sqlite::SqliteConnection;
use reqwest::Method;

use crate::harness::program::Site;
use crate::harness::{Backend, PRODUCTION, Postgres, configured};
use crate::outage::{Besieged, Left};
use crate::relay::Relay;
use crate::world::{Lost, Service, World};
use crate::{alone, seed};

/// Commits outlive the end of the database's processes, and not that of the machine.
const SETTINGS: [&str; 1] = ["fsync = off"];

#[test]
fn another_process_writes_to_the_file_and_does_not_end() {
    alone(async {
        let mut besieged = Besieged::new(World::new(Backend::Sqlite, seed()).await).await;
        let path = besieged.world.post.url.strip_prefix("sqlite://").unwrap().to_owned();
        let mut other = SqliteConnection::establish(&path).unwrap();
        other.batch_execute("PRAGMA busy_timeout = 30000; BEGIN EXCLUSIVE").unwrap();
        besieged.feel().await;
        besieged.endure(Left::Reads).await;
        other.batch_execute("ROLLBACK").unwrap();
        drop(other);
        besieged.recover().await;
    });
}

#[test]
fn the_database_server_ends_and_comes_back() {
    alone(async {
        let database = Postgres::start(&SETTINGS);
        let site = Site::at(database.schema(), tempfile::tempdir().unwrap()).await;
        let mut world = World::at(site, seed());
        world.lost = Lost::Last;
        world.ledger.doubts_refusals();
        let mut besieged = Besieged::new(world).await;
        // As a crash would: what it has written stays.
        assert!(database.control().args(["-m", "immediate", "stop"]).status().unwrap().success());
        besieged.feel().await;
        besieged.endure(Left::Nothing).await;
        database.start_again();
        besieged.recover().await;
    });
}

/// A store on a server, and what stands between it and the program.
async fn behind_a_relay(database: &Postgres) -> (World, Relay) {
    let relay = Relay::to(([127, 0, 0, 1], database.port()).into(), seed()).await;
    let site = Site::at(database.schema(), tempfile::tempdir().unwrap()).await;
    let mut world = World::at(site, seed());
    let direct = format!(":{}/", database.port());
    world.post.url = world.site.url().replace(&direct, &format!(":{}/", relay.address.port()));
    (world, relay)
}

#[test]
fn the_network_to_the_database_falls_silent() {
    alone(async {
        let database = Postgres::start(&SETTINGS);
        let (world, relay) = behind_a_relay(&database).await;
        world.ledger.doubts_refusals();
        let mut besieged = Besieged::new(world).await;
        relay.flow(false);
        besieged.feel().await;
        besieged.endure(Left::Nothing).await;
        relay.flow(true);
        besieged.recover().await;
    });
}

#[test]
fn a_change_is_served_although_the_answer_to_its_commit_was_lost() {
    alone(async {
        let database = Postgres::start(&SETTINGS);
        let (mut world, relay) = behind_a_relay(&database).await;
        let server = world.start().await;
        world.furnish(&server).await;
        let before = world.check(&server).await;
        let service = Service::start(&server.origin(), world.key()).await;
        world.ledger.doubts_refusals();
        relay.lose_commits(true);
        let path = configured(PRODUCTION, "shared.0", "/targets/on/lost");
        let call = server.call(Method::PUT, &path);
        world.ledger.change("lost", "shared.0", call).await.problem(503, "store_unavailable");
        relay.lose_commits(false);
        // Nobody changes anything else.
        service.catch_up(world.revision(&before) + 1).await;
        world.check(&server).await;
        assert_eq!(world.ledger.totals().came_through, 1);
        world.end(&server, vec![service]).await;
        server.stop().await;
        world.outcome();
    });
}
