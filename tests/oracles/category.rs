//! The categories that are built, and how their inputs are read.

use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use crate::{comparisons, distributions, guards};

/// Names and values; a value that is not finite is null.
pub(crate) type Figures = Map<String, Value>;

/// How a category's cases are computed.
#[derive(Clone, Copy)]
pub(crate) struct Category(fn(&str) -> Result<Figures, String>);

impl Category {
    /// The category of that name; `None` when it is not built.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Some(Self(match name {
            "welch" => comparisons::welch,
            "wald_bound" => comparisons::wald_bound,
            "student_t" => distributions::student_t,
            "student_t_quantile" => distributions::student_t_quantile,
            "normal" => distributions::normal,
            "chi2" => distributions::chi2,
            "rate_ratio_e" => guards::rate_ratio_e,
            "abs_limit_e" => guards::abs_limit_e,
            "guard_ratio" => guards::guard_ratio,
            "guard_limit" => guards::guard_limit,
            "guard_mean" => guards::guard_mean,
            _ => return None,
        }))
    }

    /// The figures of a case with this input, a JSON text.
    ///
    /// # Errors
    /// When the input is not the category's, or says what cannot be.
    pub(crate) fn figures(self, input: &str) -> Result<Figures, String> {
        self.0(input)
    }
}

/// Reads an input.
///
/// # Errors
/// Says what is missing or wrong.
pub(crate) fn read<T: DeserializeOwned>(input: &str) -> Result<T, String> {
    serde_json::from_str(input).map_err(|error| error.to_string())
}

/// Puts figures together.
pub(crate) fn figures<const N: usize>(named: [(&str, Value); N]) -> Figures {
    named.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// A whole number, which other programs may write as 1000.0 or 1e3.
pub(crate) fn count<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Number {
        Whole(u64),
        Float(f64),
    }
    match Number::deserialize(deserializer) {
        Ok(Number::Whole(count)) => Ok(count),
        // Below 2⁵³ a float holds whole numbers exactly.
        Ok(Number::Float(x)) if x >= 0.0 && x.fract() == 0.0 && x < 9_007_199_254_740_992.0 => Ok(x as u64),
        _ => Err(D::Error::custom("a count must be a whole number of 0 or more")),
    }
}
