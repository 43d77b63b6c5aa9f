//! A store as it is on disk, read beside the server that runs on it.

use bellwether_core::window::Summary;
use chrono::{DateTime, Utc};
use diesel::connection::SimpleConnection as _;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable, Text};
use diesel::sqlite::{Sqlite, SqliteConnection};
use serde_json::{Value, json};

/// A connection of the test's own. Each of its methods sees one state of the store.
pub(crate) struct Database {
    configuration: SqliteConnection,
    measurements: SqliteConnection,
}

#[derive(Clone, Debug, QueryableByName)]
pub(crate) struct EnvironmentRow {
    #[diesel(sql_type = BigInt)]
    pub(crate) id: i64,
    #[diesel(sql_type = Text)]
    pub(crate) key: String,
    #[diesel(sql_type = BigInt)]
    pub(crate) revision: i64,
    #[diesel(sql_type = Text)]
    pub(crate) state_hash: String,
}

#[derive(Clone, Debug, QueryableByName)]
pub(crate) struct FlagRow {
    #[diesel(sql_type = BigInt)]
    pub(crate) id: i64,
    #[diesel(sql_type = Text)]
    pub(crate) key: String,
    #[diesel(sql_type = BigInt)]
    pub(crate) version: i64,
    #[diesel(sql_type = Text)]
    pub(crate) definition: String,
    #[diesel(sql_type = Nullable<Text>)]
    pub(crate) archived_at: Option<String>,
}

#[derive(Clone, Debug, QueryableByName)]
pub(crate) struct ConfigurationRow {
    #[diesel(sql_type = BigInt)]
    pub(crate) flag_id: i64,
    #[diesel(sql_type = BigInt)]
    pub(crate) environment_id: i64,
    #[diesel(sql_type = Text)]
    pub(crate) flag_key: String,
    #[diesel(sql_type = BigInt)]
    pub(crate) version: i64,
    #[diesel(sql_type = Text)]
    pub(crate) configuration: String,
    #[diesel(sql_type = Nullable<Text>)]
    pub(crate) release_json: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    pub(crate) served: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    pub(crate) digest: Option<String>,
}

#[derive(Clone, Debug, QueryableByName)]
pub(crate) struct VersionRow {
    #[diesel(sql_type = BigInt)]
    pub(crate) flag_id: i64,
    #[diesel(sql_type = BigInt)]
    pub(crate) environment_id: i64,
    #[diesel(sql_type = BigInt)]
    pub(crate) version: i64,
    #[diesel(sql_type = BigInt)]
    pub(crate) revision: i64,
    #[diesel(sql_type = Text)]
    pub(crate) configuration: String,
}

#[derive(Clone, Debug, QueryableByName)]
pub(crate) struct OutboxRow {
    #[diesel(sql_type = BigInt)]
    pub(crate) environment_id: i64,
    #[diesel(sql_type = BigInt)]
    pub(crate) revision: i64,
    #[diesel(sql_type = Text)]
    pub(crate) message: String,
}

#[derive(Clone, Debug, QueryableByName)]
pub(crate) struct AuditRow {
    #[diesel(sql_type = BigInt)]
    pub(crate) sequence: i64,
    #[diesel(sql_type = Text)]
    at: String,
    #[diesel(sql_type = Text)]
    pub(crate) actor_kind: String,
    #[diesel(sql_type = Text)]
    actor_id: String,
    #[diesel(sql_type = Text)]
    actor_name: String,
    #[diesel(sql_type = Text)]
    pub(crate) action: String,
    #[diesel(sql_type = Text)]
    pub(crate) resource: String,
    #[diesel(sql_type = Nullable<Text>)]
    project: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    pub(crate) environment: Option<String>,
    #[diesel(sql_type = Text)]
    pub(crate) request_id: String,
    #[diesel(sql_type = Text)]
    address: String,
    #[diesel(sql_type = Text)]
    user_agent: String,
    #[diesel(sql_type = Text)]
    status: String,
    #[diesel(sql_type = Text)]
    reason: String,
    #[diesel(sql_type = Text)]
    changes: String,
    #[diesel(sql_type = Text)]
    pub(crate) hash: String,
}

