use bellwether_core::Fault;
use url::Url;

use crate::access::ANY_ORIGIN;

/// Where a document has them.
const PLACE: &str = "/allowed_origins";
/// Most origins of a key.
const MOST: usize = 100;
/// Longest origin, in characters.
const LENGTH: usize = 300;

/// What is wrong with a key's origins: each is one as browsers send it, or `*` for all.
pub(super) fn faults(origins: &[String]) -> Vec<Fault> {
    let many = (origins.len() > MOST).then(|| Fault::new(PLACE, format!("has at most {MOST} origins")));
    let form = "`*` or an origin as browsers send it: scheme://host, with a port unless it is the scheme's own";
    let wrong = origins.iter().enumerate().filter(|(_, origin)| !is_origin(origin));
    let wrong =
        wrong.map(|(index, origin)| Fault::new(format!("{PLACE}/{index}"), format!("`{origin}` is not {form}")));
    many.into_iter().chain(wrong).collect()
}

/// A key's origins, each once.
pub(super) fn each_once(origins: Vec<String>) -> Vec<String> {
    let mut all = Vec::with_capacity(origins.len());
    for origin in origins {
        if !all.contains(&origin) {
            all.push(origin);
        }
    }
    all
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
        let list = |text: &[&str]| text.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        assert_eq!(each_once(list(&["*", "http://a", "*"])), ["*", "http://a"]);
        let pointers = |text: &[&str]| faults(&list(text)).into_iter().map(|fault| fault.pointer).collect::<Vec<_>>();
        assert_eq!(pointers(&["*", "http://A", "http://a"]), ["/allowed_origins/1"]);
        assert_eq!(pointers(&["*"; 101]), ["/allowed_origins"]);
        assert_eq!(pointers(&["*"; 100]), Vec::<String>::new());
    }
}
