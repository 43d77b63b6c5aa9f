use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::compile::{Choice, CompiledServe};
use crate::{CompiledFlag, Context, Release, TARGETING_KEY, bucket};

/// Why a value was served: OpenFeature's reasons.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Reason {
    /// The flag can only ever serve this value.
    Static,
    /// No target and no rule matched.
    Default,
    /// An individual target or a rule with one variation.
    TargetingMatch,
    /// A bucket of a percentage split.
    Split,
    /// The kill switch is off.
    Disabled,
    /// The caller's default, because of an error.
    Error,
}

/// Why no value could be served: OpenFeature's error codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ErrorCode {
    /// There is no flag of that key.
    FlagNotFound,
    /// A split needs a bucketing key that the context does not have.
    TargetingKeyMissing,
    /// The flag is of another type than was asked for.
    TypeMismatch,
    /// The request could not be parsed.
    ParseError,
    /// The context is not an object.
    InvalidContext,
    /// No flags have been received yet.
    ProviderNotReady,
    /// Anything else.
    General,
}

impl Reason {
    /// The name as it stands in the API.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Static => "STATIC",
            Self::Default => "DEFAULT",
            Self::TargetingMatch => "TARGETING_MATCH",
            Self::Split => "SPLIT",
            Self::Disabled => "DISABLED",
            Self::Error => "ERROR",
        }
    }
}

impl ErrorCode {
    /// The name as it stands in the API.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::FlagNotFound => "FLAG_NOT_FOUND",
            Self::TargetingKeyMissing => "TARGETING_KEY_MISSING",
            Self::TypeMismatch => "TYPE_MISMATCH",
            Self::ParseError => "PARSE_ERROR",
            Self::InvalidContext => "INVALID_CONTEXT",
            Self::ProviderNotReady => "PROVIDER_NOT_READY",
            Self::General => "GENERAL",
        }
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What a flag served, borrowed from it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Evaluation<'f> {
    /// The value of the variation.
    pub value: &'f Value,
    /// The variation's name.
    pub variation: &'f str,
    /// Why it was served.
    pub reason: Reason,
    /// The flag's version.
    pub version: u64,
    /// The rule that decided, if one did.
    pub rule: Option<&'f str>,
    /// The release this evaluation counts for, if its own split served.
    pub assignment: Option<Assignment<'f>>,
}

/// The arm of a release that a user was put in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Assignment<'f> {
    /// The release.
    pub release: &'f Release,
    /// The arm's name.
    pub arm: &'f str,
}

impl CompiledFlag {
    /// What the flag serves for `context`.
    ///
    /// # Errors
    /// [`ErrorCode::TargetingKeyMissing`] when a split decides and the context has no bucketing key for it.
    pub fn evaluate(&self, context: &Context) -> Result<Evaluation<'_>, ErrorCode> {
        if !self.flag.enabled {
            return self.serve(self.off, Reason::Disabled, None);
        }
        if let Some(variation) = self.target(context) {
            return self.serve(variation, Reason::TargetingMatch, None);
        }
        for (rule, definition) in self.rules.iter().zip(&self.flag.rules) {
            if rule.clauses.iter().all(|clause| clause.matches(context)) {
                let id = Some(definition.id.as_str());
                return self.choose(&rule.serve, context, Reason::TargetingMatch, id);
            }
        }
        let reason = if self.targets.is_empty() && self.rules.is_empty() { Reason::Static } else { Reason::Default };
        self.choose(&self.fallthrough, context, reason, None)
    }

    fn target(&self, context: &Context) -> Option<usize> {
        if self.targets.is_empty() {
            return None;
        }
        let key = bucket::key_of(context.get(TARGETING_KEY)?)?;
        self.targets.get(key.as_ref()).copied()
    }

    fn choose<'f>(
        &'f self,
        serve: &'f CompiledServe,
        context: &Context,
        reason_for_one: Reason,
        rule: Option<&'f str>,
    ) -> Result<Evaluation<'f>, ErrorCode> {
        match &serve.choice {
            Choice::One(variation) => self.serve(*variation, reason_for_one, rule),
            Choice::Split { bucket_by, salt, ranges } => {
                let key = context.get(bucket_by).and_then(bucket::key_of).ok_or(ErrorCode::TargetingKeyMissing)?;
                let bucket = bucket::bucket(salt, &key);
                let index = ranges.partition_point(|(end, _)| *end <= bucket);
                let variation = ranges.get(index).map_or(self.off, |(_, variation)| *variation);
                let mut evaluation = self.serve(variation, Reason::Split, rule)?;
                if serve.released {
                    evaluation.assignment = self.assignment(variation);
                }
                Ok(evaluation)
            }
        }
    }

    fn assignment(&self, variation: usize) -> Option<Assignment<'_>> {
        let release = self.flag.release.as_ref()?;
        let arm = (*self.arms.get(variation)?)?;
        Some(Assignment { release, arm: &release.arms.get(arm)?.name })
    }

    fn serve<'f>(
        &'f self,
        variation: usize,
        reason: Reason,
        rule: Option<&'f str>,
    ) -> Result<Evaluation<'f>, ErrorCode> {
        // Compilation resolved the index, so a variation is always there.
        let variation = self.flag.variations.get(variation).ok_or(ErrorCode::General)?;
        Ok(Evaluation {
            value: &variation.value,
            variation: &variation.name,
            reason,
            version: self.flag.version,
            rule,
            assignment: None,
        })
    }
}

#[cfg(test)]
mod tests;
