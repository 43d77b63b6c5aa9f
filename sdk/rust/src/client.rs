use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bellwether_core::{Context, ErrorCode, State, Value};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::endpoint::Endpoint;
use crate::evaluate::{FlagValue, Found, evaluate};
use crate::sender::{Command, Sender};
use crate::shared::{Identity, Shared};
use crate::stream::Stream;
use crate::{ClientBuilder, Detail, Scope};

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
    stream: JoinHandle<()>,
    sender: JoinHandle<()>,
}

impl Client {
    /// Prepares a client for the server at `url`, such as `https://flags.example.com`, with a server key
    /// (`bw_sdk_…`), which also says which environment's flags they are.
    pub fn builder(url: impl Into<String>, key: impl Into<String>) -> ClientBuilder {
        ClientBuilder::new(url.into(), key.into())
    }

    pub(crate) fn start(runtime: &Handle, endpoint: Endpoint, identity: Identity, reconnect_within: Duration) -> Self {
        let (shared, endpoint) = (Arc::new(Shared::new()), Arc::new(endpoint));
        let (stop, stopped) = watch::channel(false);
        // Whoever finds the queue full waits: commands come from people, not from requests.
        let (commands, received) = mpsc::channel(8);
        let sender = Sender::new(Arc::clone(&shared), Arc::clone(&endpoint), identity.clone());
        let stream = Stream::new(Arc::clone(&shared), endpoint, identity, reconnect_within, stopped);
        let tasks = Tasks { stream: runtime.spawn(stream.run()), sender: runtime.spawn(sender.run(received)) };
        Self { inner: Arc::new(Inner { shared, commands, stop, tasks: Mutex::new(Some(tasks)) }) }
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

    /// A scope for one request, which remembers the releases it meets and reports to them how it went.
    #[must_use]
    pub fn scope(&self, context: &Context) -> Scope {
        Scope::new(self.clone(), context.clone())
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
        self.shared().state().as_deref().map(State::revision)
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
        let Some(Tasks { mut stream, mut sender }) = tasks else { return };
        self.shared().recorder.close();
        self.shared().tally.close();
        self.inner.stop.send_replace(true);
        let ended = timeout(within, async {
            self.command(Command::Close).await;
            // A task that panicked has ended too.
            let _ = (&mut stream).await;
            let _ = (&mut sender).await;
        });
        if ended.await.is_err() {
            stream.abort();
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
        let state = self.shared().state();
        self.evaluate(state.as_deref(), key, context).map_or(default, |found| found.value)
    }

    fn detail<T: FlagValue>(&self, key: &str, context: &Context, default: T) -> Detail<T> {
        let state = self.shared().state();
        let revision = state.as_deref().map(State::revision);
        Detail::of(self.evaluate(state.as_deref(), key, context), default, revision)
    }

    /// What the flag `key` serves, which is counted.
    pub(crate) fn evaluate<'s, T: FlagValue>(
        &self,
        state: Option<&'s State>,
        key: &str,
        context: &Context,
    ) -> Result<Found<'s, T>, ErrorCode> {
        let found = evaluate(state, key, context)?;
        self.shared().tally.count(key, &found.evaluation);
        Ok(found)
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("revision", &self.revision()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
