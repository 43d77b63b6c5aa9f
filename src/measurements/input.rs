use std::collections::{BTreeMap, HashMap};

use bellwether_core::window::{LABELS, REQUEST_DURATION_MS, REQUEST_ERROR, Ratio, Summary, Values, Window};
use bellwether_core::{Fault, Release, State};
use chrono::{DateTime, Utc};
use deserr::Deserr;
use serde_json::Value;
use utoipa::ToSchema;

use super::observed::{self, EvaluationInput, ExposureInput, ResourcesInput};
use super::{AHEAD, Batch, Checked, Counted, Cut, Origin};
use crate::error::{Error, Result};
use crate::input::{Faults, Reject};
use crate::schema::Time;

/// Most windows of one batch.
const WINDOWS: usize = 10_000;
/// Largest count: exact in every language's doubles.
pub(super) const COUNT: u64 = 1 << 53;
/// Largest magnitude of a value, as the SDKs have it: sums of squares of any number of them are finite.
pub(super) const MAGNITUDE: f64 = 1e100;
/// Buckets of a histogram, which end where the SDKs' do.
const BUCKETS: std::ops::RangeInclusive<i32> = -1_000..=2_000;
/// Most limits of one window.
const LIMITS: usize = 100;
/// Longest name of an instance, application or metric, and longest label, in characters.
const NAME: usize = 200;

/// `POST /api/v1/measurements`.
#[derive(Clone, Debug, Deserr, ToSchema)]
#[deserr(error = Faults, deny_unknown_fields)]
#[serde(deny_unknown_fields)]
#[schema(as = MeasurementBatch)]
pub struct BatchInput {
    /// Names the process.
    #[deserr(try_from(String) = short_name -> Reject)]
    #[schema(min_length = 1, max_length = 200)]
    instance: String,
    /// Names the service.
    #[deserr(try_from(String) = short_name -> Reject)]
    #[schema(min_length = 1, max_length = 200)]
    #[expect(dead_code, reason = "part of the format; the fleet knows applications from the stream")]
    application: String,
    /// Grows with each batch of the instance, which is counted once.
    #[schema(maximum = 9_007_199_254_740_992_u64)]
    sequence: u64,
    /// What was measured.
    #[schema(max_items = 10_000)]
    windows: Vec<WindowInput>,
    /// Who met a release; the users count as seen of late.
    #[deserr(default)]
    #[schema(required = false, max_items = 10_000)]
    exposures: Vec<ExposureInput>,
    /// Accepted, and not kept as yet.
    #[deserr(default)]
    #[schema(required = false)]
    #[expect(dead_code, reason = "part of the format that nothing here uses: see ARCHITECTURE.md")]
    outcomes: Vec<Value>,
    /// How often each variation was served since the batch before.
    #[deserr(default)]
    #[schema(required = false, max_items = 10_000)]
    evaluations: Vec<EvaluationInput>,
    /// What the process uses; the fleet shows the latest.
    #[deserr(default)]
    resources: Option<ResourcesInput>,
}

#[derive(Clone, Debug, Deserr, ToSchema)]
#[deserr(error = Faults, deny_unknown_fields)]
#[serde(deny_unknown_fields)]
#[schema(as = MeasurementWindow)]
struct WindowInput {
    /// When the window begins, on the server's clock.
    #[deserr(try_from(String) = time -> Reject)]
    #[schema(value_type = Time)]
    start: DateTime<Utc>,
    /// How long it lasts, in seconds.
    seconds: u32,
    /// The release's id.
    #[deserr(try_from(String) = short_name -> Reject)]
    #[schema(min_length = 1, max_length = 200)]
    release: String,
    /// The arm's name.
    arm: String,
    /// The metric.
    #[deserr(try_from(String) = short_name -> Reject)]
    #[schema(min_length = 1, max_length = 200)]
    metric: String,
    /// How many trials or values.
    n: u64,
    /// A ratio's hits, at most `n`.
    #[deserr(default)]
    k: Option<u64>,
    /// What the hits were: a name and how often.
    #[deserr(default)]
    #[schema(required = false)]
    labels: Vec<(String, u64)>,
    /// The values' mean.
    #[deserr(default)]
    mean: Option<f64>,
    /// Sum of squared deviations from the mean.
    #[deserr(default)]
    m2: Option<f64>,
    /// The smallest value.
    #[deserr(default)]
    min: Option<f64>,
    /// The largest value.
    #[deserr(default)]
    max: Option<f64>,
    /// Counts by bucket, bucket b being (1.04^(b-1), 1.04^b].
    #[deserr(default)]
    #[schema(required = false)]
    histogram: Vec<(i32, u64)>,
    /// A limit, and how many values are above it.
    #[deserr(default)]
    #[schema(required = false)]
    above: Vec<(f64, u64)>,
}

