//! The decision after each window.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::policy::{Action, Gate, NoData, Policy, Stage};
use super::report::{GuardReport, Verdict};
use super::wording::{about, count, duration, unit};

/// How often `no_data: extend` gives a stage its time again; then it holds.
pub const MOST_EXTENSIONS: u32 = 3;

/// Shortest extension, for stages without a minimum time.
const SHORTEST_EXTENSION: u64 = 60;

/// Longest forecast: past that, samples are not coming.
const LONGEST_FORECAST: f64 = 365.0 * 86_400.0;

/// Everything a decision depends on.
#[derive(Clone, Debug)]
pub struct Situation<'a> {
    /// The policy, without faults.
    pub policy: &'a Policy,
    /// The current stage, counted from 0.
    pub stage: usize,
    /// When it started.
    pub stage_started_at: DateTime<Utc>,
    /// The end of the window that has closed.
    pub now: DateTime<Utc>,
    /// Whether a person paused the canary: guards still watch, nothing goes on.
    pub paused: bool,
    /// How often the stage has been extended.
    pub extensions: u32,
    /// What the guards find, each of the policy's.
    pub reports: &'a [GuardReport],
}

/// A decision and what else is to be told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Judgement {
    /// What is to be done.
    pub decision: Decision,
    /// Whether to do it; `false` in a dry run, which only tells what would have been done.
    pub act: bool,
    /// Harm found by guards whose action is to notify.
    pub notices: Vec<Notice>,
}

/// What a guard tells without acting.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// The guard's name.
    pub guard: String,
    /// What it found.
    pub reason: String,
}

/// What is to be done with a canary.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "decision", rename_all = "snake_case")]
pub enum Decision {
    /// Nothing yet.
    KeepGoing {
        /// What must come before the next step.
        waiting_for: String,
    },
    /// It must not go on for now; the next window decides anew.
    Hold {
        /// The guard that objects; `None` when samples are missing.
        guard: Option<String>,
        /// Why.
        reason: String,
    },
    /// The stage's time runs again: see [`stage_ends_at`].
    Extend {
        /// Why.
        reason: String,
    },
    /// Treatment is taken back.
    #[serde(rename = "rollback")]
    RollBack {
        /// The guard that found harm; `None` for `no_data: rollback`.
        guard: Option<String>,
        /// Why.
        reason: String,
    },
    /// The next stage starts.
    Advance {
        /// Its place in the policy, counted from 0.
        to: usize,
        /// Whether that is 100 %, which ends the release as promoted.
        promotes: bool,
        /// Why.
        reason: String,
    },
    /// Only a person can take it further.
    AwaitPerson {
        /// What for.
        reason: String,
    },
}

impl Decision {
    /// Why, or what it waits for.
    #[must_use]
    pub fn reason(&self) -> &str {
        match self {
            Self::KeepGoing { waiting_for: reason }
            | Self::Hold { reason, .. }
            | Self::Extend { reason }
            | Self::RollBack { reason, .. }
            | Self::Advance { reason, .. }
            | Self::AwaitPerson { reason } => reason,
        }
    }
}

/// When a stage's time is up, its extensions included.
#[must_use]
pub fn stage_ends_at(stage: &Stage, started_at: DateTime<Utc>, extensions: u32) -> DateTime<Utc> {
    let extension = stage.minimum_seconds.max(SHORTEST_EXTENSION).saturating_mul(u64::from(extensions));
    let seconds = i64::try_from(stage.minimum_seconds.saturating_add(extension)).unwrap_or(i64::MAX);
    TimeDelta::try_seconds(seconds)
        .and_then(|time| started_at.checked_add_signed(time))
        .unwrap_or(DateTime::<Utc>::MAX_UTC)
}

/// Decides what follows from the guards' findings, the stage's time and its samples.
///
/// Harm found by a guard that rolls back comes before everything, a pause included. Then a person's pause, then guards that
/// hold. Only then time and samples: every guard that acts (every guard, if none does) must have used the stage's minimum of
/// samples, at least one, so silence promotes nothing unless the stage says `no_data: advance`.
#[must_use]
pub fn judge(situation: &Situation<'_>) -> Judgement {
    let notices = situation
        .reports
        .iter()
        .filter(|report| report.action == Action::Notify && report.verdict == Verdict::Harm)
        .map(|report| Notice { guard: report.name.clone(), reason: reason_of(report) })
        .collect();
    Judgement { decision: decide(situation), act: !situation.policy.dry_run, notices }
}

fn decide(situation: &Situation<'_>) -> Decision {
    let harmed = |action| {
        let found = situation.reports.iter().filter(move |r| r.verdict == Verdict::Harm && r.action == action);
        found.max_by(|a, b| (a.log_e - a.threshold).total_cmp(&(b.log_e - b.threshold)))
    };
    if let Some(report) = harmed(Action::Rollback) {
        return Decision::RollBack { guard: Some(report.name.clone()), reason: reason_of(report) };
    }
    if situation.paused {
        return Decision::KeepGoing { waiting_for: "a person to resume it; its guards keep watching".to_owned() };
    }
    let unable = || situation.reports.iter().find(|r| r.verdict == Verdict::Hold && r.action != Action::Notify);
    if let Some(report) = harmed(Action::Hold).or_else(unable) {
        return Decision::Hold { guard: Some(report.name.clone()), reason: reason_of(report) };
    }
    if situation.reports.len() < situation.policy.guards.len() {
        return Decision::Hold { guard: None, reason: "Not every guard of the policy has reported.".to_owned() };
    }
    match situation.policy.stages.get(situation.stage) {
        Some(stage) => by_time_and_samples(situation, stage),
        None => Decision::AwaitPerson { reason: format!("The policy has no stage {}.", situation.stage + 1) },
    }
}

