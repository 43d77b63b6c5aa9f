use std::collections::BTreeMap;

use actix_web::http::StatusCode;
use utoipa::openapi::content::ContentBuilder;
use utoipa::openapi::header::{Header, HeaderBuilder};
use utoipa::openapi::response::{Response, ResponseBuilder};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{Ref, RefOr};

const JSON: &str = "application/json";
const PROBLEM: &str = "application/problem+json";

/// The objects whose version is their `ETag`.
const VERSIONED: [&str; 11] = [
    "Project",
    "Environment",
    "Token",
    "CreatedToken",
    "Flag",
    "FlagConfiguration",
    "FlagConfigurationOrPreview",
    "Segment",
    "SegmentOrPreview",
    "SegmentKeysOutcome",
    "Canary",
];

/// A problem document's status, its name among the components, and when it is answered.
const PROBLEMS: [(u16, &str, &str); 12] = [
    (400, "Malformed", "The request can't be read: its address, its query or its body."),
    (401, "Unauthenticated", "There is no credential, or it is not known any more."),
    (403, "Forbidden", "The credential is of another kind, or its role does not suffice."),
    (404, "NotFound", "There is no such thing, as far as the caller may know."),
    (409, "Conflict", "The state of things does not allow it now."),
    (412, "StaleVersion", "`If-Match` names another version; `ETag` is the one at hand."),
    (
        413,
        "TooLarge",
        "The body is larger than 1 MiB; 4 MiB for a flag's configuration, and what the operation names for a segment's keys.",
    ),
    (415, "UnsupportedMediaType", "The body is of another content type: it is JSON, or what the operation names."),
    (422, "Invalid", "The request is understood and breaks rules; `errors` names each."),
    (428, "PreconditionRequired", "`If-Match` is required."),
    (429, "TooManyRequests", "There are too many requests; `Retry-After` says when to try again."),
    (503, "Unavailable", "The store does not answer, or there is too much to write; nothing was changed."),
];

/// The responses that operations refer to.
pub(super) fn problems() -> Vec<(String, Response)> {
    let of = |name: &str, schema: &str, status, about: &str| {
        let content = ContentBuilder::new().schema(Some(Ref::from_schema_name(schema))).build();
        let mut response = ResponseBuilder::new().description(about).content(PROBLEM, content).build();
        response.headers = headers_of(status);
        (name.to_owned(), response)
    };
    let plain = PROBLEMS.iter().map(|(status, name, about)| of(name, "Problem", *status, about));
    let ofrep =
        PROBLEMS.iter().map(|(status, name, about)| of(&format!("Ofrep{name}"), "OfrepProblem", *status, about));
    // OFREP answers 400 to what is invalid, and nothing there has a version or is kept.
    plain.chain(ofrep.filter(|(name, _)| OFREP.contains(&name.as_str()))).collect()
}

const OFREP: [&str; 7] = [
    "OfrepMalformed",
    "OfrepUnauthenticated",
    "OfrepForbidden",
    "OfrepNotFound",
    "OfrepTooLarge",
    "OfrepUnsupportedMediaType",
    "OfrepTooManyRequests",
];

/// The problem document of a status.
pub(super) fn problem_of(status: u16, ofrep: bool) -> RefOr<Response> {
    let name = PROBLEMS.iter().find(|(known, ..)| *known == status).map_or("", |(_, name, _)| name);
    let prefix = if ofrep { "Ofrep" } else { "" };
    Ref::from_response_name(format!("{prefix}{name}")).into()
}

fn headers_of(status: u16) -> BTreeMap<String, RefOr<Header>> {
    let more: &[&str] = match status {
        401 => &["WWW-Authenticate"],
        412 => &["ETag"],
        429 | 503 => &["Retry-After"],
        _ => &[],
    };
    let names = more.iter().chain(&["X-Request-Id"]);
    names.map(|name| ((*name).to_owned(), reference(name))).collect()
}

fn reference(header: &str) -> RefOr<Header> {
    RefOr::Ref(Ref::new(format!("#/components/headers/{header}")))
}

/// The headers that responses refer to.
pub(super) fn headers() -> Vec<(String, Header)> {
    let text = |about: &str| {
        let schema = ObjectBuilder::new().schema_type(Type::String);
        HeaderBuilder::new().schema(Some(schema)).description(Some(about)).build()
    };
    let seconds = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(0));
    let wait = HeaderBuilder::new().schema(Some(seconds)).description(Some("Try again after so many seconds.")).build();
    vec![
        ("X-Request-Id".to_owned(), text("Names the request in the server's log and in the audit log.")),
        ("ETag".to_owned(), text("The object's version, in quotes: for `If-Match`.")),
        ("Retry-After".to_owned(), wait),
        ("WWW-Authenticate".to_owned(), text("`Bearer`.")),
    ]
}

/// Gives an answer that a handler describes its headers, and a few words if it has none.
pub(super) fn dress((status, answer): (&String, &mut RefOr<Response>)) {
    let RefOr::T(answer) = answer else { return };
    if answer.description.is_empty() {
        let status = status.parse().ok().and_then(|status| StatusCode::from_u16(status).ok());
        answer.description = status.and_then(|status| status.canonical_reason()).unwrap_or_default().to_owned();
    }
    answer.headers.insert("X-Request-Id".to_owned(), reference("X-Request-Id"));
    if is_versioned(answer) {
        answer.headers.insert("ETag".to_owned(), reference("ETag"));
    }
}

fn is_versioned(answer: &Response) -> bool {
    let Some(RefOr::T(content)) = answer.content.get(JSON) else { return false };
    let Some(RefOr::Ref(schema)) = &content.schema else { return false };
    VERSIONED.iter().any(|name| schema.ref_location.ends_with(&format!("/{name}")))
}
