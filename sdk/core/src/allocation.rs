//! Laying shares out over buckets so that a change of weights moves as few users as it must.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::bucket::BUCKETS;

/// `(end, variation)`: see [`Split::ranges`](crate::Split).
pub type Range = (u32, String);

/// A variation and its share in buckets.
pub type Weight = (String, u32);

/// Buckets that are served another variation than before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Move {
    /// The variation they were served.
    pub from: String,
    /// The variation they are served now.
    pub to: String,
    /// How many of the 100,000.
    pub buckets: u32,
}

/// Ranges of a new split: in the order of its weights.
#[must_use]
pub fn allocate(weights: &[Weight]) -> Vec<Range> {
    let mut end = 0;
    let ranges = weights.iter().map(|(variation, weight)| {
        end += weight;
        (end, variation.clone())
    });
    merge(ranges)
}

/// Ranges with the shares `weights` (all variations of the flag, in their order, summing to [`BUCKETS`]) that move as
/// few buckets away from `old` as any can: half the sum of the differences of the shares.
///
/// With two variations, others having nothing before and after, the layout depends on the weights alone, the first owning
/// the low end, so that going back to a share reaches the same users again. With more, and after there were more or
/// another order, a variation that shrinks gives up its highest buckets, and those that grow take what was given up in
/// their order.
#[must_use]
pub fn reallocate(old: &[Range], weights: &[Weight]) -> Vec<Range> {
    let shares = shares(old);
    let share = |variation: &str| shares.get(variation).copied().unwrap_or(0);
    let before: Vec<Weight> = weights.iter().map(|(v, _)| (v.clone(), share(v))).collect();
    let in_play = weights.iter().zip(&before).filter(|((_, new), (_, old))| *new > 0 || *old > 0).count();
    if in_play <= 2 && allocate(&before) == old {
        return allocate(weights);
    }
    let mut surplus: BTreeMap<&str, u32> = shares.iter().map(|(v, share)| (v.as_str(), *share)).collect();
    for (variation, weight) in weights {
        surplus.insert(variation, share(variation).saturating_sub(*weight));
    }
    let mut growing = weights
        .iter()
        .map(|(variation, weight)| (variation, weight.saturating_sub(share(variation))))
        .filter(|(_, missing)| *missing > 0)
        .collect::<Vec<_>>();
    growing.reverse();

    merge(released(old, surplus).into_iter().flat_map(|(start, end, owner)| match owner {
        Some(variation) => vec![(end, variation.to_owned())],
        None => hand_out(start, end, &mut growing),
    }))
}

/// The ranges of `old` with `surplus` buckets of each variation, its highest, marked as free.
fn released<'r>(old: &'r [Range], mut surplus: BTreeMap<&str, u32>) -> Vec<(u32, u32, Option<&'r str>)> {
    let mut pieces = Vec::with_capacity(old.len() * 2);
    for (index, (end, variation)) in old.iter().enumerate().rev() {
        let start = index.checked_sub(1).and_then(|i| old.get(i)).map_or(0, |range| range.0);
        let left = surplus.get_mut(variation.as_str());
        let given = left.as_deref().copied().unwrap_or(0).min(end - start);
        if let Some(left) = left {
            *left -= given;
        }
        if given > 0 {
            pieces.push((end - given, *end, None));
        }
        if end - given > start {
            pieces.push((start, end - given, Some(variation.as_str())));
        }
    }
    pieces.reverse();
    pieces
}

/// Gives the buckets `start..end` to the variations that still want some, the last of `growing` first.
fn hand_out(start: u32, end: u32, growing: &mut Vec<(&String, u32)>) -> Vec<Range> {
    let mut ranges = Vec::new();
    let mut at = start;
    while at < end {
        let Some((variation, missing)) = growing.last_mut() else { break };
        let taken = (*missing).min(end - at);
        at += taken;
        ranges.push((at, variation.clone()));
        *missing -= taken;
        if *missing == 0 {
            growing.pop();
        }
    }
    ranges
}

/// Drops empty ranges and joins neighbours of one variation.
fn merge(ranges: impl IntoIterator<Item = Range>) -> Vec<Range> {
    let mut merged: Vec<Range> = Vec::new();
    for (end, variation) in ranges {
        match merged.last_mut() {
            Some(last) if last.0 >= end => {}
            None if end == 0 => {}
            Some(last) if last.1 == variation => last.0 = end,
            _ => merged.push((end, variation)),
        }
    }
    merged
}

/// Buckets of each variation.
#[must_use]
pub fn shares(ranges: &[Range]) -> BTreeMap<String, u32> {
    let mut shares = BTreeMap::new();
    let mut start = 0;
    for (end, variation) in ranges {
        *shares.entry(variation.clone()).or_insert(0) += end.saturating_sub(start);
        start = *end;
    }
    shares
}

