//! A bounded sketch of the users that an environment has seen of late.
//!
//! Kept are the keys whose hash lies below a threshold. When there are too many, the threshold is halved and half of
//! them go; so whether a key is kept depends on the key alone, and counts over the kept ones, times the inverse of the
//! share that is kept, are unbiased estimates (adaptive sampling: Flajolet 1990, after Wegman).

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bellwether_core::{bucket, limits};
use chrono::{DateTime, TimeDelta, Utc};
use hashbrown::HashMap;

/// Most keys that are kept of an environment.
const KEPT: usize = 10_000;
/// How long a user is remembered.
const REMEMBERED: TimeDelta = TimeDelta::hours(24);
/// How often the time that a user was last seen is brought up to date.
const FRESH: TimeDelta = TimeDelta::minutes(1);
/// Salts the hash, so that the sample has nothing to do with any split.
const SALT: &str = "recent users";

/// Users seen of late.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecentUsers {
    /// The targeting keys that are kept, in no particular order.
    pub keys: Vec<Arc<str>>,
    /// How many users they stand for: an estimate, where not all are kept.
    pub seen: u64,
}

/// The sketch. It is written to only when nobody else does, so that nobody waits.
#[derive(Default)]
pub(super) struct Recent {
    /// How often the threshold for new keys was halved: read without the lock, since it turns most keys away.
    halved: AtomicU64,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    keys: HashMap<Arc<str>, Entry>,
    /// How often the threshold was halved that keys are taken in by.
    halved: u32,
    /// A threshold that was doubled at that time from this many halvings. What lies above the old one may be new only
    /// to the sketch, so it is not shown until it has been taken in for as long as users are remembered.
    doubled: Option<(DateTime<Utc>, u32)>,
}

#[derive(Clone, Copy)]
struct Entry {
    hash: u64,
    last: DateTime<Utc>,
}

impl RecentUsers {
    /// An estimate of how many users so many of the kept ones stand for.
    #[must_use]
    pub fn estimate(&self, kept: usize) -> u64 {
        let estimate = u128::from(self.seen) * kept as u128 / (self.keys.len().max(1) as u128);
        u64::try_from(estimate).unwrap_or(u64::MAX)
    }

    /// At most so many of the kept ones, which stand for all.
    #[must_use]
    pub fn at_most(&self, users: usize) -> Self {
        // The map they come from has them in an order of its own, which has nothing to do with what they are served.
        Self { keys: self.keys.iter().take(users).cloned().collect(), seen: self.seen }
    }
}

/// Whether a hash lies below the threshold.
fn lies_below(hash: u64, halved: u32) -> bool {
    hash.leading_zeros() >= halved
}

impl Recent {
    pub(super) fn seen(&self, key: &str, now: DateTime<Utc>) {
        if key.len() > limits::TARGETING_KEY_LENGTH {
            return;
        }
        let hash = bucket::hash(SALT, key);
        let halved = u32::try_from(self.halved.load(Ordering::Relaxed)).unwrap_or(u32::MAX);
        // A user that comes while another is noted is noted the next time.
        if lies_below(hash, halved)
            && let Ok(mut kept) = self.kept.try_lock()
        {
            kept.note(key, hash, now);
            self.halved.store(u64::from(kept.halved), Ordering::Relaxed);
        }
    }

    /// The users seen in the time before `now` that users are remembered.
    pub(super) fn users(&self, now: DateTime<Utc>) -> RecentUsers {
        let mut kept = self.lock();
        kept.forget(now);
        self.halved.store(u64::from(kept.halved), Ordering::Relaxed);
        kept.users(now)
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        // No code that holds the lock can leave the sketch half done.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn note(&mut self, key: &str, hash: u64, now: DateTime<Utc>) {
        if let Some(entry) = self.keys.get_mut(key) {
            if now - entry.last >= FRESH {
                entry.last = now;
            }
            return;
        }
        if self.keys.len() >= KEPT {
            self.forget(now);
            while self.keys.len() >= KEPT {
                self.halve();
            }
        }
        if lies_below(hash, self.halved) {
            self.keys.insert(key.into(), Entry { hash, last: now });
        }
    }

    fn halve(&mut self) {
        self.halved += 1;
        if self.doubled.is_some_and(|(_, before)| before <= self.halved) {
            self.doubled = None;
        }
        let halved = self.halved;
        self.keys.retain(|_, entry| lies_below(entry.hash, halved));
    }

    /// Forgets those who were not seen for long, and takes in more of the others when few are left.
    fn forget(&mut self, now: DateTime<Utc>) {
        self.keys.retain(|_, entry| now - entry.last < REMEMBERED);
        if self.doubled.is_some_and(|(at, _)| now - at >= REMEMBERED) {
            self.doubled = None;
        }
        if self.halved > 0 && self.doubled.is_none() && self.keys.len() < KEPT / 4 {
            self.doubled = Some((now, self.halved));
            self.halved -= 1;
        }
    }

    fn users(&self, now: DateTime<Utc>) -> RecentUsers {
        let halved = self.doubled.map_or(self.halved, |(_, before)| before.max(self.halved));
        let shown = |(_, entry): &(&Arc<str>, &Entry)| lies_below(entry.hash, halved) && now - entry.last < REMEMBERED;
        let keys: Vec<_> = self.keys.iter().filter(shown).map(|(key, _)| key.clone()).collect();
        let each = 1_u64.checked_shl(halved).unwrap_or(u64::MAX);
        RecentUsers { seen: (keys.len() as u64).saturating_mul(each), keys }
    }
}

#[cfg(test)]
mod tests;
