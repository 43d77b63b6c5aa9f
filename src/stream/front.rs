//! Connections whose first request opens the stream, told from all others before HTTP is spoken on them.
//!
//! The request is only looked at. Unless everything about it is right, it is answered as every other one is, with its id,
//! its problem document and its place in the log and the metrics.

use std::io;
use std::time::Duration;

use bellwether_core::message::PROTOCOL;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::handshake::machine::TryParse as _;
use tokio_tungstenite::tungstenite::handshake::server::{Request, create_response, write_response};
use tokio_tungstenite::tungstenite::http::HeaderValue;

use super::direct::Direct;
use super::socket::Stream;
use super::{Admission, Fleet};
use crate::access::{Access, Secret};
use crate::flags::Flags;

/// How every such request begins.
const BEGINNING: &[u8] = b"GET /api/v1/stream";
/// Longest head that is looked at, in bytes; a longer one is left to HTTP.
const HEAD: usize = 4 * 1024;
/// How long the first bytes are waited for.
const GLANCE: Duration = Duration::from_secs(1);
/// How long the answer to the handshake may take to be taken.
const HANDSHAKE: Duration = Duration::from_secs(10);
const PROTOCOL_HEADER: &str = "sec-websocket-protocol";
const REQUEST_ID: &str = "x-request-id";

/// The id of a request that came with this one, or with none.
type RequestIds = fn(Option<&str>) -> String;

/// Takes connections that begin with the stream.
#[derive(Clone)]
pub struct Front {
    access: Access,
    flags: Flags,
    fleet: Fleet,
    admission: Admission,
    draining: watch::Receiver<bool>,
    request_id: RequestIds,
    /// Where streams run, apart from what answers requests: a change goes out to all of them without its own answer having
    /// to wait.
    runtime: Handle,
}

impl Front {
    /// One whose streams run where this is called.
    ///
    /// # Panics
    /// Outside of a runtime.
    #[must_use]
    pub fn new(
        (access, flags): (Access, Flags),
        (fleet, admission): (Fleet, Admission),
        draining: watch::Receiver<bool>,
        request_id: RequestIds,
    ) -> Self {
        Self { access, flags, fleet, admission, draining, request_id, runtime: Handle::current() }
    }

    /// Takes a connection if it opens the stream, and gives back any other untouched.
    pub async fn take(&self, connection: TcpStream) -> Option<TcpStream> {
        let mut head = [0; HEAD];
        // Whoever sends nothing for a while is no SDK, or one far away, which HTTP serves as well.
        let Ok(Ok(read)) = timeout(GLANCE, connection.peek(&mut head)).await else { return Some(connection) };
        let seen = head.get(..read).unwrap_or_default();
        if !seen.starts_with(BEGINNING) {
            return Some(connection);
        }
        let Some((length, answer, stream)) = self.open(seen) else { return Some(connection) };
        let Ok(connection) = connection.into_std() else { return None };
        self.runtime.spawn(async move {
            // Who does not take the answer is gone.
            if let Ok(Ok(connection)) = timeout(HANDSHAKE, shake_hands(connection, length, &answer)).await {
                stream.run(Direct::over(connection).await).await;
            }
        });
        None
    }

    /// The length of the request, the answer to it, and the stream; none where anything is amiss.
    fn open(&self, head: &[u8]) -> Option<(usize, Vec<u8>, Stream)> {
        let (length, request) = Request::try_parse(head).ok()??;
        if request.uri().path().as_bytes() != BEGINNING.strip_prefix(b"GET ")? {
            return None;
        }
        let mut response = create_response(&request).ok()?;
        let offered = request.headers().get_all(PROTOCOL_HEADER).into_iter();
        let mut offered = offered.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
        if !offered.any(|name| name.trim() == PROTOCOL) {
            return None;
        }
        response.headers_mut().insert(PROTOCOL_HEADER, HeaderValue::from_static(PROTOCOL));
        let given = request.headers().get(REQUEST_ID).and_then(|id| id.to_str().ok());
        response.headers_mut().insert(REQUEST_ID, HeaderValue::from_str(&(self.request_id)(given)).ok()?);
        let token = token(&request)?;
        let environment = self.access.grant(&token).ok()?.server_environment()?;
        let environment = self.flags.live().environment(environment).ok()?;
        let place = self.admission.enter().ok()?;
        let mut answer = Vec::new();
        write_response(&mut answer, &response).ok()?;
        let (access, fleet, draining) = (self.access.clone(), self.fleet.clone(), self.draining.clone());
        Some((length, answer, Stream { access, fleet, draining, token, environment, _place: place }))
    }
}

fn token(request: &Request) -> Option<Secret> {
    let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
    let Some(value) = header("authorization") else { return header("x-api-key").map(Secret::new) };
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| Secret::new(token.trim()))
}

/// Takes the request off the connection and answers it.
async fn shake_hands(connection: std::net::TcpStream, length: usize, answer: &[u8]) -> io::Result<TcpStream> {
    let mut connection = TcpStream::from_std(connection)?;
    connection.set_nodelay(true)?;
    let mut request = vec![0; length];
    connection.read_exact(&mut request).await?;
    connection.write_all(answer).await?;
    Ok(connection)
}
