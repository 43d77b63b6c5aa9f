use diesel::pg::PgConnection;
use diesel::sqlite::SqliteConnection;

/// A borrowed connection to whichever database the store is on.
pub enum Connection<'c> {
    /// SQLite.
    Sqlite(&'c mut SqliteConnection),
    /// PostgreSQL.
    Postgres(&'c mut PgConnection),
}

/// Compiles a query once for each backend: `on_backend!(connection, |c| query.load(c))`.
macro_rules! on_backend {
    ($connection:expr, |$c:ident| $query:expr) => {
        match $connection {
            $crate::db::Connection::Sqlite(c) => {
                let $c: &mut diesel::sqlite::SqliteConnection = c;
                $query
            }
            $crate::db::Connection::Postgres(c) => {
                let $c: &mut diesel::pg::PgConnection = c;
                $query
            }
        }
    };
}
pub(crate) use on_backend;