/// Whether it has 1 to [`NAME`] characters.
pub(super) fn is_short(name: &str) -> bool {
    // No text has more characters than bytes.
    !name.is_empty() && (name.len() <= NAME || name.chars().count() <= NAME)
}

pub(super) fn short_name(name: String) -> Result<String, Reject> {
    if is_short(&name) { Ok(name) } else { Err(Reject(format!("has 1 to {NAME} characters"))) }
}

pub(super) fn time(text: String) -> Result<DateTime<Utc>, Reject> {
    let parsed = DateTime::parse_from_rfc3339(&text);
    parsed.map(|at| at.to_utc()).map_err(|_| Reject("is a time like 2026-11-21T10:00:00Z".to_owned()))
}

impl BatchInput {
    /// Checks every window against itself and against the releases that run in the environment.
    pub(super) fn check(self, state: &State, cut: Cut, now: DateTime<Utc>) -> Result<Checked> {
        let releases: HashMap<&str, &Release> =
            state.releases().map(|(_, release)| (release.id.as_str(), release)).collect();
        let mut faults = Vec::new();
        if self.sequence > COUNT {
            faults.push(Fault::new("/sequence", "is at most 2^53"));
        }
        if self.windows.len() > WINDOWS {
            faults.push(Fault::new("/windows", format!("at most {WINDOWS} windows in one batch")));
        }
        faults.extend(observed::faults(&self.evaluations, &self.exposures, now));
        faults.extend(self.resources.as_ref().into_iter().flat_map(ResourcesInput::faults));
        let (mut windows, mut late) = (Vec::new(), 0);
        for (index, input) in self.windows.into_iter().enumerate() {
            let mut found = Vec::new();
            let release = releases.get(input.release.as_str());
            let window = input.window(release.copied(), cut, now, &mut found);
            let prefix = format!("/windows/{index}");
            faults.extend(found.into_iter().map(|fault| fault.under(&prefix)));
            match window {
                Some(window) if release.is_some() => windows.push(Counted { window, stands_for: 1 }),
                _ => late += 1,
            }
        }
        Error::unless_empty(faults)?;
        let evaluations = observed::known(self.evaluations, state);
        Ok(Checked {
            batch: Batch {
                origin: Some(Origin { instance: self.instance, sequence: self.sequence }),
                windows,
                late,
                evaluations,
            },
            exposures: self.exposures,
            resources: self.resources.map(ResourcesInput::resources),
        })
    }
}

impl WindowInput {
    fn window(
        self,
        release: Option<&Release>,
        cut: Cut,
        now: DateTime<Utc>,
        faults: &mut Vec<Fault>,
    ) -> Option<Window> {
        let mut fault = |pointer: &str, message: String| faults.push(Fault::new(pointer, message));
        if self.seconds == 0 || self.seconds > cut.window_seconds {
            fault("/seconds", format!("windows here last {} s; yours may be 1 to that long", cut.window_seconds));
        }
        if self.start > now + AHEAD {
            fault("/start", format!("lies in the future; it is {} here", crate::clock::rfc3339(now)));
        }
        if let Some(release) = release
            && !release.arms.iter().any(|arm| arm.name == self.arm)
        {
            fault("/arm", format!("the release has no arm `{}`", self.arm));
        }
        self.faults(&mut fault);
        match (self.metric.as_str(), self.has_hits(), self.has_values()) {
            (REQUEST_ERROR, false, true) => fault("/k", format!("{} is a ratio: give n and k", self.metric)),
            (REQUEST_DURATION_MS, true, false) => {
                fault("/mean", format!("{} holds values: give n, mean, m2, min and max", self.metric));
            }
            _ => {}
        }
        let start = cut.start_of(self.start);
        let (arm, metric, release) = (self.arm.clone(), self.metric.clone(), self.release.clone());
        let Some(summary) = self.summary() else {
            fault("", "is either a ratio (n, k) or values (n, mean, m2, min, max)".to_owned());
            return None;
        };
        Some(Window { start, seconds: cut.window_seconds, release, arm, metric, summary })
    }

    fn has_hits(&self) -> bool {
        self.k.is_some()
    }

    fn has_values(&self) -> bool {
        self.mean.is_some() || self.m2.is_some()
    }

