//! What was asked of the server, and what it answered.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use tokio::sync::watch;

use crate::harness::{Answer, Call};

/// A change that was asked for, once.
#[derive(Clone, Debug)]
pub(crate) struct Write {
    /// The request's id.
    pub(crate) id: String,
    /// As the log names it.
    pub(crate) action: &'static str,
    /// As the log names it.
    pub(crate) resource: String,
}

/// What became of it, as far as the one who asked knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It was done.
    Acknowledged,
    /// It was not done.
    Refused,
    /// It was not done, as the store did not answer.
    Unavailable,
    /// No answer came: it was done or not.
    Unknown,
}

/// Figures over a run.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Totals {
    pub(crate) acknowledged: usize,
    pub(crate) refused: usize,
    pub(crate) unavailable: usize,
    /// Not answered, and found to be done.
    pub(crate) came_through: usize,
    /// Not answered, and found not to be done.
    pub(crate) lost: usize,
}

/// Everything asked since the log was last read; clones are the same one.
#[derive(Clone, Default)]
pub(crate) struct Ledger {
    open: Arc<Mutex<Vec<(Write, Outcome)>>>,
    acknowledged: watch::Sender<usize>,
    closed: Arc<AtomicBool>,
    doubts: Arc<AtomicBool>,
    totals: Arc<Mutex<Totals>>,
}

impl Ledger {
    /// Sends a call as a write; the answer if the write was done. `Err` when the server is gone, or nobody is to write.
    ///
    /// # Panics
    /// When the server answers that it failed in another way than for want of its store.
    pub(crate) async fn send(&self, write: Write, call: Call) -> Result<Option<Answer>, ()> {
        if self.is_closed() {
            return Err(());
        }
        let sent = call.header("x-request-id", &write.id).send().await;
        let (outcome, answer) = match sent {
            Ok(answer) if answer.status.is_success() => (Outcome::Acknowledged, Ok(Some(answer))),
            Ok(answer) if answer.status.is_client_error() => (Outcome::Refused, Ok(None)),
            Ok(answer) => {
                answer.problem(503, "store_unavailable");
                (self.unavailable(), Ok(None))
            }
            Err(_) => (Outcome::Unknown, Err(())),
        };
        self.open.lock().unwrap().push((write, outcome));
        if outcome == Outcome::Acknowledged {
            self.acknowledged.send_modify(|count| *count += 1);
        }
        answer
    }

    /// Targets a user of a flag, under a request's id that is the user's name; the answer, whatever it is.
    ///
    /// # Panics
    /// When none comes.
    pub(crate) async fn change(&self, user: &str, flag: &str, call: Call) -> Answer {
        let write = Write { id: user.to_owned(), action: "flag.target", resource: format!("flag/{flag}") };
        let answer = call.header("x-request-id", user).await;
        let outcome = match answer.status.as_u16() {
            200 => Outcome::Acknowledged,
            503 => self.unavailable(),
            _ => panic!("{answer}"),
        };
        self.open.lock().unwrap().push((write, outcome));
        answer
    }

    /// Figures over all that is settled.
    pub(crate) fn totals(&self) -> Totals {
        *self.totals.lock().unwrap()
    }

    /// Counts what is acknowledged from now on.
    pub(crate) fn count(&self) -> watch::Receiver<usize> {
        self.acknowledged.send_replace(0);
        self.acknowledged.subscribe()
    }

    /// From now on a commit's answer may be lost: what the store did not answer was done or not.
    pub(crate) fn doubts_refusals(&self) {
        self.doubts.store(true, Ordering::SeqCst);
    }

    fn unavailable(&self) -> Outcome {
        if self.doubts.load(Ordering::SeqCst) { Outcome::Unknown } else { Outcome::Unavailable }
    }

    /// Nobody is to write any more, or again.
    pub(crate) fn close(&self, closed: bool) {
        self.closed.store(closed, Ordering::SeqCst);
    }

    /// Whether nobody is to write.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }

    /// What has been asked since the log was last read.
    pub(crate) fn open(&self) -> impl Iterator<Item = (Write, Outcome)> {
        self.open.lock().unwrap().clone().into_iter()
    }

    /// Forgets it; `done` says what the log tells of.
    pub(crate) fn settle(&self, done: impl Fn(&str) -> bool) {
        let mut totals = self.totals.lock().unwrap();
        for (write, outcome) in self.open.lock().unwrap().drain(..) {
            match outcome {
                Outcome::Acknowledged => totals.acknowledged += 1,
                Outcome::Refused => totals.refused += 1,
                Outcome::Unavailable => totals.unavailable += 1,
                Outcome::Unknown if done(&write.id) => totals.came_through += 1,
                Outcome::Unknown => totals.lost += 1,
            }
        }
    }
}
