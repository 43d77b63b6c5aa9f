//! How often each variation was served since this was last reported.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use bellwether_core::window::Evaluations;
use bellwether_core::{CompiledFlag, Variation};
use chrono::{DateTime, Utc};

use crate::stripes::{STRIPES, stripe};

/// Counters in one line of a processor's cache.
const LINE: usize = 8;

/// The counters of one flag: one for each variation and [stripe](crate::stripes), so that any number of threads add to
/// them without waiting for each other. No clock is read: when they are reported, the last of the evaluations is not long
/// ago.
///
/// A flag that is never evaluated has no counters; one with up to eight variations takes 64 bytes for each processor, and
/// 1 KiB at most.
#[derive(Debug)]
pub(crate) struct Tally {
    flag: Box<str>,
    variations: Box<[Box<str>]>,
    lines: OnceLock<Box<[Line]>>,
}

/// As long as a line of a cache, and where one begins: no other stripe's counters are in it.
#[derive(Debug, Default)]
#[repr(align(64))]
struct Line([AtomicU64; LINE]);

impl Tally {
    pub(crate) fn of(flag: &CompiledFlag) -> Self {
        let variations = flag.variations().iter().map(|variation| variation.name.as_str().into()).collect();
        Self { flag: flag.key().into(), variations, lines: OnceLock::new() }
    }

    /// Whether they count the variations of `flag`, in its order.
    pub(crate) fn fits(&self, flag: &CompiledFlag) -> bool {
        *self.flag == *flag.key()
            && self.variations.len() == flag.variations().len()
            && self.variations.iter().zip(flag.variations()).all(|(own, other)| **own == *other.name)
    }

    /// Counts an evaluation that served the variation called `served`, by the name that stands in `variations`, which are
    /// the flag's.
    #[inline]
    pub(crate) fn count(&self, variations: &[Variation], served: &str) {
        let named = |variation: &Variation| std::ptr::eq(variation.name.as_str(), served);
        if let Some(at) = variations.iter().position(named)
            && let Some(counter) = self.counter(stripe(), at)
        {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[inline]
    fn counter(&self, stripe: usize, variation: usize) -> Option<&AtomicU64> {
        let lines = self.lines.get_or_init(|| self.no_counts());
        let stripe = stripe & (*STRIPES - 1);
        lines.get(stripe * self.lines_each() + variation / LINE)?.0.get(variation % LINE)
    }

    #[cold]
    fn no_counts(&self) -> Box<[Line]> {
        (0..*STRIPES * self.lines_each()).map(|_| Line::default()).collect()
    }

    fn lines_each(&self) -> usize {
        self.variations.len().div_ceil(LINE)
    }

    /// Whether anything was ever counted.
    pub(crate) fn is_used(&self) -> bool {
        self.lines.get().is_some()
    }

    /// Adds what was counted since this was last asked, which is `now`, to `taken`.
    pub(crate) fn take(&self, now: DateTime<Utc>, taken: &mut Vec<Evaluations>) {
        if self.lines.get().is_none() {
            return;
        }
        for (at, variation) in self.variations.iter().enumerate() {
            let counters = (0..*STRIPES).filter_map(|stripe| self.counter(stripe, at));
            let count = counters.map(|counter| counter.swap(0, Ordering::Relaxed)).sum();
            if count > 0 {
                let (flag, variation) = (self.flag.to_string(), variation.to_string());
                taken.push(Evaluations { flag, variation, count, last: now });
            }
        }
    }
}

#[cfg(test)]
mod tests;
