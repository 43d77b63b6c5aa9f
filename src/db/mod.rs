//! The store: SQLite embedded by default, in a shape that a second database is a variant of.
//!
//! [`Store`] hands out connections and runs blocking work off the async threads; the queries stand in each domain's
//! `store`, written once and compiled per backend by the macro `on_backend!`.

mod connection;
mod lock;
mod migrations;
pub(crate) mod schema;
mod time;
mod url;

use std::sync::Arc;
use std::time::Duration;

use diesel::r2d2::{ConnectionManager, Pool};
use diesel::sqlite::SqliteConnection;
use tokio::sync::Semaphore;

pub use connection::Connection;
pub(crate) use connection::on_backend;
pub use lock::Held;
pub use migrations::{Direction, Migration};
pub use time::Timestamp;
pub use url::{DatabaseUrl, UrlError};

use crate::error::{Error, Result};
use crate::files;
use connection::{Pragmas, Synchronous};

/// How long a caller waits for a connection before the store counts as down.
const WAIT: Duration = Duration::from_secs(2);
/// Connections that read at once.
const READERS: u32 = 4;
/// Blocking calls at once; others wait, and are told that the store does not answer when that takes too long.
const BLOCKING: usize = 64;

/// Why a store can't be opened: a sentence that says what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The URL is wrong.
    #[error(transparent)]
    Url(#[from] UrlError),
    /// Another process has the file.
    #[error("{path} is in use by another bellwether process; stop that one first, or give another --database-url")]
    InUse {
        /// The database file.
        path: String,
    },
    /// The folder or the file can't be opened.
    #[error(
        "the database {path} can't be opened: {reason}; check that the path is right and this user may write there"
    )]
    Unreadable {
        /// The database file.
        path: String,
        /// As the system says.
        reason: String,
    },
    /// The schema can't be brought up to date.
    #[error("the database {path} can't be migrated: {reason}")]
    Migration {
        /// The database file.
        path: String,
        /// As the database says.
        reason: String,
    },
}

/// The configuration store and the measurement store behind it.
///
/// On SQLite these are two files, because telemetry must never slow or break configuration.
#[derive(Clone)]
pub struct Store {
    configuration: Database,
    measurements: Database,
    blocking: Arc<Semaphore>,
    path: String,
    _held: Arc<Held>,
}

/// One database: on SQLite one writer connection and several readers.
#[derive(Clone)]
enum Database {
    Sqlite { writer: Pool<ConnectionManager<SqliteConnection>>, readers: Pool<ConnectionManager<SqliteConnection>> },
}

/// Which of the two databases a query is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Flags, credentials, audit, canaries: every commit is on disk before it is acknowledged.
    Configuration,
    /// Measurement windows: a power cut may cost the last of them.
    Measurements,
}

