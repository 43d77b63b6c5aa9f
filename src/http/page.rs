//! Answers that are pages.

use actix_web::body::{BoxBody, MessageBody as _};
use actix_web::http::header::{self, HeaderMap, HeaderValue};
use actix_web::http::{StatusCode, Uri};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;

use super::links;
use super::problem::Kind;
use super::shell::{Choice, ErrorPage};
use crate::error::{Error, Result};

const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");

/// The page, or the fragment of one.
///
/// # Errors
/// [`Error::Internal`] when the template fails, which none of ours does.
pub fn render(page: &impl Template) -> Result<HttpResponse> {
    render_as(StatusCode::OK, page)
}

/// The page with a status of its own.
///
/// # Errors
/// As [`render`].
pub fn render_as(status: StatusCode, page: &impl Template) -> Result<HttpResponse> {
    let html = page.render().map_err(Error::internal)?;
    Ok(HttpResponse::build(status).insert_header((header::CONTENT_TYPE, HTML)).body(html))
}

/// Leads the browser on to `location`, a path on this server, which it gets anew.
#[must_use]
pub fn see_other(location: &str) -> HttpResponse {
    HttpResponse::SeeOther().insert_header((header::LOCATION, location)).finish()
}

/// Whether htmx asks, to swap a part of the page that is shown.
#[must_use]
pub fn is_swap(request: &HttpRequest) -> bool {
    request.headers().contains_key("hx-request")
}

/// Whether a person looks at the answer to this request: a page's address, and nothing is swapped.
pub(super) fn is_shown(uri: &Uri, headers: &HeaderMap) -> bool {
    let under = |root: &str| uri.path().strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    let page = [links::HOME, links::LOGIN, links::LOGOUT].into_iter().any(under);
    page && !headers.contains_key("hx-request")
}

/// The server's address as this client reaches it: `http://127.0.0.1:8080`.
#[must_use]
pub fn server(request: &HttpRequest) -> String {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
    let scheme = if request.app_config().secure() { "https" } else { "http" };
    format!("{scheme}://{host}")
}

/// Puts the error page in the place of a problem document, whose status and headers stay.
pub(super) fn in_place_of(mut document: HttpResponse, kind: Kind, detail: &str, id: &str) -> HttpResponse {
    let next = match kind.status {
        StatusCode::UNAUTHORIZED => {
            Choice { label: "Log in".to_owned(), href: links::LOGIN.to_owned(), current: false }
        }
        _ => Choice { label: "All flags".to_owned(), href: links::HOME.to_owned(), current: false },
    };
    let page = ErrorPage {
        status: kind.status.as_u16(),
        title: kind.title.to_owned(),
        sentence: sentence(detail),
        request_id: id.to_owned(),
        next,
    };
    let Ok(html) = page.render() else { return document };
    document.headers_mut().insert(header::CONTENT_TYPE, HTML);
    document.set_body::<BoxBody>(html.boxed())
}

/// What an error says, as a sentence of its own.
#[must_use]
pub fn sentence(detail: &str) -> String {
    let mut letters = detail.chars();
    let text: String = letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect();
    if text.is_empty() || text.ends_with(['.', '!', '?']) { text } else { format!("{text}.") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_error_says_becomes_a_sentence() {
        assert_eq!(sentence("there is no flag feature.a"), "There is no flag feature.a.");
        assert_eq!(sentence("Who is asking?"), "Who is asking?");
        assert_eq!(sentence(""), "");
    }

    #[test]
    fn pages_have_error_pages_and_swapped_parts_have_none() {
        let plain = HeaderMap::new();
        let mut swap = HeaderMap::new();
        swap.insert("hx-request".parse().unwrap(), HeaderValue::from_static("true"));
        for path in ["/ui", "/ui/projects/x", "/login", "/logout"] {
            assert!(is_shown(&path.parse().unwrap(), &plain), "{path}");
            assert!(!is_shown(&path.parse().unwrap(), &swap), "{path}");
        }
        for path in ["/", "/uix", "/api/v1/projects", "/static/app.css"] {
            assert!(!is_shown(&path.parse().unwrap(), &plain), "{path}");
        }
    }
}