    fn summary(self) -> Option<Summary> {
        match (self.k, self.mean, self.m2) {
            (Some(k), None, None) => Some(ratio(self.n, k, self.labels)),
            (None, Some(mean), Some(m2)) => {
                let ends = self.min.zip(self.max);
                Some(values(self.n, mean, m2, ends, self.histogram, self.above))
            }
            _ => None,
        }
    }

    /// What is wrong with its figures. Where it could be either a ratio or values, both have to be right.
    fn faults(&self, fault: &mut impl FnMut(&str, String)) {
        if self.n > COUNT {
            fault("/n", "is at most 2^53".to_owned());
        }
        let either = !self.has_hits() && !self.has_values();
        if either || self.has_hits() {
            self.ratio_faults(fault);
        }
        if either || self.has_values() {
            self.value_faults(fault);
            self.list_faults(fault);
        }
    }

    fn ratio_faults(&self, fault: &mut impl FnMut(&str, String)) {
        for (index, (label, _)) in self.labels.iter().enumerate() {
            if label.chars().count() > NAME {
                fault(&format!("/labels/{index}/0"), format!("has at most {NAME} characters"));
            }
        }
        let (n, Some(k)) = (self.n, self.k) else { return };
        if k > n {
            fault("/k", format!("is at most n, which is {n}"));
        }
        let named = self.labels.iter().fold(0_u64, |sum, (_, count)| sum.saturating_add(*count));
        if named > k {
            fault("/labels", format!("count more than the {k} hits"));
        }
    }

    fn value_faults(&self, fault: &mut impl FnMut(&str, String)) {
        for (pointer, number) in [("/mean", self.mean), ("/min", self.min), ("/max", self.max)] {
            // Not a number is not in it either.
            if number.is_some_and(|number| !(-MAGNITUDE..=MAGNITUDE).contains(&number)) {
                fault(pointer, format!("is a number of at most {MAGNITUDE:e} in magnitude"));
            }
        }
        let ends = self.min.zip(self.max);
        // A mean of sums may be off by rounding where all values are equal, and so may the squares.
        let slack = |min: f64, max: f64| 1e-9 * min.abs().max(max.abs()).max(1.0);
        if let (Some(mean), Some((min, max))) = (self.mean, ends)
            && self.n > 0
            && !(min - slack(min, max)..=max + slack(min, max)).contains(&mean)
        {
            fault("/mean", "lies between min and max".to_owned());
        }
        // Values between two ends vary the most with half of them at each (Popoviciu).
        let half = ends.map_or(MAGNITUDE, |(min, max)| ((max - min) / 2.0).abs() + slack(min, max));
        let most = self.n as f64 * half * half * (1.0 + 1e-9);
        if self.m2.is_some_and(|m2| !(0.0..=most).contains(&m2)) {
            fault("/m2", "is at least 0 and at most what n values between min and max can have".to_owned());
        }
    }

    fn list_faults(&self, fault: &mut impl FnMut(&str, String)) {
        let n = self.n;
        let counted = self.histogram.iter().fold(0_u64, |sum, (_, count)| sum.saturating_add(*count));
        if counted > n {
            fault("/histogram", format!("counts more than the {n} values"));
        }
        for (index, (bucket, _)) in self.histogram.iter().enumerate() {
            if !BUCKETS.contains(bucket) {
                let message = format!("is a bucket from {} to {}", BUCKETS.start(), BUCKETS.end());
                fault(&format!("/histogram/{index}"), message);
            }
        }
        if self.above.len() > LIMITS {
            fault("/above", format!("at most {LIMITS} limits"));
        }
        for (index, (limit, count)) in self.above.iter().enumerate() {
            if !limit.is_finite() || *count > n {
                fault(&format!("/above/{index}"), format!("is a limit and a count of at most {n}"));
            }
        }
    }
}

fn ratio(n: u64, k: u64, labels: Vec<(String, u64)>) -> Summary {
    let mut kept = Ratio { n, k, labels: Vec::new() };
    kept.merge(&Ratio { n: 0, k: 0, labels: labels.into_iter().take(LABELS).collect() });
    Summary::Ratio(kept)
}

fn values(
    n: u64,
    mean: f64,
    m2: f64,
    ends: Option<(f64, f64)>,
    histogram: Vec<(i32, u64)>,
    above: Vec<(f64, u64)>,
) -> Summary {
    let (min, max) = ends.unwrap_or((mean, mean));
    let histogram = histogram.into_iter().fold(BTreeMap::new(), |mut sums, (bucket, count)| {
        let sum: &mut u64 = sums.entry(bucket).or_insert(0);
        *sum = sum.saturating_add(count);
        sums
    });
    Summary::Values(Values { n, mean, m2, min, max, histogram, above })
}
