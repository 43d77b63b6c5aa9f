//! A store as it is on disk, read beside the server that runs on it.

use bellwether_core::window::Summary;
use chrono::{DateTime, Utc};
use diesel::connection::SimpleConnection as _;
use diesel::pg::{Pg, PgConnection};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable, Text};
use diesel::sqlite::{Sqlite, SqliteConnection};
use serde_json::{Value, json};

/// Connections of the test's own. Each of its methods sees one state of the store.
pub(crate) struct Database {
    configuration: Handle,
    measurements: Handle,
}

/// A connection to either database.
enum Handle {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
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
pub(crate) struct SegmentRow {
    #[diesel(sql_type = BigInt)]
    pub(crate) id: i64,
    #[diesel(sql_type = Text)]
    pub(crate) key: String,
    #[diesel(sql_type = BigInt)]
    pub(crate) version: i64,
    #[diesel(sql_type = Text)]
    pub(crate) digest: String,
}

/// A part of a segment's included keys as they are now.
#[derive(Clone, Debug, QueryableByName)]
pub(crate) struct KeysRow {
    #[diesel(sql_type = BigInt)]
    pub(crate) segment_id: i64,
    #[diesel(sql_type = Text)]
    pub(crate) keys: String,
}

/// Which version of a segment a revision came with.
#[derive(Clone, Debug, QueryableByName)]
pub(crate) struct SegmentRevisionRow {
    #[diesel(sql_type = BigInt)]
    pub(crate) environment_id: i64,
    #[diesel(sql_type = BigInt)]
    pub(crate) revision: i64,
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
    pub(crate) segments: Vec<SegmentRow>,
    /// By segment, rising.
    pub(crate) keys: Vec<KeysRow>,
    /// Those of later revisions than were asked for.
    pub(crate) segment_revisions: Vec<SegmentRevisionRow>,
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

impl Handle {
    fn file(path: &str) -> Self {
        let mut connection = SqliteConnection::establish(path).unwrap();
        connection.batch_execute("PRAGMA busy_timeout = 10000; PRAGMA query_only = ON").unwrap();
        Self::Sqlite(connection)
    }

    fn server(url: &str) -> Self {
        Self::Postgres(PgConnection::establish(url).unwrap())
    }

    /// Reads, at one moment.
    fn at_once<T>(&mut self, read: impl FnOnce(&mut Self) -> T) -> T {
        self.execute(match self {
            Self::Sqlite(_) => "BEGIN",
            Self::Postgres(_) => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
        });
        let found = read(self);
        self.execute("COMMIT");
        found
    }

    fn execute(&mut self, statement: &str) {
        let done = match self {
            Self::Sqlite(connection) => connection.batch_execute(statement),
            Self::Postgres(connection) => connection.batch_execute(statement),
        };
        done.unwrap_or_else(|error| panic!("{statement}: {error}"));
    }

    fn rows<T: QueryableByName<Sqlite> + QueryableByName<Pg> + 'static>(&mut self, query: &str) -> Vec<T> {
        let found = match self {
            Self::Sqlite(connection) => diesel::sql_query(query).load(connection),
            Self::Postgres(connection) => diesel::sql_query(query).load(connection),
        };
        found.unwrap_or_else(|error| panic!("{query}: {error}"))
    }
}

impl Database {
    /// Opens the store at `url` beside whoever has it.
    pub(crate) fn open(url: &str) -> Self {
        let Some(path) = url.strip_prefix("sqlite://") else {
            return Self { configuration: Handle::server(url), measurements: Handle::server(url) };
        };
        let beside = path.strip_suffix(".db").unwrap();
        Self { configuration: Handle::file(path), measurements: Handle::file(&format!("{beside}.measurements.db")) }
    }

    /// The configuration part, with what belongs to later revisions of an environment than `seen` says, and the log
    /// after `sequence`.
    pub(crate) fn configuration(&mut self, seen: impl Fn(i64) -> i64, sequence: i64) -> Configuration {
        self.configuration.at_once(|c| {
            let environments: Vec<EnvironmentRow> =
                c.rows("SELECT id, key, revision, state_hash FROM environments ORDER BY id");
            let (mut versions, mut outbox, mut segment_revisions) = (Vec::new(), Vec::new(), Vec::new());
            for EnvironmentRow { id, .. } in &environments {
                let later = format!("WHERE environment_id = {id} AND revision > {} ORDER BY revision", seen(*id));
                let columns = "flag_id, environment_id, version, revision, configuration";
                versions.extend(c.rows::<VersionRow>(&format!("SELECT {columns} FROM flag_versions {later}")));
                let columns = "environment_id, revision";
                segment_revisions
                    .extend(c.rows::<SegmentRevisionRow>(&format!("SELECT {columns} FROM segment_revisions {later}")));
                let columns = "environment_id, revision, message";
                outbox.extend(c.rows::<OutboxRow>(&format!("SELECT {columns} FROM outbox {later}")));
            }
            Configuration {
                flags: c.rows("SELECT id, key, version, definition, archived_at FROM flags ORDER BY id"),
                configurations: c.rows(
                    "SELECT flag_id, environment_id, flag_key, version, configuration, release_json, served, digest
                     FROM flag_configurations ORDER BY flag_id, environment_id",
                ),
                segments: c.rows("SELECT id, key, version, digest FROM segments ORDER BY id"),
                keys: c.rows(
                    "SELECT segment_id, keys FROM segment_chunks WHERE list = 'included' AND until IS NULL
                     ORDER BY segment_id, first_key",
                ),
                segment_revisions,
                audit: c.rows(&format!(
                    "SELECT sequence, at, actor_kind, actor_id, actor_name, action, resource, project, environment,
                     request_id, address, user_agent, status, reason, changes, hash
                     FROM audit WHERE sequence > {sequence} ORDER BY sequence"
                )),
                canaries: c.rows("SELECT flag_id, environment_id, version, state, policy, progress FROM canaries"),
                log: c.rows("SELECT actor, event, verdict_id FROM canary_log ORDER BY id"),
                guards: c.rows("SELECT release_id, state FROM guard_states ORDER BY release_id, position"),
                verdicts: c.rows("SELECT id, release_id, decision, record FROM verdicts ORDER BY id"),
                environments,
                versions,
                outbox,
            }
        })
    }

    /// Keeps everyone else from writing measurements until the value is dropped.
    pub(crate) fn hold_measurements(mut self) -> Self {
        self.measurements.execute(match self.measurements {
            Handle::Sqlite(_) => "PRAGMA query_only = OFF; BEGIN IMMEDIATE",
            Handle::Postgres(_) => "BEGIN; LOCK TABLE measurement_windows IN ACCESS EXCLUSIVE MODE",
        });
        self
    }

    /// The measurement part.
    pub(crate) fn measurements(&mut self) -> Measurements {
        let (cells, batches): (Vec<WindowRow>, Vec<BatchRow>) = self.measurements.at_once(|c| {
            let windows = c.rows("SELECT release_id, start, arm, metric, summary FROM measurement_windows");
            (windows, c.rows("SELECT instance, sequence FROM measurement_batches"))
        });
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
        for handle in [&mut self.configuration, &mut self.measurements] {
            if matches!(handle, Handle::Sqlite(_)) {
                let found: Vec<Said> = handle.rows("SELECT integrity_check AS said FROM pragma_integrity_check");
                assert_eq!(found.iter().map(|row| row.said.as_str()).collect::<Vec<_>>(), ["ok"]);
            }
        }
    }
}