fn by_time_and_samples(situation: &Situation<'_>, stage: &Stage) -> Decision {
    let minimum_time = stage_ends_at(stage, situation.stage_started_at, 0);
    let shortage = Shortage::of(situation, stage);
    if situation.now < minimum_time {
        let time = duration(u64::try_from((minimum_time - situation.now).num_seconds()).unwrap_or(0).max(1));
        let waiting_for = shortage.map_or(time.clone(), |shortage| format!("{time} and {}", shortage.wanted()));
        return Decision::KeepGoing { waiting_for };
    }
    let Some(shortage) = shortage else {
        return go_on(situation, stage, "time and samples are met and no guard objects");
    };
    let missing = format!("Not enough data: {}.", shortage.explained());
    match stage.no_data {
        NoData::Hold => Decision::Hold { guard: None, reason: missing },
        NoData::Extend if situation.now < stage_ends_at(stage, situation.stage_started_at, situation.extensions) => {
            Decision::KeepGoing { waiting_for: shortage.wanted() }
        }
        NoData::Extend if situation.extensions < MOST_EXTENSIONS => {
            let time = duration(stage.minimum_seconds.max(SHORTEST_EXTENSION));
            Decision::Extend { reason: format!("{missing} The stage goes on for another {time}.") }
        }
        NoData::Extend => {
            let reason = format!("{missing} The stage has been extended {MOST_EXTENSIONS} times.");
            Decision::Hold { guard: None, reason }
        }
        NoData::Rollback => Decision::RollBack {
            guard: None,
            reason: format!("{missing} The policy takes the canary back when data is missing."),
        },
        NoData::Advance => {
            let why = format!("the policy goes on without enough data ({})", shortage.explained());
            go_on(situation, stage, &why)
        }
    }
}

/// The next stage, unless a person has to open the way.
fn go_on(situation: &Situation<'_>, stage: &Stage, why: &str) -> Decision {
    let Some(next) = situation.policy.stages.get(situation.stage + 1) else {
        if stage.percentage >= 100.0 {
            return Decision::Advance { to: situation.stage, promotes: true, reason: format!("Promoted: {why}.") };
        }
        let reason = format!("The canary stays at {} % until a person promotes it: {why}.", stage.percentage);
        return Decision::AwaitPerson { reason };
    };
    let share = next.percentage;
    if stage.gate == Gate::Manual {
        return Decision::AwaitPerson { reason: format!("A person opens the way to {share} %: {why}.") };
    }
    let promotes = share >= 100.0;
    let reason = if promotes { format!("Promoted to 100 %: {why}.") } else { format!("Advanced to {share} %: {why}.") };
    Decision::Advance { to: situation.stage + 1, promotes, reason }
}

/// The samples that the guard with the fewest still lacks.
struct Shortage<'a> {
    report: &'a GuardReport,
    needed: u64,
    /// Seconds until they are there, at the stage's rate so far; `None` without a rate.
    forecast: Option<u64>,
}

impl<'a> Shortage<'a> {
    fn of(situation: &Situation<'a>, stage: &Stage) -> Option<Self> {
        let needed = stage.minimum_samples.max(1);
        let fewest = |acting: bool| {
            let asked = situation.reports.iter().filter(move |r| !acting || r.action != Action::Notify);
            asked.min_by_key(|report| report.stage_samples.treatment)
        };
        let report = fewest(true).or_else(|| fewest(false))?;
        let used = report.stage_samples.treatment;
        if used >= needed {
            return None;
        }
        let elapsed = (situation.now - situation.stage_started_at).num_seconds().max(0) as f64;
        let forecast = elapsed * ((needed - used) as f64 / used as f64);
        let forecast = (forecast.is_finite() && forecast <= LONGEST_FORECAST).then_some(forecast as u64);
        Some(Self { report, needed, forecast })
    }

    fn missing(&self) -> u64 {
        self.needed.saturating_sub(self.report.stage_samples.treatment)
    }

    /// What is waited for.
    fn wanted(&self) -> String {
        let unit = unit(&self.report.metric);
        let wanted = format!("about {} more {unit}", about(self.missing()));
        match self.forecast {
            Some(seconds) => format!("{wanted}, {} at this rate", duration(seconds.max(1))),
            None if self.report.stage_samples.treatment == 0 => format!("{wanted}, none have come yet"),
            None => format!("{wanted}, more than a year at this rate"),
        }
    }

    /// What is there, and how long the rest will take.
    fn explained(&self) -> String {
        let (used, needed) = (count(self.report.stage_samples.treatment), count(self.needed));
        let there = format!("guard `{}` has {used} of {needed} {}", self.report.name, unit(&self.report.metric));
        match self.forecast {
            Some(seconds) => format!("{there}, the rest takes {} at this rate", duration(seconds.max(1))),
            None => there,
        }
    }
}

fn reason_of(report: &GuardReport) -> String {
    report.reason.clone().unwrap_or_else(|| format!("Guard `{}` objects.", report.name))
}

#[cfg(test)]
mod tests;
