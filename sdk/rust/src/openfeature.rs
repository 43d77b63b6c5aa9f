//! The client as a provider of [OpenFeature's own SDK](open_feature); it takes the feature `openfeature`.
//!
//! ```
//! use bellwether_sdk::Client;
//! use bellwether_sdk::openfeature::BellwetherProvider;
//! use open_feature::{EvaluationContext, OpenFeature};
//!
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! let (client, data) = Client::test(); // in earnest `Client::builder(url, key).connect()`
//! data.set("feature.new-dashboard", true);
//!
//! let mut openfeature = OpenFeature::singleton_mut().await;
//! openfeature.set_provider(BellwetherProvider::new(client)).await;
//! let flags = openfeature.create_client();
//!
//! let user = EvaluationContext::default().with_targeting_key("user-42").with_custom_field("country", "NO");
//! assert!(flags.get_bool_value("feature.new-dashboard", Some(&user), None).await.unwrap_or(false));
//! # });
//! ```
//!
//! Evaluations count as those of the client do. They belong to no request, though: a canary learns how requests went
//! from a [`Scope`](crate::Scope), which OpenFeature has no word for.

mod attributes;
mod values;

use std::fmt;
use std::time::Duration;

use open_feature::provider::{FeatureProvider, ProviderMetadata, ProviderStatus, ResolutionDetails};
use open_feature::{
    EvaluationContext, EvaluationError, EvaluationErrorCode, EvaluationReason, EvaluationResult, FlagMetadata,
    StructValue, async_trait,
};

use crate::shared::Link;
use crate::{Client, Detail, ErrorCode, Reason, Value};

/// Resolves OpenFeature's flags by a [`Client`].
///
/// # Values
/// Each type is resolved from flags of that type alone, structures from JSON flags that serve an object: other JSON is
/// `TYPE_MISMATCH`. A null in an object is left out, as OpenFeature has none; one in a list is `TYPE_MISMATCH`.
///
/// Reasons and error codes are OpenFeature's, as the server gives them over OFREP: a prerequisite that fails is `DISABLED`. The
/// metadata are the flag's `version`, the environment's `revision`, and the `rule` that matched if one did.
///
/// # Contexts
/// The targeting key and the custom fields are the attributes. A time is the text that RFC 3339 has for it, in UTC. A
/// structure is read from [`StructValue`], [`open_feature::Value`], [`Value`] or a [`serde_json::Map`]; OpenFeature lets
/// a program put anything there, and what is something else is left out, with a warning the first time.
///
/// # Status
/// `NOT_READY` until flags have arrived, from the server, the cache or a bootstrap; `STALE` while nothing pushes changes;
/// `READY` otherwise.
pub struct BellwetherProvider {
    client: Client,
    ready_within: Duration,
    metadata: ProviderMetadata,
}

impl BellwetherProvider {
    /// A provider of the client's flags. The client can be used beside it.
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self { client, ready_within: Duration::ZERO, metadata: ProviderMetadata::new("Bellwether") }
    }

    /// How long OpenFeature waits for flags when it is given the provider; it does not unless set. All evaluations of
    /// OpenFeature wait along: `Client::wait_ready` before that makes nobody wait.
    #[must_use]
    pub fn ready_within(mut self, time: Duration) -> Self {
        self.ready_within = time;
        self
    }
}

#[async_trait]
impl FeatureProvider for BellwetherProvider {
    async fn initialize(&mut self, _: &EvaluationContext) {
        if !self.ready_within.is_zero() && !self.client.wait_ready(self.ready_within).await {
            tracing::warn!(within = ?self.ready_within, "no flags have arrived yet; OpenFeature serves defaults");
        }
    }

    fn status(&self) -> ProviderStatus {
        if self.client.revision().is_none() {
            ProviderStatus::NotReady
        } else if *self.client.shared().link().borrow() == Link::Down {
            ProviderStatus::STALE
        } else {
            ProviderStatus::Ready
        }
    }

    fn metadata(&self) -> &ProviderMetadata {
        &self.metadata
    }

    async fn resolve_bool_value(
        &self,
        flag_key: &str,
        evaluation_context: &EvaluationContext,
    ) -> EvaluationResult<ResolutionDetails<bool>> {
        resolved(flag_key, self.client.bool_detail(flag_key, &attributes::context(evaluation_context), false))
    }

