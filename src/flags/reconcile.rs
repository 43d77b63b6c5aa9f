//! A commit whose answer was lost has been made or not: once the store answers again, memory is held against it.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;

use super::Live;
use crate::db::Connection;
use crate::error::Result;
use crate::projects;

/// How long to wait before a store that does not answer is asked again.
const AGAIN: Duration = Duration::from_millis(500);

/// Settles doubts as they come, until `stop` says so.
pub async fn reconcile(live: Live, mut stop: watch::Receiver<bool>) {
    loop {
        tokio::select! {
            () = live.doubted() => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
        while live.reconcile().await.is_err() {
            tokio::select! {
                () = sleep(AGAIN) => {}
                _ = stop.wait_for(|stop| *stop) => return,
            }
        }
    }
}

/// Each environment's id and revision.
pub(super) fn revisions(connection: &mut Connection<'_>) -> Result<Vec<(i64, u64)>> {
    let mut revisions = Vec::new();
    for project in projects::all(connection)? {
        let environments = projects::environments(connection, &project.key)?;
        revisions.extend(environments.iter().map(|environment| (environment.id, environment.revision)));
    }
    Ok(revisions)
}
