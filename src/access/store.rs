use chrono::{DateTime, Utc};
use diesel::prelude::*;

use crate::db::schema::{credentials, users};
use crate::db::{Connection, Timestamp, on_backend};
use crate::error::Result;

#[derive(Clone, Debug, Queryable, Insertable, Selectable)]
#[diesel(table_name = credentials)]
pub(super) struct CredentialRow {
    pub(super) id: String,
    pub(super) kind: String,
    pub(super) hash: String,
    pub(super) name: String,
    pub(super) role: Option<String>,
    pub(super) environment_id: Option<i64>,
    pub(super) user_id: Option<String>,
    pub(super) created_at: Timestamp,
    pub(super) expires_at: Option<Timestamp>,
    pub(super) revoked_at: Option<Timestamp>,
    pub(super) prefix: String,
    pub(super) allowed_origins: String,
    pub(super) version: i64,
    pub(super) last_used_at: Option<Timestamp>,
}

#[derive(Clone, Debug, Queryable, Insertable, Selectable)]
#[diesel(table_name = users)]
pub(super) struct UserRow {
    pub(super) id: String,
    pub(super) username: String,
    pub(super) password_hash: String,
    pub(super) role: String,
    pub(super) created_at: Timestamp,
}

/// Credentials that are neither revoked nor expired.
pub(super) fn live_credentials(connection: &mut Connection<'_>, now: DateTime<Utc>) -> Result<Vec<CredentialRow>> {
    let query = credentials::table
        .filter(credentials::revoked_at.is_null())
        .filter(credentials::expires_at.is_null().or(credentials::expires_at.gt(Timestamp(now))));
    Ok(on_backend!(connection, |c| query.select(CredentialRow::as_select()).load(c))?)
}

pub(super) fn users(connection: &mut Connection<'_>) -> Result<Vec<UserRow>> {
    Ok(on_backend!(connection, |c| users::table.select(UserRow::as_select()).load(c))?)
}

pub(super) fn user_named(connection: &mut Connection<'_>, name: &str) -> Result<Option<UserRow>> {
    let query = users::table.filter(users::username.eq(name));
    Ok(on_backend!(connection, |c| query.select(UserRow::as_select()).first(c).optional())?)
}

pub(super) fn insert_user(connection: &mut Connection<'_>, row: &UserRow) -> Result<()> {
    on_backend!(connection, |c| diesel::insert_into(users::table).values(row).execute(c))?;
    Ok(())
}

pub(super) fn insert_credential(connection: &mut Connection<'_>, row: &CredentialRow) -> Result<()> {
    on_backend!(connection, |c| diesel::insert_into(credentials::table).values(row).execute(c))?;
    Ok(())
}

/// Revokes a credential; `false` when it was revoked before.
pub(super) fn revoke(connection: &mut Connection<'_>, id: &str, now: DateTime<Utc>) -> Result<bool> {
    let target = credentials::table.filter(credentials::id.eq(id)).filter(credentials::revoked_at.is_null());
    let update = diesel::update(target).set(credentials::revoked_at.eq(Some(Timestamp(now))));
    Ok(on_backend!(connection, |c| update.execute(c))? > 0)
}

/// Up to `limit` credentials of these kinds, by id, after the id `after`.
pub(super) fn credentials_after(
    connection: &mut Connection<'_>,
    kinds: &[&str],
    after: &str,
    limit: i64,
) -> Result<Vec<CredentialRow>> {
    let query = credentials::table
        .filter(credentials::kind.eq_any(kinds))
        .filter(credentials::id.gt(after))
        .order(credentials::id)
        .limit(limit);
    Ok(on_backend!(connection, |c| query.select(CredentialRow::as_select()).load(c))?)
}

pub(super) fn credential(connection: &mut Connection<'_>, id: &str) -> Result<Option<CredentialRow>> {
    let query = credentials::table.find(id);
    Ok(on_backend!(connection, |c| query.select(CredentialRow::as_select()).first(c).optional())?)
}

/// Writes what may change of a credential.
pub(super) fn update_credential(connection: &mut Connection<'_>, row: &CredentialRow) -> Result<()> {
    let update = diesel::update(credentials::table.find(&row.id)).set((
        credentials::name.eq(&row.name),
        credentials::allowed_origins.eq(&row.allowed_origins),
        credentials::revoked_at.eq(&row.revoked_at),
        credentials::version.eq(row.version),
    ));
    on_backend!(connection, |c| update.execute(c))?;
    Ok(())
}

/// Notes a use, unless another server has noted a later one.
pub(super) fn note_use(connection: &mut Connection<'_>, id: &str, at: DateTime<Utc>) -> Result<()> {
    let earlier = credentials::last_used_at.is_null().or(credentials::last_used_at.lt(Timestamp(at)));
    let target = credentials::table.filter(credentials::id.eq(id)).filter(earlier);
    let update = diesel::update(target).set(credentials::last_used_at.eq(Some(Timestamp(at))));
    on_backend!(connection, |c| update.execute(c))?;
    Ok(())
}
