//! What a person asks of a canary: its stages, its guards, and how sure the guards must be.

mod defaults;
mod faults;
mod limit;

use bellwether_core::WatchedMetric;
use deserr::Deserr;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::GuardState;
use crate::flags::LayerPart;
use crate::flags::share::plain;
use defaults::{
    alpha, control, default_guards, default_stages, fallthrough, minimum_samples, minimum_seconds, treatment, weight,
};
pub use limit::{FlagLimit, Limit};

/// A canary's policy. Members left out take their defaults.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Deserr, ToSchema)]
#[schema(as = CanaryPolicy)]
#[serde(deny_unknown_fields)]
#[deserr(deny_unknown_fields)]
pub struct Policy {
    /// The variation that is tried out; `on` by default.
    #[serde(default = "treatment")]
    #[deserr(default = treatment())]
    pub treatment: String,
    /// The variation it is compared with; `off` by default.
    #[serde(default = "control")]
    #[deserr(default = control())]
    pub control: String,
    /// Whose users take part: those of the `fallthrough` (by default) or of the rule with this id.
    #[serde(rename = "where", default = "fallthrough")]
    #[deserr(rename = "where", default = fallthrough())]
    pub place: String,
    /// The part of a layer whose users alone take part; everyone unless given. Canaries that have parts of one layer have
    /// no user in common. Who is outside is in neither arm: on the fallthrough served control, on a rule served by the
    /// fallthrough as if the rule did not match.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[deserr(default)]
    pub layer: Option<LayerPart>,
    /// Highest chance that a healthy canary is ever taken back by its guards, over the whole release; 0.01 by default.
    #[serde(default = "alpha")]
    #[deserr(default = alpha())]
    #[schema(exclusive_minimum = 0, exclusive_maximum = 0.5)]
    pub alpha: f64,
    /// Decide and tell, but change nothing.
    #[serde(default)]
    #[deserr(default)]
    pub dry_run: bool,
    /// The shares it climbs through. At 100 % it is promoted; a lower last stage waits there for a person.
    #[serde(default = "default_stages")]
    #[deserr(default = default_stages())]
    #[schema(min_items = 1, max_items = 20)]
    pub stages: Vec<Stage>,
    /// What is watched.
    #[serde(default = "default_guards")]
    #[deserr(default = default_guards())]
    #[schema(min_items = 1, max_items = 20)]
    pub guards: Vec<Guard>,
}

/// A share of users and what it takes to leave it upwards.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Deserr, ToSchema)]
#[schema(as = CanaryStage)]
#[serde(deny_unknown_fields)]
#[deserr(deny_unknown_fields)]
pub struct Stage {
    /// Treatment's share in percent of who takes part, with up to three decimals.
    #[serde(serialize_with = "plain")]
    #[schema(exclusive_minimum = 0, maximum = 100)]
    pub percentage: f64,
    /// Shortest time in the stage; half an hour by default.
    #[serde(default = "minimum_seconds")]
    #[deserr(default = minimum_seconds())]
    #[schema(maximum = 31_536_000)]
    pub minimum_seconds: u64,
    /// Fewest trials of treatment that each guard must have used in the stage; 1,000 by default.
    #[serde(default = "minimum_samples")]
    #[deserr(default = minimum_samples())]
    #[schema(maximum = 1_000_000_000_000_u64)]
    pub minimum_samples: u64,
    /// Who opens the way to the next stage.
    #[serde(default)]
    #[deserr(default)]
    pub gate: Gate,
    /// What happens when the time is up and samples are missing.
    #[serde(default)]
    #[deserr(default)]
    pub no_data: NoData,
}

/// Who opens the way to the next stage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, Deserr, ToSchema)]
#[schema(as = StageGate)]
#[serde(rename_all = "snake_case")]
#[deserr(rename_all = lowercase)]
pub enum Gate {
    /// Time, samples and guards.
    #[default]
    Automatic,
    /// A person, once time, samples and guards agree.
    Manual,
}

/// What happens when a stage's time is up and samples are missing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, Deserr, ToSchema)]
#[schema(as = StageNoData)]
#[serde(rename_all = "snake_case")]
#[deserr(rename_all = lowercase)]
pub enum NoData {
    /// It stays and says so, until the samples are there.
    #[default]
    Hold,
    /// The stage's time runs again, a few times.
    Extend,
    /// Treatment is taken back.
    Rollback,
    /// It goes on without them: a person's explicit choice.
    Advance,
}

/// One thing that is watched.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Deserr, ToSchema)]
#[schema(as = CanaryGuard)]
#[serde(deny_unknown_fields)]
#[deserr(deny_unknown_fields)]
pub struct Guard {
    /// Unique in the policy.
    #[schema(min_length = 1, max_length = 100)]
    pub name: String,
    /// The metric it reads.
    #[schema(pattern = "^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]
    pub metric: String,
    /// How it compares.
    pub test: Test,
    /// How much worse than control treatment may be, as a share of control; 0.05 by default, 0.2 for `tail_vs_control`. Tests
    /// against control only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[deserr(default)]
    #[schema(minimum = 0, maximum = 10)]
    pub margin: Option<f64>,
    /// Which quantile is limited, such as 0.99. `quantile_limit` only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[deserr(default)]
    #[schema(exclusive_minimum = 0, exclusive_maximum = 1)]
    pub quantile: Option<f64>,
    /// A share for `ratio_limit`; in the metric's own unit for `quantile_limit`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[deserr(default)]
    pub limit: Option<Limit>,
    /// Its part of alpha, relative to the other guards' weights; 1 by default.
    #[serde(default = "weight", serialize_with = "plain")]
    #[deserr(default = weight())]
    #[schema(minimum = 0.000001, maximum = 1_000_000)]
    pub weight: f64,
    /// What it does when it finds harm.
    #[serde(default)]
    #[deserr(default)]
    pub action: Action,
}

