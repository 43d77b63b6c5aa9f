//! What is found wrong with a document, step by step.

use std::collections::HashSet;

use bellwether_core::Fault;

use super::TOLD;
use super::places::Places;
use super::rest::LeftOut;

/// All that is wrong with a document so far, by places in the whole of it, up to [`TOLD`].
#[derive(Clone, Debug, Default)]
pub struct Found {
    faults: Vec<Fault>,
    /// What can't be read.
    unread: Places,
    /// What was looked at lacks these.
    left_out: LeftOut,
}

impl Found {
    /// What a document can't be read for.
    pub(super) fn unread(faults: Vec<Fault>, left_out: LeftOut) -> Self {
        let unread = faults.iter().map(|fault| fault.pointer.as_str()).collect();
        Self { faults, unread, left_out }
    }

    /// Adds what is wrong with what could be read, but for places that something is said of already. What is said of something that could not be
    /// read, or of what that belongs to, may just follow from that, and is left out.
    pub fn add(&mut self, more: impl IntoIterator<Item = Fault>) {
        let (unread, left_out) = (&self.unread, &self.left_out);
        let more = more.into_iter().map(|fault| Fault { pointer: left_out.place(&fault.pointer), ..fault });
        add(&mut self.faults, more.filter(|fault| !unread.relate(&fault.pointer)));
    }

    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.faults.is_empty()
    }

    /// All that is wrong.
    pub fn into_faults(self) -> Vec<Fault> {
        self.faults
    }
}

/// Adds each that is said of a place that nothing is said of yet, up to [`TOLD`].
pub fn add(faults: &mut Vec<Fault>, more: impl IntoIterator<Item = Fault>) {
    let known: HashSet<_> = faults.iter().map(|fault| fault.pointer.clone()).collect();
    let mut added = HashSet::new();
    let mut new =
        |fault: &Fault| !known.contains(&fault.pointer) && added.insert((fault.pointer.clone(), fault.message.clone()));
    let room = TOLD.saturating_sub(faults.len());
    faults.extend(more.into_iter().filter(|fault| new(fault)).take(room));
}
