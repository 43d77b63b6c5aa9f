//! What the server says on a stream, apart from the socket it says it on.

use std::sync::Arc;

use bellwether_core::message::{Hello, Ready, ToSdk};
use tokio::sync::broadcast::error::RecvError;

use crate::clock;
use crate::error::Result;
use crate::flags::{CatchUp, LiveEnvironment, Published};

/// Where one SDK is in the sequence of changes.
pub(super) struct Conversation {
    environment: Arc<LiveEnvironment>,
    sent: u64,
}

/// A text frame: a change is shared by all subscribers, anything else is this one's own.
pub(super) enum Frame {
    Change(Arc<Published>),
    Own(String),
}

impl Conversation {
    /// Answers a hello. The subscription to later changes must have begun before.
    pub(super) fn open(environment: Arc<LiveEnvironment>, hello: &Hello) -> Result<(Self, Vec<Frame>)> {
        let served = environment.served();
        let state = &served.state;
        let ready = Ready {
            epoch: state.epoch().to_owned(),
            revision: state.revision(),
            hash: state.hash().to_owned(),
            clock: clock::now(),
        };
        let mut frames = vec![Frame::Own(ToSdk::Ready(&ready).write()?)];
        let missed = match &hello.have {
            Some(have) => environment.catch_up(&have.epoch, have.revision, &have.hash),
            None => CatchUp::Resync,
        };
        match missed {
            CatchUp::Changes(changes) => frames.extend(changes.into_iter().map(Frame::Change)),
            CatchUp::Resync => frames.push(resync(state.revision())?),
        }
        let sent = state.revision();
        drop(served);
        Ok((Self { environment, sent }, frames))
    }

    /// What to say on hearing of a change, or of having missed some; `None` when it was said already.
    pub(super) fn hear(&mut self, heard: Result<Arc<Published>, RecvError>) -> Result<Option<Frame>> {
        match heard {
            Ok(change) if change.revision <= self.sent => Ok(None),
            Ok(change) if change.revision == self.sent + 1 => {
                self.sent = change.revision;
                Ok(Some(Frame::Change(change)))
            }
            _ => {
                self.sent = self.environment.served().state.revision();
                resync(self.sent).map(Some)
            }
        }
    }
}

fn resync(revision: u64) -> Result<Frame> {
    Ok(Frame::Own(ToSdk::Resync { revision }.write()?))
}
