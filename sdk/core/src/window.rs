//! Measurement windows: what the requests of one arm of a release did in ten seconds, as sufficient statistics.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::WatchedMetric;

/// The metric of a request's outcome: a ratio of failures.
pub const REQUEST_ERROR: &str = "request.error";
/// The metric of a request's latency, in milliseconds.
pub const REQUEST_DURATION_MS: &str = "request.duration_ms";
/// The arm that meets the change.
pub const TREATMENT: &str = "treatment";
/// The arm that does not.
pub const CONTROL: &str = "control";
/// Most labels kept in one window: each that names more than one hit in 21 is among them, and its count is at most that
/// much too low.
pub const LABELS: usize = 20;
/// Ratio of a histogram's bucket bounds.
pub const HISTOGRAM_RATIO: f64 = 1.04;

const LOWEST_BUCKET: i32 = -1_000;
const HIGHEST_BUCKET: i32 = 2_000;

/// What an SDK sends: several windows, at most once by (instance, sequence).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Batch {
    /// Names the process.
    pub instance: String,
    /// Names the service.
    pub application: String,
    /// Grows with each batch of the instance.
    pub sequence: u64,
    /// The windows.
    pub windows: Vec<Window>,
    /// What was evaluated since the batch before that says so.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evaluations: Vec<Evaluations>,
    /// Who met a release.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exposures: Vec<Exposure>,
    /// What the process uses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,
}

/// A unit that met a release in one of its arms.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exposure {
    /// The release's id.
    pub release: String,
    /// The arm's name.
    pub arm: String,
    /// Whom: the context's targeting key.
    pub unit: String,
    /// When, on the server's clock.
    pub at: DateTime<Utc>,
}

/// What a process uses of what it may, in percent; what is not known is left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Resources {
    /// Of the processors that it may use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_percent: Option<f64>,
    /// Of the memory that it may use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_percent: Option<f64>,
    /// Of its database pool's connections.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub db_pool_percent: Option<f64>,
}

/// How often a variation of a flag was served.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evaluations {
    /// The flag's key.
    pub flag: String,
    /// The variation's name.
    pub variation: String,
    /// How many times.
    pub count: u64,
    /// When last, on the server's clock.
    pub last: DateTime<Utc>,
}

/// One metric in one arm of one release over one window.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Window {
    /// When the window begins, on the server's clock.
    pub start: DateTime<Utc>,
    /// How long it lasts.
    pub seconds: u32,
    /// The release's id.
    pub release: String,
    /// The arm's name.
    pub arm: String,
    /// The metric.
    pub metric: String,
    /// What was counted.
    #[serde(flatten)]
    pub summary: Summary,
}

/// The sufficient statistics of a window.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(untagged)]
pub enum Summary {
    /// Errors, conversions.
    Ratio(Ratio),
    /// Latencies, any number.
    Values(Values),
}

impl Summary {
    /// Of a window of `metric` in which nothing has happened yet.
    #[must_use]
    pub fn of(metric: &WatchedMetric) -> Self {
        if metric.is_ratio() { Self::Ratio(Ratio::default()) } else { Self::Values(Values::watching(&metric.limits)) }
    }

    /// Counts a number: a value, or a trial of a ratio, which is a hit unless it is 0; `label` names the hit.
    pub fn record(&mut self, number: f64, label: Option<&str>) {
        match self {
            Self::Ratio(ratio) => ratio.record(number != 0.0, label),
            Self::Values(values) => values.record(number),
        }
    }
}

/// Trials and hits.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Ratio {
    /// Trials.
    pub n: u64,
    /// Hits, at most `n`.
    pub k: u64,
    /// What the hits were, most frequent first: a name and how often.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<(String, u64)>,
}

impl Ratio {
    /// Counts one trial; `label` names a hit and is ignored otherwise.
    pub fn record(&mut self, hit: bool, label: Option<&str>) {
        self.n += 1;
        if hit {
            self.k += 1;
            if let Some(label) = label {
                self.label(label, 1);
            }
        }
    }

    /// Adds another window's counts.
    pub fn merge(&mut self, other: &Self) {
        self.n = self.n.saturating_add(other.n);
        self.k = self.k.saturating_add(other.k);
        for (label, count) in &other.labels {
            self.label(label, *count);
        }
        self.order();
    }

    /// Puts the labels in their order: the most frequent first, then by name.
    pub fn order(&mut self) {
        self.labels.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    }

    /// Misra and Gries' frequent items: what finds no room takes as much from each of the others as it loses itself.
    fn label(&mut self, label: &str, mut count: u64) {
        if let Some((_, total)) = self.labels.iter_mut().find(|(known, _)| known == label) {
            *total = total.saturating_add(count);
            return;
        }
        if self.labels.len() >= LABELS {
            let least = self.labels.iter().map(|(_, total)| *total).min().unwrap_or(0).min(count);
            self.labels.retain_mut(|(_, total)| {
                *total -= least;
                *total > 0
            });
            count -= least;
        }
        if count > 0 && self.labels.len() < LABELS {
            self.labels.push((label.to_owned(), count));
        }
    }
}

/// Mergeable moments, extremes, a histogram and exact counts above the limits that guards watch.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Values {
    /// How many values.
    pub n: u64,
    /// Their mean; 0 without values.
    pub mean: f64,
    /// Sum of squared deviations from the mean (Welford).
    pub m2: f64,
    /// Smallest value; 0 without values.
    #[serde(default)]
    pub min: f64,
    /// Largest value; 0 without values.
    #[serde(default)]
    pub max: f64,
    /// Counts by bucket, bucket b being (1.04^(b−1), 1.04^b]; buckets without values are left out.
    #[serde(default, with = "pairs", skip_serializing_if = "BTreeMap::is_empty")]
    #[cfg_attr(feature = "schema", schema(value_type = Vec<(i32, u64)>))]
    pub histogram: BTreeMap<i32, u64>,
    /// `(limit, count of values above it)`, limits rising.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub above: Vec<(f64, u64)>,
}

