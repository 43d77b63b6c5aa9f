mod past;
mod references;
mod versions;

use std::collections::{HashMap, HashSet};

use bellwether_core::{Release, ValueType};
use chrono::{DateTime, Utc};
use diesel::prelude::*;

use super::{Configuration, Definition};
use crate::clock;
use crate::db::schema::{flag_configurations, flags, outbox};
use crate::db::{Connection, Timestamp, on_backend};
use crate::error::{Error, Result};

pub(super) use past::{KeptJson, KeptVersion, Made, next_revision, oldest_version, revision_at, versions_as_of};
pub(super) use references::{ReferenceKind, dependents, references_in};
pub(super) use versions::{VersionRecord, find_version, forget_versions, keep_version, last_version_by, versions};

/// A flag, whatever the environment.
#[derive(Clone, Debug)]
pub(crate) struct FlagRecord {
    pub(crate) id: i64,
    pub(crate) project_id: i64,
    pub(crate) key: String,
    pub(crate) value_type: ValueType,
    pub(crate) definition: Definition,
    pub(crate) version: u64,
    pub(crate) archived_at: Option<DateTime<Utc>>,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
    pub(crate) updated_by: String,
}

/// A flag in one environment.
#[derive(Clone, Debug)]
pub(crate) struct ConfigurationRecord {
    pub(crate) flag_id: i64,
    pub(crate) environment_id: i64,
    pub(crate) flag_key: String,
    pub(crate) version: u64,
    pub(crate) configuration: Configuration,
    pub(crate) release: Option<Release>,
    /// The flag's JSON as SDKs get it; none while archived.
    pub(crate) served: Option<String>,
    pub(crate) digest: Option<String>,
    pub(crate) updated_at: DateTime<Utc>,
    pub(crate) updated_by: String,
}

type FlagRow = (i64, i64, String, String, String, i64, Option<Timestamp>, Timestamp, Timestamp, String);

#[derive(Queryable, Insertable, Selectable)]
#[diesel(table_name = flag_configurations)]
struct ConfigurationRow {
    flag_id: i64,
    environment_id: i64,
    flag_key: String,
    version: i64,
    configuration: String,
    release_json: Option<String>,
    served: Option<String>,
    digest: Option<String>,
    updated_at: Timestamp,
    updated_by: String,
}

fn signed(version: u64) -> i64 {
    i64::try_from(version).unwrap_or(i64::MAX)
}

fn unsigned(version: i64) -> u64 {
    u64::try_from(version).unwrap_or_default()
}

fn flag(row: FlagRow) -> Result<FlagRecord> {
    let (id, project_id, key, value_type, definition, version, archived_at, created_at, updated_at, updated_by) = row;
    Ok(FlagRecord {
        id,
        project_id,
        key,
        value_type: serde_json::from_value(value_type.into())?,
        definition: serde_json::from_str(&definition)?,
        version: unsigned(version),
        archived_at: archived_at.map(|at| at.0),
        created_at: created_at.0,
        updated_at: updated_at.0,
        updated_by,
    })
}

fn configuration(row: ConfigurationRow) -> Result<ConfigurationRecord> {
    Ok(ConfigurationRecord {
        flag_id: row.flag_id,
        environment_id: row.environment_id,
        flag_key: row.flag_key,
        version: unsigned(row.version),
        configuration: serde_json::from_str(&row.configuration)?,
        release: row.release_json.as_deref().map(serde_json::from_str).transpose()?,
        served: row.served,
        digest: row.digest,
        updated_at: row.updated_at.0,
        updated_by: row.updated_by,
    })
}

fn configuration_row(record: &ConfigurationRecord) -> Result<ConfigurationRow> {
    Ok(ConfigurationRow {
        flag_id: record.flag_id,
        environment_id: record.environment_id,
        flag_key: record.flag_key.clone(),
        version: signed(record.version),
        configuration: serde_json::to_string(&record.configuration)?,
        release_json: record.release.as_ref().map(serde_json::to_string).transpose()?,
        served: record.served.clone(),
        digest: record.digest.clone(),
        updated_at: Timestamp(record.updated_at),
        updated_by: record.updated_by.clone(),
    })
}

/// Every flag of a project, by key.
pub(super) fn flags(connection: &mut Connection<'_>, project: i64) -> Result<Vec<FlagRecord>> {
    let query = flags::table.filter(flags::project_id.eq(project)).order(flags::key);
    let rows: Vec<FlagRow> = on_backend!(connection, |c| query.load(c))?;
    rows.into_iter().map(flag).collect()
}

