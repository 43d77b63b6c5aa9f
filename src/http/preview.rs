use serde::Deserialize;
use utoipa::IntoParams;

use super::yes_or_no;
use crate::error::Result;

/// The query of a change that can be previewed.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Previewing {
    /// Changes nothing and answers who would move.
    #[param(value_type = bool, required = false)]
    preview: Option<String>,
}

impl Previewing {
    /// Whether the change is only to be previewed.
    ///
    /// # Errors
    /// [`crate::error::Error::Invalid`] when it says neither yes nor no.
    pub fn is_wanted(&self) -> Result<bool> {
        yes_or_no("/preview", self.preview.as_deref())
    }
}
