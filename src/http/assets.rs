//! The static files, embedded in the binary. An address carries the file's digest, so a browser may keep it for ever.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::sync::LazyLock;

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};

/// A file that the pages refer to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asset {
    /// Its name below `/static/`.
    pub name: Cow<'static, str>,
    /// Its media type, with the character set of text.
    pub content_type: &'static str,
    /// Its bytes.
    pub bytes: Cow<'static, [u8]>,
    /// The first 16 hexadecimal digits of the SHA-256 of `bytes`.
    pub version: String,
}

/// `Cache-Control` of an address whose version is the file's own: it never changes.
pub const IMMUTABLE: &str = "public, max-age=31536000, immutable";
/// `Cache-Control` of an address without a version or with another one's.
pub const REVALIDATE: &str = "no-cache";

pub(super) const CSS: &str = "text/css; charset=utf-8";
pub(super) const JAVASCRIPT: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";

static ASSETS: LazyLock<Vec<Asset>> = LazyLock::new(|| {
    vec![
        Asset::new("app.css", CSS, include_bytes!("../../static/app.css").as_slice()),
        Asset::new("pages.css", CSS, include_bytes!("../../static/pages.css").as_slice()),
        Asset::new("docs.css", CSS, include_bytes!("../../static/docs.css").as_slice()),
        Asset::new("app.js", JAVASCRIPT, include_bytes!("../../static/app.js").as_slice()),
        Asset::new("docs.js", JAVASCRIPT, include_bytes!("../../static/docs.js").as_slice()),
        Asset::new("htmx.min.js", JAVASCRIPT, include_bytes!("../../static/htmx.min.js").as_slice()),
        Asset::new("bell.svg", SVG, include_bytes!("../../static/bell.svg").as_slice()),
    ]
});

/// The first 16 hexadecimal digits of the SHA-256 of `bytes`.
fn version(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().take(8).fold(String::with_capacity(16), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The file of that name, if there is one.
#[must_use]
pub fn find(name: &str) -> Option<&'static Asset> {
    ASSETS.iter().find(|asset| asset.name == name)
}

/// The address of a file, with its version; an unknown name has an address without one.
#[must_use]
pub fn url(name: &str) -> String {
    match find(name) {
        Some(asset) => asset.url("/static/"),
        None => format!("/static/{name}"),
    }
}

impl Asset {
    /// A file.
    pub fn new(
        name: impl Into<Cow<'static, str>>,
        content_type: &'static str,
        bytes: impl Into<Cow<'static, [u8]>>,
    ) -> Self {
        let bytes = bytes.into();
        Self { name: name.into(), content_type, version: version(&bytes), bytes }
    }

    /// Its address below `folder`, with its version.
    pub(super) fn url(&self, folder: &str) -> String {
        format!("{folder}{}?v={}", self.name, self.version)
    }

    /// `Cache-Control` for a request that asked for this version, or for none.
    #[must_use]
    pub fn cache_control(&self, version: Option<&str>) -> &'static str {
        if version == Some(self.version.as_str()) { IMMUTABLE } else { REVALIDATE }
    }
}

/// The routes.
pub fn routes(config: &mut web::ServiceConfig) {
    for asset in ASSETS.iter() {
        let get = move |query: web::Query<Version>, request: HttpRequest| async move {
            send(asset, query.wanted(), &request)
        };
        config.service(web::resource(format!("/static/{}", asset.name)).get(get));
    }
    config.service(web::resource("/favicon.ico").get(favicon));
}

/// The version in an address.
#[derive(Deserialize)]
pub(super) struct Version {
    v: Option<String>,
}

impl Version {
    /// The version that is asked for, if one is.
    pub(super) fn wanted(&self) -> Option<&str> {
        self.v.as_deref()
    }
}

async fn favicon(request: HttpRequest) -> Result<HttpResponse> {
    let icon = find("bell.svg").ok_or_else(|| Error::NotFound("icon".to_owned()))?;
    Ok(send(icon, None, &request))
}

/// The file, or that the browser has it already.
pub fn send(asset: &'static Asset, version: Option<&str>, request: &HttpRequest) -> HttpResponse {
    let etag = format!("\"{}\"", asset.version);
    let known = request.headers().get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == etag.as_bytes());
    let mut response = if known { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    response.insert_header((header::CACHE_CONTROL, asset.cache_control(version))).insert_header((header::ETAG, etag));
    if known { response.finish() } else { response.content_type(asset.content_type).body(&*asset.bytes) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_names_the_version_and_is_kept_for_ever() {
        let css = find("app.css").unwrap();
        assert_eq!(css.version.len(), 16);
        assert_eq!(url("app.css"), format!("/static/app.css?v={}", css.version));
        assert_eq!(css.cache_control(Some(&css.version)), IMMUTABLE);
        assert_eq!(css.cache_control(Some("0000000000000000")), REVALIDATE);
        assert_eq!(css.cache_control(None), REVALIDATE);
    }

    #[test]
    fn a_name_that_leaves_the_folder_is_no_asset() {
        assert_eq!(find("../Cargo.toml"), None);
        assert_eq!(find(""), None);
    }

    #[test]
    fn own_files_hold_nothing_that_the_content_security_policy_refuses() {
        for name in ["app.js", "app.css", "pages.css", "docs.js", "docs.css"] {
            let text = std::str::from_utf8(&find(name).unwrap().bytes).unwrap();
            for refused in ["eval(", "new Function", "http://", "https://", "@import", "url(", "setAttribute(\"style"] {
                assert!(!text.contains(refused), "{name} holds {refused}");
            }
        }
    }
}
