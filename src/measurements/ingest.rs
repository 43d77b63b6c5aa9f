//! The one writer of measurements: what waits is written together.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::{mpsc, oneshot};

use super::intake::Taken;
use super::observed::EvaluationInput;
use super::{Batch, Counted, Cut, Receipt, store};
use crate::clock;
use crate::db::{Connection, Part, Store};
use crate::error::{Error, Result};
use crate::usage::{self, Reported, Usage};

/// Batches written in one transaction.
const TOGETHER: usize = 64;
/// How often old batch numbers are forgotten.
const FORGET_EVERY: TimeDelta = TimeDelta::minutes(10);

/// A batch and who waits for its receipt.
pub(super) struct Job {
    pub(super) environment: i64,
    pub(super) batch: Batch,
    /// Until the batch is written.
    pub(super) room: Taken,
    pub(super) answer: oneshot::Sender<Result<Receipt>>,
}

/// Writes batches until nobody can send any more.
pub(super) async fn write(store: Store, cut: Cut, usage: Usage, mut jobs: mpsc::Receiver<Job>) {
    let mut forgotten = DateTime::<Utc>::MIN_UTC;
    let mut waiting = Vec::with_capacity(TOGETHER);
    while jobs.recv_many(&mut waiting, TOGETHER).await > 0 {
        let (batches, answers): (Vec<_>, Vec<_>) =
            waiting.drain(..).map(|job| ((job.environment, job.batch), (job.answer, job.room))).unzip();
        let now = clock::now();
        let forget = now - forgotten > FORGET_EVERY;
        let work = move |c: &mut Connection<'_>| {
            if forget {
                store::forget_batches(c, now)?;
            }
            let (mut receipts, mut evaluated) = (Vec::with_capacity(batches.len()), Evaluated::new());
            for (environment, batch) in batches {
                receipts.push(count(c, environment, batch, cut, &mut evaluated)?);
            }
            let reported = reported(evaluated);
            usage::add(c, &reported)?;
            Ok((receipts, reported))
        };
        let taken = usage.clone();
        let after = move |(_, reported): &(Vec<Receipt>, Vec<Reported>)| taken.take(reported);
        let outcome = store.write_then(Part::Measurements, work, after).await.map(|(receipts, _)| receipts);
        if outcome.is_ok() && forget {
            forgotten = now;
        }
        answer(outcome, answers);
    }
}

/// Evaluations of all batches that are written together, with the time of the last, by environment, flag and variation.
type Evaluated = BTreeMap<(i64, String, String), (u64, DateTime<Utc>)>;

fn reported(evaluated: Evaluated) -> Vec<Reported> {
    let one = |((environment, flag, variation), (evaluations, last))| Reported {
        environment,
        flag,
        variation,
        evaluations,
        last,
    };
    evaluated.into_iter().map(one).collect()
}

/// Counts a batch, unless it was counted before.
fn count(
    connection: &mut Connection<'_>,
    environment: i64,
    batch: Batch,
    cut: Cut,
    evaluated: &mut Evaluated,
) -> Result<Receipt> {
    // Read here, on the one writing connection: a window is open to all that is written before it is read, or closed.
    let now = clock::now();
    let Batch { origin, windows, late, evaluations } = batch;
    if let Some(origin) = &origin
        && !store::note_batch(connection, environment, origin, now)?
    {
        return Ok(Receipt { duplicate: true, ..Receipt::default() });
    }
    for EvaluationInput { flag, variation, count, last } in evaluations {
        let (sum, latest) = evaluated.entry((environment, flag, variation)).or_insert((0, DateTime::<Utc>::MIN_UTC));
        *sum = sum.saturating_add(count);
        *latest = last.min(now).max(*latest);
    }
    let mut receipt = Receipt { late, ..Receipt::default() };
    for Counted { window, stands_for } in windows {
        if cut.closes(window.start) <= now {
            receipt.late += stands_for;
        } else {
            store::add_window(connection, window)?;
            receipt.accepted += stands_for;
        }
    }
    Ok(receipt)
}

fn answer(outcome: Result<Vec<Receipt>>, answers: Vec<(oneshot::Sender<Result<Receipt>>, Taken)>) {
    match outcome {
        Ok(receipts) => {
            for ((answer, _room), receipt) in answers.into_iter().zip(receipts) {
                // Whoever asked may have gone.
                let _ = answer.send(Ok(receipt));
            }
        }
        Err(cause) => {
            tracing::warn!(%cause, batches = answers.len(), "measurements could not be written");
            for (answer, _room) in answers {
                let _ = answer.send(Err(Error::Busy("measurements can't be written now")));
            }
        }
    }
}
