use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bellwether_core::{Context, Entry, ErrorCode, State, Value};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{AbortHandle, JoinHandle};
use tokio::time::timeout;

use crate::cache::{self, Cache};
use crate::endpoint::Endpoint;
use crate::evaluate::{FlagValue, Found, evaluate, evaluate_any};
use crate::in_use::InUse;
use crate::poll::Poller;
use crate::recorder::Observation;
use crate::resources::{Gauge, PoolGauge};
use crate::sender::{Command, Sender};
use crate::shared::{Identity, Shared};
use crate::stream::Stream;
use crate::{ClientBuilder, Detail, FlagsChanged, Scope, Subscription, TestData};

/// The flags of one environment, kept up to date in the background.
///
/// Every getter answers at once from memory and never fails: where a flag can't be evaluated, it answers the caller's
/// default, and the `_detail` form says why. Clones are cheap and share everything; when the last one and the last
/// [`Scope`] are gone, the background tasks end, without sending what was not sent yet: see [`close`](Self::close).
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

struct Inner {
    shared: Arc<Shared>,
    commands: mpsc::Sender<Command>,
    /// Ends the stream's task when it changes or is dropped, as `commands` does with the sender's when dropped.
    stop: watch::Sender<bool>,
    tasks: Mutex<Option<Tasks>>,
}

struct Tasks {
    /// Those that bring flags and keep them.
    flags: Vec<JoinHandle<()>>,
    sender: JoinHandle<()>,
}

/// What a client with a server is made of.
pub(crate) struct Parts {
    pub(crate) endpoint: Endpoint,
    pub(crate) identity: Identity,
    pub(crate) reconnect_within: Duration,
    pub(crate) poll_every: Duration,
    pub(crate) cache: Option<Cache>,
    pub(crate) pool: Option<PoolGauge>,
}

impl Client {
    /// Prepares a client for the server at `url`, such as `https://flags.example.com`, with a server key
    /// (`bw_sdk_…`), which also says which environment's flags they are.
    pub fn builder(url: impl Into<String>, key: impl Into<String>) -> ClientBuilder {
        ClientBuilder::new(url.into(), key.into())
    }

    /// A client of a server, with the flags to begin with.
    pub(crate) fn start(runtime: &Handle, parts: Parts, flags: Option<State>) -> Self {
        let Parts { endpoint, identity, reconnect_within, poll_every, cache, pool } = parts;
        let (shared, endpoint) = (Arc::new(Shared::new()), Arc::new(endpoint));
        if let Some(flags) = flags {
            shared.install(Arc::new(flags));
        }
        let (stop, stopped) = watch::channel(false);
        // Whoever finds the queue full waits: commands come from people, not from requests.
        let (commands, received) = mpsc::channel(8);
        let sender = Sender::new(Arc::clone(&shared), Arc::clone(&endpoint), identity.clone(), Gauge::new(pool));
        let poller = Poller::new(Arc::clone(&shared), Arc::clone(&endpoint), poll_every, stopped.clone());
        // What is kept last must be what was in use last: it is kept until nobody brings flags any more.
        let (bringing, brought) = watch::channel(false);
        let keeping = cache.map(|cache| runtime.spawn(cache::keep(cache, Arc::clone(&shared), brought)));
        let stream = Stream::new(Arc::clone(&shared), endpoint, identity, reconnect_within, stopped);
        let mut flags =
            vec![runtime.spawn(until(stream.run(), bringing.clone())), runtime.spawn(until(poller.run(), bringing))];
        flags.extend(keeping);
        let tasks = Tasks { flags, sender: runtime.spawn(sender.run(received)) };
        Self { inner: Arc::new(Inner { shared, commands, stop, tasks: Mutex::new(Some(tasks)) }) }
    }

    /// A client without a server: nothing is recorded, as there is nobody to tell.
    pub(crate) fn offline(flags: Option<State>) -> Self {
        let shared = Arc::new(Shared::new());
        shared.stop_recording();
        if let Some(flags) = flags {
            shared.install(Arc::new(flags));
        }
        let (commands, _) = mpsc::channel(1);
        Self { inner: Arc::new(Inner { shared, commands, stop: watch::Sender::new(true), tasks: Mutex::default() }) }
    }

