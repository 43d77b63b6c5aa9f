//! Consistent hashing: which of 100,000 buckets a key falls into under a salt.

use std::borrow::Cow;

use serde_json::Value;
use xxhash_rust::xxh3::Xxh3Default;

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
    let scaled = (u128::from(hash(salt, key)) * u128::from(BUCKETS)) >> 64;
    u32::try_from(scaled).unwrap_or(BUCKETS - 1)
}

/// The text that is hashed for an attribute's value.
///
/// A string stands for itself; an integral number within ±2^53 for its decimal text, so that 42 and 42.0 are one
/// user. Anything else has no bucketing key.
#[must_use]
pub fn key_of(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::String(text) => Some(Cow::Borrowed(text)),
        Value::Number(number) => integral(number).map(|n| Cow::Owned(n.to_string())),
        _ => None,
    }
}

fn integral(number: &serde_json::Number) -> Option<i64> {
    let whole = number.as_i64().or_else(|| {
        let float = number.as_f64()?;
        // The cast is exact: the bound below is checked first on the float itself.
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
            assert_eq!(key_of(&value).as_deref(), key, "{value}");
        }
    }
}
