//! A flag's creation and the changes of its definition, in one transaction each.

use std::sync::Arc;

use bellwether_core::Fault;
use serde_json::Value;

use super::archive::takes_back;
use super::history::Cause;
use super::publish::{self, Published};
use super::references;
use super::segments::{self, Delta};
use super::store::{self, ConfigurationRecord, FlagRecord};
use super::{Configuration, Definition, DefinitionInput, FlagView, NewFlag};
use crate::access::{Caller, Role};
use crate::audit::{self, Entry, FieldChange};
use crate::clock;
use crate::db::Connection;
use crate::error::{Error, Result};
use crate::input::{self, merge_patch};
use crate::projects::{self, Environment, Project};
use crate::version::IfMatch;

pub(super) type Changed<T> = (T, Vec<Arc<Published>>);

/// The flag `key` of a project, archived or not.
pub(super) fn find(connection: &mut Connection<'_>, project: &str, key: &str) -> Result<FlagRecord> {
    let project = projects::project(connection, project)?;
    store::find_flag(connection, project.id, key)?.ok_or_else(|| Error::NotFound(format!("flag {key}")))
}

/// Creates a flag that every environment serves off.
///
/// # Errors
/// When the key is taken or the flag could not be served.
pub fn create(
    connection: &mut Connection<'_>,
    caller: &Caller,
    project: &str,
    new: NewFlag,
) -> Result<Changed<FlagView>> {
    let project = projects::project(connection, project)?;
    let key = new.key.clone();
    if store::find_flag(connection, project.id, &key)?.is_some() {
        return Err(Error::Conflict(format!("there is a flag {key} already, maybe an archived one")));
    }
    let (value_type, definition, off) = new.parts()?;
    let now = clock::now();
    let mut flag = FlagRecord {
        id: 0,
        project_id: project.id,
        key,
        value_type,
        definition,
        version: 1,
        archived_at: None,
        created_at: now,
        updated_at: now,
        updated_by: caller.actor.name.clone(),
    };
    flag.id = store::insert_flag(connection, &flag)?;
    let mut published = Vec::new();
    for environment in projects::environments(connection, &project.key)? {
        let record = first_configuration(connection, &flag, environment.id, off.clone())?;
        let cause = Cause::new("flag.create", caller);
        published.push(publish::publish(connection, environment.id, &[&record], &cause)?);
    }
    let view = FlagView::from(flag);
    let changes = audit::whole(None, Some(view.recorded()?));
    audit::record(connection, caller, Entry { changes, ..about(&project, &view.key, "flag.create") })?;
    Ok((view, published))
}

/// Lays out every flag of a project in a new environment, each serving its last variation: off, for most. Its segments
/// are there, too.
pub(super) fn lay_out(
    connection: &mut Connection<'_>,
    caller: &Caller,
    project: &Project,
    environment: i64,
) -> Result<Option<Arc<Published>>> {
    let mut records = Vec::new();
    for flag in store::flags(connection, project.id)? {
        let off = flag.definition.variations.last().map(|last| last.name.clone()).unwrap_or_default();
        records.push(first_configuration(connection, &flag, environment, off)?);
    }
    // Nobody has anything of it as yet: whoever comes fetches the snapshot.
    let untold = !segments::digests(connection, project.id)?.is_empty();
    let cause = Cause::new("environment.create", caller);
    if records.iter().all(|record| record.served.is_none()) && !untold {
        let Environment { revision, .. } = projects::environment_of_id(connection, environment)?;
        records.iter().try_for_each(|record| store::keep_version(connection, record, revision, &cause))?;
        return Ok(None);
    }
    let delta = Delta { untold, ..Delta::default() };
    let records: Vec<_> = records.iter().collect();
    let published = publish::publish_with(connection, environment, &records, &delta, &cause)?;
    segments::lay_out(connection, project.id, (environment, published.revision))?;
    Ok(Some(published))
}

