//! What happens around a server that it can do nothing about: it is killed, its store is gone, its disk is full.
//!
//! Every test runs the real program in a process of its own. `BELLWETHER_FAULTS=long` makes the suite run ten times as
//! many kills and leaves the store gone for a minute; `BELLWETHER_FAULTS_SEED` repeats the moments of a run, which
//! prints its seed.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test that panics has failed, which is what it is for; its figures are read with --nocapture"
)]

mod apart;
mod crash;
mod events;
mod fsync;
mod full_disk;
mod gone;
mod history;
mod outage;
mod relay;
mod server;
mod store;
mod world;

/// The harness of the integration tests.
#[path = "../it"]
#[expect(dead_code, unused_imports, unused_macros, reason = "the integration tests use all of it, this binary a part")]
mod it {
    pub(crate) mod harness;
}
use it::harness;

use std::sync::{Mutex, PoisonError};

/// Runs a test when no other runs: they measure times, and each has all there is of the machine.
pub(crate) fn alone<T>(test: impl Future<Output = T>) -> T {
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    harness::block_on(test)
}

/// Whether this is the long run.
pub(crate) fn long() -> bool {
    std::env::var("BELLWETHER_FAULTS").is_ok_and(|wanted| wanted == "long")
}

/// What the random moments of this run follow from.
pub(crate) fn seed() -> u64 {
    std::env::var("BELLWETHER_FAULTS_SEED").map_or_else(|_| rand::random(), |seed| seed.parse().unwrap())
}
