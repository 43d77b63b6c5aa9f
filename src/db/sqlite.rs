//! SQLite: files, and the settings of each connection to them.

use std::path::Path;
use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::r2d2::{ConnectionManager, CustomizeConnection, Error, Pool};
use diesel::sql_types::{BigInt, Integer, Text};
use diesel::sqlite::SqliteConnection;

use super::database::{Database, Durability, Pools};
use super::outage::Outage;
use super::{Held, OpenError, READERS, WAIT};
use crate::files;

/// Oldest SQLite that is served; older ones may corrupt a WAL file on a checkpoint.
const OLDEST: (i64, i64, i64) = (3, 51, 3);

/// Takes the file for this process and opens it: configuration, and measurements in a second file beside it.
pub(super) fn open(path: &Path) -> Result<(Database, Database, Held), OpenError> {
    let shown = path.display().to_string();
    let unreadable = |reason: String| OpenError::Unreadable { path: shown.clone(), reason };
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        files::create_folder(folder).map_err(|error| unreadable(error.to_string()))?;
    }
    let held = Held::take(path)
        .map_err(|error| unreadable(error.to_string()))?
        .ok_or_else(|| OpenError::InUse { path: shown.clone() })?;
    let open = |path: &str, durability| -> Result<Database, OpenError> {
        let unreadable = |reason| OpenError::Unreadable { path: path.to_owned(), reason };
        // Its companions take over who may read it.
        files::create_private(Path::new(path)).map_err(|error| unreadable(error.to_string()))?;
        let pool = |size| pool(path, size, Pragmas { durability }).map_err(unreadable);
        Ok(Database::sqlite(Pools { writer: pool(1)?, readers: pool(READERS)? }))
    };
    let beside = path.with_extension("measurements.db").display().to_string();
    Ok((open(&shown, Durability::Full)?, open(&beside, Durability::Relaxed)?, held))
}

/// The settings of each connection, set when it is opened and read back.
#[derive(Clone, Copy, Debug)]
struct Pragmas {
    durability: Durability,
}

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
        let (name, number) = match self.durability {
            Durability::Full => ("FULL", 2),
            Durability::Relaxed => ("NORMAL", 1),
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
fn pool(path: &str, size: u32, pragmas: Pragmas) -> Result<Pool<ConnectionManager<SqliteConnection>>, String> {
    // Opened once by itself first: the pool would only say that it timed out.
    let mut first = <SqliteConnection as diesel::Connection>::establish(path).map_err(|error| error.to_string())?;
    pragmas.set(&mut first).map_err(|error| error.to_string())?;
    Pool::builder()
        .max_size(size)
        .min_idle(Some(1))
        .connection_timeout(WAIT)
        .test_on_check_out(false)
        .connection_customizer(Box::new(pragmas))
        .error_handler(Box::new(Outage::default()))
        .build(ConnectionManager::new(path))
        .map_err(|error| error.to_string())
}
