use std::collections::BTreeMap;

use bellwether_core::window::{CONTROL, Summary, TREATMENT, Values};
use chrono::{DateTime, Utc};

use crate::stats::Counts;
use crate::stats::mean::Moments;

/// Everything one closed window of a release holds, over all instances.
#[derive(Clone, Debug, PartialEq)]
pub struct ClosedWindow {
    start: DateTime<Utc>,
    index: u64,
    metrics: BTreeMap<String, Arms>,
}

/// What both arms counted of one metric; an arm without a record is `None`.
#[derive(Clone, Debug, Default, PartialEq)]
struct Arms {
    treatment: Option<Summary>,
    control: Option<Summary>,
}

impl ClosedWindow {
    /// An empty window. `index` rises by one with each window of the release, those without data included.
    #[must_use]
    pub fn new(start: DateTime<Utc>, index: u64) -> Self {
        Self { start, index, metrics: BTreeMap::new() }
    }

    /// When it begins.
    #[must_use]
    pub fn start(&self) -> DateTime<Utc> {
        self.start
    }

    /// Its number in the release.
    #[must_use]
    pub fn index(&self) -> u64 {
        self.index
    }

    /// Adds one instance's record. Another arm than treatment and control, more hits than trials, moments that are not
    /// finite, or another kind than the metric's first record in this arm: left out.
    pub fn add(&mut self, arm: &str, metric: &str, summary: &Summary) {
        if !is_sound(summary) || !(arm == TREATMENT || arm == CONTROL) {
            return;
        }
        let arms = self.metrics.entry(metric.to_owned()).or_default();
        let cell = if arm == TREATMENT { &mut arms.treatment } else { &mut arms.control };
        match (cell.as_mut(), summary) {
            (None, summary) => *cell = Some(summary.clone()),
            (Some(Summary::Ratio(known)), Summary::Ratio(new)) => known.merge(new),
            (Some(Summary::Values(known)), Summary::Values(new)) => known.merge(new),
            (Some(_), _) => {}
        }
    }

    /// Trials and hits of both arms of a ratio.
    pub(super) fn ratio(&self, metric: &str) -> [Option<Counts>; 2] {
        self.cells(metric).map(|cell| match cell {
            Some(Summary::Ratio(ratio)) => Counts::new(ratio.n, ratio.k),
            _ => None,
        })
    }

    /// Values of both arms, and how many were above `limit`.
    pub(super) fn above(&self, metric: &str, limit: f64) -> [Option<Counts>; 2] {
        self.cells(metric).map(|cell| match cell {
            Some(Summary::Values(values)) => {
                Moments::of(values).and_then(|_| Counts::new(values.n, values.above(limit)?))
            }
            _ => None,
        })
    }

    /// Values of both arms.
    pub(super) fn values(&self, metric: &str) -> [Option<&Values>; 2] {
        self.cells(metric).map(|cell| match cell {
            Some(Summary::Values(values)) => Some(values),
            _ => None,
        })
    }

    /// Moments of both arms of a value.
    pub(super) fn moments(&self, metric: &str) -> [Option<Moments>; 2] {
        self.cells(metric).map(|cell| match cell {
            Some(Summary::Values(values)) => Moments::of(values),
            _ => None,
        })
    }

    fn cells(&self, metric: &str) -> [Option<&Summary>; 2] {
        self.metrics.get(metric).map_or([None, None], |arms| [arms.treatment.as_ref(), arms.control.as_ref()])
    }
}

/// Whether values can have such a summary. The extremes matter too: the largest value may stand for a limit's count.
fn is_sound(summary: &Summary) -> bool {
    match summary {
        Summary::Ratio(ratio) => ratio.k <= ratio.n,
        Summary::Values(values) => {
            let slack = 1e-9 * values.mean.abs();
            values.n == 0
                || (Moments::of(values).is_some()
                    && values.min <= values.mean + slack
                    && values.mean <= values.max + slack)
        }
    }
}

#[cfg(test)]
mod tests;
