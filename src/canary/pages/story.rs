use std::collections::BTreeMap;

use bellwether_core::window::{CONTROL, REQUEST_ERROR, Summary, TREATMENT};

use super::seen::Seen;
use super::{Banner, Decision, Fact, TopError};
use crate::canary::runner::GUARD;
use crate::canary::{LogItem, State, Verdict};
use crate::flags::LayerPart;
use crate::http::display::{self, Moment, Tone, counted, thousands};
use crate::http::page::sentence;

/// Kinds of errors that are shown.
const TOP_ERRORS: usize = 5;
/// After a rollback the time until all instances have it is told up to so many seconds: what comes later is an
/// instance that was away.
const TOLD: i64 = 120;

/// How the release ended, or why it stands.
pub(super) fn banner(seen: &Seen) -> Option<Banner> {
    let progress = seen.progress()?;
    let state = seen.state();
    let done = |event: &str| matches!(event, "paused" | "rolled_back" | "promoted");
    let last = seen.log_of_release().filter(|item| done(&item.event)).last();
    let person = last.map_or("", |item| item.actor.as_str());
    let by_guard = person == GUARD;
    let headline = match state {
        State::Draft | State::Running => return None,
        State::Held => "Held by its guards".to_owned(),
        State::Paused => format!("Paused by {person}"),
        State::Promoted if by_guard => "Promoted: everyone is served the treatment".to_owned(),
        State::Promoted => format!("Promoted by {person}"),
        State::RolledBack if by_guard => taken_back(seen),
        State::RolledBack => format!("Taken back by {person}"),
    };
    // While it is paused the judgement of the last window takes the place of what the person said.
    let reason =
        if state == State::Paused { last.map_or("", |item| item.reason.as_str()) } else { &progress.waiting_for };
    let said = if reason.is_empty() { "No reason was given.".to_owned() } else { sentence(reason) };
    let ended = progress.ended_at.filter(|_| state.has_ended());
    let settled = seen.reached.applied >= seen.reached.connected && seen.revision == progress.revision;
    let after = seen.reached.last.zip(ended).filter(|_| settled).map(|(last, ended)| last - ended);
    let after = after.filter(|after| (0..TOLD).contains(&after.num_seconds()));
    let record = progress.verdict.as_ref().filter(|_| state.has_ended());
    Some(Banner {
        tone: state.tone(),
        headline,
        at: ended.map(|ended| Moment::new(ended, seen.now)),
        sentence: said,
        reach: ended.map(|_| seen.reached.shown(&seen.place.environment, progress.revision)),
        reached_after: after.map(|after| display::seconds(after.as_seconds_f64())),
        record: record.map(|id| seen.place.canary_verdict(id)),
    })
}

/// How fast the guards were, from the end of the first window that seems to have been bad.
fn taken_back(seen: &Seen) -> String {
    let harmed = seen.detail.guards.iter().filter(|guard| guard.verdict == Verdict::Harm);
    // Of several guards the one with the strongest evidence decides.
    let decided = harmed.max_by(|a, b| (a.log_e - a.threshold).total_cmp(&(b.log_e - b.threshold)));
    let begun = decided.and_then(|guard| Some(guard.evidence.as_ref()?.since));
    let ended = seen.progress().and_then(|progress| progress.ended_at);
    let after = begun.zip(ended).map(|(begun, ended)| (ended - begun - seen.cut.window()).as_seconds_f64());
    match after.filter(|after| *after >= 0.0) {
        Some(after) => format!("Taken back {} after the first bad window", display::seconds(after)),
        None => "Taken back by its guards".to_owned(),
    }
}

/// Every decision, the latest first.
pub(super) fn decisions(seen: &Seen) -> Vec<Decision> {
    seen.detail.log.iter().map(|item| decision(seen, item)).collect()
}

