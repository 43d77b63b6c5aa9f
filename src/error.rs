//! What can go wrong in a service, independent of HTTP. `http::problem` gives each its status and code.

use bellwether_core::Fault;

/// The outcome of a service call.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a service refused or failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The request's text is not what its content type says.
    #[error("{0}")]
    Malformed(String),
    /// The request is understood and breaks rules: each of them.
    #[error("{}", list(.0))]
    Invalid(Vec<Fault>),
    /// Nobody known is asking.
    #[error("{0}")]
    Unauthenticated(&'static str),
    /// Somebody is asking who may not.
    #[error("{0}")]
    Forbidden(String),
    /// There is nothing of that name, as far as the caller may know.
    #[error("there is no {0}")]
    NotFound(String),
    /// The state of things does not allow it now.
    #[error("{0}")]
    Conflict(String),
    /// As [`Error::Conflict`], for several objects of one request: each with its place and why.
    #[error("{}", list(.0))]
    Conflicts(Vec<Fault>),
    /// `If-Match` names another version than the one at hand.
    #[error("this is version {current} now; read it again and repeat the change")]
    Stale {
        /// The version at hand.
        current: u64,
    },
    /// `If-Match` is required.
    #[error("send If-Match with the version you have read, so that nobody's change is overwritten")]
    PreconditionRequired,
    /// The body is over the limit.
    #[error("the body is larger than {limit} bytes")]
    TooLarge {
        /// The limit, in bytes.
        limit: usize,
    },
    /// The body is of another content type.
    #[error("{0}")]
    UnsupportedMediaType(String),
    /// Too many of these requests; it is worth trying again later.
    #[error("{what}; try again in {retry_after} s")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// In how many seconds.
        retry_after: u64,
    },
    /// A queue is full; it is worth trying again.
    #[error("{0}")]
    Busy(&'static str),
    /// The store does not answer.
    #[error("the store does not answer; flags are still evaluated from memory")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The store fell silent in the midst of it.
    #[error("the store has not answered, and whether this was done is not known; read it again before you repeat it")]
    OutcomeUnknown(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Our own fault.
    #[error("the server failed; its log has the details under this request's id")]
    Internal(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Error {
    /// One fault.
    pub fn invalid(pointer: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Invalid(vec![Fault::new(pointer, message)])
    }

    /// Our own fault, with its cause for the log.
    pub fn internal(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Internal(cause.into())
    }

    /// What is wrong where in the request.
    pub fn faults(&self) -> &[Fault] {
        if let Self::Invalid(faults) | Self::Conflicts(faults) = self { faults } else { &[] }
    }

    /// `Ok` without faults, or all of them.
    pub fn unless_empty(faults: Vec<Fault>) -> Result<()> {
        if faults.is_empty() { Ok(()) } else { Err(Self::Invalid(faults)) }
    }
}

impl From<serde_json::Error> for Error {
    /// For documents of our own that do not read back: input is parsed by `input`, which names its faults.
    fn from(error: serde_json::Error) -> Self {
        Self::internal(error)
    }
}

fn list(faults: &[Fault]) -> String {
    faults.iter().map(Fault::to_string).collect::<Vec<_>>().join("; ")
}
