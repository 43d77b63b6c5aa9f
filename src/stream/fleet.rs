use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use bellwether_core::message::Hello;
use bellwether_core::window::Resources;
use chrono::{DateTime, Utc};
use tokio::sync::watch;

use super::receipts::{Receipts, Report};
use crate::clock;
use crate::flags::LiveEnvironment;

/// Longest name that an instance gives of itself, in characters.
const NAME: usize = 200;
/// Longest reason for a rejection, in characters.
const REASON: usize = 1_000;

/// A connected SDK.
#[derive(Clone, Debug)]
pub struct Instance {
    /// Tells it from others of the same names.
    pub id: u64,
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
    /// The change it last refused, unless it has that revision in use by now.
    pub rejected: Option<Rejection>,
    /// What its process last reported to use, and when.
    pub resources: Option<(Resources, DateTime<Utc>)>,
}

/// A change that an instance refused; it stays on what it had.
#[derive(Clone, Debug)]
pub struct Rejection {
    /// The revision.
    pub revision: u64,
    /// Why.
    pub error: String,
    /// When it said so.
    pub at: DateTime<Utc>,
}

/// How far a revision has got.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Reach {
    /// Connected instances that have it, or a later one.
    pub applied: usize,
    /// Connected instances.
    pub connected: usize,
    /// When the last of those that have it reported so.
    pub last: Option<DateTime<Utc>>,
    /// Milliseconds until half of the instances that were connected at the time had it; known of the latest revisions.
    pub p50: Option<f64>,
    /// The same of 99 %.
    pub p99: Option<f64>,
}

/// The SDK instances that are connected to this node.
#[derive(Clone, Default)]
pub struct Fleet {
    inner: Arc<Inner>,
}

struct Inner {
    environments: RwLock<HashMap<i64, Arc<Crowd>>>,
    joined: AtomicU64,
    reports: watch::Sender<u64>,
}

/// The instances of one environment.
#[derive(Default)]
struct Crowd {
    members: Mutex<Members>,
    rejections: AtomicU64,
}

#[derive(Default)]
struct Members {
    instances: HashMap<u64, Instance>,
    /// By the instances' names: what they report comes beside the stream.
    processes: HashMap<String, Process>,
    receipts: Receipts,
}

#[derive(Default)]
struct Process {
    connections: usize,
    resources: Option<(Resources, DateTime<Utc>)>,
}

/// An instance's place in the fleet, given up when dropped.
pub(super) struct Membership {
    fleet: Fleet,
    crowd: Arc<Crowd>,
    environment: Arc<LiveEnvironment>,
    id: u64,
}

impl Default for Inner {
    fn default() -> Self {
        Self { environments: RwLock::default(), joined: AtomicU64::new(0), reports: watch::Sender::new(0) }
    }
}

impl Fleet {
    /// Takes in an instance that has said hello.
    pub(super) fn join(&self, environment: Arc<LiveEnvironment>, hello: &Hello) -> Membership {
        let (id, now) = (self.inner.joined.fetch_add(1, Ordering::Relaxed), clock::now());
        let instance = Instance {
            id,
            application: cut(&hello.application, NAME),
            instance: cut(&hello.instance, NAME),
            sdk: cut(&hello.sdk, NAME),
            connected_at: now,
            applied: hello.have.as_ref().map(|have| (have.revision, now)),
            rejected: None,
            resources: None,
        };
        let crowd = self.crowd(environment.id());
        let mut members = crowd.members();
        members.processes.entry(instance.instance.clone()).or_default().connections += 1;
        members.instances.insert(id, instance);
        drop(members);
        self.tell();
        Membership { fleet: self.clone(), crowd, environment, id }
    }

    /// How far `revision` of an environment has got.
    pub fn reach(&self, environment: i64, revision: u64) -> Reach {
        let Some(crowd) = self.known(environment) else { return Reach::default() };
        let members = crowd.members();
        let mut reach = Reach { connected: members.instances.len(), ..Reach::default() };
        let receipt = members.receipts.of(revision);
        // Of those who were there when it was made.
        let mut waiting = 0;
        for instance in members.instances.values() {
            if let Some((_, at)) = instance.applied.filter(|(applied, _)| *applied >= revision) {
                reach.applied += 1;
                reach.last = reach.last.max(Some(at));
            } else if receipt.is_some_and(|receipt| receipt.concerns(instance.connected_at)) {
                waiting += 1;
            }
        }
        reach.p50 = receipt.and_then(|receipt| receipt.reached(0.5, waiting));
        reach.p99 = receipt.and_then(|receipt| receipt.reached(0.99, waiting));
        reach
    }

