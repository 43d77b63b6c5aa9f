//! The server's side of a stream, without the socket: what arrives goes in, what to do about it comes out.

use std::sync::Arc;

use bellwether_core::message::{FromSdk, Hello, Ready, ToSdk};
use tokio::sync::broadcast::error::RecvError;

use crate::clock;
use crate::error::Result;
use crate::flags::{CatchUp, LiveEnvironment, News};

/// Looks at a connection within which it has to say hello.
const GREETING_LOOKS: u32 = 2;
/// A ping every so many looks.
const PING_LOOKS: u32 = 4;
/// Pings that may go unanswered.
const UNANSWERED: u32 = 2;
/// Over how long SDKs are asked to spread their return, in milliseconds.
const RETURN_MS: u64 = 10_000;

/// Where one SDK is in the sequence of changes.
pub(super) struct Conversation {
    environment: Arc<LiveEnvironment>,
    /// The revision that it was told of last; none before it has said hello.
    sent: Option<u64>,
    /// How often it was looked at.
    looks: u32,
    /// Pings since it was last heard of.
    unanswered: u32,
}

/// Something that happens.
pub(super) enum Input<'i> {
    /// The SDK sent text.
    Text(&'i str),
    /// It sent bytes.
    Binary,
    /// It sent a ping or a pong: it lives.
    Sign,
    /// It sent what is no frame, or too large.
    Unreadable,
    /// It closed the connection, or that broke.
    Gone,
    /// A change was made, or some were missed; since the connection began.
    Heard(Result<News, RecvError>),
    /// Some time has passed: is the key still good?
    Look {
        /// Whether it is.
        good: bool,
    },
    /// The server goes away.
    Drain,
}

/// Something to be done, in the order given.
#[derive(Debug)]
pub(super) enum Step {
    /// The SDK has introduced itself.
    Join(Hello),
    /// Send a text.
    Send(Frame),
    /// Send a ping.
    Ping,
    /// Note that this revision is in use.
    Applied(u64),
    /// Note that this revision was refused, and why.
    Rejected(u64, String),
    /// Close the connection.
    End(End),
}

/// A text frame: a change is shared by all subscribers, anything else is this one's own.
#[derive(Debug)]
pub(super) enum Frame {
    Change(News),
    Own(String),
}

/// Why a conversation ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// It did not begin with a hello, or not in time.
    NoHello,
    /// The key is no longer good.
    Revoked,
    /// Bytes, where only text is spoken.
    Binary,
    /// A frame that can't be read.
    Unreadable,
    /// The SDK is gone.
    Gone,
    /// Two pings went unanswered.
    Silent,
    /// The SDK does not take what is sent.
    NotReading,
    /// The server goes away.
    Away,
    /// The server failed.
    Failed,
}

impl Conversation {
    /// One that waits for a hello.
    pub(super) fn new(environment: Arc<LiveEnvironment>) -> Self {
        Self { environment, sent: None, looks: 0, unanswered: 0 }
    }

    /// What to do about something that happens. After [`Step::End`] nothing more is to happen.
    pub(super) fn on(&mut self, input: Input<'_>) -> Vec<Step> {
        let steps = match input {
            Input::Text(text) => self.text(text),
            Input::Heard(heard) => self.hear(heard),
            Input::Look { good } => Ok(self.look(good)),
            Input::Sign => {
                self.unanswered = 0;
                Ok(Vec::new())
            }
            Input::Drain => self.drain(),
            Input::Binary | Input::Unreadable if self.sent.is_none() => Ok(vec![Step::End(End::NoHello)]),
            Input::Binary => Ok(vec![Step::End(End::Binary)]),
            Input::Unreadable => Ok(vec![Step::End(End::Unreadable)]),
            Input::Gone => Ok(vec![Step::End(End::Gone)]),
        };
        // Only writing a message can fail.
        steps.unwrap_or_else(|_| vec![Step::End(End::Failed)])
    }

    fn text(&mut self, text: &str) -> Result<Vec<Step>> {
        self.unanswered = 0;
        match (self.sent, serde_json::from_str(text)) {
            (None, Ok(FromSdk::Hello(hello))) => self.greet(hello),
            (None, _) => Ok(vec![Step::End(End::NoHello)]),
            (Some(_), Ok(FromSdk::Applied { revision })) => Ok(vec![Step::Applied(revision)]),
            (Some(_), Ok(FromSdk::Rejected { revision, error })) => Ok(vec![Step::Rejected(revision, error)]),
            // What can't be read is left: a newer SDK may say more than this version knows.
            (Some(_), _) => Ok(Vec::new()),
        }
    }

    fn greet(&mut self, hello: Hello) -> Result<Vec<Step>> {
        let served = self.environment.served();
        let state = &served.state;
        let ready = Ready {
            epoch: state.epoch().to_owned(),
            revision: state.revision(),
            hash: state.hash().to_owned(),
            clock: clock::now(),
        };
        let missed = match &hello.have {
            Some(have) => self.environment.catch_up(state, have),
            None => CatchUp::Resync,
        };
        let mut steps = vec![Step::Join(hello), own(&ToSdk::Ready(&ready))?];
        match missed {
            CatchUp::Changes(changes) => {
                steps.extend(changes.into_iter().map(|change| Step::Send(Frame::Change(change.into()))))
            }
            CatchUp::Resync => steps.push(own(&ToSdk::Resync { revision: state.revision() })?),
        }
        self.sent = Some(state.revision());
        Ok(steps)
    }

    fn hear(&mut self, heard: Result<News, RecvError>) -> Result<Vec<Step>> {
        // The answer to the hello will hold it.
        let Some(sent) = &mut self.sent else { return Ok(Vec::new()) };
        match heard {
            Ok(change) if change.revision <= *sent => Ok(Vec::new()),
            Ok(change) if change.revision == *sent + 1 => {
                *sent = change.revision;
                Ok(vec![Step::Send(Frame::Change(change))])
            }
            _ => {
                *sent = self.environment.served().state.revision();
                Ok(vec![own(&ToSdk::Resync { revision: *sent })?])
            }
        }
    }

    fn look(&mut self, good: bool) -> Vec<Step> {
        if !good {
            return vec![Step::End(End::Revoked)];
        }
        self.looks = self.looks.wrapping_add(1);
        if self.sent.is_none() && self.looks >= GREETING_LOOKS {
            return vec![Step::End(End::NoHello)];
        }
        if !self.looks.is_multiple_of(PING_LOOKS) {
            return Vec::new();
        }
        if self.unanswered >= UNANSWERED {
            return vec![Step::End(End::Silent)];
        }
        self.unanswered += 1;
        vec![Step::Ping]
    }

    fn drain(&self) -> Result<Vec<Step>> {
        let away = Step::End(End::Away);
        if self.sent.is_none() {
            return Ok(vec![away]);
        }
        Ok(vec![own(&ToSdk::Drain { retry_after_ms: RETURN_MS })?, away])
    }
}

impl End {
    /// The same for people.
    pub(super) fn why(self) -> &'static str {
        match self {
            Self::NoHello => "say hello first",
            Self::Revoked => "the key is revoked",
            Self::Binary => "text frames only",
            Self::Unreadable => "the frame can't be read, or is too large",
            Self::Gone => "closed by the SDK",
            Self::Silent => "two pings went unanswered",
            Self::NotReading => "the reader does not read",
            Self::Away => "the server goes away",
            Self::Failed => "the server failed",
        }
    }
}

fn own(message: &ToSdk<'_>) -> Result<Step> {
    Ok(Step::Send(Frame::Own(message.write()?)))
}

#[cfg(test)]
mod tests;
