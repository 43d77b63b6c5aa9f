//! One database: a writer connection and several readers.

use diesel::connection::SimpleConnection;
use diesel::pg::PgConnection;
use diesel::r2d2::{ConnectionManager, Pool, PooledConnection, R2D2Connection, State};
use diesel::sqlite::SqliteConnection;
use diesel::{Connection as _, RunQueryDsl as _};

use super::lane::{Call, Lane};
use super::outage::one_line;
use super::postgres;
use super::{Connection, PoolState, READERS};
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
pub(super) struct Database {
    pools: Backend,
    /// How calls that read reach it.
    pub(super) reads: Lane,
    /// How calls that write reach it: one at a time.
    pub(super) writes: Lane,
}

#[derive(Clone)]
enum Backend {
    /// A file.
    Sqlite(Pools<SqliteConnection>),
    /// A part of a database, whose writers of every process wait for each other by a lock of this number.
    Postgres(Pools<PgConnection>, i32),
}

fn connection<C>(pool: &Pool<ConnectionManager<C>>, call: &Call) -> Result<PooledConnection<ConnectionManager<C>>>
where
    C: R2D2Connection + Send + 'static,
{
    let connection = pool.get_timeout(call.time_to_connect());
    connection.map_err(|error| Error::Unavailable(one_line(&error.to_string()).into()))
}

impl Database {
    /// A file.
    pub(super) fn sqlite(pools: Pools<SqliteConnection>) -> Self {
        Self::new(Backend::Sqlite(pools))
    }

    /// A part of a database, whose writers of every process wait for each other by the lock of this number.
    pub(super) fn postgres(pools: Pools<PgConnection>, lock: i32) -> Self {
        Self::new(Backend::Postgres(pools, lock))
    }

    fn new(pools: Backend) -> Self {
        Self { pools, reads: Lane::new(READERS), writes: Lane::new(1) }
    }

    /// The connections there are, of the database called `name`.
    pub(super) fn pools(&self, name: &'static str) -> [PoolState; 2] {
        let (read, write) = match &self.pools {
            Backend::Sqlite(pools) => (pools.readers.state(), pools.writer.state()),
            Backend::Postgres(pools, _) => (pools.readers.state(), pools.writer.state()),
        };
        let state = |access, state: State| {
            let State { connections, idle_connections: idle, .. } = state;
            PoolState { database: name, access, connections, idle }
        };
        [state("read", read), state("write", write)]
    }

    /// Runs `query` on a reading connection, which sees one state of the database throughout.
    pub(super) fn read<T>(&self, call: &Call, query: impl FnOnce(&mut Connection<'_>) -> Result<T>) -> Result<T> {
        match &self.pools {
            Backend::Sqlite(Pools { readers, .. }) => connection(readers, call)?.transaction(|c| {
                call.begin()?;
                query(&mut Connection::Sqlite(c))
            }),
            Backend::Postgres(Pools { readers, .. }, _) => {
                let mut connection = connection(readers, call)?;
                connection.build_transaction().repeatable_read().read_only().run(|c| {
                    call.begin()?;
                    query(&mut Connection::Postgres(c))
                })
            }
        }
    }

    /// Runs `change` in one transaction that no other writer's overlaps, then `after` before any later one commits.
    pub(super) fn write<T>(
        &self,
        call: &Call,
        change: impl FnOnce(&mut Connection<'_>) -> Result<T>,
        after: impl FnOnce(&T),
    ) -> Result<T> {
        match &self.pools {
            Backend::Sqlite(Pools { writer, .. }) => {
                let mut connection = connection(writer, call)?;
                let committed = connection.immediate_transaction(|c| {
                    call.begin()?;
                    change(&mut Connection::Sqlite(c))
                })?;
                // The one writer connection is still ours: what follows is in the order of the commits.
                after(&committed);
                Ok(committed)
            }
            Backend::Postgres(Pools { writer, .. }, lock) => {
                let mut connection = connection(writer, call)?;
                let committed = connection.transaction(|c| {
                    if call.is_unhurried() {
                        c.batch_execute(postgres::UNHURRIED)?;
                    }
                    postgres::take_turn(*lock).execute(c)?;
                    call.begin()?;
                    change(&mut Connection::Postgres(c))
                })?;
                after(&committed);
                Ok(committed)
            }
        }
    }
}
