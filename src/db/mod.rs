//! The store: SQLite embedded by default, or PostgreSQL.
//!
//! [`Store`] hands out connections and runs blocking work off the async threads; the queries stand in each domain's
//! `store`, written once and compiled per backend by the macro `on_backend!`.

mod connection;
mod database;
mod error;
mod lane;
mod lock;
mod migrations;
mod outage;
mod postgres;
mod postgres_url;
pub(crate) mod schema;
mod sqlite;
mod time;
mod url;

use std::sync::Arc;
use std::time::{Duration, Instant};

pub use connection::Connection;
pub(crate) use connection::on_backend;
pub use error::OpenError;
pub use lock::Held;
pub use migrations::{Direction, Migration};
pub use time::Timestamp;
pub use url::{DatabaseUrl, PostgresUrl, UrlError};

use crate::error::{Error, Result};
use database::Database;

/// How long a call waits for a connection, and for a database that answers nobody, before the store counts as down.
const WAIT: Duration = Duration::from_millis(1_500);
/// Connections that read at once.
const READERS: u32 = 4;

/// The configuration store and the measurement store behind it.
///
/// On SQLite these are two files, on PostgreSQL tables beside each other with pools of their own, because telemetry must
/// never slow or break configuration.
#[derive(Clone)]
pub struct Store {
    configuration: Database,
    measurements: Database,
    shown: String,
    _held: Option<Arc<Held>>,
}

/// What a store is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Usage {
    /// To serve what it holds, from memory.
    Server,
    /// To change it from outside.
    Command,
}

/// Which of the two databases a query is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Flags, credentials, audit, canaries: every commit is on disk before it is acknowledged.
    Configuration,
    /// Measurement windows: a power cut may cost the last of them.
    Measurements,
}

/// The connections of one kind to one of the databases.
#[derive(Clone, Copy, Debug)]
pub struct PoolState {
    /// Which database: `configuration` or `measurements`.
    pub database: &'static str,
    /// What for: `read` or `write`.
    pub access: &'static str,
    /// How many there are.
    pub connections: u32,
    /// How many of them nothing uses just now.
    pub idle: u32,
}

impl Store {
    /// Opens the store, creating what is missing, without touching the schema.
    ///
    /// # Errors
    /// An [`OpenError`] that says what to do.
    pub fn open(url: &DatabaseUrl) -> Result<Self, OpenError> {
        Self::open_for(url, Usage::Server)
    }

    /// As [`Store::open`], for a command that changes what a server would not see: none may have the store open.
    ///
    /// # Errors
    /// As [`Store::open`], and [`OpenError::InUse`].
    pub fn open_alone(url: &DatabaseUrl) -> Result<Self, OpenError> {
        let store = Self::open_for(url, Usage::Command)?;
        let servers = |c: &mut Connection<'_>| match c {
            // The file's lock has kept others out.
            Connection::Sqlite(_) => Ok(0),
            Connection::Postgres(c) => Ok(postgres::servers(c)?),
        };
        let unknown = |error: Error| OpenError::Unreachable { url: store.shown.clone(), reason: error.to_string() };
        // One that has just ended may still be there.
        let late = Instant::now() + WAIT;
        while store.read_now(Part::Configuration, servers).map_err(unknown)? > 0 {
            if Instant::now() > late {
                return Err(OpenError::InUse { path: store.shown });
            }
            std::thread::sleep(WAIT / 30);
        }
        Ok(store)
    }

    fn open_for(url: &DatabaseUrl, usage: Usage) -> Result<Self, OpenError> {
        let (configuration, measurements, held) = match url {
            DatabaseUrl::Sqlite(path) => {
                let (configuration, measurements, held) = sqlite::open(path)?;
                (configuration, measurements, Some(Arc::new(held)))
            }
            DatabaseUrl::Postgres(url) => {
                let (configuration, measurements) = postgres::open(url, usage)?;
                (configuration, measurements, None)
            }
        };
        Ok(Self { configuration, measurements, shown: url.to_string(), _held: held })
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
        database.reads.clone().run(move |call| database.read(call, query)).await
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
        database.writes.clone().run(move |call| database.write(call, change, after)).await
    }

    /// Runs `query` on a reading connection on this thread: for commands, which have nothing else to do.
    ///
    /// # Errors
    /// As [`Store::read`].
    pub fn read_now<T>(&self, part: Part, query: impl FnOnce(&mut Connection<'_>) -> Result<T>) -> Result<T> {
        let database = self.database(part);
        database.read(&database.reads.command(), query)
    }

    /// Runs `change` in one transaction on this thread: for commands.
    ///
    /// # Errors
    /// As [`Store::write`].
    pub fn write_now<T>(&self, part: Part, change: impl FnOnce(&mut Connection<'_>) -> Result<T>) -> Result<T> {
        let database = self.database(part);
        database.write(&database.writes.command(), change, |_| ())
    }

    /// Brings the schema up to date; the names of the migrations that ran.
    ///
    /// # Errors
    /// [`OpenError::Migration`].
    pub fn migrate(&self, direction: Direction) -> Result<Vec<String>, OpenError> {
        migrations::run(self, direction).map_err(|reason| OpenError::Migration { database: self.shown.clone(), reason })
    }

    /// Every migration this version knows, and whether it has run.
    ///
    /// # Errors
    /// [`OpenError::Migration`] when the database can't be read.
    pub fn migrations(&self) -> Result<Vec<Migration>, OpenError> {
        migrations::status(self).map_err(|reason| OpenError::Migration { database: self.shown.clone(), reason })
    }

    /// The connections there are.
    pub fn pools(&self) -> Vec<PoolState> {
        let parts = [("configuration", &self.configuration), ("measurements", &self.measurements)];
        parts.into_iter().flat_map(|(name, database)| database.pools(name)).collect()
    }

    fn database(&self, part: Part) -> &Database {
        match part {
            Part::Configuration => &self.configuration,
            Part::Measurements => &self.measurements,
        }
    }
}

#[cfg(test)]
mod tests;
