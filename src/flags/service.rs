use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::archive::Attached;
use super::change::{Edited, Next, Place, edit_as};
use super::history::{self, Retention};
use super::lifecycle::{create, find, lay_out, patch_definition};
use super::overview::{self, Overview, Standing};
use super::publish::Published;
use super::rollout::Wanted;
use super::staleness::{FlagState, Judge, Staleness};
use super::store::{self, FlagRecord};
use super::times::ChangePart;
use super::{Configured, FlagView, Live, NewFlag};
use crate::access::{Caller, Role};
use crate::db::{Connection, Part, Store};
use crate::error::{Error, Result};
use crate::projects::{self, Environment, NewEnvironment};
use crate::usage::Usage;
use crate::version::IfMatch;

/// The service for flags.
#[derive(Clone)]
pub struct Flags {
    pub(super) store: Store,
    live: Live,
    retention: Retention,
    pub(super) attached: Attached,
    pub(super) usage: Usage,
    pub(super) staleness: Staleness,
}

/// Which flags are asked for; all members must hold.
#[derive(Clone, Debug, Default)]
pub struct FlagFilter {
    /// Part of the key, name or description, whatever the case.
    pub text: Option<String>,
    /// One of its tags.
    pub tag: Option<String>,
    /// By its name in the API.
    pub kind: Option<String>,
    /// By its name in the API.
    pub value_type: Option<String>,
    /// To the letter.
    pub owner: Option<String>,
    /// Archived ones instead of those in use.
    pub archived: bool,
    /// Where it is in its life.
    pub state: Option<FlagState>,
    /// Whether it is potentially stale.
    pub stale: Option<bool>,
}

type Change<T> = (T, Vec<Arc<Published>>);

/// A change that is about to be committed.
struct Prepared<T> {
    outcome: T,
    published: Vec<Arc<Published>>,
    /// When its transaction began.
    begun: Instant,
    /// When it was all written, but for the commit.
    done: Instant,
}

impl Flags {
    /// Over `store`, keeping `live` up to date and so much history. `usage` is told what is evaluated.
    pub fn new(
        store: Store,
        live: Live,
        (retention, staleness): (Retention, Staleness),
        attached: Attached,
        usage: Usage,
    ) -> Self {
        Self { store, live, retention, attached, usage, staleness }
    }

    /// What is evaluated, and for whom.
    pub fn usage(&self) -> &Usage {
        &self.usage
    }

    /// How much history is kept.
    pub(super) fn retention(&self) -> Retention {
        self.retention
    }

    /// The flags in memory.
    pub fn live(&self) -> &Live {
        &self.live
    }

    /// Runs a change in one transaction, forgets the versions that are then too many, and takes what was published into
    /// memory, in the order of the commits.
    ///
    /// # Errors
    /// What `change` says; then nothing has changed.
    pub async fn write<T, F>(&self, change: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut Connection<'_>) -> Result<Change<T>> + Send + 'static,
    {
        let (live, retention) = (self.live.clone(), self.retention);
        let asked = Instant::now();
        let work = move |c: &mut Connection<'_>| {
            let begun = Instant::now();
            let (outcome, published) = change(c)?;
            for change in &published {
                history::forget(c, change, retention)?;
            }
            Ok(Prepared { outcome, published, begun, done: Instant::now() })
        };
        let after = move |Prepared { published, begun, done, .. }: &Prepared<T>| {
            // What changes nothing commits nothing.
            if !published.is_empty() {
                let written_in: Duration = published.iter().map(|change| change.written_in).sum();
                live.times().observe(ChangePart::Wait, *begun - asked);
                live.times().observe(ChangePart::Prepare, (*done - *begun).saturating_sub(written_in));
                live.times().observe(ChangePart::Commit, done.elapsed());
            }
            live.take(published);
        };
        let done = self.store.write_then(Part::Configuration, work, after).await;
        if matches!(done, Err(Error::Unavailable(_) | Error::OutcomeUnknown(_))) {
            self.live.doubt();
        }
        done.map(|prepared| prepared.outcome)
    }

