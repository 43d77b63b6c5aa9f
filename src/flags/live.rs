//! Every environment's flags in memory: what evaluations, snapshots and streams are answered from.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use bellwether_core::message::{FromServer, Have};
use bellwether_core::{Asked, Change, Counts, Entry, RawValue, SegmentEntry, Snapshot, State};
use chrono::{DateTime, Utc};
use tokio::sync::{Notify, broadcast};

use super::encoding::Encoded;
use super::framed::Framed;
use super::publish::Published;
use super::times::{ChangePart, ChangeTimes, News};
use super::{reconcile, segments, store};
use crate::db::{Connection, Part, Store};
use crate::error::{Error, Result};
use crate::projects::{self, Environment};

/// How many changes of an environment are kept for readers that were away.
pub(super) const KEPT_CHANGES: u64 = 1_000;
/// How many bytes of them are kept in memory.
const KEPT_BYTES: usize = 16 << 20;
/// How far a subscriber may fall behind before it is told to fetch the snapshot.
const QUEUE: usize = 256;

/// The environments in memory.
#[derive(Clone)]
pub struct Live {
    store: Store,
    environments: Arc<ArcSwap<HashMap<i64, Arc<LiveEnvironment>>>>,
    doubts: Arc<Notify>,
    times: ChangeTimes,
}

/// One environment in memory.
pub struct LiveEnvironment {
    id: i64,
    project: String,
    current: ArcSwap<Served>,
    recent: Mutex<VecDeque<Arc<Published>>>,
    changes: broadcast::Sender<News>,
    evaluations: AtomicU64,
    times: ChangeTimes,
}

/// A state and its snapshot, encoded when somebody first asks.
pub struct Served {
    /// The flags.
    pub state: State,
    encoded: OnceLock<Encoded>,
    by_key: OnceLock<Vec<Arc<Entry>>>,
    asked: OnceLock<Asked>,
}

/// What a reader that was away is to do.
#[derive(Debug)]
pub enum CatchUp {
    /// Apply these, oldest first; none when nothing was missed.
    Changes(Vec<Arc<Published>>),
    /// Fetch the snapshot.
    Resync,
}

impl Served {
    fn new(state: State) -> Self {
        Self { state, encoded: OnceLock::new(), by_key: OnceLock::new(), asked: OnceLock::new() }
    }

    /// Every flag, ordered by key; put in order once per revision.
    pub fn by_key(&self) -> &[Arc<Entry>] {
        self.by_key.get_or_init(|| {
            let mut entries: Vec<_> = self.state.flags().cloned().collect();
            entries.sort_unstable_by(|a, b| a.flag().key().cmp(b.flag().key()));
            entries
        })
    }

    /// The attributes that flags ask for; gathered once per revision.
    pub fn asked(&self) -> &Asked {
        self.asked.get_or_init(|| self.state.asked())
    }

    /// Names the state: epoch and revision.
    pub fn etag(&self) -> String {
        format!("\"{}-{}\"", self.state.epoch(), self.state.revision())
    }

    /// The snapshot's body, made once per revision.
    pub fn encoded(&self) -> &Encoded {
        self.encoded.get_or_init(|| Encoded::of(&self.state))
    }
}

impl Live {
    /// Reads every environment.
    ///
    /// # Errors
    /// When the store does not answer or a state does not hash as it was saved.
    pub fn load(store: Store) -> Result<Self> {
        let times = ChangeTimes::default();
        let environments = store.write_now(Part::Configuration, |connection| {
            let mut environments = HashMap::new();
            for project in projects::all(connection)? {
                let segments = segments::load(connection, project.id, &HashMap::new())?;
                for environment in projects::environments(connection, &project.key)? {
                    let environment = load(connection, &environment, segments.clone(), &times)?;
                    environments.insert(environment.id, Arc::new(environment));
                }
            }
            Ok(environments)
        })?;
        let environments = Arc::new(ArcSwap::from_pointee(environments));
        Ok(Self { store, environments, doubts: Arc::default(), times })
    }

