use bellwether_core::Fault;
use deserr::{DeserializeError, Deserr, ErrorKind, IntoValue, Value, ValueKind, ValuePointerRef, take_cf_content};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Guard, Policy, Test, plain};

/// A limit: a number, or a flag that holds it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = GuardLimit)]
#[serde(untagged)]
pub enum Limit {
    /// The limit itself.
    Number(#[serde(serialize_with = "plain")] f64),
    /// The value of a flag, read when a stage starts.
    Flag(FlagLimit),
}

/// A flag's value times a scale.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Deserr, ToSchema)]
#[schema(as = GuardFlagLimit)]
#[serde(deny_unknown_fields)]
#[deserr(deny_unknown_fields)]
pub struct FlagLimit {
    /// The key of a flag of the same project whose value is a number.
    #[schema(value_type = crate::schema::Key)]
    pub flag: String,
    /// What one of its units is worth, such as 0.01 for a flag in percent; 1 by default.
    #[serde(default = "one", serialize_with = "plain")]
    #[deserr(default = one())]
    #[schema(exclusive_minimum = 0)]
    pub scale: f64,
}

impl<E: DeserializeError> Deserr<E> for Limit {
    fn deserialize_from_value<V: IntoValue>(value: Value<V>, location: ValuePointerRef<'_>) -> Result<Self, E> {
        match value {
            value @ (Value::Integer(_) | Value::NegativeInteger(_) | Value::Float(_)) => {
                f64::deserialize_from_value(value, location).map(Self::Number)
            }
            value @ Value::Map(_) => FlagLimit::deserialize_from_value(value, location).map(Self::Flag),
            actual => {
                let accepted = &[ValueKind::Float, ValueKind::Map];
                Err(take_cf_content(E::error(None, ErrorKind::IncorrectValueKind { actual, accepted }, location)))
            }
        }
    }
}

impl Guard {
    /// Checks a limit for this guard: a share within (0, 1) for `ratio_limit`, any finite number for `quantile_limit`.
    ///
    /// # Errors
    /// What would be right, as a sentence without a final stop.
    pub(crate) fn check_limit(&self, limit: f64) -> Result<f64, String> {
        match self.test {
            Test::RatioLimit if !(limit > 0.0 && limit < 1.0) => {
                Err(format!("a limit of a ratio is a share between 0 and 1 (0.05 for 5 %), not {limit}"))
            }
            _ if !limit.is_finite() => Err("a limit is a finite number".to_owned()),
            _ => Ok(limit),
        }
    }
}

impl Policy {
    /// The limit of each guard, in their order; `None` for guards without one. `read` answers a flag's value when it is a number.
    /// To be called when a stage starts, and recorded.
    ///
    /// # Errors
    /// A fault for each flag that holds no number and each limit that is out of its range.
    pub fn resolve_limits(&self, read: impl Fn(&str) -> Option<f64>) -> Result<Vec<Option<f64>>, Vec<Fault>> {
        let mut limits = Vec::with_capacity(self.guards.len());
        let mut faults = Vec::new();
        for (index, guard) in self.guards.iter().enumerate() {
            let limit = match &guard.limit {
                None => Ok(None),
                Some(Limit::Number(number)) => guard.check_limit(*number).map(Some),
                Some(Limit::Flag(FlagLimit { flag, scale })) => match read(flag) {
                    Some(value) => guard.check_limit(value * scale).map(Some),
                    None => Err(format!("flag `{flag}` has no number to serve as a limit")),
                },
            };
            match limit {
                Ok(limit) => limits.push(limit),
                Err(message) => faults.push(Fault::new(format!("/guards/{index}/limit"), message)),
            }
        }
        if faults.is_empty() { Ok(limits) } else { Err(faults) }
    }
}

fn one() -> f64 {
    1.0
}
