//! Which version of an object a change was made for.

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