    /// A client for tests, without a server, and the means to say what its flags serve.
    #[must_use]
    pub fn test() -> (Self, TestData) {
        let client = Self::offline(None);
        let data = TestData::new(client.clone());
        (client, data)
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.inner.shared
    }

    /// The value of a boolean flag for `context`, or `default`.
    pub fn bool(&self, key: &str, context: &Context, default: bool) -> bool {
        self.get(key, context, default)
    }

    /// The value of a string flag for `context`, or `default`.
    pub fn string(&self, key: &str, context: &Context, default: impl Into<String>) -> String {
        self.get(key, context, default.into())
    }

    /// The value of an integer flag for `context`, or `default`.
    pub fn integer(&self, key: &str, context: &Context, default: i64) -> i64 {
        self.get(key, context, default)
    }

    /// The value of a float flag for `context`, or `default`.
    pub fn float(&self, key: &str, context: &Context, default: f64) -> f64 {
        self.get(key, context, default)
    }

    /// The value of a JSON flag for `context`, or `default`.
    pub fn json(&self, key: &str, context: &Context, default: Value) -> Value {
        self.get(key, context, default)
    }

    /// The value of a boolean flag for `context`, or `default`, and how it came about.
    pub fn bool_detail(&self, key: &str, context: &Context, default: bool) -> Detail<bool> {
        self.detail(key, context, default)
    }

    /// The value of a string flag for `context`, or `default`, and how it came about.
    pub fn string_detail(&self, key: &str, context: &Context, default: impl Into<String>) -> Detail<String> {
        self.detail(key, context, default.into())
    }

    /// The value of an integer flag for `context`, or `default`, and how it came about.
    pub fn integer_detail(&self, key: &str, context: &Context, default: i64) -> Detail<i64> {
        self.detail(key, context, default)
    }

    /// The value of a float flag for `context`, or `default`, and how it came about.
    pub fn float_detail(&self, key: &str, context: &Context, default: f64) -> Detail<f64> {
        self.detail(key, context, default)
    }

    /// The value of a JSON flag for `context`, or `default`, and how it came about.
    pub fn json_detail(&self, key: &str, context: &Context, default: Value) -> Detail<Value> {
        self.detail(key, context, default)
    }

    /// What every flag serves `context`, by key: to hand it to a page, say. A flag that serves nothing has the value null
    /// and an error. None of it counts as an evaluation.
    #[must_use]
    pub fn all_flags(&self, context: &Context) -> BTreeMap<String, Detail<Value>> {
        let in_use = self.shared().in_use();
        let Some(state) = in_use.as_deref().map(InUse::state) else { return BTreeMap::new() };
        let one = |entry: &Arc<Entry>| {
            let found = evaluate_any(state, entry, context);
            (entry.flag().key().to_owned(), Detail::of(found, Value::Null, Some(state.revision())))
        };
        state.flags().map(one).collect()
    }

    /// Calls `listener` whenever other flags have come into use, until what this returns is dropped.
    ///
    /// It is called on the task that takes changes in, after they are in use: it should return soon. One that panics is
    /// called again the next time.
    pub fn on_change(&self, listener: impl Fn(&FlagsChanged) + Send + Sync + 'static) -> Subscription {
        self.shared().listeners.add(listener)
    }

    /// A scope for one request, which remembers the releases it meets and reports to them how it went.
    #[must_use]
    pub fn scope(&self, context: &Context) -> Scope {
        Scope::new(self.clone(), context.clone())
    }

