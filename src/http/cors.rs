//! Who may read answers in a browser: each client key says from which origins (CORS, by the Fetch standard).
//!
//! A preflight carries no key, so it passes for an origin that any client key allows; the request that follows carries
//! one, and its answer can be read only where that key allows it. No cookie counts there, so credentials are not allowed.

use actix_web::dev::ServiceRequest;
use actix_web::http::Method;
use actix_web::http::header::{self, HeaderMap, HeaderValue};
use actix_web::{HttpResponse, web};

use super::caller;
use crate::access::Access;

/// What paths begin with that are for pages of other origins.
const SHARED: [&str; 2] = ["/ofrep/", "/api/v1/events"];

/// What goes into every answer there.
const METHODS: HeaderValue = HeaderValue::from_static("POST");
const REQUEST_HEADERS: HeaderValue = HeaderValue::from_static("authorization, content-type, if-none-match, x-api-key");
const EXPOSED: HeaderValue = HeaderValue::from_static("ETag, Retry-After");
/// How long a browser may remember a preflight, in seconds: as long as it takes a new origin to be of use.
const MAX_AGE: HeaderValue = HeaderValue::from_static("600");

/// How a request to a shared path is to be answered as far as browsers are concerned.
pub(super) struct Sharing {
    /// The origin that may read the answer.
    origin: Option<HeaderValue>,
    preflight: bool,
}

impl Sharing {
    /// `None` for a path that is for this server's own pages.
    pub(super) fn of(request: &ServiceRequest) -> Option<Self> {
        SHARED.iter().any(|shared| request.path().starts_with(shared)).then(|| {
            let headers = request.headers();
            let preflight = *request.method() == Method::OPTIONS
                && headers.contains_key(header::ORIGIN)
                && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
            Self { origin: origin(request, preflight), preflight }
        })
    }

    /// The answer to a preflight: what may be sent is said in the headers, or nothing is.
    pub(super) fn answer(&self) -> Option<HttpResponse> {
        self.preflight.then(|| HttpResponse::NoContent().finish())
    }

    /// Adds the headers that a browser goes by.
    pub(super) fn dress(self, headers: &mut HeaderMap) {
        headers.append(header::VARY, HeaderValue::from_static("Origin"));
        let Some(origin) = self.origin else { return };
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        if self.preflight {
            headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
            headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, REQUEST_HEADERS);
            headers.insert(header::ACCESS_CONTROL_MAX_AGE, MAX_AGE);
        } else {
            headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
        }
    }
}

/// The origin that asks, if it may.
fn origin(request: &ServiceRequest, preflight: bool) -> Option<HeaderValue> {
    let origin = request.headers().get(header::ORIGIN)?;
    let access = request.app_data::<web::Data<Access>>()?;
    let token = if preflight { None } else { caller::token(request.request()).ok() };
    access.allows_origin(token.as_ref(), origin.to_str().ok()?).then(|| origin.clone())
}
