//! Text bodies, taken as they come: they may be far larger than what is read whole.

use std::future::{Ready, ready};
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::http::header;
use actix_web::web::Bytes;
use actix_web::{FromRequest, HttpRequest};
use futures_util::StreamExt as _;
use tokio::time::{Instant, timeout_at};

use super::body::DRAIN;
use crate::error::{Error, Result};

/// Largest body, in bytes.
pub const TEXT_LIMIT: usize = 256 << 20;
/// How long the next part of a body may take to arrive.
const PAUSE: Duration = Duration::from_secs(30);
/// How long a body may take as a whole.
const WHOLE: Duration = Duration::from_secs(600);

/// A body of `text/plain`.
pub struct Text {
    declared: Result<()>,
    payload: Payload,
    seen: usize,
    end: Instant,
}

impl FromRequest for Text {
    type Error = actix_web::Error;
    type Future = Ready<Result<Self, actix_web::Error>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (declared, payload) = (content_type(request), payload.take());
        ready(Ok(Self { declared, payload, seen: 0, end: Instant::now() + WHOLE }))
    }
}

impl Text {
    /// The next part, or none at the end.
    ///
    /// # Errors
    /// [`Error::UnsupportedMediaType`] for another content type; [`Error::TooLarge`] over [`TEXT_LIMIT`];
    /// [`Error::Malformed`] when the body breaks off or takes too long.
    pub async fn next(&mut self) -> Result<Option<Bytes>> {
        std::mem::replace(&mut self.declared, Ok(()))?;
        let deadline = self.end.min(Instant::now() + PAUSE);
        let next = timeout_at(deadline, self.payload.next()).await;
        let next = next.map_err(|_| Error::Malformed("the body did not arrive in time".to_owned()))?;
        let part = next.transpose().map_err(|error| Error::Malformed(format!("the body can't be read: {error}")))?;
        self.seen = self.seen.saturating_add(part.as_ref().map_or(0, Bytes::len));
        if self.seen > TEXT_LIMIT { Err(Error::TooLarge { limit: TEXT_LIMIT }) } else { Ok(part) }
    }

    /// What comes of reading it, after which the rest is thrown away, so that the client gets to read the answer.
    ///
    /// # Errors
    /// What `read` says.
    pub async fn read<T>(mut self, read: impl AsyncFnOnce(&mut Self) -> Result<T>) -> Result<T> {
        let outcome = read(&mut self).await;
        if outcome.is_err() {
            let enough = self.seen.saturating_add(DRAIN);
            let deadline = Instant::now() + PAUSE;
            while let Ok(Some(Ok(part))) = timeout_at(deadline, self.payload.next()).await {
                self.seen = self.seen.saturating_add(part.len());
                if self.seen > enough {
                    break;
                }
            }
        }
        outcome
    }
}

/// Passes `text/plain` in UTF-8, and no content type at all.
fn content_type(request: &HttpRequest) -> Result<()> {
    let Some(declared) = request.headers().get(header::CONTENT_TYPE) else { return Ok(()) };
    let declared = declared.to_str().unwrap_or_default().to_ascii_lowercase();
    let mut parts = declared.split(';').map(str::trim);
    let plain = parts.next() == Some("text/plain");
    let foreign = parts.filter_map(|part| part.strip_prefix("charset=")).any(|charset| {
        let charset = charset.trim_matches('"');
        charset != "utf-8" && charset != "us-ascii"
    });
    if plain && !foreign {
        Ok(())
    } else {
        let what = format!("`{declared}` can't be read here; send Content-Type: text/plain, in UTF-8");
        Err(Error::UnsupportedMediaType(what))
    }
}
