//! A guard's memory of a release.

mod limit;
mod mean;
mod ratio;
mod tail;

use bellwether_core::Fault;
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::policy::{Guard, Test};
use super::report::{Evidence, Figures, GuardReport, Samples, Verdict};
use super::{ClosedWindow, wording};
use limit::LimitTracker;
use mean::MeanTracker;
use ratio::RatioTracker;
use tail::{Above, TailTracker};

/// What a guard remembers of a release, to be stored after every window and restored bit for bit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GuardState {
    guard: Guard,
    /// The guard's limit as read when the stage started.
    limit: Option<f64>,
    /// The guard's part of the policy's alpha.
    alpha: f64,
    window_seconds: u32,
    last: Option<Consumed>,
    stage_samples: Samples,
    tracker: Tracker,
}

/// The last window that was taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Consumed {
    index: u64,
    start: DateTime<Utc>,
}

/// The part that depends on the guard's test.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Tracker {
    Ratio(RatioTracker),
    Mean(MeanTracker),
    Tail(TailTracker),
    Limit(LimitTracker),
}

impl GuardState {
    /// The state at a release's start. `limit` is needed by tests against a limit alone; `alpha`, the guard's part of the
    /// policy's, is within (0, 1).
    ///
    /// # Errors
    /// A fault at `/limit` or `/quantile` when it is missing or out of its range, at `/weight` for a part of alpha that is not
    /// within (0, 1).
    pub fn new(guard: &Guard, limit: Option<f64>, alpha: f64, window_seconds: u32) -> Result<Self, Fault> {
        if !(alpha > 0.0 && alpha < 1.0) {
            return Err(Fault::new("/weight", format!("the guard's part of alpha must be within (0, 1), not {alpha}")));
        }
        let limit = checked_limit(guard, limit)?;
        let tracker = match guard.test {
            Test::RatioVsControl => Tracker::Ratio(RatioTracker::new(window_seconds)),
            Test::MeanVsControl => Tracker::Mean(MeanTracker::new(window_seconds)),
            Test::TailVsControl => Tracker::Tail(TailTracker::new(window_seconds)),
            Test::RatioLimit | Test::QuantileLimit => {
                Tracker::Limit(LimitTracker::new(allowed_share(guard, limit)?, window_seconds))
            }
        };
        let guard = guard.clone();
        Ok(Self { guard, limit, alpha, window_seconds, last: None, stage_samples: Samples::default(), tracker })
    }

    /// Begins a stage: counts its samples from nothing, and goes on with the limit as it is read now. Evidence stays.
    ///
    /// # Errors
    /// As [`new`](Self::new); nothing is changed then.
    pub fn start_stage(&mut self, limit: Option<f64>) -> Result<(), Fault> {
        let limit = checked_limit(&self.guard, limit)?;
        if let Tracker::Limit(tracker) = &mut self.tracker
            && limit != self.limit
        {
            tracker.change_limit(allowed_share(&self.guard, limit)?);
        }
        self.limit = limit;
        self.stage_samples = Samples::default();
        Ok(())
    }

    /// Takes in the next window. One that was taken in already is ignored; windows left out count as windows without data.
    pub fn consume(&mut self, window: &ClosedWindow) {
        let missed = match self.last {
            None => 0,
            Some(last) if window.index() <= last.index => return,
            Some(last) => window.index() - last.index - 1,
        };
        let metric = &self.guard.metric;
        let margin = self.guard.margin();
        let used = match &mut self.tracker {
            Tracker::Ratio(tracker) => tracker.step(missed, margin, window.ratio(metric)),
            Tracker::Mean(tracker) => tracker.step(missed, margin, window.moments(metric)),
            Tracker::Tail(tracker) => tracker.step(missed, margin, window.values(metric)),
            Tracker::Limit(tracker) => {
                let counts = match (self.guard.test, self.limit) {
                    (Test::QuantileLimit, Some(limit)) => window.above(metric, limit),
                    _ => window.ratio(metric),
                };
                tracker.step(missed, counts)
            }
        };
        self.stage_samples.add(used);
        self.last = Some(Consumed { index: window.index(), start: window.start() });
    }

    /// The definition it was made from.
    #[must_use]
    pub fn guard(&self) -> &Guard {
        &self.guard
    }

    /// The number of the last window it has taken in.
    #[must_use]
    pub fn last_window(&self) -> Option<u64> {
        self.last.map(|last| last.index)
    }

    /// The logarithm of the evidence for harm.
    #[must_use]
    pub fn log_e(&self) -> f64 {
        match &self.tracker {
            Tracker::Ratio(tracker) => tracker.process.log_e(),
            Tracker::Mean(tracker) => tracker.process.log_e(),
            Tracker::Tail(tracker) => tracker.log_e(),
            Tracker::Limit(tracker) => tracker.process.log_e(),
        }
    }

    /// What the evidence must reach: `ln(1/α)` of the guard.
    #[must_use]
    pub fn threshold(&self) -> f64 {
        -self.alpha.ln()
    }

