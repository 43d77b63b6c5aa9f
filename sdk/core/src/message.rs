//! The messages of the stream (WebSocket, subprotocol [`PROTOCOL`], JSON text frames).

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::Change;

/// The subprotocol that both ends name in the handshake.
pub const PROTOCOL: &str = "bellwether.v1";

/// Largest frame an SDK may send, in bytes; a larger one closes the connection.
pub const FRAME_BYTES: usize = 65_536;

/// Where a reader is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Have {
    /// The life of the store.
    pub epoch: String,
    /// The revision in it.
    pub revision: u64,
    /// The hash of the state.
    pub hash: String,
}

/// What an SDK says first.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Hello {
    /// Name and version, `bellwether-rust/0.1.0`.
    pub sdk: String,
    /// Names this process among all instances of the application.
    pub instance: String,
    /// The service's name.
    pub application: String,
    /// What it has already; null for nothing.
    pub have: Option<Have>,
    /// Its clock.
    pub clock: DateTime<Utc>,
}

/// A message from an SDK.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum FromSdk {
    /// Opens the conversation.
    Hello(Hello),
    /// A revision is in use.
    Applied {
        /// Which.
        revision: u64,
    },
    /// A change was refused; the SDK stays on what it had.
    Rejected {
        /// Which.
        revision: u64,
        /// Why.
        error: String,
    },
}

/// The server's answer to a [`Hello`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ready {
    /// The life of the store.
    pub epoch: String,
    /// The newest revision.
    pub revision: u64,
    /// The hash of its state.
    pub hash: String,
    /// The server's clock, by which measurement windows are cut.
    pub clock: DateTime<Utc>,
}

/// A message from the server, as an SDK reads it.
#[derive(Clone, Debug)]
pub enum FromServer {
    /// Answers a hello.
    Ready(Ready),
    /// Fetch the snapshot.
    Resync {
        /// The newest revision.
        revision: u64,
    },
    /// The next revision.
    Change(Change),
    /// The server goes away.
    Drain {
        /// How long the return may be spread, in milliseconds.
        retry_after_ms: u64,
    },
    /// A type this version does not know.
    Unknown,
}

impl FromServer {
    /// Reads a text frame.
    ///
    /// # Errors
    /// When the text is not JSON or lacks a member of its type.
    pub fn read(text: &str) -> Result<Self, serde_json::Error> {
        #[derive(Deserialize)]
        struct Typed<'t> {
            #[serde(rename = "type")]
            kind: &'t str,
        }
        #[derive(Deserialize)]
        struct Drain {
            retry_after_ms: u64,
        }
        #[derive(Deserialize)]
        struct Resync {
            revision: u64,
        }
        let Typed { kind } = serde_json::from_str(text)?;
        Ok(match kind {
            "ready" => Self::Ready(serde_json::from_str(text)?),
            "resync" => Self::Resync { revision: serde_json::from_str::<Resync>(text)?.revision },
            "change" => Self::Change(serde_json::from_str(text)?),
            "drain" => Self::Drain { retry_after_ms: serde_json::from_str::<Drain>(text)?.retry_after_ms },
            _ => Self::Unknown,
        })
    }
}

/// A message from the server, as it writes it.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ToSdk<'m> {
    /// Answers a hello.
    Ready(&'m Ready),
    /// Fetch the snapshot.
    Resync {
        /// The newest revision.
        revision: u64,
    },
    /// The next revision.
    Change(&'m Change),
    /// The server goes away.
    Drain {
        /// How long the return may be spread, in milliseconds.
        retry_after_ms: u64,
    },
}

impl ToSdk<'_> {
    /// The text frame.
    ///
    /// # Errors
    /// Never for these types; serialization as such may fail.
    pub fn write(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_server_writes_the_sdk_reads() {
        let change: Change =
            serde_json::from_str(r#"{"from":1,"revision":2,"hash":"h","flags":[{"key": "a"}],"removed_flags":["b"]}"#)
                .unwrap();
        let text = ToSdk::Change(&change).write().unwrap();
        let FromServer::Change(read) = FromServer::read(&text).unwrap() else { panic!("{text}") };
        assert_eq!(read.flags[0].get(), r#"{"key": "a"}"#, "the flag's JSON arrives to the letter");
        let resync = ToSdk::Resync { revision: 3 }.write().unwrap();
        assert!(matches!(FromServer::read(&resync).unwrap(), FromServer::Resync { revision: 3 }));
        assert!(matches!(FromServer::read(r#"{"type":"news"}"#).unwrap(), FromServer::Unknown));
        assert!(FromServer::read(r#"{"type":"change","from":1}"#).is_err());
        assert!(FromServer::read("[]").is_err());
    }

    #[test]
    fn hello_reads_as_documented() {
        let text = r#"{"type":"hello","sdk":"x/1","instance":"i","application":"a","have":null,"clock":"2026-11-21T10:00:00Z"}"#;
        let FromSdk::Hello(hello) = serde_json::from_str(text).unwrap() else { panic!() };
        assert_eq!(hello.have, None);
    }
}
