//! `GET /api/v1/stream`, and which instance has which revision.

mod propagation;
mod upgraded;

use actix_web::{HttpRequest, HttpResponse, web};
use bellwether_core::message::{FRAME_BYTES, PROTOCOL};
use tokio::sync::watch;
use utoipa::OpenApi;

use super::socket::Stream;
use super::{Admission, Fleet};
use crate::access::{Access, Caller};
use crate::error::{Error, Result};
use crate::flags::Flags;
use crate::http::caller::token;
use crate::http::problem::Problem;
use upgraded::Upgraded;

/// The routes under `/api/v1`.
pub fn routes(config: &mut web::ServiceConfig) {
    config.configure(propagation::routes).service(web::resource("/stream").get(open));
}

/// Becomes `true` when the server goes away.
#[derive(Clone)]
pub struct Draining(pub watch::Receiver<bool>);

/// The operations on receipts.
#[must_use]
pub fn fleet_document() -> utoipa::openapi::OpenApi {
    propagation::Document::openapi()
}

/// The operation of the stream itself.
#[derive(Debug, OpenApi)]
#[openapi(paths(open))]
pub struct Document;

/// Opens the stream of changes: a WebSocket with the subprotocol `bellwether.v1`.
///
/// The SDK says `hello` with what it has; the server answers `ready` and the changes since, or `resync`, and every
/// change from then on.
#[utoipa::path(
    get,
    path = "/stream",
    operation_id = "openStream",
    params(
        ("Upgrade" = String, Header, example = "websocket"),
        ("Connection" = String, Header, example = "Upgrade"),
        ("Sec-WebSocket-Version" = String, Header, example = "13"),
        ("Sec-WebSocket-Key" = String, Header, example = "dGhlIHNhbXBsZSBub25jZQ=="),
        ("Sec-WebSocket-Protocol" = String, Header, example = "bellwether.v1"),
    ),
    responses(
        (status = SWITCHING_PROTOCOLS, description = "The stream is open."),
        (status = SERVICE_UNAVAILABLE, body = Problem, content_type = "application/problem+json",
            description = "There are as many streams as the server takes, or too many come at once: come again after `Retry-After`."),
    ),
)]
async fn open(
    caller: Caller,
    admission: web::Data<Admission>,
    (access, flags, fleet): (web::Data<Access>, web::Data<Flags>, web::Data<Fleet>),
    draining: web::Data<Draining>,
    request: HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse, actix_web::Error> {
    let environment = flags.live().environment(caller.server_environment()?)?;
    // After the key, which costs one look-up in memory: no stranger uses up what is for SDKs.
    let place = admission.enter()?;
    let token = token(&request)?;
    let upgraded = actix_ws::handle_with_protocols(&request, payload, &[PROTOCOL]);
    let (response, session, incoming) = upgraded.map_err(|error| Error::Malformed(error.to_string()))?;
    let incoming = incoming.max_frame_size(FRAME_BYTES).aggregate_continuations().max_continuation_size(FRAME_BYTES);
    let (access, fleet) = (Access::clone(&access), Fleet::clone(&fleet));
    let stream = Stream { access, fleet, draining: draining.0.clone(), token, environment, _place: place };
    actix_web::rt::spawn(stream.run(Upgraded { session, incoming }));
    Ok(response)
}
