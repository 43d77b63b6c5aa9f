//! Strings that are looked for within others, in time that grows with the longer one alone.

use crate::texts::lower;

/// Strings of which one is to be found, as they are or in lower case.
#[derive(Debug)]
pub(crate) enum Needles {
    Exact(Box<[Box<str>]>),
    Folded(Box<[Needle]>),
}

/// What Knuth, Morris and Pratt prepare: a text may be read forwards only, as it is folded on the way.
#[derive(Debug)]
pub(crate) struct Needle {
    /// Each character, and how many of the first ones still stand when the next character is not the one expected.
    steps: Box<[(char, usize)]>,
}

impl Needles {
    pub(crate) fn new(texts: Vec<String>, ignore_case: bool) -> Self {
        if ignore_case {
            Self::Folded(texts.iter().map(|text| Needle::new(lower(text))).collect())
        } else {
            Self::Exact(texts.into_iter().map(String::into).collect())
        }
    }

    /// Whether one of them is found within `text`.
    pub(crate) fn within(&self, text: &str) -> bool {
        match self {
            Self::Exact(all) => all.iter().any(|needle| text.contains(&**needle)),
            Self::Folded(all) => all.iter().any(|needle| needle.within(lower(text))),
        }
    }
}

impl Needle {
    fn new(text: impl Iterator<Item = char>) -> Self {
        let mut steps: Vec<(char, usize)> = Vec::new();
        let mut stand = 0;
        for (at, c) in text.enumerate() {
            steps.push((c, stand));
            if at > 0 {
                stand = advance(&steps, stand, c);
            }
        }
        Self { steps: steps.into() }
    }

    fn within(&self, text: impl Iterator<Item = char>) -> bool {
        let mut stand = 0;
        if self.steps.is_empty() {
            return true;
        }
        for c in text {
            stand = advance(&self.steps, stand, c);
            if stand == self.steps.len() {
                return true;
            }
        }
        false
    }
}

/// How many of the first characters stand after `c`, of which `stand` stood before it.
fn advance(steps: &[(char, usize)], mut stand: usize, c: char) -> usize {
    while let Some((expected, shorter)) = steps.get(stand) {
        if *expected == c {
            return stand + 1;
        }
        if stand == 0 {
            break;
        }
        stand = *shorter;
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn within(needle: &str, text: &str) -> bool {
        Needles::new(vec![needle.to_owned()], true).within(text)
    }

    #[test]
    fn case_is_ignored() {
        assert!(within("MPL", "Example") && within("", "") && within("", "a") && !within("a", ""));
        assert!(within("İ", "xi\u{307}y") && !within("İ", "xiy"));
        assert!(!Needles::new(vec!["EX".into()], false).within("example"));
    }

    #[test]
    fn long_ones_that_nearly_match_take_no_longer() {
        let (needle, text) = ("a".repeat(100_000) + "b", "a".repeat(1_000_000));
        assert!(!within(&needle, &text));
    }

    proptest! {
        #[test]
        fn what_is_found_is_what_the_library_finds(needle in "[abA]{0,6}", text in "[abB]{0,24}") {
            prop_assert_eq!(within(&needle, &text), text.to_lowercase().contains(&needle.to_lowercase()));
        }
    }
}
