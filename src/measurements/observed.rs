//! What a batch says of evaluations and exposures.

use bellwether_core::window::Resources;
use bellwether_core::{Fault, State, limits};
use chrono::{DateTime, Utc};
use deserr::Deserr;
use utoipa::ToSchema;

use super::AHEAD;
use super::input::{COUNT, short_name, time};
use crate::clock;
use crate::input::{Faults, Reject};
use crate::schema::{Key, Time};

/// Most evaluations, and most exposures, of one batch.
const MOST: usize = 10_000;
/// Most percent that a process may use of anything.
const MOST_PERCENT: f64 = 10_000.0;

/// How often a variation was served.
#[derive(Clone, Debug, Deserr, ToSchema)]
#[deserr(error = Faults, deny_unknown_fields)]
#[serde(deny_unknown_fields)]
#[schema(as = EvaluationCount)]
pub(super) struct EvaluationInput {
    /// The flag's key. One that the environment does not have is left out.
    #[schema(value_type = Key)]
    pub(super) flag: String,
    /// The variation's name.
    pub(super) variation: String,
    /// How many times since the batch before.
    #[schema(maximum = 9_007_199_254_740_992_u64)]
    pub(super) count: u64,
    /// When last, on the server's clock.
    #[deserr(try_from(String) = time -> Reject)]
    #[schema(value_type = Time)]
    pub(super) last: DateTime<Utc>,
}

/// A user who met a release.
#[derive(Clone, Debug, Deserr, ToSchema)]
#[deserr(error = Faults, deny_unknown_fields)]
#[serde(deny_unknown_fields)]
#[schema(as = Exposure)]
pub(super) struct ExposureInput {
    /// The release's id.
    #[deserr(try_from(String) = short_name -> Reject)]
    #[schema(min_length = 1, max_length = 200)]
    #[expect(dead_code, reason = "part of the format that nothing here uses as yet: see ARCHITECTURE.md")]
    release: String,
    /// The arm's name.
    #[expect(dead_code, reason = "as above")]
    arm: String,
    /// The user's targeting key.
    #[schema(max_length = 1_000)]
    pub(super) unit: String,
    /// When, on the server's clock.
    #[deserr(try_from(String) = time -> Reject)]
    #[schema(value_type = Time)]
    pub(super) at: DateTime<Utc>,
}

/// What a process uses, in percent of what it may; what is not known is left out.
#[derive(Clone, Debug, Deserr, ToSchema)]
#[deserr(error = Faults, deny_unknown_fields)]
#[serde(deny_unknown_fields)]
#[schema(as = ProcessResources)]
pub(super) struct ResourcesInput {
    /// Of the processors.
    #[deserr(default)]
    #[schema(minimum = 0, maximum = 10_000)]
    cpu_percent: Option<f64>,
    /// Of the memory.
    #[deserr(default)]
    #[schema(minimum = 0, maximum = 10_000)]
    memory_percent: Option<f64>,
    /// Of the database pool's connections.
    #[deserr(default)]
    #[schema(minimum = 0, maximum = 10_000)]
    db_pool_percent: Option<f64>,
}

impl ResourcesInput {
    /// What is wrong with them. More than all is possible: some count one processor as 100 %.
    pub(super) fn faults(&self) -> Vec<Fault> {
        let Self { cpu_percent, memory_percent, db_pool_percent } = self;
        let named = [("cpu", cpu_percent), ("memory", memory_percent), ("db_pool", db_pool_percent)];
        let wrong =
            named.into_iter().filter(|(_, share)| share.is_some_and(|share| !(0.0..=MOST_PERCENT).contains(&share)));
        let fault =
            |(name, _)| Fault::new(format!("/resources/{name}_percent"), format!("is 0 to {MOST_PERCENT} percent"));
        wrong.map(fault).collect()
    }

    pub(super) fn resources(self) -> Resources {
        let Self { cpu_percent, memory_percent, db_pool_percent } = self;
        Resources { cpu_percent, memory_percent, db_pool_percent }
    }
}

/// What is wrong with them, each by its place in the batch.
pub(super) fn faults(evaluations: &[EvaluationInput], exposures: &[ExposureInput], now: DateTime<Utc>) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (name, count) in [("evaluations", evaluations.len()), ("exposures", exposures.len())] {
        if count > MOST {
            faults.push(Fault::new(format!("/{name}"), format!("at most {MOST} {name} in one batch")));
        }
    }
    let future = |at| (at > now + AHEAD).then(|| format!("lies in the future; it is {} here", clock::rfc3339(now)));
    for (index, one) in evaluations.iter().enumerate() {
        if one.count > COUNT {
            faults.push(Fault::new(format!("/evaluations/{index}/count"), "is at most 2^53"));
        }
        faults.extend(future(one.last).map(|message| Fault::new(format!("/evaluations/{index}/last"), message)));
    }
    for (index, one) in exposures.iter().enumerate() {
        if one.unit.len() > limits::TARGETING_KEY_LENGTH {
            let message = format!("has at most {} bytes", limits::TARGETING_KEY_LENGTH);
            faults.push(Fault::new(format!("/exposures/{index}/unit"), message));
        }
        faults.extend(future(one.at).map(|message| Fault::new(format!("/exposures/{index}/at"), message)));
    }
    faults
}

/// Those of flags and variations that the environment has: an SDK may be behind, and a flag gone.
pub(super) fn known(evaluations: Vec<EvaluationInput>, state: &State) -> Vec<EvaluationInput> {
    let known = |one: &EvaluationInput| {
        let flag = state.flag(&one.flag).map(|entry| entry.flag());
        flag.is_some_and(|flag| flag.variations().iter().any(|variation| variation.name == one.variation))
    };
    evaluations.into_iter().filter(|one| one.count > 0 && known(one)).collect()
}