pub(super) fn find_flag(connection: &mut Connection<'_>, project: i64, key: &str) -> Result<Option<FlagRecord>> {
    let query = flags::table.filter(flags::project_id.eq(project)).filter(flags::key.eq(key));
    let row: Option<FlagRow> = on_backend!(connection, |c| query.first(c).optional())?;
    row.map(flag).transpose()
}

pub(super) fn insert_flag(connection: &mut Connection<'_>, new: &FlagRecord) -> Result<i64> {
    let insert = diesel::insert_into(flags::table)
        .values((
            flags::project_id.eq(new.project_id),
            flags::key.eq(&new.key),
            flags::value_type.eq(new.value_type.name()),
            flags::definition.eq(serde_json::to_string(&new.definition)?),
            flags::version.eq(signed(new.version)),
            flags::created_at.eq(Timestamp(new.created_at)),
            flags::updated_at.eq(Timestamp(new.updated_at)),
            flags::updated_by.eq(&new.updated_by),
        ))
        .returning(flags::id);
    Ok(on_backend!(connection, |c| insert.get_result(c))?)
}

pub(super) fn update_flag(connection: &mut Connection<'_>, changed: &FlagRecord) -> Result<()> {
    let update = diesel::update(flags::table.find(changed.id)).set((
        flags::definition.eq(serde_json::to_string(&changed.definition)?),
        flags::version.eq(signed(changed.version)),
        flags::archived_at.eq(changed.archived_at.map(Timestamp)),
        flags::updated_at.eq(Timestamp(changed.updated_at)),
        flags::updated_by.eq(&changed.updated_by),
    ));
    on_backend!(connection, |c| update.execute(c))?;
    Ok(())
}

pub(super) fn find_configuration(
    connection: &mut Connection<'_>,
    flag: i64,
    environment: i64,
) -> Result<ConfigurationRecord> {
    let query = flag_configurations::table.find((flag, environment));
    let row = on_backend!(connection, |c| query.select(ConfigurationRow::as_select()).first(c).optional())?;
    configuration(row.ok_or_else(|| Error::NotFound("configuration of this flag here".to_owned()))?)
}

/// A flag's configuration in each environment.
pub(super) fn configurations_of_flag(connection: &mut Connection<'_>, flag: i64) -> Result<Vec<ConfigurationRecord>> {
    let query = flag_configurations::table
        .filter(flag_configurations::flag_id.eq(flag))
        .order(flag_configurations::environment_id);
    let rows: Vec<ConfigurationRow> = on_backend!(connection, |c| query.select(ConfigurationRow::as_select()).load(c))?;
    rows.into_iter().map(configuration).collect()
}

/// Every flag's configuration in an environment, by key.
pub(super) fn configurations_in(connection: &mut Connection<'_>, environment: i64) -> Result<Vec<ConfigurationRecord>> {
    let query = flag_configurations::table
        .filter(flag_configurations::environment_id.eq(environment))
        .order(flag_configurations::flag_key);
    let rows: Vec<ConfigurationRow> = on_backend!(connection, |c| query.select(ConfigurationRow::as_select()).load(c))?;
    rows.into_iter().map(configuration).collect()
}

/// The releases that run on flags of an environment, by flag.
pub(super) fn releases_in(connection: &mut Connection<'_>, environment: i64) -> Result<Vec<(String, Release)>> {
    let query = flag_configurations::table
        .filter(flag_configurations::environment_id.eq(environment))
        .filter(flag_configurations::release_json.is_not_null())
        .order(flag_configurations::flag_key)
        .select((flag_configurations::flag_key, flag_configurations::release_json.assume_not_null()));
    let rows: Vec<(String, String)> = on_backend!(connection, |c| query.load(c))?;
    rows.into_iter().map(|(flag, release)| Ok((flag, serde_json::from_str(&release)?))).collect()
}

/// The keys of all flags, archived ones too, by environment.
pub(super) fn keys(connection: &mut Connection<'_>) -> Result<HashMap<i64, HashSet<String>>> {
    let query = flag_configurations::table.select((flag_configurations::environment_id, flag_configurations::flag_key));
    let rows: Vec<(i64, String)> = on_backend!(connection, |c| query.load(c))?;
    let mut keys: HashMap<_, HashSet<_>> = HashMap::new();
    for (environment, key) in rows {
        keys.entry(environment).or_default().insert(key);
    }
    Ok(keys)
}

