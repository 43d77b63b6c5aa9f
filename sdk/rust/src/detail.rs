use bellwether_core::{ErrorCode, Reason};

use crate::evaluate::Found;

/// A flag's value and how it came about.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Detail<T> {
    /// The value served, or the caller's default when there is an [`error`](Self::error).
    pub value: T,
    /// The name of the variation served; none for the default.
    pub variation: Option<String>,
    /// Why this value.
    pub reason: Reason,
    /// Why no variation could be served.
    pub error: Option<ErrorCode>,
    /// The flag's version; none for the default.
    pub version: Option<u64>,
    /// The revision of the environment that was asked; none before flags arrived.
    pub revision: Option<u64>,
    /// The id of the rule that decided, if one did.
    pub rule: Option<String>,
}

impl<T> Detail<T> {
    pub(crate) fn of(outcome: Result<Found<'_, T>, ErrorCode>, default: T, revision: Option<u64>) -> Self {
        match outcome {
            Ok(Found { value, evaluation, .. }) => Self {
                value,
                variation: Some(evaluation.variation.to_owned()),
                reason: evaluation.reason,
                error: None,
                version: Some(evaluation.version),
                revision,
                rule: evaluation.rule.map(str::to_owned),
            },
            Err(error) => Self {
                value: default,
                variation: None,
                reason: Reason::Error,
                error: Some(error),
                version: None,
                revision,
                rule: None,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bellwether_core::{Context, State, Value};
    use serde_json::json;

    use super::*;
    use crate::evaluate::{FlagValue, evaluate};
    use crate::fixture;
    use crate::in_use::InUse;

    fn detail<T: FlagValue>(state: Option<&State>, key: &str, context: &Context, default: T) -> Detail<T> {
        let in_use = state.map(|state| InUse::new(Arc::new(state.clone()), None));
        let found = evaluate(in_use.as_ref(), key, context).map(|(found, _)| found);
        Detail::of(found, default, state.map(State::revision))
    }

    #[test]
    fn each_type_is_read_from_flags_of_that_type_alone() {
        let flags = [
            ("boolean", json!(true)),
            ("string", json!("blue")),
            ("integer", json!(7)),
            ("float", json!(7.0)),
            ("json", json!(true)),
        ];
        let state =
            fixture::state("e", 3, flags.clone().map(|(kind, value)| fixture::constant(kind, kind, value)).to_vec());
        let user = Context::new("u");
        for (kind, _) in flags {
            let mismatch = |error: Option<ErrorCode>| error == Some(ErrorCode::TypeMismatch);
            let answers = [
                ("boolean", mismatch(detail(Some(&state), kind, &user, false).error)),
                ("string", mismatch(detail(Some(&state), kind, &user, String::new()).error)),
                ("integer", mismatch(detail(Some(&state), kind, &user, 0_i64).error)),
                ("float", mismatch(detail(Some(&state), kind, &user, 0.0).error)),
                ("json", mismatch(detail(Some(&state), kind, &user, Value::Null).error)),
            ];
            for (asked, mismatched) in answers {
                assert_eq!(mismatched, asked != kind, "{asked} asked of a {kind} flag");
            }
        }
        assert_eq!(detail(Some(&state), "integer", &user, 0_i64).value, 7);
        assert_eq!(detail(Some(&state), "float", &user, 0.0).value, 7.0);
        assert_eq!(detail(Some(&state), "string", &user, String::new()).value, "blue");
        assert_eq!(detail(Some(&state), "json", &user, Value::Null).value, json!(true));
    }

    #[test]
    fn what_decided_is_told() {
        let state = fixture::state("e", 3, vec![fixture::constant("a", "boolean", json!(true))]);
        let told = detail(Some(&state), "a", &Context::new("u"), false);
        assert_eq!(
            told,
            Detail {
                value: true,
                variation: Some("first".into()),
                reason: Reason::Static,
                error: None,
                version: Some(1),
                revision: Some(3),
                rule: None,
            }
        );
    }

    #[test]
    fn each_error_serves_the_default() {
        let state = fixture::state(
            "e",
            3,
            vec![fixture::constant("text", "string", json!("x")), fixture::canary("canary", 50_000, json!([]), 10)],
        );
        let user = Context::new("u");
        let told = |error, revision| Detail {
            value: true,
            variation: None,
            reason: Reason::Error,
            error: Some(error),
            version: None,
            revision,
            rule: None,
        };
        assert_eq!(detail(None, "text", &user, true), told(ErrorCode::ProviderNotReady, None));
        assert_eq!(detail(Some(&state), "none", &user, true), told(ErrorCode::FlagNotFound, Some(3)));
        assert_eq!(detail(Some(&state), "text", &user, true), told(ErrorCode::TypeMismatch, Some(3)));
        let nobody = Context::anonymous();
        assert_eq!(detail(Some(&state), "canary", &nobody, true), told(ErrorCode::TargetingKeyMissing, Some(3)));
    }
}
