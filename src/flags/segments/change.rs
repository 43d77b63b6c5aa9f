//! A change of a segment: worked out over the segment as it was read, then saved if it still stands so.

use std::sync::Arc;

use bellwether_core::{KeyList, Keys, SegmentEntry};
use serde_json::{Value, json};

use super::chunks::{Plan, plan};
use super::delta::Delta;
use super::lists::{Counts, ListChange, Side, counts, only, too_much};
use super::references::Known;
use super::service::Edit;
use super::store::{self, SegmentRecord};
use super::{SegmentView, load, references};
use crate::access::{Caller, Role};
use crate::audit::{self, Entry, FieldChange};
use crate::clock;
use crate::db::Connection;
use crate::error::{Error, Result};
use crate::flags::history::{Cause, Retention};
use crate::flags::{Live, Published, publish};
use crate::projects::{self, Project, well_formed_key};

/// Most keys of a change that the audit log names.
const SAMPLES: usize = 100;
/// Most parts of lists that are kept of a segment's past: ten million keys.
const PAST: i64 = 10_000;

/// The two lists.
pub(super) const LISTS: [KeyList; 2] = [KeyList::Included, KeyList::Excluded];
/// Where they stand in a segment.
const POINTERS: [&str; 2] = ["/included", "/excluded"];

/// A segment as it stands.
pub(super) struct Base {
    pub(super) project: Project,
    pub(super) record: SegmentRecord,
    /// None of one that is to be created.
    pub(super) entry: Option<Arc<SegmentEntry>>,
    /// The first keys of the parts of each list.
    firsts: [Vec<String>; 2],
    known: Known,
}

/// What comes out of a change, ready to be saved.
pub(super) struct Prepared {
    record: SegmentRecord,
    pub(super) entry: Arc<SegmentEntry>,
    plans: [Plan; 2],
    delta: Delta,
    /// What becomes of each list.
    pub(super) counts: [Counts; 2],
    /// As the audit log tells it; empty when nothing differs.
    pub(super) changes: Vec<FieldChange>,
}

/// What became of a change.
pub(super) enum Attempt {
    /// It is done.
    Done(Box<SegmentView>),
    /// The segment has changed since it was read.
    Overtaken,
}

impl Base {
    /// The segment `key` of a project.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub(super) fn find(connection: &mut Connection<'_>, live: &Live, project: &str, key: &str) -> Result<Self> {
        let project = projects::project(connection, project)?;
        let record = find(connection, &project, key)?;
        let entry = load::current(connection, live, &record)?;
        let mut firsts = |list| store::first_keys(connection, record.id, list);
        let firsts = [firsts(KeyList::Included)?, firsts(KeyList::Excluded)?];
        let known = references::known(connection, project.id)?;
        Ok(Self { project, record, entry: Some(entry), firsts, known })
    }

    /// In place of a segment that is to be created; of a key that none can have, it is there to be checked.
    ///
    /// # Errors
    /// [`Error::Conflict`] when there is one.
    pub(super) fn none(connection: &mut Connection<'_>, project: &str, key: &str) -> Result<Self> {
        let project = projects::project(connection, project)?;
        // Not every text can be looked for.
        if well_formed_key(key.to_owned()).is_ok() && store::find(connection, project.id, key)?.is_some() {
            return Err(Error::Conflict(format!("there is a segment {key} already")));
        }
        let now = clock::now();
        let record = SegmentRecord {
            id: 0,
            project_id: project.id,
            key: key.to_owned(),
            name: String::new(),
            description: String::new(),
            rules: Vec::new(),
            included: 0,
            excluded: 0,
            version: 0,
            digest: String::new(),
            created_at: now,
            updated_at: now,
            updated_by: String::new(),
        };
        let known = references::known(connection, project.id)?;
        Ok(Self { project, record, entry: None, firsts: Default::default(), known })
    }
}

/// The segment `key` of a project.
pub(super) fn find(connection: &mut Connection<'_>, project: &Project, key: &str) -> Result<SegmentRecord> {
    store::find(connection, project.id, key)?.ok_or_else(|| Error::NotFound(format!("segment {key}")))
}

/// Works out a change.
///
/// # Errors
/// Every fault of what comes out.
pub(super) fn prepare(base: &Base, edit: &Edit, caller: &Caller) -> Result<Prepared> {
    let before = &base.record;
    let empty = Keys::default();
    let old = LISTS.map(|list| base.entry.as_ref().map_or(&empty, |entry| entry.keys(list)));
    let new = [(old[0], &edit.included), (old[1], &edit.excluded)]
        .map(|(old, change)| change.as_ref().map_or_else(|| old.clone(), |change: &ListChange| change.applied(old)));
    let counts = [counts(old[0], &new[0]), counts(old[1], &new[1])];
    let mut record = SegmentRecord {
        name: edit.name.clone().unwrap_or_else(|| before.name.clone()),
        description: edit.description.clone().unwrap_or_else(|| before.description.clone()),
        rules: edit.rules.clone().unwrap_or_else(|| before.rules.clone()),
        included: counts[0].total,
        excluded: counts[1].total,
        version: before.version + 1,
        updated_at: clock::now(),
        updated_by: caller.actor.name.clone(),
        ..before.clone()
    };
    let changes = changes(base.entry.is_some().then_some(before), &record, [(old[0], &new[0]), (old[1], &new[1])])?;
    let plans = [plan(&base.firsts[0], old[0], &new[0]), plan(&base.firsts[1], old[1], &new[1])];
    let mut found = edit.found.clone();
    found.add(references::faults(&base.known, &record.key, &record.rules));
    found.add(new.iter().zip(POINTERS).filter_map(|(keys, at)| too_much(keys, at)));
    let [included, excluded] = new;
    let entry = match SegmentEntry::of(record.served(included, excluded)) {
        Ok(entry) if found.is_empty() => Arc::new(entry),
        entry => {
            found.add(entry.err().into_iter().flatten());
            return Err(Error::Invalid(found.into_faults()));
        }
    };
    entry.digest().clone_into(&mut record.digest);
    let delta = Delta::between(base.entry.as_deref(), &entry)?;
    Ok(Prepared { record, entry, plans, delta, counts, changes })
}