fn first_configuration(
    connection: &mut Connection<'_>,
    flag: &FlagRecord,
    environment: i64,
    off: String,
) -> Result<ConfigurationRecord> {
    let mut record = ConfigurationRecord {
        flag_id: flag.id,
        environment_id: environment,
        flag_key: flag.key.clone(),
        version: 1,
        configuration: Configuration::new(off),
        release: None,
        served: None,
        digest: None,
        updated_at: clock::now(),
        updated_by: flag.updated_by.clone(),
    };
    publish::render(flag, &mut record, "")?;
    store::insert_configuration(connection, &record)?;
    Ok(record)
}

/// A flag with a merge patch in it, which is not saved.
pub(super) struct Patched {
    /// As it is.
    pub(super) flag: FlagRecord,
    /// As it would be defined.
    pub(super) definition: Definition,
    /// Whether it is brought back into use.
    pub(super) back: bool,
}

impl Patched {
    /// The flag as it would be.
    pub(super) fn after(&self) -> FlagRecord {
        let archived_at = self.flag.archived_at.filter(|_| !self.back);
        FlagRecord { definition: self.definition.clone(), archived_at, ..self.flag.clone() }
    }
}

/// What a merge patch would make of a flag.
pub(super) fn patched(
    connection: &mut Connection<'_>,
    (project, key): (&str, &str),
    if_match: IfMatch,
    mut patch: Value,
) -> Result<Patched> {
    let flag = find(connection, project, key)?;
    let (back, fault) = takes_back(&mut patch);
    if flag.archived_at.is_some() && !back && fault.is_none() {
        return Err(Error::Conflict(format!("flag {key} is archived; PATCH archived: false brings it back")));
    }
    if_match.check(flag.version)?;
    let mut document = serde_json::to_value(&flag.definition)?;
    merge_patch(&mut document, patch);
    let read = input::read_then(document, |input: DefinitionInput| {
        let (definition, mut faults) = input.definition(flag.value_type);
        faults.extend(unserved(connection, project, &flag, &definition, &faults)?);
        Error::unless_empty(faults)?;
        Ok(definition)
    });
    let definition = match read {
        Err(Error::Invalid(faults)) => return Err(Error::Invalid(fault.into_iter().chain(faults).collect())),
        read => read?,
    };
    Error::unless_empty(fault.into_iter().collect())?;
    Ok(Patched { definition, back: back && flag.archived_at.is_some(), flag })
}

/// What is wrong elsewhere with a flag that were defined so: what others need of it, and what environments could no longer
/// serve. Nothing, as long as it is not known what its variations are called.
fn unserved(
    connection: &mut Connection<'_>,
    project: &str,
    flag: &FlagRecord,
    definition: &Definition,
    faults: &[Fault],
) -> Result<Vec<Fault>> {
    let named = |fault: &Fault| fault.pointer.starts_with("/variations") && !fault.pointer.ends_with("/value");
    if definition.variations == flag.definition.variations || faults.iter().any(named) {
        return Ok(Vec::new());
    }
    let mut lost = references::lost_variations(connection, flag, &definition.variations)?;
    if flag.archived_at.is_some() {
        return Ok(lost);
    }
    let after = FlagRecord { definition: definition.clone(), ..flag.clone() };
    for environment in projects::environments(connection, project)? {
        let mut record = store::find_configuration(connection, flag.id, environment.id)?;
        let at = format!("/environments/{}", environment.key);
        if let Err(Error::Invalid(found)) = publish::render(&after, &mut record, &at) {
            // What is wrong with the variations themselves is known.
            lost.extend(found.into_iter().filter(|fault| fault.pointer.starts_with(&at)));
        }
    }
    Ok(lost)
}

