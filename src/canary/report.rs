use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::policy::{Action, Test};

/// What a guard finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = GuardVerdict)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Nothing has been counted that it can use.
    NoData,
    /// No evidence of harm that would be enough.
    Fine,
    /// The canary is worse than it may be.
    Harm,
    /// Control itself is above the limit, so the guard can't tell: see [`GuardReport::reason`].
    Hold,
}

/// How many trials or values were counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = GuardSamples)]
pub struct Samples {
    /// In treatment.
    pub treatment: u64,
    /// In control.
    pub control: u64,
}

impl Samples {
    pub(super) fn add(&mut self, other: Self) {
        self.treatment = self.treatment.saturating_add(other.treatment);
        self.control = self.control.saturating_add(other.control);
    }
}

/// A guard's findings and figures at one moment, to be shown, stored with a verdict, and decided by.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct GuardReport {
    /// The guard's name.
    pub name: String,
    /// The metric it reads.
    pub metric: String,
    /// How it compares.
    pub test: Test,
    /// What it does when it finds harm.
    pub action: Action,
    /// Its part of the policy's alpha: 1 − `alpha` is the confidence of its intervals, over all windows at once.
    pub alpha: f64,
    /// Natural logarithm of the evidence for harm, E.
    pub log_e: f64,
    /// What `log_e` must reach: `ln(1/alpha)`.
    pub threshold: f64,
    /// Anytime-valid p-value: 1 / the highest E so far.
    pub p: f64,
    /// Over the whole release. Against control: `treatment/control − 1`; against a limit: treatment's share of errors, or of values
    /// above the limit. In `tail_vs_control` of the shares above control's quantile.
    pub effect: Option<f64>,
    /// The effect's interval; `None` while it can't be told.
    #[schema(value_type = Option<Vec<f64>>, min_items = 2, max_items = 2)]
    pub interval: Option<[f64; 2]>,
    /// Trials or values over the whole release.
    pub samples: Samples,
    /// Those in this stage that the guard could use.
    pub stage_samples: Samples,
    /// Treatment's rate, mean, or share above the limit, over the whole release; against control each window has the same weight
    /// in both arms.
    pub treatment: Option<f64>,
    /// Control's, the same way.
    pub control: Option<f64>,
    /// How much worse than control treatment may be, in tests against control.
    pub margin: Option<f64>,
    /// Which quantile is limited, in `quantile_limit`; which of control's is shown, in `tail_vs_control`: of p90, p99 and
    /// p99.9 the one that tells most of harm, p99 while there is none.
    pub quantile: Option<f64>,
    /// The limit as read when the stage started, in tests against a limit.
    pub limit: Option<f64>,
    /// What control's quantile is by now, in the metric's own unit, in `tail_vs_control`: values above it are counted.
    pub edge: Option<f64>,
    /// What it finds.
    pub verdict: Verdict,
    /// The figures since the harm seems to have begun, for verdicts of harm and hold.
    pub evidence: Option<Evidence>,
    /// Plain sentences for verdicts of harm and hold.
    pub reason: Option<String>,
}

/// The figures of a guard since a moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = GuardEvidence)]
pub struct Evidence {
    /// When the first window of that time began.
    pub since: DateTime<Utc>,
    /// What was counted since.
    #[serde(flatten)]
    pub figures: Figures,
}

/// Both arms' figures; the members mean what they do in [`GuardReport`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = GuardFigures)]
pub struct Figures {
    /// Treatment's rate, mean, or share above the limit.
    pub treatment: Option<f64>,
    /// Control's.
    pub control: Option<f64>,
    /// The effect.
    pub effect: Option<f64>,
    /// Its interval.
    #[schema(value_type = Option<Vec<f64>>, min_items = 2, max_items = 2)]
    pub interval: Option<[f64; 2]>,
    /// Trials or values.
    pub samples: Samples,
}
