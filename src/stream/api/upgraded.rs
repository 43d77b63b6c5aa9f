//! The stream on a connection that HTTP was spoken on: as `actix-ws` has it.

use actix_ws::{AggregatedMessage, AggregatedMessageStream, CloseReason, Session};
use bytestring::ByteString;

use crate::flags::Framed;
use crate::stream::socket::{Arrival, Wire};

/// Both directions.
pub(super) struct Upgraded {
    pub(super) session: Session,
    pub(super) incoming: AggregatedMessageStream,
}

impl Wire for Upgraded {
    type Text = ByteString;

    async fn next(&mut self) -> Arrival<ByteString> {
        match self.incoming.recv().await {
            Some(Ok(AggregatedMessage::Text(text))) => Arrival::Text(text),
            Some(Ok(AggregatedMessage::Ping(payload))) => Arrival::Ping(payload),
            Some(Ok(AggregatedMessage::Pong(_))) => Arrival::Pong,
            Some(Ok(AggregatedMessage::Binary(_))) => Arrival::Binary,
            Some(Ok(AggregatedMessage::Close(_))) | None => Arrival::Gone,
            Some(Err(_)) => Arrival::Unreadable,
        }
    }

    async fn text(&mut self, text: &Framed) -> bool {
        self.session.text(text.text().clone()).await.is_ok()
    }

    async fn ping(&mut self) -> bool {
        self.session.ping(b"").await.is_ok()
    }

    async fn pong(&mut self, payload: &[u8]) -> bool {
        self.session.pong(payload).await.is_ok()
    }

    async fn close(self, code: u16, why: &'static str) {
        let reason = CloseReason { code: code.into(), description: Some(why.to_owned()) };
        // The other side may be gone already.
        let _ = self.session.close(Some(reason)).await;
    }
}
