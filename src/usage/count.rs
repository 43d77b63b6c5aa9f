//! Counters that any number of threads add to without waiting for each other.

use std::hash::BuildHasher as _;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use chrono::{DateTime, Utc};
use hashbrown::{DefaultHashBuilder, HashMap};

use super::Served;
use super::store::Row;

/// Parts that the flags of an environment are kept in: a flag that is new copies the map of its own part alone.
const PARTS: usize = 64;
/// Most variations counted of one flag, twice what it may have at a time: more are left once they were renamed.
const VARIATIONS: usize = 128;
/// How far the time of the last evaluation may lag behind, in microseconds: cores that count the same flag would take
/// its memory away from each other each time otherwise.
const LAG: i64 = 100_000;

type Flags = HashMap<Box<str>, Arc<FlagCounts>>;

/// The counters of an environment.
pub(super) struct Counts {
    parts: [ArcSwap<Flags>; PARTS],
    hasher: DefaultHashBuilder,
    /// Variations that made room for others, by flag.
    left: Mutex<Vec<(String, String)>>,
}

/// A flag's counters, one for each variation; they are few.
#[derive(Default)]
struct FlagCounts {
    variations: ArcSwap<Vec<Arc<Counter>>>,
}

/// One variation of a flag. Times are in microseconds since 1970.
pub(super) struct Counter {
    variation: Box<str>,
    unsaved: AtomicU64,
    saved: AtomicU64,
    first: AtomicI64,
    last: AtomicI64,
}

/// What a counter has counted since it was last asked.
pub(super) struct Unsaved {
    pub(super) counter: Arc<Counter>,
    pub(super) row: Row,
}

impl Default for Counts {
    fn default() -> Self {
        Self {
            parts: std::array::from_fn(|_| ArcSwap::default()),
            hasher: DefaultHashBuilder::default(),
            left: Mutex::default(),
        }
    }
}

impl Counts {
    pub(super) fn evaluated(&self, flag: &str, variation: &str, now: DateTime<Utc>) {
        let now = now.timestamp_micros();
        if let Some(counts) = self.part(flag).map(ArcSwap::load).as_ref().and_then(|flags| flags.get(flag)) {
            let variations = counts.variations.load();
            if let Some(counter) = variations.iter().find(|counter| *counter.variation == *variation) {
                counter.count(now);
                return;
            }
        }
        self.counter(flag, variation).count(now);
    }

    /// The counter of a variation, which is there from now on.
    pub(super) fn counter(&self, flag: &str, variation: &str) -> Arc<Counter> {
        let counts = self.flag(flag);
        let find = |all: &[Arc<Counter>]| all.iter().find(|counter| *counter.variation == *variation).cloned();
        if let Some(known) = find(&counts.variations.load()) {
            return known;
        }
        let fresh = Arc::new(Counter::new(variation));
        let mut left = None;
        counts.variations.rcu(|all| {
            let mut all = Vec::clone(all);
            left = None;
            if find(&all).is_none() {
                let oldest = all.iter().enumerate().min_by_key(|(_, counter)| counter.last.load(Ordering::Relaxed));
                let oldest = oldest.map(|(at, _)| at).filter(|_| all.len() >= VARIATIONS);
                left = oldest.map(|at| all.swap_remove(at).variation.to_string());
                all.push(fresh.clone());
            }
            all
        });
        if let Some(left) = left {
            self.left.lock().unwrap_or_else(PoisonError::into_inner).push((flag.to_owned(), left));
        }
        find(&counts.variations.load()).unwrap_or(fresh)
    }

    /// How each variation of a flag was served.
    pub(super) fn of(&self, flag: &str) -> Vec<Served> {
        let known = self.part(flag).and_then(|part| part.load().get(flag).cloned());
        let counters = known.map(|flag| flag.variations.load_full()).unwrap_or_default();
        counters.iter().filter_map(|counter| counter.served()).collect()
    }

