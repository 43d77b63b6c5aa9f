//! What was evaluated of late: how often each variation was served and when last, and which users were seen.
//!
//! Evaluations are counted in memory without a lock and without the store; a task saves what was counted every few
//! seconds and at the end. What services report is saved with the batch that brings it.

mod count;
mod recent;
mod store;
mod task;

use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use chrono::{DateTime, Utc};
use hashbrown::HashMap;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

pub use recent::RecentUsers;

use crate::clock;
use crate::db::{Connection, Part, Store};
use crate::error::Result;
use count::Counts;
use recent::Recent;
use store::Row;

/// The service for usage; clones are the same one.
#[derive(Clone)]
pub struct Usage {
    inner: Arc<Inner>,
    /// The task ends, having saved everything, when the last of these is gone.
    _alive: mpsc::Sender<()>,
}

struct Inner {
    store: Store,
    since: DateTime<Utc>,
    environments: ArcSwap<HashMap<i64, Arc<Observed>>>,
    /// What is to be removed from the store: the environment, the flag and maybe one variation alone.
    gone: Mutex<Vec<(i64, String, Option<String>)>>,
}

/// What is observed in one environment.
#[derive(Default)]
pub struct Observed {
    counts: Counts,
    recent: Recent,
}

/// How a variation of a flag was served in an environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Served {
    /// The variation's name.
    pub variation: String,
    /// How many times, as far as is known.
    pub evaluations: u64,
    /// When first.
    pub first: DateTime<Utc>,
    /// When last.
    pub last: DateTime<Utc>,
}

/// Evaluations that somebody else has counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reported {
    /// The environment's id.
    pub environment: i64,
    /// The flag's key.
    pub flag: String,
    /// The variation's name.
    pub variation: String,
    /// How many.
    pub evaluations: u64,
    /// When the last of them was made.
    pub last: DateTime<Utc>,
}

impl Usage {
    /// What the store knows of the flags that `known` lets through, by environment and key; the rest is removed. With
    /// the task that saves what is counted, which ends when the service is dropped.
    ///
    /// # Errors
    /// When the store does not answer.
    pub fn start(store: Store, known: impl Fn(i64, &str) -> bool) -> Result<(Self, JoinHandle<()>)> {
        let (rows, since) = store.write_now(Part::Measurements, |c| {
            store::forget_unless(c, known)?;
            Ok((store::rows(c)?, store::since(c, clock::now())?))
        })?;
        let (alive, ended) = mpsc::channel(1);
        let inner = Inner { store, since, environments: ArcSwap::default(), gone: Mutex::default() };
        let inner = Arc::new(inner);
        inner.merge(&rows);
        let task = tokio::spawn(task::save(inner.clone(), ended));
        Ok((Self { inner, _alive: alive }, task))
    }

    /// Since when evaluations are counted: nothing is known of the time before.
    #[must_use]
    pub fn since(&self) -> DateTime<Utc> {
        self.inner.since
    }

    /// What is observed in an environment: for whoever evaluates many flags at once.
    #[must_use]
    pub fn of(&self, environment: i64) -> Arc<Observed> {
        self.inner.of(environment)
    }

    /// Notes that something was evaluated for this targeting key. Neither waits nor asks the store.
    pub fn seen(&self, environment: i64, targeting_key: &str, now: DateTime<Utc>) {
        self.of(environment).seen(targeting_key, now);
    }

    /// How each variation of a flag was served in an environment.
    #[must_use]
    pub fn served(&self, environment: i64, flag: &str) -> Vec<Served> {
        let environments = self.inner.environments.load();
        environments.get(&environment).map(|observed| observed.counts.of(flag)).unwrap_or_default()
    }

    /// The users that an environment has seen of late.
    #[must_use]
    pub fn recent_users(&self, environment: i64, now: DateTime<Utc>) -> RecentUsers {
        let known = self.inner.environments.load().get(&environment).cloned();
        known.map(|observed| observed.recent.users(now)).unwrap_or_default()
    }

    /// Takes in what [`add`] has saved, before anything else is saved.
    pub fn take(&self, reported: &[Reported]) {
        for Reported { environment, flag, variation, evaluations, last } in reported {
            self.of(*environment).counts.counter(flag, variation).saved(*evaluations, *last, *last);
        }
    }

    /// Forgets a flag in these environments: it is gone for good, and its key may come to mean another.
    pub fn forget(&self, environments: impl IntoIterator<Item = i64>, flag: &str) {
        for environment in environments {
            self.of(environment).counts.forget(flag);
            self.inner.leave(environment, flag, None);
        }
    }
}

/// Saves evaluations that somebody else has counted, in the transaction of what brought them; [`Usage::take`] is for
/// memory, once that is committed.
///
/// # Errors
/// When the store does not answer.
pub fn add(connection: &mut Connection<'_>, reported: &[Reported]) -> Result<()> {
    for one in reported {
        let Reported { environment, flag, variation, evaluations, last } = one.clone();
        store::add(connection, &Row { environment, flag, variation, evaluations, first: last, last })?;
    }
    Ok(())
}

impl Observed {
    /// Counts an evaluation of a flag that the environment has.
    pub fn evaluated(&self, flag: &str, variation: &str, now: DateTime<Utc>) {
        self.counts.evaluated(flag, variation, now);
    }

    /// Notes that something was evaluated for this targeting key.
    pub fn seen(&self, targeting_key: &str, now: DateTime<Utc>) {
        self.recent.seen(targeting_key, now);
    }
}

impl Inner {
    fn of(&self, environment: i64) -> Arc<Observed> {
        if let Some(known) = self.environments.load().get(&environment) {
            return known.clone();
        }
        let fresh = Arc::<Observed>::default();
        self.environments.rcu(|all| {
            let mut all = HashMap::clone(all);
            all.entry(environment).or_insert_with(|| fresh.clone());
            all
        });
        // Somebody else may have been first.
        self.environments.load().get(&environment).cloned().unwrap_or(fresh)
    }

    /// Takes in rows of the store, which know more where another server counts as well.
    fn merge(&self, rows: &[Row]) {
        for row in rows {
            self.of(row.environment).counts.counter(&row.flag, &row.variation).known(row);
        }
    }

    /// Leaves a removal to the task.
    fn leave(&self, environment: i64, flag: &str, variation: Option<String>) {
        let mut gone = self.gone.lock().unwrap_or_else(PoisonError::into_inner);
        gone.push((environment, flag.to_owned(), variation));
    }
}
