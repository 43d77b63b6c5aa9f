//! Sets of strings that a clause compares with, exactly or in lower case. Look-ups allocate nothing.

use std::collections::HashSet;
use std::hash::{BuildHasher as _, Hasher as _};

use hashbrown::{DefaultHashBuilder, HashTable};

use crate::print::Print;

/// Up to so many strings are compared one by one.
const FEW: usize = 8;

/// Strings, as they are or in lower case.
#[derive(Debug, Default)]
pub(crate) struct Texts {
    folded: bool,
    all: Box<[Box<str>]>,
    /// Of each of them, while they are few and compared as they are.
    prints: Box<[Print]>,
    /// Positions in `all`; none while they are few.
    index: Option<(DefaultHashBuilder, HashTable<u32>)>,
}

/// A text in lower case: each character by itself, whatever stands around it.
pub(crate) fn lower(text: &str) -> impl DoubleEndedIterator<Item = char> {
    text.chars().flat_map(char::to_lowercase)
}

impl Texts {
    pub(crate) fn new(texts: impl IntoIterator<Item = String>, ignore_case: bool) -> Self {
        let fold = |text: String| if ignore_case { lower(&text).collect() } else { text };
        let mut seen = HashSet::new();
        let texts = texts.into_iter().map(fold).filter(|text| seen.insert(text.clone()));
        let all = texts.map(String::into_boxed_str).collect();
        let mut texts = Self { folded: ignore_case, all, prints: Box::default(), index: None };
        if texts.all.len() > FEW {
            texts.index = Some(texts.indexed());
        } else if !ignore_case {
            texts.prints = texts.all.iter().map(|text| Print::of(text)).collect();
        }
        texts
    }

    fn indexed(&self) -> (DefaultHashBuilder, HashTable<u32>) {
        let hasher = DefaultHashBuilder::default();
        let mut table = HashTable::with_capacity(self.all.len());
        let hash = |at: &u32| self.all.get(*at as usize).map_or(0, |text| self.hash(&hasher, text));
        for at in (0_u32..).take(self.all.len()) {
            table.insert_unique(hash(&at), at, hash);
        }
        (hasher, table)
    }

    fn hash(&self, hasher: &DefaultHashBuilder, text: &str) -> u64 {
        let mut state = hasher.build_hasher();
        if self.folded && text.is_ascii() {
            text.bytes().for_each(|byte| state.write_u32(u32::from(byte.to_ascii_lowercase())));
        } else if self.folded {
            lower(text).for_each(|c| state.write_u32(u32::from(c)));
        } else {
            state.write(text.as_bytes());
        }
        state.finish()
    }

    #[inline]
    fn equal(&self, kept: &str, text: &str) -> bool {
        match self.folded {
            false => kept == text,
            true if text.is_ascii() => text.bytes().map(|byte| byte.to_ascii_lowercase()).eq(kept.bytes()),
            true => lower(text).eq(kept.chars()),
        }
    }

    /// As [`Texts::contains`], where the print of `text` is known.
    #[inline]
    pub(crate) fn contains_printed(&self, text: &str, print: Print) -> bool {
        if self.prints.is_empty() {
            return self.contains(text);
        }
        self.prints.contains(&print) && (print.tells() || self.contains(text))
    }

    /// Whether `text` is one of them.
    pub(crate) fn contains(&self, text: &str) -> bool {
        self.position(text).is_some()
    }

    /// Which of them `text` is, counted from 0.
    #[inline]
    pub(crate) fn position(&self, text: &str) -> Option<usize> {
        match &self.index {
            None => self.all.iter().position(|kept| self.equal(kept, text)),
            Some((hasher, table)) => {
                let same = |at: &u32| self.all.get(*at as usize).is_some_and(|kept| self.equal(kept, text));
                table.find(self.hash(hasher, text), same).map(|at| *at as usize)
            }
        }
    }

    /// How many different ones there are.
    pub(crate) fn len(&self) -> usize {
        self.all.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(all: &[&str], ignore_case: bool) -> Texts {
        Texts::new(all.iter().map(|text| (*text).to_owned()), ignore_case)
    }

    #[test]
    fn case_is_ignored_character_by_character() {
        let greek = texts(&["ΌΣΟΣ"], true);
        assert!(greek.contains("όσοσ") && greek.contains("ΌΣΟΣ"));
        assert!(!greek.contains("όσος"), "a final sigma is another character");
        assert!(!texts(&["strasse"], true).contains("straße"));
        assert!(texts(&["İ"], true).contains("i\u{307}"));
        assert!(texts(&["a", "A"], true).len() == 1);
    }

    #[test]
    fn many_are_found_like_few() {
        for ignore_case in [false, true] {
            let all: Vec<String> = (0..1_000).map(|i| format!("Key {i}")).collect();
            let many = Texts::new(all.clone(), ignore_case);
            for key in &all {
                assert!(many.contains(key));
                assert_eq!(many.contains(&key.to_uppercase()), ignore_case);
            }
            assert!(!many.contains("Key 1000") && !many.contains(""));
        }
    }
}
