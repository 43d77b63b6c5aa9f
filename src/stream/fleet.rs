use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use bellwether_core::message::Hello;
use chrono::{DateTime, Utc};
use tokio::sync::watch;

use crate::clock;

/// A connected SDK.
#[derive(Clone, Debug)]
pub struct Instance {
    /// The environment it is connected to.
    pub environment: i64,
    /// The service's name.
    pub application: String,
    /// The process.
    pub instance: String,
    /// Name and version of the SDK.
    pub sdk: String,
    /// Since when.
    pub connected_at: DateTime<Utc>,
    /// The revision it last reported to have in use, and when the report came.
    pub applied: Option<(u64, DateTime<Utc>)>,
}

/// How far a revision has got.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// Connected instances that have it, or a later one.
    pub applied: usize,
    /// Connected instances.
    pub connected: usize,
    /// When the last of those that have it reported so.
    pub last: Option<DateTime<Utc>>,
}

/// The SDK instances that are connected to this node.
#[derive(Clone)]
pub struct Fleet {
    inner: Arc<Inner>,
}

struct Inner {
    instances: RwLock<HashMap<u64, Instance>>,
    reports: watch::Sender<u64>,
}

/// An instance's place in the fleet, given up when dropped.
pub(super) struct Membership {
    fleet: Fleet,
    id: u64,
}

impl Default for Fleet {
    fn default() -> Self {
        let inner = Inner { instances: RwLock::default(), reports: watch::Sender::new(0) };
        Self { inner: Arc::new(inner) }
    }
}

impl Fleet {
    /// Takes in an instance that has said hello.
    pub(super) fn join(&self, environment: i64, hello: &Hello) -> Membership {
        let applied = hello.have.as_ref().map(|have| (have.revision, clock::now()));
        let instance = Instance {
            environment,
            application: hello.application.clone(),
            instance: hello.instance.clone(),
            sdk: hello.sdk.clone(),
            connected_at: clock::now(),
            applied,
        };
        let mut id = 0;
        self.inner.reports.send_modify(|count| {
            *count += 1;
            id = *count;
        });
        self.inner.instances.write().unwrap_or_else(PoisonError::into_inner).insert(id, instance);
        Membership { fleet: self.clone(), id }
    }

    /// How far `revision` of an environment has got.
    pub fn reach(&self, environment: i64, revision: u64) -> Reach {
        let instances = self.inner.instances.read().unwrap_or_else(PoisonError::into_inner);
        let mut reach = Reach::default();
        for instance in instances.values().filter(|instance| instance.environment == environment) {
            reach.connected += 1;
            if let Some((_, at)) = instance.applied.filter(|(applied, _)| *applied >= revision) {
                reach.applied += 1;
                reach.last = reach.last.max(Some(at));
            }
        }
        reach
    }

    /// Changes whenever an instance comes, goes or reports.
    pub fn reports(&self) -> watch::Receiver<u64> {
        self.inner.reports.subscribe()
    }
}

impl Membership {
    /// Notes what the instance reports to have in use.
    pub(super) fn applied(&self, revision: u64) {
        let mut instances = self.fleet.inner.instances.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(instance) = instances.get_mut(&self.id) {
            instance.applied = Some((revision, clock::now()));
        }
        drop(instances);
        self.fleet.inner.reports.send_modify(|count| *count += 1);
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        self.fleet.inner.instances.write().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
        self.fleet.inner.reports.send_modify(|count| *count += 1);
    }
}
