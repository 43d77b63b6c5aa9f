//! A tail of values against control: do more of treatment's values lie above what control's high quantiles have been?
//!
//! In the windows before the one at hand, control's p90, p99 and p99.9 each fall into a bucket of its histogram. Above the
//! upper edge of that bucket lies the same share of both arms' values while the canary is healthy, whatever their
//! distribution, so counts above it are compared as a [`ratio`](super::ratio) is. The edges follow from earlier windows
//! alone, which keeps each factor's mean at most 1 given what was known before.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The quantiles of control that are looked at, each by an engine of its own; their E are averaged.
pub const QUANTILES: [f64; 3] = [0.9, 0.99, 0.999];

/// Control's values in all earlier windows, counted by bucket.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Earlier {
    n: u64,
    buckets: BTreeMap<i32, u64>,
}

impl Earlier {
    /// Adds a window's values, counted by bucket.
    pub fn add(&mut self, histogram: &BTreeMap<i32, u64>) {
        for (bucket, count) in histogram {
            let total = self.buckets.entry(*bucket).or_default();
            *total = total.saturating_add(*count);
            self.n = self.n.saturating_add(*count);
        }
    }

    /// The bucket that holds the quantile `p`, within (0, 1): that of the value of rank `⌈p·n⌉`. `None` without values.
    #[must_use]
    pub fn quantile(&self, p: f64) -> Option<i32> {
        let rank = (p * self.n as f64).ceil().max(1.0);
        let mut below = 0_u64;
        let found = self.buckets.iter().find(|(_, count)| {
            below = below.saturating_add(**count);
            below as f64 >= rank
        });
        found.map(|(bucket, _)| *bucket)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_in_the_bucket_of_its_rank() {
        let mut earlier = Earlier::default();
        assert_eq!(earlier.quantile(0.9), None);
        earlier.add(&BTreeMap::from([(10, 890), (12, 9)]));
        earlier.add(&BTreeMap::from([(10, 10), (12, 90), (40, 1)]));
        let found: Vec<_> = QUANTILES.iter().map(|p| earlier.quantile(*p).unwrap()).collect();
        assert_eq!(found, [10, 12, 12], "900 of 1,000 are in the first, 999 in the first two");
        earlier.add(&BTreeMap::from([(40, 1)]));
        assert_eq!(earlier.quantile(0.999), Some(40));
        assert_eq!((earlier.quantile(1e-9), earlier.quantile(1.0)), (Some(10), Some(40)));
    }
}
