//! Counts what requests did, by measurement window, release, arm and metric.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bellwether_core::window::{Summary, Window};
use bellwether_core::{Entry, Release, WatchedMetric};
use chrono::{DateTime, Utc};
use hashbrown::HashMap;
use tokio::sync::Notify;

/// Longest label of a failure, in bytes.
const LABEL_LENGTH: usize = 200;
/// No measurement is larger than this; its square summed up would leave the range of a double.
const LARGEST: f64 = 1e100;

/// A release that a request met, and in which arm.
#[derive(Clone, Debug)]
pub(crate) struct Met {
    /// The flag that holds the release.
    pub(crate) entry: Arc<Entry>,
    /// The arm, as an index into the release's.
    pub(crate) arm: usize,
}

impl Met {
    /// The release, and the arm's name.
    pub(crate) fn release_and_arm(&self) -> Option<(&Release, &str)> {
        release_and_arm(&self.entry, self.arm)
    }

    /// Whether it is of the release of `entry`, in the same arm; the flag may have changed meanwhile.
    pub(crate) fn is(&self, entry: &Arc<Entry>, arm: usize) -> bool {
        if Arc::ptr_eq(&self.entry, entry) {
            return self.arm == arm;
        }
        match (self.release_and_arm(), release_and_arm(entry, arm)) {
            (Some((own, own_arm)), Some((other, other_arm))) => own.id == other.id && own_arm == other_arm,
            _ => false,
        }
    }
}

fn release_and_arm(entry: &Entry, arm: usize) -> Option<(&Release, &str)> {
    let release = entry.flag().release()?;
    Some((release, release.arms.get(arm)?.name.as_str()))
}

/// Something that happened to a request.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Observation<'o> {
    /// It ended, well or not; the label says what it was.
    Outcome { failed: bool, label: &'o str },
    /// A number.
    Number(f64),
}

impl<'o> Observation<'o> {
    fn is_measurable(&self) -> bool {
        match self {
            Self::Outcome { .. } => true,
            // Not a number compares as false.
            Self::Number(number) => number.abs() <= LARGEST,
        }
    }

    /// Adds the observation; a value can't be told from how something ended.
    fn add_to(&self, summary: &mut Summary) {
        match (summary, self) {
            (Summary::Ratio(ratio), Self::Outcome { failed, label }) => ratio.record(*failed, Some(bounded(label))),
            (summary, Self::Number(number)) => summary.record(*number, None),
            (Summary::Values(_), Self::Outcome { .. }) => {}
        }
    }
}

/// `label` cut to [`LABEL_LENGTH`] bytes.
fn bounded(label: &str) -> &str {
    label.get(..label.floor_char_boundary(LABEL_LENGTH)).unwrap_or_default()
}

/// When the first of the open windows ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Due {
    /// Its end, in seconds since the epoch on the server's clock.
    pub(crate) end: i64,
    /// Its length, in seconds.
    pub(crate) seconds: u32,
}

/// Open windows. Their number is bounded, so that neither many releases nor a sender that hangs costs memory for ever.
#[derive(Debug)]
pub(crate) struct Recorder {
    limit: usize,
    open: Mutex<Open>,
    sooner: Notify,
    /// Observations that were no numbers, or too large.
    refused: AtomicU64,
}

#[derive(Debug, Default)]
struct Open {
    /// By the release's id.
    series: HashMap<String, Vec<Series>>,
    windows: usize,
    due: Option<Due>,
    dropped: u64,
    closed: bool,
}

/// The open windows of one metric in one arm, by their start. There are few, so they are searched in order.
#[derive(Debug)]
struct Series {
    arm: String,
    metric: String,
    seconds: u32,
    windows: BTreeMap<i64, Summary>,
}

