//! What surrounds every request: its id, its log line, security headers, and a document for every error.

use std::time::Instant;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::http::{StatusCode, Uri};
use actix_web::middleware::Next;
use actix_web::{HttpMessage, HttpRequest, HttpResponse};
use uuid::{NoContext, Timestamp, Uuid};

use super::cors::Sharing;
use super::page;
use super::problem::{self, Kind};
use super::traffic::Traffic;
use crate::access::Origin;
use crate::error::Error;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// What keeps browsers from being too helpful with an answer. Constants, as a text is checked when it becomes a value.
const SAFETY: [(HeaderName, HeaderValue); 4] = [
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
];
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

/// The id of a request that came with this one, or with none: what can't be one is not taken.
pub fn request_id(given: Option<&str>) -> String {
    let taken = given.filter(|id| is_request_id(id));
    taken.map_or_else(|| random(&mut Uuid::encode_buffer()).to_owned(), str::to_owned)
}

fn is_request_id(id: &str) -> bool {
    (1..=64).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
}

fn random(buffer: &mut [u8]) -> &str {
    Uuid::new_v7(Timestamp::now(NoContext)).hyphenated().encode_lower(buffer)
}

/// The id of a request, in its extensions: as it goes into the answer's head.
#[derive(Clone, Debug)]
struct RequestId(HeaderValue);

impl RequestId {
    /// The one that the request came with, or a new one.
    fn of(headers: &HeaderMap) -> Self {
        Self::accepted(headers).unwrap_or_else(Self::random)
    }

    fn accepted(headers: &HeaderMap) -> Option<Self> {
        let value = headers.get(REQUEST_ID)?;
        is_request_id(value.to_str().ok()?).then(|| Self(value.clone()))
    }

    fn random() -> Self {
        let mut buffer = Uuid::encode_buffer();
        // Hexadecimal digits and hyphens may stand in a head.
        Self(HeaderValue::from_str(random(&mut buffer)).unwrap_or(HeaderValue::from_static("unknown")))
    }

    fn text(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }
}

/// The id of a request that passed [`surround`].
pub fn id(request: &HttpRequest) -> String {
    request.extensions().get::<RequestId>().map(|id| id.text().to_owned()).unwrap_or_default()
}

/// From where a request comes.
pub fn origin(request: &HttpRequest) -> Origin {
    let agent = request.headers().get(header::USER_AGENT).and_then(|agent| agent.to_str().ok());
    Origin {
        request_id: id(request),
        address: request.peer_addr().map(|address| address.ip().to_string()).unwrap_or_default(),
        user_agent: agent.unwrap_or_default().chars().take(200).collect(),
    }
}

/// Whether the caller has the answer called `etag` already. `If-None-Match` compares weakly (RFC 9110, 13.1.2).
pub fn has(request: &HttpRequest, etag: &str) -> bool {
    let known = request.headers().get(header::IF_NONE_MATCH).and_then(|known| known.to_str().ok());
    let known = known.into_iter().flat_map(|known| known.split(',').map(str::trim));
    known.into_iter().any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag)
}

/// The middleware around everything.
///
/// # Errors
/// Never by itself: errors become documents.
pub async fn surround(
    traffic: Traffic,
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let started = Instant::now();
    let sharing = Sharing::of(&request);
    let id = RequestId::of(request.headers());
    request.extensions_mut().insert(id.clone());
    let mut response = if let Some(fault) = address_fault(request.uri()) {
        request.into_response(HttpResponse::from_error(Error::Malformed(fault.to_owned())))
    } else if let Some(answer) = sharing.as_ref().and_then(Sharing::answer) {
        request.into_response(answer)
    } else {
        next.call(request).await?.map_into_boxed_body()
    };
    if response.status().is_client_error() || response.status().is_server_error() {
        response = documented(response, id.text());
    }
    let status = response.status();
    let request = response.request();
    let took = started.elapsed();
    traffic.record(request, status, took);
    let milliseconds = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    tracing::debug!(request_id = id.text(), method = %request.method(), path = request.path(), status = status.as_u16(), milliseconds, "request answered");
    dress(response.headers_mut(), id);
    if let Some(sharing) = sharing {
        sharing.dress(response.headers_mut());
    }
    Ok(response)
}

/// What is wrong with the path or the query, if anything is: what nothing here is named with, or what would be taken for
/// something else.
fn address_fault(uri: &Uri) -> Option<&'static str> {
    let address = uri.path_and_query()?.as_str();
    if !address.contains('%') {
        return None;
    }
    // PostgreSQL keeps no text that has it.
    if address.contains("%00") {
        return Some("the address has U+0000 in it, which nothing here is named with");
    }
    let text = percent_encoding::percent_decode_str(address).decode_utf8();
    text.is_err().then_some("the address is not UTF-8, once decoded")
}

/// Gives an error without a document its document, or its page where a person is looking.
fn documented(response: ServiceResponse<BoxBody>, id: &str) -> ServiceResponse<BoxBody> {
    let error = response.response().error().and_then(|error| error.as_error::<Error>());
    let (mut document, kind, detail) = match error {
        Some(error) => {
            log(error, response.request().path(), id);
            (problem::respond(error, response.request(), id), Kind::of(error), error.to_string())
        }
        None if response.headers().contains_key(header::CONTENT_TYPE) && response.response().error().is_none() => {
            return response;
        }
        None => {
            let kind = Kind::of_status(response.status());
            (problem::respond_status(response.status(), response.request(), id), kind, kind.title.to_owned())
        }
    };
    if page::is_shown(response.request().uri(), response.request().headers()) {
        document = page::in_place_of(document, kind, &detail, id);
    }
    if let Some(allow) = response.headers().get(header::ALLOW) {
        document.headers_mut().insert(header::ALLOW, allow.clone());
    }
    response.into_response(document)
}

/// The one place where a failure is logged. What a caller did wrong is no failure.
fn log(error: &Error, path: &str, request_id: &str) {
    match error {
        Error::Internal(cause) => tracing::error!(%cause, path, request_id, "a request failed"),
        Error::Unavailable(cause) | Error::OutcomeUnknown(cause) => {
            tracing::warn!(%cause, path, request_id, "the store does not answer");
        }
        _ => {}
    }
}

fn dress(headers: &mut HeaderMap, id: RequestId) {
    headers.reserve(6);
    for (name, value) in SAFETY {
        headers.insert(name, value);
    }
    if !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, NO_STORE);
    }
    headers.insert(REQUEST_ID, id.0);
}

/// Answers a path that no route has.
///
/// # Errors
/// Always: 404.
pub async fn no_such_path() -> Result<HttpResponse, actix_web::Error> {
    Ok(HttpResponse::new(StatusCode::NOT_FOUND))
}
