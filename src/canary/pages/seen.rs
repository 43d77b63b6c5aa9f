use bellwether_core::window::{CONTROL, Summary, TREATMENT, bucket_of};
use chrono::{DateTime, Utc};

use crate::canary::picture::Point;
use crate::canary::{Detail, GuardReport, LogItem, Progress, State, Test, Windows, stage_ends_at};
use crate::http::links::Place;
use crate::http::shell::Reached;
use crate::measurements::{Closed, Cut};

/// Everything that the page of a canary is made of.
pub(super) struct Seen {
    pub(super) place: Place,
    pub(super) detail: Detail,
    pub(super) windows: Option<Windows>,
    pub(super) cut: Cut,
    /// How far the last change of its share has got.
    pub(super) reached: Reached,
    /// The environment's revision now.
    pub(super) revision: u64,
    pub(super) now: DateTime<Utc>,
}

impl Seen {
    pub(super) fn state(&self) -> State {
        self.detail.canary.state
    }

    pub(super) fn progress(&self) -> Option<&Progress> {
        self.detail.canary.progress.as_ref()
    }

    /// Changes with everything that is shown, but for what the browser counts by itself.
    pub(super) fn mark(&self) -> String {
        mark(&self.detail, self.reached)
    }

    /// When the time of the stage at hand is up.
    pub(super) fn stage_ends_at(&self) -> Option<DateTime<Utc>> {
        let progress = self.progress()?;
        Some(stage_ends_at(self.detail.canary.stage()?, progress.stage_started_at, progress.extensions))
    }

    /// When the guards look again.
    pub(super) fn next_check(&self) -> DateTime<Utc> {
        self.cut.closes(self.cut.last_closed(self.now) + self.cut.window())
    }

    /// The lines of the log that tell of the release at hand, oldest first.
    pub(super) fn log_of_release(&self) -> impl Iterator<Item = &LogItem> {
        let release = self.progress().map(|progress| progress.release.as_str());
        self.detail.log.iter().rev().filter(move |item| item.release.as_deref() == release && release.is_some())
    }

    /// The last windows.
    pub(super) fn closed(&self) -> &[Closed] {
        self.windows.as_ref().map_or(&[], |windows| &windows.closed)
    }

    /// How many seconds the last windows span.
    pub(super) fn span(&self) -> u64 {
        let Some(windows) = &self.windows else { return 0 };
        u64::try_from((windows.last + self.cut.window() - windows.first).num_seconds()).unwrap_or_default()
    }

    /// A guard's figures in each of the last windows, also in those in which nothing was reported.
    pub(super) fn points(&self, report: &GuardReport) -> Vec<Point> {
        let Some(windows) = &self.windows else { return Vec::new() };
        let mut closed = windows.closed.iter().peekable();
        let mut points = Vec::new();
        let mut start = windows.first;
        while start <= windows.last {
            let window = closed.next_if(|window| window.start == start);
            points.push(point(report, |of| window?.cells.get(of)));
            start += self.cut.window();
        }
        points
    }
}

/// See [`Seen::mark`].
pub(super) fn mark(detail: &Detail, reached: Reached) -> String {
    let windows = detail.canary.progress.as_ref().map_or(0, |progress| progress.windows);
    let log = detail.log.first().map_or(0, |item| item.id);
    // While it runs nobody is told how far its share has got.
    let Reached { applied, connected, .. } = if detail.canary.state.has_ended() { reached } else { Reached::default() };
    format!("{}.{windows}.{log}.{applied}.{connected}", detail.canary.version)
}

/// What a guard reads of both arms in one window, whose cells `cell` gives by arm and metric.
pub(super) fn point<'w>(report: &GuardReport, cell: impl Fn(&(String, String)) -> Option<&'w Summary>) -> Point {
    let of = |arm: &str| figure(report, cell(&(arm.to_owned(), report.metric.clone()))?);
    Point { treatment: of(TREATMENT), control: of(CONTROL) }
}

fn figure(report: &GuardReport, summary: &Summary) -> Option<f64> {
    let part = |part: u64, of: u64| (of > 0).then(|| part as f64 / of as f64);
    match (report.test, summary) {
        (Test::RatioVsControl | Test::RatioLimit, Summary::Ratio(ratio)) => part(ratio.k, ratio.n),
        (Test::MeanVsControl, Summary::Values(values)) => (values.n > 0).then_some(values.mean),
        (Test::TailVsControl, Summary::Values(values)) => part(values.above_bucket(bucket_of(report.edge?))?, values.n),
        (Test::QuantileLimit, Summary::Values(values)) => part(values.above(report.limit?)?, values.n),
        _ => None,
    }
}
