//! Changing a flag's configuration in one environment: the one way, whoever changes it.

use std::sync::Arc;

use bellwether_core::Release;
use serde::Deserialize;
use serde_json::json;

use super::history::Cause;
use super::publish::{self, Published};
use super::rollout::{RolloutInput, rolled_out};
use super::salts::Salts;
use super::store::{self, ConfigurationRecord, FlagRecord};
use super::{Configuration, Configured};
use crate::access::{Caller, Role};
use crate::audit::{self, Entry, FieldChange};
use crate::clock;
use crate::db::Connection;
use crate::error::{Error, Result};
use crate::projects::{self, Environment};
use crate::version::IfMatch;

/// A flag in an environment of a project, by their keys: `F` as a path has it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Place {
    /// The project's key.
    pub project: String,
    /// The environment's key.
    pub environment: String,
    /// The flag's key.
    pub flag: String,
}

/// A flag in an environment, as the transaction at hand sees it.
pub struct Edited {
    /// The environment.
    pub environment: Environment,
    pub(crate) flag: FlagRecord,
    pub(crate) record: ConfigurationRecord,
}

impl Edited {
    /// Finds what stands at `place`.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Conflict`] for an archived flag.
    pub fn find(connection: &mut Connection<'_>, place: &Place) -> Result<Self> {
        let found = Self::find_any(connection, place)?;
        if found.flag.archived_at.is_some() {
            return Err(Error::Conflict(format!("flag {} is archived", place.flag)));
        }
        Ok(found)
    }

    /// As [`Edited::find`], an archived flag too: what was served can still be read.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn find_any(connection: &mut Connection<'_>, place: &Place) -> Result<Self> {
        let environment = projects::environment(connection, &place.project, &place.environment)?;
        let flag = store::find_flag(connection, environment.project_id, &place.flag)?
            .ok_or_else(|| Error::NotFound(format!("flag {}", place.flag)))?;
        let record = store::find_configuration(connection, flag.id, environment.id)?;
        Ok(Self { environment, flag, record })
    }

    /// As [`Edited::find`], by the store's ids.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn of_ids(connection: &mut Connection<'_>, flag: i64, environment: i64) -> Result<Self> {
        let environment = projects::environment_of_id(connection, environment)?;
        let record = store::find_configuration(connection, flag, environment.id)?;
        let place =
            Place { project: environment.project.clone(), environment: environment.key.clone(), flag: record.flag_key };
        Self::find(connection, &place)
    }

    /// The flag's id in the store.
    pub fn flag_id(&self) -> i64 {
        self.flag.id
    }

    /// What the next change here draws its salts from.
    pub fn salts(&self) -> Salts {
        Salts::new(self.ids(), self.record.version)
    }

    /// The ids of the flag and the environment in the store.
    pub(super) fn ids(&self) -> (i64, i64) {
        (self.flag.id, self.environment.id)
    }

    /// The flag's key.
    pub fn key(&self) -> &str {
        &self.flag.key
    }

    /// What the flag is.
    pub fn definition(&self) -> &super::Definition {
        &self.flag.definition
    }

    /// The type of the flag's values.
    pub fn value_type(&self) -> bellwether_core::ValueType {
        self.flag.value_type
    }

    /// How it is served here.
    pub fn configuration(&self) -> &Configuration {
        &self.record.configuration
    }

    /// The release that runs on it here.
    pub fn release(&self) -> Option<&Release> {
        self.record.release.as_ref()
    }

    /// The release that the last change of that name began, as far as versions are kept.
    ///
    /// # Errors
    /// When the store does not answer.
    pub fn release_of_last(&self, connection: &mut Connection<'_>, action: &str) -> Result<Option<Release>> {
        Ok(store::last_version_by(connection, self.ids(), action)?.and_then(|version| version.release))
    }

    /// As the API shows it.
    ///
    /// # Errors
    /// Never for these types; serialization as such may fail.
    pub fn view(&self) -> Result<Configured> {
        Configured::of(&self.flag, &self.record, &self.environment.key)
    }

    /// The part of an audit entry that says what this is about.
    pub fn about(&self, action: &'static str, reason: String) -> Entry {
        Entry {
            action,
            resource: format!("flag/{}", self.flag.key),
            project: Some(self.environment.project.clone()),
            environment: Some(self.environment.key.clone()),
            reason,
            changes: Vec::new(),
        }
    }

    /// Passes a configuration that leaves the split alone that a release runs on. Whom its rule matches may change: who
    /// comes in falls into both arms alike.
    pub(super) fn allows(&self, next: &Configuration) -> Result<()> {
        match self.release() {
            Some(release) if self.configuration().serve(&release.place) != next.serve(&release.place) => {
                let what = "a running canary or experiment owns this split; change it there, or end it first";
                Err(Error::Conflict(what.to_owned()))
            }
            _ => Ok(()),
        }
    }

    /// As a release saves: what it serves, and itself. Nothing happens when nothing differs.
    ///
    /// # Errors
    /// When what comes out can't be served.
    pub fn save_release(
        &mut self,
        connection: &mut Connection<'_>,
        caller: &Caller,
        next: Configuration,
        release: Option<Release>,
        entry: Entry,
    ) -> Result<Option<Arc<Published>>> {
        let Some(changes) = self.put(connection, caller, next, release)? else { return Ok(None) };
        let cause = Cause { reason: &entry.reason, ..Cause::new(entry.action, caller) };
        let published = publish::publish(connection, self.environment.id, &[&self.record], &cause)?;
        audit::record(connection, caller, Entry { changes, ..entry })?;
        Ok(Some(published))
    }

    /// Saves `next` as the next version, which is then to be published. The split that a release runs on is the
    /// release's own.
    pub(super) fn put_configuration(
        &mut self,
        connection: &mut Connection<'_>,
        caller: &Caller,
        next: Configuration,
    ) -> Result<Option<Vec<FieldChange>>> {
        self.allows(&next)?;
        let release = self.record.release.clone();
        self.put(connection, caller, next, release)
    }

    /// Saves the next version, which is then to be published; what it changed, or `None` when nothing differs.
    fn put(
        &mut self,
        connection: &mut Connection<'_>,
        caller: &Caller,
        next: Configuration,
        release: Option<Release>,
    ) -> Result<Option<Vec<FieldChange>>> {
        if next == self.record.configuration && release == self.record.release {
            return Ok(None);
        }
        let releases = (self.record.release.as_ref(), release.as_ref());
        let changes = self.record.configuration.changes(&next, releases, &self.flag.definition.variations)?;
        self.record.configuration = next;
        self.record.release = release;
        self.record.version += 1;
        self.record.updated_at = clock::now();
        self.record.updated_by = caller.actor.name.clone();
        publish::render(&self.flag, &mut self.record, "/configuration")?;
        store::update_configuration(connection, &self.record)?;
        Ok(Some(changes))
    }
}

