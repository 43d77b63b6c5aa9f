//! `GET /api/v1/stream`, and which instance has which revision.

mod propagation;

use std::pin::pin;
use std::time::Duration;

use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse, web};
use actix_ws::{AggregatedMessage, AggregatedMessageStream, CloseCode, CloseReason, Session};
use bellwether_core::message::{FRAME_BYTES, FromSdk, Hello, PROTOCOL, ToSdk};
use tokio::sync::watch;
use tokio::time::{Instant, interval_at, timeout};
use utoipa::OpenApi;

use super::conversation::{Conversation, Frame};
use super::{Fleet, fleet::Membership};
use crate::access::{Access, Caller, Secret};
use crate::error::{Error, Result};
use crate::flags::Flags;
use crate::http::caller::token;

/// How long a new connection may take to say hello, and a frame to be taken by a reader.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often a connection is looked at: is its key still good, is a ping due.
const TICK: Duration = Duration::from_secs(5);
/// A ping every so many ticks.
const PING_TICKS: u32 = 4;
/// How long a reader may take to be told why its connection ends.
const FAREWELL: Duration = Duration::from_secs(1);
/// Pings that may go unanswered.
const UNANSWERED: u32 = 2;
/// Over how long SDKs are asked to spread their return, in milliseconds.
const RETURN_MS: u64 = 10_000;

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

