//! What is found wrong with a document, step by step.

use std::collections::HashSet;

use bellwether_core::Fault;
use serde_json::Value;

use super::TOLD;
use super::places::Places;
use super::rest::LeftOut;

/// All that is wrong with a document so far, by places in the whole of it, up to [`TOLD`].
#[derive(Clone, Debug, Default)]
pub struct Found {
    faults: Vec<Fault>,
    /// What can't be read.
    unread: Places,
    /// Lists with something in them that can't be read, and something else in place of it: how many elements they have is
    /// known.
    counted: HashSet<String>,
    /// What was looked at lacks these.
    left_out: LeftOut,
}

impl Found {
    /// What `document` can't be read for.
    pub(super) fn unread(faults: Vec<Fault>, left_out: LeftOut, document: &Value) -> Self {
        let unread: Places = faults.iter().map(|fault| fault.pointer.as_str()).collect();
        let counted = unread.above().filter(|list| document.pointer(list).is_some_and(Value::is_array));
        let counted = counted.filter(|list| !left_out.is_from(list)).cloned().collect();
        Self { faults, unread, counted, left_out }
    }

    /// Adds what is wrong with what could be read, but for places that something is said of already. What is said of
    /// something that could not be read, or of what that belongs to, may just follow from that, and is left out; but for
    /// lists, of which it is how many elements they have.
    pub fn add(&mut self, more: impl IntoIterator<Item = Fault>) {
        let Self { unread, counted, left_out, .. } = &*self;
        let more = more.into_iter().map(|fault| Fault { pointer: left_out.place(&fault.pointer), ..fault });
        let certain = |fault: &Fault| {
            let at = &fault.pointer;
            !unread.relate(at) || (counted.contains(at) && !unread.reach(at))
        };
        let certain: Vec<_> = more.filter(certain).collect();
        add(&mut self.faults, certain);
    }

    /// As [`Found::add`], only what is said of the second reading by `look`, too, if there is one: what is said of but one
    /// of them follows from what stands in for something.
    pub(super) fn add_certain<T>(
        &mut self,
        faults: Vec<Fault>,
        second: Option<(T, LeftOut)>,
        look: impl FnOnce(T) -> Option<Vec<Fault>>,
    ) {
        if faults.is_empty() {
            return;
        }
        let again = second.and_then(|(read, left_out)| Some((look(read)?, left_out)));
        let Some((again, left_out)) = again else { return self.add(faults) };
        let again: HashSet<_> = again.iter().map(|fault| left_out.place(&fault.pointer)).collect();
        let faults = faults.into_iter();
        let certain: Vec<_> = faults.filter(|fault| again.contains(&self.left_out.place(&fault.pointer))).collect();
        self.add(certain);
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
