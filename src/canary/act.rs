use bellwether_core::State as Snapshot;

use super::record::Canary;
use super::service::{find, view};
use super::transition::{Outcome, Transition};
use super::{Canaries, CanaryView};
use crate::access::{Caller, Role};
use crate::db::{Connection, Part};
use crate::error::Result;
use crate::flags::{Edited, Place, Preview};
use crate::version::IfMatch;

/// What a person may do with a canary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Begin a release.
    Start,
    /// Go to the next stage now.
    Advance,
    /// Stay where it is.
    Pause,
    /// Go on.
    Resume,
    /// Serve control to everyone.
    Rollback,
    /// Serve treatment to everyone.
    Promote,
}

impl Canaries {
    /// Does what a person wants with a canary.
    ///
    /// # Errors
    /// When the caller may not, the state does not allow it, or the version is stale.
    pub async fn act(
        &self,
        caller: &Caller,
        place: Place,
        if_match: IfMatch,
        act: Act,
        reason: String,
    ) -> Result<CanaryView> {
        let caller = caller.clone();
        let canaries = self.clone();
        let work = move |c: &mut Connection<'_>| {
            let (edited, canary) = find(c, &place)?;
            caller.require_change(edited.environment.production)?;
            if_match.check(canary.version)?;
            let (mut transition, outcome) = canaries.transit(c, &caller, (edited, canary), reason, act)?;
            transition.save(c, outcome)?;
            let published = transition.published;
            Ok((view(c, &place)?, published))
        };
        self.flags.write(work).await
    }

    /// Who would move by [`Canaries::act`].
    ///
    /// # Errors
    /// As [`Canaries::act`]; nothing is changed.
    pub async fn preview(&self, caller: &Caller, place: Place, if_match: IfMatch, act: Act) -> Result<Preview> {
        caller.require(Role::Viewer)?;
        let (caller, canaries) = (caller.clone(), self.clone());
        let work = move |c: &mut Connection<'_>| {
            let (edited, canary) = find(c, &place)?;
            if_match.check(canary.version)?;
            let (Transition { edited, .. }, outcome) =
                canaries.transit(c, &caller, (edited, canary), String::new(), act)?;
            let as_is = || (edited.configuration().clone(), edited.release().cloned());
            let (next, release) = outcome.serves.unwrap_or_else(as_is);
            Ok((edited, next, release))
        };
        let (edited, next, release) = self.store.read(Part::Configuration, work).await?;
        self.flags.preview_release(edited, next, release).await
    }

    /// What an act makes of a canary; nothing is saved yet.
    fn transit<'t>(
        &self,
        connection: &mut Connection<'_>,
        caller: &'t Caller,
        (edited, canary): (Edited, Canary),
        reason: String,
        act: Act,
    ) -> Result<(Transition<'t>, Outcome)> {
        let served = self.served(edited.environment.id)?;
        let flags: &Snapshot = &served.state;
        let next = canary.progress.as_ref().map_or(0, |progress| progress.stage + 1);
        let cut = self.cut();
        let mut transition = Transition { caller, edited, canary, reason, verdict: None, cut, published: Vec::new() };
        let outcome = match act {
            Act::Start => transition.start(connection, flags)?,
            Act::Advance => transition.advance(connection, flags, next)?,
            Act::Pause => transition.pause()?,
            Act::Resume => transition.resume()?,
            Act::Rollback => transition.roll_back()?,
            Act::Promote => transition.promote()?,
        };
        Ok((transition, outcome))
    }
}
