//! Versions of segments, and the revisions that came with them.

use chrono::{DateTime, Utc};
use diesel::dsl::max;
use diesel::prelude::*;

use super::{SegmentRecord, number, signed, unsigned};
use crate::db::schema::{segment_revisions, segment_versions, segments};
use crate::db::{Connection, Timestamp, on_backend};
use crate::error::Result;
use crate::flags::history::Cause;
use crate::flags::segments::history::Kept;

/// What revisions are joined with.
macro_rules! versions_of_revisions {
    () => {
        segment_versions::table.on(segment_versions::segment_id
            .eq(segment_revisions::segment_id)
            .and(segment_versions::version.eq(segment_revisions::version)))
    };
}

/// Keeps a version as it stands.
pub(in crate::flags::segments) fn insert(
    connection: &mut Connection<'_>,
    kept: &SegmentRecord,
    cause: &Cause<'_>,
) -> Result<()> {
    let insert = diesel::insert_into(segment_versions::table).values((
        segment_versions::segment_id.eq(kept.id),
        segment_versions::version.eq(signed(kept.version)),
        segment_versions::rules.eq(serde_json::to_string(&kept.rules)?),
        segment_versions::included.eq(number(kept.included)),
        segment_versions::excluded.eq(number(kept.excluded)),
        segment_versions::digest.eq(&kept.digest),
        segment_versions::at.eq(Timestamp(kept.updated_at)),
        segment_versions::actor.eq(&kept.updated_by),
        segment_versions::action.eq(cause.action),
        segment_versions::reason.eq(cause.reason),
        segment_versions::request_id.eq(cause.request_id),
    ));
    on_backend!(connection, |c| insert.execute(c))?;
    Ok(())
}

/// Says which version a revision of an environment came with.
pub(in crate::flags::segments) fn set_revision(
    connection: &mut Connection<'_>,
    (segment, version): (i64, u64),
    (environment, revision): (i64, u64),
) -> Result<()> {
    let insert = diesel::insert_into(segment_revisions::table).values((
        segment_revisions::segment_id.eq(segment),
        segment_revisions::environment_id.eq(environment),
        segment_revisions::revision.eq(signed(revision)),
        segment_revisions::version.eq(signed(version)),
    ));
    on_backend!(connection, |c| insert.execute(c))?;
    Ok(())
}

/// The last revision of an environment, up to `revision`, that came with a version of each segment that was there.
pub(in crate::flags::segments) fn last_revisions(
    connection: &mut Connection<'_>,
    environment: i64,
    revision: u64,
) -> Result<Vec<(String, i64, u64, u64)>> {
    let last = segment_revisions::table
        .filter(segment_revisions::environment_id.eq(environment))
        .filter(segment_revisions::revision.le(signed(revision)))
        .group_by(segment_revisions::segment_id)
        .select((segment_revisions::segment_id, max(segment_revisions::revision).assume_not_null()));
    let last: Vec<(i64, i64)> = on_backend!(connection, |c| last.load(c))?;
    let mut found = Vec::with_capacity(last.len());
    for (segment, at) in last {
        let query = segment_revisions::table
            .inner_join(segments::table.on(segments::id.eq(segment_revisions::segment_id)))
            .filter(segment_revisions::environment_id.eq(environment))
            .filter(segment_revisions::segment_id.eq(segment))
            .filter(segment_revisions::revision.eq(at))
            .select((segments::key, segment_revisions::version));
        let (key, version): (String, i64) = on_backend!(connection, |c| query.first(c))?;
        found.push((key, segment, unsigned(version), unsigned(at)));
    }
    Ok(found)
}

/// The last revision of an environment, up to `revision`, that came with a version of a segment, and that version.
pub(in crate::flags::segments) fn last_revision(
    connection: &mut Connection<'_>,
    (segment, environment): (i64, i64),
    revision: u64,
) -> Result<Option<(u64, u64)>> {
    let query = segment_revisions::table
        .filter(segment_revisions::environment_id.eq(environment))
        .filter(segment_revisions::segment_id.eq(segment))
        .filter(segment_revisions::revision.le(signed(revision)))
        .order(segment_revisions::revision.desc())
        .select((segment_revisions::revision, segment_revisions::version));
    let row: Option<(i64, i64)> = on_backend!(connection, |c| query.first(c).optional())?;
    Ok(row.map(|(revision, version)| (unsigned(revision), unsigned(version))))
}

