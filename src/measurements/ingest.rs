//! The one writer of measurements: what waits is written together.

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::{mpsc, oneshot};

use super::{Checked, Cut, Receipt, store};
use crate::clock;
use crate::db::{Connection, Part, Store};
use crate::error::{Error, Result};

/// Batches written in one transaction.
const TOGETHER: usize = 64;
/// How often old batch numbers are forgotten.
const FORGET_EVERY: TimeDelta = TimeDelta::minutes(10);

/// A batch and who waits for its receipt.
pub(super) struct Job {
    pub(super) environment: i64,
    pub(super) batch: Checked,
    pub(super) answer: oneshot::Sender<Result<Receipt>>,
}

/// Writes batches until nobody can send any more.
pub(super) async fn write(store: Store, cut: Cut, mut jobs: mpsc::Receiver<Job>) {
    let mut forgotten = DateTime::<Utc>::MIN_UTC;
    let mut waiting = Vec::with_capacity(TOGETHER);
    while jobs.recv_many(&mut waiting, TOGETHER).await > 0 {
        let (batches, answers): (Vec<_>, Vec<_>) =
            waiting.drain(..).map(|job| ((job.environment, job.batch), job.answer)).unzip();
        let now = clock::now();
        let forget = now - forgotten > FORGET_EVERY;
        let work = move |c: &mut Connection<'_>| {
            if forget {
                store::forget_batches(c, now)?;
            }
            batches.into_iter().map(|(environment, batch)| count(c, environment, batch, cut)).collect()
        };
        let outcome: Result<Vec<Receipt>> = store.write(Part::Measurements, work).await;
        if outcome.is_ok() && forget {
            forgotten = now;
        }
        answer(outcome, answers);
    }
}

/// Counts a batch, unless it was counted before.
fn count(connection: &mut Connection<'_>, environment: i64, batch: Checked, cut: Cut) -> Result<Receipt> {
    // Read here, on the one writing connection: a window is open to all that is written before it is read, or closed.
    let now = clock::now();
    let Checked { instance, sequence, windows, late } = batch;
    if !store::note_batch(connection, environment, &instance, sequence, now)? {
        return Ok(Receipt { duplicate: true, ..Receipt::default() });
    }
    let mut receipt = Receipt { late, ..Receipt::default() };
    for window in windows {
        if cut.closes(window.start) <= now {
            receipt.late += 1;
        } else {
            store::add_window(connection, window)?;
            receipt.accepted += 1;
        }
    }
    Ok(receipt)
}

fn answer(outcome: Result<Vec<Receipt>>, answers: Vec<oneshot::Sender<Result<Receipt>>>) {
    match outcome {
        Ok(receipts) => {
            for (answer, receipt) in answers.into_iter().zip(receipts) {
                // Whoever asked may have gone.
                let _ = answer.send(Ok(receipt));
            }
        }
        Err(cause) => {
            tracing::warn!(%cause, batches = answers.len(), "measurements could not be written");
            for answer in answers {
                let _ = answer.send(Err(Error::Busy("measurements can't be written now")));
            }
        }
    }
}
