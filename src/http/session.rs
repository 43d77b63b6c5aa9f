//! Who is at a page: the session in the cookie, and the proof in each form that a page of this session sent it.

use std::future::{Future, Ready, ready};
use std::pin::Pin;

use actix_web::cookie::{Cookie, SameSite, time};
use actix_web::dev::Payload;
use actix_web::error::InternalError;
use actix_web::http::Method;
use actix_web::{FromRequest, HttpRequest, web};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::shell::User;
use super::{form, links, page, request};
use crate::access::{Access, Caller, Secret, Session};
use crate::error::{Error, Result};

/// What the token in the forms is derived from the session for.
const CSRF: &str = "csrf";

/// Somebody who is logged in: for pages what [`Caller`] is for the API. Who is not is led to the log-in.
#[derive(Debug)]
pub struct PageCaller {
    /// Who, for the services.
    pub caller: Caller,
    token: Secret,
}

/// A form that a page of the caller's own session posted.
#[derive(Debug)]
pub struct Posted<T> {
    /// Who.
    pub user: PageCaller,
    /// The fields.
    pub form: T,
}

#[derive(Deserialize)]
struct Proof {
    csrf_token: String,
}

impl PageCaller {
    /// The caller of a request by its cookie.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`] when there is no session, or it has ended.
    pub fn of(request: &HttpRequest) -> Result<Self> {
        const NOBODY: Error = Error::Unauthenticated("there is no session, or it has ended; log in and try again");
        let access = request.app_data::<web::Data<Access>>();
        let access = access.ok_or_else(|| Error::internal("no access service"))?;
        let cookie = request.cookie(cookie_name(request)).ok_or(NOBODY)?;
        let token = Secret::new(cookie.value());
        let caller = access.authenticate(&token, request::origin(request)).map_err(|_| NOBODY)?;
        // A token or a key is no session, wherever it is shown.
        if caller.actor.kind == "user" { Ok(Self { caller, token }) } else { Err(NOBODY) }
    }

    /// The token that each form of this session posts back.
    #[must_use]
    pub fn csrf(&self) -> String {
        self.token.derived(CSRF)
    }

    /// The session's own token.
    #[must_use]
    pub fn token(&self) -> &Secret {
        &self.token
    }

    /// As the header shows the caller.
    #[must_use]
    pub fn shown(&self) -> User {
        let role = self.caller.role().map(|role| role.name().to_owned());
        User { name: self.caller.actor.name.clone(), role: role.unwrap_or_default() }
    }
}

impl FromRequest for PageCaller {
    type Error = actix_web::Error;
    type Future = Ready<Result<Self, actix_web::Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Self::of(request).map_err(|error| led_to_log_in(request, error)))
    }
}

/// A person who opens a page logs in and comes back to it; anything else is an error.
fn led_to_log_in(request: &HttpRequest, error: Error) -> actix_web::Error {
    let opens = request.method() == Method::GET && !page::is_swap(request);
    if !opens || !matches!(error, Error::Unauthenticated(_)) {
        return error.into();
    }
    let wanted = request.uri().path_and_query().map_or(links::HOME, |wanted| wanted.as_str());
    InternalError::from_response(error, page::see_other(&links::login(wanted))).into()
}

impl<T: DeserializeOwned> FromRequest for Posted<T> {
    type Error = actix_web::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self, actix_web::Error>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let user = PageCaller::of(request);
        let text = form::text(request, payload.take());
        Box::pin(async move {
            let text = text.await;
            let user = user?;
            let text = text?;
            let proof: Proof = form::read(&text)?;
            if !user.token.has_derived(CSRF, &proof.csrf_token) {
                let what = "the form is of another session; reload the page and try again";
                return Err(Error::Forbidden(what.to_owned()).into());
            }
            Ok(Self { user, form: form::read(&text)? })
        })
    }
}

/// The cookie that carries a session to the browser.
#[must_use]
pub fn cookie(request: &HttpRequest, session: &Session) -> Cookie<'static> {
    let mut cookie = Cookie::new(cookie_name(request), session.token.reveal().to_owned());
    cookie.set_max_age(time::Duration::seconds(session.seconds));
    confined(request, cookie)
}

/// The cookie that takes the session away again.
#[must_use]
pub fn no_cookie(request: &HttpRequest) -> Cookie<'static> {
    let mut cookie = confined(request, Cookie::new(cookie_name(request), ""));
    cookie.make_removal();
    cookie
}

fn confined(request: &HttpRequest, mut cookie: Cookie<'static>) -> Cookie<'static> {
    cookie.set_path("/");
    cookie.set_http_only(true);
    cookie.set_same_site(SameSite::Lax);
    cookie.set_secure(is_secure(request));
    cookie
}

/// The prefix makes browsers refuse the cookie from any other host and without TLS.
fn cookie_name(request: &HttpRequest) -> &'static str {
    if is_secure(request) { "__Host-bw_session" } else { "bw_session" }
}

/// Whether the browser's connection is encrypted: whether this server's listener is.
fn is_secure(request: &HttpRequest) -> bool {
    request.app_config().secure()
}
