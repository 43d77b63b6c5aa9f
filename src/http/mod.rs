//! The edge: routes, the error table, request ids, limits and headers. Handlers stand in each domain's `api` and
//! `pages` and stay thin: parse, one call, respond.

pub mod assets;
mod body;
pub mod caller;
mod cors;
pub mod display;
pub mod docs;
mod form;
pub mod health;
pub mod links;
pub mod openapi;
pub mod page;
mod paging;
mod preview;
pub mod problem;
pub mod request;
pub mod session;
pub mod shell;
mod text;
pub mod traffic;

use std::fmt::Display;

use actix_web::http::header;
use actix_web::{HttpResponse, HttpResponseBuilder};
use serde::{Deserialize, Serialize};

pub use body::{BodyLimit, Json, JsonText};
pub use form::Form;
pub use paging::{Page, Paging};
pub use preview::Previewing;
pub use session::{PageCaller, Posted};
pub use text::{TEXT_LIMIT, Text};

use crate::error::{Error, Result};

/// What a query says to a question. What is unclear is refused: taken for "no", it might change things.
///
/// # Errors
/// [`Error::Invalid`], with `pointer`.
pub fn yes_or_no(pointer: &str, value: Option<&str>) -> Result<bool> {
    match value {
        None | Some("false") => Ok(false),
        Some("true") => Ok(true),
        Some(_) => Err(Error::invalid(pointer, "is `true` or `false`")),
    }
}

/// The query of a change that takes no parameters: one that is there for other changes, such as `preview`, must not be passed
/// over.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoParameters {}

/// An object as JSON, with its version as the `ETag`.
pub fn tagged(mut response: HttpResponseBuilder, version: impl Display, object: &impl Serialize) -> HttpResponse {
    response.insert_header((header::ETAG, format!("\"{version}\""))).json(object)
}
