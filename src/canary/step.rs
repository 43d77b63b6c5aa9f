//! What a canary's guards make of the windows that have closed, up to the first decision: pure.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use super::record::{Canary, Progress, State};
use super::verdict::Finding;
use super::{ClosedWindow, Decision, GuardState, Judgement, Situation, judge};
use crate::measurements::{Closed, Cut};

/// What came of some windows.
pub(super) struct Step {
    /// The guards after them.
    pub(super) guards: Vec<GuardState>,
    /// Windows of the release taken in by now.
    pub(super) windows: u64,
    /// What the last of them led to.
    pub(super) judgement: Judgement,
    /// What has been told once and is not told again.
    pub(super) told: BTreeSet<String>,
    /// What is to be told now: an event and its reason.
    pub(super) news: Vec<(&'static str, String)>,
    /// Whether a record of the decision is to be kept.
    recorded: bool,
}

/// Lets `guards` take in the closed windows from the first they have not seen to `last`, at most `most` of them, and
/// stops at the first that leads to a decision.
pub(super) fn step(
    canary: &Canary,
    progress: &Progress,
    mut guards: Vec<GuardState>,
    closed: &BTreeMap<DateTime<Utc>, Closed>,
    cut: Cut,
    last: DateTime<Utc>,
    most: u64,
) -> Step {
    let mut windows = progress.windows;
    let mut told = progress.told.clone();
    loop {
        let start = progress.next_window(cut.window())
            + cut.window() * i32::try_from(windows - progress.windows).unwrap_or(i32::MAX);
        let mut window = ClosedWindow::new(start, windows);
        for ((arm, metric), summary) in closed.get(&start).iter().flat_map(|closed| &closed.cells) {
            window.add(arm, metric, summary);
        }
        for guard in &mut guards {
            guard.consume(&window);
        }
        windows += 1;
        let end = start + cut.window();
        let reports: Vec<_> = guards.iter().map(GuardState::report).collect();
        let situation = Situation {
            policy: &canary.policy,
            stage: progress.stage,
            stage_started_at: progress.stage_started_at,
            now: end,
            paused: canary.state == State::Paused,
            extensions: progress.extensions,
            reports: &reports,
        };
        let judgement = judge(&situation);
        let (news, recorded) = news(&judgement, progress.stage, &mut told);
        let finished = end > last || windows - progress.windows >= most;
        if decides(&judgement, canary.state) || !news.is_empty() || finished {
            return Step { guards, windows, judgement, told, news, recorded };
        }
    }
}

/// Whether a judgement changes a canary in `state`.
fn decides(judgement: &Judgement, state: State) -> bool {
    judgement.act
        && match judgement.decision {
            Decision::RollBack { .. } | Decision::Advance { .. } | Decision::Extend { .. } => true,
            Decision::Hold { .. } => state == State::Running,
            Decision::KeepGoing { .. } | Decision::AwaitPerson { .. } => state == State::Held,
        }
}

/// What is told of a judgement for the first time, and whether its decision goes on record.
fn news(judgement: &Judgement, stage: usize, told: &mut BTreeSet<String>) -> (Vec<(&'static str, String)>, bool) {
    let mut news = Vec::new();
    let mut recorded = false;
    for notice in &judgement.notices {
        if told.insert(format!("notice {}", notice.guard)) {
            news.push(("notified", notice.reason.clone()));
            recorded = true;
        }
    }
    let decision = &judgement.decision;
    match decision {
        Decision::KeepGoing { .. } => {}
        Decision::AwaitPerson { reason } => {
            if told.insert(format!("await {stage}")) {
                news.push(("awaiting", reason.clone()));
                recorded = true;
            }
        }
        // A hold that comes and goes is logged each time and recorded once in a stage.
        Decision::Hold { guard, .. } => {
            let first = told.insert(format!("hold {stage} {}", guard.as_deref().unwrap_or_default()));
            if first && !judgement.act {
                news.push(("notified", format!("Dry run, would hold: {}", decision.reason())));
            }
            recorded |= first;
        }
        Decision::RollBack { .. } | Decision::Advance { .. } | Decision::Extend { .. } => {
            let first = told.insert(format!("{} {stage}", name(decision)));
            if first && !judgement.act {
                news.push(("notified", format!("Dry run, would {}: {}", name(decision), decision.reason())));
            }
            recorded |= first || judgement.act;
        }
    }
    (news, recorded)
}

fn name(decision: &Decision) -> &'static str {
    match decision {
        Decision::RollBack { .. } => "rollback",
        Decision::Advance { promotes: true, .. } => "promote",
        Decision::Advance { .. } => "advance",
        Decision::Extend { .. } => "extend",
        Decision::Hold { .. } => "hold",
        Decision::AwaitPerson { .. } => "await",
        Decision::KeepGoing { .. } => "notify",
    }
}

impl Step {
    /// What is to be recorded, if anything is.
    pub(super) fn finding(&self) -> Option<Finding> {
        let decision = &self.judgement.decision;
        let guard = match decision {
            Decision::RollBack { guard, .. } | Decision::Hold { guard, .. } => guard.clone(),
            _ => self.judgement.notices.first().map(|notice| notice.guard.clone()),
        };
        let reason = match (decision, self.judgement.notices.first()) {
            (Decision::KeepGoing { .. }, Some(notice)) => notice.reason.clone(),
            _ => decision.reason().to_owned(),
        };
        self.recorded.then(|| Finding {
            decision: name(decision),
            guard,
            reason,
            dry_run: !self.judgement.act,
            window: self.windows.saturating_sub(1),
        })
    }

    /// Whether the decision changes a canary in `state`.
    pub(super) fn acts(&self, state: State) -> bool {
        decides(&self.judgement, state)
    }
}