    /// The environment of that id. One that was created since the start is read when it is first asked for.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn environment(&self, id: i64) -> Result<Arc<LiveEnvironment>> {
        let known = || self.environments.load().get(&id).cloned();
        if let Some(environment) = known() {
            return Ok(environment);
        }
        self.reload(id);
        known().ok_or_else(|| Error::NotFound("environment".to_owned()))
    }

    /// How long the parts of changes take.
    pub fn times(&self) -> &ChangeTimes {
        &self.times
    }

    /// Every environment in memory, in no particular order.
    pub fn all(&self) -> Vec<Arc<LiveEnvironment>> {
        self.environments.load().values().cloned().collect()
    }

    /// A segment of that digest, if some environment has it.
    pub(super) fn segment(&self, key: &str, digest: &str) -> Option<Arc<SegmentEntry>> {
        let environments = self.environments.load();
        let found = environments.values().filter_map(|environment| environment.served().state.segment(key).cloned());
        found.into_iter().find(|entry| entry.digest() == digest)
    }

    /// Every segment in memory, by its digest.
    fn segments(&self) -> HashMap<String, Arc<SegmentEntry>> {
        let mut all = HashMap::new();
        for environment in self.environments.load().values() {
            let served = environment.served();
            all.extend(served.state.segments().map(|entry| (entry.digest().to_owned(), entry.clone())));
        }
        all
    }

    /// Takes in what was committed, in the order of the commits. A state that does not come out as announced is read
    /// again from the store.
    pub(super) fn take(&self, published: &[Arc<Published>]) {
        for change in published {
            let Some(environment) = self.environments.load().get(&change.environment).cloned() else {
                self.reload(change.environment);
                continue;
            };
            if let Err(cause) = environment.take(change.clone()) {
                tracing::error!(%cause, environment = change.environment, revision = change.revision, "a change did not apply; reading the environment again");
                self.reload(change.environment);
            }
        }
    }

    /// Something may have been committed that was not taken in: the store did not say.
    pub(super) fn doubt(&self) {
        self.doubts.notify_one();
    }

    /// Waits for a doubt.
    pub(super) async fn doubted(&self) {
        self.doubts.notified().await;
    }

    /// Takes in what the store has and memory lacks.
    ///
    /// # Errors
    /// When the store does not answer.
    pub(super) async fn reconcile(&self) -> Result<()> {
        let live = self.clone();
        // In the order of the commits: it waits for one that is under way, and none comes in between.
        let after = move |stored: &Vec<(i64, u64)>| {
            for (id, revision) in stored {
                let known = live.environments.load().get(id).cloned();
                if known.is_some_and(|known| known.served().state.revision() < *revision) {
                    tracing::warn!(environment = id, revision, "a change was made whose commit had no answer");
                    live.reload(*id);
                }
            }
        };
        self.store.write_then(Part::Configuration, reconcile::revisions, after).await.map(drop)
    }

    /// Reads an environment from the store. One that is known already stays the one that subscribers listen to.
    fn reload(&self, id: i64) {
        let read = self.store.read_now(Part::Configuration, |connection| {
            let environment = projects::environment_of_id(connection, id)?;
            let segments = segments::load(connection, environment.project_id, &self.segments())?;
            load(connection, &environment, segments, &self.times)
        });
        let fresh = match read {
            Ok(fresh) => Arc::new(fresh),
            Err(Error::NotFound(_)) => return,
            Err(cause) => {
                tracing::error!(%cause, environment = id, "an environment can't be read; it stays as it was");
                return;
            }
        };
        self.environments.rcu(|all| {
            let mut all = HashMap::clone(all);
            all.entry(id).or_insert_with(|| fresh.clone());
            all
        });
        if let Some(known) = self.environments.load().get(&id) {
            known.replace(&fresh);
        }
    }
}

impl LiveEnvironment {
    /// An environment in this state, with the changes that lately led there, the oldest first.
    pub(crate) fn new(
        (id, project): (i64, String),
        state: State,
        recent: VecDeque<Arc<Published>>,
        times: ChangeTimes,
    ) -> Self {
        Self {
            id,
            project,
            current: ArcSwap::from_pointee(Served::new(state)),
            recent: Mutex::new(recent),
            changes: broadcast::Sender::new(QUEUE),
            evaluations: AtomicU64::new(0),
            times,
        }
    }

    /// The flags now.
    pub fn served(&self) -> arc_swap::Guard<Arc<Served>> {
        self.current.load()
    }

    /// The flags now, for longer than a glance.
    pub fn served_for_long(&self) -> Arc<Served> {
        self.current.load_full()
    }

    /// Changes from now on. One that lags behind by more than the queue is told so.
    pub fn subscribe(&self) -> broadcast::Receiver<News> {
        self.changes.subscribe()
    }

    /// What leads from what a reader has to a state.
    pub fn catch_up(&self, state: &State, have: &Have) -> CatchUp {
        let Have { epoch, revision, hash } = have;
        let revision = *revision;
        if epoch != state.epoch() || revision > state.revision() {
            return CatchUp::Resync;
        }
        if revision == state.revision() {
            return if hash == state.hash() { CatchUp::Changes(Vec::new()) } else { CatchUp::Resync };
        }
        let recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let known = recent.iter().any(|change| change.revision == revision && change.hash == *hash);
        let missed = recent.iter().filter(|c| c.revision > revision && c.revision <= state.revision());
        let missed: Vec<_> = missed.cloned().collect();
        // One that could not be told leaves nothing to go on from.
        if known && missed.iter().all(|change| !change.resync) { CatchUp::Changes(missed) } else { CatchUp::Resync }
    }