/// What a configuration shall be, and why.
pub(super) struct Next {
    pub(super) configuration: Configuration,
    pub(super) action: &'static str,
    pub(super) reason: String,
    /// The version that it brings back.
    pub(super) restored: Option<u64>,
}

/// Changes what stands at `place` by `change`, which sees it as it is.
///
/// # Errors
/// When the caller may not, the version is stale, `change` refuses, or what it made can't be served.
pub fn edit(
    connection: &mut Connection<'_>,
    caller: &Caller,
    place: &Place,
    if_match: IfMatch,
    action: &'static str,
    change: impl FnOnce(&Edited) -> Result<Configuration>,
) -> Result<(Configured, Option<Arc<Published>>)> {
    edit_as(connection, caller, place, if_match, |_, edited| {
        Ok(Next { configuration: change(edited)?, action, reason: String::new(), restored: None })
    })
}

/// As [`edit`], by a change that reads the store and says what it is.
pub(super) fn edit_as(
    connection: &mut Connection<'_>,
    caller: &Caller,
    place: &Place,
    if_match: IfMatch,
    change: impl FnOnce(&mut Connection<'_>, &Edited) -> Result<Next>,
) -> Result<(Configured, Option<Arc<Published>>)> {
    // Before it is looked for: whoever may change nothing does not learn what there is.
    caller.require(Role::Editor)?;
    let mut edited = Edited::find(connection, place)?;
    caller.require_change(edited.environment.production)?;
    if_match.check(edited.record.version)?;
    let Next { configuration, action, reason, restored } = change(connection, &edited)?;
    let Some(mut changes) = edited.put_configuration(connection, caller, configuration)? else {
        return Ok((edited.view()?, None));
    };
    let cause = Cause { reason: &reason, restored, ..Cause::new(action, caller) };
    let published = publish::publish(connection, edited.environment.id, &[&edited.record], &cause)?;
    let version = restored.map(|version| ("/restored_version".to_owned(), json!(version)));
    changes.splice(0..0, version.map(|(pointer, after)| FieldChange { pointer, before: None, after: Some(after) }));
    audit::record(connection, caller, Entry { changes, ..edited.about(action, reason) })?;
    Ok((edited.view()?, Some(published)))
}

/// Sets the shares of the fallthrough.
///
/// # Errors
/// As [`edit`].
pub fn roll_out(
    connection: &mut Connection<'_>,
    caller: &Caller,
    place: &Place,
    if_match: IfMatch,
    rollout: &RolloutInput,
) -> Result<(Configured, Option<Arc<Published>>)> {
    edit(connection, caller, place, if_match, "flag.rollout", |edited| rolled_out(edited, rollout))
}

/// Whether a project has a flag of that key, archived or not.
///
/// # Errors
/// When there is no such project, or the store does not answer.
pub fn exists(connection: &mut Connection<'_>, project: &str, key: &str) -> Result<bool> {
    let project = projects::project(connection, project)?;
    Ok(store::find_flag(connection, project.id, key)?.is_some())
}
