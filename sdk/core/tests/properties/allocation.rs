//! Nobody moves without cause, whatever happens to the variations.

use std::collections::BTreeMap;

use bellwether_core::allocation::{Range, Weight, allocate, moves, reallocate, shares};
use bellwether_core::bucket::BUCKETS;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::subsequence;

/// Weights of some of `a` to `f` in any order, which sum to all buckets.
fn weights() -> impl Strategy<Value = Vec<Weight>> {
    let some = subsequence(vec!["a", "b", "c", "d", "e", "f"], 1..=6).prop_shuffle();
    let cut = || prop_oneof![4 => 0..=BUCKETS, 1 => Just(0), 1 => Just(BUCKETS)];
    some.prop_flat_map(move |names| (vec(cut(), names.len() - 1), Just(names))).prop_map(|(mut cuts, names)| {
        cuts.sort_unstable();
        cuts.push(BUCKETS);
        let mut last = 0;
        let weights = cuts.into_iter().map(|cut| cut - std::mem::replace(&mut last, cut));
        names.into_iter().map(str::to_owned).zip(weights).collect()
    })
}

fn served(ranges: &[Range], bucket: u32) -> &str {
    ranges.iter().find(|(end, _)| *end > bucket).map_or("", |(_, variation)| variation)
}

/// Half the sum of the differences: the total-variation distance, in buckets.
fn distance(before: &BTreeMap<String, u32>, after: &BTreeMap<String, u32>) -> u32 {
    let grown = |(name, share): (&String, &u32)| share.saturating_sub(before.get(name).copied().unwrap_or(0));
    after.iter().map(grown).sum()
}

proptest! {
    #[test]
    fn variations_that_come_and_go_move_who_must(steps in vec(weights(), 2..12)) {
        let mut ranges = allocate(&steps[0]);
        for step in &steps[1..] {
            let next = reallocate(&ranges, step);
            let wanted: BTreeMap<_, _> = step.iter().filter(|(_, weight)| *weight > 0).cloned().collect();
            prop_assert_eq!(&shares(&next).into_iter().collect::<BTreeMap<_, _>>(), &wanted);
            let before: BTreeMap<_, _> = shares(&ranges).into_iter().collect();
            let moved: u32 = moves(&ranges, &next).iter().map(|one| one.buckets).sum();
            prop_assert_eq!(moved, distance(&before, &wanted));
            prop_assert!(next.windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[0].1 != pair[1].1));
            prop_assert_eq!(next.last().map(|range| range.0), Some(BUCKETS));
            prop_assert_eq!(&reallocate(&next, step), &next, "saving the same again moves nobody");
            ranges = next;
        }
    }

    /// A version that is restored brings its ranges with it, and from there each change moves as few again.
    #[test]
    fn a_restored_layout_serves_everyone_as_before(steps in vec(weights(), 2..8), probes in vec(0..BUCKETS, 8)) {
        let mut history = vec![allocate(&steps[0])];
        for step in &steps[1..] {
            history.push(reallocate(&history[history.len() - 1], step));
        }
        for restored in &history {
            let again = reallocate(restored, &shares(restored).into_iter().collect::<Vec<_>>());
            for probe in &probes {
                prop_assert_eq!(served(&again, *probe), served(restored, *probe));
            }
            for step in &steps {
                let next = reallocate(restored, step);
                let moved: u32 = moves(restored, &next).iter().map(|one| one.buckets).sum();
                let (before, after) = (shares(restored), shares(&next));
                prop_assert_eq!(moved, distance(&before.into_iter().collect(), &after.into_iter().collect()));
            }
        }
    }
}
