//! The one table from what went wrong to status, code and title, written as RFC 9457 problem documents.

use actix_web::body::BoxBody;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, ResponseError};
use bellwether_core::{ErrorCode, Fault};
use serde::Serialize;
use utoipa::ToSchema;

use crate::error::Error;

/// How one kind of error is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    /// The HTTP status.
    pub status: StatusCode,
    /// Stable, for programs.
    pub code: &'static str,
    /// For people.
    pub title: &'static str,
}

const fn kind(status: StatusCode, code: &'static str, title: &'static str) -> Kind {
    Kind { status, code, title }
}

impl Kind {
    /// The table.
    pub fn of(error: &Error) -> Self {
        use StatusCode as S;
        match error {
            Error::Malformed(_) => kind(S::BAD_REQUEST, "malformed", "The request can't be read"),
            Error::Invalid(_) => kind(S::UNPROCESSABLE_ENTITY, "invalid", "The request breaks rules"),
            Error::Unauthenticated(_) => kind(S::UNAUTHORIZED, "unauthenticated", "Who is asking is not known"),
            Error::Forbidden(_) => kind(S::FORBIDDEN, "forbidden", "The caller may not do this"),
            Error::NotFound(_) => kind(S::NOT_FOUND, "not_found", "There is no such thing"),
            Error::Conflict(_) | Error::Conflicts(_) => {
                kind(S::CONFLICT, "conflict", "The state of things does not allow it")
            }
            Error::Stale { .. } => kind(S::PRECONDITION_FAILED, "stale_version", "Somebody else has changed it"),
            Error::PreconditionRequired => {
                kind(S::PRECONDITION_REQUIRED, "precondition_required", "If-Match is required")
            }
            Error::TooLarge { .. } => kind(S::PAYLOAD_TOO_LARGE, "too_large", "The body is too large"),
            Error::UnsupportedMediaType(_) => {
                kind(S::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", "The content type is not supported")
            }
            Error::TooMany { .. } => kind(S::TOO_MANY_REQUESTS, "too_many_requests", "There are too many requests"),
            Error::Busy(_) => kind(S::SERVICE_UNAVAILABLE, "busy", "There is too much to do"),
            Error::Unavailable(_) => kind(S::SERVICE_UNAVAILABLE, "store_unavailable", "The store does not answer"),
            Error::OutcomeUnknown(_) => {
                kind(S::SERVICE_UNAVAILABLE, "outcome_unknown", "Whether it was done is not known")
            }
            Error::Internal(_) => kind(S::INTERNAL_SERVER_ERROR, "internal", "The server failed"),
        }
    }

    /// For a status that the framework itself answered.
    pub(super) fn of_status(status: StatusCode) -> Self {
        match status {
            StatusCode::NOT_FOUND => kind(status, "not_found", "There is no such path"),
            StatusCode::METHOD_NOT_ALLOWED => kind(status, "method_not_allowed", "The path has no such method"),
            StatusCode::BAD_REQUEST => kind(status, "malformed", "The request can't be read"),
            StatusCode::PAYLOAD_TOO_LARGE => kind(status, "too_large", "The body is too large"),
            other if other.is_server_error() => kind(other, "internal", "The server failed"),
            other => kind(other, "refused", "The request was refused"),
        }
    }
}

impl ResponseError for Error {
    fn status_code(&self) -> StatusCode {
        Kind::of(self).status
    }

    /// Empty: the document needs the request's id and path, which `request` adds on the way out.
    fn error_response(&self) -> HttpResponse<BoxBody> {
        HttpResponse::new(self.status_code())
    }
}

/// A problem document: RFC 9457.
#[derive(Debug, Serialize, ToSchema)]
pub struct Problem<'p> {
    /// `urn:bellwether:problem:` and the code.
    #[serde(rename = "type")]
    kind: String,
    /// What kind of thing went wrong, for people.
    title: &'p str,
    /// The HTTP status.
    status: u16,
    /// The kind, for programs; it stays the same.
    code: &'p str,
    /// What went wrong this time, for people.
    detail: String,
    /// The path that was asked for.
    instance: &'p str,
    /// The id under which the server logged the request.
    request_id: &'p str,
    /// Every fault of the request at once, up to a thousand.
    #[schema(value_type = Vec<Fault>)]
    errors: &'p [Fault],
}

