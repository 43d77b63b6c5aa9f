//! Revisions: what is stored of each, and the states they lead through.

use std::collections::{BTreeSet, HashMap};

use bellwether_core::message::FromServer;
use bellwether_core::{ObjectKind, Snapshot, State, digest, state_hash};
use reqwest::Method;

use crate::harness::program::Site;
use crate::server::Server;
use crate::store::Configuration;

/// How many changes of an environment are kept.
const KEPT: i64 = 1_000;

/// The environments as they were when they were last looked at.
#[derive(Default)]
pub(crate) struct Revisions {
    /// The revision up to which all was looked at, by environment.
    seen: HashMap<i64, i64>,
    /// The state at that revision.
    states: HashMap<i64, State>,
    /// The last version of a flag in an environment.
    versions: HashMap<(i64, i64), i64>,
}

impl Revisions {
    /// The revision up to which all was looked at.
    pub(crate) fn seen(&self, environment: i64) -> i64 {
        self.seen.get(&environment).copied().unwrap_or_default()
    }

    /// Holds what is stored of the revisions since the last look against each other.
    ///
    /// # Panics
    /// When something is missing, doubled, or leads elsewhere.
    pub(crate) fn check(&mut self, stored: &Configuration) {
        for environment in &stored.environments {
            let seen = self.seen(environment.id);
            let mine = |id: i64| id == environment.id;
            let served = || stored.configurations.iter().filter(|row| mine(row.environment_id));
            for row in served() {
                assert_eq!(row.served.as_deref().map(digest), row.digest, "{row:?}");
            }
            let entries = served()
                .filter_map(|row| Some((ObjectKind::Flag, &*row.flag_key, row.version as u64, row.digest.as_deref()?)));
            assert_eq!(state_hash(entries), environment.state_hash, "the state of {} as stored", environment.key);

            let with_versions: BTreeSet<_> =
                stored.versions.iter().filter(|row| mine(row.environment_id)).map(|row| row.revision).collect();
            assert!(
                with_versions.iter().copied().eq(seen + 1..=environment.revision),
                "a version row for each revision"
            );

            let changes = stored.outbox.iter().filter(|row| mine(row.environment_id));
            let mut expected = seen.max(environment.revision - KEPT) + 1;
            let mut state = self.states.get(&environment.id).cloned();
            for row in changes {
                assert_eq!(row.revision, expected, "the outbox of {} is dense", environment.key);
                expected += 1;
                let Ok(FromServer::Change(change)) = FromServer::read(&row.message) else { panic!("{row:?}") };
                assert_eq!((change.from as i64 + 1, change.revision as i64), (row.revision, row.revision));
                // It passes on nothing but a change that leads to the hash it announces.
                state = state.map(|state| state.apply(change).unwrap());
            }
            assert_eq!(expected, environment.revision + 1, "the outbox of {} is complete", environment.key);
            if let Some(state) = state {
                assert_eq!(
                    state.hash(),
                    environment.state_hash,
                    "the changes of {} lead to its state",
                    environment.key
                );
                self.states.insert(environment.id, state);
            }
            self.seen.insert(environment.id, environment.revision);
        }
        self.check_versions(stored);
    }

    fn check_versions(&mut self, stored: &Configuration) {
        let mut last = HashMap::new();
        for row in &stored.versions {
            let key = (row.flag_id, row.environment_id);
            let known = self.versions.insert(key, row.version).unwrap_or_default();
            assert_eq!(row.version, known + 1, "the versions of a flag are dense: {row:?}");
            last.insert(key, row);
        }
        for row in &stored.configurations {
            let key = (row.flag_id, row.environment_id);
            assert_eq!(self.versions.get(&key), Some(&row.version), "{row:?}");
            if let Some(version) = last.get(&key) {
                assert_eq!(version.configuration, row.configuration, "the last version is what is served");
            }
        }
    }

    /// Holds what the server serves against what is stored; it may have gone on meanwhile.
    ///
    /// # Panics
    /// When it serves something older, or something else.
    pub(crate) async fn check_served(&mut self, server: &Server, site: &Site, stored: &Configuration) {
        for environment in &stored.environments {
            let key = site.server_key(&environment.key);
            let answer = server.call(Method::GET, "/api/v1/snapshot").by(key).await;
            let snapshot: Snapshot = serde_json::from_slice(&answer.body).unwrap_or_else(|_| panic!("{answer}"));
            let state = State::from_snapshot(snapshot).unwrap();
            let served = state.revision() as i64;
            assert!(served >= environment.revision, "{} serves {served}: {environment:?}", environment.key);
            if served == environment.revision {
                assert_eq!(state.hash(), environment.state_hash);
                let known = self.states.entry(environment.id).or_insert(state.clone());
                assert_eq!((known.epoch(), known.hash()), (state.epoch(), state.hash()));
            }
        }
    }
}