struct Parts {
    access: web::Data<Access>,
    flags: web::Data<Flags>,
    fleet: web::Data<Fleet>,
    draining: Draining,
    token: Secret,
    environment: i64,
}

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
    responses((status = SWITCHING_PROTOCOLS, description = "The stream is open.")),
)]
async fn open(
    caller: Caller,
    access: web::Data<Access>,
    flags: web::Data<Flags>,
    fleet: web::Data<Fleet>,
    draining: web::Data<Draining>,
    request: HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse, actix_web::Error> {
    let environment = caller.server_environment()?;
    flags.live().environment(environment)?;
    let token = token(&request)?;
    let upgraded = actix_ws::handle_with_protocols(&request, payload, &[PROTOCOL]);
    let (response, session, incoming) = upgraded.map_err(|error| Error::Malformed(error.to_string()))?;
    let incoming = incoming.max_frame_size(FRAME_BYTES).aggregate_continuations().max_continuation_size(FRAME_BYTES);
    let draining = draining.get_ref().clone();
    let parts = Parts { access, flags, fleet, draining, token, environment };
    actix_web::rt::spawn(converse(parts, session, incoming));
    Ok(response)
}

/// Owns the socket until either side has enough.
async fn converse(parts: Parts, mut session: Session, mut incoming: AggregatedMessageStream) {
    let mut draining = parts.draining.0.clone();
    let hello = tokio::select! {
        hello = timeout(PATIENCE, hello(&mut session, &mut incoming)) => hello,
        _ = draining.wait_for(|draining| *draining) => {
            return close(session, CloseCode::Away, "the server goes away").await;
        }
    };
    let Ok(Some(hello)) = hello else { return close(session, CloseCode::Policy, "say hello first").await };
    let Ok(live) = parts.flags.live().environment(parts.environment) else {
        return close(session, CloseCode::Error, "the server failed").await;
    };
    let membership = parts.fleet.join(live, &hello);
    let (environment, application, instance) = (parts.environment, &hello.application, &hello.instance);
    tracing::debug!(environment, application, instance, "an SDK connected");
    let (code, why) = talk(&parts, &hello, &membership, &mut session, &mut incoming).await;
    tracing::debug!(environment, application, instance, why, "an SDK disconnected");
    // Before the farewell, which a reader that does not read never takes.
    drop((membership, parts));
    close(session, code, why).await;
}

async fn hello(session: &mut Session, incoming: &mut AggregatedMessageStream) -> Option<Hello> {
    loop {
        match incoming.recv().await? {
            Ok(AggregatedMessage::Text(text)) => {
                return match serde_json::from_str(&text) {
                    Ok(FromSdk::Hello(hello)) => Some(hello),
                    _ => None,
                };
            }
            Ok(AggregatedMessage::Ping(bytes)) => session.pong(&bytes).await.ok()?,
            Ok(AggregatedMessage::Pong(_)) => {}
            _ => return None,
        }
    }
}

async fn talk(
    parts: &Parts,
    hello: &Hello,
    membership: &Membership,
    session: &mut Session,
    incoming: &mut AggregatedMessageStream,
) -> (CloseCode, &'static str) {
    const FAILED: (CloseCode, &str) = (CloseCode::Error, "the server failed");
    const SLOW: (CloseCode, &str) = (CloseCode::Policy, "the reader does not read");
    const REVOKED: (CloseCode, &str) = (CloseCode::Policy, "the key is revoked");
    let Ok(environment) = parts.flags.live().environment(parts.environment) else { return FAILED };
    let mut changes = environment.subscribe();
    let Ok((mut conversation, frames)) = Conversation::open(environment, hello) else { return FAILED };
    for frame in frames {
        if !send(session, frame).await {
            return SLOW;
        }
    }
    let mut ticks = interval_at(Instant::now() + TICK, TICK);
    let (mut ticked, mut unanswered) = (0, 0);
    let mut draining = parts.draining.0.clone();
    let mut drained = pin!(draining.wait_for(|draining| *draining));
    let mut credentials = parts.access.changes();
    loop {
        tokio::select! {
            heard = changes.recv() => match conversation.hear(heard) {
                Ok(Some(frame)) => if !send(session, frame).await { return SLOW },
                Ok(None) => {}
                Err(_) => return FAILED,
            },
            message = incoming.recv() => {
                unanswered = 0;
                match message {
                    Some(Ok(AggregatedMessage::Text(text))) => report(membership, &text, parts.environment, hello),
                    Some(Ok(AggregatedMessage::Ping(bytes))) => if session.pong(&bytes).await.is_err() { return SLOW },
                    Some(Ok(AggregatedMessage::Pong(_))) => {}
                    Some(Ok(AggregatedMessage::Binary(_))) => return (CloseCode::Unsupported, "text frames only"),
                    Some(Ok(AggregatedMessage::Close(_))) | None => return (CloseCode::Normal, "closed by the SDK"),
                    Some(Err(_)) => return (CloseCode::Protocol, "the frame can't be read, or is too large"),
                }
            },
            _ = credentials.changed() => if !parts.access.is_live(&parts.token) { return REVOKED },
            _ = ticks.tick() => {
                ticked += 1;
                // It may have come to its end, or have been revoked before anyone looked.
                if !parts.access.is_live(&parts.token) {
                    return REVOKED;
                }
                if ticked % PING_TICKS == 0 {
                    if unanswered >= UNANSWERED {
                        return (CloseCode::Away, "two pings went unanswered");
                    }
                    unanswered += 1;
                    if session.ping(b"").await.is_err() {
                        return SLOW;
                    }
                }
            },
            _ = &mut drained => {
                if let Ok(text) = (ToSdk::Drain { retry_after_ms: RETURN_MS }).write() {
                    send(session, Frame::Own(text)).await;
                }
                return (CloseCode::Away, "the server goes away");
            },
        }
    }
}

/// Notes a receipt. What can't be read is left: a newer SDK may say more than this version knows.
fn report(membership: &Membership, text: &str, environment: i64, hello: &Hello) {
    match serde_json::from_str(text) {
        Ok(FromSdk::Applied { revision }) => membership.applied(revision),
        Ok(FromSdk::Rejected { revision, error }) => {
            let (application, instance) = (&hello.application, &hello.instance);
            tracing::warn!(environment, application, instance, revision, error, "an SDK rejected a change");
            membership.rejected(revision, &error);
        }
        _ => {}
    }
}

/// Whether the reader took the frame.
async fn send(session: &mut Session, frame: Frame) -> bool {
    let text = match frame {
        // Shared with every other subscriber: the bytes are not copied.
        Frame::Change(change) => Bytes::from_owner(Shared(change)),
        Frame::Own(text) => Bytes::from(text),
    };
    let Ok(text) = text.try_into() else { return false };
    let text: bytestring::ByteString = text;
    matches!(timeout(PATIENCE, session.text(text)).await, Ok(Ok(())))
}

struct Shared(std::sync::Arc<crate::flags::Published>);

impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        self.0.message.as_bytes()
    }
}

async fn close(session: Session, code: CloseCode, why: &str) {
    // The other side may be gone already, or not listen.
    let _ = timeout(FAREWELL, session.close(Some(CloseReason { code, description: Some(why.to_owned()) }))).await;
}
