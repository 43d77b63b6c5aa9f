//! The flags in use, each with what is counted of it.

use std::hash::BuildHasher as _;
use std::sync::Arc;

use bellwether_core::{Entry, State};
use hashbrown::{DefaultHashBuilder, HashTable};

use crate::exposures::Series;
use crate::tally::Tally;

/// A state, and beside each of its flags what evaluating it writes to: one look-up finds both.
#[derive(Debug)]
pub(crate) struct InUse {
    state: Arc<State>,
    hasher: DefaultHashBuilder,
    flags: HashTable<Slot>,
    /// Those of `flags` that a release runs on.
    releases: Box<[Slot]>,
}

/// A flag in use.
#[derive(Clone, Debug)]
pub(crate) struct Slot {
    /// The flag's, here so that a look-up need not follow the entry.
    key: Box<str>,
    pub(crate) entry: Arc<Entry>,
    pub(crate) tally: Arc<Tally>,
    /// Its release, as exposures have it.
    pub(crate) series: Series,
}

impl InUse {
    /// `state`, whose flags go on with the tallies that they had before.
    pub(crate) fn new(state: Arc<State>, before: Option<&Self>) -> Self {
        let hasher = before.map_or_else(DefaultHashBuilder::default, |before| before.hasher.clone());
        let mut flags = HashTable::with_capacity(state.flags().len());
        let mut releases = Vec::new();
        for entry in state.flags() {
            let flag = entry.flag();
            let known = before.and_then(|before| before.flag(flag.key())).filter(|known| known.tally.fits(flag));
            let tally = known.map_or_else(|| Arc::new(Tally::of(flag)), |known| Arc::clone(&known.tally));
            let slot = Slot { key: flag.key().into(), entry: Arc::clone(entry), tally, series: Series::of(flag) };
            if flag.release().is_some() {
                releases.push(slot.clone());
            }
            flags.insert_unique(hasher.hash_one(flag.key()), slot, |slot| hasher.hash_one(&*slot.key));
        }
        Self { state, hasher, flags, releases: releases.into() }
    }

    pub(crate) fn state(&self) -> &Arc<State> {
        &self.state
    }

    /// The flag `key`, if there is one.
    #[inline(always)]
    pub(crate) fn flag(&self, key: &str) -> Option<&Slot> {
        self.flags.find(self.hasher.hash_one(key), |slot| *slot.key == *key)
    }

    /// The flags that a release runs on.
    pub(crate) fn releases(&self) -> &[Slot] {
        &self.releases
    }

    /// What is counted of each flag.
    pub(crate) fn tallies(&self) -> impl Iterator<Item = &Arc<Tally>> {
        self.flags.iter().map(|slot| &slot.tally)
    }

    /// The tallies that are not in `after`.
    pub(crate) fn tallies_not_in<'s>(&'s self, after: &'s Self) -> impl Iterator<Item = &'s Arc<Tally>> {
        let gone = |slot: &&Slot| {
            let later = after.flag(&slot.key);
            later.is_none_or(|later| !Arc::ptr_eq(&later.tally, &slot.tally))
        };
        self.flags.iter().filter(gone).map(|slot| &slot.tally)
    }
}
