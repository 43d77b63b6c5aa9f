//! What can go wrong between this process and the server, and what it means for the next attempt.

use std::error::Error as StdError;
use std::mem::{Discriminant, discriminant};
use std::time::Duration;

use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{Response, StatusCode};
use serde::Deserialize;
use thiserror::Error;
use tokio::time::timeout;

use crate::backoff::Cause;

/// The most of an error's body that is read, in bytes.
const PROBLEM_BYTES: usize = 64 * 1024;
/// Who sends nothing for this long, in the middle of an answer or before it, will not send the rest either.
pub(crate) const STALLED: Duration = Duration::from_secs(15);
/// The most of an answer's explanation that is logged, in characters.
const DETAIL_LENGTH: usize = 1_000;

/// An attempt that failed.
#[derive(Debug, Error)]
pub(crate) enum Failure {
    /// No connection, or it broke.
    #[error("{0}")]
    Connection(String),
    /// Nothing came in time.
    #[error("no answer within {} s", .0.as_secs())]
    TimedOut(Duration),
    /// The server answered, but not as hoped.
    #[error("the server answered {status}{}{detail}", if detail.is_empty() { "" } else { ": " })]
    Answer {
        /// The HTTP status.
        status: StatusCode,
        /// What the answer says about itself.
        detail: String,
        /// How long it asks to wait.
        retry_after: Option<Duration>,
    },
    /// The answer can't be read.
    #[error("the answer can't be used: {0}")]
    Unreadable(String),
}

impl Failure {
    /// From an error of a client library, with all its causes.
    pub(crate) fn connection(error: &dyn StdError) -> Self {
        Self::Connection(chain(error))
    }

    /// From an answer's status, headers and body.
    pub(crate) fn answer(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Self {
        let seconds = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
        Self::Answer { status, detail: explanation(body), retry_after: seconds.map(Duration::from_secs) }
    }

    /// From a whole HTTP answer.
    pub(crate) async fn from_response(response: Response) -> Self {
        let (status, headers) = (response.status(), response.headers().clone());
        // An explanation that does not arrive is no reason to lose the status.
        let body = read(response, PROBLEM_BYTES).await.unwrap_or_default();
        Self::answer(status, &headers, &body)
    }

    /// What it means for the next attempt.
    pub(crate) fn cause(&self) -> Cause {
        match self {
            Self::Answer { status, .. } if matches!(status.as_u16(), 401 | 403) => Cause::Denied,
            Self::Answer { retry_after: Some(wait), .. } => Cause::Busy(*wait),
            _ => Cause::Failure,
        }
    }

    /// Whether the same request would fail for ever: the server understood it and does not want it.
    pub(crate) fn is_final(&self) -> bool {
        match self {
            Self::Answer { status, .. } => {
                status.is_client_error() && !matches!(status.as_u16(), 401 | 403 | 408 | 429)
            }
            _ => false,
        }
    }
}

/// Whether something fails at present, so that a failure is reported when it begins and not at each attempt.
#[derive(Debug, Default)]
pub(crate) struct Trouble {
    since: Option<Discriminant<Cause>>,
}

impl Trouble {
    /// Notes a failure; whether it is news: the first in a row, or of another kind than the one before.
    pub(crate) fn begins(&mut self, failure: &Failure) -> bool {
        let kind = discriminant(&failure.cause());
        self.since.replace(kind) != Some(kind)
    }

    /// Notes a success; whether it ends a failure.
    pub(crate) fn ends(&mut self) -> bool {
        self.since.take().is_some()
    }
}

/// An error and its causes in one line.
fn chain(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        if !text.ends_with(&next) {
            text = format!("{text}: {next}");
        }
        cause = error.source();
    }
    text
}

/// What a problem document (RFC 9457) says, in one line; of anything else, nothing.
fn explanation(body: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Problem {
        #[serde(default)]
        title: String,
        #[serde(default)]
        detail: String,
        #[serde(default)]
        errors: Vec<Fault>,
    }
    #[derive(Deserialize)]
    struct Fault {
        pointer: String,
        message: String,
    }
    let Ok(problem) = serde_json::from_slice::<Problem>(body) else { return String::new() };
    let mut text = if problem.detail.is_empty() { problem.title } else { problem.detail };
    for fault in problem.errors {
        text = format!("{text}; {}: {}", fault.pointer, fault.message);
    }
    text.chars().take(DETAIL_LENGTH).collect()
}

/// What the server sends next, if it comes before the server counts as stalled.
pub(crate) async fn unless_stalled<T>(next: impl Future<Output = reqwest::Result<T>>) -> Result<T, Failure> {
    let next = timeout(STALLED, next).await.map_err(|_| Failure::TimedOut(STALLED))?;
    next.map_err(|error| Failure::connection(&error.without_url()))
}

/// The body of an answer, decompressed, of at most `limit` bytes. It may take long, but not stop.
pub(crate) async fn read(mut response: Response, limit: usize) -> Result<Vec<u8>, Failure> {
    let mut body = Vec::new();
    while let Some(chunk) = unless_stalled(response.chunk()).await? {
        if body.len() + chunk.len() > limit {
            return Err(Failure::Unreadable(format!("it is longer than {limit} bytes")));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, retry_after: Option<&str>, body: &str) -> Failure {
        let mut headers = HeaderMap::new();
        if let Some(value) = retry_after {
            headers.insert(RETRY_AFTER, value.parse().unwrap());
        }
        Failure::answer(StatusCode::from_u16(status).unwrap(), &headers, body.as_bytes())
    }

    #[test]
    fn what_an_answer_means_for_the_next_attempt() {
        for (status, retry_after, cause, gives_up) in [
            (400, None, Cause::Failure, true),
            (401, None, Cause::Denied, false),
            (403, Some("7"), Cause::Denied, false),
            (408, None, Cause::Failure, false),
            (413, None, Cause::Failure, true),
            (422, None, Cause::Failure, true),
            (429, Some("7"), Cause::Busy(Duration::from_secs(7)), false),
            (503, Some("7"), Cause::Busy(Duration::from_secs(7)), false),
            (503, Some("Fri, 31 Dec 1999 23:59:59 GMT"), Cause::Failure, false),
            (302, None, Cause::Failure, false),
        ] {
            let failure = answer(status, retry_after, "");
            assert_eq!((failure.cause(), failure.is_final()), (cause, gives_up), "{status}");
        }
        assert!(!Failure::TimedOut(Duration::from_secs(1)).is_final());
    }

    #[test]
    fn a_failure_is_news_once() {
        let mut trouble = Trouble::default();
        assert!(!trouble.ends());
        assert!(trouble.begins(&answer(500, None, "")));
        assert!(!trouble.begins(&answer(502, None, "")));
        assert!(trouble.begins(&answer(401, None, "")), "a refused key after an outage");
        assert!(!trouble.begins(&answer(403, None, "")));
        assert!(trouble.ends() && !trouble.ends());
        assert!(trouble.begins(&answer(401, None, "")));
    }

    #[test]
    fn an_answer_explains_itself() {
        let body = r#"{"title":"Invalid","detail":"one window is wrong","errors":[{"pointer":"/windows/0","message":"k exceeds n"}]}"#;
        let text = answer(422, None, body).to_string();
        assert_eq!(text, "the server answered 422 Unprocessable Entity: one window is wrong; /windows/0: k exceeds n");
        assert_eq!(answer(502, None, "<html>").to_string(), "the server answered 502 Bad Gateway");
    }
}
