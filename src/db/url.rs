use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

pub use super::postgres_url::PostgresUrl;

/// Where the store is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DatabaseUrl {
    /// `sqlite://data/bellwether.db` relative to the working folder, `sqlite:///var/lib/…` absolute.
    Sqlite(PathBuf),
    /// `postgres://user:password@host:5432/database`.
    Postgres(PostgresUrl),
}

/// What is wrong with a database URL. None of these repeats a password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// Not a database this version knows.
    #[error("the database URL is of `{0}`, which is not known; write {SQLITE} or {POSTGRES}")]
    Scheme(String),
    /// Not a URL.
    #[error("the database URL does not say which database it is of; write {SQLITE} or {POSTGRES}")]
    NoScheme,
    /// SQLite, and nothing after the scheme.
    #[error("the database URL names no file; write {SQLITE}")]
    NoFile,
    /// SQLite with what its URLs may have elsewhere.
    #[error("the database URL names a file and nothing more: no parameters, no :memory:; write {SQLITE}")]
    FileName,
    /// PostgreSQL without a host.
    #[error("the database URL names no host; write {POSTGRES}, or ?host=/run/postgresql for a socket in that folder")]
    NoHost,
    /// PostgreSQL without a database.
    #[error("the database URL names no database; write {POSTGRES}")]
    NoDatabase,
    /// A port that is none; a password with `/`, `?` or `#` in it reads so too.
    #[error(
        "the port in the database URL is no number from 1 to 65535; if the password has one of / ? # @ in it, write it \
         as %2F %3F %23 %40"
    )]
    Port,
    /// `#` where nothing may follow.
    #[error("the database URL has a # in it; in a password or a name write it as %23")]
    Fragment,
    /// `%` without two hexadecimal digits, or `%00`.
    #[error("the database URL has a % that two hexadecimal digits must follow, and not 00; write % itself as %25")]
    Percent,
    /// The host or another part breaks the rules of URLs.
    #[error("the database URL can't be read: {0}; write {POSTGRES}")]
    Malformed(String),
    /// A parameter that PostgreSQL's client does not know.
    #[error("the database URL has the parameter `{name}`, which is not known; known are {known}")]
    Parameter {
        /// As it was given.
        name: String,
        /// Those there are.
        known: String,
    },
    /// An `sslmode` that there isn't.
    #[error("sslmode={0} is not known; write one of disable, allow, prefer, require, verify-ca, verify-full")]
    SslMode(String),
    /// Encryption is demanded of a program that can't.
    #[error(
        "{0} in the database URL demands encryption, and this program is built without; build it with \
         --features postgres-tls, or take the container image, which has it"
    )]
    NoTls(String),
    /// A number that is none.
    #[error("{0} in the database URL is a whole number")]
    Number(String),
}

const SQLITE: &str = "sqlite://path/to/file.db";
const POSTGRES: &str = "postgres://user:password@host:5432/database";

impl FromStr for DatabaseUrl {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        // A URL of another kind may hold a password: only what stands before it is repeated.
        let Some((scheme, rest)) = text.split_once("://") else { return Err(UrlError::NoScheme) };
        match (scheme.to_ascii_lowercase().as_str(), rest) {
            ("sqlite", "") => Err(UrlError::NoFile),
            ("sqlite", path) if path.contains(['?', '#', '\0']) || path == ":memory:" => Err(UrlError::FileName),
            ("sqlite", path) => Ok(Self::Sqlite(PathBuf::from(path))),
            ("postgres" | "postgresql", _) => text.parse().map(Self::Postgres),
            _ => Err(UrlError::Scheme(scheme.to_owned())),
        }
    }
}

/// Without a password.
impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite://{}", path.display()),
            Self::Postgres(url) => url.fmt(f),
        }
    }
}