impl Store {
    /// Opens the store, creating what is missing, without touching the schema.
    ///
    /// # Errors
    /// An [`OpenError`] that says what to do.
    pub fn open(url: &DatabaseUrl) -> Result<Self, OpenError> {
        let DatabaseUrl::Sqlite(path) = url;
        let shown = path.display().to_string();
        let unreadable = |reason: String| OpenError::Unreadable { path: shown.clone(), reason };
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            files::create_folder(folder).map_err(|error| unreadable(error.to_string()))?;
        }
        let held = Held::take(path)
            .map_err(|error| unreadable(error.to_string()))?
            .ok_or_else(|| OpenError::InUse { path: shown.clone() })?;
        let open = |path: &str, synchronous| -> Result<Database, OpenError> {
            let unreadable = |reason| OpenError::Unreadable { path: path.to_owned(), reason };
            let pool = |size| connection::pool(path, size, Pragmas { synchronous }).map_err(unreadable);
            Ok(Database::Sqlite { writer: pool(1)?, readers: pool(READERS)? })
        };
        let beside = path.with_extension("measurements.db").display().to_string();
        Ok(Self {
            configuration: open(&shown, Synchronous::Full)?,
            measurements: open(&beside, Synchronous::Normal)?,
            blocking: Arc::new(Semaphore::new(BLOCKING)),
            path: shown,
            _held: Arc::new(held),
        })
    }

    /// Runs `query` on a reading connection, off the async threads.
    ///
    /// # Errors
    /// What `query` says, or [`Error::Unavailable`].
    pub async fn read<T, F>(&self, part: Part, query: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut Connection<'_>) -> Result<T> + Send + 'static,
    {
        let database = self.database(part).clone();
        self.blocking(move || database.read(query)).await
    }

    /// Runs `change` in one immediate transaction, off the async threads.
    ///
    /// # Errors
    /// What `change` says, and then nothing has changed; or [`Error::Unavailable`].
    pub async fn write<T, F>(&self, part: Part, change: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut Connection<'_>) -> Result<T> + Send + 'static,
    {
        self.write_then(part, change, |_| ()).await
    }

    /// As [`Store::write`], with `after` run on what was committed before any later write commits.
    ///
    /// # Errors
    /// As [`Store::write`].
    pub async fn write_then<T, F, A>(&self, part: Part, change: F, after: A) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut Connection<'_>) -> Result<T> + Send + 'static,
        A: FnOnce(&T) + Send + 'static,
    {
        let database = self.database(part).clone();
        self.blocking(move || database.write(change, after)).await
    }

    /// Runs `query` on a reading connection on this thread: for commands, which have nothing else to do.
    ///
    /// # Errors
    /// As [`Store::read`].
    pub fn read_now<T>(&self, part: Part, query: impl FnOnce(&mut Connection<'_>) -> Result<T>) -> Result<T> {
        self.database(part).read(query)
    }

    /// Runs `change` in one transaction on this thread: for commands.
    ///
    /// # Errors
    /// As [`Store::write`].
    pub fn write_now<T>(&self, part: Part, change: impl FnOnce(&mut Connection<'_>) -> Result<T>) -> Result<T> {
        self.database(part).write(change, |_| ())
    }

    /// Brings the schema up to date; the names of the migrations that ran.
    ///
    /// # Errors
    /// [`OpenError::Migration`].
    pub fn migrate(&self, direction: Direction) -> Result<Vec<String>, OpenError> {
        migrations::run(self, direction).map_err(|reason| OpenError::Migration { path: self.path.clone(), reason })
    }

    /// Every migration this version knows, and whether it has run.
    ///
    /// # Errors
    /// [`OpenError::Migration`] when the database can't be read.
    pub fn migrations(&self) -> Result<Vec<Migration>, OpenError> {
        migrations::status(self).map_err(|reason| OpenError::Migration { path: self.path.clone(), reason })
    }

    fn database(&self, part: Part) -> &Database {
        match part {
            Part::Configuration => &self.configuration,
            Part::Measurements => &self.measurements,
        }
    }

    async fn blocking<T: Send + 'static>(&self, work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
        let place = tokio::time::timeout(WAIT, self.blocking.clone().acquire_owned());
        let permit = place.await.map_err(|late| Error::Unavailable(late.into()))?.map_err(Error::internal)?;
        let done = tokio::task::spawn_blocking(move || {
            let outcome = work();
            drop(permit);
            outcome
        });
        done.await.map_err(Error::internal)?
    }
}

impl Database {
    fn read<T>(&self, query: impl FnOnce(&mut Connection<'_>) -> Result<T>) -> Result<T> {
        let Self::Sqlite { readers, .. } = self;
        let mut connection = readers.get().map_err(|error| Error::Unavailable(error.into()))?;
        query(&mut Connection::Sqlite(&mut connection))
    }

    fn write<T>(&self, change: impl FnOnce(&mut Connection<'_>) -> Result<T>, after: impl FnOnce(&T)) -> Result<T> {
        let Self::Sqlite { writer, .. } = self;
        let mut connection = writer.get().map_err(|error| Error::Unavailable(error.into()))?;
        let committed = connection.immediate_transaction(|c| change(&mut Connection::Sqlite(c)))?;
        // The one writer connection is still ours: what follows is in the order of the commits.
        after(&committed);
        Ok(committed)
    }
}

impl From<diesel::result::Error> for Error {
    fn from(error: diesel::result::Error) -> Self {
        use diesel::result::{DatabaseErrorKind, Error as Diesel};
        match error {
            Diesel::DatabaseError(DatabaseErrorKind::ClosedConnection | DatabaseErrorKind::Unknown, _)
            | Diesel::BrokenTransactionManager => Self::Unavailable(error.into()),
            other => Self::internal(other),
        }
    }
}

#[cfg(test)]
mod tests;
