use diesel::prelude::*;

use super::{Environment, Project};
use crate::db::schema::{environments, meta, projects};
use crate::db::{Connection, Timestamp, on_backend};
use crate::error::Result;

type ProjectRow = (i64, String, String, String, i64, Timestamp, Timestamp);
type EnvironmentRow = (i64, i64, String, String, bool, i64, i64, String, i64, Timestamp, Timestamp);

fn project(row: ProjectRow) -> Project {
    let (id, key, name, description, version, created_at, updated_at) = row;
    Project { id, key, name, description, version, created_at: created_at.0, updated_at: updated_at.0 }
}

fn environment(row: EnvironmentRow, project: &str) -> Environment {
    let (id, project_id, key, name, production, position, revision, state_hash, version, created_at, updated_at) = row;
    Environment {
        id,
        project_id,
        project: project.to_owned(),
        key,
        name,
        production,
        position,
        revision: u64::try_from(revision).unwrap_or_default(),
        state_hash,
        version,
        created_at: created_at.0,
        updated_at: updated_at.0,
    }
}

pub(super) fn all(connection: &mut Connection<'_>) -> Result<Vec<Project>> {
    let rows: Vec<ProjectRow> = on_backend!(connection, |c| projects::table.order(projects::key).load(c))?;
    Ok(rows.into_iter().map(project).collect())
}

pub(super) fn find(connection: &mut Connection<'_>, key: &str) -> Result<Option<Project>> {
    let query = projects::table.filter(projects::key.eq(key));
    let row: Option<ProjectRow> = on_backend!(connection, |c| query.first(c).optional())?;
    Ok(row.map(project))
}

pub(super) fn insert(connection: &mut Connection<'_>, new: &Project) -> Result<i64> {
    let values = (
        projects::key.eq(&new.key),
        projects::name.eq(&new.name),
        projects::description.eq(&new.description),
        projects::version.eq(new.version),
        projects::created_at.eq(Timestamp(new.created_at)),
        projects::updated_at.eq(Timestamp(new.updated_at)),
    );
    let insert = diesel::insert_into(projects::table).values(values).returning(projects::id);
    Ok(on_backend!(connection, |c| insert.get_result(c))?)
}

pub(super) fn update(connection: &mut Connection<'_>, changed: &Project) -> Result<()> {
    let update = diesel::update(projects::table.find(changed.id)).set((
        projects::name.eq(&changed.name),
        projects::description.eq(&changed.description),
        projects::version.eq(changed.version),
        projects::updated_at.eq(Timestamp(changed.updated_at)),
    ));
    on_backend!(connection, |c| update.execute(c))?;
    Ok(())
}

/// Deletes a project and its environments; `false` when flags or segments still belong to it.
pub(super) fn delete(connection: &mut Connection<'_>, id: i64) -> Result<bool> {
    use diesel::result::{DatabaseErrorKind::ForeignKeyViolation, Error};
    match on_backend!(connection, |c| diesel::delete(projects::table.find(id)).execute(c)) {
        Ok(_) => Ok(true),
        Err(Error::DatabaseError(ForeignKeyViolation, _)) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

pub(super) fn environments(connection: &mut Connection<'_>, of: &Project) -> Result<Vec<Environment>> {
    let query = environments::table
        .filter(environments::project_id.eq(of.id))
        .order((environments::position, environments::id));
    let rows: Vec<EnvironmentRow> = on_backend!(connection, |c| query.load(c))?;
    Ok(rows.into_iter().map(|row| environment(row, &of.key)).collect())
}

pub(super) fn environment_of_id(connection: &mut Connection<'_>, id: i64) -> Result<Option<Environment>> {
    let query = environments::table
        .inner_join(projects::table.on(projects::id.eq(environments::project_id)))
        .filter(environments::id.eq(id))
        .select((environments::all_columns, projects::key));
    let row: Option<(EnvironmentRow, String)> = on_backend!(connection, |c| query.first(c).optional())?;
    Ok(row.map(|(row, project)| environment(row, &project)))
}

pub(super) fn insert_environment(connection: &mut Connection<'_>, new: &Environment) -> Result<i64> {
    let values = (
        environments::project_id.eq(new.project_id),
        environments::key.eq(&new.key),
        environments::name.eq(&new.name),
        environments::production.eq(new.production),
        environments::position.eq(new.position),
        environments::revision.eq(0_i64),
        environments::state_hash.eq(&new.state_hash),
        environments::version.eq(new.version),
        environments::created_at.eq(Timestamp(new.created_at)),
        environments::updated_at.eq(Timestamp(new.updated_at)),
    );
    let insert = diesel::insert_into(environments::table).values(values).returning(environments::id);
    Ok(on_backend!(connection, |c| insert.get_result(c))?)
}

pub(super) fn update_environment(connection: &mut Connection<'_>, changed: &Environment) -> Result<()> {
    let update = diesel::update(environments::table.find(changed.id)).set((
        environments::name.eq(&changed.name),
        environments::production.eq(changed.production),
        environments::version.eq(changed.version),
        environments::updated_at.eq(Timestamp(changed.updated_at)),
    ));
    on_backend!(connection, |c| update.execute(c))?;
    Ok(())
}

pub(super) fn set_revision(connection: &mut Connection<'_>, id: i64, revision: u64, hash: &str) -> Result<()> {
    let update = diesel::update(environments::table.find(id)).set((
        environments::revision.eq(i64::try_from(revision).unwrap_or(i64::MAX)),
        environments::state_hash.eq(hash),
    ));
    on_backend!(connection, |c| update.execute(c))?;
    Ok(())
}

pub(super) fn delete_environment(connection: &mut Connection<'_>, id: i64) -> Result<()> {
    on_backend!(connection, |c| diesel::delete(environments::table.find(id)).execute(c))?;
    Ok(())
}

pub(super) fn meta(connection: &mut Connection<'_>, name: &str) -> Result<Option<String>> {
    let query = meta::table.find(name).select(meta::value);
    Ok(on_backend!(connection, |c| query.first(c).optional())?)
}

pub(super) fn set_meta(connection: &mut Connection<'_>, name: &str, value: &str) -> Result<()> {
    let insert = diesel::insert_into(meta::table).values((meta::name.eq(name), meta::value.eq(value)));
    on_backend!(connection, |c| insert.execute(c))?;
    Ok(())
}