    /// The connected instances of an environment, by application, instance and id.
    pub fn instances(&self, environment: i64) -> Vec<Instance> {
        let Some(crowd) = self.known(environment) else { return Vec::new() };
        let members = crowd.members();
        let now = |instance: &Instance| {
            let process = members.processes.get(&instance.instance);
            Instance { resources: process.and_then(|process| process.resources), ..instance.clone() }
        };
        let mut all: Vec<_> = members.instances.values().map(now).collect();
        drop(members);
        all.sort_by(|a: &Instance, b| (&a.application, &a.instance, a.id).cmp(&(&b.application, &b.instance, b.id)));
        all
    }

    /// Notes what the process of a connected instance uses; of others it is left.
    pub fn uses(&self, environment: i64, instance: &str, resources: Resources, now: DateTime<Utc>) {
        if let Some(crowd) = self.known(environment)
            && let Some(process) = crowd.members().processes.get_mut(instance)
        {
            process.resources = Some((resources, now));
        }
    }

    /// How many changes of an environment instances have refused since the start.
    pub fn rejections(&self, environment: i64) -> u64 {
        self.known(environment).map(|crowd| crowd.rejections.load(Ordering::Relaxed)).unwrap_or_default()
    }

    /// Changes whenever an instance comes, goes or reports.
    pub fn reports(&self) -> watch::Receiver<u64> {
        self.inner.reports.subscribe()
    }

    fn known(&self, environment: i64) -> Option<Arc<Crowd>> {
        self.inner.environments.read().unwrap_or_else(PoisonError::into_inner).get(&environment).cloned()
    }

    fn crowd(&self, environment: i64) -> Arc<Crowd> {
        self.known(environment).unwrap_or_else(|| {
            let mut all = self.inner.environments.write().unwrap_or_else(PoisonError::into_inner);
            all.entry(environment).or_default().clone()
        })
    }

    fn tell(&self) {
        self.inner.reports.send_modify(|count| *count += 1);
    }
}

impl Crowd {
    fn members(&self) -> MutexGuard<'_, Members> {
        // No code that holds the lock can leave them half done.
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Members {
    fn leave(&mut self, id: u64) {
        let Some(instance) = self.instances.remove(&id) else { return };
        if let Some(process) = self.processes.get_mut(&instance.instance) {
            process.connections -= 1;
            if process.connections == 0 {
                self.processes.remove(&instance.instance);
            }
        }
    }
}

impl Membership {
    /// Notes what the instance reports to have in use.
    pub(super) fn applied(&self, revision: u64) {
        // What was never made can't be in use.
        if revision > self.environment.served().state.revision() {
            return;
        }
        let now = clock::now();
        let Members { instances, receipts, .. } = &mut *self.crowd.members();
        if let Some(instance) = instances.get_mut(&self.id) {
            let before = instance.applied.map(|(before, _)| before);
            let report = Report { connected_at: instance.connected_at, before, revision, at: now };
            receipts.take(report, |revision| self.environment.made_at(revision));
            instance.applied = Some((revision, now));
            instance.rejected = instance.rejected.take().filter(|rejected| rejected.revision > revision);
        }
        self.fleet.tell();
    }

    /// Notes that the instance refused a change.
    pub(super) fn rejected(&self, revision: u64, error: &str) {
        // What there is not yet can't have been refused.
        if revision > self.environment.served().state.revision() {
            return;
        }
        self.crowd.rejections.fetch_add(1, Ordering::Relaxed);
        let rejection = Rejection { revision, error: cut(error, REASON), at: clock::now() };
        if let Some(instance) = self.crowd.members().instances.get_mut(&self.id) {
            instance.rejected = Some(rejection);
        }
        self.fleet.tell();
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        self.crowd.members().leave(self.id);
        self.fleet.tell();
    }
}

/// At most so many characters.
fn cut(text: &str, most: usize) -> String {
    text.chars().take(most).collect()
}
