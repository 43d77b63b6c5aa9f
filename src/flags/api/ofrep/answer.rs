use bellwether_core::{ErrorCode, Evaluation, Reason, Value};
use serde::Serialize;
use utoipa::ToSchema;

/// What a flag serves, as OFREP has it.
#[derive(Serialize, ToSchema)]
#[schema(as = Evaluation)]
pub(super) struct Success<'e> {
    /// The flag's key.
    key: &'e str,
    /// The value served.
    value: &'e Value,
    /// Why.
    reason: ServedReason,
    /// The variation's name.
    variant: &'e str,
    metadata: Metadata<'e>,
}

/// Why a flag serves a value: OpenFeature's reasons.
#[derive(Clone, Copy, Serialize, ToSchema)]
#[schema(as = EvaluationReason)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum ServedReason {
    /// The flag can only ever serve this value.
    Static,
    /// No target and no rule matched.
    Default,
    /// An individual target or a rule with one variation.
    TargetingMatch,
    /// A bucket of a percentage split.
    Split,
    /// The kill switch is off, or a prerequisite fails.
    Disabled,
}

/// What the value was made from.
#[derive(Serialize, ToSchema)]
#[schema(as = EvaluationMetadata)]
struct Metadata<'e> {
    /// Version of the flag in the environment.
    version: u64,
    /// Revision of the environment.
    revision: u64,
    /// The rule that matched.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    rule: Option<&'e str>,
}

/// Why a flag of a bulk evaluation has no value.
#[derive(Serialize, ToSchema)]
#[schema(as = EvaluationFailure)]
#[serde(rename_all = "camelCase")]
pub(super) struct Failure<'e> {
    /// The flag's key.
    key: &'e str,
    /// Why, for programs.
    error_code: ErrorCode,
    /// Why, for people.
    error_details: String,
}

/// One flag of a bulk evaluation.
#[derive(Serialize, ToSchema)]
#[schema(as = EvaluationOrFailure)]
#[serde(untagged)]
pub(super) enum Item<'e> {
    /// It has a value.
    Success(Success<'e>),
    /// It has none for this context.
    Failure(Failure<'e>),
}

impl<'e> Success<'e> {
    pub(super) fn of(key: &'e str, evaluation: &Evaluation<'e>, revision: u64) -> Self {
        let metadata = Metadata { version: evaluation.version, revision, rule: evaluation.rule };
        let reason = evaluation.reason.into();
        Self { key, value: evaluation.value, reason, variant: evaluation.variation, metadata }
    }
}

impl<'e> Item<'e> {
    pub(super) fn of(key: &'e str, outcome: &Result<Evaluation<'e>, ErrorCode>, revision: u64) -> Self {
        match outcome {
            Ok(evaluation) => Self::Success(Success::of(key, evaluation, revision)),
            Err(code) => Self::Failure(Failure { key, error_code: *code, error_details: details(*code, key) }),
        }
    }
}

impl From<Reason> for ServedReason {
    fn from(reason: Reason) -> Self {
        match reason {
            Reason::Static => Self::Static,
            Reason::Default => Self::Default,
            Reason::TargetingMatch => Self::TargetingMatch,
            Reason::Split => Self::Split,
            // OpenFeature has no word for a prerequisite; no value is ever served for an error.
            Reason::Disabled | Reason::PrerequisiteFailed | Reason::Error => Self::Disabled,
        }
    }
}

/// Why there is no value, for people.
pub(super) fn details(code: ErrorCode, key: &str) -> String {
    match code {
        ErrorCode::FlagNotFound => format!("there is no flag {key}"),
        ErrorCode::TargetingKeyMissing => {
            "the flag is split by an attribute (targetingKey unless said otherwise) that the context lacks".to_owned()
        }
        _ => "the flag can't be evaluated".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_is_one_of_openfeatures() {
        for (reason, name) in [
            (Reason::Static, "STATIC"),
            (Reason::Default, "DEFAULT"),
            (Reason::TargetingMatch, "TARGETING_MATCH"),
            (Reason::Split, "SPLIT"),
            (Reason::Disabled, "DISABLED"),
            (Reason::PrerequisiteFailed, "DISABLED"),
        ] {
            assert_eq!(serde_json::to_value(ServedReason::from(reason)).unwrap(), name, "{reason:?}");
        }
    }
}
