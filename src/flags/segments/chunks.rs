//! A list of keys in parts of about a thousand, so that a change of few keys writes few of them.

use std::ops::Range;

use bellwether_core::Keys;

use super::lists::position;

/// How many keys a new part has, about.
const SIZE: usize = 1_000;
/// A part with fewer keys than this is put together with its neighbour when it is written.
const LEAST: usize = SIZE / 4;
/// A part with more keys than this is divided.
const MOST: usize = 2 * SIZE;

/// Which parts of a list end with a change, and which begin.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Plan {
    /// The parts that end, by their first keys.
    pub(super) ended: Vec<String>,
    /// The parts that begin: first key, and where their keys stand in the new list.
    pub(super) begun: Vec<(String, Range<usize>)>,
}

/// How the parts with these first keys, which hold `old`, come to hold `new`.
pub(super) fn plan(firsts: &[String], old: &Keys, new: &Keys) -> Plan {
    let (before, after) = (ranges(firsts, old), ranges(firsts, new));
    let differs = |(before, after): (&Range<usize>, &Range<usize>)| {
        before.len() != after.len() || before.clone().zip(after.clone()).any(|(a, b)| old.get(a) != new.get(b))
    };
    let mut touched: Vec<bool> = before.iter().zip(&after).map(differs).collect();
    for at in 0..touched.len() {
        let small = touched.get(at) == Some(&true) && after.get(at).is_some_and(|range| range.len() < LEAST);
        let neighbour = if at + 1 < touched.len() { Some(at + 1) } else { at.checked_sub(1) };
        if small && let Some(neighbour) = neighbour.and_then(|neighbour| touched.get_mut(neighbour)) {
            *neighbour = true;
        }
    }
    let mut plan = Plan::default();
    if firsts.is_empty() {
        plan.begin("", 0..new.len(), new);
    }
    let mut run: Option<(&str, Range<usize>)> = None;
    for (at, ((first, after), touched)) in firsts.iter().zip(&after).zip(&touched).enumerate() {
        if !touched {
            if let Some((first, range)) = run.take() {
                plan.begin(first, range, new);
            }
            continue;
        }
        plan.ended.push(first.clone());
        // The first part takes whatever comes before it, too.
        let first = if at == 0 { "" } else { first };
        match &mut run {
            Some((_, range)) => range.end = after.end,
            None => run = Some((first, after.clone())),
        }
    }
    if let Some((first, range)) = run {
        plan.begin(first, range, new);
    }
    plan
}

impl Plan {
    fn begin(&mut self, first: &str, range: Range<usize>, keys: &Keys) {
        let parts = if range.len() > MOST { range.len().div_ceil(SIZE) } else { usize::from(!range.is_empty()) };
        let cut = |part: usize| range.start + range.len() * part / parts;
        for part in 0..parts {
            let own = if part == 0 { first } else { keys.get(cut(part)).unwrap_or_default() };
            self.begun.push((own.to_owned(), cut(part)..cut(part + 1)));
        }
    }
}

/// Which keys of a list belong to each part.
fn ranges(firsts: &[String], keys: &Keys) -> Vec<Range<usize>> {
    let later = firsts.iter().skip(1).map(|first| position(keys, first));
    let starts: Vec<_> = std::iter::once(0).chain(later).take(firsts.len()).collect();
    let ends = starts.iter().copied().skip(1).chain([keys.len()]);
    starts.iter().copied().zip(ends).map(|(start, end)| start..end).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;
    use proptest::prelude::*;

    type Parts = BTreeMap<String, Vec<String>>;

    fn changed(mut parts: Parts, old: &Keys, new: &Keys) -> (Parts, Plan) {
        let firsts: Vec<_> = parts.keys().cloned().collect();
        let plan = plan(&firsts, old, new);
        for first in &plan.ended {
            assert!(parts.remove(first).is_some());
        }
        for (first, range) in &plan.begun {
            let keys = range.clone().map(|at| new.get(at).unwrap().to_owned()).collect();
            assert!(parts.insert(first.clone(), keys).is_none());
        }
        (parts, plan)
    }

    fn numbers(range: impl Iterator<Item = usize>) -> Keys {
        let all: BTreeSet<_> = range.map(|at| format!("{at:06}")).collect();
        all.iter().map(String::as_str).collect()
    }

    fn check(parts: &Parts, keys: &Keys) {
        let all: Vec<_> = parts.values().flatten().map(String::as_str).collect();
        assert_eq!(all, keys.iter().collect::<Vec<_>>());
        for (first, part) in parts {
            assert!(!part.is_empty() && part.len() <= MOST && part[0] >= *first);
        }
    }

    #[test]
    fn one_key_touches_one_part() {
        let old = numbers((0..50_000).map(|at| at * 2));
        let (parts, first) = changed(Parts::new(), &Keys::default(), &old);
        check(&parts, &old);
        assert_eq!((first.ended.len(), first.begun.len()), (0, 50));
        let new = numbers((0..50_000).map(|at| at * 2).chain([33_333]));
        let (parts, second) = changed(parts, &old, &new);
        check(&parts, &new);
        assert_eq!((second.ended.len(), second.begun.len()), (1, 1));
        let before = numbers((0..50_000).map(|at| at * 2).chain([33_333]).skip(1));
        let (parts, third) = changed(parts, &new, &before);
        check(&parts, &before);
        assert_eq!(third.ended, [""]);
        let (parts, last) = changed(parts, &before, &Keys::default());
        assert_eq!((parts.len(), last.begun.len()), (0, 0));
        assert_eq!(plan(&[], &Keys::default(), &Keys::default()), Plan::default());
    }

    #[test]
    fn parts_neither_crumble_nor_swell() {
        let mut at = numbers(0..20_000);
        let (mut parts, _) = changed(Parts::new(), &Keys::default(), &at);
        for round in 1..=40 {
            let next = numbers((0..20_000).filter(|at| (at * 7_919) % 41 >= round));
            (parts, _) = changed(parts, &at, &next);
            check(&parts, &next);
            at = next;
        }
        assert!(parts.len() <= at.len() / LEAST + 2, "{} parts of {} keys", parts.len(), at.len());
        let grown = numbers(0..20_000);
        (parts, _) = changed(parts, &at, &grown);
        check(&parts, &grown);
    }

    proptest! {
        #[test]
        fn parts_hold_what_the_list_does(
            sets in proptest::collection::vec(proptest::collection::btree_set(0..6_000_usize, 0..4_000), 1..6),
        ) {
            let (mut parts, mut at) = (Parts::new(), Keys::default());
            for set in sets {
                let next = numbers(set.into_iter());
                (parts, _) = changed(parts, &at, &next);
                check(&parts, &next);
                at = next;
            }
        }
    }
}
