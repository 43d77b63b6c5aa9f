//! Which units met which releases of late, and in which arm: a set of fixed size that is written without a lock.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// Places of one set, which are one line of a processor's cache: whatever falls into a set may be in any of them.
const WAYS: usize = 8;
/// Sets, in bits. With [`WAYS`] places of 8 bytes each, 131,072 exposures in 1 MiB.
const SET_BITS: u32 = 14;
/// How long an exposure is recent, in [ticks](Ticks): 30 minutes, after which web analytics has a session end.
pub(crate) const RECENT: u32 = 180;

/// Time in steps of ten seconds since the client began.
pub(crate) type Ticks = u32;

/// Bits of a place, from the lowest: when, the flag's version, the arm, and a part of the hash.
const TICK_BITS: u32 = 22;
const VERSION_BITS: u32 = 4;
const ARM_BITS: u32 = 6;
const TICK_MASK: u64 = (1 << TICK_BITS) - 1;
const VERSION_MASK: u64 = (1 << VERSION_BITS) - 1;
const ARM_MASK: u64 = (1 << ARM_BITS) - 1;
const TAG_SHIFT: u32 = TICK_BITS + VERSION_BITS + ARM_BITS;

/// The most arms that a release can have here.
pub(crate) const ARMS: usize = 1 << ARM_BITS;

/// The latest exposure of each unit to each release.
///
/// A unit is known by 46 bits of a seeded hash of it and the release: 14 choose the set, 32 are kept. So one that was
/// never exposed is taken for another, which was, with a chance of at most 8 in 2^32 (one in half a billion), and is then
/// not reported, or counts for that one's arm. Where nine units share a set, the one met least recently is forgotten: up to
/// 65,000 recent exposures that hardly happens (to 2 % of them), and of 131,000 about one in seven is. Who is forgotten is
/// met anew the next time. Time counts two years until it begins again.
#[derive(Debug, Default)]
pub(crate) struct Recent {
    sets: OnceLock<Box<[Set]>>,
}

#[derive(Debug, Default)]
#[repr(align(64))]
struct Set([AtomicU64; WAYS]);

/// A meeting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Exposed {
    /// Index of the arm among the release's, below [`ARMS`].
    pub(crate) arm: usize,
    /// The flag's version: a new one may have moved users between arms.
    pub(crate) version: u64,
}

impl Recent {
    /// Notes that the unit and release of `hash` met; whether that is news: not met of late in this arm and version. Of
    /// threads that note the same at once, one is told so.
    #[inline]
    pub(crate) fn meet(&self, hash: u64, exposed: Exposed, now: Ticks) -> bool {
        let tag = hash & u64::from(u32::MAX);
        let Some(set) = self.set(hash) else { return false };
        let place = pack(tag, exposed, now);
        for way in &set.0 {
            let found = way.load(Ordering::Relaxed);
            if found >> TAG_SHIFT != tag || found == 0 {
                continue;
            }
            if found == place {
                return false;
            }
            let same = (found ^ place) & !TICK_MASK == 0 && age(found, now) <= RECENT;
            // Where another thread was quicker, what it wrote stands.
            let written = way.compare_exchange(found, place, Ordering::Relaxed, Ordering::Relaxed).is_ok();
            return written && !same;
        }
        replace_oldest(set, place, now)
    }

    /// The arm in which the unit of `hash` met the release last, if it did of late.
    pub(crate) fn arm(&self, hash: u64, now: Ticks) -> Option<usize> {
        let tag = hash & u64::from(u32::MAX);
        let ways = &self.sets.get()?.get(index(hash))?.0;
        let places = ways.iter().map(|way| way.load(Ordering::Relaxed));
        let found = places.into_iter().find(|found| found >> TAG_SHIFT == tag && *found != 0)?;
        if age(found, now) > RECENT {
            return None;
        }
        usize::try_from(found >> (TICK_BITS + VERSION_BITS) & ARM_MASK).ok()
    }

    #[inline]
    fn set(&self, hash: u64) -> Option<&Set> {
        self.sets.get_or_init(|| (0..1_usize << SET_BITS).map(|_| Set::default()).collect()).get(index(hash))
    }
}

/// Puts `place` where there is none yet, or where the oldest is.
#[cold]
fn replace_oldest(set: &Set, place: u64, now: Ticks) -> bool {
    // Whoever notes the same at once and has not seen the other goes for the same place, so one of them finds it taken and
    // looks again. Where others write faster than this one as often as there are places, it is not noted.
    for _ in 0..=WAYS {
        let seen = set.0.each_ref().map(|way| way.load(Ordering::Relaxed));
        if seen.iter().any(|found| (found ^ place) & !TICK_MASK == 0) {
            return false;
        }
        let oldest =
            set.0.iter().zip(seen).max_by_key(|(_, found)| if *found == 0 { u32::MAX } else { age(*found, now) });
        let Some((way, found)) = oldest else { break };
        if way.compare_exchange(found, place, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            return true;
        }
    }
    false
}

fn index(hash: u64) -> usize {
    usize::try_from(hash >> (u64::BITS - SET_BITS)).unwrap_or_default()
}

#[inline]
fn pack(tag: u64, exposed: Exposed, now: Ticks) -> u64 {
    let arm = u64::try_from(exposed.arm).unwrap_or_default() & ARM_MASK;
    // Never 0, which is an empty place.
    let tick = u64::from(now) & TICK_MASK | u64::from(tag == 0);
    tag << TAG_SHIFT | arm << (TICK_BITS + VERSION_BITS) | (exposed.version & VERSION_MASK) << TICK_BITS | tick
}

/// Ticks since a place was written; 0 for one that another thread wrote a moment later.
#[inline]
fn age(place: u64, now: Ticks) -> u32 {
    let age = u64::from(now).wrapping_sub(place) & TICK_MASK;
    if age > TICK_MASK / 2 { 0 } else { u32::try_from(age).unwrap_or(u32::MAX) }
}

#[cfg(test)]
mod tests;
