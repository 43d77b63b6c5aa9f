//! The stream on a connection that begins with it, as an SDK's does: nothing of an HTTP server is kept for it.

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

use bellwether_core::message::FRAME_BYTES;

use super::socket::{Arrival, Wire};
use crate::flags::Framed;

/// Bytes read at once: what SDKs say is short.
const READ_BUFFER: usize = 1024;
/// The most bytes of our own that wait to be written: pings, pongs and the like.
const WRITE_BUFFER: usize = 256 * 1024;

/// A socket past its handshake.
pub(super) struct Direct {
    socket: WebSocketStream<TcpStream>,
}

impl Direct {
    pub(super) async fn over(stream: TcpStream) -> Self {
        let config = WebSocketConfig::default()
            .max_message_size(Some(FRAME_BYTES))
            .max_frame_size(Some(FRAME_BYTES))
            .read_buffer_size(READ_BUFFER)
            // Each message is written at once.
            .write_buffer_size(0)
            .max_write_buffer_size(WRITE_BUFFER);
        Self { socket: WebSocketStream::from_raw_socket(stream, Role::Server, Some(config)).await }
    }

    async fn send(&mut self, message: Message) -> bool {
        self.socket.send(message).await.is_ok()
    }
}

impl Wire for Direct {
    type Text = Utf8Bytes;

    async fn next(&mut self) -> Arrival<Utf8Bytes> {
        match self.socket.next().await {
            Some(Ok(Message::Text(text))) => Arrival::Text(text),
            Some(Ok(Message::Ping(payload))) => Arrival::Ping(payload),
            Some(Ok(Message::Pong(_))) => Arrival::Pong,
            Some(Ok(Message::Binary(_))) => Arrival::Binary,
            Some(Ok(Message::Close(_) | Message::Frame(_))) | None => Arrival::Gone,
            Some(Err(tokio_tungstenite::tungstenite::Error::Io(_))) => Arrival::Gone,
            Some(Err(_)) => Arrival::Unreadable,
        }
    }

    async fn text(&mut self, text: &Framed) -> bool {
        // What the library still has to write stands before it. The frame itself is shared by all, not copied for each.
        self.socket.flush().await.is_ok() && self.socket.get_mut().write_all(text.frame()).await.is_ok()
    }

    async fn ping(&mut self) -> bool {
        self.send(Message::Ping(Default::default())).await
    }

    async fn pong(&mut self, _: &[u8]) -> bool {
        // The library has put the answer in line when it read the ping.
        self.socket.flush().await.is_ok()
    }

    async fn close(mut self, code: u16, why: &'static str) {
        let frame = CloseFrame { code: code.into(), reason: why.into() };
        // The other side may be gone already.
        let _ = self.socket.close(Some(frame)).await;
    }
}
