//! Logging in and out.

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use serde::Deserialize;

use super::{Access, Secret};
use crate::error::{Error, Result};
use crate::http::session::{cookie, no_cookie};
use crate::http::{Form, PageCaller, Posted, links, page, request};

/// The routes.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource(links::LOGIN).get(show).post(log_in))
        .service(web::resource(links::LOGOUT).post(log_out));
}

/// The log-in page.
#[derive(Clone, Debug, Default, Template)]
#[template(path = "access/login.html")]
pub struct LoginPage {
    /// The user name as it was typed.
    pub username: String,
    /// The path on this server to go to afterwards; empty for the first page.
    pub next: String,
    /// Why the last try failed, in a sentence that does not tell whether the user exists.
    pub fault: Option<String>,
}

#[derive(Deserialize)]
struct Afterwards {
    #[serde(default)]
    next: String,
}

#[derive(Deserialize)]
struct Credentials {
    username: String,
    password: String,
    #[serde(default)]
    next: String,
}

#[derive(Deserialize)]
struct NoFields {}

async fn show(request: HttpRequest, query: web::Query<Afterwards>) -> Result<HttpResponse> {
    let next = query.into_inner().next;
    if PageCaller::of(&request).is_ok() {
        return Ok(page::see_other(links::page_or_home(&next)));
    }
    page::render(&LoginPage { next, ..LoginPage::default() })
}

async fn log_in(http: HttpRequest, access: web::Data<Access>, form: Form<Credentials>) -> Result<HttpResponse> {
    let Form(Credentials { username, password, next }) = form;
    match access.log_in(username.clone(), Secret::new(password), request::origin(&http)).await {
        Ok(session) => {
            // The one that this browser had before ends: nobody can go back to it.
            if let Ok(before) = PageCaller::of(&http) {
                access.log_out(&before.caller, before.token()).await?;
            }
            let mut answer = page::see_other(links::page_or_home(&next));
            answer.add_cookie(&cookie(&http, &session)).map_err(Error::internal)?;
            Ok(answer)
        }
        Err(error) => refused(error, username, next),
    }
}

/// The form again, with what is wrong; a failure that is not the caller's stays one.
fn refused(error: Error, username: String, next: String) -> Result<HttpResponse> {
    let (status, header) = match &error {
        Error::Unauthenticated(_) => {
            (StatusCode::UNAUTHORIZED, (header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")))
        }
        Error::TooMany { retry_after, .. } => {
            (StatusCode::TOO_MANY_REQUESTS, (header::RETRY_AFTER, HeaderValue::from(*retry_after)))
        }
        _ => return Err(error),
    };
    let fault = Some(page::sentence(&error.to_string()));
    let mut answer = page::render_as(status, &LoginPage { username, next, fault })?;
    answer.headers_mut().insert(header.0, header.1);
    Ok(answer)
}

async fn log_out(
    request: HttpRequest,
    access: web::Data<Access>,
    posted: Result<Posted<NoFields>, actix_web::Error>,
) -> Result<HttpResponse, actix_web::Error> {
    let mut answer = page::see_other(links::LOGIN);
    // Who has no session any more is where the button leads.
    if PageCaller::of(&request).is_ok() {
        let user = posted?.user;
        access.log_out(&user.caller, user.token()).await?;
    }
    answer.add_cookie(&no_cookie(&request)).map_err(Error::internal)?;
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_typed_comes_back_as_text() {
        let page = LoginPage {
            username: "\"><script>alert(1)</script>".to_owned(),
            next: "/ui?a=1&b=\"2".to_owned(),
            fault: Some("The user name or the password is <wrong>.".to_owned()),
        };
        let html = page.render().unwrap();
        assert!(!html.contains("<script>"), "{html}");
        assert!(html.contains("role=\"alert\""));
        assert!(html.contains("&#60;wrong&#62;"));
        assert!(!html.contains("value=\"/ui?a=1&b=\"2"));
    }

    #[test]
    fn the_first_look_has_no_fault_and_asks_for_the_name() {
        let html = LoginPage::default().render().unwrap();
        assert!(!html.contains("role=\"alert\""));
        assert!(html.contains("autocomplete=\"current-password\""));
        assert!(html.contains("<form class=\"card\" method=\"post\" action=\"/login\">"));
    }
}
