use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Policy, Stage};

/// Where a canary stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = CanaryState)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It has a policy and has not been started.
    #[default]
    Draft,
    /// It climbs.
    Running,
    /// A person keeps it where it is; its guards keep watching.
    Paused,
    /// Its guards keep it where it is.
    Held,
    /// Treatment was taken back.
    RolledBack,
    /// Treatment is served to everyone.
    Promoted,
}

impl State {
    /// Every state by its name in the API.
    pub const ALL: [(&'static str, Self); 6] = [
        ("draft", Self::Draft),
        ("running", Self::Running),
        ("paused", Self::Paused),
        ("held", Self::Held),
        ("rolled_back", Self::RolledBack),
        ("promoted", Self::Promoted),
    ];

    /// The name as it stands in the API.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, state)| *state == self).map_or("", |(name, _)| name)
    }

    /// Whether a release runs.
    pub fn is_active(self) -> bool {
        matches!(self, Self::Running | Self::Paused | Self::Held)
    }

    /// Whether it stays as it is until somebody starts it again.
    pub fn has_ended(self) -> bool {
        matches!(self, Self::RolledBack | Self::Promoted)
    }
}

/// A canary of one flag in one environment.
#[derive(Clone, Debug, PartialEq)]
pub struct Canary {
    pub(crate) flag_id: i64,
    pub(crate) environment_id: i64,
    /// Grows with each change of the policy or the state.
    pub version: u64,
    /// Where it stands.
    pub state: State,
    /// What was asked for.
    pub policy: Policy,
    /// The release, once there has been one since the policy was written.
    pub progress: Option<Progress>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
}

/// How far a release is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Names it in measurements.
    pub release: String,
    /// When it was started.
    pub started_at: DateTime<Utc>,
    /// By whom.
    pub started_by: String,
    /// The start of its first window.
    pub first_window: DateTime<Utc>,
    /// How many windows the guards have taken in.
    pub windows: u64,
    /// The stage, counted from 0.
    pub stage: usize,
    /// When the stage began.
    pub stage_started_at: DateTime<Utc>,
    /// How often the stage has been extended for want of data.
    pub extensions: u32,
    /// Each guard's limit as it was read when the stage began.
    pub limits: Vec<Option<f64>>,
    /// What must come before the next step; why it ended, once it has.
    pub waiting_for: String,
    /// What has been told once and is not told again.
    pub told: BTreeSet<String>,
    /// When it ended.
    pub ended_at: Option<DateTime<Utc>>,
    /// The environment's revision that brought the last change of its share.
    pub revision: u64,
    /// The verdict that ended it.
    pub verdict: Option<String>,
}

impl Progress {
    /// The start of the next window that the guards have not taken in.
    pub fn next_window(&self, length: TimeDelta) -> DateTime<Utc> {
        let passed = i32::try_from(self.windows).unwrap_or(i32::MAX);
        self.first_window + length * passed
    }
}

impl Canary {
    /// The environment's id in the store.
    pub fn environment(&self) -> i64 {
        self.environment_id
    }

    /// The stage it is in.
    pub fn stage(&self) -> Option<&Stage> {
        self.policy.stages.get(self.progress.as_ref()?.stage)
    }
}

/// A line of a canary's log.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = CanaryLogItem)]
pub struct LogItem {
    /// Rises.
    pub id: i64,
    /// When.
    #[serde(with = "crate::clock::serde_rfc3339")]
    pub at: DateTime<Utc>,
    /// By whom; `guard` for the guards.
    pub actor: String,
    /// `started`, `advanced`, `extended`, `held`, `resumed`, `paused`, `rolled_back`, `promoted`, `notified`,
    /// `awaiting`, `configured`.
    pub event: String,
    /// The release.
    pub release: Option<String>,
    /// The stage it was in or came to, counted from 0.
    pub stage: Option<i64>,
    /// Treatment's share, in percent.
    pub percentage: Option<f64>,
    /// Why.
    pub reason: String,
    /// The verdict behind it.
    pub verdict: Option<String>,
}
