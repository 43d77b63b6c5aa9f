//! Queries that no domain has a use for, the same on each database.

use bellwether::db::Connection;
use bellwether::error::Result;
use diesel::RunQueryDsl as _;

#[derive(diesel::QueryableByName)]
struct Row {
    #[diesel(sql_type = diesel::sql_types::Text)]
    text: String,
}

/// Runs a statement; how many rows it was about.
pub(crate) fn execute(connection: &mut Connection<'_>, statement: &str) -> Result<usize> {
    let statement = diesel::sql_query(statement);
    Ok(match connection {
        Connection::Sqlite(c) => statement.execute(*c)?,
        Connection::Postgres(c) => statement.execute(*c)?,
    })
}

/// The column `text` of each row.
pub(crate) fn texts(connection: &mut Connection<'_>, query: &str) -> Result<Vec<String>> {
    let query = diesel::sql_query(query);
    let rows: Vec<Row> = match connection {
        Connection::Sqlite(c) => query.load(*c)?,
        Connection::Postgres(c) => query.load(*c)?,
    };
    Ok(rows.into_iter().map(|row| row.text).collect())
}
