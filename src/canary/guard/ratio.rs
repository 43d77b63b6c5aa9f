use serde::{Deserialize, Serialize};

use crate::canary::report::{Figures, Samples};
use crate::stats::stratified::RatioSums;
use crate::stats::{ChangePoint, Counts, EProcess, ratio};

/// A ratio against control.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RatioTracker {
    pub(super) process: EProcess,
    pub(super) sums: RatioSums,
    pub(super) changes: ChangePoint<RatioSums>,
}

impl RatioTracker {
    pub(super) fn new(window_seconds: u32) -> Self {
        Self {
            process: EProcess::new(ratio::POINTS, window_seconds),
            sums: RatioSums::default(),
            changes: ChangePoint::new(ratio::POINTS),
        }
    }

    /// Takes in a window after `missed` without data; answers the samples it used.
    pub(super) fn step(&mut self, missed: u64, margin: f64, counts: [Option<Counts>; 2]) -> Samples {
        self.process.skip(missed);
        let [Some(treatment), Some(control)] = counts else {
            self.process.step(None);
            return Samples::default();
        };
        let factors = ratio::log_factors(margin, treatment, control);
        self.process.step(Some(&factors));
        self.sums.add(treatment, control);
        self.changes.step(self.process.windows(), &factors, |sums| sums.add(treatment, control));
        Samples { treatment: treatment.n, control: control.n }
    }
}

pub(super) fn figures(sums: &RatioSums, alpha: f64) -> Figures {
    let [treatment, control] = sums.trials();
    let comparison = sums.comparison();
    Figures {
        treatment: comparison.map(|c| c.treatment),
        control: comparison.map(|c| c.control),
        effect: comparison.and_then(|c| c.relative),
        interval: sums.interval(alpha),
        samples: Samples { treatment, control },
    }
}