    /// What was counted since this was last asked, in the environment of that id.
    pub(super) fn take_unsaved(&self, environment: i64) -> Vec<Unsaved> {
        let mut taken = Vec::new();
        for part in &self.parts {
            for (flag, counts) in part.load().iter() {
                for counter in counts.variations.load().iter() {
                    let evaluations = counter.unsaved.swap(0, Ordering::Relaxed);
                    let Some(Served { variation, first, last, .. }) = counter.served().filter(|_| evaluations > 0)
                    else {
                        continue;
                    };
                    let row = Row { environment, flag: flag.to_string(), variation, evaluations, first, last };
                    taken.push(Unsaved { counter: counter.clone(), row });
                }
            }
        }
        taken
    }

    /// The variations that made room for others since this was last asked, by flag.
    pub(super) fn take_left(&self) -> Vec<(String, String)> {
        std::mem::take(&mut *self.left.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn forget(&self, flag: &str) {
        let Some(part) = self.part(flag) else { return };
        part.rcu(|all| {
            let mut all = HashMap::clone(all);
            all.remove(flag);
            all
        });
    }

    fn flag(&self, flag: &str) -> Arc<FlagCounts> {
        let fresh = Arc::<FlagCounts>::default();
        let Some(part) = self.part(flag) else { return fresh };
        if let Some(known) = part.load().get(flag) {
            return known.clone();
        }
        part.rcu(|all| {
            let mut all = HashMap::clone(all);
            all.entry(flag.into()).or_insert_with(|| fresh.clone());
            all
        });
        // Somebody else may have been first.
        part.load().get(flag).cloned().unwrap_or(fresh)
    }

    /// The part that a flag is in, which there always is.
    fn part(&self, flag: &str) -> Option<&ArcSwap<Flags>> {
        // The highest bits: a map begins with the lowest.
        let part = self.hasher.hash_one(flag) >> (u64::BITS - PARTS.ilog2());
        self.parts.get(usize::try_from(part).ok()?)
    }
}

impl Counter {
    fn new(variation: &str) -> Self {
        Self {
            variation: variation.into(),
            unsaved: AtomicU64::new(0),
            saved: AtomicU64::new(0),
            first: AtomicI64::new(i64::MAX),
            last: AtomicI64::new(i64::MIN),
        }
    }

    fn count(&self, now: i64) {
        self.between(now, now);
        self.unsaved.fetch_add(1, Ordering::Relaxed);
    }

    fn between(&self, first: i64, last: i64) {
        if self.first.load(Ordering::Relaxed) > first {
            self.first.fetch_min(first, Ordering::Relaxed);
        }
        let known = self.last.load(Ordering::Relaxed);
        if known.saturating_add(LAG) <= last {
            self.last.fetch_max(last, Ordering::Relaxed);
        }
    }

    /// So many that are in the store already.
    pub(super) fn saved(&self, evaluations: u64, first: DateTime<Utc>, last: DateTime<Utc>) {
        self.between(first.timestamp_micros(), last.timestamp_micros());
        self.saved.fetch_add(evaluations, Ordering::Relaxed);
    }

    /// What the store knows.
    pub(super) fn known(&self, row: &Row) {
        self.between(row.first.timestamp_micros(), row.last.timestamp_micros());
        self.saved.fetch_max(row.evaluations, Ordering::Relaxed);
    }

    /// They could not be saved.
    pub(super) fn give_back(&self, evaluations: u64) {
        self.unsaved.fetch_add(evaluations, Ordering::Relaxed);
    }

    /// What was counted; nothing before the first.
    fn served(&self) -> Option<Served> {
        let at = |time: &AtomicI64| DateTime::from_timestamp_micros(time.load(Ordering::Relaxed));
        Some(Served {
            variation: self.variation.to_string(),
            evaluations: self.saved.load(Ordering::Relaxed).saturating_add(self.unsaved.load(Ordering::Relaxed)),
            first: at(&self.first)?,
            last: at(&self.last)?,
        })
    }
}

#[cfg(test)]
mod tests;
