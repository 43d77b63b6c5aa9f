use bellwether_core::window::{Values, upper_bound};
use serde::{Deserialize, Serialize};

use super::ratio::{self, RatioTracker};
use crate::canary::report::{Figures, Samples};
use crate::stats::Counts;
use crate::stats::log_space::ln_mean_exp;
use crate::stats::stratified::RatioSums;
use crate::stats::tail::{Earlier, QUANTILES};

/// The quantile whose figures are shown while there is no harm: the second, p99.
const SHOWN: usize = 1;

/// The shares of both arms above control's earlier quantiles.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TailTracker {
    earlier: Earlier,
    /// One for each of [`QUANTILES`], a share above it being its ratio.
    engines: Vec<RatioTracker>,
    /// The highest of their average so far, as a logarithm.
    max_log_e: f64,
}

/// A quantile and what was counted above it.
pub(super) struct Above<'t> {
    pub(super) quantile: f64,
    /// What it is by now, in the metric's own unit: the upper edge of its bucket.
    pub(super) edge: Option<f64>,
    pub(super) tracker: &'t RatioTracker,
}

impl TailTracker {
    pub(super) fn new(window_seconds: u32) -> Self {
        let engines = QUANTILES.iter().map(|_| RatioTracker::new(window_seconds)).collect();
        Self { earlier: Earlier::default(), engines, max_log_e: 0.0 }
    }

    /// Takes in a window after `missed` without data; answers the samples it used.
    pub(super) fn step(&mut self, missed: u64, margin: f64, values: [Option<&Values>; 2]) -> Samples {
        let mut used = Samples::default();
        for (quantile, engine) in QUANTILES.iter().zip(&mut self.engines) {
            let bucket = self.earlier.quantile(*quantile);
            let counts = values.map(|values| {
                let values = values?;
                Counts::new(values.n, values.above_bucket(bucket?)?)
            });
            used = engine.step(missed, margin, counts);
        }
        if let [_, Some(control)] = values {
            self.earlier.add(&control.histogram);
        }
        self.max_log_e = self.max_log_e.max(self.log_e());
        used
    }

    /// The logarithm of the engines' average.
    pub(super) fn log_e(&self) -> f64 {
        ln_mean_exp(&self.engines.iter().map(|engine| engine.process.log_e()).collect::<Vec<_>>())
    }

    /// Anytime-valid p-value: 1 / the highest average so far, at most 1.
    pub(super) fn p(&self) -> f64 {
        (-self.max_log_e).exp().min(1.0)
    }

    /// What is counted above the quantile that is shown: with harm the one that tells most of it.
    pub(super) fn shown(&self, harm: bool) -> Option<Above<'_>> {
        let likeliest = || {
            let all = self.engines.iter().enumerate();
            let found = all.filter_map(|(at, engine)| Some((at, engine.changes.likeliest()?.log_likelihood)));
            found.max_by(|(_, one), (_, other)| one.total_cmp(other)).map(|(at, _)| at)
        };
        let at = if harm { likeliest().unwrap_or(SHOWN) } else { SHOWN };
        let quantile = *QUANTILES.get(at)?;
        let edge = self.earlier.quantile(quantile).map(upper_bound);
        Some(Above { quantile, edge, tracker: self.engines.get(at)? })
    }
}

impl Above<'_> {
    /// Its figures over the whole release.
    pub(super) fn figures(&self, alpha: f64) -> Figures {
        self.figures_of(&self.tracker.sums, alpha)
    }

    /// The figures of some of its windows. Whichever of the quantiles is shown, the intervals hold for all of them.
    pub(super) fn figures_of(&self, sums: &RatioSums, alpha: f64) -> Figures {
        ratio::figures(sums, alpha / QUANTILES.len() as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(counts: &[(i32, u64)]) -> Values {
        let histogram = counts.iter().copied().collect();
        Values { n: counts.iter().map(|(_, n)| n).sum(), histogram, ..Values::default() }
    }

    #[test]
    fn each_window_is_held_against_those_before() {
        let mut tracker = TailTracker::new(10);
        let healthy = values(&[(100, 9_000), (110, 900), (120, 90), (130, 10)]);
        assert_eq!(
            tracker.step(0, 0.2, [Some(&healthy), Some(&healthy)]),
            Samples::default(),
            "there is nothing before"
        );
        assert_eq!(tracker.log_e(), 0.0);
        let used = tracker.step(0, 0.2, [Some(&healthy), Some(&healthy)]);
        assert_eq!(used, Samples { treatment: 10_000, control: 10_000 });
        assert!(tracker.log_e() < 0.0);
        assert_eq!(tracker.shown(false).unwrap().edge, Some(upper_bound(110)));
        let slow = values(&[(100, 9_000), (110, 800), (120, 180), (130, 20)]);
        for _ in 0..5 {
            tracker.step(0, 0.2, [Some(&slow), Some(&healthy)]);
        }
        assert!(tracker.log_e() > 10.0 && tracker.p() < 1e-4, "{}", tracker.log_e());
        let found = tracker.shown(true).unwrap();
        assert_eq!((found.quantile, found.edge), (0.99, Some(upper_bound(110))));
        let before = tracker.log_e();
        tracker.step(0, 0.2, [Some(&slow), None]);
        let partial = Values { n: 10_001, ..slow };
        tracker.step(3, 0.2, [Some(&partial), Some(&healthy)]);
        assert!((tracker.log_e() - before).abs() < 0.1, "what is missing, or not all there, adds nothing");
    }
}
