//! A text frame as it travels, made once for everybody it goes to.

use bytestring::ByteString;
use tokio_tungstenite::tungstenite::Bytes;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};

use crate::error::{Error, Result};

/// A text and its frame, which share their bytes: what a server sends has no mask, so it is the same for all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Framed {
    frame: Bytes,
    text: ByteString,
}

impl Framed {
    /// Puts a frame around a text.
    ///
    /// # Errors
    /// When memory runs out, and never else.
    pub fn new(text: String) -> Result<Self> {
        let length = text.len();
        let mut frame = Vec::with_capacity(length + 10);
        Frame::message(text, OpCode::Data(Data::Text), true).format(&mut frame).map_err(Error::internal)?;
        let frame = Bytes::from(frame);
        let text = ByteString::try_from(frame.slice(frame.len() - length..)).map_err(Error::internal)?;
        Ok(Self { frame, text })
    }

    /// The text.
    #[must_use]
    pub fn text(&self) -> &ByteString {
        &self.text
    }

    /// The whole frame.
    pub(crate) fn frame(&self) -> &Bytes {
        &self.frame
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_stands_at_the_end_of_its_frame() {
        for (length, head) in [(0, 2), (125, 2), (126, 4), (65_535, 4), (65_536, 10)] {
            let text = "ø".repeat(length / 2) + &"x".repeat(length % 2);
            let framed = Framed::new(text.clone()).unwrap();
            assert_eq!((framed.frame().len(), &**framed.text()), (head + length, text.as_str()));
            assert!(framed.frame().ends_with(text.as_bytes()));
            assert_eq!(framed.frame()[0], 0x81, "text, and all of it");
        }
    }
}
