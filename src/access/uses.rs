//! When each credential was last used: noted in memory as it happens, written some time later.

use std::time::Duration;

use tokio::sync::watch;

use super::known::Use;
use super::{Access, store};
use crate::db::{Connection, Part};
use crate::error::Result;

/// How often the store is brought up to date, and asked what others have created or revoked there.
const EVERY: Duration = Duration::from_secs(60);

/// Writes uses and reads credentials anew from time to time, and writes uses once more when `stop` says so.
pub async fn keep(access: Access, mut stop: watch::Receiver<bool>) {
    loop {
        let stopped = tokio::select! {
            () = tokio::time::sleep(EVERY) => false,
            _ = stop.wait_for(|stop| *stop) => true,
        };
        // What fails now is done the next time.
        if let Err(cause) = access.write_uses().await {
            tracing::debug!(%cause, "the last uses of credentials can't be written");
        }
        if stopped {
            return;
        }
        if let Err(cause) = access.reload().await {
            tracing::debug!(%cause, "credentials can't be read; they stay as they were");
        }
    }
}

impl Access {
    async fn write_uses(&self) -> Result<()> {
        let new: Vec<Use> = self.known.load().uses().filter(Use::is_new).collect();
        if new.is_empty() {
            return Ok(());
        }
        let change = move |c: &mut Connection<'_>| {
            for used in &new {
                store::note_use(c, &used.id, used.at)?;
            }
            Ok(new)
        };
        let written = self.store.write(Part::Configuration, change).await?;
        written.iter().for_each(Use::written);
        Ok(())
    }
}
