//! Shares as people write them, in percent or in buckets, and as splits hold them.

use std::collections::BTreeMap;

use bellwether_core::allocation::{Range, Weight};
use bellwether_core::bucket::BUCKETS;
use bellwether_core::{Fault, Serve, Split, Variation, allocation, limits};
use serde::Serializer;

/// Buckets of one percent.
const PERCENT: f64 = 1_000.0;

/// A percentage of up to three decimals, in buckets.
///
/// # Errors
/// What a percentage may be.
pub fn buckets_of_percent(percent: f64) -> Result<u32, &'static str> {
    if !(0.0..=100.0).contains(&percent) {
        return Err("is a percentage from 0 to 100");
    }
    let buckets = (percent * PERCENT).round();
    // Three decimals as a float differ from the rounded ones by rounding alone.
    if (buckets / PERCENT - percent).abs() > 1e-9 {
        return Err("has at most three decimals");
    }
    // In range by the first check.
    Ok(buckets as u32)
}

/// Buckets in percent.
pub fn percent_of_buckets(buckets: u32) -> f64 {
    f64::from(buckets) / PERCENT
}

/// A weight for each variation of the flag, in their order, from named ones; those not named get nothing.
///
/// # Errors
/// Unknown variations and a sum other than all buckets, with pointers into the object at `pointer`.
pub fn complete(
    variations: &[Variation],
    given: &BTreeMap<String, u32>,
    pointer: &str,
    whole: &str,
) -> Result<Vec<Weight>, Vec<Fault>> {
    let mut faults = Vec::new();
    for name in given.keys() {
        if !variations.iter().any(|variation| variation.name == *name) {
            let escaped = name.replace('~', "~0").replace('/', "~1");
            faults.push(Fault::new(format!("{pointer}/{escaped}"), format!("the flag has no variation `{name}`")));
        }
    }
    let sum: u64 = given.values().map(|weight| u64::from(*weight)).sum();
    if sum != u64::from(BUCKETS) {
        faults.push(Fault::new(pointer, format!("the weights sum to {whole}")));
    }
    let weight = |variation: &Variation| (variation.name.clone(), given.get(&variation.name).copied().unwrap_or(0));
    if faults.is_empty() { Ok(variations.iter().map(weight).collect()) } else { Err(faults) }
}

/// The serve with these weights that moves as few users as it can away from `old`; the salt is for a split that is new.
pub fn with_weights(old: &Serve, weights: &[Weight], salt: impl FnOnce() -> String) -> Serve {
    match old {
        Serve::Split(split) => {
            Serve::Split(Split { ranges: allocation::reallocate(&split.ranges, weights), ..split.clone() })
        }
        Serve::Variation(_) => new_split(weights, salt()),
    }
}

/// A split nobody has been in yet.
pub fn new_split(weights: &[Weight], salt: String) -> Serve {
    Serve::Split(Split {
        bucket_by: bellwether_core::TARGETING_KEY.to_owned(),
        salt,
        hash: bellwether_core::bucket::HASH_RULE.to_owned(),
        ranges: allocation::allocate(weights),
    })
}

/// The layout of a serve, one variation being all of it.
pub fn ranges(serve: &Serve) -> Vec<Range> {
    match serve {
        Serve::Variation(name) => allocation::whole(name),
        Serve::Split(split) => split.ranges.clone(),
    }
}

/// Whether a person may give this salt.
pub fn is_salt(salt: &str) -> bool {
    (1..=limits::SALT_LENGTH).contains(&salt.chars().count()) && !salt.contains('\0')
}

/// Whole numbers without a decimal point, as people write them.
pub(crate) fn plain<S: Serializer>(number: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    let whole = *number as i64;
    if whole as f64 == *number && whole.unsigned_abs() < 1 << 53 {
        serializer.serialize_i64(whole)
    } else {
        serializer.serialize_f64(*number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentages_have_up_to_three_decimals() {
        for (percent, buckets) in
            [(0.0, 0), (25.0, 25_000), (33.333, 33_333), (0.001, 1), (99.999, 99_999), (100.0, 100_000)]
        {
            assert_eq!(buckets_of_percent(percent), Ok(buckets));
        }
        for wrong in [-0.001, 100.001, f64::NAN, f64::INFINITY, 0.0001, 33.3333] {
            assert!(buckets_of_percent(wrong).is_err(), "{wrong}");
        }
        for buckets in 0..=BUCKETS {
            assert_eq!(buckets_of_percent(percent_of_buckets(buckets)), Ok(buckets));
        }
    }
}
