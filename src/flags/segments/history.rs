//! Segments as they were: which version a revision had, who made it, and whether a key was in a list then.

use bellwether_core::{KeyList, SegmentRule};
use chrono::{DateTime, Utc};

use super::store;
use crate::db::Connection;
use crate::error::Result;

/// A segment as it stood in a revision of an environment.
#[derive(Clone, Debug)]
pub struct Stood {
    /// Its id in the store.
    pub segment: i64,
    /// Its key.
    pub key: String,
    /// Which version it was.
    pub version: u64,
    /// The revision that came with that version.
    pub revision: u64,
    /// What is known of the version; none once it is one of too many.
    pub kept: Option<Kept>,
}

/// What is kept of a version beside its keys.
#[derive(Clone, Debug)]
pub struct Kept {
    /// Its rules.
    pub rules: Vec<SegmentRule>,
    /// Since when it was in force.
    pub at: DateTime<Utc>,
    /// Who made it.
    pub actor: String,
    /// What was done, as the audit log calls it.
    pub action: String,
    /// Why, in the actor's words.
    pub reason: String,
    /// The request that the audit log names.
    pub request_id: String,
}

/// Every segment as it stood in a revision of an environment, by its id in the store; but for those deleted since, whose
/// past is gone.
///
/// # Errors
/// When the store does not answer.
pub fn at(connection: &mut Connection<'_>, environment: i64, revision: u64) -> Result<Vec<Stood>> {
    let mut all = Vec::new();
    for (key, segment, version, came) in store::last_revisions(connection, environment, revision)? {
        let kept = store::version(connection, segment, version)?;
        all.push(Stood { segment, key, version, revision: came, kept });
    }
    Ok(all)
}

/// The segment `key` of a project as it stood in a revision of an environment; none when it was not there, or nothing is
/// kept of that revision.
///
/// # Errors
/// When the store does not answer.
pub fn of(
    connection: &mut Connection<'_>,
    (project, key): (i64, &str),
    (environment, revision): (i64, u64),
) -> Result<Option<Stood>> {
    let Some(record) = store::find(connection, project, key)? else { return Ok(None) };
    let Some((came, version)) = store::last_revision(connection, (record.id, environment), revision)? else {
        return Ok(None);
    };
    let kept = store::version(connection, record.id, version)?;
    Ok(Some(Stood { segment: record.id, key: record.key, version, revision: came, kept }))
}

/// The oldest revision of an environment that came with a version of the segment `key` and is kept, and since when that
/// version was in force.
///
/// # Errors
/// When the store does not answer.
pub fn oldest(
    connection: &mut Connection<'_>,
    (project, key): (i64, &str),
    environment: i64,
) -> Result<Option<(u64, DateTime<Utc>)>> {
    let Some(record) = store::find(connection, project, key)? else { return Ok(None) };
    store::oldest_revision(connection, (record.id, environment))
}

/// The last revision of an environment after `after` that came with a segment's version of `at` or before.
///
/// # Errors
/// When the store does not answer.
pub fn revision_at(
    connection: &mut Connection<'_>,
    environment: i64,
    after: u64,
    at: DateTime<Utc>,
) -> Result<Option<u64>> {
    store::revision_at(connection, environment, after, at)
}

/// The first revision of an environment after `after` that came with a segment's version, and since when that version
/// was in force.
///
/// # Errors
/// When the store does not answer.
pub fn next_revision(
    connection: &mut Connection<'_>,
    environment: i64,
    after: u64,
) -> Result<Option<(u64, DateTime<Utc>)>> {
    store::next_revision(connection, environment, after)
}

/// Whether a list had a key in a version that is kept.
///
/// # Errors
/// When the store does not answer.
pub fn listed(
    connection: &mut Connection<'_>,
    (segment, version): (i64, u64),
    list: KeyList,
    key: &str,
) -> Result<bool> {
    let part = store::part_with(connection, (segment, list), version, key)?;
    Ok(part.is_some_and(|part| part.split('\n').any(|other| other == key)))
}
