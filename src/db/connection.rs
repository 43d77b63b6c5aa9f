use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::r2d2::{ConnectionManager, CustomizeConnection, Error, Pool};
use diesel::sql_types::{BigInt, Integer, Text};
use diesel::sqlite::SqliteConnection;

use super::WAIT;

/// A borrowed connection to whichever database the store is on.
pub enum Connection<'c> {
    /// SQLite.
    Sqlite(&'c mut SqliteConnection),
}

/// Compiles a query once for each backend: `on_backend!(connection, |c| query.load(c))`.
macro_rules! on_backend {
    ($connection:expr, |$c:ident| $query:expr) => {
        match $connection {
            $crate::db::Connection::Sqlite(c) => {
                let $c: &mut diesel::sqlite::SqliteConnection = c;
                $query
            }
        }
    };
}
pub(crate) use on_backend;

/// When a commit is on disk.
#[derive(Clone, Copy, Debug)]
pub(super) enum Synchronous {
    /// Before it is acknowledged.
    Full,
    /// At the next checkpoint.
    Normal,
}

/// The settings of each SQLite connection, set when it is opened and read back.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pragmas {
    pub(super) synchronous: Synchronous,
}

/// Oldest SQLite that is served; older ones may corrupt a WAL file on a checkpoint.
const OLDEST: (i64, i64, i64) = (3, 51, 3);

#[derive(QueryableByName)]
struct Read {
    #[diesel(sql_type = Text)]
    mode: String,
    #[diesel(sql_type = Integer)]
    synchronous: i32,
    #[diesel(sql_type = Integer)]
    keys: i32,
    #[diesel(sql_type = Text)]
    version: String,
    #[diesel(sql_type = BigInt)]
    timeout: i64,
}

impl CustomizeConnection<SqliteConnection, Error> for Pragmas {
    fn on_acquire(&self, connection: &mut SqliteConnection) -> Result<(), Error> {
        self.set(connection).map_err(Error::QueryError)
    }
}

impl Pragmas {
    fn set(self, connection: &mut SqliteConnection) -> QueryResult<()> {
        let (name, number) = match self.synchronous {
            Synchronous::Full => ("FULL", 2),
            Synchronous::Normal => ("NORMAL", 1),
        };
        connection.batch_execute(&format!(
            "PRAGMA busy_timeout = {}; PRAGMA journal_mode = WAL; PRAGMA synchronous = {name}; PRAGMA foreign_keys = ON;",
            WAIT.as_millis()
        ))?;
        let read: Read = diesel::sql_query(
            "SELECT journal_mode AS mode, synchronous, foreign_keys AS keys, sqlite_version() AS version, timeout
             FROM pragma_journal_mode, pragma_synchronous, pragma_foreign_keys, pragma_busy_timeout",
        )
        .get_result(connection)?;
        let in_force = read.mode == "wal"
            && read.synchronous == number
            && read.keys == 1
            && Duration::from_millis(read.timeout.unsigned_abs()) == WAIT
            && recent(&read.version);
        if in_force {
            Ok(())
        } else {
            let message = format!("SQLite {} did not take its settings", read.version);
            Err(diesel::result::Error::QueryBuilderError(message.into()))
        }
    }
}

fn recent(version: &str) -> bool {
    let mut parts = version.split('.').map(|part| part.parse::<i64>().unwrap_or(0));
    let mut next = || parts.next().unwrap_or(0);
    (next(), next(), next()) >= OLDEST
}

/// A pool of `size` connections to the file at `path`.
pub(super) fn pool(
    path: &str,
    size: u32,
    pragmas: Pragmas,
) -> Result<Pool<ConnectionManager<SqliteConnection>>, String> {
    // Opened once by itself first: the pool would only say that it timed out.
    let mut first = <SqliteConnection as diesel::Connection>::establish(path).map_err(|error| error.to_string())?;
    pragmas.set(&mut first).map_err(|error| error.to_string())?;
    Pool::builder()
        .max_size(size)
        .min_idle(Some(1))
        .connection_timeout(WAIT)
        .test_on_check_out(false)
        .connection_customizer(Box::new(pragmas))
        .build(ConnectionManager::new(path))
        .map_err(|error| error.to_string())
}
