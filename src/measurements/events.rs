//! Raw events of callers without an SDK: what happened to whom, and which flags were evaluated for it. The server works
//! out each one's arm by evaluating, and sums them up to the windows that an SDK would have sent.

mod input;
mod minute;
mod plain;
mod sums;

use bellwether_core::{Asked, State};
use chrono::{DateTime, Utc};

pub use input::EventsInput;

use super::{Counted, Cut, Origin};
use crate::error::Result;
use crate::input::{parse, read_then};

/// Most events of one batch.
const EVENTS: usize = 10_000;
/// Most flags of one event.
const FLAGS: usize = 100;

/// What events are held against.
#[derive(Clone, Copy)]
pub struct Against<'s> {
    /// The flags of the environment.
    pub state: &'s State,
    /// The attributes that they ask for; other attributes are not looked at.
    pub asked: &'s Asked,
    /// How windows are cut.
    pub cut: Cut,
    /// The time.
    pub now: DateTime<Utc>,
    /// Whether a guard may believe them: those sent with a client key count for no canary.
    pub trusted: bool,
    /// Is told who met a release, and when: they are seen, whatever becomes of the batch.
    pub seen: &'s dyn Fn(&str, DateTime<Utc>),
}

/// A batch of events, summed up.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Gathered {
    pub(super) origin: Option<Origin>,
    pub(super) windows: Vec<Counted>,
    /// Events whose window has closed.
    pub(super) late: usize,
    /// Events that belong to no running release.
    pub(super) unattributed: usize,
}

impl Gathered {
    /// Events that belong to a release and whose window is open.
    #[must_use]
    pub fn attributed(&self) -> usize {
        self.windows.iter().map(|window| window.stands_for).sum()
    }
}

/// Reads a batch of events, puts each in the arms of the releases it met, and sums them up.
///
/// # Errors
/// When the body is no JSON, or all that is wrong with it.
pub fn gather(body: &[u8], against: Against<'_>) -> Result<Gathered> {
    // In one pass, without a copy of anything. What stops it may be no fault at all; what is, is told by the second reader.
    if let Some(gathered) = std::str::from_utf8(body).ok().and_then(|body| plain::read(body, against)) {
        return Ok(gathered);
    }
    Ok(read_then(parse(body)?, |batch: EventsInput| batch.check(against.now))?.gather(against))
}

#[cfg(test)]
mod tests;
