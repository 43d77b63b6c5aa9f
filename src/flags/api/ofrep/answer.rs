use bellwether_core::{ErrorCode, Evaluation, Reason, Value};
use serde::Serialize;
use utoipa::ToSchema;

/// What a flag serves, as OFREP has it.
///
/// Serde describes it; [`Success::write`] writes it, as that is most of the work of an evaluation over HTTP.
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

/// Twice the length of an evaluation with short names, in bytes.
pub(super) const USUAL_LENGTH: usize = 256;

impl<'e> Success<'e> {
    pub(super) fn of(key: &'e str, evaluation: &Evaluation<'e>, revision: u64) -> Self {
        let metadata = Metadata { version: evaluation.version, revision, rule: evaluation.rule };
        let reason = evaluation.reason.into();
        Self { key, value: evaluation.value, reason, variant: evaluation.variation, metadata }
    }

    /// Appends it to a body as serde would, which looks at each member's name for characters to escape.
    ///
    /// # Errors
    /// When serde can't write a text or value; none is known.
    pub(super) fn write(&self, body: &mut Vec<u8>) -> serde_json::Result<()> {
        body.extend_from_slice(b"{\"key\":");
        text(body, self.key)?;
        body.extend_from_slice(b",\"value\":");
        match self.value {
            Value::Bool(true) => body.extend_from_slice(b"true"),
            Value::Bool(false) => body.extend_from_slice(b"false"),
            other => serde_json::to_writer(&mut *body, other)?,
        }
        body.extend_from_slice(b",\"reason\":\"");
        body.extend_from_slice(self.reason.name().as_bytes());
        body.extend_from_slice(b"\",\"variant\":");
        text(body, self.variant)?;
        body.extend_from_slice(b",\"metadata\":{\"version\":");
        serde_json::to_writer(&mut *body, &self.metadata.version)?;
        body.extend_from_slice(b",\"revision\":");
        serde_json::to_writer(&mut *body, &self.metadata.revision)?;
        if let Some(rule) = self.metadata.rule {
            body.extend_from_slice(b",\"rule\":");
            text(body, rule)?;
        }
        body.extend_from_slice(b"}}");
        Ok(())
    }
}

impl<'e> Item<'e> {
    pub(super) fn of(key: &'e str, outcome: &Result<Evaluation<'e>, ErrorCode>, revision: u64) -> Self {
        match outcome {
            Ok(evaluation) => Self::Success(Success::of(key, evaluation, revision)),
            Err(code) => Self::Failure(Failure { key, error_code: *code, error_details: details(*code, key) }),
        }
    }

    /// Appends it to a body.
    ///
    /// # Errors
    /// As [`Success::write`].
    pub(super) fn write(&self, body: &mut Vec<u8>) -> serde_json::Result<()> {
        match self {
            Self::Success(success) => success.write(body),
            Self::Failure(failure) => serde_json::to_writer(body, failure),
        }
    }
}

/// Appends a JSON string.
fn text(body: &mut Vec<u8>, text: &str) -> serde_json::Result<()> {
    // What most names are made of stands for itself.
    if text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)) {
        body.push(b'"');
        body.extend_from_slice(text.as_bytes());
        body.push(b'"');
        return Ok(());
    }
    serde_json::to_writer(body, text)
}

impl ServedReason {
    const fn name(self) -> &'static str {
        match self {
            Self::Static => "STATIC",
            Self::Default => "DEFAULT",
            Self::TargetingMatch => "TARGETING_MATCH",
            Self::Split => "SPLIT",
            Self::Disabled => "DISABLED",
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
    use serde_json::json;

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
            assert_eq!(ServedReason::from(reason).name(), name, "{reason:?}");
            assert_eq!(serde_json::to_value(ServedReason::from(reason)).unwrap(), name, "{reason:?}");
        }
    }

    #[test]
    fn an_evaluation_is_written_as_it_is_described() {
        let reasons = [Reason::Static, Reason::Default, Reason::TargetingMatch, Reason::Split, Reason::Disabled];
        let values = [json!(true), json!(false), json!(7), json!(10.0), json!("a\"b\u{1}"), json!({"a": [1, null]})];
        let names = ["on", "feature.new-x_1", "", "\"", "\\", "\n", "\u{7f}", "\u{1f600} é", "a b", "</script>"];
        let rules = [None, Some("staff"), Some("a \"rule\"")];
        for (name, reason) in names.into_iter().zip(reasons.into_iter().cycle()) {
            for (value, rule) in values.iter().zip(rules.into_iter().cycle()) {
                let (version, revision) = (1, u64::MAX);
                let evaluation =
                    Evaluation { value, variation: name, reason, version, revision, rule, assignment: None };
                let success = Success::of(name, &evaluation, revision);
                let mut body = b"before".to_vec();
                success.write(&mut body).unwrap();
                assert_eq!(
                    String::from_utf8(body).unwrap(),
                    format!("before{}", serde_json::to_string(&success).unwrap())
                );
            }
        }
    }
}
