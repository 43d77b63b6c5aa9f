use bellwether_core::Fault;
use deserr::Deserr;
use serde::{Deserialize, Serialize};
use url::Url;
use utoipa::ToSchema;

use crate::input::Faults;

/// Most links of a flag.
const LINKS: usize = 20;
/// Longest title, in characters.
const TITLE: usize = 200;
/// Longest address, in bytes.
const ADDRESS: usize = 2_000;

/// Where people read on: an issue, a design, a dashboard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Deserr, ToSchema)]
#[deserr(error = Faults, deny_unknown_fields)]
#[serde(deny_unknown_fields)]
pub struct Link {
    /// What is there, in 1 to 200 characters.
    #[schema(min_length = 1, max_length = 200)]
    pub title: String,
    /// Its address, `http` or `https`, of at most 2,000 bytes.
    #[schema(min_length = 1, max_length = 2_000)]
    pub url: String,
}

/// What is wrong with a flag's links, with pointers into the flag.
pub(super) fn faults(links: &[Link]) -> Vec<Fault> {
    let mut faults = Vec::new();
    if links.len() > LINKS {
        faults.push(Fault::new("/links", format!("at most {LINKS} links")));
    }
    for (index, Link { title, url }) in links.iter().enumerate() {
        if !(1..=TITLE).contains(&title.chars().count()) {
            faults.push(Fault::new(format!("/links/{index}/title"), format!("has 1 to {TITLE} characters")));
        }
        if !is_address(url) {
            let message = format!("is an address that begins with http:// or https://, of at most {ADDRESS} bytes");
            faults.push(Fault::new(format!("/links/{index}/url"), message));
        }
    }
    faults
}

/// Whether a browser may be sent there: a page shows it as it stands, so it has to be whole and of the web.
fn is_address(text: &str) -> bool {
    let web = |url: Url| matches!(url.scheme(), "http" | "https") && url.has_host();
    let plain = !text.chars().any(|c| c.is_control() || c.is_whitespace());
    plain && text.len() <= ADDRESS && text.contains("://") && Url::parse(text).is_ok_and(web)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_of_the_web_and_whole() {
        for right in ["https://example.com", "http://example.com/a?b=c#d", "https://user@[::1]:8443/æ"] {
            assert!(is_address(right), "{right}");
        }
        let long = format!("https://example.com/{}", "a".repeat(ADDRESS));
        for wrong in [
            "",
            "example.com",
            "/path",
            "javascript:alert(1)",
            "ftp://example.com",
            "https://",
            "https:a",
            " http://a",
            &long,
        ] {
            assert!(!is_address(wrong), "{wrong}");
        }
    }
}
