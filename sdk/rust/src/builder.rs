use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bellwether_core::{Snapshot, State};
use thiserror::Error;
use tokio::runtime::Handle;
use uuid::Uuid;

use crate::Client;
use crate::cache::{self, Cache};
use crate::client::Parts;
use crate::endpoint::Endpoint;
use crate::resources::PoolGauge;
use crate::shared::Identity;

/// Longest name of an application or instance, in characters: with a longer one the server takes no measurements.
const NAME_LENGTH: usize = 200;
/// What the first reconnection is spread over, unless set.
pub(crate) const RECONNECT_WITHIN: Duration = Duration::from_secs(10);
/// How often flags are polled, unless set.
const POLL_EVERY: Duration = Duration::from_secs(30);
/// The least time between two polls.
const SHORTEST_POLL: Duration = Duration::from_secs(1);
/// The most that either can be set to.
const LONGEST_RECONNECT: Duration = Duration::from_secs(3_600);

/// Settings of a [`Client`].
#[derive(Clone)]
pub struct ClientBuilder {
    url: String,
    key: String,
    application: String,
    instance: Option<String>,
    reconnect_within: Duration,
    poll_every: Duration,
    cache_dir: Option<PathBuf>,
    bootstrap: Option<Bootstrap>,
    offline: bool,
    pool: Option<PoolGauge>,
}

/// Flags to begin with.
#[derive(Clone)]
enum Bootstrap {
    Json(String),
    File(PathBuf),
}

