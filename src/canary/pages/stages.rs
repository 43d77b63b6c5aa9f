use chrono::{DateTime, Utc};

use super::seen::Seen;
use super::{Condition, Next, Stage, StageState};
use crate::canary::picture::Position;
use crate::canary::{Action, Gate, Stage as Planned, State, Verdict};
use crate::http::display::{self, Moment, counted};
use crate::http::page::sentence;

/// The bar of stages.
pub(super) fn stages(seen: &Seen) -> Vec<Stage> {
    let planned = &seen.detail.canary.policy.stages;
    planned.iter().enumerate().map(|(index, stage)| one(seen, index, stage)).collect()
}

fn one(seen: &Seen, index: usize, stage: &Planned) -> Stage {
    let state = standing(seen, index);
    let (progress, note) = match state {
        StageState::Ahead => (0.0, ahead(stage)),
        StageState::Done => (100.0, times(seen, index).map(|[from, to]| lasted(from, to)).unwrap_or_default()),
        StageState::TakenBack => {
            let lasted = times(seen, index).map(|[from, to]| format!("taken back after {}", lasted(from, to)));
            (100.0, lasted.unwrap_or_else(|| "taken back".to_owned()))
        }
        StageState::Current | StageState::Standing => {
            let (elapsed, total) = elapsed(seen);
            let share = if total == 0 { 100.0 } else { elapsed as f64 / total as f64 * 100.0 };
            let note = match (total, seen.state()) {
                (_, State::Paused) => "paused".to_owned(),
                (_, State::Held) => "held".to_owned(),
                (0, _) => "no minimum time".to_owned(),
                _ => display::progress(elapsed, total),
            };
            (share, note)
        }
    };
    Stage { share: display::share(stage.percentage), state, progress: Position::new(progress), note }
}

fn ahead(stage: &Planned) -> String {
    match stage.minimum_seconds {
        _ if stage.percentage >= 100.0 => "everyone".to_owned(),
        0 => String::new(),
        seconds => format!("for {}", display::duration(seconds)),
    }
}

fn standing(seen: &Seen, index: usize) -> StageState {
    let Some(progress) = seen.progress() else { return StageState::Ahead };
    match seen.state() {
        State::Draft => StageState::Ahead,
        State::Promoted => StageState::Done,
        _ if index < progress.stage => StageState::Done,
        _ if index > progress.stage => StageState::Ahead,
        State::Running => StageState::Current,
        State::Paused | State::Held => StageState::Standing,
        State::RolledBack => StageState::TakenBack,
    }
}

/// When a stage that is over began and ended, where the log still tells.
fn times(seen: &Seen, index: usize) -> Option<[DateTime<Utc>; 2]> {
    let steps: Vec<_> = seen
        .log_of_release()
        .filter(|item| matches!(item.event.as_str(), "started" | "advanced" | "promoted" | "rolled_back"))
        .collect();
    let begins = |event: &str| matches!(event, "started" | "advanced");
    let from = steps.iter().position(|item| begins(&item.event) && item.stage == i64::try_from(index).ok())?;
    Some([steps.get(from)?.at, steps.get(from + 1)?.at])
}

fn lasted(from: DateTime<Utc>, to: DateTime<Utc>) -> String {
    display::duration(u64::try_from((to - from).num_seconds()).unwrap_or_default())
}

/// How many seconds of the stage at hand are over, and how many it takes at least.
fn elapsed(seen: &Seen) -> (u64, u64) {
    let times = seen.progress().zip(seen.stage_ends_at());
    times.map_or((0, 0), |(progress, ends)| {
        let seconds = |to: DateTime<Utc>| u64::try_from((to - progress.stage_started_at).num_seconds()).unwrap_or(0);
        (seconds(seen.now).min(seconds(ends)), seconds(ends))
    })
}

/// What the canary waits for; nothing once it has ended.
pub(super) fn next(seen: &Seen) -> Option<Next> {
    let canary = &seen.detail.canary;
    if canary.state == State::Draft {
        let first = canary.policy.stages.first()?;
        return Some(Next {
            headline: "Not started".to_owned(),
            waiting_for: format!("It begins at {}, when somebody starts it.", display::share(first.percentage)),
            ..Next::default()
        });
    }
    let (progress, stage) = (canary.progress.as_ref()?, canary.stage()?);
    if !canary.state.is_active() {
        return None;
    }
    let following = canary.policy.stages.get(progress.stage + 1).filter(|next| next.percentage < 100.0);
    let to = following.map_or_else(|| "promoted".to_owned(), |next| display::share(next.percentage));
    let person =
        stage.gate == Gate::Manual || (stage.percentage < 100.0 && progress.stage + 1 == canary.policy.stages.len());
    let ends = seen.stage_ends_at().filter(|ends| canary.state == State::Running && *ends > seen.now && !person);
    Some(Next {
        headline: format!("Next: {to}{}", if person { ", when a person says so" } else { "" }),
        at: ends.map(|ends| Moment::new(ends, seen.now)),
        waiting_for: waiting(seen, &progress.waiting_for, ends.is_some()),
        conditions: conditions(seen, stage),
        check: Some(Moment::new(seen.next_check(), seen.now)),
    })
}

/// What a judgement gave: a sentence, or what is waited for. The time that is left stands beside it when it is `timed`.
fn waiting(seen: &Seen, reason: &str, timed: bool) -> String {
    let last = seen.log_of_release().last();
    let said = last.is_some_and(|item| item.event == "resumed" && item.reason == reason);
    match seen.state() {
        State::Paused => "Waits for a person to resume it. Its guards go on looking.".to_owned(),
        // Until the next window there is only what the person said.
        _ if said => "Its guards look again when the next window closes.".to_owned(),
        _ if reason.ends_with('.') => reason.to_owned(),
        _ if timed => {
            let more = reason.split_once(" and ");
            more.map(|(_, more)| sentence(&format!("waits for {more}"))).unwrap_or_default()
        }
        _ => sentence(&format!("waits for {reason}")),
    }
}

fn conditions(seen: &Seen, stage: &Planned) -> Vec<Condition> {
    let mut conditions = Vec::new();
    let (elapsed, total) = elapsed(seen);
    if total > 0 {
        conditions.push(Condition { text: display::progress(elapsed, total), met: elapsed >= total });
    }
    let guards = &seen.detail.guards;
    let fewest = |acting: bool| {
        let asked = guards.iter().filter(move |guard| !acting || guard.action != Action::Notify);
        asked.map(|guard| guard.stage_samples.treatment).min()
    };
    if let Some(used) = fewest(true).or_else(|| fewest(false)) {
        let needed = stage.minimum_samples.max(1);
        let text = format!("{} of {}", display::thousands(used.min(needed)), counted(needed, "request", "requests"));
        conditions.push(Condition { text, met: used >= needed });
    }
    let content = |verdict| !matches!(verdict, Verdict::Harm | Verdict::Hold);
    let met = guards.iter().all(|guard| guard.action == Action::Notify || content(guard.verdict));
    conditions.push(Condition { text: "no guard objects".to_owned(), met });
    conditions
}