impl Values {
    /// A window that counts values above each of `limits`.
    #[must_use]
    pub fn watching(limits: &[f64]) -> Self {
        let mut above: Vec<_> = limits.iter().map(|limit| (*limit, 0)).collect();
        above.sort_by(|a, b| a.0.total_cmp(&b.0));
        above.dedup();
        Self { above, ..Self::default() }
    }

    /// Counts one value. Infinities and NaN are left out.
    pub fn record(&mut self, value: f64) {
        if !value.is_finite() {
            return;
        }
        self.min = if self.n == 0 { value } else { self.min.min(value) };
        self.max = if self.n == 0 { value } else { self.max.max(value) };
        self.n += 1;
        let delta = value - self.mean;
        self.mean += delta / self.n as f64;
        self.m2 += delta * (value - self.mean);
        *self.histogram.entry(bucket_of(value)).or_insert(0) += 1;
        for (limit, count) in &mut self.above {
            if value > *limit {
                *count += 1;
            }
        }
    }

    /// Adds another window's values (Chan's parallel form of Welford).
    ///
    /// A limit that only one side counted stays only if the other side's largest value shows that it has none above.
    pub fn merge(&mut self, other: &Self) {
        if other.n == 0 {
            return;
        }
        if self.n == 0 {
            *self = other.clone();
            return;
        }
        let mut above: Vec<(f64, u64)> = Vec::new();
        for (limit, _) in self.above.iter().chain(&other.above) {
            let known = above.iter().any(|(done, _)| done == limit);
            if let (false, Some(a), Some(b)) = (known, self.above(*limit), other.above(*limit)) {
                above.push((*limit, a.saturating_add(b)));
            }
        }
        above.sort_by(|a, b| a.0.total_cmp(&b.0));
        self.above = above;

        let (a, b) = (self.n as f64, other.n as f64);
        let delta = other.mean - self.mean;
        self.mean += delta * b / (a + b);
        self.m2 += other.m2 + delta * delta * a * b / (a + b);
        self.n = self.n.saturating_add(other.n);
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        for (bucket, count) in &other.histogram {
            let total = self.histogram.entry(*bucket).or_insert(0);
            *total = total.saturating_add(*count);
        }
    }

    /// How many values were above `limit`, or `None` when that was not counted exactly.
    #[must_use]
    pub fn above(&self, limit: f64) -> Option<u64> {
        let counted = self.above.iter().find(|(known, _)| *known == limit).map(|(_, count)| *count);
        counted.or_else(|| (self.n == 0 || self.max <= limit).then_some(0))
    }

    /// The value that a share `p` (0 to 1) of all values does not exceed, by the histogram: at most 4 % too high. None
    /// without values.
    #[must_use]
    pub fn quantile(&self, p: f64) -> Option<f64> {
        let wanted = (p.clamp(0.0, 1.0) * self.n as f64).ceil().max(1.0);
        let mut below = 0_u64;
        let bucket = self.histogram.iter().find(|(_, count)| {
            below = below.saturating_add(**count);
            below as f64 >= wanted
        });
        // Not `clamp`, which panics where what was sent has its extremes the wrong way round.
        bucket.map(|(bucket, _)| upper_bound(*bucket).min(self.max).max(self.min))
    }

    /// How many values lie in higher buckets than this, or `None` when the histogram does not hold all of them.
    #[must_use]
    pub fn above_bucket(&self, bucket: i32) -> Option<u64> {
        let sum = |counts: &mut dyn Iterator<Item = &u64>| counts.fold(0, |sum: u64, n| sum.saturating_add(*n));
        let above = bucket.checked_add(1).map_or(0, |next| sum(&mut self.histogram.range(next..).map(|(_, n)| n)));
        (sum(&mut self.histogram.values()) == self.n).then_some(above)
    }

    /// Sample variance; 0 below two values.
    #[must_use]
    pub fn variance(&self) -> f64 {
        if self.n < 2 { 0.0 } else { self.m2 / (self.n - 1) as f64 }
    }
}

/// The histogram bucket of a value: the b with 1.04^(b−1) < value ≤ 1.04^b. Zero and less fall into the lowest.
#[must_use]
pub fn bucket_of(value: f64) -> i32 {
    if value <= 0.0 {
        return LOWEST_BUCKET;
    }
    let guess = (value.ln() / HISTOGRAM_RATIO.ln()).ceil();
    let mut bucket = (guess as i32).clamp(LOWEST_BUCKET, HIGHEST_BUCKET);
    // The logarithm may be off by one part in 2^52, which matters just at a bound.
    while bucket < HIGHEST_BUCKET && value > upper_bound(bucket) {
        bucket += 1;
    }
    while bucket > LOWEST_BUCKET && value <= upper_bound(bucket - 1) {
        bucket -= 1;
    }
    bucket
}

/// Upper bound of a histogram bucket.
#[must_use]
pub fn upper_bound(bucket: i32) -> f64 {
    HISTOGRAM_RATIO.powi(bucket)
}

/// A map as a list of pairs, since JSON's keys are strings.
mod pairs {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(map: &BTreeMap<i32, u64>, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(map.iter())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<i32, u64>, D::Error> {
        let list = Vec::<(i32, u64)>::deserialize(deserializer)?;
        let mut map = BTreeMap::new();
        for (bucket, count) in list {
            let total: &mut u64 = map.entry(bucket).or_insert(0);
            *total = total.saturating_add(count);
        }
        Ok(map)
    }
}

#[cfg(test)]
mod tests;
