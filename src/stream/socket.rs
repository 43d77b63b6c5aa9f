//! One task for each stream: it owns the socket, feeds the conversation and does what that says.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bellwether_core::message::Hello;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::{Instant, interval_at, timeout};

use super::conversation::{Conversation, End, Frame, Input, Step};
use super::fleet::{Fleet, Membership};
use crate::access::{Access, Secret};
use crate::flags::{Framed, LiveEnvironment};

/// How long a frame may take to be taken by a reader.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often a connection is looked at: is its key still good, is a ping due.
const LOOK: Duration = Duration::from_secs(5);
/// How long a reader may take to be told why its connection ends.
const FAREWELL: Duration = Duration::from_secs(1);

/// A WebSocket, whoever speaks it. Nothing is lost when waiting for [`Wire::next`] is given up.
pub(super) trait Wire {
    /// A text that arrived.
    type Text: AsRef<str>;

    /// What arrives next.
    async fn next(&mut self) -> Arrival<Self::Text>;

    /// Sends a text; whether that was possible.
    async fn text(&mut self, text: &Framed) -> bool;

    /// Sends a ping; whether that was possible.
    async fn ping(&mut self) -> bool;

    /// Answers a ping; whether that was possible.
    async fn pong(&mut self, payload: &[u8]) -> bool;

    /// Closes the connection, telling why.
    async fn close(self, code: u16, why: &'static str);
}

/// What arrives on a [`Wire`].
#[derive(Debug)]
pub(super) enum Arrival<T> {
    /// Text.
    Text(T),
    /// Bytes.
    Binary,
    /// A ping with its payload, which is to be answered.
    Ping(tokio_tungstenite::tungstenite::Bytes),
    /// An answer to a ping.
    Pong,
    /// What is no frame, or too large.
    Unreadable,
    /// Nothing any more.
    Gone,
}

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
    pub(super) async fn run(self, mut wire: impl Wire) {
        let mut peer = None;
        let end = self.converse(&mut wire, &mut peer).await;
        let why = end.why();
        if let Some(Peer { application, instance, .. }) = &peer {
            tracing::debug!(environment = self.environment.id(), application, instance, why, "an SDK disconnected");
        }
        // Before the farewell, which a reader that does not read never takes.
        drop((peer, self));
        // The other side may be gone already, or not listen.
        let _ = timeout(FAREWELL, wire.close(code(end), why)).await;
    }

    async fn converse(&self, wire: &mut impl Wire, peer: &mut Option<Peer>) -> End {
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
                arrival = wire.next() => match arrival {
                    Arrival::Text(text) => conversation.on(Input::Text(text.as_ref())),
                    Arrival::Ping(payload) => {
                        pong = Some(payload);
                        conversation.on(Input::Sign)
                    }
                    Arrival::Pong => conversation.on(Input::Sign),
                    Arrival::Binary => conversation.on(Input::Binary),
                    Arrival::Unreadable => conversation.on(Input::Unreadable),
                    Arrival::Gone => conversation.on(Input::Gone),
                },
                // One that was revoked, or has come to its end before anyone looked.
                _ = credentials.changed() => if self.is_good() { continue } else { return End::Revoked },
                _ = looks.tick() => conversation.on(Input::Look { good: self.is_good() }),
                _ = &mut drained => conversation.on(Input::Drain),
            };
            if let Some(payload) = pong
                && !taken(wire.pong(&payload)).await
            {
                return End::NotReading;
            }
            for step in steps {
                if let Some(end) = self.take(step, wire, peer).await {
                    return end;
                }
            }
        }
    }

    fn is_good(&self) -> bool {
        self.access.is_live(&self.token)
    }

    /// Does one thing; the end of the conversation if it comes to that.
    async fn take(&self, step: Step, wire: &mut impl Wire, peer: &mut Option<Peer>) -> Option<End> {
        let done = match step {
            Step::Join(hello) => {
                *peer = Some(self.join(&hello));
                true
            }
            Step::Send(Frame::Change(change)) => taken(wire.text(&change.message)).await,
            Step::Send(Frame::Own(text)) => match Framed::new(text) {
                Ok(text) => taken(wire.text(&text)).await,
                Err(_) => return Some(End::Failed),
            },
            Step::Ping => taken(wire.ping()).await,
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

/// The status of a closing frame (RFC 6455, section 7.4.1).
fn code(end: End) -> u16 {
    match end {
        End::Gone => 1000,
        End::Silent | End::Away => 1001,
        End::Unreadable => 1002,
        End::Binary => 1003,
        End::NoHello | End::Revoked | End::NotReading => 1008,
        End::Failed => 1011,
    }
}

/// Whether the reader took something in time.
async fn taken(sending: impl Future<Output = bool>) -> bool {
    timeout(PATIENCE, sending).await.unwrap_or(false)
}
