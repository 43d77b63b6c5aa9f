//! Which version of an object a change was made for.

use utoipa::IntoParams;
use utoipa::openapi::Required;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{ObjectBuilder, Type};

use crate::error::{Error, Result};

/// The version that a change demands, by `If-Match`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IfMatch {
    /// No header.
    Absent,
    /// `*`: any version.
    Any,
    /// `"7"`.
    Version(u64),
    /// A tag that no version has.
    Nothing,
}

impl IfMatch {
    /// Passes when the header, if there is one, names `current`.
    ///
    /// # Errors
    /// [`Error::Stale`].
    pub fn check(self, current: u64) -> Result<()> {
        match self {
            Self::Absent | Self::Any => Ok(()),
            Self::Version(version) if version == current => Ok(()),
            Self::Version(_) | Self::Nothing => Err(Error::Stale { current }),
        }
    }

    /// Passes when there is a header.
    ///
    /// # Errors
    /// [`Error::PreconditionRequired`].
    pub fn required(self) -> Result<Self> {
        if self == Self::Absent { Err(Error::PreconditionRequired) } else { Ok(self) }
    }
}

/// [`IfMatch`] of an operation that requires it, for the API's document.
#[derive(Debug)]
pub struct RequiredIfMatch;

impl IntoParams for IfMatch {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        vec![header(Required::False, "The version that was read: another one is not changed. `*` for any.")]
    }
}

impl IntoParams for RequiredIfMatch {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        vec![header(
            Required::True,
            "The version that was read, so that nobody's change is overwritten. `*` for any version there is.",
        )]
    }
}

fn header(required: Required, about: &str) -> Parameter {
    let tag = ObjectBuilder::new().schema_type(Type::String).pattern(Some(r#"^(\*|"[0-9]{1,19}")$"#));
    ParameterBuilder::new()
        .name("If-Match")
        .parameter_in(ParameterIn::Header)
        .required(required)
        .description(Some(about))
        .schema(Some(tag))
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_version_is_stale() {
        assert!(IfMatch::Absent.check(3).is_ok());
        assert!(IfMatch::Any.check(3).is_ok());
        assert!(IfMatch::Version(3).check(3).is_ok());
        assert!(matches!(IfMatch::Version(2).check(3), Err(Error::Stale { current: 3 })));
        assert!(matches!(IfMatch::Nothing.check(3), Err(Error::Stale { current: 3 })));
        assert!(matches!(IfMatch::Absent.required(), Err(Error::PreconditionRequired)));
    }
}
