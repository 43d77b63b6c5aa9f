//! What stood at a revision, by the versions that came with it or before.

use chrono::{DateTime, Utc};
use diesel::prelude::*;

use super::{signed, unsigned};
use crate::db::schema::flag_versions;
use crate::db::{Connection, Timestamp, on_backend};
use crate::error::Result;

/// A version of a flag in an environment as it is kept.
#[derive(Clone, Debug)]
pub(in crate::flags) struct KeptVersion {
    pub(in crate::flags) made: Made,
    pub(in crate::flags) served: KeptJson,
}

/// Whose change made a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::flags) struct Made {
    pub(in crate::flags) version: u64,
    /// The environment's revision that it came with.
    pub(in crate::flags) revision: u64,
    pub(in crate::flags) at: DateTime<Utc>,
    pub(in crate::flags) actor: String,
    pub(in crate::flags) action: String,
    pub(in crate::flags) reason: String,
    pub(in crate::flags) request_id: String,
}

/// What is kept of what a version served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::flags) enum KeptJson {
    /// The flag's JSON, to the letter.
    Served(String),
    /// The flag was archived.
    Nothing,
    /// The configuration alone: the version is from before more was kept.
    Configuration,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = flag_versions)]
struct Row {
    version: i64,
    revision: i64,
    served: Option<String>,
    at: Timestamp,
    actor: String,
    action: String,
    reason: String,
    request_id: String,
}

fn kept(row: Row) -> KeptVersion {
    let served = match row.served {
        Some(json) if json.is_empty() => KeptJson::Nothing,
        Some(json) => KeptJson::Served(json),
        None if row.action == "flag.archive" => KeptJson::Nothing,
        None => KeptJson::Configuration,
    };
    let made = Made {
        version: unsigned(row.version),
        revision: unsigned(row.revision),
        at: row.at.0,
        actor: row.actor,
        action: row.action,
        reason: row.reason,
        request_id: row.request_id,
    };
    KeptVersion { made, served }
}

/// Up to `limit` versions of a flag in an environment that came with `revision` or before, newest first.
pub(in crate::flags) fn versions_as_of(
    connection: &mut Connection<'_>,
    (flag, environment): (i64, i64),
    revision: u64,
    limit: usize,
) -> Result<Vec<KeptVersion>> {
    let query = flag_versions::table
        .filter(flag_versions::flag_id.eq(flag))
        .filter(flag_versions::environment_id.eq(environment))
        .filter(flag_versions::revision.le(signed(revision)))
        .order(flag_versions::version.desc())
        .limit(i64::try_from(limit).unwrap_or(i64::MAX));
    let rows: Vec<Row> = on_backend!(connection, |c| query.select(Row::as_select()).load(c))?;
    Ok(rows.into_iter().map(kept).collect())
}

/// The oldest version of a flag in an environment that is kept.
pub(in crate::flags) fn oldest_version(
    connection: &mut Connection<'_>,
    (flag, environment): (i64, i64),
) -> Result<Option<KeptVersion>> {
    let query = flag_versions::table
        .filter(flag_versions::flag_id.eq(flag))
        .filter(flag_versions::environment_id.eq(environment))
        .order(flag_versions::version);
    let row: Option<Row> = on_backend!(connection, |c| query.select(Row::as_select()).first(c).optional())?;
    Ok(row.map(kept))
}

/// The last revision of an environment that a flag's version came with at `at` or before.
pub(in crate::flags) fn revision_at(
    connection: &mut Connection<'_>,
    environment: i64,
    at: DateTime<Utc>,
) -> Result<Option<u64>> {
    let query = flag_versions::table
        .filter(flag_versions::environment_id.eq(environment))
        .filter(flag_versions::at.le(Timestamp(at)))
        .order((flag_versions::at.desc(), flag_versions::revision.desc()))
        .select(flag_versions::revision);
    let revision: Option<i64> = on_backend!(connection, |c| query.first(c).optional())?;
    Ok(revision.map(unsigned))
}

/// The first revision after `revision` that a flag's version came with, and when.
pub(in crate::flags) fn next_revision(
    connection: &mut Connection<'_>,
    environment: i64,
    revision: u64,
) -> Result<Option<(u64, DateTime<Utc>)>> {
    let query = flag_versions::table
        .filter(flag_versions::environment_id.eq(environment))
        .filter(flag_versions::revision.gt(signed(revision)))
        .order(flag_versions::revision)
        .select((flag_versions::revision, flag_versions::at));
    let row: Option<(i64, Timestamp)> = on_backend!(connection, |c| query.first(c).optional())?;
    Ok(row.map(|(revision, at)| (unsigned(revision), at.0)))
}