/// How a guard compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Deserr, ToSchema)]
#[schema(as = GuardTest)]
#[serde(rename_all = "snake_case")]
pub enum Test {
    /// A ratio's rate against control's.
    #[deserr(rename = "ratio_vs_control")]
    RatioVsControl,
    /// A value's mean against control's.
    #[deserr(rename = "mean_vs_control")]
    MeanVsControl,
    /// The share of a value's highest against the same share of control's: above what control's p90, p99 and p99.9 were
    /// in earlier windows.
    #[deserr(rename = "tail_vs_control")]
    TailVsControl,
    /// A ratio's rate against a limit.
    #[deserr(rename = "ratio_limit")]
    RatioLimit,
    /// A value's quantile against a limit.
    #[deserr(rename = "quantile_limit")]
    QuantileLimit,
}

impl Test {
    /// Whether it compares with control rather than with a limit.
    #[must_use]
    pub fn is_against_control(self) -> bool {
        matches!(self, Self::RatioVsControl | Self::MeanVsControl | Self::TailVsControl)
    }

    /// Whether it reads ratios rather than values.
    #[must_use]
    pub fn is_of_ratio(self) -> bool {
        matches!(self, Self::RatioVsControl | Self::RatioLimit)
    }
}

/// What a guard does when it finds harm.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, Deserr, ToSchema)]
#[schema(as = GuardAction)]
#[serde(rename_all = "snake_case")]
#[deserr(rename_all = lowercase)]
pub enum Action {
    /// Takes treatment back.
    #[default]
    Rollback,
    /// Keeps it from going on.
    Hold,
    /// Tells, no more.
    Notify,
}

impl Stage {
    /// Treatment's share in buckets, 1 to [`BUCKETS`](bellwether_core::bucket::BUCKETS); `None` for a percentage that is not
    /// within (0, 100] or has more than three decimals.
    #[must_use]
    pub fn buckets(&self) -> Option<u32> {
        let thousandths = self.percentage * 1_000.0;
        let whole = thousandths.round();
        // Three decimals of a percentage up to 100 are exact to about 1e-11 of a thousandth.
        let exact = (thousandths - whole).abs() <= 1e-6 && (1.0..=100_000.0).contains(&whole);
        exact.then_some(whole as u32)
    }
}

impl Guard {
    /// How much worse than control treatment may be.
    #[must_use]
    pub fn margin(&self) -> f64 {
        let default = if self.test == Test::TailVsControl { defaults::TAIL_MARGIN } else { defaults::MARGIN };
        self.margin.unwrap_or(default)
    }
}

impl Policy {
    /// What the release has to measure, given the guards' limits in their order: see
    /// [`resolve_limits`](Self::resolve_limits).
    #[must_use]
    pub fn watched_metrics(&self, limits: &[Option<f64>]) -> Vec<WatchedMetric> {
        let mut watched: Vec<WatchedMetric> = Vec::new();
        for (guard, limit) in self.guards.iter().zip(limits.iter().copied().chain(std::iter::repeat(None))) {
            let counted = limit.filter(|_| guard.test == Test::QuantileLimit);
            match watched.iter_mut().find(|known| known.metric == guard.metric) {
                Some(known) => known.limits.extend(counted),
                None => watched.push(WatchedMetric {
                    metric: guard.metric.clone(),
                    limits: counted.into_iter().collect(),
                    ratio: guard.test.is_of_ratio(),
                }),
            }
        }
        for metric in &mut watched {
            metric.limits.sort_by(f64::total_cmp);
            metric.limits.dedup();
        }
        watched
    }

    /// Each guard's part of alpha, in their order: a healthy canary is taken back by it with at most this probability.
    #[must_use]
    pub fn alpha_shares(&self) -> Vec<f64> {
        let total: f64 = self.guards.iter().map(|guard| guard.weight).sum();
        self.guards.iter().map(|guard| self.alpha * (guard.weight / total)).collect()
    }

    /// The guards' states at a release's start, in their order.
    ///
    /// # Errors
    /// The faults of the guards whose limit is missing or out of its range.
    pub fn start_guards(
        &self,
        limits: &[Option<f64>],
        window_seconds: u32,
    ) -> Result<Vec<GuardState>, Vec<bellwether_core::Fault>> {
        let limits = limits.iter().copied().chain(std::iter::repeat(None));
        let mut states = Vec::with_capacity(self.guards.len());
        let mut faults = Vec::new();
        for (index, ((guard, alpha), limit)) in self.guards.iter().zip(self.alpha_shares()).zip(limits).enumerate() {
            match GuardState::new(guard, limit, alpha, window_seconds) {
                Ok(state) => states.push(state),
                Err(fault) => faults.push(fault.under(&format!("/guards/{index}"))),
            }
        }
        if faults.is_empty() { Ok(states) } else { Err(faults) }
    }
}

#[cfg(test)]
mod tests;
