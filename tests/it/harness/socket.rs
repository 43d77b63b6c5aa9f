use std::net::SocketAddr;

use bellwether_core::message::{FromServer, PROTOCOL};
use bellwether_core::{Change, Snapshot, State};
use futures_util::{SinkExt as _, StreamExt as _};
use reqwest::header::{AUTHORIZATION, HeaderValue, SEC_WEBSOCKET_PROTOCOL};
use serde_json::{Value, json};
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

use super::{TestApp, within};

/// A connection to the stream, without an SDK.
pub(crate) struct Socket {
    socket: WebSocketStream<TcpStream>,
}

impl Socket {
    /// Connects; the status when the server refuses.
    pub(crate) async fn connect(app: &TestApp, key: Option<&str>) -> Result<Self, u16> {
        Self::over(TcpSocket::new_v4().unwrap(), app, key).await
    }

    /// Connects through a TCP socket with settings of its own.
    pub(crate) async fn over(socket: TcpSocket, app: &TestApp, key: Option<&str>) -> Result<Self, u16> {
        Self::at(socket, app.address(), key).await
    }

    /// Connects to a server at this address.
    pub(crate) async fn at(socket: TcpSocket, address: SocketAddr, key: Option<&str>) -> Result<Self, u16> {
        let mut request = format!("ws://{address}/api/v1/stream").into_client_request().unwrap();
        request.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(PROTOCOL));
        if let Some(key) = key {
            let bearer = HeaderValue::from_str(&format!("Bearer {key}")).unwrap();
            request.headers_mut().insert(AUTHORIZATION, bearer);
        }
        let stream = within("the connection", socket.connect(address)).await.unwrap();
        match within("the handshake", client_async(request, stream)).await {
            Ok((socket, response)) => {
                assert_eq!(response.headers()[SEC_WEBSOCKET_PROTOCOL], PROTOCOL);
                assert!(!response.headers()["x-request-id"].is_empty());
                Ok(Self { socket })
            }
            Err(Error::Http(response)) => Err(response.status().as_u16()),
            Err(error) => panic!("no handshake: {error}"),
        }
    }

    /// Connects with a server key and says hello; `have` is a state's epoch, revision and hash, or null.
    pub(crate) async fn greet(app: &TestApp, key: &str, have: &Value) -> Self {
        let mut socket = Self::connect(app, Some(key)).await.unwrap();
        socket.say(&hello(have)).await;
        socket
    }

    /// Sends a text frame.
    pub(crate) async fn say(&mut self, message: &Value) {
        self.send(Message::text(message.to_string())).await.unwrap();
    }

    /// Sends a frame of any kind.
    pub(crate) async fn send(&mut self, message: Message) -> Result<(), Error> {
        within("sending", self.socket.send(message)).await
    }

    /// The next message.
    ///
    /// # Panics
    /// When the server closes instead.
    pub(crate) async fn hear(&mut self) -> Value {
        serde_json::from_str(&self.hear_text().await).unwrap()
    }

    /// The next message, to the letter.
    ///
    /// # Panics
    /// When the server closes instead.
    pub(crate) async fn hear_text(&mut self) -> String {
        self.next().await.unwrap_or_else(|(code, why)| panic!("the server closed: {code} {why}"))
    }

    /// The next message, which must be a change.
    ///
    /// # Panics
    /// When it is something else, or the server closes.
    pub(crate) async fn hear_change(&mut self) -> Change {
        let text = self.hear_text().await;
        match FromServer::read(&text) {
            Ok(FromServer::Change(change)) => change,
            _ => panic!("not a change: {text}"),
        }
    }

    /// Applies changes as they come, until `state` is at `revision`.
    ///
    /// # Panics
    /// When one does not follow or does not lead to the hash it announces.
    pub(crate) async fn follow(&mut self, mut state: State, revision: u64) -> State {
        while state.revision() < revision {
            let change = self.hear_change().await;
            assert_eq!((change.from, change.revision), (state.revision(), state.revision() + 1));
            state = state.apply(change).unwrap();
        }
        state
    }

    /// The code and the reason with which the server closes, whatever it says before.
    pub(crate) async fn hear_the_end(&mut self) -> (u16, String) {
        loop {
            if let Err(end) = self.next().await {
                return end;
            }
        }
    }

    async fn next(&mut self) -> Result<String, (u16, String)> {
        loop {
            match within("a message", self.socket.next()).await {
                Some(Ok(Message::Text(text))) => return Ok(text.to_string()),
                Some(Ok(Message::Close(Some(frame)))) => return Err((frame.code.into(), frame.reason.to_string())),
                // Without a farewell.
                Some(Ok(Message::Close(None)) | Err(_)) | None => return Err((0, String::new())),
                Some(Ok(_)) => {}
            }
        }
    }
}

/// The message that opens a conversation.
pub(crate) fn hello(have: &Value) -> Value {
    json!({
        "type": "hello", "sdk": "test/1", "instance": "i", "application": "a", "have": have,
        "clock": bellwether::clock::rfc3339(bellwether::clock::now()),
    })
}

/// What a reader of this state says it has.
pub(crate) fn have(state: &State) -> Value {
    json!({"epoch": state.epoch(), "revision": state.revision(), "hash": state.hash()})
}

/// A snapshot as every reader takes it in.
pub(crate) async fn state(app: &TestApp, environment: &str) -> State {
    let answer = app.get("/api/v1/snapshot").by(&app.keys(environment).server).await;
    let snapshot: Snapshot = serde_json::from_slice(&answer.body).unwrap();
    State::from_snapshot(snapshot).unwrap()
}
