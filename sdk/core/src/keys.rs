//! Many keys in little room: one text and where each key ends in it.

use std::fmt;
use std::hash::{BuildHasher as _, Hasher as _};

use hashbrown::{DefaultHashBuilder, HashTable};
use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A list of keys. In JSON, an array of strings.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Keys {
    text: String,
    /// Where each key ends in `text`, in bytes.
    ends: Vec<u32>,
}

impl Keys {
    /// Adds a key at the end.
    ///
    /// # Errors
    /// [`TooLong`] when all keys together would have more than 4 GiB.
    pub fn push(&mut self, key: &str) -> Result<(), TooLong> {
        let end = u32::try_from(self.text.len() + key.len()).map_err(|_| TooLong)?;
        self.text.push_str(key);
        self.ends.push(end);
        Ok(())
    }

    /// How many keys there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The key at a position, counted from 0.
    #[must_use]
    #[inline]
    pub fn get(&self, at: usize) -> Option<&str> {
        let end = *self.ends.get(at)? as usize;
        let start = at.checked_sub(1).and_then(|before| self.ends.get(before)).map_or(0, |end| *end as usize);
        self.text.get(start..end)
    }

    /// The keys in their order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        (0..self.len()).filter_map(|at| self.get(at))
    }

    /// Whether each key is greater than the one before it, byte by byte: the form in which a segment's keys travel.
    #[must_use]
    pub fn is_rising(&self) -> bool {
        self.iter().zip(self.iter().skip(1)).all(|(a, b)| a < b)
    }

    /// Rising keys without `removed` and with `added`, both rising.
    #[must_use]
    pub fn changed(&self, added: &[String], removed: &[String]) -> Self {
        let mut next =
            Self { text: String::with_capacity(self.text.len()), ends: Vec::with_capacity(self.len() + added.len()) };
        let mut added = added.iter().map(String::as_str).peekable();
        let mut removed = removed.iter().map(String::as_str).peekable();
        for key in self.iter() {
            while removed.next_if(|gone| *gone < key).is_some() {}
            while let Some(new) = added.next_if(|new| *new < key) {
                let _ = next.push(new);
            }
            let kept = removed.next_if_eq(&key).is_none();
            let again = added.next_if_eq(&key).is_some();
            if kept || again {
                let _ = next.push(key);
            }
        }
        for new in added {
            let _ = next.push(new);
        }
        next
    }

    /// Gives back what room was taken in advance.
    pub fn shrink(&mut self) {
        self.text.shrink_to_fit();
        self.ends.shrink_to_fit();
    }
}

/// Keys that are too long together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the keys have more than 4 GiB together")]
pub struct TooLong;

/// How many, not which: there may be a million.
impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} keys", self.len())
    }
}

impl<'k> FromIterator<&'k str> for Keys {
    /// Of more than 4 GiB, those that fit.
    fn from_iter<I: IntoIterator<Item = &'k str>>(keys: I) -> Self {
        let mut all = Self::default();
        for key in keys {
            if all.push(key).is_err() {
                break;
            }
        }
        all
    }
}

impl Serialize for Keys {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'de> Deserialize<'de> for Keys {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct All;
        struct One<'k>(&'k mut Keys);

        impl<'de> Visitor<'de> for All {
            type Value = Keys;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array of keys")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut all: A) -> Result<Keys, A::Error> {
                let mut keys = Keys::default();
                while all.next_element_seed(One(&mut keys))?.is_some() {}
                keys.shrink();
                Ok(keys)
            }
        }

        impl<'de> de::DeserializeSeed<'de> for One<'_> {
            type Value = ();

            fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
                deserializer.deserialize_str(self)
            }
        }

        impl Visitor<'_> for One<'_> {
            type Value = ();

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }

            fn visit_str<E: de::Error>(self, key: &str) -> Result<(), E> {
                self.0.push(key).map_err(E::custom)
            }
        }

        deserializer.deserialize_seq(All)
    }
}

/// Keys that are looked up in constant time, without allocating.
#[derive(Debug, Default)]
pub(crate) struct KeySet {
    keys: Keys,
    hasher: DefaultHashBuilder,
    /// Positions in `keys`.
    table: HashTable<u32>,
}

impl KeySet {
    /// The set of some keys, and the positions of those that were there already.
    pub(crate) fn new(keys: Keys) -> (Self, Vec<usize>) {
        let hasher = DefaultHashBuilder::default();
        let mut table = HashTable::with_capacity(keys.len());
        let mut twice = Vec::new();
        for (at, key) in (0_u32..).zip(keys.iter()) {
            let hash = hash(&hasher, key);
            if table.find(hash, |other: &u32| keys.get(*other as usize) == Some(key)).is_some() {
                twice.push(at as usize);
            } else {
                table.insert_unique(hash, at, |at| keys.get(*at as usize).map_or(0, |key| self::hash(&hasher, key)));
            }
        }
        (Self { keys, hasher, table }, twice)
    }

    /// The key's position.
    #[inline]
    pub(crate) fn position(&self, key: &str) -> Option<usize> {
        if self.table.is_empty() {
            return None;
        }
        let same = |at: &u32| self.keys.get(*at as usize) == Some(key);
        self.table.find(hash(&self.hasher, key), same).map(|at| *at as usize)
    }

    pub(crate) fn contains(&self, key: &str) -> bool {
        self.position(key).is_some()
    }

    pub(crate) fn keys(&self) -> &Keys {
        &self.keys
    }
}

#[inline]
fn hash(hasher: &DefaultHashBuilder, key: &str) -> u64 {
    let mut state = hasher.build_hasher();
    state.write(key.as_bytes());
    state.finish()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use proptest::prelude::*;

    #[test]
    fn keys_read_as_an_array_of_strings() {
        let keys: Keys = serde_json::from_str(r#"["","a","\u00e9\n","z"]"#).unwrap();
        assert_eq!(keys.iter().collect::<Vec<_>>(), ["", "a", "é\n", "z"]);
        assert_eq!(serde_json::to_string(&keys).unwrap(), r#"["","a","é\n","z"]"#);
        assert!(!keys.is_rising() && ["", "a", "z", "é\n"].into_iter().collect::<Keys>().is_rising());
        assert!(serde_json::from_str::<Keys>(r#"["a",1]"#).is_err());
        assert_eq!(format!("{keys:?}"), "4 keys");
    }

    #[test]
    fn a_set_knows_its_keys_and_which_came_twice() {
        let (set, twice) = KeySet::new(["b", "a", "", "a", "b"].into_iter().collect());
        assert_eq!(twice, [3, 4]);
        assert_eq!([set.position("b"), set.position("a"), set.position("")], [Some(0), Some(1), Some(2)]);
        assert!(!set.contains("c") && !KeySet::default().contains(""));
    }

    proptest! {
        #[test]
        fn changes_are_those_of_sets(
            old in proptest::collection::btree_set("[a-d]{0,2}", 0..20),
            added in proptest::collection::btree_set("[a-d]{0,2}", 0..20),
            removed in proptest::collection::btree_set("[a-d]{0,2}", 0..20),
        ) {
            let keys: Keys = old.iter().map(String::as_str).collect();
            let list = |set: &BTreeSet<String>| set.iter().cloned().collect::<Vec<_>>();
            let next = keys.changed(&list(&added), &list(&removed));
            let expected: BTreeSet<_> = old.difference(&removed).chain(&added).map(String::as_str).collect();
            prop_assert_eq!(next.iter().collect::<Vec<_>>(), expected.into_iter().collect::<Vec<_>>());
        }
    }
}
