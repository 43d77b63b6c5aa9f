use std::future::Future;
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::http::header;
use actix_web::{FromRequest, HttpRequest, web};
use serde::de::DeserializeOwned;

use super::body;
use crate::error::{Error, Result};

/// Largest form, in bytes.
const LIMIT: usize = 64 << 10;
const URLENCODED: &str = "application/x-www-form-urlencoded";

/// A form that a page of this server posted, as far as the browser says where it comes from. Without a session, and so
/// without a token in the form: that is [`super::Posted`].
#[derive(Debug)]
pub struct Form<T>(pub T);

impl<T: DeserializeOwned> FromRequest for Form<T> {
    type Error = actix_web::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self, actix_web::Error>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let text = text(request, payload.take());
        Box::pin(async move { Ok(Self(read(&text.await?)?)) })
    }
}

/// The form's text, when no other site sent it.
pub(super) fn text(request: &HttpRequest, payload: Payload) -> impl Future<Output = Result<String>> + 'static {
    let own = from_this_server(request);
    let declared = request.headers().get(header::CONTENT_TYPE).and_then(|declared| declared.to_str().ok());
    let essence = declared.unwrap_or_default().split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    async move {
        // The body is read before it is refused, or the browser might not see the answer.
        let body = body::whole(payload, LIMIT).await?;
        own?;
        if essence != URLENCODED {
            return Err(Error::UnsupportedMediaType(format!("`{essence}` can't be read here; send {URLENCODED}")));
        }
        String::from_utf8(body.to_vec()).map_err(|_| Error::Malformed("the form is not UTF-8".to_owned()))
    }
}

/// The form's fields.
pub(super) fn read<T: DeserializeOwned>(text: &str) -> Result<T> {
    if text.contains("%00") || text.contains('\0') {
        return Err(Error::Malformed("the form holds U+0000, which no text here may".to_owned()));
    }
    let fields = web::Query::<T>::from_query(text);
    Ok(fields.map_err(|error| Error::Malformed(format!("the form can't be read: {error}")))?.into_inner())
}

/// Refuses what a browser says another site sent. Other clients say nothing, and have no cookie that a stranger could
/// make use of.
fn from_this_server(request: &HttpRequest) -> Result<()> {
    let header = |name: &str| request.headers().get(name).map(|value| value.to_str().unwrap_or_default());
    let site = header("sec-fetch-site").is_none_or(|site| matches!(site, "same-origin" | "none"));
    let origin = header("origin").is_none_or(|origin| {
        let authority = origin.split_once("://").map(|(_, authority)| authority);
        authority.zip(header("host")).is_some_and(|(sender, own)| sender.eq_ignore_ascii_case(own))
    });
    if site && origin {
        return Ok(());
    }
    Err(Error::Forbidden("another site sent this form; nothing was done".to_owned()))
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn sent(headers: &[(&'static str, &'static str)]) -> bool {
        let mut request = TestRequest::post();
        for header in headers {
            request = request.insert_header(*header);
        }
        from_this_server(&request.to_http_request()).is_ok()
    }

    #[test]
    fn a_form_of_this_server_passes() {
        assert!(sent(&[]));
        assert!(sent(&[("host", "flags.example.com"), ("origin", "https://flags.example.com")]));
        assert!(sent(&[("host", "127.0.0.1:8080"), ("origin", "http://127.0.0.1:8080")]));
        assert!(sent(&[("sec-fetch-site", "same-origin")]));
    }

    #[test]
    fn a_form_of_another_site_does_not() {
        for origin in ["https://evil.example", "http://127.0.0.1:8081", "http://127.0.0.1", "null", ""] {
            assert!(!sent(&[("host", "127.0.0.1:8080"), ("origin", origin)]), "{origin}");
        }
        assert!(!sent(&[("origin", "http://127.0.0.1:8080")]), "nothing to compare with");
        for site in ["cross-site", "same-site", "x"] {
            assert!(!sent(&[("sec-fetch-site", site)]), "{site}");
        }
    }
}