impl Recorder {
    /// With room for `limit` open windows.
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, open: Mutex::default(), sooner: Notify::new(), refused: AtomicU64::new(0) }
    }

    /// Counts an observation of `metric` made now, for each of these releases and arms whose release watches it. The clock,
    /// the server's in seconds, is asked only where there is one.
    pub(crate) fn record<'m>(
        &self,
        now: impl Fn() -> i64,
        met: impl IntoIterator<Item = (&'m Release, &'m str)>,
        metric: &str,
        observation: Observation<'_>,
    ) {
        if !observation.is_measurable() {
            self.refused.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let mut taken = None;
        for (release, arm) in met {
            let watched = release.metrics.iter().find(|watched| watched.metric == metric);
            let Some(watched) = watched.filter(|_| release.window_seconds > 0) else { continue };
            let (second, _, open) = taken.get_or_insert_with(|| {
                let (second, open) = (now(), self.lock());
                (second, open.due, open)
            });
            open.record(*second, release, arm, watched, observation, self.limit);
        }
        if taken.is_some_and(|(_, before, open)| open.due != before) {
            self.sooner.notify_one();
        }
    }

    /// When the next window ends.
    pub(crate) fn due(&self) -> Option<Due> {
        self.lock().due
    }

    /// Waits until a window is opened that ends before all others.
    pub(crate) async fn sooner(&self) {
        self.sooner.notified().await;
    }

    /// Takes the windows that have ended by `now`, on the server's clock.
    pub(crate) fn take_ended(&self, now: DateTime<Utc>) -> Vec<Window> {
        self.lock().take(Some(now.timestamp()))
    }

    /// Takes all windows. What is recorded later for one of them opens it again, for the rest of its counts.
    pub(crate) fn take_all(&self) -> Vec<Window> {
        self.lock().take(None)
    }

    /// How many observations found no room since this was asked last.
    pub(crate) fn take_dropped(&self) -> u64 {
        std::mem::take(&mut self.lock().dropped)
    }

    /// How many observations were no numbers, or too large, since this was asked last.
    pub(crate) fn take_refused(&self) -> u64 {
        self.refused.swap(0, Ordering::Relaxed)
    }

    /// Counts nothing from now on.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        // No code that holds the lock can leave the counts half done.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    fn record(
        &mut self,
        second: i64,
        release: &Release,
        arm: &str,
        watched: &WatchedMetric,
        observation: Observation<'_>,
        limit: usize,
    ) {
        if self.closed {
            return;
        }
        let (seconds, metric) = (release.window_seconds, watched.metric.as_str());
        let start = second - second.rem_euclid(i64::from(seconds));
        let list = self.series.get_mut(&release.id);
        let series = list.and_then(|list| list.iter_mut().find(|series| series.is(arm, metric, seconds)));
        if let Some(summary) = series.and_then(|series| series.windows.get_mut(&start)) {
            observation.add_to(summary);
        } else if self.windows >= limit {
            self.dropped += 1;
        } else {
            let mut summary = Summary::of(watched);
            observation.add_to(&mut summary);
            self.insert(&release.id, arm, metric, seconds, start, summary);
        }
    }

    fn insert(&mut self, release: &str, arm: &str, metric: &str, seconds: u32, start: i64, summary: Summary) {
        let list = self.series.entry(release.to_owned()).or_default();
        match list.iter_mut().find(|series| series.is(arm, metric, seconds)) {
            Some(series) => drop(series.windows.insert(start, summary)),
            None => list.push(Series {
                arm: arm.to_owned(),
                metric: metric.to_owned(),
                seconds,
                windows: BTreeMap::from([(start, summary)]),
            }),
        }
        self.windows += 1;
        let due = Due { end: start.saturating_add(i64::from(seconds)), seconds };
        if self.due.is_none_or(|earliest| due.end < earliest.end) {
            self.due = Some(due);
        }
    }

    fn take(&mut self, ended_by: Option<i64>) -> Vec<Window> {
        let mut taken = Vec::new();
        for (release, list) in &mut self.series {
            for series in &mut *list {
                let ended = series.take(ended_by);
                taken.extend(ended.into_iter().filter_map(|(start, summary)| series.window(release, start, summary)));
            }
            list.retain(|series| !series.windows.is_empty());
        }
        self.series.retain(|_, list| !list.is_empty());
        let left = || self.series.values().flatten();
        self.windows = left().map(|series| series.windows.len()).sum();
        self.due = left().filter_map(Series::due).min_by_key(|due| due.end);
        taken.sort_by(|a, b| (a.start, &a.release, &a.arm, &a.metric).cmp(&(b.start, &b.release, &b.arm, &b.metric)));
        taken
    }
}

impl Series {
    fn is(&self, arm: &str, metric: &str, seconds: u32) -> bool {
        self.seconds == seconds && self.arm == arm && self.metric == metric
    }

    fn due(&self) -> Option<Due> {
        let (start, _) = self.windows.first_key_value()?;
        Some(Due { end: start.saturating_add(i64::from(self.seconds)), seconds: self.seconds })
    }

    fn take(&mut self, ended_by: Option<i64>) -> BTreeMap<i64, Summary> {
        let still_open = match ended_by {
            Some(now) => self.windows.split_off(&now.saturating_sub(i64::from(self.seconds)).saturating_add(1)),
            None => BTreeMap::new(),
        };
        std::mem::replace(&mut self.windows, still_open)
    }

    fn window(&self, release: &str, start: i64, mut summary: Summary) -> Option<Window> {
        if let Summary::Ratio(ratio) = &mut summary {
            ratio.order();
        }
        Some(Window {
            start: DateTime::from_timestamp(start, 0)?,
            seconds: self.seconds,
            release: release.to_owned(),
            arm: self.arm.clone(),
            metric: self.metric.clone(),
            summary,
        })
    }
}

#[cfg(test)]
mod tests;
