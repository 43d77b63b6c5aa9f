//! What a change would do, worked out beside the store and without it: the changed flag in the state that is in memory.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use bellwether_core::{Entry, Release, State};
use serde_json::Value;

use super::archive::archivable;
use super::change::{Edited, Place};
use super::lifecycle::{check_references, patched};
use super::live::Served;
use super::preview::share_of_users;
use super::rollout::Wanted;
use super::store::{ConfigurationRecord, FlagRecord};
use super::{Configuration, Flags, NeededBy, Preview, publish, store};
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
        let changing = Changing::configured(edited.flag.clone(), edited.record.clone(), next.clone());
        let preview = self.preview_of(edited.environment.clone(), changing).await?;
        Ok(Forecast { edited, next, preview })
    }

    /// Who would move if a flag came to be served like this, with this release on it.
    ///
    /// # Errors
    /// When it can't be served like this.
    pub async fn preview_release(
        &self,
        edited: Edited,
        next: Configuration,
        release: Option<Release>,
    ) -> Result<Preview> {
        let Edited { environment, flag, record } = edited;
        self.preview_of(environment, Changing::released(flag, record, next, release)).await
    }

    async fn preview_of(&self, environment: Environment, changing: Changing) -> Result<Preview> {
        let together = Together { environment, changing: vec![changing] };
        let previews = self.previews(vec![together], |_| "/configuration".to_owned()).await?;
        Ok(previews.into_iter().flatten().next().unwrap_or_default())
    }

    /// Who would move by such changes: for each environment, of each flag that changes there.
    pub(super) async fn previews(
        &self,
        places: Vec<Together>,
        prefix: fn(&Environment) -> String,
    ) -> Result<Vec<Vec<Preview>>> {
        let mut at_hand = Vec::with_capacity(places.len());
        for place in places {
            let (served, users) = self.at_hand(place.environment.id())?;
            at_hand.push((place, served, users));
        }
        let work = move || {
            let all = at_hand.iter();
            all.map(|(place, served, users)| place.previews(&served.state, users, &prefix(&place.environment)))
                .collect()
        };
        // Thousands of users are evaluated twice.
        tokio::task::spawn_blocking(work).await.map_err(Error::internal)?
    }

    /// An environment's state in memory, and the users seen of late.
    pub(super) fn at_hand(&self, environment: i64) -> Result<(Arc<Served>, RecentUsers)> {
        let served = self.live().environment(environment)?.served_for_long();
        Ok((served, self.usage.recent_users(environment, clock::now())))
    }
}

/// A flag that would change in an environment.
pub(super) struct Changing {
    /// As it would be; archived when it would not be served any more.
    pub(super) flag: FlagRecord,
    /// How it is served.
    pub(super) record: ConfigurationRecord,
    /// How it would be served.
    next: Configuration,
    /// The release that would run on it.
    release: Option<Release>,
    /// The moves, as far as the configurations tell them.
    moves: Preview,
}

impl Changing {
    /// By another configuration; what runs on it goes on.
    pub(super) fn configured(flag: FlagRecord, record: ConfigurationRecord, next: Configuration) -> Self {
        let release = record.release.clone();
        Self::released(flag, record, next, release)
    }

    /// By what a release does.
    fn released(flag: FlagRecord, record: ConfigurationRecord, next: Configuration, release: Option<Release>) -> Self {
        let before = (&record.configuration, record.release.as_ref());
        let moves = Preview::between(before, (&next, release.as_ref()));
        Self { flag, record, next, release, moves }
    }

    /// Itself, as it would be served.
    fn entry(&self, prefix: &str) -> Result<Entry> {
        let (configuration, release) = (self.next.clone(), self.release.clone());
        let record = ConfigurationRecord { configuration, release, ..self.record.clone() };
        publish::entry(&self.flag, &record, prefix)
    }
}

/// What would change in an environment at once.
pub(super) struct Together {
    pub(super) environment: Environment,
    pub(super) changing: Vec<Changing>,
}

