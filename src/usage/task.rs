//! The one task that saves what was counted.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

use super::count::Unsaved;
use super::{Inner, store};
use crate::clock;
use crate::db::{Connection, Part};
use crate::error::Result;

/// How often it is saved: that much of it is lost when the process dies.
const EVERY: Duration = Duration::from_secs(5);
/// How often what other servers have saved is read.
const READ_EVERY: Duration = Duration::from_secs(60);

/// Saves every few seconds, and once more when nobody can count any more.
pub(super) async fn save(inner: Arc<Inner>, mut ended: mpsc::Receiver<()>) {
    let (mut read, mut warned) = (Instant::now(), false);
    loop {
        let goes_on = tokio::select! {
            () = sleep(EVERY) => true,
            _ = ended.recv() => false,
        };
        let refresh = goes_on && read.elapsed() >= READ_EVERY;
        match inner.save(refresh).await {
            Ok(()) => warned = false,
            Err(cause) if !warned => {
                tracing::warn!(%cause, "what was evaluated can't be saved now; it is kept and tried again");
                warned = true;
            }
            Err(_) => {}
        }
        if refresh {
            read = Instant::now();
        }
        if !goes_on {
            return;
        }
    }
}

impl Inner {
    async fn save(self: &Arc<Self>, refresh: bool) -> Result<()> {
        let environments = self.environments.load_full();
        for (id, observed) in environments.iter() {
            for (flag, variation) in observed.counts.take_left() {
                self.leave(*id, &flag, Some(variation));
            }
        }
        let unsaved: Vec<_> =
            environments.iter().flat_map(|(id, observed)| observed.counts.take_unsaved(*id)).collect();
        let gone = std::mem::take(&mut *self.gone.lock().unwrap_or_else(PoisonError::into_inner));
        if unsaved.is_empty() && gone.is_empty() && !refresh {
            return Ok(());
        }
        let rows: Vec<_> = unsaved.iter().map(|one| one.row.clone()).collect();
        let leaving = gone.clone();
        let work = move |c: &mut Connection<'_>| {
            for (environment, flag, variation) in &leaving {
                store::forget(c, *environment, flag, variation.as_deref())?;
            }
            for row in &rows {
                store::add(c, row)?;
            }
            if refresh { store::rows(c) } else { Ok(Vec::new()) }
        };
        // In the order of the commits, as reports are taken in as well.
        let inner = self.clone();
        let counted: Vec<_> = unsaved.iter().map(|Unsaved { counter, row }| (counter.clone(), row.clone())).collect();
        let after = move |read: &Vec<store::Row>| {
            for (counter, row) in &counted {
                counter.saved(row.evaluations, row.first, row.last);
            }
            inner.merge(read);
        };
        let done = self.store.write_then(Part::Measurements, work, after).await;
        if let Err(cause) = done {
            for Unsaved { counter, row } in unsaved {
                counter.give_back(row.evaluations);
            }
            self.gone.lock().unwrap_or_else(PoisonError::into_inner).extend(gone);
            return Err(cause);
        }
        tracing::trace!(at = %clock::now(), "saved what was evaluated");
        Ok(())
    }
}
