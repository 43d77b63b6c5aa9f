use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::record::{Canary, LogItem, State};
use super::transition::{check, first_guards};
use super::view::CanaryView;
use super::{GuardReport, GuardState, Policy, store};
use crate::access::{Caller, Role};
use crate::audit::{self, Entry};
use crate::clock;
use crate::db::{Connection, Part, Store};
use crate::error::{Error, Result};
use crate::flags::{Edited, Flags, Place, Served};
use crate::input;
use crate::measurements::{Closed, Cut, Measurements};
use crate::version::IfMatch;

/// The service for canaries.
#[derive(Clone)]
pub struct Canaries {
    pub(super) store: Store,
    pub(super) flags: Flags,
    pub(super) measurements: Measurements,
}

/// Everything there is to show of a canary.
#[derive(Clone, Debug)]
pub struct Detail {
    /// Whether changes here need an operator.
    pub production: bool,
    /// The canary.
    pub canary: Canary,
    /// What its guards find.
    pub guards: Vec<GuardReport>,
    /// Its latest decisions, newest first.
    pub log: Vec<LogItem>,
}

/// The last windows of a release that its guards have taken in.
#[derive(Clone, Debug, PartialEq)]
pub struct Windows {
    /// The start of the first.
    pub first: DateTime<Utc>,
    /// The start of the last.
    pub last: DateTime<Utc>,
    /// Those in which anything was reported.
    pub closed: Vec<Closed>,
}

impl Canaries {
    /// Over the services it acts through.
    pub fn new(store: Store, flags: Flags, measurements: Measurements) -> Self {
        Self { store, flags, measurements }
    }

    /// How windows are cut.
    pub fn cut(&self) -> Cut {
        self.measurements.cut()
    }

    /// A canary and its guards.
    ///
    /// # Errors
    /// When the caller may not, or there is none.
    pub async fn get(&self, caller: &Caller, place: Place) -> Result<CanaryView> {
        caller.require(Role::Viewer)?;
        self.store.read(Part::Configuration, move |c| view(c, &place)).await
    }

    /// Everything there is to show of a canary; `None` when the flag has none here.
    ///
    /// # Errors
    /// When the caller may not, or there is no such flag.
    pub async fn detail(&self, caller: &Caller, place: Place) -> Result<Option<Detail>> {
        caller.require(Role::Viewer)?;
        let work = move |c: &mut Connection<'_>| {
            let edited = Edited::find(c, &place)?;
            let Some(canary) = store::find(c, edited.flag_id(), edited.environment.id)? else { return Ok(None) };
            let guards = guards(c, &canary)?.iter().map(GuardState::report).collect();
            let log = store::read_log(c, key(&edited), i64::MAX, 50)?;
            Ok(Some(Detail { production: edited.environment.production, canary, guards, log }))
        };
        let mut detail = self.store.read(Part::Configuration, work).await?;
        if let Some(detail) = &mut detail
            && detail.canary.progress.is_none()
        {
            detail.guards = self.first_guards(&detail.canary)?;
        }
        Ok(detail)
    }

    /// The guards as a start would make them now; none when a limit can't be read.
    fn first_guards(&self, canary: &Canary) -> Result<Vec<GuardReport>> {
        let served = self.served(canary.environment_id)?;
        let guards = first_guards(&canary.policy, &served.state, self.cut());
        Ok(guards.map(|(_, guards)| guards.iter().map(GuardState::report).collect()).unwrap_or_default())
    }

    /// Every canary of a project.
    ///
    /// # Errors
    /// When the caller may not, or there is no such project.
    pub async fn of_project(&self, caller: &Caller, project: String) -> Result<Vec<Canary>> {
        caller.require(Role::Viewer)?;
        let work = move |c: &mut Connection<'_>| {
            let mut all = Vec::new();
            for environment in crate::projects::environments(c, &project)? {
                all.extend(store::of_environment(c, environment.id)?);
            }
            Ok(all)
        };
        self.store.read(Part::Configuration, work).await
    }

    /// The last windows of a canary's release that its guards have taken in, at most `most`; nothing before the first.
    ///
    /// # Errors
    /// When the caller may not, or the store does not answer.
    pub async fn windows(&self, caller: &Caller, canary: &Canary, most: u16) -> Result<Option<Windows>> {
        caller.require(Role::Viewer)?;
        let Some(progress) = &canary.progress else { return Ok(None) };
        let cut = self.cut();
        let last = progress.next_window(cut.window()) - cut.window();
        let first = progress.first_window.max(last - cut.window() * i32::from(most.saturating_sub(1)));
        if first > last {
            return Ok(None);
        }
        let closed = self.measurements.glance(progress.release.clone(), first, last).await?;
        Ok(Some(Windows { first, last, closed }))
    }

    /// Writes a canary's policy; what a former one had reached is no longer shown.
    ///
    /// # Errors
    /// When the caller may not, the policy has faults, a release runs, or the version is stale.
    pub async fn put(&self, caller: &Caller, place: Place, if_match: IfMatch, policy: Value) -> Result<CanaryView> {
        let caller = caller.clone();
        let work = move |c: &mut Connection<'_>| {
            configure(c, &caller, &place, Some(if_match), policy)?;
            view(c, &place)
        };
        self.store.write(Part::Configuration, work).await
    }

    /// Removes a canary that does not run.
    ///
    /// # Errors
    /// When the caller may not, there is none, a release runs, or the version is stale.
    pub async fn delete(&self, caller: &Caller, place: Place, if_match: IfMatch) -> Result<()> {
        let caller = caller.clone();
        let work = move |c: &mut Connection<'_>| {
            let (edited, canary) = find(c, &place)?;
            caller.require_change(edited.environment.production)?;
            if_match.required()?.check(canary.version)?;
            if canary.state.is_active() {
                return Err(Error::Conflict("a release runs; roll it back or promote it first".to_owned()));
            }
            store::delete(c, &canary)?;
            let changes = audit::whole(Some(serde_json::to_value(&canary.policy)?), None);
            audit::record(c, &caller, Entry { changes, ..edited.about("canary.delete", String::new()) })
        };
        self.store.write(Part::Configuration, work).await
    }

    pub(super) fn served(&self, environment: i64) -> Result<Arc<Served>> {
        Ok(arc_swap::Guard::into_inner(self.flags.live().environment(environment)?.served()))
    }

    /// A canary's log, newest first, of an archived flag too.
    ///
    /// # Errors
    /// When the caller may not, or there is no such flag.
    pub async fn log(&self, caller: &Caller, place: Place, before: Option<i64>, limit: usize) -> Result<Vec<LogItem>> {
        caller.require(Role::Viewer)?;
        let (before, limit) = (before.unwrap_or(i64::MAX), i64::try_from(limit).unwrap_or(i64::MAX));
        let work = move |c: &mut Connection<'_>| {
            let edited = Edited::find_any(c, &place)?;
            store::read_log(c, key(&edited), before, limit)
        };
        self.store.read(Part::Configuration, work).await
    }

    /// A canary's verdicts, newest first, of an archived flag too.
    ///
    /// # Errors
    /// When the caller may not, or there is no such flag.
    pub async fn verdicts(
        &self,
        caller: &Caller,
        place: Place,
        before: Option<String>,
        limit: usize,
    ) -> Result<Vec<Value>> {
        caller.require(Role::Viewer)?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let work = move |c: &mut Connection<'_>| {
            let edited = Edited::find_any(c, &place)?;
            store::verdicts(c, key(&edited), before, limit)
        };
        self.store.read(Part::Configuration, work).await
    }

    /// One verdict.
    ///
    /// # Errors
    /// When the caller may not, or there is none.
    pub async fn verdict(&self, caller: &Caller, place: Place, id: String) -> Result<Value> {
        caller.require(Role::Viewer)?;
        let work = move |c: &mut Connection<'_>| {
            let edited = Edited::find_any(c, &place)?;
            let found = store::verdict(c, key(&edited), &id)?;
            found.ok_or_else(|| Error::NotFound(format!("verdict {id}")))
        };
        self.store.read(Part::Configuration, work).await
    }
}