/// What differs, as the audit log tells it: of keys how many, and some of them.
fn changes(
    before: Option<&SegmentRecord>,
    after: &SegmentRecord,
    lists: [(&Keys, &Keys); 2],
) -> Result<Vec<FieldChange>> {
    let shown = |record: &SegmentRecord| -> Result<Value> {
        Ok(json!({"name": record.name, "description": record.description, "rules": record.rules}))
    };
    let mut changes = match before {
        Some(before) => audit::diff(&shown(before)?, &shown(after)?),
        None => audit::whole(None, Some(shown(after)?)),
    };
    for ((old, new), list) in lists.into_iter().zip(["included", "excluded"]) {
        let counts = counts(old, new);
        let told = |side, count| (count > 0).then(|| json!({"count": count, "keys": only(side, old, new, SAMPLES)}));
        let (removed, added) = (told(Side::Old, counts.removed), told(Side::New, counts.added));
        if removed.is_some() || added.is_some() {
            changes.push(FieldChange { pointer: format!("/{list}"), before: removed, after: added });
        }
    }
    Ok(changes)
}

/// Passes those who may change what the segment's users serve.
///
/// # Errors
/// [`Error::Forbidden`].
pub(super) fn authorize(
    connection: &mut Connection<'_>,
    caller: &Caller,
    project: &Project,
    key: &str,
) -> Result<Vec<references::Use>> {
    let uses = references::uses(connection, project, key)?;
    caller.require_change(uses.iter().any(|used| used.production))?;
    Ok(uses)
}

/// Saves a change, if the segment stands as it did, and makes it the next revision of each environment.
///
/// # Errors
/// When the caller may not, or rules name segments that are not there or lead back.
pub(super) fn save(
    connection: &mut Connection<'_>,
    caller: &Caller,
    (base, prepared): (&Base, Prepared),
    action: &'static str,
    retention: Retention,
) -> Result<(Attempt, Vec<Arc<Published>>)> {
    let Prepared { mut record, entry, plans, delta, changes, .. } = prepared;
    let project = projects::project(connection, &base.project.key)?;
    let stored = store::find(connection, project.id, &record.key)?;
    let same = stored.as_ref().map(|stored| (stored.id, stored.version));
    if same != base.entry.as_ref().map(|_| (base.record.id, base.record.version)) {
        if base.entry.is_none() {
            return Err(Error::Conflict(format!("there is a segment {} already", record.key)));
        }
        return Ok((Attempt::Overtaken, Vec::new()));
    }
    authorize(connection, caller, &project, &record.key)?;
    let known = references::known(connection, project.id)?;
    Error::unless_empty(references::faults(&known, &record.key, &record.rules))?;
    if stored.is_some() {
        store::update(connection, &record)?;
    } else {
        record.id = store::insert(connection, &record)?;
    }
    for (plan, list) in plans.iter().zip(LISTS) {
        store::end(connection, (record.id, list), record.version, plan)?;
        store::begin(connection, (record.id, list), record.version, (plan, entry.keys(list)))?;
    }
    let cause = Cause::new(action, caller);
    store::insert_version(connection, &record, &cause)?;
    let oldest = store::forget_keys(connection, record.id, retention.forgets(record.version) + 1, PAST)?;
    store::forget(connection, record.id, oldest)?;
    let mut published = Vec::new();
    for environment in projects::environments(connection, &project.key)? {
        let change = publish::publish_with(connection, environment.id, &[], &delta, &cause)?;
        store::set_revision(connection, (record.id, record.version), (environment.id, change.revision))?;
        published.push(change);
    }
    audit::record(connection, caller, Entry { changes, ..about(&project, &record.key, action) })?;
    Ok((Attempt::Done(Box::new(SegmentView::with_keys(record, &entry))), published))
}

/// Removes a segment that nothing names.
///
/// # Errors
/// [`Error::Conflict`] with all that names it.
pub(super) fn remove(
    connection: &mut Connection<'_>,
    caller: &Caller,
    (project, key): (&str, &str),
    check: impl FnOnce(u64) -> Result<()>,
) -> Result<((), Vec<Arc<Published>>)> {
    caller.require(Role::Editor)?;
    let project = projects::project(connection, project)?;
    let record = find(connection, &project, key)?;
    check(record.version)?;
    let users = references::users(connection, &project, key)?;
    if !users.is_empty() {
        return Err(Error::Conflict(format!("segment {key} is used by {}", users.join(", "))));
    }
    store::delete(connection, record.id)?;
    let cause = Cause::new("segment.delete", caller);
    let delta = Delta::without(key.to_owned());
    let mut published = Vec::new();
    for environment in projects::environments(connection, &project.key)? {
        published.push(publish::publish_with(connection, environment.id, &[], &delta, &cause)?);
    }
    let changes = audit::whole(Some(serde_json::to_value(SegmentView::from(record))?), None);
    audit::record(connection, caller, Entry { changes, ..about(&project, key, "segment.delete") })?;
    Ok(((), published))
}

/// The part of an audit entry that says which segment it is about.
fn about(project: &Project, key: &str, action: &'static str) -> Entry {
    Entry { action, resource: format!("segment/{key}"), project: Some(project.key.clone()), ..Entry::default() }
}
