//! Changes lead to the state that a snapshot describes.

use std::collections::{BTreeMap, BTreeSet};

use bellwether_core::{
    Change, CompiledFlag, Flag, KeyList, Now, RawValue, Segment, SegmentEntry, SegmentKeys, Snapshot, State,
};
use proptest::collection::{btree_set, vec};
use proptest::prelude::*;
use serde_json::value::to_raw_value;

use crate::any;

#[derive(Clone, Debug)]
enum Edit {
    Flag(Box<Flag>),
    RemoveFlag(String),
    Segment(Box<Segment>),
    RemoveSegment(String),
    Keys { segment: String, list: KeyList, added: BTreeSet<String>, removed: BTreeSet<String> },
}

fn edit() -> impl Strategy<Value = Edit> {
    let list = prop_oneof![Just(KeyList::Included), Just(KeyList::Excluded)];
    let keys = (any::key(), list, btree_set(any::text(), 0..5), btree_set(any::text(), 0..5));
    prop_oneof![
        3 => any::flag().prop_map(|flag| Edit::Flag(Box::new(flag))),
        1 => any::key().prop_map(Edit::RemoveFlag),
        2 => any::segment().prop_map(|segment| Edit::Segment(Box::new(segment))),
        1 => any::key().prop_map(Edit::RemoveSegment),
        3 => keys.prop_map(|(segment, list, added, removed)| Edit::Keys { segment, list, added, removed }),
    ]
}

/// What there is, by key.
#[derive(Default)]
struct Model {
    flags: BTreeMap<String, Flag>,
    segments: BTreeMap<String, Segment>,
}

impl Model {
    fn snapshot(&self, revision: u64) -> Snapshot {
        let flags: Vec<_> = self.flags.values().cloned().collect();
        let segments: Vec<_> = self.segments.values().cloned().collect();
        Snapshot::new("e", "epoch", revision, &flags, &segments).unwrap()
    }

    /// Applies an edit, if it is one that a server would save, and says what an SDK is told.
    fn edit(&mut self, edit: Edit, change: &mut Change) {
        match edit {
            Edit::Flag(flag) if CompiledFlag::compile((*flag).clone()).is_ok() => {
                change.flags = vec![to_raw_value(&flag).unwrap()];
                self.flags.insert(flag.key.clone(), *flag);
            }
            Edit::Segment(segment) if SegmentEntry::of((*segment).clone()).is_ok() => {
                change.segments = vec![to_raw_value(&segment).unwrap()];
                self.segments.insert(segment.key.clone(), *segment);
            }
            Edit::RemoveFlag(key) => {
                self.flags.remove(&key);
                change.removed_flags = vec![key];
            }
            Edit::RemoveSegment(key) => {
                self.segments.remove(&key);
                change.removed_segments = vec![key];
            }
            Edit::Keys { segment, list, added, removed } => {
                let Some(found) = self.segments.get_mut(&segment) else { return };
                let keys = match list {
                    KeyList::Included => &mut found.included,
                    KeyList::Excluded => &mut found.excluded,
                };
                let mut next: BTreeSet<_> = keys.iter().map(str::to_owned).collect();
                next.retain(|key| !removed.contains(key));
                next.extend(added.clone());
                *keys = next.iter().map(String::as_str).collect();
                found.version = found.version.wrapping_add(1);
                let (added, removed) = (added.into_iter().collect(), removed.into_iter().collect());
                change.segment_keys = vec![SegmentKeys { segment, version: found.version, list, added, removed }];
            }
            Edit::Flag(_) | Edit::Segment(_) => {}
        }
    }
}

fn texts(all: &[Box<RawValue>]) -> Vec<&str> {
    all.iter().map(|json| json.get()).collect()
}

proptest! {
    #[test]
    fn changes_one_by_one_are_a_snapshot(edits in vec(edit(), 1..12), context in any::context()) {
        let mut model = Model::default();
        let mut state = State::from_snapshot(model.snapshot(0)).unwrap();
        for edit in edits {
            let mut change = Change::new(state.revision(), String::new());
            model.edit(edit, &mut change);
            let expected = model.snapshot(change.revision);
            change.hash.clone_from(&expected.hash);
            let change: Change = serde_json::from_str(&serde_json::to_string(&change).unwrap()).unwrap();
            let gap = Change { from: change.from + 1, ..change.clone() };
            let other = Change { hash: "other".to_owned(), ..change.clone() };
            prop_assert!(state.apply(gap).is_err() && state.apply(other).is_err());
            state = state.apply(change).unwrap();
            let (fresh, now) = (State::from_snapshot(expected.clone()).unwrap(), Now::At(1_795_255_200_000));
            prop_assert_eq!(state.hash(), fresh.hash());
            let held = state.to_snapshot();
            prop_assert_eq!(texts(&held.flags), texts(&expected.flags));
            prop_assert_eq!(texts(&held.segments), texts(&expected.segments));
            for key in model.flags.keys() {
                prop_assert_eq!(state.explain(key, &context, now), fresh.explain(key, &context, now));
            }
        }
    }

    #[test]
    fn a_segment_with_other_keys_is_like_a_new_one(
        segment in any::segment(),
        changes in vec((any::<bool>(), btree_set(any::text(), 0..6), btree_set(any::text(), 0..6)), 1..4),
    ) {
        let Ok(entry) = SegmentEntry::of(segment.clone()) else { return Ok(()) };
        let list = |included| if included { KeyList::Included } else { KeyList::Excluded };
        let told: Vec<_> = changes
            .iter()
            .map(|(included, added, removed)| SegmentKeys {
                segment: segment.key.clone(),
                version: 9,
                list: list(*included),
                added: added.iter().cloned().collect(),
                removed: removed.iter().cloned().collect(),
            })
            .collect();
        let changed = entry.with_keys(&told.iter().collect::<Vec<_>>()).unwrap();
        let mut model = segment;
        model.version = 9;
        for (included, added, removed) in &changes {
            let keys = if *included { &mut model.included } else { &mut model.excluded };
            let mut next: BTreeSet<_> = keys.iter().map(str::to_owned).collect();
            next.retain(|key| !removed.contains(key));
            next.extend(added.iter().cloned());
            *keys = next.iter().map(String::as_str).collect();
        }
        let fresh = SegmentEntry::of(model).unwrap();
        prop_assert_eq!(changed.digest(), fresh.digest());
        prop_assert_eq!(changed.segment(), fresh.segment());
        for (included, added, removed) in &changes {
            for key in added.iter().chain(removed) {
                prop_assert_eq!(changed.lists(list(*included), key), fresh.lists(list(*included), key));
            }
        }
    }
}