/// A revision that came with a version, and since when that was in force.
type Came = (i64, Timestamp);

fn came(row: Option<Came>) -> Option<(u64, DateTime<Utc>)> {
    row.map(|(revision, at)| (unsigned(revision), at.0))
}

/// The oldest revision of an environment that came with a version of a segment and is kept.
pub(in crate::flags::segments) fn oldest_revision(
    connection: &mut Connection<'_>,
    (segment, environment): (i64, i64),
) -> Result<Option<(u64, DateTime<Utc>)>> {
    let query = segment_revisions::table
        .inner_join(versions_of_revisions!())
        .filter(segment_revisions::environment_id.eq(environment))
        .filter(segment_revisions::segment_id.eq(segment))
        .order(segment_revisions::revision)
        .select((segment_revisions::revision, segment_versions::at));
    let row: Option<Came> = on_backend!(connection, |c| query.first(c).optional())?;
    Ok(came(row))
}

/// The last revision of an environment after `after` that came with a segment's version of `at` or before.
pub(in crate::flags::segments) fn revision_at(
    connection: &mut Connection<'_>,
    environment: i64,
    after: u64,
    at: DateTime<Utc>,
) -> Result<Option<u64>> {
    let query = segment_revisions::table
        .inner_join(versions_of_revisions!())
        .filter(segment_revisions::environment_id.eq(environment))
        .filter(segment_revisions::revision.gt(signed(after)))
        .filter(segment_versions::at.le(Timestamp(at)))
        .order(segment_revisions::revision.desc())
        .select(segment_revisions::revision);
    let revision: Option<i64> = on_backend!(connection, |c| query.first(c).optional())?;
    Ok(revision.map(unsigned))
}

/// The first revision of an environment after `after` that came with a segment's version.
pub(in crate::flags::segments) fn next_revision(
    connection: &mut Connection<'_>,
    environment: i64,
    after: u64,
) -> Result<Option<(u64, DateTime<Utc>)>> {
    let query = segment_revisions::table
        .inner_join(versions_of_revisions!())
        .filter(segment_revisions::environment_id.eq(environment))
        .filter(segment_revisions::revision.gt(signed(after)))
        .order(segment_revisions::revision)
        .select((segment_revisions::revision, segment_versions::at));
    let row: Option<Came> = on_backend!(connection, |c| query.first(c).optional())?;
    Ok(came(row))
}

/// One version, if it is kept.
pub(in crate::flags::segments) fn version(
    connection: &mut Connection<'_>,
    segment: i64,
    version: u64,
) -> Result<Option<Kept>> {
    type Row = (String, Timestamp, String, String, String, String);
    let query = segment_versions::table.find((segment, signed(version))).select((
        segment_versions::rules,
        segment_versions::at,
        segment_versions::actor,
        segment_versions::action,
        segment_versions::reason,
        segment_versions::request_id,
    ));
    let row: Option<Row> = on_backend!(connection, |c| query.first(c).optional())?;
    let Some((rules, at, actor, action, reason, request_id)) = row else { return Ok(None) };
    let rules = serde_json::from_str(&rules)?;
    Ok(Some(Kept { rules, at: at.0, actor, action, reason, request_id }))
}

/// Forgets a segment's versions before `oldest`.
pub(in crate::flags::segments) fn forget(connection: &mut Connection<'_>, segment: i64, oldest: u64) -> Result<()> {
    let old = segment_versions::table
        .filter(segment_versions::segment_id.eq(segment))
        .filter(segment_versions::version.lt(signed(oldest)));
    on_backend!(connection, |c| diesel::delete(old).execute(c))?;
    let old = segment_revisions::table
        .filter(segment_revisions::segment_id.eq(segment))
        .filter(segment_revisions::version.lt(signed(oldest)));
    on_backend!(connection, |c| diesel::delete(old).execute(c))?;
    Ok(())
}

/// Forgets every version of a segment.
pub(super) fn delete(connection: &mut Connection<'_>, segment: i64) -> Result<()> {
    let all = segment_versions::table.filter(segment_versions::segment_id.eq(segment));
    on_backend!(connection, |c| diesel::delete(all).execute(c))?;
    let all = segment_revisions::table.filter(segment_revisions::segment_id.eq(segment));
    on_backend!(connection, |c| diesel::delete(all).execute(c))?;
    Ok(())
}