pub(super) fn insert_configuration(connection: &mut Connection<'_>, record: &ConfigurationRecord) -> Result<()> {
    let row = configuration_row(record)?;
    on_backend!(connection, |c| diesel::insert_into(flag_configurations::table).values(&row).execute(c))?;
    references::keep(connection, record)
}

pub(super) fn update_configuration(connection: &mut Connection<'_>, record: &ConfigurationRecord) -> Result<()> {
    let row = configuration_row(record)?;
    let target = flag_configurations::table.find((record.flag_id, record.environment_id));
    let update = diesel::update(target).set((
        flag_configurations::version.eq(row.version),
        flag_configurations::configuration.eq(row.configuration),
        flag_configurations::release_json.eq(row.release_json),
        flag_configurations::served.eq(row.served),
        flag_configurations::digest.eq(row.digest),
        flag_configurations::updated_at.eq(row.updated_at),
        flag_configurations::updated_by.eq(row.updated_by),
    ));
    on_backend!(connection, |c| update.execute(c))?;
    references::keep(connection, record)
}

/// Removes a flag for good with its configurations and versions.
pub(super) fn delete_flag(connection: &mut Connection<'_>, flag: i64) -> Result<()> {
    versions::delete(connection, flag)?;
    references::delete(connection, flag)?;
    let configurations = flag_configurations::table.filter(flag_configurations::flag_id.eq(flag));
    on_backend!(connection, |c| diesel::delete(configurations).execute(c))?;
    on_backend!(connection, |c| diesel::delete(flags::table.find(flag)).execute(c))?;
    Ok(())
}

/// `(key, version, digest)` of each flag that is served in an environment: what its state hashes.
pub(super) fn digests(connection: &mut Connection<'_>, environment: i64) -> Result<Vec<(String, u64, String)>> {
    let query = flag_configurations::table
        .filter(flag_configurations::environment_id.eq(environment))
        .filter(flag_configurations::digest.is_not_null())
        .select((
            flag_configurations::flag_key,
            flag_configurations::version,
            flag_configurations::digest.assume_not_null(),
        ));
    let rows: Vec<(String, i64, String)> = on_backend!(connection, |c| query.load(c))?;
    Ok(rows.into_iter().map(|(key, version, digest)| (key, unsigned(version), digest)).collect())
}

/// Keeps a change as it is pushed and forgets those at or before revision `forget`.
pub(super) fn push_outbox(
    connection: &mut Connection<'_>,
    environment: i64,
    revision: u64,
    (message, hash): (&str, &str),
    forget: u64,
) -> Result<()> {
    let insert = diesel::insert_into(outbox::table).values((
        outbox::environment_id.eq(environment),
        outbox::revision.eq(signed(revision)),
        outbox::message.eq(message),
        outbox::at.eq(Timestamp(clock::now())),
        outbox::hash.eq(hash),
    ));
    on_backend!(connection, |c| insert.execute(c))?;
    let old = outbox::table.filter(outbox::environment_id.eq(environment)).filter(outbox::revision.le(signed(forget)));
    on_backend!(connection, |c| diesel::delete(old).execute(c))?;
    Ok(())
}

/// A change that is kept: its revision, its message, and the hash of the state that it leads to, if it was kept.
pub(super) type Kept = (u64, String, Option<String>);

/// The last changes that are kept of an environment, oldest first, of no more than about so many bytes.
pub(super) fn outbox(connection: &mut Connection<'_>, environment: i64, bytes: usize) -> Result<Vec<Kept>> {
    /// Rows of one query: a message may be as large as a body.
    const TOGETHER: i64 = 50;
    let (mut found, mut before, mut size) = (Vec::new(), i64::MAX, 0);
    loop {
        let query = outbox::table
            .filter(outbox::environment_id.eq(environment))
            .filter(outbox::revision.lt(before))
            .order(outbox::revision.desc())
            .limit(TOGETHER)
            .select((outbox::revision, outbox::message, outbox::hash));
        let rows: Vec<(i64, String, Option<String>)> = on_backend!(connection, |c| query.load(c))?;
        let last = (rows.len() as u64) < TOGETHER.unsigned_abs();
        for (revision, message, hash) in rows {
            size += message.len();
            if size > bytes {
                found.reverse();
                return Ok(found);
            }
            before = revision;
            found.push((unsigned(revision), message, hash));
        }
        if last {
            found.reverse();
            return Ok(found);
        }
    }
}