impl Together {
    fn previews(&self, before: &State, users: &RecentUsers, prefix: &str) -> Result<Vec<Preview>> {
        let (gone, kept): (Vec<_>, Vec<_>) = self.changing.iter().partition(|one| one.flag.archived_at.is_some());
        let entries: Vec<_> = kept.into_iter().map(|one| one.entry(prefix)).collect::<Result<_>>()?;
        let after = before.what_if(entries, []).without(gone.into_iter().map(|one| one.flag.key.as_str()));
        let users = share_of_users(users, self.changing.len());
        let (needed_by, now) = (NeededBy::of(before), clock::at(clock::now()));
        let counted = |one: &Changing| {
            let configurations = (&one.record.configuration, &one.next);
            one.moves.clone().counted(&one.flag.key, configurations, (before, &after), (&users, &needed_by), now)
        };
        Ok(self.changing.iter().map(counted).collect())
    }
}

/// Previews by the keys of their environments.
pub type ByEnvironment = BTreeMap<String, Preview>;

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
    ) -> Result<ByEnvironment> {
        caller.require(Role::Viewer)?;
        let work = move |c: &mut Connection<'_>| {
            let patched = patched(c, (&project, &key), if_match, patch)?;
            let (after, before) = (patched.after(), &patched.flag.definition.variations);
            if patched.back {
                let project = projects::project(c, &project)?;
                check_references(c, &project, &after)?;
            }
            everywhere(c, &project, std::slice::from_ref(&after), |_, record| {
                if patched.back {
                    Preview::of_return()
                } else {
                    let served = (&record.configuration, record.release.as_ref());
                    let preview = Preview::of_values(served, before, &patched.definition.variations);
                    let visible = patched.flag.definition.client_visible;
                    preview.shown_to_clients(visible, patched.definition.client_visible)
                }
            })
        };
        let places = self.store.read(Part::Configuration, work).await?;
        self.preview_one(places).await
    }

    /// Who would move by [`Flags::archive`], in each environment by its key.
    ///
    /// # Errors
    /// As [`Flags::archive`]; nothing is changed.
    pub async fn preview_archive(
        &self,
        caller: &Caller,
        project: String,
        key: String,
        if_match: IfMatch,
    ) -> Result<ByEnvironment> {
        caller.require(Role::Viewer)?;
        let attached = self.attached;
        let work = move |c: &mut Connection<'_>| {
            let (project, flag) = archivable(c, (&project, &key), if_match, attached)?;
            archived(c, &project.key, vec![flag])
        };
        let places = self.store.read(Part::Configuration, work).await?;
        self.preview_one(places).await
    }

    async fn preview_one(&self, places: Vec<Together>) -> Result<ByEnvironment> {
        let keys: Vec<_> = places.iter().map(|place| place.environment.key.clone()).collect();
        let previews = self.previews(places, |environment| format!("/environments/{}", environment.key)).await?;
        Ok(keys.into_iter().zip(previews.into_iter().filter_map(|all| all.into_iter().next())).collect())
    }
}

/// Flags as they would be, in every environment of their project; what is configured there stays.
fn everywhere(
    connection: &mut Connection<'_>,
    project: &str,
    flags: &[FlagRecord],
    moves: impl Fn(&FlagRecord, &ConfigurationRecord) -> Preview,
) -> Result<Vec<Together>> {
    let mut places = Vec::new();
    for environment in projects::environments(connection, project)? {
        let mut changing = Vec::with_capacity(flags.len());
        for flag in flags {
            let record = store::find_configuration(connection, flag.id, environment.id())?;
            let (next, release, moves) = (record.configuration.clone(), record.release.clone(), moves(flag, &record));
            changing.push(Changing { flag: flag.clone(), record, next, release, moves });
        }
        places.push(Together { environment, changing });
    }
    Ok(places)
}

/// Flags as they would be if they were archived, in every environment of their project. Of those that are archived
/// already nobody moves.
pub(super) fn archived(
    connection: &mut Connection<'_>,
    project: &str,
    mut flags: Vec<FlagRecord>,
) -> Result<Vec<Together>> {
    let mut going = HashSet::new();
    for flag in flags.iter_mut().filter(|flag| flag.archived_at.is_none()) {
        flag.archived_at = Some(clock::now());
        going.insert(flag.id);
    }
    let moves = |flag: &FlagRecord, _: &ConfigurationRecord| {
        if going.contains(&flag.id) { Preview::of_archive() } else { Preview::default() }
    };
    everywhere(connection, project, &flags, moves)
}
