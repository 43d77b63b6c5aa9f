//! Taking flags out of use, back into use, and out of the store for good.

use std::sync::Arc;

use bellwether_core::Fault;
use serde_json::{Map, Value, json};

use super::history::Cause;
use super::lifecycle::{Changed, about, find, republish, touch};
use super::publish::Published;
use super::store::{self, FlagRecord, ReferenceKind};
use super::{FlagView, Flags};
use crate::access::{Caller, Role};
use crate::audit::{self, Entry, FieldChange};
use crate::clock;
use crate::db::Connection;
use crate::error::{Error, Result};
use crate::projects::{self, Project};
use crate::version::IfMatch;

/// What lies above flags and hangs on them: the application says what that is.
#[derive(Clone, Copy)]
pub struct Attached {
    /// Who needs the flag of a project, both by their keys.
    pub users: fn(&mut Connection<'_>, &str, &str) -> Result<Vec<Need>>,
    /// Removes what belongs to a flag, by its id, before the flag itself goes.
    pub purge: fn(&mut Connection<'_>, i64) -> Result<()>,
}

/// Something that needs a flag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Need {
    /// The key of the flag that it belongs to itself, with which it goes.
    pub of: String,
    /// What it is and needs, as a sentence without a final stop.
    pub told: String,
}

/// What still depends on a flag, so that it can't be archived now: each as a sentence without a final stop. Flags that
/// go along with it don't count, and none has it as a prerequisite unless it is `named` by one.
pub(super) fn dependents(
    connection: &mut Connection<'_>,
    attached: Attached,
    project: &Project,
    flag: &FlagRecord,
    (along, named): (&[String], bool),
) -> Result<Vec<String>> {
    let mut dependents = Vec::new();
    for record in store::configurations_of_flag(connection, flag.id)? {
        if record.release.is_some() {
            let environment = projects::environment_of_id(connection, record.environment_id)?.key;
            dependents.push(format!("a canary or experiment runs on it in {environment}; end it first"));
        }
    }
    let naming = match named {
        true => store::dependents(connection, project.id, ReferenceKind::Prerequisite, &flag.key)?,
        false => Vec::new(),
    };
    let needing = naming.iter().filter(|dependent| !along.contains(&dependent.flag));
    dependents.extend(
        needing
            .map(|dependent| format!("flag {} has it as a prerequisite in {}", dependent.flag, dependent.environment)),
    );
    let users = (attached.users)(connection, &project.key, &flag.key)?.into_iter();
    dependents.extend(users.filter(|need| !along.contains(&need.of)).map(|need| need.told));
    Ok(dependents)
}

/// The refusal to archive a flag, with what still depends on it.
pub(super) fn in_use(pointer: &str, key: &str, dependents: Vec<String>) -> Vec<Fault> {
    dependents.into_iter().map(|dependent| Fault::new(pointer, format!("flag {key} is needed: {dependent}"))).collect()
}

/// Marks a flag as archived, which is then to be published.
pub(super) fn retire(
    connection: &mut Connection<'_>,
    caller: &Caller,
    flag: &mut FlagRecord,
) -> Result<Vec<FieldChange>> {
    flag.archived_at = Some(clock::now());
    touch(flag, caller);
    store::update_flag(connection, flag)?;
    let archived_at = json!(flag.archived_at.map(clock::rfc3339));
    Ok(audit::diff(&json!({}), &json!({"archived_at": archived_at})))
}

/// A flag that may be archived, or is.
pub(super) fn archivable(
    connection: &mut Connection<'_>,
    (project, key): (&str, &str),
    if_match: IfMatch,
    attached: Attached,
) -> Result<(Project, FlagRecord)> {
    let project = projects::project(connection, project)?;
    let flag = find(connection, &project.key, key)?;
    if_match.check(flag.version)?;
    if flag.archived_at.is_none() {
        let needed = in_use("", key, dependents(connection, attached, &project, &flag, (&[], true))?);
        if !needed.is_empty() {
            return Err(Error::Conflicts(needed));
        }
    }
    Ok((project, flag))
}

/// Takes a flag out of use. See [`Flags::archive`].
fn archive(
    connection: &mut Connection<'_>,
    caller: &Caller,
    (project, key): (&str, &str),
    if_match: IfMatch,
    attached: Attached,
) -> Result<Changed<()>> {
    let (project, mut flag) = archivable(connection, (project, key), if_match, attached)?;
    if flag.archived_at.is_some() {
        return Ok(((), Vec::new()));
    }
    let changes = retire(connection, caller, &mut flag)?;
    let cause = Cause::new("flag.archive", caller);
    let published = republish(connection, caller, &project, std::slice::from_ref(&flag), &cause)?;
    audit::record(connection, caller, Entry { changes, ..about(&project, key, "flag.archive") })?;
    Ok(((), published))
}

/// Whether a patch of a flag brings it back into use. The member is no part of the definition and is taken out.
pub(super) fn takes_back(patch: &mut Value) -> (bool, Option<Fault>) {
    match patch.as_object_mut().and_then(|members| members.remove("archived")) {
        None => (false, None),
        Some(Value::Bool(false)) => (true, None),
        Some(_) => (
            false,
            Some(Fault::new("/archived", "is `false`, which brings an archived flag back; DELETE archives one")),
        ),
    }
}

/// Removes an archived flag and everything that belongs to it; the environments that it was in. See [`Flags::purge`].
fn purge(
    connection: &mut Connection<'_>,
    caller: &Caller,
    (project, key): (&str, &str),
    if_match: IfMatch,
    attached: Attached,
) -> Result<Vec<i64>> {
    let project = projects::project(connection, project)?;
    let flag = find(connection, &project.key, key)?;
    if_match.check(flag.version)?;
    if flag.archived_at.is_none() {
        return Err(Error::Conflict(format!("flag {key} is in use; archive it first, then purge it")));
    }
    let (mut configurations, mut environments) = (Map::new(), Vec::new());
    for record in store::configurations_of_flag(connection, flag.id)? {
        let environment = projects::environment_of_id(connection, record.environment_id)?;
        environments.push(environment.id());
        let view = record.configuration.view(record.release.as_ref(), &flag.definition.variations)?;
        configurations.insert(environment.key, view);
    }
    (attached.purge)(connection, flag.id)?;
    store::delete_flag(connection, flag.id)?;
    let mut gone = FlagView::from(flag).recorded()?;
    if let Some(members) = gone.as_object_mut() {
        members.insert("configurations".to_owned(), Value::Object(configurations));
    }
    let changes = audit::whole(Some(gone), None);
    audit::record(connection, caller, Entry { changes, ..about(&project, key, "flag.purge") })?;
    Ok(environments)
}

impl Flags {
    /// Takes a flag out of use: SDKs no longer know it.
    ///
    /// # Errors
    /// When the caller may not, the version is stale, or the flag is needed: [`Error::Conflicts`] names each canary or
    /// experiment that runs on it, each running canary that takes a limit from it, and each flag that has it as a
    /// prerequisite.
    pub async fn archive(&self, caller: &Caller, project: String, key: String, if_match: IfMatch) -> Result<()> {
        caller.require(Role::Operator)?;
        let (caller, attached) = (caller.clone(), self.attached);
        self.write(move |c| archive(c, &caller, (&project, &key), if_match, attached)).await
    }

    /// Removes an archived flag for good, with its configurations, versions and what is attached to it. The audit log
    /// stays, and keeps how the flag stood last; the key may be used again, by a flag that begins with version 1.
    ///
    /// # Errors
    /// When the caller is no admin, the version is stale, or the flag is not archived.
    pub async fn purge(&self, caller: &Caller, project: String, key: String, if_match: IfMatch) -> Result<()> {
        caller.require(Role::Admin)?;
        let (caller, attached, flag) = (caller.clone(), self.attached, key.clone());
        let work = move |c: &mut Connection<'_>| {
            let environments = purge(c, &caller, (&project, &key), if_match, attached)?;
            Ok((environments, Vec::<Arc<Published>>::new()))
        };
        self.usage.forget(self.write(work).await?, &flag);
        Ok(())
    }
}
