use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::http::header;
use actix_web::web::{Bytes, BytesMut};
use actix_web::{FromRequest, HttpRequest};
use bellwether_core::Fault;
use deserr::Deserr;
use futures_util::StreamExt as _;
use serde_json::Value;

use crate::error::{Error, Result};
use crate::input::{self, Faults, Found};

/// Largest body, in bytes, where a route has no [`BodyLimit`] of its own.
const LIMIT: usize = 1 << 20;
/// How much of a body over the limit is read and thrown away, so that the client gets to read the answer.
pub(super) const DRAIN: usize = 16 << 20;
/// How long a body may take to arrive.
const DEADLINE: Duration = Duration::from_secs(30);

/// Largest body of a resource that has it among its data, in bytes.
#[derive(Clone, Copy, Debug)]
pub struct BodyLimit(pub usize);

/// A JSON body, read whole within the limits; null when there is none.
#[derive(Debug)]
pub struct Json(pub Value);

impl Json {
    /// The body as a `T`, or every fault of it.
    ///
    /// # Errors
    /// [`Error::Invalid`].
    pub fn read<T: Deserr<Faults>>(self) -> Result<T> {
        input::read(self.0)
    }

    /// The body as what `make` makes of it, or every fault of it.
    ///
    /// # Errors
    /// [`Error::Invalid`], or what `make` says.
    pub fn read_then<T: Deserr<Faults>, U>(self, make: impl FnMut(T) -> Result<U>) -> Result<U> {
        input::read_then(self.0, make)
    }

    /// The body as what `make` makes of it, and all that is wrong with it: for what is held against more than the body.
    ///
    /// # Errors
    /// [`Error::Invalid`] when too little of it can be read.
    pub fn read_with<T: Deserr<Faults>, U>(self, make: impl FnMut(T) -> (U, Vec<Fault>)) -> Result<(U, Found)> {
        input::read_with(self.0, make)
    }

    /// As [`Json::read_then`], with a body left out standing for the default.
    ///
    /// # Errors
    /// [`Error::Invalid`], or what `make` says.
    pub fn read_or_default_then<T: Deserr<Faults> + Default, U>(
        self,
        mut make: impl FnMut(T) -> Result<U>,
    ) -> Result<U> {
        if self.0.is_null() { make(T::default()) } else { input::read_then(self.0, make) }
    }
}

/// A body that is said to be JSON, read whole within the limits, for those who read it themselves.
#[derive(Debug)]
pub struct JsonText(pub Bytes);

impl FromRequest for JsonText {
    type Error = actix_web::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self, actix_web::Error>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let declared = content_type(request);
        let limit = request.app_data::<BodyLimit>().map_or(LIMIT, |limit| limit.0);
        let payload = payload.take();
        Box::pin(async move {
            // The body is read before it is refused, or the client might not see the answer.
            let body = whole(payload, limit).await?;
            if !body.is_empty() {
                declared?;
            }
            Ok(Self(body))
        })
    }
}

impl FromRequest for Json {
    type Error = actix_web::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self, actix_web::Error>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let body = JsonText::from_request(request, payload);
        Box::pin(async move {
            let JsonText(body) = body.await?;
            Ok(Self(input::parse(&body)?))
        })
    }
}

/// Passes `application/json`, `application/…+json`, and no content type at all.
fn content_type(request: &HttpRequest) -> Result<()> {
    let Some(declared) = request.headers().get(header::CONTENT_TYPE) else { return Ok(()) };
    let declared = declared.to_str().unwrap_or_default();
    let essence = declared.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json")) {
        Ok(())
    } else {
        Err(Error::UnsupportedMediaType(format!("`{essence}` can't be read here; send Content-Type: application/json")))
    }
}

/// The whole body of a request.
///
/// # Errors
/// [`Error::TooLarge`] over `limit` bytes, [`Error::Malformed`] when it breaks off or takes too long.
pub(super) async fn whole(mut payload: Payload, limit: usize) -> Result<Bytes> {
    let read = async {
        let (mut first, mut body, mut seen) = (Bytes::new(), BytesMut::new(), 0_usize);
        while let Some(chunk) = payload.next().await {
            let chunk = chunk.map_err(|error| Error::Malformed(format!("the body can't be read: {error}")))?;
            seen = seen.saturating_add(chunk.len());
            if seen == chunk.len() {
                // Most bodies are of one piece, which then is not copied.
                first = chunk;
            } else if seen <= limit {
                body.extend_from_slice(&std::mem::take(&mut first));
                body.extend_from_slice(&chunk);
            } else if seen > DRAIN {
                break;
            }
        }
        if seen > limit {
            return Err(Error::TooLarge { limit });
        }
        Ok(if body.is_empty() { first } else { body.freeze() })
    };
    let mut read = std::pin::pin!(read);
    // Most bodies are here already, and need no timer.
    if let Poll::Ready(body) = poll_fn(|context| Poll::Ready(read.as_mut().poll(context))).await {
        return body;
    }
    let late = |_| Error::Malformed(format!("the body did not arrive within {} s", DEADLINE.as_secs()));
    tokio::time::timeout(DEADLINE, read).await.map_err(late)?
}
