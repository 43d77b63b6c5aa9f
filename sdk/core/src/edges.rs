//! What texts begin or end with.

use crate::texts::lower;

/// Up to so many are tried one by one.
const FEW: usize = 8;

/// Texts of which one is to stand at the edge of another, as they are or in lower case.
#[derive(Debug)]
pub(crate) struct Edges {
    folded: bool,
    at_end: bool,
    /// As they are read from that edge. Where there are more than a few they rise and none begins with another: the only
    /// one that a text can begin with is then the last that is not above it.
    all: Box<[Box<str>]>,
}

impl Edges {
    /// What texts begin with, or end with (`at_end`).
    pub(crate) fn new(texts: Vec<String>, ignore_case: bool, at_end: bool) -> Self {
        let fold = |text: String| if ignore_case { lower(&text).collect() } else { text };
        let turn = |text: String| if at_end { text.chars().rev().collect() } else { text };
        let mut all: Vec<Box<str>> = texts.into_iter().map(|text| turn(fold(text)).into()).collect();
        if all.len() > FEW {
            all.sort_unstable();
            all.dedup_by(|next, kept| next.starts_with(&**kept));
        }
        Self { folded: ignore_case, at_end, all: all.into() }
    }

    /// Whether one of them stands at the edge of `text`.
    #[inline]
    pub(crate) fn hold(&self, text: &str) -> bool {
        match (self.folded, self.at_end) {
            (false, false) => self.begin(|| text.chars()),
            (false, true) => self.begin(|| text.chars().rev()),
            (true, false) => self.begin(|| lower(text)),
            (true, true) => self.begin(|| lower(text).rev()),
        }
    }

    fn begin<C: Iterator<Item = char>>(&self, text: impl Fn() -> C) -> bool {
        let starts = |kept: &str| {
            let mut text = text();
            kept.chars().all(|c| text.next() == Some(c))
        };
        if self.all.len() <= FEW {
            return self.all.iter().any(|kept| starts(kept));
        }
        let above = self.all.partition_point(|kept| kept.chars().le(text()));
        above.checked_sub(1).and_then(|at| self.all.get(at)).is_some_and(|kept| starts(kept))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn case_is_ignored_character_by_character() {
        let edges = |text: &str, at_end| Edges::new(vec![text.to_owned(), "x".to_owned()], true, at_end);
        assert!(edges("EX", false).hold("eXample") && edges("PLE", true).hold("eXample"));
        assert!(edges("", true).hold("a") && edges("", false).hold(""));
        assert!(!Edges::new(vec!["EX".to_owned()], false, true).hold("example"));
    }

    proptest! {
        #[test]
        fn many_are_found_like_few(
            all in prop::collection::vec("[abAå]{0,4}", 0..30), text in "[abBÅ]{0,6}", folded: bool, at_end: bool,
        ) {
            let fold = |text: &str| if folded { text.to_lowercase() } else { text.to_owned() };
            let found = all.iter().any(|one| {
                if at_end { fold(&text).ends_with(&fold(one)) } else { fold(&text).starts_with(&fold(one)) }
            });
            prop_assert_eq!(Edges::new(all, folded, at_end).hold(&text), found);
        }
    }
}
