//! One conversation on the stream, without the socket: messages and snapshots in, what to do about them out.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bellwether_core::message::{FromSdk, FromServer, Have, Hello, Ready};
use bellwether_core::{Change, Refusal, State};
use chrono::{DateTime, TimeDelta, Utc};

use crate::endpoint::SDK;
use crate::shared::Identity;

/// The most bytes of flags in changes that wait for a snapshot; beyond it the snapshot is fetched once more instead.
const HELD_BYTES: usize = 16 * 1024 * 1024;
/// The most changes that wait for a snapshot.
const HELD_CHANGES: usize = 1_000;
/// The longest error that is reported to the server, in characters; its frames are bounded.
const ERROR_LENGTH: usize = 1_000;

/// Something to be done, in the order given.
#[derive(Debug)]
pub(crate) enum Effect {
    /// The server answered the hello; its clock is ahead by this much.
    Ready(TimeDelta),
    /// Put a state to use.
    Install(Arc<State>),
    /// Send a message.
    Send(FromSdk),
    /// Fetch the snapshot and tell the session about it.
    Fetch(Pace),
    /// The server goes away; the return is to be spread over this time.
    Drain(Duration),
}

/// How soon a snapshot is to be fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    /// At once.
    Now,
    /// After a wait that grows, because the last one did not help.
    Later,
}

/// What became of a fetch.
#[derive(Debug)]
pub(crate) enum Fetched {
    /// A state.
    Fresh(Arc<State>),
    /// The state at hand is what the server has.
    Unchanged,
    /// A snapshot that can't be used.
    Refused {
        /// What it claims to be.
        revision: u64,
        /// What is wrong with it.
        error: String,
    },
    /// No snapshot.
    Failed,
}

/// Where the conversation stands.
///
/// It never guesses: a change is put to use only if it follows the revision at hand and leads to the hash that was
/// announced. Whatever else happens leads to one fetch of the snapshot, during which further changes are held.
#[derive(Debug)]
pub(crate) struct Session {
    state: Option<Arc<State>>,
    greeted: DateTime<Utc>,
    /// The life of the store that the server speaks of.
    epoch: Option<String>,
    /// The newest revision that the server spoke of.
    newest: u64,
    fetching: bool,
    held: Held,
    /// The revision that was last reported as rejected.
    rejected: Option<u64>,
}

impl Session {
    /// Begins a conversation with what there is; the message is the first to send.
    pub(crate) fn open(state: Option<Arc<State>>, identity: &Identity, now: DateTime<Utc>) -> (Self, FromSdk) {
        let have = state.as_ref().map(|state| Have {
            epoch: state.epoch().to_owned(),
            revision: state.revision(),
            hash: state.hash().to_owned(),
        });
        let hello = Hello {
            sdk: SDK.to_owned(),
            instance: identity.instance.clone(),
            application: identity.application.clone(),
            have,
            clock: now,
        };
        let session = Self {
            state,
            greeted: now,
            epoch: None,
            newest: 0,
            fetching: false,
            held: Held::default(),
            rejected: None,
        };
        (session, FromSdk::Hello(hello))
    }

    /// Takes a text frame of the server.
    pub(crate) fn on_text(&mut self, text: &str, now: DateTime<Utc>) -> Vec<Effect> {
        match FromServer::read(text) {
            Ok(FromServer::Ready(ready)) => self.ready(ready, now),
            Ok(FromServer::Resync { revision }) => {
                self.newest = self.newest.max(revision);
                self.fetch(Pace::Now)
            }
            Ok(FromServer::Change(change)) => self.change(change),
            Ok(FromServer::Drain { retry_after_ms }) => vec![Effect::Drain(Duration::from_millis(retry_after_ms))],
            Ok(FromServer::Unknown) => {
                tracing::debug!("a message of a type that this version does not know was ignored");
                Vec::new()
            }
            Err(error) => {
                tracing::warn!(%error, "a message can't be read; the snapshot is fetched, for it may have been a change");
                self.fetch(Pace::Now)
            }
        }
    }

