use bellwether_core::Release;
use chrono::{DateTime, Utc};
use diesel::prelude::*;
use serde::Deserialize;

use super::{ConfigurationRecord, signed, unsigned};
use crate::db::schema::flag_versions;
use crate::db::{Connection, Timestamp, on_backend};
use crate::error::Result;
use crate::flags::Configuration;
use crate::flags::history::Cause;

/// Rows of one query: a version may be as large as a body.
const TOGETHER: usize = 20;

/// A version as it stood.
#[derive(Clone, Debug)]
pub(in crate::flags) struct VersionRecord {
    pub(in crate::flags) version: u64,
    pub(in crate::flags) revision: u64,
    pub(in crate::flags) configuration: Configuration,
    /// The canary or experiment that ran on it.
    pub(in crate::flags) release: Option<Release>,
    pub(in crate::flags) at: DateTime<Utc>,
    pub(in crate::flags) actor: String,
    pub(in crate::flags) action: String,
    pub(in crate::flags) reason: String,
    pub(in crate::flags) request_id: String,
    pub(in crate::flags) restored: Option<u64>,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = flag_versions)]
struct Row {
    version: i64,
    revision: i64,
    configuration: String,
    at: Timestamp,
    actor: String,
    action: String,
    reason: String,
    request_id: String,
    restored_version: Option<i64>,
    served: Option<String>,
}

/// As much of what was served as is no part of the configuration.
#[derive(Default, Deserialize)]
struct Served {
    release: Option<Release>,
}

fn record(row: Row) -> Result<VersionRecord> {
    // Nothing is served of an archived flag, on which no release runs; nor is it known of versions of old.
    let served = row.served.filter(|json| !json.is_empty());
    let Served { release } = served.as_deref().map(serde_json::from_str).transpose()?.unwrap_or_default();
    Ok(VersionRecord {
        version: unsigned(row.version),
        revision: unsigned(row.revision),
        configuration: serde_json::from_str(&row.configuration)?,
        release,
        at: row.at.0,
        actor: row.actor,
        action: row.action,
        reason: row.reason,
        request_id: row.request_id,
        restored: row.restored_version.map(unsigned),
    })
}

/// Keeps a version as it stands.
pub(in crate::flags) fn keep_version(
    connection: &mut Connection<'_>,
    kept: &ConfigurationRecord,
    revision: u64,
    cause: &Cause<'_>,
) -> Result<()> {
    let insert = diesel::insert_into(flag_versions::table).values((
        flag_versions::flag_id.eq(kept.flag_id),
        flag_versions::environment_id.eq(kept.environment_id),
        flag_versions::version.eq(signed(kept.version)),
        flag_versions::revision.eq(signed(revision)),
        flag_versions::configuration.eq(serde_json::to_string(&kept.configuration)?),
        flag_versions::at.eq(Timestamp(kept.updated_at)),
        flag_versions::actor.eq(&kept.updated_by),
        flag_versions::action.eq(cause.action),
        flag_versions::reason.eq(cause.reason),
        flag_versions::request_id.eq(cause.request_id),
        flag_versions::restored_version.eq(cause.restored.map(signed)),
        flag_versions::served.eq(kept.served.as_deref().unwrap_or_default()),
    ));
    on_backend!(connection, |c| insert.execute(c))?;
    Ok(())
}

/// Up to `limit` versions of a flag in an environment, newest first, before version `before`, and whether they were cut
/// short because their configurations come to more than `bytes`: never to fewer than two.
pub(in crate::flags) fn versions(
    connection: &mut Connection<'_>,
    (flag, environment): (i64, i64),
    before: u64,
    limit: usize,
    bytes: usize,
) -> Result<(Vec<VersionRecord>, bool)> {
    let (mut found, mut before, mut size) = (Vec::new(), signed(before), 0);
    while found.len() < limit {
        let wanted = TOGETHER.min(limit - found.len());
        let query = flag_versions::table
            .filter(flag_versions::flag_id.eq(flag))
            .filter(flag_versions::environment_id.eq(environment))
            .filter(flag_versions::version.lt(before))
            .order(flag_versions::version.desc())
            .limit(i64::try_from(wanted).unwrap_or(i64::MAX));
        let rows: Vec<Row> = on_backend!(connection, |c| query.select(Row::as_select()).load(c))?;
        let last = rows.len() < wanted;
        for row in rows {
            size += row.configuration.len();
            if size > bytes && found.len() >= 2 {
                return Ok((found, true));
            }
            before = row.version;
            found.push(record(row)?);
        }
        if last {
            break;
        }
    }
    Ok((found, false))
}

/// One version, if it is kept.
pub(in crate::flags) fn find_version(
    connection: &mut Connection<'_>,
    (flag, environment): (i64, i64),
    version: u64,
) -> Result<Option<VersionRecord>> {
    let query = flag_versions::table.find((flag, environment, signed(version)));
    let row: Option<Row> = on_backend!(connection, |c| query.select(Row::as_select()).first(c).optional())?;
    row.map(record).transpose()
}

/// The newest version that a change of that name made, if it is kept.
pub(in crate::flags) fn last_version_by(
    connection: &mut Connection<'_>,
    (flag, environment): (i64, i64),
    action: &str,
) -> Result<Option<VersionRecord>> {
    let query = flag_versions::table
        .filter(flag_versions::flag_id.eq(flag))
        .filter(flag_versions::environment_id.eq(environment))
        .filter(flag_versions::action.eq(action))
        .order(flag_versions::version.desc());
    let row: Option<Row> = on_backend!(connection, |c| query.select(Row::as_select()).first(c).optional())?;
    row.map(record).transpose()
}

/// Forgets a flag's versions in an environment up to and with `last`.
pub(in crate::flags) fn forget_versions(
    connection: &mut Connection<'_>,
    (flag, environment): (i64, i64),
    last: u64,
) -> Result<()> {
    let old = flag_versions::table
        .filter(flag_versions::flag_id.eq(flag))
        .filter(flag_versions::environment_id.eq(environment))
        .filter(flag_versions::version.le(signed(last)));
    on_backend!(connection, |c| diesel::delete(old).execute(c))?;
    Ok(())
}

/// Forgets every version of a flag.
pub(super) fn delete(connection: &mut Connection<'_>, flag: i64) -> Result<()> {
    let all = flag_versions::table.filter(flag_versions::flag_id.eq(flag));
    on_backend!(connection, |c| diesel::delete(all).execute(c))?;
    Ok(())
}
