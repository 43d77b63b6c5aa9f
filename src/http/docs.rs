//! `/docs`: a page that shows the API's document by Swagger UI, from the binary alone.
//!
//! Swagger UI's own page is not used, nor its pictures as they are: its style sheet holds them as `data:` addresses,
//! which the content policy refuses. They are taken out of it and served as files.

use std::borrow::Cow;
use std::sync::{Arc, LazyLock};

use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use utoipa::OpenApi;

use super::assets::{self, Asset, CSS, JAVASCRIPT};
use super::page;
use crate::error::{Error, Result};

/// Where the document is.
const DOCUMENT: &str = "/openapi.json";
const FOLDER: &str = "/docs/";

/// Swagger UI's style sheet, script and pictures.
static FILES: LazyLock<Vec<Asset>> = LazyLock::new(|| {
    let css = String::from_utf8(vendored("swagger-ui.css").into_owned()).unwrap_or_default();
    let (css, mut files) = without_data(&css);
    files.push(Asset::new("swagger-ui.css", CSS, css.into_bytes()));
    files.push(Asset::new("swagger-ui-bundle.js", JAVASCRIPT, vendored("swagger-ui-bundle.js")));
    files
});

/// The operation of [`routes`].
#[derive(Debug, OpenApi)]
#[openapi(paths(docs))]
pub struct Document;

#[derive(Template)]
#[template(path = "docs.html")]
struct Page {
    document: &'static str,
    style: String,
    script: String,
}

/// The routes.
pub fn routes(config: &mut web::ServiceConfig) {
    config.service(web::resource("/docs").get(docs)).service(web::resource("/docs/{file}").get(file));
}

/// Shows the API's document as a page, on which its operations can be tried.
#[utoipa::path(
    get,
    path = "/docs",
    operation_id = "getDocs",
    responses((status = OK, description = "The page.", body = String, content_type = "text/html")),
)]
async fn docs() -> Result<HttpResponse> {
    let address = |name: &str| match find(name) {
        Some(file) => file.url(FOLDER),
        None => format!("{FOLDER}{name}"),
    };
    let (style, script) = (address("swagger-ui.css"), address("swagger-ui-bundle.js"));
    page::render(&Page { document: DOCUMENT, style, script })
}

async fn file(
    path: web::Path<String>,
    query: web::Query<assets::Version>,
    request: HttpRequest,
) -> Result<HttpResponse> {
    let name = path.into_inner();
    let file = find(&name).ok_or_else(|| Error::NotFound(format!("file {name}")))?;
    Ok(assets::send(file, query.wanted(), &request))
}

fn find(name: &str) -> Option<&'static Asset> {
    FILES.iter().find(|file| file.name == name)
}

/// A file of Swagger UI as it is published; nothing if it has none of that name.
fn vendored(name: &str) -> Cow<'static, [u8]> {
    let file = utoipa_swagger_ui::serve(name, Arc::new(utoipa_swagger_ui::Config::default()));
    file.ok().flatten().map_or(Cow::Borrowed(&[]), |file| file.bytes)
}

/// A style sheet with addresses of files in place of its `data:` addresses, and these files.
fn without_data(css: &str) -> (String, Vec<Asset>) {
    let (mut rest, mut sheet, mut files) = (css, String::with_capacity(css.len()), Vec::new());
    while let Some((before, after)) = rest.split_once("url(") {
        sheet.push_str(before);
        let (content, end) = match after.strip_prefix('"') {
            Some(quoted) => (quoted, "\")"),
            None => (after, ")"),
        };
        let Some((address, next)) = content.split_once(end) else {
            rest = after;
            break;
        };
        match picture(address, files.len()) {
            Some(file) => {
                sheet.push_str(&format!("url({})", file.url(FOLDER)));
                files.push(file);
            }
            None => sheet.push_str(&format!("url(\"{address}\")")),
        }
        rest = next;
    }
    sheet.push_str(rest);
    (sheet, files)
}

/// The file that a `data:` address holds, the `number`th of its sheet.
fn picture(address: &str, number: usize) -> Option<Asset> {
    let (kind, data) = address.strip_prefix("data:")?.split_once(',')?;
    let (content_type, ending) = match kind.split(';').next()? {
        "image/svg+xml" => ("image/svg+xml", "svg"),
        "image/png" => ("image/png", "png"),
        "image/jpeg" => ("image/jpeg", "jpeg"),
        _ => return None,
    };
    // A quote within the sheet's quotes stands behind a backslash.
    let data = data.replace("\\\"", "\"");
    let bytes = if kind.ends_with(";base64") { STANDARD.decode(data).ok()? } else { unescaped(&data) };
    Some(Asset::new(format!("picture-{number}.{ending}"), content_type, bytes))
}

/// Percent-decodes. What looks like an escape and is none stays as it is.
fn unescaped(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('%') {
        bytes.extend_from_slice(before.as_bytes());
        let byte = after.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        rest = match (byte, after.get(2..)) {
            (Some(byte), Some(next)) => {
                bytes.push(byte);
                next
            }
            _ => {
                bytes.push(b'%');
                after
            }
        };
    }
    bytes.extend_from_slice(rest.as_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_style_sheet_holds_nothing_that_the_content_policy_refuses() {
        let css = std::str::from_utf8(&find("swagger-ui.css").unwrap().bytes).unwrap();
        assert!(css.len() > 100_000);
        for refused in ["data:", "@import", "url(http", "url(\"http", "url(//"] {
            assert!(!css.contains(refused), "{refused}");
        }
        for address in css.split("url(/docs/").skip(1) {
            let name = address.split('?').next().unwrap();
            let file = find(name).unwrap_or_else(|| panic!("{name} is not there"));
            assert!(!file.bytes.is_empty());
            let svg = file.bytes.starts_with(b"<svg xmlns=\"") && !file.bytes.contains(&b'\\');
            assert!(!name.ends_with("svg") || svg, "{name}");
        }
        assert!(FILES.len() > 5);
        assert!(find("swagger-ui-bundle.js").unwrap().bytes.len() > 1_000_000);
    }

    #[test]
    fn pictures_become_files() {
        let css = "a{b:url(data:image/png;base64,AQI=)}c{d:url(\"data:image/svg+xml;charset=utf-8,<svg a='%23)' b=\\\"c\\\"/>\")}e{f:url(x.png)}";
        let (sheet, files) = without_data(css);
        let version = |index: usize| files[index].version.clone();
        assert_eq!(
            sheet,
            format!(
                "a{{b:url(/docs/picture-0.png?v={})}}c{{d:url(/docs/picture-1.svg?v={})}}e{{f:url(\"x.png\")}}",
                version(0),
                version(1)
            )
        );
        assert_eq!(*files[0].bytes, [1, 2]);
        assert_eq!(*files[1].bytes, *b"<svg a='#)' b=\"c\"/>");
        assert_eq!(unescaped("50%, %4"), b"50%, %4");
    }
}
