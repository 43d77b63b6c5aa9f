use super::UrlError;
use crate::error::Error;

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
    /// The database server can't be reached, or won't do.
    #[error(
        "the database {url} can't be opened: {reason}; check that PostgreSQL runs there and that host, port, user, \
         password and database are right"
    )]
    Unreachable {
        /// The URL without the password.
        url: String,
        /// As the server or its client says.
        reason: String,
    },
    /// The schema can't be brought up to date.
    #[error("the database {database} can't be migrated: {reason}")]
    Migration {
        /// Its URL without the password.
        database: String,
        /// As the database says.
        reason: String,
    },
}

impl From<diesel::result::Error> for Error {
    fn from(error: diesel::result::Error) -> Self {
        use diesel::result::{DatabaseErrorKind as Kind, Error as Diesel};
        match error {
            // A full disk, a lock or a statement that took too long, a server that goes down: all of them pass.
            Diesel::DatabaseError(
                Kind::ClosedConnection | Kind::UnableToSendCommand | Kind::ReadOnlyTransaction | Kind::Unknown,
                _,
            )
            | Diesel::BrokenTransactionManager
            | Diesel::RollbackErrorOnCommit { .. } => Self::Unavailable(error.into()),
            other => Self::internal(other),
        }
    }
}