impl AuditRow {
    /// As the API shows it.
    pub(crate) fn shown(&self) -> Value {
        let changes: Value = serde_json::from_str(&self.changes).unwrap();
        json!({
            "sequence": self.sequence, "at": self.at, "action": self.action, "resource": self.resource,
            "actor": {"kind": self.actor_kind, "id": self.actor_id, "name": self.actor_name},
            "project": self.project, "environment": self.environment, "request_id": self.request_id,
            "address": self.address, "user_agent": self.user_agent, "status": self.status, "reason": self.reason,
            "changes": changes, "hash": self.hash,
        })
    }

    /// What changed.
    pub(crate) fn changes(&self) -> Vec<bellwether::audit::FieldChange> {
        serde_json::from_str(&self.changes).unwrap()
    }
}

#[derive(Clone, Debug, QueryableByName)]
pub(crate) struct CanaryRow {
    #[diesel(sql_type = BigInt)]
    pub(crate) flag_id: i64,
    #[diesel(sql_type = BigInt)]
    pub(crate) environment_id: i64,
    #[diesel(sql_type = BigInt)]
    pub(crate) version: i64,
    #[diesel(sql_type = Text)]
    pub(crate) state: String,
    #[diesel(sql_type = Text)]
    pub(crate) policy: String,
    #[diesel(sql_type = Nullable<Text>)]
    pub(crate) progress: Option<String>,
}

#[derive(Clone, Debug, QueryableByName)]
pub(crate) struct LogRow {
    #[diesel(sql_type = Text)]
    pub(crate) actor: String,
    #[diesel(sql_type = Text)]
    pub(crate) event: String,
    #[diesel(sql_type = Nullable<Text>)]
    pub(crate) verdict_id: Option<String>,
}

#[derive(Clone, Debug, QueryableByName)]
pub(crate) struct GuardRow {
    #[diesel(sql_type = Text)]
    pub(crate) release_id: String,
    #[diesel(sql_type = Text)]
    pub(crate) state: String,
}

#[derive(Clone, Debug, QueryableByName)]
pub(crate) struct VerdictRow {
    #[diesel(sql_type = Text)]
    pub(crate) id: String,
    #[diesel(sql_type = Text)]
    pub(crate) release_id: String,
    #[diesel(sql_type = Text)]
    pub(crate) decision: String,
    #[diesel(sql_type = Text)]
    pub(crate) record: String,
}

#[derive(Clone, Debug, QueryableByName)]
struct WindowRow {
    #[diesel(sql_type = Text)]
    release_id: String,
    #[diesel(sql_type = Text)]
    start: String,
    #[diesel(sql_type = Text)]
    arm: String,
    #[diesel(sql_type = Text)]
    metric: String,
    #[diesel(sql_type = Text)]
    summary: String,
}

#[derive(Clone, Debug, QueryableByName)]
struct BatchRow {
    #[diesel(sql_type = Text)]
    instance: String,
    #[diesel(sql_type = BigInt)]
    sequence: i64,
}

#[derive(Clone, Debug, QueryableByName)]
struct Said {
    #[diesel(sql_type = Text)]
    said: String,
}

/// The configuration part, at one moment.
pub(crate) struct Configuration {
    pub(crate) environments: Vec<EnvironmentRow>,
    pub(crate) flags: Vec<FlagRow>,
    pub(crate) configurations: Vec<ConfigurationRow>,
    /// Those of later revisions than were asked for.
    pub(crate) versions: Vec<VersionRow>,
    /// Those of later revisions than were asked for.
    pub(crate) outbox: Vec<OutboxRow>,
    /// Those after the sequence that was asked for, oldest first.
    pub(crate) audit: Vec<AuditRow>,
    pub(crate) canaries: Vec<CanaryRow>,
    pub(crate) log: Vec<LogRow>,
    pub(crate) guards: Vec<GuardRow>,
    pub(crate) verdicts: Vec<VerdictRow>,
}

/// What was counted of one metric in one arm in one window.
pub(crate) struct Cell {
    pub(crate) release: String,
    pub(crate) start: DateTime<Utc>,
    pub(crate) arm: String,
    pub(crate) metric: String,
    pub(crate) summary: Summary,
}

/// The measurement part, at one moment.
pub(crate) struct Measurements {
    pub(crate) cells: Vec<Cell>,
    /// Instance and sequence of each batch that is noted.
    pub(crate) batches: Vec<(String, u64)>,
}

