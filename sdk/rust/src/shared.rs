//! What the read path, request scopes and background tasks have in common.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::{ArcSwapOption, Guard};
use bellwether_core::window::Evaluations;
use bellwether_core::{Assignment, Context, Evaluation, State};
use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::watch;

use crate::clock;
use crate::exposures::Exposures;
use crate::in_use::{InUse, Slot};
use crate::listeners::Listeners;
use crate::recorder::Recorder;
use crate::tally::Tally;

/// Most windows that may be open at once: hundreds of releases with five metrics in two arms.
const OPEN_WINDOWS: usize = 10_000;
/// Most tallies kept until the next report of flags whose variations changed or that are gone.
const LEFT_TALLIES: usize = 1_000;

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
    in_use: ArcSwapOption<InUse>,
    /// Held while flags are put to use, so that none are put in place of newer ones.
    installing: Mutex<()>,
    pub(crate) listeners: Arc<Listeners>,
    link: watch::Sender<Link>,
    revision: watch::Sender<Option<u64>>,
    /// What the server's clock is ahead of ours, in microseconds.
    offset: AtomicI64,
    pub(crate) recorder: Recorder,
    pub(crate) exposures: Exposures,
    /// Tallies of flags as they were, in which something may still be counted.
    left: Mutex<Vec<Arc<Tally>>>,
    /// Whether nothing is recorded any more.
    closed: AtomicBool,
}

impl Shared {
    pub(crate) fn new() -> Self {
        Self {
            in_use: ArcSwapOption::empty(),
            installing: Mutex::default(),
            listeners: Arc::default(),
            link: watch::Sender::new(Link::Starting),
            revision: watch::Sender::new(None),
            offset: AtomicI64::new(0),
            recorder: Recorder::new(OPEN_WINDOWS),
            exposures: Exposures::new(),
            left: Mutex::default(),
            closed: AtomicBool::new(false),
        }
    }

    /// The flags at this moment. Never waits.
    #[inline]
    pub(crate) fn in_use(&self) -> Guard<Option<Arc<InUse>>> {
        self.in_use.load()
    }

    /// The state at this moment, to keep.
    pub(crate) fn state_owned(&self) -> Option<Arc<State>> {
        self.in_use().as_deref().map(|in_use| Arc::clone(in_use.state()))
    }

    /// Puts flags to use unless newer ones of the same life are, then tells those who wait for a revision and those who
    /// listen; whether it did.
    pub(crate) fn install(&self, state: Arc<State>) -> bool {
        // No code that holds the lock leaves anything half done.
        let installing = self.installing.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.in_use.load_full();
        let older = |at: &State| at.epoch() == state.epoch() && at.revision() > state.revision();
        if before.as_ref().is_some_and(|before| older(before.state())) {
            return false;
        }
        let after = Arc::new(InUse::new(Arc::clone(&state), before.as_deref()));
        let listeners = self.listeners.of_change(|| self.in_use.store(Some(Arc::clone(&after))));
        if let Some(before) = &before {
            let mut left = self.left();
            let room = LEFT_TALLIES.saturating_sub(left.len());
            left.extend(before.tallies_not_in(&after).filter(|tally| tally.is_used()).take(room).map(Arc::clone));
        }
        self.revision.send_replace(Some(state.revision()));
        drop(installing);
        Listeners::tell(listeners, before.as_ref().map(|before| &**before.state()), &state);
        true
    }

    /// Counts what was evaluated, and whom it exposed to a release; answers the arm of that.
    #[inline(always)]
    pub(crate) fn evaluated(&self, slot: &Slot, evaluation: &Evaluation<'_>, context: &Context) -> Option<usize> {
        let recording = !self.closed.load(Ordering::Relaxed);
        if recording {
            slot.tally.count(slot.entry.flag().variations(), evaluation.variation);
        }
        let assignment = evaluation.assignment.as_ref()?;
        self.exposed(slot, assignment, context, recording)
    }

    /// Apart, so that flags without a release are answered in as few steps as can be.
    #[inline(never)]
    fn exposed(&self, slot: &Slot, to: &Assignment<'_>, context: &Context, recording: bool) -> Option<usize> {
        let arm = to.release.arms.iter().position(|arm| std::ptr::eq(arm.name.as_str(), to.arm))?;
        if recording {
            self.exposures.meet(slot, arm, context, || self.server_time());
        }
        Some(arm)
    }

    /// How often each variation was served since this was last asked.
    pub(crate) fn take_evaluations(&self) -> Vec<Evaluations> {
        let (now, mut taken) = (self.server_time(), Vec::new());
        if let Some(in_use) = self.in_use().as_deref() {
            in_use.tallies().for_each(|tally| tally.take(now, &mut taken));
        }
        self.left().retain(|tally| {
            // In one that is held here alone nobody can count any more, once it is taken.
            let in_use = Arc::strong_count(tally) > 1;
            tally.take(now, &mut taken);
            in_use
        });
        taken
    }

    /// Records nothing from now on.
    pub(crate) fn stop_recording(&self) {
        self.closed.store(true, Ordering::Relaxed);
        self.recorder.close();
    }

    fn left(&self) -> MutexGuard<'_, Vec<Arc<Tally>>> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner)
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

    /// The time on the server's clock, in whole seconds since 1970.
    #[inline]
    pub(crate) fn server_second(&self) -> i64 {
        clock::microseconds().saturating_add(self.offset.load(Ordering::Relaxed)).div_euclid(1_000_000)
    }

    /// The time on the server's clock.
    pub(crate) fn server_time(&self) -> DateTime<Utc> {
        let now = clock::now();
        let ahead = TimeDelta::microseconds(self.offset.load(Ordering::Relaxed));
        now.checked_add_signed(ahead).unwrap_or(now)
    }
}
