//! The record of a decision, complete enough for anyone to recompute it.

use bellwether_core::allocation::Range;
use bellwether_core::window::{Summary, Values};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::record::{Canary, Progress};
use super::{GuardReport, Policy, Test};
use crate::clock;
use crate::measurements::{Closed, Cut};

/// A decision with everything it was made from.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Verdict)]
pub(super) struct Record {
    /// Rises with time.
    pub id: String,
    /// When it was made.
    #[serde(with = "clock::serde_rfc3339")]
    pub at: DateTime<Utc>,
    /// The release.
    pub release: String,
    /// The stage, counted from 0.
    pub stage: usize,
    /// When the stage began.
    #[serde(with = "clock::serde_rfc3339")]
    pub stage_started_at: DateTime<Utc>,
    /// How often the stage had been extended.
    pub extensions: u32,
    /// The window that decided, counted from 0.
    pub window: u64,
    /// When the first window began.
    #[serde(with = "clock::serde_rfc3339")]
    pub first_window: DateTime<Utc>,
    /// Length of a window, in seconds.
    pub window_seconds: u32,
    /// `rollback`, `hold`, `extend`, `advance`, `promote`, `notify`.
    pub decision: String,
    /// The guard that decided, if one did.
    pub guard: Option<String>,
    /// Why, in plain sentences.
    pub reason: String,
    /// Whether it was only told, not done.
    pub dry_run: bool,
    /// The policy it follows from.
    pub policy: Policy,
    /// Version of the canary.
    pub version: u64,
    /// Each guard's limit as it was read when the stage began.
    pub limits: Vec<Option<f64>>,
    /// Ranges of the split at the time.
    #[schema(value_type = Vec<(u32, String)>)]
    pub allocation: Vec<Range>,
    /// What each guard found.
    pub guards: Vec<GuardReport>,
    /// Every window of the release up to the one that decided; those without data are left out.
    pub windows: Vec<Line>,
}

/// One arm's metric in one window.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = VerdictWindow)]
pub(super) struct Line {
    /// The window, counted from 0.
    pub t: u64,
    /// The arm.
    pub arm: String,
    /// The metric.
    pub metric: String,
    /// What was counted, without the parts that no guard of this policy reads.
    #[serde(flatten)]
    pub summary: Summary,
}

/// What a record says beyond what the canary knows.
pub(super) struct Finding {
    pub(super) decision: &'static str,
    pub(super) guard: Option<String>,
    pub(super) reason: String,
    pub(super) dry_run: bool,
    pub(super) window: u64,
}

impl Record {
    pub(super) fn new(
        canary: &Canary,
        progress: &Progress,
        cut: Cut,
        finding: Finding,
        allocation: Vec<Range>,
        guards: Vec<GuardReport>,
        windows: &[Closed],
    ) -> Self {
        let Finding { decision, guard, reason, dry_run, window } = finding;
        Self {
            id: Uuid::now_v7().to_string(),
            at: clock::now(),
            release: progress.release.clone(),
            stage: progress.stage,
            stage_started_at: progress.stage_started_at,
            extensions: progress.extensions,
            window,
            first_window: progress.first_window,
            window_seconds: cut.window_seconds,
            decision: decision.to_owned(),
            guard,
            reason,
            dry_run,
            policy: canary.policy.clone(),
            version: canary.version,
            limits: progress.limits.clone(),
            allocation,
            guards,
            windows: lines(&canary.policy, progress.first_window, cut, window, windows),
        }
    }
}

fn lines(policy: &Policy, first: DateTime<Utc>, cut: Cut, last: u64, windows: &[Closed]) -> Vec<Line> {
    let has_tail = |metric: &str| policy.guards.iter().any(|g| g.test == Test::TailVsControl && g.metric == metric);
    let numbered = windows.iter().filter_map(|window| Some((number(first, cut, window.start)?, window)));
    let cells = numbered.filter(|(t, _)| *t <= last).flat_map(|(t, window)| window.cells.iter().map(move |c| (t, c)));
    cells
        .map(|(t, ((arm, metric), summary))| Line {
            t,
            arm: arm.clone(),
            metric: metric.clone(),
            summary: match summary {
                Summary::Ratio(ratio) => {
                    Summary::Ratio(bellwether_core::window::Ratio { labels: Vec::new(), ..ratio.clone() })
                }
                Summary::Values(values) if !has_tail(metric) => {
                    Summary::Values(Values { histogram: Default::default(), ..values.clone() })
                }
                whole => whole.clone(),
            },
        })
        .collect()
}

/// The number of the window that begins at `start`, counted from the release's first.
pub(super) fn number(first: DateTime<Utc>, cut: Cut, start: DateTime<Utc>) -> Option<u64> {
    u64::try_from((start - first).num_seconds() / i64::from(cut.window_seconds.max(1))).ok()
}