    /// What it finds now.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        match &self.tracker {
            Tracker::Limit(tracker) if tracker.control_fails() => Verdict::Hold,
            _ if self.log_e() >= self.threshold() => Verdict::Harm,
            _ if self.treatment_samples() == 0 => Verdict::NoData,
            _ => Verdict::Fine,
        }
    }

    /// Everything to show, and to decide by.
    #[must_use]
    pub fn report(&self) -> GuardReport {
        let verdict = self.verdict();
        let (figures, above) = (self.figures(verdict), self.above(verdict));
        let mut report = GuardReport {
            name: self.guard.name.clone(),
            metric: self.guard.metric.clone(),
            test: self.guard.test,
            action: self.guard.action,
            alpha: self.alpha,
            log_e: self.log_e(),
            threshold: self.threshold(),
            p: match &self.tracker {
                Tracker::Ratio(tracker) => tracker.process.p(),
                Tracker::Mean(tracker) => tracker.process.p(),
                Tracker::Tail(tracker) => tracker.p(),
                Tracker::Limit(tracker) => tracker.process.p(),
            },
            effect: figures.effect,
            interval: figures.interval,
            samples: figures.samples,
            stage_samples: self.stage_samples,
            treatment: figures.treatment,
            control: figures.control,
            margin: self.guard.test.is_against_control().then(|| self.guard.margin()),
            quantile: self.guard.quantile.or(above.as_ref().map(|above| above.quantile)),
            limit: self.limit,
            edge: above.and_then(|above| above.edge),
            verdict,
            evidence: self.evidence(verdict),
            reason: None,
        };
        report.reason = wording::reason(&report);
        report
    }

    /// Treatment's trials or values over the whole release.
    fn treatment_samples(&self) -> u64 {
        match &self.tracker {
            Tracker::Ratio(tracker) => tracker.sums.trials()[0],
            Tracker::Mean(tracker) => tracker.sums.values()[0],
            Tracker::Tail(tracker) => tracker.shown(false).map_or(0, |above| above.tracker.sums.trials()[0]),
            Tracker::Limit(tracker) => tracker.sums.treatment.n,
        }
    }

    /// What a test of tails shows.
    fn above(&self, verdict: Verdict) -> Option<Above<'_>> {
        match &self.tracker {
            Tracker::Tail(tracker) => tracker.shown(verdict == Verdict::Harm),
            _ => None,
        }
    }

    /// The figures over the whole release.
    fn figures(&self, verdict: Verdict) -> Figures {
        match &self.tracker {
            Tracker::Ratio(tracker) => ratio::figures(&tracker.sums, self.alpha),
            Tracker::Mean(tracker) => mean::figures(&tracker.sums, self.alpha),
            Tracker::Tail(_) => self.above(verdict).map(|above| above.figures(self.alpha)).unwrap_or_default(),
            Tracker::Limit(tracker) => limit::figures(&tracker.sums, self.alpha),
        }
    }

    /// The figures since harm (of both arms, for a verdict of hold) seems to have begun.
    ///
    /// That start is chosen by what was seen, so the interval is at `α·w_s`, the start's share of the stake: all starts together
    /// are wrong with probability at most α.
    fn evidence(&self, verdict: Verdict) -> Option<Evidence> {
        let (process, since, figures) = match (&self.tracker, verdict) {
            (Tracker::Ratio(tracker), Verdict::Harm) => {
                let found = tracker.changes.likeliest()?;
                let alpha = self.alpha * tracker.process.start_share(found.since);
                (&tracker.process, found.since, ratio::figures(&found.sums, alpha))
            }
            (Tracker::Mean(tracker), Verdict::Harm) => {
                let found = tracker.changes.likeliest()?;
                let alpha = self.alpha * tracker.process.start_share(found.since);
                (&tracker.process, found.since, mean::figures(&found.sums, alpha))
            }
            (Tracker::Tail(tracker), Verdict::Harm) => {
                let above = tracker.shown(true)?;
                let found = above.tracker.changes.likeliest()?;
                let alpha = self.alpha * above.tracker.process.start_share(found.since);
                (&above.tracker.process, found.since, above.figures_of(&found.sums, alpha))
            }
            (Tracker::Limit(tracker), Verdict::Harm | Verdict::Hold) => {
                let changes = if verdict == Verdict::Hold { &tracker.control_changes } else { &tracker.changes };
                let found = changes.likeliest()?;
                let alpha = self.alpha * tracker.process.start_share(found.since);
                (&tracker.process, found.since, limit::figures(&found.sums, alpha))
            }
            _ => return None,
        };
        let windows = i64::try_from(process.windows().saturating_sub(since)).ok()?;
        let seconds = windows.checked_mul(i64::from(self.window_seconds))?;
        let since = self.last?.start.checked_sub_signed(TimeDelta::try_seconds(seconds)?)?;
        Some(Evidence { since, figures })
    }
}

/// The limit of a guard that needs one.
fn checked_limit(guard: &Guard, limit: Option<f64>) -> Result<Option<f64>, Fault> {
    if guard.test.is_against_control() {
        return Ok(None);
    }
    let limit = limit.ok_or_else(|| Fault::new("/limit", "this test needs a limit"))?;
    guard.check_limit(limit).map(Some).map_err(|message| Fault::new("/limit", message))
}

/// The share of hits that a guard against a limit allows.
fn allowed_share(guard: &Guard, limit: Option<f64>) -> Result<f64, Fault> {
    match guard.test {
        Test::QuantileLimit => guard
            .quantile
            .map(|quantile| 1.0 - quantile)
            .filter(|share| *share > 0.0 && *share < 1.0)
            .ok_or_else(|| Fault::new("/quantile", "a quantile is between 0 and 1")),
        _ => limit.ok_or_else(|| Fault::new("/limit", "this test needs a limit")),
    }
}

#[cfg(test)]
mod tests;
