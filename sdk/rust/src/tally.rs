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
/// They only ever rise, so that a thread with a stripe of its own needs no atomic addition. A flag that is never evaluated
/// has no counters; one with up to eight variations takes 192 bytes for each processor, and 2 KiB at most.
#[derive(Debug)]
pub(crate) struct Tally {
    flag: Box<str>,
    variations: Box<[Box<str>]>,
    lines: OnceLock<Box<[Line]>>,
    /// Lines of each stripe.
    lines_each: usize,
    /// What was reported of each variation; all who report are one at a time.
    reported: Box<[AtomicU64]>,
}

/// As long as a line of a cache, and where one begins: no other stripe's counters are in it.
#[derive(Debug, Default)]
#[repr(align(64))]
struct Line([AtomicU64; LINE]);

impl Tally {
    pub(crate) fn of(flag: &CompiledFlag) -> Self {
        let variations: Box<[Box<str>]> = flag.variations().iter().map(|one| one.name.as_str().into()).collect();
        let lines_each = variations.len().div_ceil(LINE);
        let reported = variations.iter().map(|_| AtomicU64::new(0)).collect();
        Self { flag: flag.key().into(), variations, lines: OnceLock::new(), lines_each, reported }
    }

    /// Whether they count the variations of `flag`, in its order.
    pub(crate) fn fits(&self, flag: &CompiledFlag) -> bool {
        *self.flag == *flag.key()
            && self.variations.len() == flag.variations().len()
            && self.variations.iter().zip(flag.variations()).all(|(own, other)| **own == *other.name)
    }

    /// Counts an evaluation that served the variation called `served`, by the name that stands in `variations`, which are
    /// the flag's.
    #[inline(always)]
    pub(crate) fn count(&self, variations: &[Variation], served: &str) {
        let named = |variation: &Variation| std::ptr::eq(variation.name.as_str(), served);
        let stripe = stripe();
        if let Some(at) = variations.iter().position(named)
            && let Some(counter) = self.counter(stripe.number, at)
        {
            if stripe.own {
                counter.store(counter.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
            } else {
                counter.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    #[inline(always)]
    fn counter(&self, stripe: usize, variation: usize) -> Option<&AtomicU64> {
        let lines = self.lines.get_or_init(|| self.no_counts());
        lines.get(stripe * self.lines_each + variation / LINE)?.0.get(variation % LINE)
    }

    #[cold]
    fn no_counts(&self) -> Box<[Line]> {
        (0..STRIPES.count() * self.lines_each).map(|_| Line::default()).collect()
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
        for ((at, variation), reported) in self.variations.iter().enumerate().zip(&self.reported) {
            let counters = (0..STRIPES.count()).filter_map(|stripe| self.counter(stripe, at));
            let total = counters.fold(0_u64, |sum, counter| sum.wrapping_add(counter.load(Ordering::Relaxed)));
            let count = total.wrapping_sub(reported.swap(total, Ordering::Relaxed));
            if count > 0 {
                let (flag, variation) = (self.flag.to_string(), variation.to_string());
                taken.push(Evaluations { flag, variation, count, last: now });
            }
        }
    }
}

#[cfg(test)]
mod tests;