    async fn resolve_int_value(
        &self,
        flag_key: &str,
        evaluation_context: &EvaluationContext,
    ) -> EvaluationResult<ResolutionDetails<i64>> {
        resolved(flag_key, self.client.integer_detail(flag_key, &attributes::context(evaluation_context), 0))
    }

    async fn resolve_float_value(
        &self,
        flag_key: &str,
        evaluation_context: &EvaluationContext,
    ) -> EvaluationResult<ResolutionDetails<f64>> {
        resolved(flag_key, self.client.float_detail(flag_key, &attributes::context(evaluation_context), 0.0))
    }

    async fn resolve_string_value(
        &self,
        flag_key: &str,
        evaluation_context: &EvaluationContext,
    ) -> EvaluationResult<ResolutionDetails<String>> {
        resolved(flag_key, self.client.string_detail(flag_key, &attributes::context(evaluation_context), ""))
    }

    async fn resolve_struct_value(
        &self,
        flag_key: &str,
        evaluation_context: &EvaluationContext,
    ) -> EvaluationResult<ResolutionDetails<StructValue>> {
        let context = attributes::context(evaluation_context);
        let ResolutionDetails { value, variant, reason, flag_metadata } =
            resolved(flag_key, self.client.json_detail(flag_key, &context, Value::Null))?;
        let value = values::structure(value).map_err(|why| EvaluationError {
            code: EvaluationErrorCode::TypeMismatch,
            message: Some(format!("the flag {flag_key} {why}")),
        })?;
        Ok(ResolutionDetails { value, variant, reason, flag_metadata })
    }
}

/// The client's answer in OpenFeature's words.
fn resolved<T>(key: &str, detail: Detail<T>) -> EvaluationResult<ResolutionDetails<T>> {
    let Detail { value, variation, reason, error, version, revision, rule, .. } = detail;
    if let Some(error) = error {
        return Err(failure(error, key));
    }
    let mut metadata = FlagMetadata::default();
    for (name, number) in [("version", version), ("revision", revision)] {
        if let Some(number) = number {
            metadata.add_value(name, i64::try_from(number).unwrap_or(i64::MAX));
        }
    }
    if let Some(rule) = rule {
        metadata.add_value("rule", rule);
    }
    let reason = match reason {
        Reason::Static => EvaluationReason::Static,
        Reason::Default => EvaluationReason::Default,
        Reason::TargetingMatch => EvaluationReason::TargetingMatch,
        Reason::Split => EvaluationReason::Split,
        Reason::Disabled | Reason::PrerequisiteFailed => EvaluationReason::Disabled,
        Reason::Error => EvaluationReason::Error,
    };
    Ok(ResolutionDetails { value, variant: variation, reason: Some(reason), flag_metadata: Some(metadata) })
}

fn failure(code: ErrorCode, key: &str) -> EvaluationError {
    let (code, message) = match code {
        ErrorCode::FlagNotFound => (EvaluationErrorCode::FlagNotFound, format!("there is no flag {key}")),
        ErrorCode::TargetingKeyMissing => (
            EvaluationErrorCode::TargetingKeyMissing,
            format!(
                "the flag {key} is split by an attribute (targetingKey unless said otherwise) that the context lacks"
            ),
        ),
        ErrorCode::TypeMismatch => (EvaluationErrorCode::TypeMismatch, format!("the flag {key} is of another type")),
        ErrorCode::ProviderNotReady => {
            (EvaluationErrorCode::ProviderNotReady, "no flags have arrived from the server yet".to_owned())
        }
        ErrorCode::ParseError => (EvaluationErrorCode::ParseError, format!("the flag {key} can't be read")),
        ErrorCode::InvalidContext => (EvaluationErrorCode::InvalidContext, "the context can't be used".to_owned()),
        ErrorCode::General => {
            let message = format!("the flag {key} can't be evaluated");
            (EvaluationErrorCode::General(message.clone()), message)
        }
    };
    EvaluationError { code, message: Some(message) }
}

impl fmt::Debug for BellwetherProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BellwetherProvider").field("client", &self.client).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
