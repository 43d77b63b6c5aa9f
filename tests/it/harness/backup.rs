use std::path::Path;

use bellwether::db::{Connection, DatabaseUrl, Part, Store};
use diesel::RunQueryDsl as _;
use diesel::connection::SimpleConnection as _;
use diesel::pg::PgConnection;
use diesel::sql_types::Text;
use tempfile::TempDir;

/// A copy of a store that no server has open.
pub(crate) enum Backup {
    /// Of SQLite's files.
    Files(TempDir),
    /// Of PostgreSQL's tables, beside them.
    Tables(Vec<String>),
}

#[derive(diesel::QueryableByName)]
struct Table {
    #[diesel(sql_type = Text)]
    name: String,
}

impl Backup {
    pub(super) fn of(url: &DatabaseUrl, folder: &Path) -> Self {
        match url {
            DatabaseUrl::Sqlite(_) => {
                let backup = tempfile::tempdir().unwrap();
                copy_files(folder, backup.path());
                Self::Files(backup)
            }
            DatabaseUrl::Postgres(_) => Self::Tables(on_postgres(url, |c| {
                let query = "SELECT tablename::text AS name FROM pg_tables WHERE schemaname = current_schema()";
                let tables: Vec<Table> = diesel::sql_query(query).load(c).unwrap();
                let tables: Vec<_> = tables.into_iter().map(|table| table.name).collect();
                for table in &tables {
                    c.batch_execute(&format!("CREATE TABLE \"backup of {table}\" AS TABLE {table}")).unwrap();
                }
                tables
            })),
        }
    }

    pub(super) fn put_back(&self, url: &DatabaseUrl, folder: &Path) {
        match self {
            Self::Files(backup) => copy_files(backup.path(), folder),
            Self::Tables(tables) => on_postgres(url, |c| {
                // Triggers and foreign keys wait until all is there.
                c.batch_execute("SET LOCAL session_replication_role = replica").unwrap();
                c.batch_execute(&format!("TRUNCATE {}", tables.join(", "))).unwrap();
                for table in tables {
                    c.batch_execute(&format!("INSERT INTO {table} TABLE \"backup of {table}\"")).unwrap();
                }
            }),
        }
    }
}

fn on_postgres<T>(url: &DatabaseUrl, work: impl FnOnce(&mut PgConnection) -> T) -> T {
    let work = |c: &mut Connection<'_>| match c {
        Connection::Postgres(c) => Ok(work(c)),
        Connection::Sqlite(_) => unreachable!("this store is on PostgreSQL"),
    };
    Store::open(url).unwrap().write_now(Part::Configuration, work).unwrap()
}

fn copy_files(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}
