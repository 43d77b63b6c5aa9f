//! What the read path, request scopes and background tasks have in common.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::{ArcSwapOption, Guard};
use bellwether_core::State;
use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::watch;

use crate::clock;
use crate::listeners::Listeners;
use crate::recorder::Recorder;
use crate::tally::Tally;

/// Most windows that may be open at once: hundreds of releases with five metrics in two arms.
const OPEN_WINDOWS: usize = 10_000;

/// Who reports to the server.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    /// Names this process among all instances of the application.
    pub(crate) instance: String,
    /// The service's name.
    pub(crate) application: String,
}

/// How the stream is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Link {
    /// The first attempt is under way.
    Starting,
    /// Changes are pushed.
    Up,
    /// There is none.
    Down,
}

/// Flags in use, outcomes being counted, and the server's clock.
#[derive(Debug)]
pub(crate) struct Shared {
    state: ArcSwapOption<State>,
    /// Held while flags are put to use, so that none are put in place of newer ones.
    installing: Mutex<()>,
    pub(crate) listeners: Arc<Listeners>,
    link: watch::Sender<Link>,
    revision: watch::Sender<Option<u64>>,
    /// What the server's clock is ahead of ours, in microseconds.
    offset: AtomicI64,
    pub(crate) recorder: Recorder,
    pub(crate) tally: Tally,
}

impl Shared {
    pub(crate) fn new() -> Self {
        Self {
            state: ArcSwapOption::empty(),
            installing: Mutex::default(),
            listeners: Arc::default(),
            link: watch::Sender::new(Link::Starting),
            revision: watch::Sender::new(None),
            offset: AtomicI64::new(0),
            recorder: Recorder::new(OPEN_WINDOWS),
            tally: Tally::new(),
        }
    }

    /// The flags at this moment. Never waits.
    pub(crate) fn state(&self) -> Guard<Option<Arc<State>>> {
        self.state.load()
    }

    /// The flags at this moment, to keep.
    pub(crate) fn state_owned(&self) -> Option<Arc<State>> {
        self.state.load_full()
    }

    /// Puts flags to use unless newer ones of the same life are, then tells those who wait for a revision and those who
    /// listen; whether it did.
    pub(crate) fn install(&self, state: Arc<State>) -> bool {
        // No code that holds the lock leaves anything half done.
        let installing = self.installing.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.state_owned();
        let older = |at: &Arc<State>| at.epoch() == state.epoch() && at.revision() > state.revision();
        if before.as_ref().is_some_and(older) {
            return false;
        }
        self.state.store(Some(Arc::clone(&state)));
        self.revision.send_replace(Some(state.revision()));
        drop(installing);
        self.listeners.tell(before.as_deref(), &state);
        true
    }

    /// How the stream is.
    pub(crate) fn link(&self) -> watch::Receiver<Link> {
        self.link.subscribe()
    }

    pub(crate) fn set_link(&self, link: Link) {
        self.link.send_if_modified(|known| std::mem::replace(known, link) != link);
    }

    pub(crate) fn revisions(&self) -> watch::Receiver<Option<u64>> {
        self.revision.subscribe()
    }

    pub(crate) fn set_offset(&self, ahead: TimeDelta) {
        self.offset.store(ahead.num_microseconds().unwrap_or(0), Ordering::Relaxed);
    }

    /// The time on the server's clock.
    pub(crate) fn server_time(&self) -> DateTime<Utc> {
        let now = clock::now();
        let ahead = TimeDelta::microseconds(self.offset.load(Ordering::Relaxed));
        now.checked_add_signed(ahead).unwrap_or(now)
    }
}
