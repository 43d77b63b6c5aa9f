//! The task that keeps the flags in use up to date: one connection at a time, for as long as there is a client.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bellwether_core::message::{FromSdk, PROTOCOL};
use futures_util::{SinkExt, StreamExt};
use reqwest::header::{AUTHORIZATION, HeaderValue, SEC_WEBSOCKET_PROTOCOL, USER_AGENT};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};
use tokio_tungstenite::{Connector, MaybeTlsStream, WebSocketStream, connect_async_tls_with_config};

use crate::backoff::{Backoff, Cause};
use crate::clock;
use crate::endpoint::{Endpoint, SDK};
use crate::failure::{Failure, Trouble};
use crate::session::{Effect, Fetched, Pace, Session};
use crate::shared::{Identity, Link, Shared};
use crate::snapshot::{FetchError, Tagged, fetch};

/// The most that name look-up, connection, TLS and upgrade may take together, and the server's greeting after them: a proxy
/// may upgrade a connection and then carry nothing.
pub(crate) const HANDSHAKE: Duration = Duration::from_secs(15);
/// A connection without a message for this long is dead; the server pings every 20 s.
const SILENCE: Duration = Duration::from_secs(60);
/// The most that one message may take to be handed to the network.
const SEND: Duration = Duration::from_secs(10);
/// The most that a closing frame may take.
const FAREWELL: Duration = Duration::from_secs(1);
/// The largest message of the server, in bytes; one change may hold many targets.
const MESSAGE_BYTES: usize = 64 * 1024 * 1024;
/// Bytes read at once.
const READ_BUFFER: usize = 16 * 1024;
/// The most bytes that wait to be written.
const WRITE_BUFFER: usize = 1024 * 1024;
/// First wait after a fetch that failed, doubled up to the ceiling of [`Backoff`], and the least time between two.
const REFETCH: Duration = Duration::from_secs(1);

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;
type Fetch = Pin<Box<dyn Future<Output = Result<Option<Tagged>, FetchError>> + Send>>;

/// Connects, converses, reconnects.
#[derive(Debug)]
pub(crate) struct Stream {
    shared: Arc<Shared>,
    endpoint: Arc<Endpoint>,
    identity: Identity,
    /// Changes, or loses its sender, when the task is to end.
    stop: watch::Receiver<bool>,
    reconnect: Backoff,
    refetch: Backoff,
    /// Why the last fetch was not enough.
    refetch_cause: Cause,
    next_fetch: Instant,
    last_fetch: Option<Tagged>,
    connecting: Trouble,
    fetching: Trouble,
}

/// How a connection ended.
enum End {
    /// The client is closed or gone.
    Stopped,
    /// Something else, after which another is made.
    Lost { error: Failure, cause: Cause },
}

impl End {
    fn lost(error: Failure) -> Self {
        let cause = error.cause();
        Self::Lost { error, cause }
    }
}

impl Stream {
    pub(crate) fn new(
        shared: Arc<Shared>,
        endpoint: Arc<Endpoint>,
        identity: Identity,
        reconnect_within: Duration,
        stop: watch::Receiver<bool>,
    ) -> Self {
        Self {
            shared,
            endpoint,
            identity,
            stop,
            reconnect: Backoff::new(reconnect_within),
            refetch: Backoff::new(REFETCH),
            refetch_cause: Cause::Failure,
            next_fetch: clock::moment(),
            last_fetch: None,
            connecting: Trouble::default(),
            fetching: Trouble::default(),
        }
    }

    /// Runs until the client is closed or gone.
    pub(crate) async fn run(mut self) {
        loop {
            let connected = tokio::select! {
                connected = connect(&self.endpoint) => connected,
                _ = self.stop.changed() => return,
            };
            let end = match connected {
                Ok(socket) => self.converse(socket).await,
                Err(error) => End::lost(error),
            };
            let End::Lost { error, cause } = end else { return };
            self.shared.set_link(Link::Down);
            let wait = self.reconnect.next(cause, &mut rand::rng());
            if self.connecting.begins(&error) {
                tracing::warn!(%error, retry_in = ?wait, "the flag stream is down; flags stay as they are");
            } else {
                tracing::debug!(%error, retry_in = ?wait, "the flag stream is still down");
            }
            tokio::select! {
                () = sleep(wait) => {}
                _ = self.stop.changed() => return,
            }
        }
    }

    async fn converse(&mut self, mut socket: Socket) -> End {
        let (mut session, hello) = Session::open(self.shared.state_owned(), &self.identity, clock::now());
        let mut fetching: Option<Fetch> = None;
        let mut drained = None;
        let (mut greeted, mut since) = (false, clock::moment());
        let mut effects = vec![Effect::Send(hello)];
        loop {
            for effect in effects {
                match effect {
                    Effect::Ready(ahead) => {
                        (greeted, since) = (true, clock::moment());
                        self.on_ready(ahead);
                    }
                    Effect::Install(state) => {
                        tracing::debug!(revision = state.revision(), "flags are in use");
                        self.shared.install(state);
                    }
                    Effect::Send(message) => {
                        if let Err(error) = send(&mut socket, &message).await {
                            return End::lost(error);
                        }
                    }
                    Effect::Fetch(pace) => fetching = Some(self.fetch(pace)),
                    Effect::Drain(spread) => drained = Some(Cause::Drained(spread)),
                }
            }
            let patience = if greeted { SILENCE } else { HANDSHAKE };
            effects = tokio::select! {
                received = receive(&mut socket, since, patience) => match received {
                    Ok(text) => {
                        // What comes before the greeting does not stand for it.
                        if greeted {
                            since = clock::moment();
                        }
                        text.map_or_else(Vec::new, |text| session.on_text(&text, clock::now()))
                    }
                    Err(error) => {
                        let cause = drained.unwrap_or_else(|| error.cause());
                        return End::Lost { error, cause };
                    }
                },
                outcome = finished(&mut fetching) => {
                    fetching = None;
                    let effects = session.on_fetched(self.on_fetched(outcome));
                    if !effects.iter().any(|effect| matches!(effect, Effect::Fetch(_))) {
                        self.refetch.reset();
                    }
                    effects
                }
                _ = self.stop.changed() => {
                    // The server notices either way; a farewell spares it the wait.
                    let _ = timeout(FAREWELL, socket.close(None)).await;
                    return End::Stopped;
                }
            };
        }
    }

