//! What a change would do, worked out beside the store and without it: the changed flag in the state that is in memory.

use std::sync::Arc;

use super::change::{Edited, Place};
use super::live::Served;
use super::rollout::Wanted;
use super::{Configuration, Flags, Preview, publish};
use crate::access::{Caller, Role};
use crate::clock;
use crate::db::{Connection, Part};
use crate::error::{Error, Result};
use crate::usage::RecentUsers;
use crate::version::IfMatch;

/// A change that is only thought of.
pub(super) struct Forecast {
    /// What it would change, as the store has it.
    pub(super) edited: Edited,
    /// What it would make of it.
    pub(super) next: Configuration,
    /// Who would move.
    pub(super) preview: Preview,
}

impl Flags {
    /// Who would move by such a change.
    ///
    /// # Errors
    /// As [`Flags::configure`]; nothing is changed.
    pub async fn preview(&self, caller: &Caller, place: Place, if_match: IfMatch, wanted: Wanted) -> Result<Preview> {
        caller.require(Role::Viewer)?;
        let forecast = self.forecast(place, if_match, move |_, edited| wanted.configuration(edited)).await?;
        Ok(forecast.preview)
    }

    /// What `change` would do to what stands at `place`.
    pub(super) async fn forecast<F>(&self, place: Place, if_match: IfMatch, change: F) -> Result<Forecast>
    where
        F: FnOnce(&mut Connection<'_>, &Edited) -> Result<Configuration> + Send + 'static,
    {
        let work = move |c: &mut Connection<'_>| {
            let edited = Edited::find(c, &place)?;
            if_match.check(edited.record.version)?;
            let next = change(c, &edited)?;
            edited.allows(&next)?;
            Ok((edited, next))
        };
        let (edited, next) = self.store.read(Part::Configuration, work).await?;
        let (served, users) = self.at_hand(&edited)?;
        // Thousands of users are evaluated twice.
        tokio::task::spawn_blocking(move || forecast(edited, next, &served, &users)).await.map_err(Error::internal)?
    }

    /// The state in memory, and the users seen of late.
    fn at_hand(&self, edited: &Edited) -> Result<(Arc<Served>, RecentUsers)> {
        let id = edited.environment.id();
        Ok((self.live().environment(id)?.served_for_long(), self.usage.recent_users(id, clock::now())))
    }
}

fn forecast(edited: Edited, next: Configuration, served: &Served, users: &RecentUsers) -> Result<Forecast> {
    let before = &served.state;
    let after = before.what_if([publish::entry(&edited.flag, &edited.record, next.clone(), "/configuration")?], []);
    let now = edited.configuration();
    let preview = Preview::between(now, &next).counted(
        edited.key(),
        (now, &next),
        (before, &after),
        users,
        clock::at(clock::now()),
    );
    Ok(Forecast { edited, next, preview })
}
