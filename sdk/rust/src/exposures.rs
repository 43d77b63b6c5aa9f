//! Who met which release: to report it once, and to know whom a metric is about.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, TryLockError};

use bellwether_core::bucket::{KeyBuffer, key_of};
use bellwether_core::window::Exposure;
use bellwether_core::{CompiledFlag, Context, Entry, Release, limits};
use chrono::{DateTime, Utc};
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use crate::in_use::{InUse, Slot};
use crate::recent::{ARMS, Exposed, Recent, Ticks};
use crate::stripes::{STRIPES, stripe};

/// The most exposures that wait for the next report; the server takes 10,000 at once.
const WAITING: usize = 8_192;
/// The most that their units take together, in bytes.
const WAITING_BYTES: usize = 512 * 1024;

/// A release's part in the hash of its exposures.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Series(u64);

impl Series {
    pub(crate) fn of(flag: &CompiledFlag) -> Self {
        Self(flag.release().map_or(0, |release| xxh3_64(release.id.as_bytes())))
    }
}

/// Exposures of late, and those that wait to be reported. Memory is bounded by [`Recent`]'s and by what may wait.
#[derive(Debug)]
pub(crate) struct Exposures {
    /// Drawn, so that nobody can choose units that push others out.
    seed: u64,
    recent: Recent,
    now: AtomicU32,
    /// More than one part, so that there is one to write to while another is taken.
    waiting: Box<[Mutex<Waiting>]>,
    dropped: AtomicU64,
}

/// Exposures in the order in which they came. Emptied it keeps its memory, so that after a while none is allocated.
#[derive(Debug, Default)]
struct Waiting {
    all: Vec<One>,
    /// Their units, one behind the other.
    units: String,
}

#[derive(Debug)]
struct One {
    entry: Arc<Entry>,
    arm: usize,
    at: DateTime<Utc>,
    /// Where the unit ends among all of them.
    end: usize,
}

impl Exposures {
    pub(crate) fn new() -> Self {
        let parts = STRIPES.own.max(2);
        Self {
            seed: rand::random(),
            recent: Recent::default(),
            now: AtomicU32::new(0),
            waiting: (0..parts).map(|_| Mutex::default()).collect(),
            dropped: AtomicU64::new(0),
        }
    }

    /// Says what time it is. No clock is read when somebody meets a release.
    pub(crate) fn tick(&self, now: Ticks) {
        self.now.store(now, Ordering::Relaxed);
    }

    /// Notes that `context` met the release of `slot` in its arm number `arm`, and keeps it for the report if that is
    /// news. Without a targeting key, or with one that is too long, there is nobody to tell of.
    #[inline]
    pub(crate) fn meet(&self, slot: &Slot, arm: usize, context: &Context, at: impl FnOnce() -> DateTime<Utc>) {
        let mut buffer = KeyBuffer::default();
        let Some(unit) = unit(context, &mut buffer).filter(|_| arm < ARMS) else { return };
        let exposed = Exposed { arm, version: slot.entry.flag().version() };
        if self.recent.meet(self.hash(slot.series, unit), exposed, self.now.load(Ordering::Relaxed)) {
            self.keep(&slot.entry, arm, unit, at());
        }
    }

    /// The releases that watch `metric` and that `context` met of late, each with the arm that it met last.
    pub(crate) fn met<'s>(&self, in_use: &'s InUse, metric: &str, context: &Context) -> Vec<(&'s Release, &'s str)> {
        let mut buffer = KeyBuffer::default();
        let Some(unit) = unit(context, &mut buffer) else { return Vec::new() };
        let now = self.now.load(Ordering::Relaxed);
        let arm = |slot: &'s Slot| {
            let release = slot.entry.flag().release()?;
            if !release.metrics.iter().any(|watched| watched.metric == metric) {
                return None;
            }
            let arm = self.recent.arm(self.hash(slot.series, unit), now)?;
            Some((release, release.arms.get(arm)?.name.as_str()))
        };
        in_use.releases().iter().filter_map(arm).collect()
    }

    /// Those that wait.
    pub(crate) fn take(&self) -> Vec<Exposure> {
        let mut taken = Vec::new();
        for part in &self.waiting {
            let mut waiting = part.lock().unwrap_or_else(PoisonError::into_inner);
            waiting.read(&mut taken);
            waiting.all.clear();
            waiting.units.clear();
        }
        taken
    }

    /// How many found no room since this was asked last.
    pub(crate) fn take_dropped(&self) -> u64 {
        self.dropped.swap(0, Ordering::Relaxed)
    }

    #[inline]
    fn hash(&self, series: Series, unit: &str) -> u64 {
        xxh3_64_with_seed(unit.as_bytes(), self.seed ^ series.0)
    }

    /// Keeps an exposure in the first part that has room and that nobody else is at; it waits for none.
    #[cold]
    fn keep(&self, entry: &Arc<Entry>, arm: usize, unit: &str, at: DateTime<Utc>) {
        let parts = self.waiting.len();
        let (most, most_bytes) = (WAITING / parts, WAITING_BYTES / parts);
        for part in self.waiting.iter().cycle().skip(stripe().number % parts).take(parts) {
            let mut waiting = match part.try_lock() {
                Ok(waiting) => waiting,
                Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
                Err(TryLockError::WouldBlock) => continue,
            };
            if waiting.all.len() < most && waiting.units.len() + unit.len() <= most_bytes {
                waiting.units.push_str(unit);
                let end = waiting.units.len();
                waiting.all.push(One { entry: Arc::clone(entry), arm, at, end });
                return;
            }
        }
        self.dropped.fetch_add(1, Ordering::Relaxed);
    }
}

impl Waiting {
    fn read(&self, taken: &mut Vec<Exposure>) {
        let mut start = 0;
        for One { entry, arm, at, end } in &self.all {
            let release = entry.flag().release();
            let arm = release.and_then(|release| release.arms.get(*arm));
            if let (Some(release), Some(arm), Some(unit)) = (release, arm, self.units.get(start..*end)) {
                let (release, arm, unit) = (release.id.clone(), arm.name.clone(), unit.to_owned());
                taken.push(Exposure { release, arm, unit, at: *at });
            }
            start = *end;
        }
    }
}

/// Whom a context is for, as far as it can be told to the server.
#[inline]
fn unit<'v>(context: &'v Context, buffer: &'v mut KeyBuffer) -> Option<&'v str> {
    key_of(context.targeting_key()?, buffer).filter(|unit| unit.len() <= limits::TARGETING_KEY_LENGTH)
}

#[cfg(test)]
mod tests;
