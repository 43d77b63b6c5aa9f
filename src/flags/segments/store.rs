mod keys;
mod versions;

use bellwether_core::{KeyList, SegmentRule};
use chrono::{DateTime, Utc};
use diesel::prelude::*;

use crate::db::schema::segments;
use crate::db::{Connection, Timestamp, on_backend};
use crate::error::Result;

pub(super) use keys::{begin, end, first_keys, forget as forget_keys, keys, part_with};
pub(super) use versions::{
    forget, insert as insert_version, last_revision, last_revisions, next_revision, oldest_revision, revision_at,
    set_revision, version,
};

/// A segment without its keys.
#[derive(Clone, Debug)]
pub(in crate::flags) struct SegmentRecord {
    pub(in crate::flags) id: i64,
    pub(in crate::flags) project_id: i64,
    pub(in crate::flags) key: String,
    pub(in crate::flags) name: String,
    pub(in crate::flags) description: String,
    pub(in crate::flags) rules: Vec<SegmentRule>,
    /// How many keys each list has.
    pub(in crate::flags) included: usize,
    pub(in crate::flags) excluded: usize,
    pub(in crate::flags) version: u64,
    /// Of its JSON as SDKs get it.
    pub(in crate::flags) digest: String,
    pub(in crate::flags) created_at: DateTime<Utc>,
    pub(in crate::flags) updated_at: DateTime<Utc>,
    pub(in crate::flags) updated_by: String,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = segments)]
struct Row {
    id: i64,
    project_id: i64,
    key: String,
    name: String,
    description: String,
    rules: String,
    included: i64,
    excluded: i64,
    version: i64,
    digest: String,
    created_at: Timestamp,
    updated_at: Timestamp,
    updated_by: String,
}

fn signed(version: u64) -> i64 {
    i64::try_from(version).unwrap_or(i64::MAX)
}

fn unsigned(version: i64) -> u64 {
    u64::try_from(version).unwrap_or_default()
}

fn number(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn count(number: i64) -> usize {
    usize::try_from(number).unwrap_or_default()
}

fn list_name(list: KeyList) -> &'static str {
    match list {
        KeyList::Included => "included",
        KeyList::Excluded => "excluded",
    }
}

fn record(row: Row) -> Result<SegmentRecord> {
    Ok(SegmentRecord {
        id: row.id,
        project_id: row.project_id,
        key: row.key,
        name: row.name,
        description: row.description,
        rules: serde_json::from_str(&row.rules)?,
        included: count(row.included),
        excluded: count(row.excluded),
        version: unsigned(row.version),
        digest: row.digest,
        created_at: row.created_at.0,
        updated_at: row.updated_at.0,
        updated_by: row.updated_by,
    })
}

/// Every segment of a project, by key.
pub(super) fn all(connection: &mut Connection<'_>, project: i64) -> Result<Vec<SegmentRecord>> {
    let query = segments::table.filter(segments::project_id.eq(project)).order(segments::key);
    let rows: Vec<Row> = on_backend!(connection, |c| query.select(Row::as_select()).load(c))?;
    rows.into_iter().map(record).collect()
}

pub(super) fn find(connection: &mut Connection<'_>, project: i64, key: &str) -> Result<Option<SegmentRecord>> {
    let query = segments::table.filter(segments::project_id.eq(project)).filter(segments::key.eq(key));
    let row: Option<Row> = on_backend!(connection, |c| query.select(Row::as_select()).first(c).optional())?;
    row.map(record).transpose()
}

/// `(key, version, digest)` of each segment of a project: what the states of its environments hash.
pub(super) fn digests(connection: &mut Connection<'_>, project: i64) -> Result<Vec<(String, u64, String)>> {
    let query = segments::table.filter(segments::project_id.eq(project)).select((
        segments::key,
        segments::version,
        segments::digest,
    ));
    let rows: Vec<(String, i64, String)> = on_backend!(connection, |c| query.load(c))?;
    Ok(rows.into_iter().map(|(key, version, digest)| (key, unsigned(version), digest)).collect())
}

/// The id and the version of each segment of a project.
pub(super) fn heads(connection: &mut Connection<'_>, project: i64) -> Result<Vec<(i64, u64)>> {
    let query = segments::table.filter(segments::project_id.eq(project)).select((segments::id, segments::version));
    let rows: Vec<(i64, i64)> = on_backend!(connection, |c| query.load(c))?;
    Ok(rows.into_iter().map(|(id, version)| (id, unsigned(version))).collect())
}

pub(super) fn insert(connection: &mut Connection<'_>, new: &SegmentRecord) -> Result<i64> {
    let insert = diesel::insert_into(segments::table)
        .values((
            segments::project_id.eq(new.project_id),
            segments::key.eq(&new.key),
            segments::name.eq(&new.name),
            segments::description.eq(&new.description),
            segments::rules.eq(serde_json::to_string(&new.rules)?),
            segments::included.eq(number(new.included)),
            segments::excluded.eq(number(new.excluded)),
            segments::version.eq(signed(new.version)),
            segments::digest.eq(&new.digest),
            segments::created_at.eq(Timestamp(new.created_at)),
            segments::updated_at.eq(Timestamp(new.updated_at)),
            segments::updated_by.eq(&new.updated_by),
        ))
        .returning(segments::id);
    Ok(on_backend!(connection, |c| insert.get_result(c))?)
}

pub(super) fn update(connection: &mut Connection<'_>, changed: &SegmentRecord) -> Result<()> {
    let update = diesel::update(segments::table.find(changed.id)).set((
        segments::name.eq(&changed.name),
        segments::description.eq(&changed.description),
        segments::rules.eq(serde_json::to_string(&changed.rules)?),
        segments::included.eq(number(changed.included)),
        segments::excluded.eq(number(changed.excluded)),
        segments::version.eq(signed(changed.version)),
        segments::digest.eq(&changed.digest),
        segments::updated_at.eq(Timestamp(changed.updated_at)),
        segments::updated_by.eq(&changed.updated_by),
    ));
    on_backend!(connection, |c| update.execute(c))?;
    Ok(())
}

/// Removes a segment with its keys and everything of its past.
pub(super) fn delete(connection: &mut Connection<'_>, segment: i64) -> Result<()> {
    keys::delete(connection, segment)?;
    versions::delete(connection, segment)?;
    on_backend!(connection, |c| diesel::delete(segments::table.find(segment)).execute(c))?;
    Ok(())
}
