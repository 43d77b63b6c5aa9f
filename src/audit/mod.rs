//! What happened, in rows that are never changed: each in the transaction of the change it tells of, and each hashed
//! together with the row before it.

mod action;
pub mod api;
mod diff;
mod store;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

pub use action::ACTIONS;
pub use diff::{FieldChange, diff};

use crate::access::{Actor, Caller, Role};
use crate::clock;
use crate::db::{Connection, Part, Store, Timestamp};
use crate::error::Result;
use action::Action;
use store::Row;

/// What is to be recorded.
#[derive(Clone, Debug, Default)]
pub struct Entry {
    /// `noun.verb`.
    pub action: &'static str,
    /// `flag/feature.a`.
    pub resource: String,
    /// The project's key.
    pub project: Option<String>,
    /// The environment's key.
    pub environment: Option<String>,
    /// Why, in the actor's words.
    pub reason: String,
    /// What changed, member by member.
    pub changes: Vec<FieldChange>,
}

/// A row of the log, as the API shows it.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = AuditItem)]
pub struct Item {
    /// Dense, from 1.
    pub sequence: i64,
    /// When.
    #[serde(with = "clock::serde_rfc3339")]
    pub at: DateTime<Utc>,
    /// Who.
    pub actor: Actor,
    /// `noun.verb`.
    #[schema(value_type = Action)]
    pub action: String,
    /// To what.
    pub resource: String,
    /// In which project.
    pub project: Option<String>,
    /// In which environment.
    pub environment: Option<String>,
    /// By which request.
    pub request_id: String,
    /// From which address.
    pub address: String,
    /// With what program.
    pub user_agent: String,
    /// `succeeded`.
    pub status: String,
    /// Why.
    pub reason: String,
    /// What changed.
    pub changes: Vec<FieldChange>,
    /// SHA-256 over the previous row's hash and this row.
    pub hash: String,
}

/// Which rows are asked for; all members must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Name or id.
    pub actor: Option<String>,
    /// `noun.verb`.
    pub action: Option<String>,
    /// To the letter.
    pub resource: Option<String>,
    /// The environment's key.
    pub environment: Option<String>,
    /// `succeeded`.
    pub status: Option<String>,
    /// At or after.
    pub from: Option<DateTime<Utc>>,
    /// Before.
    pub to: Option<DateTime<Utc>>,
}

/// Adds a row, in the transaction of `connection`.
///
/// # Errors
/// When the store does not answer; then the change it tells of does not happen either.
pub fn record(connection: &mut Connection<'_>, caller: &Caller, entry: Entry) -> Result<()> {
    debug_assert!(action::is_known(entry.action), "{} is not in audit::ACTIONS", entry.action);
    let (last, previous) = store::head(connection)?.unwrap_or_default();
    let mut row = Row {
        sequence: last + 1,
        at: Timestamp(clock::now()),
        actor_kind: caller.actor.kind.clone(),
        actor_id: caller.actor.id.clone(),
        actor_name: caller.actor.name.clone(),
        action: entry.action.to_owned(),
        resource: entry.resource,
        project: entry.project,
        environment: entry.environment,
        request_id: caller.origin.request_id.clone(),
        address: caller.origin.address.clone(),
        user_agent: caller.origin.user_agent.clone(),
        status: "succeeded".to_owned(),
        reason: entry.reason,
        changes: serde_json::to_string(&entry.changes)?,
        hash: String::new(),
    };
    row.hash = chained(&previous, &row)?;
    store::insert(connection, &row)
}

/// `sha256:` over the hash before and the row's members as a JSON list, in the order of the table.
fn chained(previous: &str, row: &Row) -> Result<String> {
    let members = serde_json::to_string(&(
        (row.sequence, clock::rfc3339(row.at.0), &row.actor_kind, &row.actor_id, &row.actor_name, &row.action),
        (&row.resource, &row.project, &row.environment, &row.request_id, &row.address, &row.user_agent),
        (&row.status, &row.reason, &row.changes),
    ))?;
    let digest = Sha256::new().chain_update(previous).chain_update("\n").chain_update(members).finalize();
    Ok(digest.iter().fold("sha256:".to_owned(), |text, byte| format!("{text}{byte:02x}")))
}

/// The last row that passes.
///
/// # Errors
/// When the store does not answer.
pub fn last(connection: &mut Connection<'_>, filter: Filter) -> Result<Option<Item>> {
    store::list(connection, filter, i64::MAX, 1)?.into_iter().next().map(item).transpose()
}

/// The service that answers from the log.
#[derive(Clone)]
pub struct Audit {
    store: Store,
}

impl Audit {
    /// Over `store`.
    pub fn new(store: Store) -> Self {
        Self { store }
    }

    /// Up to `limit` rows that pass, newest first, before sequence `before`.
    ///
    /// # Errors
    /// When the caller may not, or the store does not answer.
    pub async fn list(&self, caller: &Caller, filter: Filter, before: Option<i64>, limit: usize) -> Result<Vec<Item>> {
        caller.require(Role::Viewer)?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let before = before.unwrap_or(i64::MAX);
        let rows = self.store.read(Part::Configuration, move |c| store::list(c, filter, before, limit)).await?;
        rows.into_iter().map(item).collect()
    }
}

fn item(row: Row) -> Result<Item> {
    Ok(Item {
        sequence: row.sequence,
        at: row.at.0,
        actor: Actor { kind: row.actor_kind, id: row.actor_id, name: row.actor_name },
        action: row.action,
        resource: row.resource,
        project: row.project,
        environment: row.environment,
        request_id: row.request_id,
        address: row.address,
        user_agent: row.user_agent,
        status: row.status,
        reason: row.reason,
        changes: serde_json::from_str(&row.changes)?,
        hash: row.hash,
    })
}

/// The changes that make a new object, or a removed one, as one change of the whole.
pub fn whole(before: Option<Value>, after: Option<Value>) -> Vec<FieldChange> {
    vec![FieldChange { pointer: String::new(), before, after }]
}