    /// Reports a number of the application's own, for the releases that `context` met of late and that watch `metric`, each
    /// in the arm in which it met the release last.
    ///
    /// Whoever is asked for a flag with a release on it has met the release if its own split served the flag; that is
    /// known for 30 minutes since the last time, by the targeting key, of the 131,072 latest meetings or so, and on this
    /// instance alone. Metrics that no release watches, and contexts that met none, cost next to nothing and leave nothing
    /// behind.
    ///
    /// `value` is in the unit that the release's guards have. Where they watch a ratio, as of `request.error`, 0 counts
    /// as a trial and anything else as a hit. NaN, infinities and magnitudes above 1e100 are left out.
    pub fn track(&self, metric: &str, context: &Context, value: f64) {
        let shared = self.shared();
        let in_use = shared.in_use();
        if let Some(in_use) = in_use.as_deref() {
            let met = shared.exposures.met(in_use, metric, context);
            shared.recorder.record(|| shared.server_second(), met, metric, Observation::Number(value));
        }
    }

    /// Waits until flags have arrived, at most `within`; whether they have.
    ///
    /// Nobody has to wait: until then, getters answer the default.
    pub async fn wait_ready(&self, within: Duration) -> bool {
        let mut revisions = self.revisions();
        timeout(within, revisions.wait_for(Option::is_some)).await.is_ok_and(|ready| ready.is_ok())
    }

    /// The revision of the environment that is in use; `None` before flags arrived.
    #[must_use]
    pub fn revision(&self) -> Option<u64> {
        self.shared().in_use().as_deref().map(|in_use| in_use.state().revision())
    }

    /// The revision in use, to await changes of it.
    #[must_use]
    pub fn revisions(&self) -> watch::Receiver<Option<u64>> {
        self.shared().revisions()
    }

    /// Sends what was recorded up to now, windows that have not ended included, and waits until the server has it or
    /// an attempt has failed; then it stays in line.
    pub async fn flush(&self) {
        self.command(Command::Flush).await;
    }

    /// Sends what is left and ends the background tasks, within the given time or else without sending the rest.
    ///
    /// Afterwards getters go on answering from the last flags, and nothing is recorded any more.
    pub async fn close(&self, within: Duration) {
        let tasks = self.inner.tasks.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(Tasks { flags, mut sender }) = tasks else { return };
        let flags_ended: Vec<_> = flags.iter().map(JoinHandle::abort_handle).collect();
        self.shared().stop_recording();
        self.inner.stop.send_replace(true);
        let ended = timeout(within, async {
            self.command(Command::Close).await;
            // A task that panicked has ended too.
            for task in flags {
                let _ = task.await;
            }
            let _ = (&mut sender).await;
        });
        if ended.await.is_err() {
            flags_ended.iter().for_each(AbortHandle::abort);
            sender.abort();
            tracing::warn!(?within, "the client was closed before everything was sent");
        }
    }

    async fn command(&self, command: impl FnOnce(oneshot::Sender<()>) -> Command) {
        let (done, answered) = oneshot::channel();
        // Fails when the client is closed: there is nothing to send any more.
        if self.inner.commands.send(command(done)).await.is_ok() {
            let _ = answered.await;
        }
    }

    fn get<T: FlagValue>(&self, key: &str, context: &Context, default: T) -> T {
        let in_use = self.shared().in_use();
        self.evaluate(in_use.as_deref(), key, context).map_or(default, |found| found.value)
    }

    fn detail<T: FlagValue>(&self, key: &str, context: &Context, default: T) -> Detail<T> {
        let in_use = self.shared().in_use();
        let revision = in_use.as_deref().map(|in_use| in_use.state().revision());
        Detail::of(self.evaluate(in_use.as_deref(), key, context), default, revision)
    }

    /// What the flag `key` serves, which is counted.
    #[inline(always)]
    pub(crate) fn evaluate<'s, T: FlagValue>(
        &self,
        in_use: Option<&'s InUse>,
        key: &str,
        context: &Context,
    ) -> Result<Found<'s, T>, ErrorCode> {
        let (mut found, slot) = evaluate(in_use, key, context)?;
        let arm = self.shared().evaluated(slot, &found.evaluation, context);
        found.met = arm.map(|arm| (&slot.entry, arm));
        Ok(found)
    }
}

/// Runs a task, and drops `held` when it ends.
async fn until(task: impl Future<Output = ()>, held: watch::Sender<bool>) {
    task.await;
    drop(held);
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("revision", &self.revision()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
