//! What a change would do, worked out beside the store and without it: the changed flag in the state that is in memory.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::change::{Edited, Place};
use super::lifecycle::{Patched, patched};
use super::live::Served;
use super::rollout::Wanted;
use super::store::ConfigurationRecord;
use super::{Configuration, Flags, Preview, publish, store};
use crate::access::{Caller, Role};
use crate::clock;
use crate::db::{Connection, Part};
use crate::error::{Error, Result};
use crate::projects::{self, Environment};
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
        let forecast = self.forecast(place, if_match, move |c, edited| wanted.configuration(c, edited)).await?;
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
        let (served, users) = self.at_hand(edited.environment.id())?;
        // Thousands of users are evaluated twice.
        tokio::task::spawn_blocking(move || forecast(edited, next, &served, &users)).await.map_err(Error::internal)?
    }

    /// An environment's state in memory, and the users seen of late.
    fn at_hand(&self, environment: i64) -> Result<(Arc<Served>, RecentUsers)> {
        let served = self.live().environment(environment)?.served_for_long();
        Ok((served, self.usage.recent_users(environment, clock::now())))
    }
}

/// A flag in an environment as a new definition would have it.
struct Redefined {
    environment: Environment,
    record: ConfigurationRecord,
}

impl Flags {
    /// Who would move by such a change of a flag's definition, in each environment by its key.
    ///
    /// # Errors
    /// As [`Flags::patch`]; nothing is changed.
    pub async fn preview_patch(
        &self,
        caller: &Caller,
        project: String,
        key: String,
        if_match: IfMatch,
        patch: Value,
    ) -> Result<BTreeMap<String, Preview>> {
        caller.require(Role::Viewer)?;
        let work = move |c: &mut Connection<'_>| {
            let patched = patched(c, (&project, &key), if_match, patch)?;
            let mut places = Vec::new();
            for environment in projects::environments(c, &project)? {
                let record = store::find_configuration(c, patched.flag.id, environment.id())?;
                places.push(Redefined { environment, record });
            }
            Ok((patched, places))
        };
        let (patched, places) = self.store.read(Part::Configuration, work).await?;
        let mut at_hand = Vec::with_capacity(places.len());
        for place in places {
            let (served, users) = self.at_hand(place.environment.id())?;
            at_hand.push((place, served, users));
        }
        let work = move || {
            let previews = at_hand.iter().map(|(place, served, users)| {
                Ok((place.environment.key.clone(), redefined(&patched, place, served, users)?))
            });
            previews.collect()
        };
        tokio::task::spawn_blocking(work).await.map_err(Error::internal)?
    }
}

fn redefined(patched: &Patched, place: &Redefined, served: &Served, users: &RecentUsers) -> Result<Preview> {
    let Redefined { environment, record } = place;
    let (configuration, prefix) = (&record.configuration, format!("/environments/{}", environment.key));
    let before = &served.state;
    let after = before.what_if([publish::entry(&patched.after(), record, configuration.clone(), &prefix)?], []);
    let preview = if patched.back {
        Preview::of_return()
    } else {
        let (old, new) = (&patched.flag.definition.variations, &patched.definition.variations);
        Preview::of_values(configuration, old, new)
    };
    let (states, now) = ((before, &after), clock::at(clock::now()));
    Ok(preview.counted(&patched.flag.key, (configuration, configuration), states, users, now))
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
