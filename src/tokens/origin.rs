use url::Url;

use crate::access::ANY_ORIGIN;
use crate::input::Reject;

/// Most origins of a key.
const MOST: usize = 100;
/// Longest origin, in characters.
const LENGTH: usize = 300;

/// Origins as browsers send them, each once.
///
/// # Errors
/// What an origin is.
pub(super) fn well_formed(origins: Vec<String>) -> Result<Vec<String>, Reject> {
    if origins.len() > MOST {
        return Err(Reject(format!("has at most {MOST} origins")));
    }
    let mut all = Vec::with_capacity(origins.len());
    for origin in origins {
        if !is_origin(&origin) {
            let form = "`*` or an origin as browsers send it: scheme://host, with a port unless it is the scheme's own";
            return Err(Reject(format!("`{origin}` is not {form}")));
        }
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
        let list = |text: &[&str]| well_formed(text.iter().map(|text| (*text).to_owned()).collect());
        assert_eq!(list(&["*", "http://a", "*"]).unwrap(), ["*", "http://a"]);
        assert!(list(&["*", "http://A"]).is_err());
        assert!(list(&["*"; 101]).is_err());
    }
}
