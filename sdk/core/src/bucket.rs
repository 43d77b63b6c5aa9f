//! Consistent hashing: which of 100,000 buckets a key falls into under a salt.

use serde_json::Value;
use xxhash_rust::xxh3::{Xxh3Default, xxh3_64};

use crate::limits;

/// Number of buckets a split is laid out over: a share is a whole number of thousandths of a percent.
pub const BUCKETS: u32 = 100_000;

/// The name of this hash rule, stored with each split.
pub const HASH_RULE: &str = "xxh3-1";

/// `XXH3_64(u32 little-endian byte length of salt ++ salt ++ key)`, seed 0.
///
/// The length in front keeps (`"ab"`, `"c"`) and (`"a"`, `"bc"`) apart.
#[must_use]
pub fn hash(salt: &str, key: &str) -> u64 {
    let length = u32::try_from(salt.len()).unwrap_or(u32::MAX);
    let mut state = Xxh3Default::new();
    state.update(&length.to_le_bytes());
    state.update(salt.as_bytes());
    state.update(key.as_bytes());
    state.digest()
}

/// The bucket of `key` under `salt`, in `0..BUCKETS`: `floor(hash * BUCKETS / 2^64)`, without modulo bias.
#[must_use]
pub fn bucket(salt: &str, key: &str) -> u32 {
    scale(hash(salt, key))
}

#[inline]
fn scale(hash: u64) -> u32 {
    let scaled = (u128::from(hash) * u128::from(BUCKETS)) >> 64;
    u32::try_from(scaled).unwrap_or(BUCKETS - 1)
}

/// Up to so many bytes are hashed in one go, from the stack.
const SHORT: usize = 128;

/// A salt made ready for many keys.
#[derive(Clone, Debug)]
pub(crate) struct Salt {
    /// What is hashed before the key.
    prefix: Box<[u8]>,
    /// The prefix, with room for a key behind it, if it is short.
    template: Box<[u8; SHORT]>,
}

impl Salt {
    pub(crate) fn new(salt: &str) -> Self {
        let length = u32::try_from(salt.len()).unwrap_or(u32::MAX);
        let prefix = [&length.to_le_bytes(), salt.as_bytes()].concat();
        let mut template = Box::new([0; SHORT]);
        if let Some(head) = template.get_mut(..prefix.len()) {
            head.copy_from_slice(&prefix);
        }
        Self { prefix: prefix.into(), template }
    }

    /// As [`bucket`].
    #[inline]
    pub(crate) fn bucket(&self, key: &str) -> u32 {
        let key = key.as_bytes();
        let start = self.prefix.len();
        let mut input = *self.template;
        if let Some(room) = input.get_mut(start..start + key.len()) {
            room.copy_from_slice(key);
        }
        scale(input.get(..start + key.len()).map_or_else(|| long(&self.prefix, key), xxh3_64))
    }

    /// The salt.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(self.prefix.get(4..).unwrap_or_default()).into_owned()
    }
}

fn long(salt: &[u8], key: &[u8]) -> u64 {
    let mut state = Xxh3Default::new();
    state.update(salt);
    state.update(key);
    state.digest()
}

/// Room for the text of a number: see [`key_of`].
#[derive(Default)]
pub struct KeyBuffer(itoa::Buffer);

/// The text that is hashed for an attribute's value.
///
/// A string stands for itself; an integral number within ±2^53 for its decimal text, so that 42 and 42.0 are one
/// user. Anything else has no bucketing key.
#[must_use]
#[inline]
pub fn key_of<'v>(value: &'v Value, buffer: &'v mut KeyBuffer) -> Option<&'v str> {
    match value {
        Value::String(text) => Some(text),
        Value::Number(number) => integral(number).map(|whole| buffer.0.format(whole)),
        _ => None,
    }
}

/// The whole number within ±2^53 that a number is.
pub(crate) fn integral(number: &serde_json::Number) -> Option<i64> {
    let whole = number.as_i64().or_else(|| {
        let float = number.as_f64()?;
        // The cast is exact: the bound is checked first, on the float itself.
        (float.fract() == 0.0 && float.abs() <= limits::INTEGER as f64).then_some(float as i64)
    })?;
    (whole.unsigned_abs() <= limits::INTEGER.unsigned_abs()).then_some(whole)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[derive(serde::Deserialize)]
    struct Vector {
        salt: String,
        key: String,
        hash: String,
        bucket: u32,
    }

    #[test]
    fn every_vector_holds() {
        let vectors: Vec<Vector> = serde_json::from_str(include_str!("../vectors/bucketing.json")).unwrap();
        assert_eq!(vectors.len(), 200);
        for v in vectors {
            assert_eq!(hash(&v.salt, &v.key).to_string(), v.hash, "hash of {:?} under {:?}", v.key, v.salt);
            assert_eq!(bucket(&v.salt, &v.key), v.bucket, "bucket of {:?} under {:?}", v.key, v.salt);
            assert_eq!(Salt::new(&v.salt).bucket(&v.key), v.bucket, "bucket of {:?} under {:?}", v.key, v.salt);
        }
    }

    #[test]
    fn long_keys_are_hashed_like_short_ones() {
        for length in (0..40).chain(110..140).chain([240, 241, 1_000]) {
            let (salt, key) = ("s".repeat(length % 9), "k".repeat(length));
            assert_eq!(Salt::new(&salt).bucket(&key), bucket(&salt, &key), "{length}");
        }
    }

    #[test]
    fn whole_numbers_are_hashed_as_decimal_text() {
        for (value, key) in [
            (json!("x"), Some("x")),
            (json!(""), Some("")),
            (json!(42), Some("42")),
            (json!(42.0), Some("42")),
            (json!(-0.0), Some("0")),
            (json!(-7), Some("-7")),
            (json!(9_007_199_254_740_992_i64), Some("9007199254740992")),
            (json!(9_007_199_254_740_993_i64), None),
            (json!(u64::MAX), None),
            (json!(1e300), None),
            (json!(4.2), None),
            (json!(true), None),
            (json!(null), None),
            (json!(["x"]), None),
        ] {
            assert_eq!(key_of(&value, &mut KeyBuffer::default()), key, "{value}");
        }
    }
}