/// Which buckets change their variation between two layouts of one salt, largest move first.
#[must_use]
pub fn moves(old: &[Range], new: &[Range]) -> Vec<Move> {
    let mut found: BTreeMap<(&str, &str), u32> = BTreeMap::new();
    let (mut old, mut new) = (old.iter().peekable(), new.iter().peekable());
    let mut at = 0;
    while let (Some((old_end, from)), Some((new_end, to))) = (old.peek(), new.peek()) {
        let end = *old_end.min(new_end);
        if from != to {
            *found.entry((from, to)).or_insert(0) += end.saturating_sub(at);
        }
        at = end;
        old.next_if(|range| range.0 == end);
        new.next_if(|range| range.0 == end);
    }
    let mut moves: Vec<_> = found
        .into_iter()
        .map(|((from, to), buckets)| Move { from: from.to_owned(), to: to.to_owned(), buckets })
        .collect();
    moves.sort_by_key(|m| std::cmp::Reverse(m.buckets));
    moves
}

/// The layout of a serve that is one variation for everyone.
#[must_use]
pub fn whole(variation: &str) -> Vec<Range> {
    vec![(BUCKETS, variation.to_owned())]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn weights(of: &[u32]) -> Vec<Weight> {
        of.iter().zip('a'..).map(|(weight, name)| (name.to_string(), *weight)).collect()
    }

    fn moved(old: &[Range], new: &[Range]) -> u32 {
        moves(old, new).iter().map(|m| m.buckets).sum()
    }

    /// Weights that sum to all buckets, from cut points.
    fn any_weights(variations: usize) -> impl Strategy<Value = Vec<u32>> {
        let cut = prop_oneof![4 => 0..=BUCKETS, 1 => Just(0), 1 => Just(BUCKETS)];
        proptest::collection::vec(cut, variations - 1).prop_map(|mut cuts| {
            cuts.sort_unstable();
            cuts.push(BUCKETS);
            let mut last = 0;
            cuts.iter().map(|cut| cut - std::mem::replace(&mut last, *cut)).collect()
        })
    }

    proptest! {
        #[test]
        fn a_change_moves_the_total_variation_distance_and_no_more(
            steps in (2_usize..7).prop_flat_map(|n| proptest::collection::vec(any_weights(n), 2..12))
        ) {
            let mut ranges = allocate(&weights(steps.first().unwrap()));
            for pair in steps.windows(2) {
                let [before, after] = pair else { unreachable!() };
                let next = reallocate(&ranges, &weights(after));
                let distance: u32 = before.iter().zip(after).map(|(a, b)| b.saturating_sub(*a)).sum();
                prop_assert_eq!(moved(&ranges, &next), distance);
                let shares = shares(&next);
                for (name, weight) in weights(after) {
                    prop_assert_eq!(shares.get(&name).copied().unwrap_or(0), weight);
                }
                prop_assert!(next.windows(2).all(|p| p[0].0 < p[1].0 && p[0].1 != p[1].1));
                prop_assert_eq!(next.last().unwrap().0, BUCKETS);
                ranges = next;
            }
        }

        #[test]
        fn two_variations_lie_where_their_weights_say(steps in proptest::collection::vec(any_weights(2), 1..10)) {
            let mut ranges = whole("b");
            for step in &steps {
                ranges = reallocate(&ranges, &weights(step));
            }
            prop_assert_eq!(ranges, allocate(&weights(steps.last().unwrap())));
        }
    }

    #[test]
    fn a_variation_that_has_nothing_changes_nothing() {
        let three = |a, c| weights(&[a, 0, c]);
        let mut ranges = whole("c");
        for (a, end) in [(10_000, 10_000), (50_000, 50_000), (0, 0), (10_000, 10_000)] {
            ranges = reallocate(&ranges, &three(a, BUCKETS - a));
            assert_eq!(ranges, allocate(&three(a, BUCKETS - a)), "the first {end} have the first one");
        }
        let all = reallocate(&ranges, &weights(&[10_000, 30_000, 60_000]));
        let back = reallocate(&all, &three(10_000, 90_000));
        assert_eq!(moves(&all, &back).iter().map(|one| one.buckets).sum::<u32>(), 30_000);
    }

    #[test]
    fn growing_keeps_who_was_in() {
        let ten = allocate(&weights(&[10_000, 90_000]));
        let quarter = reallocate(&ten, &weights(&[25_000, 75_000]));
        assert_eq!(quarter, [(25_000, "a".into()), (100_000, "b".into())]);
        assert_eq!(moves(&ten, &quarter), [Move { from: "b".into(), to: "a".into(), buckets: 15_000 }]);
    }

    #[test]
    fn thirds_to_a_half_and_two_quarters_move_seventeen_percent() {
        let old = allocate(&weights(&[33_000, 33_000, 34_000]));
        let new = reallocate(&old, &weights(&[50_000, 25_000, 25_000]));
        assert_eq!(moved(&old, &new), 17_000);
    }
}