/// A problem document with what OFREP adds to an error.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OfrepProblem<'p> {
    #[serde(flatten)]
    problem: Problem<'p>,
    /// The flag's key.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    key: Option<String>,
    /// Why no value could be served.
    error_code: ErrorCode,
    /// The same for people.
    error_details: String,
}

/// The answer to an error of ours.
pub fn respond(error: &Error, request: &HttpRequest, request_id: &str) -> HttpResponse {
    let mut kind = Kind::of(error);
    if request.path().starts_with("/ofrep/") && kind.status == StatusCode::UNPROCESSABLE_ENTITY {
        kind.status = StatusCode::BAD_REQUEST;
    }
    let code = match error {
        Error::NotFound(_) => ErrorCode::FlagNotFound,
        Error::Malformed(_) => ErrorCode::ParseError,
        Error::Invalid(_) => ErrorCode::InvalidContext,
        _ => ErrorCode::General,
    };
    let mut response = document(kind, error.to_string(), error.faults(), code, request, request_id);
    let headers = response.headers_mut();
    match error {
        Error::Unauthenticated(_) => headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")),
        Error::TooMany { retry_after, .. } => headers.insert(header::RETRY_AFTER, HeaderValue::from(*retry_after)),
        Error::Busy(_) | Error::Unavailable(_) => headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1")),
        Error::Stale { current } => match HeaderValue::from_str(&format!("\"{current}\"")) {
            Ok(etag) => headers.insert(header::ETAG, etag),
            Err(_) => return response,
        },
        _ => return response,
    };
    response
}

/// The answer to a status that the framework gave without a document.
pub fn respond_status(status: StatusCode, request: &HttpRequest, request_id: &str) -> HttpResponse {
    let kind = Kind::of_status(status);
    document(kind, kind.title.to_owned(), &[], ErrorCode::General, request, request_id)
}

/// An OFREP evaluation that ended in an error code rather than a value.
pub fn respond_ofrep(code: ErrorCode, detail: String, request: &HttpRequest, request_id: &str) -> HttpResponse {
    let kind = match code {
        ErrorCode::FlagNotFound => {
            Kind { status: StatusCode::NOT_FOUND, code: "not_found", title: "There is no such flag" }
        }
        ErrorCode::General => Kind::of_status(StatusCode::INTERNAL_SERVER_ERROR),
        _ => Kind { status: StatusCode::BAD_REQUEST, code: "invalid", title: "The flag can't be evaluated for this" },
    };
    document(kind, detail, &[], code, request, request_id)
}

fn document(
    kind: Kind,
    detail: String,
    errors: &[Fault],
    code: ErrorCode,
    request: &HttpRequest,
    request_id: &str,
) -> HttpResponse {
    let path = request.path();
    let error_details = detail.clone();
    let problem = Problem {
        kind: format!("urn:bellwether:problem:{}", kind.code),
        title: kind.title,
        status: kind.status.as_u16(),
        code: kind.code,
        detail,
        instance: path,
        request_id,
        errors,
    };
    let mut response = HttpResponse::build(kind.status);
    response.content_type("application/problem+json");
    if path.starts_with("/ofrep/") {
        // The one variable part of a path there, decoded.
        let decoded = |key: &str| percent_encoding::percent_decode_str(key).decode_utf8_lossy().into_owned();
        let key = path.strip_prefix("/ofrep/v1/evaluate/flags/").map(decoded);
        return response.json(OfrepProblem { problem, key, error_code: code, error_details });
    }
    response.json(problem)
}

#[cfg(test)]
mod tests;
