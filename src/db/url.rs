use std::path::PathBuf;
use std::str::FromStr;

/// Where the store is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DatabaseUrl {
    /// `sqlite://data/bellwether.db` relative to the working folder, `sqlite:///var/lib/…` absolute.
    Sqlite(PathBuf),
}

/// What is wrong with a database URL.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// Not a URL this version knows.
    #[error("the database URL `{0}` is not known; write sqlite://path/to/file.db")]
    Scheme(String),
    /// Not a URL.
    #[error("the database URL does not say which database it is of; write sqlite://path/to/file.db")]
    NoScheme,
    /// Nothing after the scheme.
    #[error("the database URL names no file; write sqlite://path/to/file.db")]
    NoFile,
}

impl FromStr for DatabaseUrl {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        match text.strip_prefix("sqlite://") {
            Some("") => Err(UrlError::NoFile),
            Some(path) => Ok(Self::Sqlite(PathBuf::from(path))),
            // A URL of another kind may hold a password: only what stands before it is repeated.
            None => Err(match text.split_once("://") {
                Some((scheme, _)) => UrlError::Scheme(scheme.to_owned()),
                None => UrlError::NoScheme,
            }),
        }
    }
}
