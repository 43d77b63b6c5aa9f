//! What was asked of the server, and what it answered.

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
    /// No answer came: it was done or not.
    Unknown,
}

/// Figures over a run.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Totals {
    pub(crate) acknowledged: usize,
    pub(crate) refused: usize,
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
    totals: Arc<Mutex<Totals>>,
}

impl Ledger {
    /// Sends a call as a write; the answer if the write was done. `Err` when the server is gone.
    ///
    /// # Panics
    /// When the server answers that it failed.
    pub(crate) async fn send(&self, write: Write, call: Call) -> Result<Option<Answer>, ()> {
        let sent = call.header("x-request-id", &write.id).send().await;
        let (outcome, answer) = match sent {
            Ok(answer) if answer.status.is_success() => (Outcome::Acknowledged, Ok(Some(answer))),
            Ok(answer) if answer.status.is_client_error() => (Outcome::Refused, Ok(None)),
            Ok(answer) => panic!("{answer}"),
            Err(_) => (Outcome::Unknown, Err(())),
        };
        self.open.lock().unwrap().push((write, outcome));
        if outcome == Outcome::Acknowledged {
            self.acknowledged.send_modify(|count| *count += 1);
        }
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
                Outcome::Unknown if done(&write.id) => totals.came_through += 1,
                Outcome::Unknown => totals.lost += 1,
            }
        }
    }
}
