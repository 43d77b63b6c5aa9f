//! How often each variation was served since this was last reported.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use arc_swap::ArcSwap;
use bellwether_core::Evaluation;
use bellwether_core::window::Evaluations;
use chrono::{DateTime, Utc};

/// Parts that flags are kept in: one that is evaluated for the first time copies the map of its own part alone.
const PARTS: usize = 64;

type Flags = HashMap<Box<str>, Arc<[Counter]>>;

/// Counters that any number of threads add to without waiting for each other. No clock is read for them: when they are
/// reported, the last of the evaluations is not long ago.
pub(crate) struct Tally {
    parts: [ArcSwap<Flags>; PARTS],
    closed: AtomicBool,
}

#[derive(Debug)]
struct Counter {
    variation: Box<str>,
    evaluations: Arc<AtomicU64>,
}

impl Tally {
    pub(crate) fn new() -> Self {
        Self { parts: std::array::from_fn(|_| ArcSwap::default()), closed: AtomicBool::new(false) }
    }

    /// Counts an evaluation of the flag `key`.
    pub(crate) fn count(&self, key: &str, evaluation: &Evaluation<'_>) {
        let Some(part) = self.part(key).filter(|_| !self.closed.load(Ordering::Relaxed)) else { return };
        let variation = evaluation.variation;
        let find = |flags: &Flags| {
            let counters = flags.get(key)?;
            let counter = counters.iter().find(|counter| *counter.variation == *variation)?;
            counter.evaluations.fetch_add(1, Ordering::Relaxed);
            Some(())
        };
        if find(&part.load()).is_some() {
            return;
        }
        part.rcu(|flags| {
            let mut flags = HashMap::clone(flags);
            let known = flags.get(key).into_iter().flat_map(|counters| counters.iter());
            let mut counters: Vec<_> = known.map(Counter::again).collect();
            if !counters.iter().any(|counter| *counter.variation == *variation) {
                counters.push(Counter { variation: variation.into(), evaluations: Arc::default() });
            }
            flags.insert(key.into(), counters.into());
            flags
        });
        find(&part.load());
    }

    /// What was counted since this was last asked, which is `now`. Flags that were not evaluated since are forgotten.
    pub(crate) fn take(&self, now: DateTime<Utc>) -> Vec<Evaluations> {
        let mut taken = Vec::new();
        for part in &self.parts {
            let flags = part.load_full();
            let mut idle = Vec::new();
            for (key, counters) in flags.iter() {
                let before = taken.len();
                for Counter { variation, evaluations } in counters.iter() {
                    let count = evaluations.swap(0, Ordering::Relaxed);
                    if count > 0 {
                        let (flag, variation) = (key.to_string(), variation.to_string());
                        taken.push(Evaluations { flag, variation, count, last: now });
                    }
                }
                if taken.len() == before {
                    idle.push(key);
                }
            }
            if !idle.is_empty() {
                part.rcu(|flags| {
                    let mut flags = HashMap::clone(flags);
                    // One that is evaluated just now stays.
                    flags.retain(|key, counters| !idle.contains(&key) || counters.iter().any(Counter::counts));
                    flags
                });
            }
        }
        taken
    }

    /// Counts nothing from now on.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
    }

    /// The part that a flag is in, which there always is.
    fn part(&self, key: &str) -> Option<&ArcSwap<Flags>> {
        let sum = key.bytes().fold(0_usize, |sum, byte| sum.wrapping_mul(31).wrapping_add(usize::from(byte)));
        self.parts.get(sum % PARTS)
    }
}

impl Counter {
    fn again(&self) -> Self {
        Self { variation: self.variation.clone(), evaluations: Arc::clone(&self.evaluations) }
    }

    fn counts(&self) -> bool {
        self.evaluations.load(Ordering::Relaxed) > 0
    }
}

impl std::fmt::Debug for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tally").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
