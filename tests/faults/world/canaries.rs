//! Canaries: what their guards remember must be what the stored windows make of them, each taken in once.

use std::collections::{BTreeMap, HashMap};

use bellwether::canary::{ClosedWindow, GuardReport, GuardState, Policy, Progress, Samples, Situation, judge};
use bellwether_core::Release;
use bellwether_core::bucket::BUCKETS;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;

use super::book::Book;
use crate::store::{CanaryRow, Cell, Configuration, LogRow, Measurements, VerdictRow};

/// Length of a window, in seconds.
const WINDOW: u32 = 1;
/// What the log calls a guard's deed, and what the verdict and the audit log call it.
const DEEDS: [(&str, &str, &str); 4] = [
    ("rolled_back", "rollback", "canary.rollback"),
    ("promoted", "promote", "canary.promote"),
    ("advanced", "advance", "canary.advance"),
    ("extended", "extend", "canary.extend"),
];

/// Figures over a run.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) releases: usize,
    /// Windows of releases at the time they were last looked at.
    pub(crate) windows: u64,
    pub(crate) verdicts: usize,
}

/// Releases as they were last looked at.
#[derive(Default)]
pub(crate) struct Canaries {
    releases: HashMap<String, Progress>,
}

/// Where the guards of a release are after each of its windows.
struct Course {
    policy: Policy,
    guards: Vec<GuardState>,
    /// What each guard had used after so many windows, the stages' beginnings apart.
    samples: Vec<Vec<Samples>>,
    /// What the guards found after each window.
    reports: Vec<Vec<GuardReport>>,
}

impl Canaries {
    /// Figures up to the last look.
    pub(crate) fn seen(&self, stored: &Configuration) -> Seen {
        let windows = self.releases.values().map(|progress| progress.windows).sum();
        Seen { releases: self.releases.len(), windows, verdicts: stored.verdicts.len() }
    }

    /// Holds canaries, guards and verdicts against the windows they come from.
    ///
    /// # Panics
    /// When they do not agree.
    pub(crate) fn check(&mut self, stored: &Configuration, measured: &Measurements, book: &Book) {
        for row in &stored.canaries {
            let policy: Policy = serde_json::from_str(&row.policy).unwrap();
            check_standing(row, &policy, stored, book);
            let Some(progress) = &row.progress else { continue };
            let progress: Progress = serde_json::from_str(progress).unwrap();
            let before = self.releases.insert(progress.release.clone(), progress.clone());
            assert!(before.is_none_or(|before| before.windows <= progress.windows), "windows are not given back");
            let course = Course::run(&policy, &progress, measured);
            course.check_guards(&progress, stored);
            for verdict in stored.verdicts.iter().filter(|verdict| verdict.release_id == progress.release) {
                course.check_verdict(verdict);
            }
        }
        check_deeds(&stored.log, &stored.verdicts, book);
    }
}

/// Whether a canary runs whose guards have not taken in a window that closed a while ago.
pub(crate) fn is_behind(row: &CanaryRow) -> bool {
    let active = ["running", "paused", "held"].contains(&&*row.state);
    let Some(progress) = row.progress.as_deref().filter(|_| active) else { return false };
    let progress: Progress = serde_json::from_str(progress).unwrap();
    progress.next_window(TimeDelta::seconds(1)) + TimeDelta::seconds(4) < bellwether::clock::now()
}

/// A canary's state is the one that its log ended with, and its flag serves what its stage says.
fn check_standing(row: &CanaryRow, policy: &Policy, stored: &Configuration, book: &Book) {
    let mut moves = stored.log.iter().filter(|line| line.event != "notified" && line.event != "awaiting");
    let configured = book.canary_actions.get(&("canary.configure".to_owned(), false)).copied().unwrap_or_default();
    assert_eq!(row.version as usize, moves.clone().count() + configured, "a version for each line of its log");
    let expected = moves.next_back().map_or("draft", |line| match line.event.as_str() {
        "started" | "advanced" | "extended" | "resumed" => "running",
        state => state,
    });
    assert_eq!(row.state, expected, "the state that its log tells");

    let served = stored.configurations.iter();
    let served = served.clone().find(|c| (c.flag_id, c.environment_id) == (row.flag_id, row.environment_id)).unwrap();
    let release = served.release_json.as_deref().map(|json| serde_json::from_str::<Release>(json).unwrap());
    let progress = row.progress.as_deref().map(|json| serde_json::from_str::<Progress>(json).unwrap());
    let active = ["running", "paused", "held"].contains(&&*row.state);
    let expected = progress.as_ref().filter(|_| active).map(|progress| progress.release.clone());
    assert_eq!(release.map(|release| release.id), expected, "the release that its flag serves");
    let Some(progress) = progress else { return };
    let stage = policy.stages[progress.stage].buckets().unwrap();
    let share = if row.state == "rolled_back" {
        0
    } else if row.state == "promoted" {
        BUCKETS
    } else {
        stage
    };
    let serve: Value = serde_json::from_str(&served.configuration).unwrap();
    let split = &serve["fallthrough"]["split"]["ranges"];
    let mut from = 0;
    let mut on = 0;
    for range in split.as_array().unwrap() {
        let to = range[0].as_u64().unwrap();
        if range[1] == policy.treatment.as_str() {
            on += to - from;
        }
        from = to;
    }
    assert_eq!(on, u64::from(share), "the share of {} in {split}", policy.treatment);
}