fn open(path: &str) -> SqliteConnection {
    let mut connection = SqliteConnection::establish(path).unwrap();
    connection.batch_execute("PRAGMA busy_timeout = 10000; PRAGMA query_only = ON").unwrap();
    connection
}

fn rows<T: QueryableByName<Sqlite> + 'static>(connection: &mut SqliteConnection, query: &str) -> Vec<T> {
    diesel::sql_query(query).load(connection).unwrap_or_else(|error| panic!("{query}: {error}"))
}

impl Database {
    /// Opens the store at `url` beside whoever has it.
    pub(crate) fn open(url: &str) -> Self {
        let path = url.strip_prefix("sqlite://").unwrap();
        let beside = path.strip_suffix(".db").unwrap();
        Self { configuration: open(path), measurements: open(&format!("{beside}.measurements.db")) }
    }

    /// The configuration part, with what belongs to revisions after `revisions` by environment, and the log after
    /// `sequence`.
    pub(crate) fn configuration(&mut self, revision: impl Fn(i64) -> i64, sequence: i64) -> Configuration {
        let c = &mut self.configuration;
        c.batch_execute("BEGIN").unwrap();
        let environments: Vec<EnvironmentRow> =
            rows(c, "SELECT id, key, revision, state_hash FROM environments ORDER BY id");
        let (mut versions, mut outbox) = (Vec::new(), Vec::new());
        for EnvironmentRow { id, .. } in &environments {
            let later = format!("environment_id = {id} AND revision > {} ORDER BY revision", revision(*id));
            versions.extend(rows::<VersionRow>(
                c,
                &format!(
                    "SELECT flag_id, environment_id, version, revision, configuration FROM flag_versions WHERE {later}"
                ),
            ));
            outbox.extend(rows::<OutboxRow>(
                c,
                &format!("SELECT environment_id, revision, message FROM outbox WHERE {later}"),
            ));
        }
        let all = Configuration {
            flags: rows(c, "SELECT id, key, version, definition, archived_at FROM flags ORDER BY id"),
            configurations: rows(
                c,
                "SELECT flag_id, environment_id, flag_key, version, configuration, release_json, served, digest
                 FROM flag_configurations ORDER BY flag_id, environment_id",
            ),
            audit: rows(
                c,
                &format!(
                    "SELECT sequence, at, actor_kind, actor_id, actor_name, action, resource, project, environment,
                     request_id, address, user_agent, status, reason, changes, hash
                     FROM audit WHERE sequence > {sequence} ORDER BY sequence"
                ),
            ),
            canaries: rows(c, "SELECT flag_id, environment_id, version, state, policy, progress FROM canaries"),
            log: rows(c, "SELECT actor, event, verdict_id FROM canary_log ORDER BY id"),
            guards: rows(c, "SELECT release_id, state FROM guard_states ORDER BY release_id, position"),
            verdicts: rows(c, "SELECT id, release_id, decision, record FROM verdicts ORDER BY id"),
            environments,
            versions,
            outbox,
        };
        c.batch_execute("COMMIT").unwrap();
        all
    }

    /// The measurement part.
    pub(crate) fn measurements(&mut self) -> Measurements {
        let c = &mut self.measurements;
        c.batch_execute("BEGIN").unwrap();
        let cells: Vec<WindowRow> = rows(c, "SELECT release_id, start, arm, metric, summary FROM measurement_windows");
        let batches: Vec<BatchRow> = rows(c, "SELECT instance, sequence FROM measurement_batches");
        c.batch_execute("COMMIT").unwrap();
        let cell = |row: WindowRow| Cell {
            release: row.release_id,
            start: row.start.parse().unwrap(),
            arm: row.arm,
            metric: row.metric,
            summary: serde_json::from_str(&row.summary).unwrap(),
        };
        Measurements {
            cells: cells.into_iter().map(cell).collect(),
            batches: batches.into_iter().map(|row| (row.instance, row.sequence.unsigned_abs())).collect(),
        }
    }

    /// Has the database look at itself.
    ///
    /// # Panics
    /// When it finds something broken.
    pub(crate) fn is_sound(&mut self) {
        for c in [&mut self.configuration, &mut self.measurements] {
            let found: Vec<Said> = rows(c, "SELECT integrity_check AS said FROM pragma_integrity_check");
            assert_eq!(found.iter().map(|row| row.said.as_str()).collect::<Vec<_>>(), ["ok"]);
        }
    }
}
