//! Which of a layer's buckets are free, and which of them a release is given: pure.

use bellwether_core::bucket::BUCKETS;

/// `[from, to)` in buckets.
pub(super) type Span = (u32, u32);

/// How many buckets there are in spans that don't overlap.
pub(super) fn size(spans: &[Span]) -> u32 {
    spans.iter().map(|(from, to)| to.saturating_sub(*from)).sum()
}

/// The buckets in none of the spans, rising.
pub(super) fn free(held: &[Span]) -> Vec<Span> {
    let mut held = held.to_vec();
    held.sort_unstable();
    let (mut free, mut at) = (Vec::new(), 0);
    for (from, to) in held.into_iter().chain([(BUCKETS, BUCKETS)]) {
        if from > at {
            free.push((at, from));
        }
        at = at.max(to);
    }
    free
}

/// So many buckets out of those that are free, the lowest of them, rising; `None` when too few are free.
pub(super) fn hand_out(free: &[Span], wanted: u32) -> Option<Vec<Span>> {
    let (mut given, mut missing) = (Vec::new(), wanted);
    for (from, to) in free {
        let to = (*to).min(from.saturating_add(missing));
        if to > *from {
            given.push((*from, to));
            missing -= to - from;
        }
    }
    (missing == 0).then_some(given)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_lowest_free_buckets_are_given() {
        assert_eq!(free(&[]), [(0, BUCKETS)]);
        assert_eq!(hand_out(&free(&[]), 20_000), Some(vec![(0, 20_000)]));
        let held = [(50_000, 60_000), (0, 20_000)];
        assert_eq!(free(&held), [(20_000, 50_000), (60_000, BUCKETS)]);
        assert_eq!(hand_out(&free(&held), 30_000), Some(vec![(20_000, 50_000)]));
        assert_eq!(hand_out(&free(&held), 30_001), Some(vec![(20_000, 50_000), (60_000, 60_001)]));
        assert_eq!(hand_out(&free(&held), 70_000), Some(free(&held)));
        assert_eq!(hand_out(&free(&held), 70_001), None);
        assert_eq!(free(&[(0, BUCKETS)]), []);
    }

    proptest! {
        /// Releases come and go, each asking for so much; whoever has something keeps just that.
        #[test]
        fn nobody_is_given_what_another_holds(steps in prop::collection::vec((1_u32..=60_000, 0_usize..4), 1..60)) {
            let mut held: Vec<(u32, Vec<Span>)> = Vec::new();
            for (wanted, ends) in steps {
                if ends < held.len() && wanted % 2 == 0 {
                    held.remove(ends);
                }
                let taken: Vec<Span> = held.iter().flat_map(|(_, spans)| spans.clone()).collect();
                let left = BUCKETS - size(&taken);
                prop_assert_eq!(size(&free(&taken)), left);
                let given = hand_out(&free(&taken), wanted);
                prop_assert_eq!(given.is_some(), wanted <= left, "{} of {}", wanted, left);
                held.extend(given.map(|given| (wanted, given)));

                let mut all: Vec<Span> = held.iter().flat_map(|(_, spans)| spans.clone()).collect();
                all.sort_unstable();
                prop_assert!(all.windows(2).all(|pair| pair[0].1 <= pair[1].0), "they overlap: {:?}", all);
                for (wanted, spans) in &held {
                    prop_assert_eq!(size(spans), *wanted);
                    prop_assert!(spans.iter().all(|(from, to)| from < to && *to <= BUCKETS));
                    prop_assert!(spans.windows(2).all(|pair| pair[0].1 < pair[1].0), "they rise apart: {:?}", spans);
                }
            }
        }
    }
}
