//! The page of a decision's record: what was found, and from what.

use std::collections::BTreeMap;

use askama::Template;
use bellwether_core::window::Summary;

use super::guard::GuardTile;
use super::seen::point;
use super::tile::tile;
use super::{Fact, Moment, Place, Shell, Tone};
use crate::canary::GuardReport;
use crate::canary::picture::Point;
use crate::canary::verdict::Record;
use crate::clock;
use crate::http::display::{self, thousands};

/// The last windows that are drawn.
const WINDOWS: u64 = 60;

/// The page of a decision's record.
#[derive(Clone, Debug, Template)]
#[template(path = "canary/verdict.html")]
pub(super) struct VerdictPage {
    pub(super) shell: Shell,
    pub(super) place: Place,
    pub(super) id: String,
    pub(super) decided: String,
    pub(super) tone: Tone,
    pub(super) at: Moment,
    pub(super) sentence: String,
    pub(super) guards: Vec<GuardTile>,
    pub(super) facts: Vec<Fact>,
}

/// The page of `record`.
pub(super) fn page(mut shell: Shell, place: Place, record: Record) -> VerdictPage {
    let now = clock::now();
    let (tone, decided) = match record.decision.as_str() {
        "rollback" => (Tone::Harm, "Rolled back"),
        "hold" => (Tone::Warning, "Held"),
        "extend" => (Tone::Plain, "Extended"),
        "advance" => (Tone::Good, "Advanced"),
        "promote" => (Tone::Good, "Promoted"),
        "await" => (Tone::Warning, "Waits for a person"),
        _ => (Tone::Warning, "Told"),
    };
    let decided = if record.dry_run { format!("{decided} (dry run: only told)") } else { decided.to_owned() };
    shell.title = format!("{decided} · {}", place.flag);
    let drawn = (record.window + 1).min(WINDOWS);
    let span = drawn * u64::from(record.window_seconds);
    let windows = windows(&record);
    let guards = record.guards.iter().map(|guard| tile(guard, &points(guard, &record, &windows, drawn), span, now));
    VerdictPage {
        decided,
        tone,
        at: Moment::new(record.at, now),
        sentence: record.reason.clone(),
        guards: guards.collect(),
        facts: facts(&record),
        id: record.id.clone(),
        shell,
        place,
    }
}

type Cells = BTreeMap<(String, String), Summary>;

fn windows(record: &Record) -> BTreeMap<u64, Cells> {
    let mut windows: BTreeMap<u64, Cells> = BTreeMap::new();
    for line in &record.windows {
        let cell = (line.arm.clone(), line.metric.clone());
        windows.entry(line.t).or_default().insert(cell, line.summary.clone());
    }
    windows
}

fn points(guard: &GuardReport, record: &Record, windows: &BTreeMap<u64, Cells>, drawn: u64) -> Vec<Point> {
    let first = record.window + 1 - drawn;
    (first..=record.window).map(|t| point(guard, |of| windows.get(&t)?.get(of))).collect()
}

fn facts(record: &Record) -> Vec<Fact> {
    let fact = |label: &str, text: String| Fact { label: label.to_owned(), text, title: String::new() };
    let stage = record.policy.stages.get(record.stage).map(|stage| display::share(stage.percentage));
    let length = display::duration(record.window_seconds.into());
    let windows = format!("{}, each {length}", thousands(record.window + 1));
    let mut facts = Vec::new();
    facts.extend(record.guard.clone().map(|guard| fact("Guard", guard)));
    facts.push(fact("Stage", format!("{}, {}", record.stage + 1, stage.unwrap_or_default())));
    facts.push(fact("Windows", windows));
    facts.push(fact("Release", record.release.clone()));
    facts.push(fact("Record", record.id.clone()));
    facts
}

impl VerdictPage {
    /// Where the whole record is, as JSON.
    fn json(&self) -> String {
        format!("{}?format=json", self.place.canary_verdict(&self.id))
    }
}
