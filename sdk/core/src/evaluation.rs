use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Release;

/// Why a value was served: OpenFeature's reasons, and one of our own.
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
    /// A prerequisite does not hold. By OFREP, which does not know it, this is `DISABLED`.
    PrerequisiteFailed,
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
            Self::PrerequisiteFailed => "PREREQUISITE_FAILED",
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
    /// The environment's revision.
    pub revision: u64,
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
