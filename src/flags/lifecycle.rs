//! A flag from its creation to the archive, in one transaction each.

use std::sync::Arc;

use serde_json::{Value, json};

use super::publish::{self, Published};
use super::store::{self, ConfigurationRecord, FlagRecord};
use super::{Configuration, DefinitionInput, FlagView, NewFlag};
use crate::access::{Caller, Role};
use crate::audit::{self, Entry};
use crate::clock;
use crate::db::Connection;
use crate::error::{Error, Result};
use crate::input::{self, merge_patch};
use crate::projects::{self, Project};
use crate::version::IfMatch;

type Changed<T> = (T, Vec<Arc<Published>>);

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
        published.push(publish::publish(connection, environment.id, &[&record])?);
    }
    let view = FlagView::from(flag);
    let changes = audit::whole(None, Some(serde_json::to_value(&view)?));
    audit::record(connection, caller, Entry { changes, ..about(&project, &view.key, "flag.create") })?;
    Ok((view, published))
}

/// Lays out every flag of a project in a new environment, each serving its last variation: off, for most.
pub(super) fn lay_out(
    connection: &mut Connection<'_>,
    project: &Project,
    environment: i64,
) -> Result<Option<Arc<Published>>> {
    let mut records = Vec::new();
    for flag in store::flags(connection, project.id)? {
        let off = flag.definition.variations.last().map(|last| last.name.clone()).unwrap_or_default();
        records.push(first_configuration(connection, &flag, environment, off)?);
    }
    if records.iter().all(|record| record.served.is_none()) {
        return Ok(None);
    }
    publish::publish(connection, environment, &records.iter().collect::<Vec<_>>()).map(Some)
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

/// Changes a flag by a merge patch. See [`super::Flags::patch`].
pub(super) fn patch_definition(
    connection: &mut Connection<'_>,
    caller: &Caller,
    project: &str,
    key: &str,
    if_match: IfMatch,
    patch: Value,
) -> Result<Changed<FlagView>> {
    let project = projects::project(connection, project)?;
    let mut flag = find(connection, &project.key, key)?;
    if flag.archived_at.is_some() {
        return Err(Error::Conflict(format!("flag {key} is archived")));
    }
    if_match.check(flag.version)?;
    let before = serde_json::to_value(&flag.definition)?;
    let mut document = before.clone();
    merge_patch(&mut document, patch);
    let read = |input: DefinitionInput| input.definition(flag.value_type);
    let definition = input::read_then(document, read)?;
    if definition == flag.definition {
        return Ok((flag.into(), Vec::new()));
    }
    let seen = definition.variations != flag.definition.variations
        || definition.client_visible != flag.definition.client_visible;
    flag.definition = definition;
    touch(&mut flag, caller);
    store::update_flag(connection, &flag)?;
    let published = if seen { republish(connection, caller, &project, &flag)? } else { Vec::new() };
    let changes = audit::diff(&before, &serde_json::to_value(&flag.definition)?);
    audit::record(connection, caller, Entry { changes, ..about(&project, key, "flag.update") })?;
    Ok((flag.into(), published))
}

/// Takes a flag out of use. See [`super::Flags::archive`].
pub(super) fn archive(
    connection: &mut Connection<'_>,
    caller: &Caller,
    project: &str,
    key: &str,
    if_match: IfMatch,
) -> Result<Changed<()>> {
    let project = projects::project(connection, project)?;
    let mut flag = find(connection, &project.key, key)?;
    if_match.check(flag.version)?;
    if flag.archived_at.is_some() {
        return Ok(((), Vec::new()));
    }
    let running = store::configurations_of_flag(connection, flag.id)?;
    if running.iter().any(|record| record.release.is_some()) {
        return Err(Error::Conflict("a canary or experiment runs on this flag; end it first".to_owned()));
    }
    flag.archived_at = Some(clock::now());
    touch(&mut flag, caller);
    store::update_flag(connection, &flag)?;
    let published = republish(connection, caller, &project, &flag)?;
    let archived_at = json!(flag.archived_at.map(clock::rfc3339));
    let changes = audit::diff(&json!({}), &json!({"archived_at": archived_at}));
    audit::record(connection, caller, Entry { changes, ..about(&project, key, "flag.archive") })?;
    Ok(((), published))
}

/// Gives every environment the flag as it is now defined.
fn republish(
    connection: &mut Connection<'_>,
    caller: &Caller,
    project: &Project,
    flag: &FlagRecord,
) -> Result<Vec<Arc<Published>>> {
    let environments = projects::environments(connection, &project.key)?;
    let mut published = Vec::new();
    for mut record in store::configurations_of_flag(connection, flag.id)? {
        let environment = environments.iter().find(|environment| environment.id == record.environment_id);
        if environment.is_some_and(|environment| environment.production) {
            caller.require(Role::Operator)?;
        }
        record.version += 1;
        record.updated_at = flag.updated_at;
        record.updated_by = flag.updated_by.clone();
        let at = environment.map_or_else(String::new, |environment| format!("/environments/{}", environment.key));
        publish::render(flag, &mut record, &at)?;
        store::update_configuration(connection, &record)?;
        published.push(publish::publish(connection, record.environment_id, &[&record])?);
    }
    Ok(published)
}

fn touch(flag: &mut FlagRecord, caller: &Caller) {
    flag.version += 1;
    flag.updated_at = clock::now();
    flag.updated_by = caller.actor.name.clone();
}

fn about(project: &Project, key: &str, action: &'static str) -> Entry {
    Entry { action, resource: format!("flag/{key}"), project: Some(project.key.clone()), ..Entry::default() }
}