/// Changes a flag by a merge patch. See [`super::Flags::patch`].
pub(super) fn patch_definition(
    connection: &mut Connection<'_>,
    caller: &Caller,
    (project, key): (&str, &str),
    if_match: IfMatch,
    patch: Value,
) -> Result<Changed<FlagView>> {
    let project = projects::project(connection, project)?;
    if takes_back(&mut patch.clone()).0 {
        caller.require(Role::Operator)?;
    }
    let Patched { mut flag, definition, back } = patched(connection, (&project.key, key), if_match, patch)?;
    let before = serde_json::to_value(&flag.definition)?;
    let back = flag.archived_at.take().filter(|_| back);
    if definition == flag.definition && back.is_none() {
        return Ok((flag.into(), Vec::new()));
    }
    let seen = back.is_some()
        || definition.variations != flag.definition.variations
        || definition.client_visible != flag.definition.client_visible;
    let action = if back.is_some() { "flag.unarchive" } else { "flag.update" };
    flag.definition = definition;
    touch(&mut flag, caller);
    store::update_flag(connection, &flag)?;
    let flags = std::slice::from_ref(&flag);
    let cause = Cause::new(action, caller);
    if back.is_some() {
        check_references(connection, &project, &flag)?;
    }
    let published = if seen { republish(connection, caller, &project, flags, &cause)? } else { Vec::new() };
    let mut changes = audit::diff(&before, &serde_json::to_value(&flag.definition)?);
    changes.extend(back.map(|since| FieldChange {
        pointer: "/archived_at".to_owned(),
        before: Some(clock::rfc3339(since).into()),
        after: None,
    }));
    audit::record(connection, caller, Entry { changes, ..about(&project, key, action) })?;
    Ok((flag.into(), published))
}

/// Passes a flag if what it names everywhere is there: it may have gone while the flag was archived.
pub(super) fn check_references(connection: &mut Connection<'_>, project: &Project, flag: &FlagRecord) -> Result<()> {
    let mut faults = Vec::new();
    for environment in projects::environments(connection, &project.key)? {
        let record = store::find_configuration(connection, flag.id, environment.id)?;
        let (configuration, prefix) = (record.configuration.clone(), format!("/environments/{}", environment.key));
        faults.extend(publish::faults(connection, flag, &record, configuration, &prefix)?);
    }
    Error::unless_empty(faults)
}

/// Gives every environment the flags as they are now defined, all in one revision of each.
pub(super) fn republish(
    connection: &mut Connection<'_>,
    caller: &Caller,
    project: &Project,
    flags: &[FlagRecord],
    cause: &Cause<'_>,
) -> Result<Vec<Arc<Published>>> {
    let environments = projects::environments(connection, &project.key)?;
    if environments.iter().any(|environment| environment.production) {
        caller.require(Role::Operator)?;
    }
    let mut published = Vec::with_capacity(environments.len());
    for environment in environments {
        let mut records = Vec::with_capacity(flags.len());
        for flag in flags {
            let mut record = store::find_configuration(connection, flag.id, environment.id)?;
            let at = format!("/environments/{}", environment.key);
            if record.served.is_none() && flag.archived_at.is_none() {
                // What it names may have gone while it was archived.
                let configuration = record.configuration.clone();
                Error::unless_empty(publish::faults(connection, flag, &record, configuration, &at)?)?;
            }
            record.version += 1;
            record.updated_at = flag.updated_at;
            record.updated_by = flag.updated_by.clone();
            publish::render(flag, &mut record, &at)?;
            store::update_configuration(connection, &record)?;
            records.push(record);
        }
        let records: Vec<_> = records.iter().collect();
        published.push(publish::publish(connection, environment.id, &records, cause)?);
    }
    Ok(published)
}

/// Makes it the next version, by `caller`.
pub(super) fn touch(flag: &mut FlagRecord, caller: &Caller) {
    flag.version += 1;
    flag.updated_at = clock::now();
    flag.updated_by = caller.actor.name.clone();
}

/// The part of an audit entry that says which flag it is about.
pub(super) fn about(project: &Project, key: &str, action: &'static str) -> Entry {
    Entry { action, resource: format!("flag/{key}"), project: Some(project.key.clone()), ..Entry::default() }
}
