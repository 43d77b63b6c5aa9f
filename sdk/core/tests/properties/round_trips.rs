//! What is written reads as what it was.

use bellwether_core::{Change, Flag, KeyList, Keys, Segment, SegmentEntry, SegmentKeys, Snapshot, State, Value};
use proptest::collection::{btree_set, vec};
use proptest::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::to_raw_value;

use crate::any;

fn again<T: Serialize + DeserializeOwned>(object: &T) -> T {
    let text = serde_json::to_string(object).unwrap();
    let read: T = serde_json::from_str(&text).unwrap();
    assert_eq!(serde_json::to_string(&read).unwrap(), text);
    let value: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(serde_json::to_value(serde_json::from_value::<T>(value.clone()).unwrap()).unwrap(), value);
    read
}

proptest! {
    #[test]
    fn flags(flag in any::flag()) {
        prop_assert_eq!(again::<Flag>(&flag), flag);
    }

    #[test]
    fn segments(segment in any::segment()) {
        prop_assert_eq!(&again::<Segment>(&segment), &segment);
        if let Ok(entry) = SegmentEntry::read(&serde_json::to_string(&segment).unwrap()) {
            prop_assert_eq!(entry.segment(), segment);
        }
    }

    #[test]
    fn contexts(context in any::context()) {
        prop_assert_eq!(again(&context), context);
    }

    #[test]
    fn keys(keys in vec(any::text(), 0..20)) {
        let keys: Keys = keys.iter().map(String::as_str).collect();
        prop_assert_eq!(again(&keys), keys);
    }

    #[test]
    fn changes(
        flags in vec(any::flag(), 0..3),
        segments in vec(any::segment(), 0..3),
        removed in vec(any::key(), 0..3),
        added in btree_set(any::text(), 0..5),
    ) {
        let keys = SegmentKeys {
            segment: "f1".to_owned(),
            version: 7,
            list: KeyList::Excluded,
            added: added.into_iter().collect(),
            removed: removed.clone(),
        };
        prop_assert_eq!(&again(&keys), &keys);
        let change = Change {
            flags: flags.iter().map(|flag| to_raw_value(flag).unwrap()).collect(),
            segments: segments.iter().map(|segment| to_raw_value(segment).unwrap()).collect(),
            removed_flags: removed.clone(),
            removed_segments: removed,
            segment_keys: vec![keys],
            ..Change::new(3, "hash".to_owned())
        };
        let text = serde_json::to_string(&change).unwrap();
        let read: Change = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(serde_json::to_string(&read).unwrap(), text);
    }

    #[test]
    fn snapshots(flags in vec(any::flag(), 0..3), segments in vec(any::segment(), 0..3)) {
        let snapshot = Snapshot::new("e", "epoch", 9, &flags, &segments).unwrap();
        let text = serde_json::to_string(&snapshot).unwrap();
        let read: Snapshot = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(serde_json::to_string(&read).unwrap(), text);
        if let Ok(state) = State::from_snapshot(read) {
            let again = State::from_snapshot(state.to_snapshot()).unwrap();
            prop_assert_eq!(serde_json::to_value(again.to_snapshot()).unwrap(), serde_json::to_value(state.to_snapshot()).unwrap());
        }
    }
}