    fn on_ready(&mut self, ahead: chrono::TimeDelta) {
        self.shared.set_offset(ahead);
        self.reconnect.reset();
        self.connecting.ends();
        self.shared.set_link(Link::Up);
        tracing::info!(server_clock_ahead_ms = ahead.num_milliseconds(), "the flag stream is up");
    }

    fn fetch(&mut self, pace: Pace) -> Fetch {
        let wait = match pace {
            // Whatever the server asks for, it is not fetched from more often than this.
            Pace::Now => self.next_fetch.saturating_duration_since(clock::moment()),
            Pace::Later => self.refetch.next(self.refetch_cause, &mut rand::rng()),
        };
        let (endpoint, shared, last) = (Arc::clone(&self.endpoint), Arc::clone(&self.shared), self.last_fetch.clone());
        self.next_fetch = clock::moment() + wait + REFETCH;
        Box::pin(async move {
            sleep(wait).await;
            fetch(&endpoint, last.as_ref(), shared.state_owned().as_ref()).await
        })
    }

    /// Remembers and logs what became of a fetch.
    fn on_fetched(&mut self, outcome: Result<Option<Tagged>, FetchError>) -> Fetched {
        let error = match outcome {
            Ok(tagged) => {
                self.fetching.ends();
                self.refetch_cause = Cause::Failure;
                let Some(tagged) = tagged else { return Fetched::Unchanged };
                let state = Arc::clone(&tagged.state);
                self.last_fetch = Some(tagged);
                return Fetched::Fresh(state);
            }
            Err(error) => error,
        };
        let failure = match error {
            FetchError::Refused { revision, refusal } => {
                self.refetch_cause = Cause::Failure;
                return Fetched::Refused { revision, error: refusal.to_string() };
            }
            FetchError::Failure(failure) => failure,
        };
        self.refetch_cause = failure.cause();
        if self.fetching.begins(&failure) {
            tracing::warn!(error = %failure, "the snapshot can't be fetched; flags stay as they are");
        } else {
            tracing::debug!(error = %failure, "the snapshot can still not be fetched");
        }
        Fetched::Failed
    }
}

async fn connect(endpoint: &Endpoint) -> Result<Socket, Failure> {
    tracing::trace!("the flag stream is being opened");
    let mut request = endpoint.stream.as_str().into_client_request().map_err(failure)?;
    let headers = request.headers_mut();
    headers.insert(AUTHORIZATION, endpoint.authorization.clone());
    headers.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(PROTOCOL));
    headers.insert(USER_AGENT, HeaderValue::from_static(SDK));
    let config = WebSocketConfig::default()
        .max_message_size(Some(MESSAGE_BYTES))
        .max_frame_size(Some(MESSAGE_BYTES))
        .read_buffer_size(READ_BUFFER)
        // Each message is written at once.
        .write_buffer_size(0)
        .max_write_buffer_size(WRITE_BUFFER);
    let connector = Connector::Rustls(Arc::clone(&endpoint.tls));
    let connecting = connect_async_tls_with_config(request, Some(config), true, Some(connector));
    let connected = timeout(HANDSHAKE, connecting).await.map_err(|_| Failure::TimedOut(HANDSHAKE))?;
    connected.map(|(socket, _)| socket).map_err(failure)
}

fn failure(error: Error) -> Failure {
    match error {
        Error::Http(response) => {
            let body = response.body().as_deref().unwrap_or_default();
            Failure::answer(response.status(), response.headers(), body)
        }
        error => Failure::connection(&error),
    }
}

async fn send(socket: &mut Socket, message: &FromSdk) -> Result<(), Failure> {
    let text = serde_json::to_string(message).map_err(|error| Failure::Unreadable(error.to_string()))?;
    let sent = timeout(SEND, socket.send(Message::text(text))).await.map_err(|_| Failure::TimedOut(SEND))?;
    sent.map_err(failure)
}

/// The next message, if it is text: pings and the like just show that the connection lives. It fails when none comes within
/// `patience` of `since`.
async fn receive(socket: &mut Socket, since: Instant, patience: Duration) -> Result<Option<Utf8Bytes>, Failure> {
    tokio::select! {
        received = socket.next() => match received {
            Some(Ok(Message::Text(text))) => Ok(Some(text)),
            Some(Ok(Message::Close(frame))) => {
                // The answer to it is queued already.
                let _ = timeout(FAREWELL, socket.flush()).await;
                let why = frame.map(|frame| format!(": {} {}", u16::from(frame.code), frame.reason)).unwrap_or_default();
                Err(Failure::Connection(format!("the server closed the connection{why}")))
            }
            Some(Ok(_)) => Ok(None),
            Some(Err(error)) => Err(failure(error)),
            None => Err(Failure::Connection("the connection ended".to_owned())),
        },
        () = sleep_until(since + patience) => Err(Failure::TimedOut(patience)),
    }
}

/// The outcome of the fetch that is under way; without one, never.
async fn finished(fetching: &mut Option<Fetch>) -> Result<Option<Tagged>, FetchError> {
    match fetching {
        Some(fetching) => fetching.await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
