//! Changing a flag's configuration in one environment: the one way, whoever changes it.

use std::sync::Arc;

use bellwether_core::{Release, Serve};
use serde::Deserialize;

use super::publish::{self, Published};
use super::store::{self, ConfigurationRecord, FlagRecord};
use super::{Configuration, Configured};
use crate::access::Caller;
use crate::audit::{self, Entry};
use crate::clock;
use crate::db::Connection;
use crate::error::{Error, Result};
use crate::projects::{self, Environment};
use crate::version::IfMatch;

/// A flag in an environment of a project, by their keys.
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

/// Whether a change may touch the split that a release runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReleaseRight {
    /// The release's own doing.
    Owner,
    /// Somebody else's: the split is not theirs to change.
    Stranger,
}

impl Edited {
    /// Finds what stands at `place`.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Conflict`] for an archived flag.
    pub fn find(connection: &mut Connection<'_>, place: &Place) -> Result<Self> {
        let environment = projects::environment(connection, &place.project, &place.environment)?;
        let flag = store::find_flag(connection, environment.project_id, &place.flag)?
            .ok_or_else(|| Error::NotFound(format!("flag {}", place.flag)))?;
        if flag.archived_at.is_some() {
            return Err(Error::Conflict(format!("flag {} is archived", place.flag)));
        }
        let record = store::find_configuration(connection, flag.id, environment.id)?;
        Ok(Self { environment, flag, record })
    }

    /// The flag's id in the store.
    pub fn flag_id(&self) -> i64 {
        self.flag.id
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

    /// Saves `next` (and `release`, when it differs) as the next version and publishes it; nothing happens when
    /// nothing differs.
    pub(crate) fn save(
        &mut self,
        connection: &mut Connection<'_>,
        caller: &Caller,
        next: Configuration,
        release: Option<Release>,
        right: ReleaseRight,
        entry: Entry,
    ) -> Result<Option<Arc<Published>>> {
        if next == self.record.configuration && release == self.record.release {
            return Ok(None);
        }
        if let (ReleaseRight::Stranger, Some(release)) = (right, &self.record.release)
            && !same_split(self.record.configuration.serve(&release.place), next.serve(&release.place))
        {
            let what = "a running canary or experiment owns this split; change it there, or end it first";
            return Err(Error::Conflict(what.to_owned()));
        }
        let before = self.record.configuration.view(&self.flag.definition.variations)?;
        self.record.configuration = next;
        self.record.release = release;
        self.record.version += 1;
        self.record.updated_at = clock::now();
        self.record.updated_by = caller.actor.name.clone();
        publish::render(&self.flag, &mut self.record, "/configuration")?;
        store::update_configuration(connection, &self.record)?;
        let published = publish::publish(connection, self.environment.id, &[&self.record])?;
        let after = self.record.configuration.view(&self.flag.definition.variations)?;
        let changes = audit::diff(&before, &after);
        audit::record(connection, caller, Entry { changes, ..entry })?;
        Ok(Some(published))
    }
}

fn same_split(old: Option<&Serve>, new: Option<&Serve>) -> bool {
    old == new
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
    let mut edited = Edited::find(connection, place)?;
    caller.require_change(edited.environment.production)?;
    if_match.check(edited.record.version)?;
    let next = change(&edited)?;
    let release = edited.record.release.clone();
    let entry = edited.about(action, String::new());
    let published = edited.save(connection, caller, next, release, ReleaseRight::Stranger, entry)?;
    Ok((edited.view()?, published))
}
