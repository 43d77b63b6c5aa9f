use std::collections::HashSet;
use std::io::{IsTerminal as _, stdout};

use chrono::{DateTime, Local, Utc};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::plan::Plan;
use super::summary::{Followed, Seen};
use crate::canary::{GuardReport, LogItem, State};
use crate::cli::output::say;

/// The demo on the terminal: decisions as lines, and below them, on a terminal, a live line for each canary.
pub(super) struct Show {
    bars: Option<(MultiProgress, Vec<ProgressBar>)>,
    told: HashSet<(usize, i64)>,
}

impl Show {
    pub(super) fn new(plan: &Plan) -> Self {
        let bars = stdout().is_terminal().then(|| {
            let all = MultiProgress::with_draw_target(ProgressDrawTarget::stdout());
            let style = ProgressStyle::with_template("{msg}").unwrap_or_else(|_| ProgressStyle::default_spinner());
            let bars = plan.roles.iter().map(|_| all.add(ProgressBar::new_spinner().with_style(style.clone())));
            let bars = bars.collect();
            (all, bars)
        });
        Self { bars, told: HashSet::new() }
    }

    pub(super) fn draw(&mut self, followed: &Followed) {
        for (index, seen) in followed.canaries.iter().enumerate() {
            let Some(detail) = &seen.detail else { continue };
            for item in detail.log.iter().rev() {
                if self.told.insert((index, item.id)) {
                    self.line(&decision(seen.flag, item));
                }
            }
            if let Some(bar) = self.bars.as_ref().and_then(|(_, bars)| bars.get(index)) {
                bar.set_message(live(seen));
                bar.tick();
            }
        }
    }

    pub(super) fn end(&self) {
        if let Some((all, _)) = &self.bars {
            // A terminal that is gone has nothing to clear.
            let _ = all.clear();
        }
    }

    fn line(&self, text: &str) {
        match &self.bars {
            Some((all, _)) => {
                let _ = all.println(text);
            }
            None => say(text),
        }
    }
}

fn clock_time(at: DateTime<Utc>) -> String {
    at.with_timezone(&Local).format("%H:%M:%S").to_string()
}

/// A decision, as one line.
fn decision(flag: &str, item: &LogItem) -> String {
    let share = item.percentage.map(|percentage| format!("{percentage} %")).unwrap_or_default();
    let event = item.event.replace('_', " ");
    format!("{}  {flag:<33}  {event:<11} {share:>5}  {}", clock_time(item.at), item.reason)
}

/// A canary now, as one line that fits an ordinary terminal.
fn live(seen: &Seen) -> String {
    let Some(detail) = &seen.detail else { return String::new() };
    let (canary, state) = (&detail.canary, seen.state());
    let stages = &canary.policy.stages;
    let stage = canary.progress.as_ref().map_or(0, |progress| progress.stage);
    let reached = match state {
        State::Promoted => stages.len(),
        State::RolledBack | State::Draft => 0,
        _ => stage + 1,
    };
    let bar: String = (0..stages.len()).map(|index| if index < reached { '█' } else { '░' }).collect();
    let share = match state {
        State::Promoted => 100.0,
        State::RolledBack | State::Draft => 0.0,
        _ => canary.stage().map_or(0.0, |stage| stage.percentage),
    };
    let name = seen.flag.strip_prefix("canary.").unwrap_or(seen.flag);
    let state = state.name().replace('_', " ");
    let evidence = detail.guards.iter().max_by(|a, b| (a.log_e - a.threshold).total_cmp(&(b.log_e - b.threshold)));
    format!("  {name:<24} {bar:<5} {share:>3} %  {state:<11}  {}", evidence.map(strongest).unwrap_or_default())
}

/// The guard with the most evidence.
fn strongest(report: &GuardReport) -> String {
    let figure = |value: Option<f64>| value.map_or("–".to_owned(), |value| figure(report, value));
    let (treatment, control) = (figure(report.treatment), figure(report.control));
    let evidence = crate::http::display::evidence(report.log_e);
    let needed = crate::http::display::evidence(report.threshold);
    format!("{}: {treatment} against {control}, E {evidence} of {needed}", report.name)
}

fn figure(report: &GuardReport, value: f64) -> String {
    if report.test.is_of_ratio() || report.quantile.is_some() {
        crate::http::display::rate(value)
    } else {
        crate::http::display::milliseconds(value)
    }
}
