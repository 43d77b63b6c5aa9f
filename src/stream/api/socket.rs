//! One task for each stream: it owns the socket, feeds the conversation and does what that says.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use actix_web::web::Bytes;
use actix_ws::{AggregatedMessage, AggregatedMessageStream, CloseCode, CloseReason, Session};
use bellwether_core::message::Hello;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::{Instant, interval_at, timeout};

use crate::access::{Access, Secret};
use crate::flags::{LiveEnvironment, Published};
use crate::stream::conversation::{Conversation, End, Frame, Input, Step};
use crate::stream::fleet::{Fleet, Membership};

/// How long a frame may take to be taken by a reader.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often a connection is looked at: is its key still good, is a ping due.
const LOOK: Duration = Duration::from_secs(5);
/// How long a reader may take to be told why its connection ends.
const FAREWELL: Duration = Duration::from_secs(1);

/// What a stream needs to know besides its socket.
pub(super) struct Stream {
    pub(super) access: Access,
    pub(super) fleet: Fleet,
    pub(super) draining: watch::Receiver<bool>,
    pub(super) token: Secret,
    pub(super) environment: Arc<LiveEnvironment>,
    /// Its place among the streams there may be.
    pub(super) _place: OwnedSemaphorePermit,
}

/// The SDK at the other end, once it has introduced itself.
struct Peer {
    membership: Membership,
    application: String,
    instance: String,
}

impl Stream {
    /// Owns the socket until either side has enough.
    pub(super) async fn run(self, mut session: Session, incoming: AggregatedMessageStream) {
        let mut peer = None;
        let end = self.converse(&mut session, incoming, &mut peer).await;
        let why = end.why();
        if let Some(Peer { application, instance, .. }) = &peer {
            tracing::debug!(environment = self.environment.id(), application, instance, why, "an SDK disconnected");
        }
        // Before the farewell, which a reader that does not read never takes.
        drop((peer, self));
        let reason = CloseReason { code: code(end), description: Some(why.to_owned()) };
        // The other side may be gone already, or not listen.
        let _ = timeout(FAREWELL, session.close(Some(reason))).await;
    }

    async fn converse(
        &self,
        session: &mut Session,
        mut incoming: AggregatedMessageStream,
        peer: &mut Option<Peer>,
    ) -> End {
        // Before the hello is answered: what is changed after that answer is heard of.
        let mut changes = self.environment.subscribe();
        let mut conversation = Conversation::new(self.environment.clone());
        let mut looks = interval_at(Instant::now() + LOOK, LOOK);
        let mut draining = self.draining.clone();
        let mut drained = pin!(draining.wait_for(|draining| *draining));
        let mut credentials = self.access.changes();
        loop {
            let mut pong = None;
            let steps = tokio::select! {
                heard = changes.recv() => conversation.on(Input::Heard(heard)),
                message = incoming.recv() => match message {
                    Some(Ok(AggregatedMessage::Text(text))) => conversation.on(Input::Text(&text)),
                    Some(Ok(AggregatedMessage::Ping(bytes))) => {
                        pong = Some(bytes);
                        conversation.on(Input::Sign)
                    }
                    Some(Ok(AggregatedMessage::Pong(_))) => conversation.on(Input::Sign),
                    Some(Ok(AggregatedMessage::Binary(_))) => conversation.on(Input::Binary),
                    Some(Ok(AggregatedMessage::Close(_))) | None => conversation.on(Input::Gone),
                    Some(Err(_)) => conversation.on(Input::Unreadable),
                },
                // One that was revoked, or has come to its end before anyone looked.
                _ = credentials.changed() => if self.is_good() { continue } else { return End::Revoked },
                _ = looks.tick() => conversation.on(Input::Look { good: self.is_good() }),
                _ = &mut drained => conversation.on(Input::Drain),
            };
            if let Some(bytes) = pong
                && !taken(session.pong(&bytes)).await
            {
                return End::NotReading;
            }
            for step in steps {
                if let Some(end) = self.take(step, session, peer).await {
                    return end;
                }
            }
        }
    }

    fn is_good(&self) -> bool {
        self.access.is_live(&self.token)
    }

    /// Does one thing; the end of the conversation if it comes to that.
    async fn take(&self, step: Step, session: &mut Session, peer: &mut Option<Peer>) -> Option<End> {
        let done = match step {
            Step::Join(hello) => {
                *peer = Some(self.join(&hello));
                true
            }
            Step::Send(frame) => send(session, frame).await,
            Step::Ping => taken(session.ping(b"")).await,
            Step::Applied(revision) => {
                if let Some(peer) = peer {
                    peer.membership.applied(revision);
                }
                true
            }
            Step::Rejected(revision, error) => {
                if let Some(Peer { membership, application, instance }) = peer {
                    let environment = self.environment.id();
                    tracing::warn!(environment, application, instance, revision, error, "an SDK rejected a change");
                    membership.rejected(revision, &error);
                }
                true
            }
            Step::End(end) => return Some(end),
        };
        (!done).then_some(End::NotReading)
    }

    fn join(&self, hello: &Hello) -> Peer {
        let (application, instance) = (&hello.application, &hello.instance);
        tracing::debug!(environment = self.environment.id(), application, instance, "an SDK connected");
        let membership = self.fleet.join(self.environment.clone(), hello);
        Peer { membership, application: application.clone(), instance: instance.clone() }
    }
}

fn code(end: End) -> CloseCode {
    match end {
        End::NoHello | End::Revoked | End::NotReading => CloseCode::Policy,
        End::Binary => CloseCode::Unsupported,
        End::Unreadable => CloseCode::Protocol,
        End::Gone => CloseCode::Normal,
        End::Silent | End::Away => CloseCode::Away,
        End::Failed => CloseCode::Error,
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
    taken(session.text(text)).await
}

async fn taken(sending: impl Future<Output = Result<(), actix_ws::Closed>>) -> bool {
    matches!(timeout(PATIENCE, sending).await, Ok(Ok(())))
}

struct Shared(Arc<Published>);

impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        self.0.message.as_bytes()
    }
}
