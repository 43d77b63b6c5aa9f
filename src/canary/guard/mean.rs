use serde::{Deserialize, Serialize};

use crate::canary::report::{Figures, Samples};
use crate::stats::mean::{MeanTest, Moments, POINTS};
use crate::stats::stratified::MeanSums;
use crate::stats::{ChangePoint, EProcess};

/// A mean against control.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MeanTracker {
    pub(super) process: EProcess,
    test: MeanTest,
    pub(super) sums: MeanSums,
    pub(super) changes: ChangePoint<MeanSums>,
}

impl MeanTracker {
    pub(super) fn new(window_seconds: u32) -> Self {
        Self {
            process: EProcess::new(POINTS, window_seconds),
            test: MeanTest::default(),
            sums: MeanSums::default(),
            changes: ChangePoint::new(POINTS),
        }
    }

    /// Takes in a window after `missed` without data; answers the samples it used.
    pub(super) fn step(&mut self, missed: u64, margin: f64, moments: [Option<Moments>; 2]) -> Samples {
        self.process.skip(missed);
        let [treatment, control] = moments;
        let factors = self.test.step(margin, treatment.as_ref(), control.as_ref());
        self.process.step(factors.as_deref());
        let (Some(treatment), Some(control)) = (treatment, control) else {
            return Samples::default();
        };
        if let Some(factors) = factors {
            self.changes.step(self.process.windows(), &factors, |sums| sums.add(&treatment, &control));
        }
        let [before, _] = self.sums.values();
        self.sums.add(&treatment, &control);
        let [after, _] = self.sums.values();
        if after == before { Samples::default() } else { Samples { treatment: treatment.n, control: control.n } }
    }
}

pub(super) fn figures(sums: &MeanSums, alpha: f64) -> Figures {
    let [treatment, control] = sums.values();
    let comparison = sums.comparison();
    Figures {
        treatment: comparison.map(|c| c.treatment),
        control: comparison.map(|c| c.control),
        effect: comparison.and_then(|c| c.relative),
        interval: sums.interval(alpha),
        samples: Samples { treatment, control },
    }
}
