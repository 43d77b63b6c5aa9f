//! What is found wrong with a document, step by step.

use std::collections::HashSet;

use bellwether_core::Fault;
use serde_json::Value;

use super::TOLD;
use super::places::Places;
use super::rest::{LeftOut, Reading};

/// All that is wrong with a document so far, by places in the whole of it, up to [`TOLD`].
#[derive(Clone, Debug, Default)]
pub struct Found {
    faults: Vec<Fault>,
    /// What can't be read.
    unread: Places,
    /// Lists with something in them that can't be read, and, unless it is gone, something else in place of it: how many
    /// elements they have is known.
    counted: HashSet<String>,
    /// What was looked at lacks these.
    left_out: LeftOut,
    /// What nothing stands in for.
    gone: Places,
}

impl Found {
    /// What `document` can't be read for, where it is looked at in the first of all readings.
    pub(super) fn unread<T>(faults: Vec<Fault>, reading: Reading<T>, document: &Value) -> (T, Self) {
        let Reading { read, left_out, gone } = reading;
        let unread: Places = faults.iter().map(|fault| fault.pointer.as_str()).collect();
        let counted = unread.above().filter(|list| document.pointer(list).is_some_and(Value::is_array));
        let counted = counted.cloned().collect();
        (read, Self { faults, unread, counted, left_out, gone })
    }

    /// Adds what is wrong with what could be read, but for places that something is said of already. What is said of
    /// something that could not be read, or of what that belongs to, may just follow from that, and is left out; but for
    /// lists, of which it is how many elements they have.
    pub fn add(&mut self, more: impl IntoIterator<Item = Fault>) {
        let certain = |at: &str| !self.unread.relate(at) || self.counted.contains(at);
        let more: Vec<_> = self.placed(more).into_iter().filter(|fault| certain(&fault.pointer)).collect();
        add(&mut self.faults, more);
    }

    /// As [`Found::add`], only what `others` find alike, who look at other readings: the rest follows from what stands in
    /// for something. What all of them say of what something belongs to that could not be read is so whatever that is.
    pub(super) fn add_certain(&mut self, faults: Vec<Fault>, others: impl IntoIterator<Item = (Vec<Fault>, LeftOut)>) {
        let mut certain = self.placed(faults);
        let mut alone = true;
        let mut others = others.into_iter();
        while !certain.is_empty()
            && let Some((again, left_out)) = others.next()
        {
            let again: HashSet<_> =
                again.into_iter().map(|fault| (left_out.place(&fault.pointer), fault.message)).collect();
            certain.retain(|fault| again.contains(&(fault.pointer.clone(), fault.message.clone())));
            alone = false;
        }
        if alone {
            certain.retain(|fault| !self.unread.relate(&fault.pointer) || self.counted.contains(&fault.pointer));
        }
        add(&mut self.faults, certain);
    }

    /// By their places in the whole document, those of what could be read.
    fn placed(&self, faults: impl IntoIterator<Item = Fault>) -> Vec<Fault> {
        let all = faults.into_iter().map(|fault| Fault { pointer: self.left_out.place(&fault.pointer), ..fault });
        all.filter(|fault| !self.unread.reach(&fault.pointer) && !self.gone.relate(&fault.pointer)).collect()
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