fn decision(seen: &Seen, item: &LogItem) -> Decision {
    let share = item.percentage.map(display::share).unwrap_or_default();
    let (tone, what) = match item.event.as_str() {
        "started" => (Tone::Plain, format!("Started at {share}")),
        "advanced" => (Tone::Good, format!("Advanced to {share}")),
        "promoted" => (Tone::Good, "Promoted".to_owned()),
        "rolled_back" => (Tone::Harm, "Rolled back".to_owned()),
        "held" => (Tone::Warning, "Held".to_owned()),
        "paused" => (Tone::Warning, "Paused".to_owned()),
        "awaiting" => (Tone::Warning, "Waits for a person".to_owned()),
        "notified" => (Tone::Warning, "Told".to_owned()),
        "extended" => (Tone::Plain, "Extended".to_owned()),
        "resumed" => (Tone::Plain, "Resumed".to_owned()),
        other => (Tone::Plain, sentence(other).trim_end_matches('.').to_owned()),
    };
    Decision {
        at: Moment::new(item.at, seen.now),
        tone,
        what,
        by: if item.actor == GUARD { "by the guards".to_owned() } else { format!("by {}", item.actor) },
        reason: item.reason.clone(),
        record: item.verdict.as_ref().map(|id| seen.place.canary_verdict(id)),
    }
}

/// What else there is to know of the release.
pub(super) fn facts(seen: &Seen) -> Vec<Fact> {
    let policy = &seen.detail.canary.policy;
    let fact = |label: &str, text: String, title: &str| Fact { label: label.to_owned(), text, title: title.to_owned() };
    let mut facts = Vec::new();
    let [treatment, control] = traffic(seen);
    if treatment + control > 0 {
        let share = display::rate(treatment as f64 / (treatment + control) as f64);
        let text =
            format!("{} of {}, {share}", thousands(treatment), counted(treatment + control, "request", "requests"));
        facts.push(fact("Traffic", text, "Requests that met the treatment, in the last windows"));
    }
    if let Some(progress) = seen.progress() {
        facts.push(fact("Windows judged", thousands(progress.windows), ""));
    }
    let window = u64::from(seen.cut.window_seconds);
    let grace = u64::from(seen.cut.grace_seconds);
    let text = format!("{}, judged {} after", display::duration(window), display::duration(grace));
    facts.push(fact(
        "Window",
        text,
        "How long services count before they report, and how long a late report is waited for",
    ));
    let alpha = display::share(policy.alpha * 100.0);
    facts.push(fact("False rollbacks", format!("at most {alpha} of releases"), "However often the guards look"));
    if policy.dry_run {
        facts.push(fact("Dry run", "decides and tells, changes nothing".to_owned(), ""));
    }
    if policy.place != bellwether_core::FALLTHROUGH {
        facts.push(fact("Where", format!("rule {}", policy.place), "Only users whom this rule serves take part"));
    }
    if let Some(part) = &policy.layer {
        let outside =
            if policy.place == bellwether_core::FALLTHROUGH { policy.control.as_str() } else { "the fallthrough" };
        let title = format!("Whoever is outside is served {outside} and counted for neither arm");
        facts.push(fact("Layer", part_of_layer(part), &title));
    }
    facts
}

/// "20 % of layer checkout".
pub(super) fn part_of_layer(part: &LayerPart) -> String {
    format!("{} of layer {}", display::share(part.percentage), part.name)
}

/// Requests of treatment and control in the last windows.
fn traffic(seen: &Seen) -> [u64; 2] {
    [TREATMENT, CONTROL].map(|arm| {
        let of = (arm.to_owned(), REQUEST_ERROR.to_owned());
        let counts = seen.closed().iter().filter_map(|window| match window.cells.get(&of)? {
            Summary::Ratio(ratio) => Some(ratio.n),
            Summary::Values(_) => None,
        });
        counts.sum()
    })
}

/// The most frequent errors of the last windows, most frequent on the treatment first.
pub(super) fn top_errors(seen: &Seen) -> Vec<TopError> {
    let mut counts: BTreeMap<&str, [u64; 2]> = BTreeMap::new();
    for ((arm, _), summary) in seen.closed().iter().flat_map(|window| &window.cells) {
        let Summary::Ratio(ratio) = summary else { continue };
        for (label, count) in &ratio.labels {
            let [treatment, control] = counts.entry(label.as_str()).or_default();
            let sum = if arm == TREATMENT { treatment } else { control };
            *sum = sum.saturating_add(*count);
        }
    }
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(b.0)));
    let shown = |(label, [treatment, control]): (&str, [u64; 2])| TopError {
        label: label.to_owned(),
        treatment: thousands(treatment),
        control: thousands(control),
    };
    counts.into_iter().take(TOP_ERRORS).map(shown).collect()
}
