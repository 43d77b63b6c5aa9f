use std::ops::Range;

use bellwether_core::window::{Summary, Window};
use bellwether_core::{Context, Entry, Now, Release, WatchedMetric};
use chrono::{DateTime, Utc};
use hashbrown::HashMap;

use super::super::{Counted, Origin};
use super::{Against, Gathered};

/// Something that happened to a user.
#[derive(Clone, Copy, Debug)]
pub(super) struct Event<'e> {
    pub(super) context: &'e Context,
    pub(super) metric: &'e str,
    pub(super) value: f64,
    pub(super) at: DateTime<Utc>,
    pub(super) label: Option<&'e str>,
}

/// Events, summed up by window, release, arm and metric.
pub(super) struct Sums<'s> {
    against: Against<'s>,
    cells: HashMap<Place, Cell<'s>>,
    /// Of the event before: most events of a batch are of one window.
    window: Slice,
    late: usize,
    unattributed: usize,
}

/// A window of time.
struct Slice {
    start: DateTime<Utc>,
    /// In seconds since 1970.
    seconds: Range<i64>,
    closed: bool,
}

impl Slice {
    /// The window that holds `at`.
    fn holding(at: DateTime<Utc>, Against { cut, now, .. }: Against<'_>) -> Self {
        let start = cut.start_of(at);
        let from = start.timestamp();
        Self { start, seconds: from..from + i64::from(cut.window_seconds), closed: cut.closes(start) <= now }
    }
}

/// Where an event counts. The addresses are those of the state that all events of a batch are held against.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Place {
    /// Of the metric, which is one release's.
    metric: usize,
    /// Of the arm's name.
    arm: usize,
    start: DateTime<Utc>,
}

struct Cell<'s> {
    release: &'s Release,
    arm: &'s str,
    metric: &'s WatchedMetric,
    summary: Summary,
    stands_for: usize,
}

impl<'s> Sums<'s> {
    pub(super) fn new(against: Against<'s>) -> Self {
        let window = Slice::holding(against.now, against);
        Self { against, cells: HashMap::new(), window, late: 0, unattributed: 0 }
    }

    /// Counts an event in the arms of the releases that these flags put its user in, each once. An event that met several
    /// stands for one in the first.
    pub(super) fn add(&mut self, event: &Event<'_>, flags: &[&'s Entry]) {
        let Against { state, now, trusted, seen, .. } = self.against;
        if !trusted {
            self.unattributed += 1;
            return;
        }
        if !self.window.seconds.contains(&event.at.timestamp()) {
            self.window = Slice::holding(event.at, self.against);
        }
        let Slice { start, closed, .. } = self.window;
        let mut stands_for = 1;
        for entry in flags {
            let evaluated = state.evaluate_entry(entry, event.context, Now::At(now.timestamp_millis()));
            let Some(assignment) = evaluated.ok().and_then(|evaluation| evaluation.assignment) else { continue };
            let watched = assignment.release.metrics.iter().find(|watched| watched.metric == event.metric);
            let Some(metric) = watched else { continue };
            if closed {
                self.late += 1;
                return;
            }
            let place = Place { metric: std::ptr::from_ref(metric).addr(), arm: assignment.arm.as_ptr().addr(), start };
            let cell = self.cells.entry(place).or_insert_with(|| Cell {
                release: assignment.release,
                arm: assignment.arm,
                metric,
                summary: Summary::of(metric),
                stands_for: 0,
            });
            cell.summary.record(event.value, event.label.filter(|label| !label.is_empty()));
            cell.stands_for += std::mem::take(&mut stands_for);
        }
        if stands_for == 1 {
            self.unattributed += 1;
        } else if let Some(unit) = event.context.targeting_key().and_then(|key| key.as_str()) {
            seen(unit, event.at.min(now));
        }
    }

    pub(super) fn gathered(self, origin: Option<Origin>) -> Gathered {
        let seconds = self.against.cut.window_seconds;
        let counted = |(place, cell): (Place, Cell<'_>)| Counted {
            window: Window {
                start: place.start,
                seconds,
                release: cell.release.id.clone(),
                arm: cell.arm.to_owned(),
                metric: cell.metric.metric.clone(),
                summary: cell.summary,
            },
            stands_for: cell.stands_for,
        };
        let mut windows: Vec<_> = self.cells.into_iter().map(counted).collect();
        let by = |Counted { window, .. }: &Counted| {
            (window.start, window.release.clone(), window.arm.clone(), window.metric.clone())
        };
        windows.sort_by_cached_key(by);
        for Counted { window, .. } in &mut windows {
            if let Summary::Ratio(ratio) = &mut window.summary {
                ratio.order();
            }
        }
        Gathered { origin, windows, late: self.late, unattributed: self.unattributed }
    }
}
