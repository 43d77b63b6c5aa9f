//! `GET /api/v1/snapshot`.

use actix_web::http::header::{self, HeaderValue};
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse, web};
use bellwether_core::Snapshot;
use utoipa::OpenApi;

use crate::access::Caller;
use crate::error::{Error, Result};
use crate::flags::{Coding, Flags};
use crate::http;

/// The operation of [`get`].
#[derive(OpenApi)]
#[openapi(paths(get))]
pub(super) struct Document;

/// Gives the whole environment, as its SDKs need it.
///
/// The body is compressed by zstd or gzip for those who accept it.
#[utoipa::path(
    get,
    path = "/snapshot",
    operation_id = "getSnapshot",
    params(("If-None-Match" = Option<String>, Header, description = "The `ETag` of the snapshot at hand.")),
    responses(
        (status = OK, body = Snapshot, headers(("ETag" = String, description = "Epoch and revision."))),
        (status = NOT_MODIFIED, description = "It is the snapshot at hand."),
    ),
)]
pub(super) async fn get(caller: Caller, flags: web::Data<Flags>, request: HttpRequest) -> Result<HttpResponse> {
    let environment = flags.live().environment(caller.server_environment()?)?;
    let served = environment.served().clone();
    let header = |name| request.headers().get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let etag = (header::ETAG, served.etag());
    let vary = (header::VARY, "Accept-Encoding");
    if http::request::has(&request, &etag.1) {
        return Ok(HttpResponse::NotModified().insert_header(etag).insert_header(vary).finish());
    }
    let coding = Coding::accepted(header(header::ACCEPT_ENCODING).unwrap_or_default());
    // A snapshot with large segments takes a while to write and compress; the first who asks waits for it, and nobody else.
    let (coding, body) = web::block(move || served.encoded().body(coding)).await.map_err(Error::internal)?;
    let mut response = HttpResponse::Ok();
    response.insert_header(etag).insert_header(vary).content_type("application/json");
    match coding {
        Coding::Zstd => response.insert_header((header::CONTENT_ENCODING, "zstd")),
        Coding::Gzip => response.insert_header((header::CONTENT_ENCODING, "gzip")),
        Coding::Identity => &mut response,
    };
    Ok(response.body(Bytes::from_owner(body)))
}
