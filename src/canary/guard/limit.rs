use serde::{Deserialize, Serialize};

use crate::canary::report::{Figures, Samples};
use crate::stats::confidence::rate_interval;
use crate::stats::{ChangePoint, Counts, EProcess, limit};

/// Evidence that rounding alone may give.
const ROUNDING: f64 = 1e-9;

/// A share against a limit, with the same test on control to tell a bad canary from a service-wide incident.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LimitTracker {
    /// The share that is allowed.
    allowed: f64,
    /// On treatment, without the windows in which control itself is above the limit.
    pub(super) process: EProcess,
    /// On control, every window.
    control: EProcess,
    pub(super) sums: LimitSums,
    pub(super) changes: ChangePoint<LimitSums>,
    pub(super) control_changes: ChangePoint<LimitSums>,
}

/// Both arms' counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct LimitSums {
    pub(super) treatment: Counts,
    control: Counts,
}

impl LimitSums {
    fn add(&mut self, counts: [Option<Counts>; 2]) {
        let [treatment, control] = counts;
        self.treatment.add(treatment.unwrap_or_default());
        self.control.add(control.unwrap_or_default());
    }
}

impl LimitTracker {
    pub(super) fn new(allowed: f64, window_seconds: u32) -> Self {
        let points = limit::alternatives(allowed).len();
        Self {
            allowed,
            process: EProcess::new(points, window_seconds),
            control: EProcess::new(points, window_seconds),
            sums: LimitSums::default(),
            changes: ChangePoint::new(points),
            control_changes: ChangePoint::new(points),
        }
    }

    /// Goes on with another limit. What was counted against the old one is evidence still, but no figure to show.
    pub(super) fn change_limit(&mut self, allowed: f64) {
        let points = limit::alternatives(allowed).len();
        self.allowed = allowed;
        self.process.regrid(points);
        self.control.regrid(points);
        self.sums = LimitSums::default();
        self.changes = ChangePoint::new(points);
        self.control_changes = ChangePoint::new(points);
    }

    /// Takes in a window after `missed` without data; answers the samples it used.
    pub(super) fn step(&mut self, missed: u64, counts: [Option<Counts>; 2]) -> Samples {
        self.process.skip(missed);
        self.control.skip(missed);
        let [treatment, control] = counts;
        let above = control.and_then(|counts| counts.rate()).is_some_and(|rate| rate > self.allowed);

        let factors = control.map(|counts| limit::log_factors(self.allowed, counts));
        self.control.step(factors.as_deref());
        if let Some(factors) = factors {
            self.control_changes.step(self.control.windows(), &factors, |sums| sums.add(counts));
        }
        let counted = treatment.filter(|_| !above);
        let factors = counted.map(|counts| limit::log_factors(self.allowed, counts));
        self.process.step(factors.as_deref());
        if let Some(factors) = factors {
            self.changes.step(self.process.windows(), &factors, |sums| sums.add(counts));
        }
        self.sums.add(counts);
        Samples { treatment: counted.map_or(0, |counts| counts.n), control: control.map_or(0, |counts| counts.n) }
    }

    /// Whether there is any evidence that control is above the limit too.
    pub(super) fn control_fails(&self) -> bool {
        self.control.log_e() > ROUNDING
    }
}

pub(super) fn figures(sums: &LimitSums, alpha: f64) -> Figures {
    Figures {
        treatment: sums.treatment.rate(),
        control: sums.control.rate(),
        effect: sums.treatment.rate(),
        interval: rate_interval(sums.treatment, alpha),
        samples: Samples { treatment: sums.treatment.n, control: sums.control.n },
    }
}
