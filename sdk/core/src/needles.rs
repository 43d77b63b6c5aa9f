//! Strings that are looked for within others, in time that grows with the longer one alone.

use aho_corasick::Anchored;
use aho_corasick::automaton::Automaton as _;
use aho_corasick::nfa::contiguous::NFA;

use crate::texts::lower;

/// Up to so many are looked for one by one.
const FEW: usize = 8;

/// Strings of which one is to be found, as they are or in lower case.
#[derive(Debug)]
pub(crate) enum Needles {
    Exact(Box<[Box<str>]>),
    Folded(Box<[Needle]>),
    /// All at once, by Aho and Corasick.
    Many {
        automaton: Box<NFA>,
        folded: bool,
    },
}

/// What Knuth, Morris and Pratt prepare: a text may be read forwards only, as it is folded on the way.
#[derive(Debug)]
pub(crate) struct Needle {
    /// Each character, and how many of the first ones still stand when the next character is not the one expected.
    steps: Box<[(char, usize)]>,
}

impl Needles {
    /// None when they take too much memory to be looked for at once.
    pub(crate) fn new(texts: Vec<String>, ignore_case: bool) -> Option<Self> {
        if texts.len() > FEW {
            let fold = |text: String| if ignore_case { lower(&text).collect() } else { text };
            let automaton = NFA::new(texts.into_iter().map(fold)).ok()?;
            return Some(Self::Many { automaton: Box::new(automaton), folded: ignore_case });
        }
        Some(if ignore_case {
            Self::Folded(texts.iter().map(|text| Needle::new(lower(text))).collect())
        } else {
            Self::Exact(texts.into_iter().map(String::into).collect())
        })
    }

    /// Whether one of them is found within `text`.
    pub(crate) fn within(&self, text: &str) -> bool {
        match self {
            Self::Exact(all) => all.iter().any(|needle| text.contains(&**needle)),
            Self::Folded(all) => all.iter().any(|needle| needle.within(lower(text))),
            Self::Many { automaton, folded: false } => accepts(automaton, text.bytes()),
            Self::Many { automaton, folded: true } if text.is_ascii() => {
                accepts(automaton, text.bytes().map(|byte| byte.to_ascii_lowercase()))
            }
            Self::Many { automaton, folded: true } => accepts(automaton, lower(text).flat_map(bytes)),
        }
    }
}

/// The bytes of a character, as UTF-8 has it.
fn bytes(c: char) -> impl Iterator<Item = u8> {
    let mut bytes = [0; 4];
    let length = c.encode_utf8(&mut bytes).len();
    bytes.into_iter().take(length)
}

/// Whether the automaton comes by a match on its way.
fn accepts(automaton: &NFA, mut text: impl Iterator<Item = u8>) -> bool {
    let Ok(mut state) = automaton.start_state(Anchored::No) else { return false };
    automaton.is_match(state)
        || text.any(|byte| {
            state = automaton.next_state(Anchored::No, state, byte);
            automaton.is_match(state)
        })
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
        Needles::new(vec![needle.to_owned()], true).unwrap().within(text)
    }

    #[test]
    fn case_is_ignored() {
        assert!(within("MPL", "Example") && within("", "") && within("", "a") && !within("a", ""));
        assert!(within("İ", "xi\u{307}y") && !within("İ", "xiy"));
        assert!(!Needles::new(vec!["EX".into()], false).unwrap().within("example"));
    }

    #[test]
    fn long_ones_that_nearly_match_take_no_longer() {
        let (needle, text) = ("a".repeat(100_000) + "b", "a".repeat(1_000_000));
        assert!(!within(&needle, &text));
    }

    proptest! {
        #[test]
        fn many_are_found_like_few(all in prop::collection::vec("[abAå]{0,4}", 9..30), text in "[abBÅ]{0,12}", folded: bool) {
            let fold = |text: &str| if folded { text.to_lowercase() } else { text.to_owned() };
            let found = all.iter().any(|one| fold(&text).contains(&fold(one)));
            prop_assert_eq!(Needles::new(all, folded).unwrap().within(&text), found);
        }

        #[test]
        fn what_is_found_is_what_the_library_finds(needle in "[abA]{0,6}", text in "[abB]{0,24}") {
            prop_assert_eq!(within(&needle, &text), text.to_lowercase().contains(&needle.to_lowercase()));
        }
    }
}