/// Each deed of a guard has its verdict, each verdict its deed, and the audit log knows them.
fn check_deeds(log: &[LogRow], verdicts: &[VerdictRow], book: &Book) {
    let verdicts: BTreeMap<&str, &VerdictRow> = verdicts.iter().map(|row| (row.id.as_str(), row)).collect();
    for (event, decision, action) in DEEDS {
        let done: Vec<_> = log.iter().filter(|line| line.event == event && line.actor == "guard").collect();
        for line in &done {
            let verdict = line.verdict_id.as_deref().and_then(|id| verdicts.get(id));
            assert_eq!(verdict.map(|verdict| verdict.decision.as_str()), Some(decision), "{line:?}");
        }
        for verdict in verdicts.values().filter(|verdict| verdict.decision == decision) {
            let lines = done.iter().filter(|line| line.verdict_id.as_ref() == Some(&verdict.id));
            assert_eq!(lines.count(), 1, "what {} decided was done once: {decision}", verdict.id);
        }
        let told = book.canary_actions.get(&(action.to_owned(), true)).copied().unwrap_or_default();
        assert_eq!(told, done.len(), "{action} in the log of both kinds");
    }
}

impl Course {
    /// Lets new guards take in the windows of a release again.
    fn run(policy: &Policy, progress: &Progress, measured: &Measurements) -> Self {
        let mut guards = policy.start_guards(&progress.limits, WINDOW).unwrap();
        let (mut samples, mut reports) = (Vec::new(), Vec::new());
        let mut cells: BTreeMap<DateTime<Utc>, Vec<&Cell>> = BTreeMap::new();
        for cell in measured.cells.iter().filter(|cell| cell.release == progress.release) {
            cells.entry(cell.start).or_default().push(cell);
        }
        samples.push(vec![Samples::default(); guards.len()]);
        for index in 0..progress.windows {
            let start = progress.first_window + TimeDelta::seconds(i64::from(WINDOW)) * i32::try_from(index).unwrap();
            let mut window = ClosedWindow::new(start, index);
            for cell in cells.get(&start).into_iter().flatten() {
                window.add(&cell.arm, &cell.metric, &cell.summary);
            }
            guards.iter_mut().for_each(|guard| guard.consume(&window));
            let now: Vec<_> = guards.iter().map(GuardState::report).collect();
            samples.push(now.iter().map(|report| report.stage_samples).collect());
            reports.push(now);
        }
        Self { policy: policy.clone(), guards, samples, reports }
    }

    /// What is stored of the guards is what the windows make of them, to the bit.
    fn check_guards(&self, progress: &Progress, stored: &Configuration) {
        let states = stored.guards.iter().filter(|row| row.release_id == progress.release);
        let states: Vec<GuardState> = states.map(|row| serde_json::from_str(&row.state).unwrap()).collect();
        assert_eq!(states.len(), self.guards.len(), "a state for each guard");
        for (state, guard) in states.iter().zip(&self.guards) {
            assert_eq!(state.last_window(), progress.windows.checked_sub(1), "of {}", state.guard().name);
            assert_eq!(whole_release(state), whole_release(guard), "the guard {}", state.guard().name);
        }
        // A stage counts its samples from nothing, wherever it began; all guards begin it together.
        let stored: Vec<_> = states.iter().map(|state| state.report().stage_samples).collect();
        let all = self.samples.last().unwrap();
        let since = |at: &Vec<Samples>| {
            let less = |all: &Samples, at: &Samples| Samples {
                treatment: all.treatment - at.treatment,
                control: all.control - at.control,
            };
            all.iter().zip(at).map(|(all, at)| less(all, at)).collect::<Vec<_>>()
        };
        let mut starts = self.samples.iter().take(if progress.stage == 0 { 1 } else { self.samples.len() });
        // A promotion goes to the last stage without its beginning.
        let ended = progress.ended_at.is_some();
        assert!(ended || starts.any(|at| since(at) == stored), "{stored:?} of {:?}", self.samples);
    }

    /// A verdict decides as the windows up to it do.
    fn check_verdict(&self, verdict: &VerdictRow) {
        let record: Value = serde_json::from_str(&verdict.record).unwrap();
        let window = record["window"].as_u64().unwrap();
        let found: Vec<GuardReport> = serde_json::from_value(record["guards"].clone()).unwrap();
        for (found, again) in found.iter().zip(&self.reports[usize::try_from(window).unwrap()]) {
            let again = GuardReport { stage_samples: found.stage_samples, ..again.clone() };
            assert_eq!(*found, again, "of the verdict {}", verdict.id);
        }
        let first: DateTime<Utc> = record["first_window"].as_str().unwrap().parse().unwrap();
        let judged = [false, true].map(|paused| {
            let situation = Situation {
                policy: &self.policy,
                stage: record["stage"].as_u64().unwrap() as usize,
                stage_started_at: record["stage_started_at"].as_str().unwrap().parse().unwrap(),
                now: first + TimeDelta::seconds(i64::from(WINDOW)) * i32::try_from(window + 1).unwrap(),
                paused,
                extensions: record["extensions"].as_u64().unwrap() as u32,
                reports: &found,
            };
            judge(&situation).decision.reason().to_owned()
        });
        assert!(judged.contains(&record["reason"].as_str().unwrap().to_owned()), "{judged:?}: {record}");
    }
}

/// A guard's state without what only the stage has counted.
fn whole_release(guard: &GuardState) -> Value {
    let mut state = serde_json::to_value(guard).unwrap();
    state.as_object_mut().unwrap().remove("stage_samples");
    state
}
