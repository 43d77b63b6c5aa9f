//! Lists of keys that rise byte by byte, each key once: how two of them differ, and what comes out of both.

use std::cmp::Ordering;

use bellwether_core::{Fault, Keys, limits};
use serde::Serialize;
use utoipa::ToSchema;

/// Most bytes of one list's keys together: an SDK reads a snapshot of at most 256 MiB.
const BYTES: usize = 100 << 20;

/// Which of two lists has a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Old,
    New,
    Both,
}

/// What becomes of a list of keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = KeyCounts)]
pub struct Counts {
    /// Keys that are new in the list.
    pub added: usize,
    /// Keys that are gone from it.
    pub removed: usize,
    /// Keys that it had and has.
    pub unchanged: usize,
    /// Keys that it has.
    pub total: usize,
}

/// How a list shall change.
#[derive(Clone, Debug)]
pub(super) enum ListChange {
    /// It becomes these.
    Replace(Keys),
    /// It has these as well.
    Add(Keys),
    /// It no longer has these.
    Remove(Keys),
}

impl ListChange {
    /// The list after the change.
    pub(super) fn applied(&self, old: &Keys) -> Keys {
        match self {
            Self::Replace(keys) => keys.clone(),
            Self::Add(keys) => collect(walk(old, keys).map(|(_, key)| key)),
            Self::Remove(keys) => collect(walk(old, keys).filter(|(side, _)| *side == Side::Old).map(|(_, key)| key)),
        }
    }
}

fn collect<'k>(keys: impl Iterator<Item = &'k str>) -> Keys {
    let mut keys: Keys = keys.collect();
    keys.shrink();
    keys
}

/// Every key of two lists, rising, with where it stands.
pub(super) fn walk<'k>(old: &'k Keys, new: &'k Keys) -> impl Iterator<Item = (Side, &'k str)> {
    let (mut i, mut j) = (0, 0);
    std::iter::from_fn(move || {
        let (side, key) = match (old.get(i), new.get(j)) {
            (None, None) => return None,
            (Some(a), None) => (Side::Old, a),
            (None, Some(b)) => (Side::New, b),
            (Some(a), Some(b)) => match a.cmp(b) {
                Ordering::Less => (Side::Old, a),
                Ordering::Greater => (Side::New, b),
                Ordering::Equal => (Side::Both, a),
            },
        };
        i += usize::from(side != Side::New);
        j += usize::from(side != Side::Old);
        Some((side, key))
    })
}

/// How a list changes into another.
pub(super) fn counts(old: &Keys, new: &Keys) -> Counts {
    let unchanged = walk(old, new).filter(|(side, _)| *side == Side::Both).count();
    Counts { added: new.len() - unchanged, removed: old.len() - unchanged, unchanged, total: new.len() }
}

/// Up to `most` keys that only one side has.
pub(super) fn only(side: Side, old: &Keys, new: &Keys, most: usize) -> Vec<String> {
    walk(old, new).filter(|(at, _)| *at == side).take(most).map(|(_, key)| key.to_owned()).collect()
}

/// The keys in their order, each once.
pub(super) fn rising(keys: Keys) -> Keys {
    if keys.is_rising() {
        return keys;
    }
    let mut order: Vec<usize> = (0..keys.len()).collect();
    order.sort_unstable_by(|a, b| keys.get(*a).cmp(&keys.get(*b)));
    order.dedup_by(|a, b| keys.get(*a) == keys.get(*b));
    collect(order.into_iter().filter_map(|at| keys.get(at)))
}

/// Where the first key stands that is not less than `key`.
pub(super) fn position(keys: &Keys, key: &str) -> usize {
    let (mut low, mut high) = (0, keys.len());
    while low < high {
        let middle = low + (high - low) / 2;
        if keys.get(middle).is_some_and(|at| at < key) { low = middle + 1 } else { high = middle }
    }
    low
}

/// What is wrong with a key, if anything: a line of a text must be able to hold it.
pub(super) fn wrong(key: &str) -> Option<String> {
    if key.is_empty() || key.len() > limits::TARGETING_KEY_LENGTH {
        return Some(format!("a key has 1 to {} bytes", limits::TARGETING_KEY_LENGTH));
    }
    key.contains(['\0', '\n', '\r']).then(|| "a key holds neither U+0000 nor an end of line".to_owned())
}

/// What is wrong with a list as a whole, if anything.
pub(super) fn too_much(keys: &Keys, pointer: &str) -> Option<Fault> {
    if keys.len() > limits::SEGMENT_KEYS {
        return Some(Fault::new(pointer, format!("at most {} keys", limits::SEGMENT_KEYS)));
    }
    let bytes: usize = keys.iter().map(str::len).sum();
    (bytes > BYTES).then(|| Fault::new(pointer, format!("the keys have at most {BYTES} bytes together")))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use proptest::prelude::*;

    fn keys(all: &BTreeSet<String>) -> Keys {
        all.iter().map(String::as_str).collect()
    }

    fn set() -> impl Strategy<Value = BTreeSet<String>> {
        proptest::collection::btree_set("[a-d]{1,2}", 0..20)
    }

    proptest! {
        #[test]
        fn lists_are_sets(old in set(), new in set()) {
            let (a, b) = (keys(&old), keys(&new));
            let union: BTreeSet<_> = old.union(&new).cloned().collect();
            let rest: BTreeSet<_> = old.difference(&new).cloned().collect();
            prop_assert_eq!(ListChange::Add(b.clone()).applied(&a), keys(&union));
            prop_assert_eq!(ListChange::Remove(b.clone()).applied(&a), keys(&rest));
            prop_assert_eq!(ListChange::Replace(b.clone()).applied(&a), b.clone());
            let counts = counts(&a, &b);
            prop_assert_eq!(counts.removed, rest.len());
            prop_assert_eq!((counts.added, counts.total), (union.len() - old.len(), new.len()));
            prop_assert_eq!(counts.unchanged, old.intersection(&new).count());
            prop_assert_eq!(only(Side::Old, &a, &b, 100), rest.into_iter().collect::<Vec<_>>());
            for key in union {
                prop_assert_eq!(position(&a, &key), old.iter().filter(|other| **other < key).count());
            }
        }

        #[test]
        fn any_order_rises(all in proptest::collection::vec("[a-c]{1,2}", 0..30)) {
            let sorted: BTreeSet<_> = all.iter().cloned().collect();
            prop_assert_eq!(rising(all.iter().map(String::as_str).collect()), keys(&sorted));
        }
    }

    #[test]
    fn a_key_is_a_line() {
        for fine in ["a", " a b ", "é", &"x".repeat(1_000), "\u{feff}"] {
            assert_eq!(wrong(fine), None, "{fine:?}");
        }
        for key in ["", "a\0", "a\n", "\r", &"x".repeat(1_001), &"é".repeat(501)] {
            assert!(wrong(key).is_some(), "{key:?}");
        }
    }
}