/// Why a client could not be made. A server that can't be reached is no reason: the client goes on trying.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The URL is not one of a server.
    #[error("the server's URL {url:?} can't be used: {reason}")]
    Url {
        /// What was given; empty when it holds a password.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The key can't be one.
    #[error("the server key can't be used: {0}")]
    Key(&'static str),
    /// The application's or instance's name is empty or has more than 200 characters.
    #[error("the name of the {0} must have 1 to {NAME_LENGTH} characters")]
    Name(&'static str),
    /// The background tasks need a tokio runtime, and this thread is in none.
    #[error("no tokio runtime is running here; connect from within one")]
    NoRuntime,
    /// The flags to begin with can't be used.
    #[error("the flags to begin with can't be used: {0}")]
    Bootstrap(String),
    /// TLS or HTTP could not be set up.
    #[error("the connection can't be set up: {0}")]
    Setup(String),
}

impl ConnectError {
    pub(crate) fn invalid(url: &str, reason: impl Into<String>) -> Self {
        Self::Url { url: url.to_owned(), reason: reason.into() }
    }
}

impl ClientBuilder {
    pub(crate) fn new(url: String, key: String) -> Self {
        Self {
            url,
            key,
            application: "unknown".to_owned(),
            instance: None,
            reconnect_within: RECONNECT_WITHIN,
            poll_every: POLL_EVERY,
            cache_dir: None,
            bootstrap: None,
            offline: false,
            pool: None,
        }
    }

    /// Names the service, the same for all its instances, in 1 to 200 characters; `unknown` unless set.
    /// [`connect`](Self::connect) refuses another length with [`ConnectError::Name`].
    #[must_use]
    pub fn application(mut self, name: impl Into<String>) -> Self {
        self.application = name.into();
        self
    }

    /// Names this process among the instances of the service, in 1 to 200 characters; a random UUID unless set. No two
    /// that run at once may have the same name, or the server takes the measurements of one for those of the other.
    /// [`connect`](Self::connect) refuses another length with [`ConnectError::Name`].
    #[must_use]
    pub fn instance(mut self, name: impl Into<String>) -> Self {
        self.instance = Some(name.into());
        self
    }

    /// What the first reconnection after a loss is spread over, so that the clients of a server that restarts do not
    /// all come back at once; 10 s unless set, from nothing to an hour: what is longer counts as an hour. Further attempts
    /// wait up to twice as long each, up to 30 s.
    #[must_use]
    pub fn reconnect_within(mut self, range: Duration) -> Self {
        self.reconnect_within = range.min(LONGEST_RECONNECT);
        self
    }

    /// How often the flags are asked for while the stream can't be had, on average; 30 s unless set, from a second to an
    /// hour: what is shorter or longer counts as the nearer of these.
    #[must_use]
    pub fn poll_every(mut self, time: Duration) -> Self {
        self.poll_every = time.clamp(SHORTEST_POLL, LONGEST_RECONNECT);
        self
    }

    /// Keeps the flags in use in a file in this directory, one for each server and key, and starts with what is there: so
    /// a process that starts while the server is away has the last flags. Nowhere unless set.
    ///
    /// The directory is made when it is not there. The file can be read by this user alone; what is not as it was written,
    /// or no regular file, is left, with a warning.
    #[must_use]
    pub fn cache_dir(mut self, directory: impl Into<PathBuf>) -> Self {
        self.cache_dir = Some(directory.into());
        self
    }

    /// Starts with these flags, as `GET /api/v1/snapshot` answers them, unless newer ones are in the cache; the server's
    /// take their place when they arrive. Only the last of several counts; none unless set.
    /// [`connect`](Self::connect) refuses what is no snapshot with [`ConnectError::Bootstrap`].
    #[must_use]
    pub fn bootstrap_json(mut self, snapshot: impl Into<String>) -> Self {
        self.bootstrap = Some(Bootstrap::Json(snapshot.into()));
        self
    }

    /// As [`bootstrap_json`](Self::bootstrap_json), from a regular file, which `connect` reads.
    #[must_use]
    pub fn bootstrap_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.bootstrap = Some(Bootstrap::File(path.into()));
        self
    }

    /// Tells how many of the database pool's connections are in use, in percent of all that it may have: `used` is asked every
    /// ten seconds while a release runs and each minute otherwise, on the task that sends measurements, so it should return
    /// at once.
    ///
    /// The server has it as `db_pool_percent`, beside the process's use of processors and memory, which on Linux are told in
    /// any case: in percent of what the process may use, limits of its control group included. What is no finite number is
    /// left out, and the rest is brought to 0 to 100.
    #[must_use]
    pub fn db_pool_percent(mut self, used: impl Fn() -> f64 + Send + Sync + 'static) -> Self {
        self.pool = Some(PoolGauge(Arc::new(used)));
        self
    }

    /// Makes a client that never connects: it serves the flags it begins with, or defaults, and records nothing. It needs
    /// no runtime, and neither URL nor key are looked at, but for the cache, which belongs to them. Unless set, it connects.
    #[must_use]
    pub fn offline(mut self) -> Self {
        self.offline = true;
        self
    }

    /// Starts the client. It returns at once and connects in the background, again and again until it succeeds.
    ///
    /// The tasks run on the current tokio runtime, which must have I/O and time enabled, as it has by default.
    ///
    /// # Errors
    /// [`ConnectError`] when the URL, the key, a name or the flags to begin with can't be used or no runtime is running.
    pub fn connect(self) -> Result<Client, ConnectError> {
        let cache = self.cache_dir.map(|directory| Cache::new(directory, &self.url, &self.key));
        let flags = newer(cache.as_ref().and_then(cached), self.bootstrap.map(bootstrapped).transpose()?);
        if self.offline {
            return Ok(Client::offline(flags));
        }
        let endpoint = Endpoint::new(&self.url, &self.key)?;
        let identity = Identity {
            application: name("application", self.application)?,
            instance: name("instance", self.instance.unwrap_or_else(|| Uuid::new_v4().to_string()))?,
        };
        let runtime = Handle::try_current().map_err(|_| ConnectError::NoRuntime)?;
        let (reconnect_within, poll_every) = (self.reconnect_within, self.poll_every);
        let parts = Parts { endpoint, identity, reconnect_within, poll_every, cache, pool: self.pool };
        Ok(Client::start(&runtime, parts, flags))
    }
}

/// What is in the cache. What can't be used is as good as nothing.
fn cached(cache: &Cache) -> Option<State> {
    cache.load().unwrap_or_else(|error| {
        tracing::warn!(%error, "the flags kept on disk are not used");
        None
    })
}

fn bootstrapped(from: Bootstrap) -> Result<State, ConnectError> {
    let failed = |error: String| ConnectError::Bootstrap(error);
    let text = match from {
        Bootstrap::Json(text) => text.into_bytes(),
        Bootstrap::File(path) => cache::read(&path).map_err(|error| failed(format!("{}: {error}", path.display())))?,
    };
    let snapshot: Snapshot = serde_json::from_slice(&text).map_err(|error| failed(error.to_string()))?;
    State::from_snapshot(snapshot).map_err(|refusal| failed(refusal.to_string()))
}

/// The newer of the two; the cache's where they can't be compared, as it has come from the server itself.
fn newer(cached: Option<State>, given: Option<State>) -> Option<State> {
    match (cached, given) {
        (Some(cached), Some(given)) if cached.epoch() == given.epoch() && cached.revision() < given.revision() => {
            Some(given)
        }
        (cached, given) => cached.or(given),
    }
}

fn name(of: &'static str, name: String) -> Result<String, ConnectError> {
    if (1..=NAME_LENGTH).contains(&name.chars().count()) { Ok(name) } else { Err(ConnectError::Name(of)) }
}

/// Leaves the key out.
impl fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBuilder")
            .field("application", &self.application)
            .field("instance", &self.instance)
            .field("reconnect_within", &self.reconnect_within)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_runtime_is_needed() {
        let error = Client::builder("http://localhost", "key").connect().unwrap_err();
        assert_eq!(error, ConnectError::NoRuntime);
    }

    #[tokio::test]
    async fn names_are_bounded() {
        for name in [String::new(), "x".repeat(201), "ø".repeat(201)] {
            let builder = Client::builder("http://localhost", "key");
            let error = builder.clone().application(name.clone()).connect().unwrap_err();
            assert_eq!(error, ConnectError::Name("application"));
            assert_eq!(builder.instance(name).connect().unwrap_err(), ConnectError::Name("instance"));
        }
        // As the server does, characters are counted and not bytes.
        let longest = "ø".repeat(200);
        let builder = Client::builder("http://localhost", "key").application(longest.clone());
        builder.instance(longest).connect().unwrap();
    }

    #[test]
    fn the_key_is_not_printed() {
        let builder = Client::builder("http://me:hunter2@localhost", "bw_sdk_secret");
        let printed = format!("{builder:?}");
        assert!(!printed.contains("secret") && !printed.contains("hunter2"), "{printed}");
    }
}
