use diesel::prelude::*;

use super::Filter;
use crate::db::schema::audit;
use crate::db::{Connection, Timestamp, on_backend};
use crate::error::Result;

#[derive(Clone, Debug, Queryable, Insertable, Selectable)]
#[diesel(table_name = audit)]
pub(super) struct Row {
    pub(super) sequence: i64,
    pub(super) at: Timestamp,
    pub(super) actor_kind: String,
    pub(super) actor_id: String,
    pub(super) actor_name: String,
    pub(super) action: String,
    pub(super) resource: String,
    pub(super) project: Option<String>,
    pub(super) environment: Option<String>,
    pub(super) request_id: String,
    pub(super) address: String,
    pub(super) user_agent: String,
    pub(super) status: String,
    pub(super) reason: String,
    pub(super) changes: String,
    pub(super) hash: String,
}

/// Sequence and hash of the last row.
pub(super) fn head(connection: &mut Connection<'_>) -> Result<Option<(i64, String)>> {
    let query = audit::table.order(audit::sequence.desc()).select((audit::sequence, audit::hash));
    Ok(on_backend!(connection, |c| query.first(c).optional())?)
}

pub(super) fn insert(connection: &mut Connection<'_>, row: &Row) -> Result<()> {
    on_backend!(connection, |c| diesel::insert_into(audit::table).values(row).execute(c))?;
    Ok(())
}

/// Rows that pass the filter, newest first, before sequence `before`.
pub(super) fn list(connection: &mut Connection<'_>, filter: Filter, before: i64, limit: i64) -> Result<Vec<Row>> {
    on_backend!(connection, |c| {
        let mut query = audit::table.filter(audit::sequence.lt(before)).into_boxed();
        if let Some(actor) = filter.actor {
            query = query.filter(audit::actor_name.eq(actor.clone()).or(audit::actor_id.eq(actor)));
        }
        if let Some(action) = filter.action {
            query = query.filter(audit::action.eq(action));
        }
        if let Some(resource) = filter.resource {
            query = query.filter(audit::resource.eq(resource));
        }
        if let Some(environment) = filter.environment {
            query = query.filter(audit::environment.eq(environment));
        }
        if let Some(status) = filter.status {
            query = query.filter(audit::status.eq(status));
        }
        if let Some(from) = filter.from {
            query = query.filter(audit::at.ge(Timestamp(from)));
        }
        if let Some(to) = filter.to {
            query = query.filter(audit::at.lt(Timestamp(to)));
        }
        let query = query.order(audit::sequence.desc()).limit(limit).select(Row::as_select());
        Ok(query.load(c)?)
    })
}