    /// The flags of a project that pass, by key.
    ///
    /// # Errors
    /// When the caller may not, or there is no such project.
    pub async fn list(&self, caller: &Caller, project: String, filter: FlagFilter) -> Result<Vec<FlagView>> {
        caller.require(Role::Viewer)?;
        let wanted = filter.clone();
        let work = move |c: &mut Connection<'_>| {
            let found = projects::project(c, &project)?;
            let flags: Vec<_> = store::flags(c, found.id)?.into_iter().filter(|flag| filter.passes(flag)).collect();
            Ok((flags, projects::environments(c, &project)?))
        };
        let (flags, environments) = self.store.read(Part::Configuration, work).await?;
        let judge = Judge::new(self, &environments);
        let judged = flags.into_iter().map(|flag| judge.judged(flag.into()));
        Ok(judged.filter(|flag| wanted.passes_judged(flag)).collect())
    }

    /// One flag.
    ///
    /// # Errors
    /// When the caller may not, or there is none.
    pub async fn get(&self, caller: &Caller, project: String, key: String) -> Result<FlagView> {
        caller.require(Role::Viewer)?;
        let work = move |c: &mut Connection<'_>| {
            Ok((FlagView::from(find(c, &project, &key)?), projects::environments(c, &project)?))
        };
        let (flag, environments) = self.store.read(Part::Configuration, work).await?;
        Ok(Judge::new(self, &environments).judged(flag))
    }

    /// A new flag, served off everywhere.
    ///
    /// # Errors
    /// When the caller may not, the key is taken, or the flag could not be served.
    pub async fn create(&self, caller: &Caller, project: String, new: NewFlag) -> Result<FlagView> {
        caller.require(Role::Editor)?;
        let caller = caller.clone();
        self.write(move |c| create(c, &caller, &project, new)).await
    }

    /// Changes a flag by a merge patch. What SDKs can see of it becomes a new version in every environment. `archived:
    /// false` brings an archived flag back as it was.
    ///
    /// # Errors
    /// When the caller may not, the version is stale, or an environment could not serve the outcome.
    pub async fn patch(
        &self,
        caller: &Caller,
        project: String,
        key: String,
        if_match: IfMatch,
        patch: Value,
    ) -> Result<FlagView> {
        caller.require(Role::Editor)?;
        let caller = caller.clone();
        let work = move |c: &mut Connection<'_>| {
            let (flag, published) = patch_definition(c, &caller, (&project, &key), if_match, patch)?;
            Ok(((flag, projects::environments(c, &project)?), published))
        };
        let (flag, environments) = self.write(work).await?;
        Ok(Judge::new(self, &environments).judged(flag))
    }

    /// A flag's configuration in an environment, as it was last when the flag is archived.
    ///
    /// # Errors
    /// When the caller may not, or there is none.
    pub async fn configured(&self, caller: &Caller, place: Place) -> Result<Configured> {
        caller.require(Role::Viewer)?;
        self.store.read(Part::Configuration, move |c| Edited::find_any(c, &place)?.view()).await
    }

    /// Every flag in use with how it stands in each environment, by key.
    ///
    /// # Errors
    /// When the caller may not, or there is no such project.
    pub async fn overview(&self, caller: &Caller, project: String) -> Result<Vec<Overview>> {
        caller.require(Role::Viewer)?;
        let work = move |c: &mut Connection<'_>| {
            Ok((overview::of_project(c, &project)?, projects::environments(c, &project)?))
        };
        let (all, environments) = self.store.read(Part::Configuration, work).await?;
        let judge = Judge::new(self, &environments);
        let judged = all.into_iter().map(|one| Overview { flag: judge.judged(one.flag), ..one });
        Ok(judged.collect())
    }

    /// A flag and how it stands in one environment.
    ///
    /// # Errors
    /// When the caller may not, or there is none.
    pub async fn standing(&self, caller: &Caller, place: Place) -> Result<(FlagView, Standing)> {
        caller.require(Role::Viewer)?;
        self.store.read(Part::Configuration, move |c| overview::of_place(c, &place)).await
    }

    /// Changes the configuration to what is wanted.
    ///
    /// # Errors
    /// As [`super::edit`].
    pub async fn configure(
        &self,
        caller: &Caller,
        place: Place,
        if_match: IfMatch,
        wanted: Wanted,
    ) -> Result<Configured> {
        let caller = caller.clone();
        let work = move |c: &mut Connection<'_>| {
            let (view, published) = edit_as(c, &caller, &place, if_match, |c, edited| {
                let action = wanted.action();
                Ok(Next {
                    configuration: wanted.configuration(c, edited)?,
                    action,
                    reason: String::new(),
                    restored: None,
                })
            })?;
            Ok((view, published.into_iter().collect()))
        };
        self.write(work).await
    }

    /// Turns the kill switch.
    ///
    /// # Errors
    /// As [`super::edit`].
    pub async fn switch(&self, caller: &Caller, place: Place, if_match: IfMatch, enabled: bool) -> Result<Configured> {
        self.configure(caller, place, if_match, Wanted::Switch(enabled)).await
    }

    /// A new environment, in which every flag is served off.
    ///
    /// # Errors
    /// When the caller is no admin or the key is taken.
    pub async fn create_environment(
        &self,
        caller: &Caller,
        project: String,
        new: NewEnvironment,
    ) -> Result<Environment> {
        caller.require(Role::Admin)?;
        let caller = caller.clone();
        let work = move |c: &mut Connection<'_>| {
            let project = projects::project(c, &project)?;
            let environment = projects::create_environment(c, &caller, &project, new)?;
            let published = lay_out(c, &caller, &project, environment.id)?;
            Ok((projects::environment_of_id(c, environment.id)?, published.into_iter().collect()))
        };
        self.write(work).await
    }
}

impl FlagFilter {
    fn passes(&self, flag: &FlagRecord) -> bool {
        let definition = &flag.definition;
        flag.archived_at.is_some() == self.archived
            && self.text.as_ref().is_none_or(|text| definition.mentions(&flag.key, text))
            && self.tag.as_ref().is_none_or(|tag| definition.tags.contains(tag))
            && self.kind.as_ref().is_none_or(|wanted| definition.kind.name() == wanted)
            && self.value_type.as_ref().is_none_or(|wanted| flag.value_type.name() == wanted)
            && self.owner.as_ref().is_none_or(|owner| definition.owner == *owner)
    }

    fn passes_judged(&self, flag: &FlagView) -> bool {
        self.state.is_none_or(|state| flag.state == state)
            && self.stale.is_none_or(|stale| (flag.state == FlagState::PotentiallyStale) == stale)
    }
}
