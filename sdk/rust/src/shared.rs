//! What the read path, request scopes and background tasks have in common.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use arc_swap::{ArcSwapOption, Guard};
use bellwether_core::State;
use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::watch;

use crate::clock;
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

/// Flags in use, outcomes being counted, and the server's clock.
#[derive(Debug)]
pub(crate) struct Shared {
    state: ArcSwapOption<State>,
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

    /// Puts flags to use, then tells those who wait for a revision.
    pub(crate) fn install(&self, state: Arc<State>) {
        let revision = state.revision();
        self.state.store(Some(state));
        self.revision.send_replace(Some(revision));
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
