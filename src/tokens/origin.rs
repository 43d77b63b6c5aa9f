use deserr::Deserr;
use url::Url;

use crate::access::ANY_ORIGIN;
use crate::input::{Faults, Reject};

/// Most origins of a key.
const MOST: usize = 100;
/// Longest origin, in characters.
const LENGTH: usize = 300;

/// An origin as browsers send it, or `*` for all.
#[derive(Clone, Debug, PartialEq, Eq, Deserr)]
#[deserr(error = Faults, try_from(String) = Origin::new -> Reject)]
pub(super) struct Origin(String);

impl Origin {
    fn new(text: String) -> Result<Self, Reject> {
        if is_origin(&text) {
            return Ok(Self(text));
        }
        let form = "`*` or an origin as browsers send it: scheme://host, with a port unless it is the scheme's own";
        Err(Reject(format!("`{text}` is not {form}")))
    }
}

/// A key's origins, each once.
///
/// # Errors
/// When there are too many.
pub(super) fn each_once(origins: Vec<Origin>) -> Result<Vec<String>, Reject> {
    if origins.len() > MOST {
        return Err(Reject(format!("has at most {MOST} origins")));
    }
    let mut all = Vec::with_capacity(origins.len());
    for Origin(origin) in origins {
        if !all.contains(&origin) {
            all.push(origin);
        }
    }
    Ok(all)
}

fn is_origin(text: &str) -> bool {
    if text == ANY_ORIGIN {
        return true;
    }
    let Ok(url) = Url::parse(text) else { return false };
    // A part that stands for many is no part of an origin.
    if text.len() > LENGTH || !text.is_ascii() || text.contains('*') {
        return false;
    }
    if url.origin().is_tuple() {
        return url.origin().ascii_serialization() == text;
    }
    // The frameworks of apps have schemes of their own, with a bare name for a host.
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-._:".contains(&byte);
    url.has_host()
        && text
            .strip_prefix(url.scheme())
            .and_then(|rest| rest.strip_prefix("://"))
            .is_some_and(|host| !host.is_empty() && host.bytes().all(plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_what_browsers_send() {
        for right in [
            "*",
            "https://example.com",
            "http://localhost:3000",
            "https://xn--bcher-kva.example",
            "http://[::1]:8080",
            "http://127.0.0.1",
            "capacitor://localhost",
            "chrome-extension://abcdefghijklmnop",
        ] {
            assert!(is_origin(right), "{right}");
        }
        for wrong in [
            "",
            "null",
            "example.com",
            "https://example.com/",
            "https://example.com/app",
            "https://example.com:443",
            "https://Example.com",
            "HTTPS://example.com",
            "https://bücher.example",
            "https://ada@example.com",
            "https://*.example.com",
            "https://example.com?x",
            "capacitor://localhost/",
            "file:///etc",
            "data:text/html,x",
            " https://example.com",
        ] {
            assert!(!is_origin(wrong), "{wrong}");
        }
    }

    #[test]
    fn an_origin_is_kept_once() {
        let list = |text: &[&str]| {
            let origins: Result<Vec<_>, _> = text.iter().map(|text| Origin::new((*text).to_owned())).collect();
            origins.and_then(each_once)
        };
        assert_eq!(list(&["*", "http://a", "*"]).unwrap(), ["*", "http://a"]);
        assert!(list(&["*", "http://A"]).is_err());
        assert!(list(&["*"; 101]).is_err());
    }
}
