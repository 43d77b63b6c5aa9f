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

/// The buckets in one of these spans and one of those, rising; each rise apart.
pub(super) fn common(these: &[Span], those: &[Span]) -> Vec<Span> {
    let (mut found, mut those) = (Vec::new(), those.iter().peekable());
    for (from, to) in these {
        while let Some((start, end)) = those.peek() {
            let span = (*from.max(start), *to.min(end));
            if span.0 < span.1 {
                found.push(span);
            }
            if end > to {
                break;
            }
            those.next();
        }
    }
    found
}

/// So many buckets out of those that are free, rising: first those that were held `before`, then the lowest of the
/// others; `None` when too few are free. Both rise apart.
pub(super) fn hand_out(free: &[Span], before: &[Span], wanted: u32) -> Option<Vec<Span>> {
    let mut given = lowest(&common(free, before), wanted);
    let missing = wanted.saturating_sub(size(&given));
    given.extend(lowest(&common(free, &self::free(before)), missing));
    (size(&given) == wanted).then(|| joined(given))
}

/// The lowest so many buckets, or all.
fn lowest(spans: &[Span], most: u32) -> Vec<Span> {
    let mut left = most;
    let mut found = Vec::new();
    for (from, to) in spans {
        let to = (*to).min(from.saturating_add(left));
        if to > *from {
            found.push((*from, to));
            left -= to - from;
        }
    }
    found
}

/// The same buckets, rising apart.
fn joined(mut spans: Vec<Span>) -> Vec<Span> {
    spans.sort_unstable();
    let mut joined: Vec<Span> = Vec::with_capacity(spans.len());
    for (from, to) in spans {
        match joined.last_mut() {
            Some((_, end)) if *end == from => *end = to,
            _ => joined.push((from, to)),
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_lowest_free_buckets_are_given() {
        assert_eq!(free(&[]), [(0, BUCKETS)]);
        assert_eq!(hand_out(&free(&[]), &[], 20_000), Some(vec![(0, 20_000)]));
        let held = [(50_000, 60_000), (0, 20_000)];
        assert_eq!(free(&held), [(20_000, 50_000), (60_000, BUCKETS)]);
        assert_eq!(hand_out(&free(&held), &[], 30_000), Some(vec![(20_000, 50_000)]));
        assert_eq!(hand_out(&free(&held), &[], 30_001), Some(vec![(20_000, 50_000), (60_000, 60_001)]));
        assert_eq!(hand_out(&free(&held), &[], 70_000), Some(free(&held)));
        assert_eq!(hand_out(&free(&held), &[], 70_001), None);
        assert_eq!(free(&[(0, BUCKETS)]), []);
    }

    #[test]
    fn what_was_held_before_is_given_first() {
        let free = [(0, 20_000), (40_000, 60_000), (80_000, BUCKETS)];
        let before = [(10_000, 45_000), (55_000, 58_000)];
        assert_eq!(common(&free, &before), [(10_000, 20_000), (40_000, 45_000), (55_000, 58_000)]);
        assert_eq!(common(&before, &free), common(&free, &before));
        assert_eq!(hand_out(&free, &before, 12_000), Some(vec![(10_000, 20_000), (40_000, 42_000)]));
        let all = vec![(10_000, 20_000), (40_000, 45_000), (55_000, 58_000)];
        assert_eq!(hand_out(&free, &before, 18_000), Some(all));
        let others = vec![(0, 20_000), (40_000, 46_000), (55_000, 58_000)];
        assert_eq!(hand_out(&free, &before, 29_000), Some(others));
        assert_eq!(hand_out(&free, &before, 60_000), Some(free.to_vec()));
        assert_eq!(hand_out(&free, &before, 60_001), None);
    }

    proptest! {
        /// Releases come and go, each asking for so much; whoever has something keeps just that.
        #[test]
        fn nobody_is_given_what_another_holds(steps in prop::collection::vec((1_u32..=60_000, 0_usize..4), 1..60)) {
            let mut held: Vec<(u32, Vec<Span>)> = Vec::new();
            for (wanted, ends) in steps {
                let mut before = Vec::new();
                if ends < held.len() && wanted % 2 == 0 {
                    before = held.remove(ends).1;
                }
                let taken: Vec<Span> = held.iter().flat_map(|(_, spans)| spans.clone()).collect();
                let left = BUCKETS - size(&taken);
                prop_assert_eq!(size(&free(&taken)), left);
                let given = hand_out(&free(&taken), &before, wanted);
                prop_assert_eq!(given.is_some(), wanted <= left, "{} of {}", wanted, left);
                if let Some(given) = &given {
                    let kept = size(&common(given, &before));
                    prop_assert_eq!(kept, wanted.min(size(&before)), "all that it had, or nothing else");
                }
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
