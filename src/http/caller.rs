//! A caller in a handler's signature: a handler that does not name one cannot reach a service.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::http::header;
use actix_web::{FromRequest, HttpRequest, web};

use super::request;
use crate::access::{Access, Caller, Role, SESSION_ELSEWHERE, Secret};
use crate::error::{Error, Result};
use crate::version::IfMatch;

impl FromRequest for Caller {
    type Error = actix_web::Error;
    type Future = Ready<Result<Self, actix_web::Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(caller(request).map_err(Into::into))
    }
}

fn access(request: &HttpRequest) -> Result<&web::Data<Access>> {
    request.app_data::<web::Data<Access>>().ok_or_else(|| Error::internal("no access service"))
}

fn caller(request: &HttpRequest) -> Result<Caller> {
    let caller = access(request)?.authenticate(&token(request)?, request::origin(request))?;
    // A session travels in a cookie and its forms carry a CSRF token: the pages check both.
    if caller.actor.kind == "user" {
        return Err(Error::Unauthenticated(SESSION_ELSEWHERE));
    }
    Ok(caller)
}

/// An SDK key, as far as an evaluation needs to know it: who and from where is left aside, which is sooner done.
#[derive(Clone, Copy, Debug)]
pub struct SdkKey {
    /// Its environment.
    pub environment: i64,
    /// Whether it is a client key.
    pub from_client: bool,
}

impl FromRequest for SdkKey {
    type Error = actix_web::Error;
    type Future = Ready<Result<Self, actix_web::Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(sdk_key(request).map_err(Into::into))
    }
}

fn sdk_key(request: &HttpRequest) -> Result<SdkKey> {
    let (environment, from_client) = access(request)?.grant(&token(request)?)?.sdk_environment()?;
    Ok(SdkKey { environment, from_client })
}

/// A caller of the admin API: an SDK key is refused before anything of the request is looked at.
pub struct Staff(pub Caller);

impl FromRequest for Staff {
    type Error = actix_web::Error;
    type Future = Ready<Result<Self, actix_web::Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let staff = caller(request).and_then(|caller| caller.require(Role::Viewer).map(|()| Self(caller)));
        ready(staff.map_err(Into::into))
    }
}

/// The credential of a request to the API.
///
/// # Errors
/// [`Error::Unauthenticated`] when there is none.
pub fn token(request: &HttpRequest) -> Result<Secret> {
    const NONE: Error = Error::Unauthenticated("send a credential: Authorization: Bearer …");
    if let Some(value) = request.headers().get(header::AUTHORIZATION) {
        let text = value.to_str().map_err(|_| NONE)?;
        let (scheme, token) = text.split_once(' ').ok_or(NONE)?;
        return scheme.eq_ignore_ascii_case("bearer").then(|| Secret::new(token.trim())).ok_or(NONE);
    }
    let key = request.headers().get("x-api-key").and_then(|value| value.to_str().ok());
    key.map(Secret::new).ok_or(NONE)
}

impl FromRequest for IfMatch {
    type Error = actix_web::Error;
    type Future = Ready<Result<Self, actix_web::Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(match request.headers().get(header::IF_MATCH) {
            None => Self::Absent,
            Some(value) => if_match(value.to_str().unwrap_or_default()),
        }))
    }
}

fn if_match(value: &str) -> IfMatch {
    if value.trim() == "*" {
        return IfMatch::Any;
    }
    let tag = value.trim().strip_prefix('"').and_then(|tag| tag.strip_suffix('"'));
    tag.and_then(|tag| tag.parse().ok()).map_or(IfMatch::Nothing, IfMatch::Version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_strong_tag_of_the_version_matches() {
        assert_eq!(if_match("\"7\""), IfMatch::Version(7));
        assert_eq!(if_match("*"), IfMatch::Any);
        for other in ["7", "W/\"7\"", "\"x\"", "", "\"-1\""] {
            assert_eq!(if_match(other), IfMatch::Nothing, "{other}");
        }
    }
}
