//! PostgreSQL: pools, and the settings of each connection.

use diesel::connection::SimpleConnection;
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::r2d2::{ConnectionManager, CustomizeConnection, Error, Pool};
use diesel::sql_types::{BigInt, Bool, Integer, Nullable, Text};

use super::database::{Database, Durability, Pools};
use super::outage::{Outage, one_line};
use super::url::PostgresUrl;
use super::{OpenError, READERS, Usage, WAIT};

/// Oldest PostgreSQL that is served, as `server_version_num` has it: older ones are not maintained any more.
const OLDEST: i32 = 140_000;

/// The first number of this schema's locks: other schemas of the database have stores of their own.
const SPACE: &str = "hashtext('bellwether ' || current_schema())";
/// Numbers of the parts' locks.
const CONFIGURATION: i32 = 1;
const MEASUREMENTS: i32 = 2;
/// Held in common by every server, as long as it has the store open.
const SERVERS: i32 = 3;

/// For commands: a migration may take as long as it takes.
pub(super) const UNHURRIED: &str = "SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = '60s'";

/// Makes a transaction wait until no other writes to this part of this schema, and keeps others waiting until its end.
pub(super) fn take_turn(
    part: i32,
) -> impl RunQueryDsl<PgConnection> + diesel::query_dsl::methods::ExecuteDsl<PgConnection> {
    diesel::sql_query(format!("SELECT pg_advisory_xact_lock({SPACE}, $1)")).bind::<Integer, _>(part)
}

#[derive(QueryableByName)]
struct Servers {
    #[diesel(sql_type = BigInt)]
    number: i64,
}

/// How many servers have this schema's store open.
pub(super) fn servers(connection: &mut PgConnection) -> QueryResult<i64> {
    let query = format!(
        "SELECT count(*) AS number FROM pg_locks
         WHERE locktype = 'advisory' AND granted AND classid = {SPACE}::oid AND objid = {SERVERS}
           AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    );
    Ok(diesel::sql_query(query).get_result::<Servers>(connection)?.number)
}

/// Opens the database: configuration and measurements by pools of their own, so that neither waits for the other.
pub(super) fn open(url: &PostgresUrl, usage: Usage) -> Result<(Database, Database), OpenError> {
    let unreachable = |reason: String| OpenError::Unreachable { url: url.to_string(), reason };
    check(url).map_err(unreachable)?;
    let outage = Outage::default();
    let open = |durability, lock| -> Result<Database, OpenError> {
        let pool = |size, serves| pool(url, size, Session { durability, serves }, outage.clone()).map_err(unreachable);
        let serves = usage == Usage::Server && durability == Durability::Full;
        Ok(Database::postgres(Pools { writer: pool(1, serves)?, readers: pool(READERS, false)? }, lock))
    };
    Ok((open(Durability::Full, CONFIGURATION)?, open(Durability::Relaxed, MEASUREMENTS)?))
}

#[derive(QueryableByName)]
struct Server {
    #[diesel(sql_type = Integer)]
    number: i32,
    #[diesel(sql_type = Text)]
    version: String,
    #[diesel(sql_type = Text)]
    encoding: String,
    #[diesel(sql_type = Nullable<Text>)]
    schema: Option<String>,
    #[diesel(sql_type = Bool)]
    standby: bool,
}

/// Connects once, as a pool would only say that it timed out, and looks whether the server will do.
fn check(url: &PostgresUrl) -> Result<(), String> {
    let mut connection = PgConnection::establish(url.reveal()).map_err(|error| one_line(&error.to_string()))?;
    let server: Server = diesel::sql_query(
        "SELECT current_setting('server_version_num')::int AS number, current_setting('server_version') AS version,
                current_setting('server_encoding') AS encoding, current_schema()::text AS schema,
                pg_is_in_recovery() AS standby",
    )
    .get_result(&mut connection)
    .map_err(|error| one_line(&error.to_string()))?;
    if server.number < OLDEST {
        return Err(format!("it is PostgreSQL {}, and 14 is the oldest that is served", server.version));
    }
    if server.encoding != "UTF8" {
        return Err(format!("the database is encoded in {}; create it with ENCODING 'UTF8'", server.encoding));
    }
    if server.schema.is_none() {
        return Err("no schema of its search_path exists; create the schema first".to_owned());
    }
    if server.standby {
        return Err("it is a standby, which takes no writes; give the primary's host".to_owned());
    }
    Session { durability: Durability::Full, serves: false }
        .set(&mut connection)
        .map_err(|error| one_line(&error.to_string()))
}

/// The settings of each connection.
#[derive(Clone, Copy, Debug)]
struct Session {
    durability: Durability,
    /// Whether it shows others that a server has the store open.
    serves: bool,
}

impl CustomizeConnection<PgConnection, Error> for Session {
    fn on_acquire(&self, connection: &mut PgConnection) -> Result<(), Error> {
        self.set(connection).map_err(Error::QueryError)
    }
}

impl Session {
    fn set(self, connection: &mut PgConnection) -> QueryResult<()> {
        let commit = match self.durability {
            // What waits for replicas too stays as the database has it.
            Durability::Full => "coalesce(nullif(current_setting('synchronous_commit'), 'off'), 'on')",
            Durability::Relaxed => "'off'",
        };
        if self.serves {
            connection.batch_execute(&format!("SELECT pg_advisory_lock_shared({SPACE}, {SERVERS})"))?;
        }
        // A session that vanished in a transaction keeps its locks until the server notices: soon.
        connection.batch_execute(&format!(
            "SELECT set_config('synchronous_commit', {commit}, false);
             SET default_transaction_isolation = 'read committed';
             SET statement_timeout = '5s';
             SET lock_timeout = {lock};
             SET idle_in_transaction_session_timeout = '15s';
             SET tcp_keepalives_idle = 5;
             SET tcp_keepalives_interval = 2;
             SET tcp_keepalives_count = 3;",
            lock = WAIT.as_millis(),
        ))
    }
}

/// A pool of at most `size` connections, each tried before it is handed out: a server that came back is noticed by the
/// first who asks.
fn pool(
    url: &PostgresUrl,
    size: u32,
    session: Session,
    outage: Outage,
) -> Result<Pool<ConnectionManager<PgConnection>>, String> {
    Pool::builder()
        .max_size(size)
        .min_idle(Some(1))
        .connection_timeout(WAIT)
        .test_on_check_out(true)
        .connection_customizer(Box::new(session))
        .error_handler(Box::new(outage))
        .build(ConnectionManager::new(url.reveal()))
        .map_err(|error| one_line(&error.to_string()))
}