fn key(edited: &Edited) -> (i64, i64) {
    (edited.flag_id(), edited.environment.id)
}

/// The flag and its canary at `place`.
pub(super) fn find(connection: &mut Connection<'_>, place: &Place) -> Result<(Edited, Canary)> {
    let edited = Edited::find(connection, place)?;
    let canary = store::find(connection, edited.flag_id(), edited.environment.id)?;
    let canary = canary.ok_or_else(|| Error::NotFound(format!("canary of flag {}", place.flag)))?;
    Ok((edited, canary))
}

pub(super) fn guards(connection: &mut Connection<'_>, canary: &Canary) -> Result<Vec<GuardState>> {
    match &canary.progress {
        Some(progress) => store::guards(connection, &progress.release),
        None => Ok(Vec::new()),
    }
}

pub(super) fn view(connection: &mut Connection<'_>, place: &Place) -> Result<CanaryView> {
    let (edited, canary) = find(connection, place)?;
    let reports = guards(connection, &canary)?.iter().map(GuardState::report).collect();
    Ok(CanaryView::of(edited.key(), &edited.environment.key, canary, reports))
}

/// Writes a canary's policy, as it was sent. Without `if_match` the version does not matter, as for a command on a store that no
/// server runs on.
///
/// # Errors
/// As [`Canaries::put`].
pub fn configure(
    connection: &mut Connection<'_>,
    caller: &Caller,
    place: &Place,
    if_match: Option<IfMatch>,
    policy: Value,
) -> Result<()> {
    let edited = Edited::find(connection, place)?;
    caller.require_change(edited.environment.production)?;
    let known = store::find(connection, edited.flag_id(), edited.environment.id)?;
    if let (Some(canary), Some(if_match)) = (&known, if_match) {
        if_match.required()?.check(canary.version)?;
    }
    if known.as_ref().is_some_and(|canary| canary.state.is_active()) {
        return Err(Error::Conflict("a release runs; its policy can change when it has ended".to_owned()));
    }
    let before = known.as_ref().map(|canary| serde_json::to_value(&canary.policy)).transpose()?;
    let policy = input::read_then(policy, |policy: Policy| {
        Error::unless_empty(check(&edited, &policy))?;
        Ok(policy)
    })?;
    let mut canary = Canary {
        flag_id: edited.flag_id(),
        environment_id: edited.environment.id,
        version: known.map_or(0, |canary| canary.version),
        state: State::Draft,
        policy,
        progress: None,
        updated_at: clock::now(),
    };
    store::save(connection, &mut canary)?;
    let after = serde_json::to_value(&canary.policy)?;
    let changes = match before {
        Some(before) => audit::diff(&before, &after),
        None => audit::whole(None, Some(after)),
    };
    audit::record(connection, caller, Entry { changes, ..edited.about("canary.configure", String::new()) })
}