    /// Takes in the next change and tells subscribers of it.
    ///
    /// # Errors
    /// When it does not lead from the state at hand to the one it announces.
    pub(crate) fn take(&self, published: Arc<Published>) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let began = Instant::now();
        let current = self.current.load_full();
        let change = match FromServer::read(published.message.text())? {
            FromServer::Change(change) => change,
            _ if published.resync => Change::new(current.state.revision(), published.hash.clone()),
            _ => return Err("not a change".into()),
        };
        if change.revision != published.revision {
            return Err("not the next change".into());
        }
        let next = current.state.apply_with(change, &published.segments)?;
        // Only the state keeps a segment in memory: what is kept of changes would keep each version of it.
        let published = published.told();
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        self.current.store(Arc::new(Served::new(next)));
        recent.push_back(published.clone());
        let mut bytes: usize = recent.iter().map(|change| change.message.text().len()).sum();
        while recent.len() as u64 > KEPT_CHANGES || bytes > KEPT_BYTES {
            let Some(oldest) = recent.pop_front() else { break };
            bytes -= oldest.message.text().len();
        }
        drop(recent);
        self.times.observe(ChangePart::Serialize, published.written_in);
        self.times.observe(ChangePart::Compile, began.elapsed());
        // Without subscribers there is nobody to tell.
        let _ = self.changes.send(News::from_now(published, self.times.clone()));
        Ok(())
    }

    /// Takes over what was read from the store, unless it is older, and shows subscribers that there is something new.
    fn replace(&self, fresh: &Self) {
        let newest = fresh.recent.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        if fresh.current.load().state.revision() <= self.current.load().state.revision() {
            return;
        }
        self.current.store(fresh.current.load_full());
        let last = newest.back().cloned();
        *recent = newest;
        drop(recent);
        if let Some(last) = last {
            // Without subscribers there is nobody to tell.
            let _ = self.changes.send(last.into());
        }
    }

    /// When a revision was made; none where that is not in memory: it is long ago, or from before the start.
    pub fn made_at(&self, revision: u64) -> Option<DateTime<Utc>> {
        let recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        recent.iter().rev().find(|change| change.revision == revision)?.at
    }

    /// The environment's id.
    pub fn id(&self) -> i64 {
        self.id
    }

    /// The key of the project it is in.
    pub fn project(&self) -> &str {
        &self.project
    }

    /// So many flags were evaluated here for somebody without an SDK.
    pub fn count_evaluations(&self, flags: u64) {
        self.evaluations.fetch_add(flags, Ordering::Relaxed);
    }

    /// How many flags were evaluated since the server started.
    pub fn evaluations(&self) -> u64 {
        self.evaluations.load(Ordering::Relaxed)
    }
}

/// An environment as it is stored, with the segments of its project.
fn load(
    connection: &mut Connection<'_>,
    environment: &Environment,
    segments: Vec<Arc<SegmentEntry>>,
    times: &ChangeTimes,
) -> Result<LiveEnvironment> {
    let records = store::configurations_in(connection, environment.id)?;
    let mut flags = Vec::with_capacity(records.len());
    for record in records {
        if let Some(served) = record.served {
            flags.push(RawValue::from_string(served)?);
        }
    }
    let snapshot = Snapshot {
        environment: environment.key.clone(),
        epoch: projects::epoch(connection)?,
        revision: environment.revision,
        counts: Counts { flags: flags.len(), segments: segments.len() },
        hash: environment.state_hash.clone(),
        flags,
        segments: Vec::new(),
    };
    let state = State::with_segments(snapshot, segments).map_err(Error::internal)?;
    let kept = store::outbox(connection, environment.id, KEPT_BYTES)?;
    let recent = kept.into_iter().map(|kept| published(environment.id, kept)).collect::<Result<_>>()?;
    let place = (environment.id, environment.project.clone());
    Ok(LiveEnvironment::new(place, state, recent, times.clone()))
}

/// A change that was kept.
fn published(environment: i64, (revision, message, hash): store::Kept) -> Result<Arc<Published>> {
    let (hash, resync) = match (FromServer::read(&message)?, hash) {
        (FromServer::Change(change), _) => (change.hash, false),
        (FromServer::Resync { .. }, Some(hash)) => (hash, true),
        _ => return Err(Error::internal("the outbox holds something other than a change")),
    };
    let (segments, versions) = (Vec::new(), Vec::new());
    let (message, written_in) = (Framed::new(message)?, Duration::ZERO);
    Ok(Arc::new(Published { environment, revision, at: None, hash, message, resync, written_in, segments, versions }))
}