    /// Takes the outcome of a fetch.
    pub(crate) fn on_fetched(&mut self, fetched: Fetched) -> Vec<Effect> {
        let mut effects = Vec::new();
        let usable = match fetched {
            Fetched::Fresh(state) if self.is_older(&state) => {
                tracing::debug!(revision = state.revision(), "a snapshot older than the flags in use was left");
                true
            }
            Fetched::Fresh(state) => {
                effects.extend(self.install(state));
                true
            }
            Fetched::Unchanged => true,
            Fetched::Refused { revision, error } => {
                effects.extend(self.reject(revision, &error));
                false
            }
            Fetched::Failed => false,
        };
        if usable {
            // Still as part of the fetch: a change that does not follow yet waits on and asks for nothing at once.
            for change in self.held.take() {
                effects.extend(self.change(change));
            }
        }
        self.fetching = false;
        if !usable || self.is_behind() {
            effects.extend(self.fetch(Pace::Later));
        }
        effects
    }

    fn ready(&mut self, ready: Ready, now: DateTime<Utc>) -> Vec<Effect> {
        // The server read its clock somewhere between the hello and its answer; the middle is wrong by half at most.
        let middle = self.greeted + (now - self.greeted) / 2;
        let mut effects = vec![Effect::Ready(ready.clock - middle)];
        let resync = self.state.as_ref().is_none_or(|state| {
            state.epoch() != ready.epoch || (state.revision() == ready.revision && state.hash() != ready.hash)
        });
        self.newest = ready.revision;
        self.epoch = Some(ready.epoch);
        if resync {
            effects.extend(self.fetch(Pace::Now));
        }
        effects
    }

    fn change(&mut self, change: Change) -> Vec<Effect> {
        self.newest = self.newest.max(change.revision);
        let current = self.state.as_ref().filter(|state| self.is_current_life(state));
        let (from, revision) = (change.from, change.revision);
        match current {
            // A snapshot brought it already.
            Some(state) if revision <= state.revision() => Vec::new(),
            Some(state) if from == state.revision() => match state.apply(change) {
                Ok(next) => self.install(Arc::new(next)),
                Err(refusal) => self.refuse(revision, &refusal),
            },
            Some(state) if !self.fetching => {
                let gap = Refusal::Gap { from, at: state.revision() };
                self.held.push(change);
                self.refuse(revision, &gap)
            }
            _ => {
                self.held.push(change);
                self.fetch(Pace::Now)
            }
        }
    }

    fn refuse(&mut self, revision: u64, refusal: &Refusal) -> Vec<Effect> {
        let mut effects = self.reject(revision, &refusal.to_string());
        effects.extend(self.fetch(Pace::Now));
        effects
    }

    fn install(&mut self, state: Arc<State>) -> Vec<Effect> {
        let revision = state.revision();
        self.state = Some(Arc::clone(&state));
        vec![Effect::Install(state), Effect::Send(FromSdk::Applied { revision })]
    }

    /// Reports a revision as rejected, once.
    fn reject(&mut self, revision: u64, error: &str) -> Vec<Effect> {
        if self.rejected.replace(revision) == Some(revision) {
            return Vec::new();
        }
        tracing::warn!(revision, error, "a revision of the flags was rejected; the ones in use stay");
        let error = error.chars().take(ERROR_LENGTH).collect();
        vec![Effect::Send(FromSdk::Rejected { revision, error })]
    }

    fn fetch(&mut self, pace: Pace) -> Vec<Effect> {
        if std::mem::replace(&mut self.fetching, true) { Vec::new() } else { vec![Effect::Fetch(pace)] }
    }

    fn is_current_life(&self, state: &State) -> bool {
        self.epoch.as_deref() == Some(state.epoch())
    }

    /// Whether `state` comes before the one at hand: then another server, which lags, has sent it.
    fn is_older(&self, state: &State) -> bool {
        self.state.as_ref().is_some_and(|at| at.epoch() == state.epoch() && at.revision() > state.revision())
    }

    /// Whether the server spoke of a life or a revision that is not at hand yet.
    fn is_behind(&self) -> bool {
        !self.state.as_ref().is_some_and(|state| self.is_current_life(state) && state.revision() >= self.newest)
    }
}

/// Changes that wait for the snapshot they may follow.
#[derive(Debug, Default)]
struct Held {
    changes: VecDeque<Change>,
    bytes: usize,
}

impl Held {
    /// Keeps a change. When there are too many, all go: the snapshot will be behind and is fetched again.
    fn push(&mut self, change: Change) {
        self.bytes += change.flags.iter().map(|flag| flag.get().len()).sum::<usize>();
        self.changes.push_back(change);
        if self.bytes > HELD_BYTES || self.changes.len() > HELD_CHANGES {
            *self = Self::default();
        }
    }

    fn take(&mut self) -> VecDeque<Change> {
        std::mem::take(self).changes
    }
}

#[cfg(test)]
mod tests;
