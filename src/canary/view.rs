use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use super::record::{Canary, State};
use super::{GuardReport, Policy, stage_ends_at};
use crate::clock;
use crate::schema::Time;

/// A canary as the API shows it.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Canary)]
pub struct CanaryView {
    /// The flag's key.
    pub flag: String,
    /// The environment's key.
    pub environment: String,
    /// Where it stands.
    pub state: State,
    /// The release that runs, or the last one.
    pub release: Option<String>,
    /// The stage, counted from 0.
    pub stage: Option<usize>,
    /// Treatment's share, in percent.
    pub percentage: Option<f64>,
    /// When the stage began.
    #[schema(value_type = Option<Time>)]
    pub stage_started_at: Option<String>,
    /// When its time is up.
    #[schema(value_type = Option<Time>)]
    pub stage_ends_at: Option<String>,
    /// What was asked for.
    pub policy: Policy,
    /// Grows with each change of policy or state.
    pub version: u64,
    /// What each guard finds.
    pub guards: Vec<GuardReport>,
    /// What must come before the next step; why it ended, once it has.
    pub waiting_for: Option<String>,
    /// When the release was started.
    #[schema(value_type = Option<Time>)]
    pub started_at: Option<String>,
    /// When it ended.
    #[schema(value_type = Option<Time>)]
    pub ended_at: Option<String>,
    /// The verdict that ended it.
    pub verdict: Option<String>,
    /// When policy or state last changed.
    #[serde(with = "clock::serde_rfc3339")]
    pub updated_at: DateTime<Utc>,
}

impl CanaryView {
    pub(super) fn of(flag: &str, environment: &str, canary: Canary, guards: Vec<GuardReport>) -> Self {
        let stage = canary.stage().cloned();
        let progress = canary.progress.as_ref();
        let percentage = match canary.state {
            State::Draft => None,
            State::RolledBack => Some(0.0),
            State::Promoted => Some(100.0),
            _ => stage.as_ref().map(|stage| stage.percentage),
        };
        let running = progress.filter(|_| canary.state.is_active());
        let ends = running.zip(stage).map(|(p, stage)| stage_ends_at(&stage, p.stage_started_at, p.extensions));
        Self {
            flag: flag.to_owned(),
            environment: environment.to_owned(),
            state: canary.state,
            release: progress.map(|p| p.release.clone()),
            stage: progress.map(|p| p.stage),
            percentage,
            stage_started_at: progress.map(|p| clock::rfc3339(p.stage_started_at)),
            stage_ends_at: ends.map(clock::rfc3339),
            version: canary.version,
            guards,
            waiting_for: progress.map(|p| p.waiting_for.clone()),
            started_at: progress.map(|p| clock::rfc3339(p.started_at)),
            ended_at: progress.and_then(|p| p.ended_at).map(clock::rfc3339),
            verdict: progress.and_then(|p| p.verdict.clone()),
            updated_at: canary.updated_at,
            policy: canary.policy,
        }
    }
}
