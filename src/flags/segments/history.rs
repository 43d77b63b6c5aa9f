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
