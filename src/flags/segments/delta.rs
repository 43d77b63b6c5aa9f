//! What readers of an environment are told of a change of segments.

use std::sync::Arc;

use bellwether_core::{KeyList, RawValue, SegmentEntry, SegmentKeys};

use super::lists::{Side, walk};
use crate::error::Result;

/// Most bytes of a change with segments: instead of a longer one, readers are told to fetch the snapshot.
pub(in crate::flags) const LONGEST: usize = 1 << 20;

/// What changes of a project's segments.
#[derive(Debug, Default)]
pub(in crate::flags) struct Delta {
    /// The segments as they are now, for those who have them in memory.
    pub(in crate::flags) compiled: Vec<Arc<SegmentEntry>>,
    /// Segments that are told as a whole.
    pub(in crate::flags) whole: Vec<Box<RawValue>>,
    /// Segments of which only keys are told.
    pub(in crate::flags) keys: Vec<SegmentKeys>,
    /// Segments that are gone.
    pub(in crate::flags) removed: Vec<String>,
    /// It can't be told: the snapshot has to be fetched.
    pub(in crate::flags) untold: bool,
}

impl Delta {
    /// A segment that is new, or `before` as it is now.
    pub(super) fn between(before: Option<&SegmentEntry>, now: &Arc<SegmentEntry>) -> Result<Self> {
        let delta = Self { compiled: vec![now.clone()], ..Self::default() };
        let whole = [KeyList::Included, KeyList::Excluded].map(|list| now.keys(list).iter().map(length).sum::<usize>());
        let whole: usize = whole.iter().sum();
        let keys = before.filter(|before| before.rules() == now.rules()).and_then(|before| changed(before, now, whole));
        if let Some(keys) = keys {
            return Ok(Self { keys, ..delta });
        }
        if whole > LONGEST {
            return Ok(Self { untold: true, ..delta });
        }
        Ok(Self { whole: vec![RawValue::from_string(serde_json::to_string(&now.segment())?)?], ..delta })
    }

    /// That a segment is gone.
    pub(super) fn without(key: String) -> Self {
        Self { removed: vec![key], ..Self::default() }
    }

    /// Whether it is about any segment.
    pub(in crate::flags) fn is_empty(&self) -> bool {
        self.compiled.is_empty() && self.removed.is_empty() && !self.untold
    }
}

/// The keys that differ, if they take less room than the whole segment and than a change may.
fn changed(before: &SegmentEntry, now: &SegmentEntry, whole: usize) -> Option<Vec<SegmentKeys>> {
    let mut room = whole.min(LONGEST);
    let mut told = Vec::new();
    for list in [KeyList::Included, KeyList::Excluded] {
        let mut keys = SegmentKeys {
            segment: now.key().to_owned(),
            version: now.version(),
            list,
            added: Vec::new(),
            removed: Vec::new(),
        };
        for (side, key) in walk(before.keys(list), now.keys(list)) {
            let differing = match side {
                Side::Old => &mut keys.removed,
                Side::New => &mut keys.added,
                Side::Both => continue,
            };
            room = room.checked_sub(length(key))?;
            differing.push(key.to_owned());
        }
        // Of a segment whose name alone changed, the version is told.
        if list == KeyList::Included || !keys.added.is_empty() || !keys.removed.is_empty() {
            told.push(keys);
        }
    }
    Some(told)
}

/// About how many bytes a key takes in JSON.
fn length(key: &str) -> usize {
    key.len() + 3
}

#[cfg(test)]
mod tests {
    use super::*;
    use bellwether_core::{Keys, Segment};

    fn entry(version: u64, keys: impl Iterator<Item = usize>) -> Arc<SegmentEntry> {
        let keys: Vec<_> = keys.map(|at| format!("{at:020}")).collect();
        let included: Keys = keys.iter().map(String::as_str).collect();
        let segment = Segment { key: "s".into(), version, included, excluded: Keys::default(), rules: vec![] };
        Arc::new(SegmentEntry::of(segment).unwrap())
    }

    #[test]
    fn the_shorter_form_is_told() {
        let of = |before: Option<&SegmentEntry>, now: &Arc<SegmentEntry>| {
            let delta = Delta::between(before, now).unwrap();
            (delta.whole.len(), delta.keys.len(), delta.untold)
        };
        let (small, other) = (entry(1, 0..10), entry(2, 20..30));
        assert_eq!(of(None, &small), (1, 0, false));
        assert_eq!(of(Some(&small), &other), (1, 0, false), "all keys differ");
        assert_eq!(of(Some(&small), &entry(2, 0..11)), (0, 1, false));
        assert_eq!(of(Some(&small), &entry(2, 0..10)), (0, 1, false), "only the version differs");
        let (large, larger) = (entry(1, 0..100_000), entry(2, 0..140_000));
        assert_eq!(of(None, &large), (0, 0, true));
        assert_eq!(of(Some(&large), &larger), (0, 1, false));
        assert_eq!(of(Some(&large), &entry(2, 0..160_000)), (0, 0, true));
        assert_eq!(of(Some(&large), &entry(2, 0..0)), (1, 0, false), "an empty one is short");
    }
}
