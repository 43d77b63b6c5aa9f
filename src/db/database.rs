//! One database: a writer connection and several readers.

use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Instant;

use diesel::connection::SimpleConnection;
use diesel::pg::PgConnection;
use diesel::r2d2::{ConnectionManager, Pool, PooledConnection, R2D2Connection};
use diesel::sqlite::SqliteConnection;
use diesel::{Connection as _, RunQueryDsl as _};

use super::outage::one_line;
use super::postgres;
use super::{Connection, WAIT};
use crate::error::{Error, Result};

/// What a commit outlives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Durability {
    /// Everything: it is on disk before it is acknowledged.
    Full,
    /// The end of the process; the last ones may be lost with the machine.
    Relaxed,
}

/// One connection that writes, so that what follows a commit follows in the order of the commits, and some that read.
pub(super) struct Pools<C: R2D2Connection + Send + 'static> {
    pub(super) writer: Pool<ConnectionManager<C>>,
    pub(super) readers: Pool<ConnectionManager<C>>,
}

impl<C: R2D2Connection + Send + 'static> Clone for Pools<C> {
    fn clone(&self) -> Self {
        Self { writer: self.writer.clone(), readers: self.readers.clone() }
    }
}

/// One of the store's two databases.
#[derive(Clone)]
pub(super) enum Database {
    /// A file.
    Sqlite(Pools<SqliteConnection>),
    /// A part of a database, whose writers of every process wait for each other by a lock of this number.
    Postgres(Pools<PgConnection>, i32),
}

/// How far a call of the store has come. It either begins or is given up, never both.
#[derive(Debug, Default)]
pub(super) struct Progress(AtomicU8);

impl Progress {
    const BEGUN: u8 = 1;
    const GIVEN_UP: u8 = 2;

    /// The database answers: from here on the outcome is waited for.
    pub(super) fn begin(&self) -> Result<()> {
        match self.0.compare_exchange(0, Self::BEGUN, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) | Err(Self::BEGUN) => Ok(()),
            Err(_) => Err(Error::Unavailable("nobody waits for it any more".into())),
        }
    }

    /// Gives the call up, unless it has begun; whether it is given up.
    pub(super) fn give_up(&self) -> bool {
        !matches!(self.0.compare_exchange(0, Self::GIVEN_UP, Ordering::AcqRel, Ordering::Acquire), Err(Self::BEGUN))
    }
}

/// Until when a call waits for its turn.
#[derive(Clone, Copy, Debug)]
pub(super) enum Patience {
    /// A request's, which is answered at this time at the latest if its work has not begun.
    Until(Instant),
    /// A command's, which has nothing else to do: a minute for its turn, however long its statements take.
    Command,
}

impl Patience {
    fn connection<C>(self, pool: &Pool<ConnectionManager<C>>) -> Result<PooledConnection<ConnectionManager<C>>>
    where
        C: R2D2Connection + Send + 'static,
    {
        let time = match self {
            Self::Until(deadline) => deadline.saturating_duration_since(Instant::now()),
            Self::Command => WAIT,
        };
        pool.get_timeout(time).map_err(|error| Error::Unavailable(one_line(&error.to_string()).into()))
    }
}

impl Database {
    /// Runs `query` on a reading connection, which sees one state of the database throughout.
    pub(super) fn read<T>(
        &self,
        patience: Patience,
        progress: &Progress,
        query: impl FnOnce(&mut Connection<'_>) -> Result<T>,
    ) -> Result<T> {
        match self {
            Self::Sqlite(Pools { readers, .. }) => patience.connection(readers)?.transaction(|c| {
                progress.begin()?;
                query(&mut Connection::Sqlite(c))
            }),
            Self::Postgres(Pools { readers, .. }, _) => {
                let mut connection = patience.connection(readers)?;
                connection.build_transaction().repeatable_read().read_only().run(|c| {
                    progress.begin()?;
                    query(&mut Connection::Postgres(c))
                })
            }
        }
    }

    /// Runs `change` in one transaction that no other writer's overlaps, then `after` before any later one commits.
    pub(super) fn write<T>(
        &self,
        patience: Patience,
        progress: &Progress,
        change: impl FnOnce(&mut Connection<'_>) -> Result<T>,
        after: impl FnOnce(&T),
    ) -> Result<T> {
        match self {
            Self::Sqlite(Pools { writer, .. }) => {
                let mut connection = patience.connection(writer)?;
                let committed = connection.immediate_transaction(|c| {
                    progress.begin()?;
                    change(&mut Connection::Sqlite(c))
                })?;
                // The one writer connection is still ours: what follows is in the order of the commits.
                after(&committed);
                Ok(committed)
            }
            Self::Postgres(Pools { writer, .. }, lock) => {
                let mut connection = patience.connection(writer)?;
                let committed = connection.transaction(|c| {
                    if matches!(patience, Patience::Command) {
                        c.batch_execute(postgres::UNHURRIED)?;
                    }
                    postgres::take_turn(*lock).execute(c)?;
                    progress.begin()?;
                    change(&mut Connection::Postgres(c))
                })?;
                after(&committed);
                Ok(committed)
            }
        }
    }
}
