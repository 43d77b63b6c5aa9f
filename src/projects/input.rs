use bellwether_core::limits;
use deserr::Deserr;
use utoipa::ToSchema;

use crate::input::{Faults, Reject};
use crate::schema::Key;

/// A project to be created.
#[derive(Clone, Debug, Deserr, ToSchema)]
#[deserr(error = Faults, deny_unknown_fields)]
#[serde(deny_unknown_fields)]
pub struct NewProject {
    /// Unique.
    #[deserr(try_from(String) = well_formed_key -> Reject)]
    #[schema(value_type = Key)]
    pub key: String,
    /// The key unless given.
    #[deserr(default, try_from(Option<String>) = optional_name -> Reject)]
    #[schema(min_length = 1, max_length = 200)]
    pub name: Option<String>,
    /// For people.
    #[deserr(default, try_from(Option<String>) = optional_text -> Reject)]
    #[schema(max_length = 10_000)]
    pub description: Option<String>,
}

/// What may change of a project.
#[derive(Clone, Debug, Deserr, ToSchema)]
#[deserr(error = Faults, deny_unknown_fields)]
#[serde(deny_unknown_fields)]
pub struct ProjectChange {
    /// For people.
    #[deserr(default, try_from(Option<String>) = optional_name -> Reject)]
    #[schema(min_length = 1, max_length = 200)]
    pub name: Option<String>,
    /// For people.
    #[deserr(default, try_from(Option<String>) = optional_text -> Reject)]
    #[schema(max_length = 10_000)]
    pub description: Option<String>,
}

/// An environment to be created.
#[derive(Clone, Debug, Deserr, ToSchema)]
#[deserr(error = Faults, deny_unknown_fields)]
#[serde(deny_unknown_fields)]
pub struct NewEnvironment {
    /// Unique in the project.
    #[deserr(try_from(String) = well_formed_key -> Reject)]
    #[schema(value_type = Key)]
    pub key: String,
    /// The key unless given.
    #[deserr(default, try_from(Option<String>) = optional_name -> Reject)]
    #[schema(min_length = 1, max_length = 200)]
    pub name: Option<String>,
    /// Whether changes there need an operator.
    #[deserr(default)]
    #[schema(required = false, default = false)]
    pub production: bool,
}

/// What may change of an environment.
#[derive(Clone, Debug, Deserr, ToSchema)]
#[deserr(error = Faults, deny_unknown_fields)]
#[serde(deny_unknown_fields)]
pub struct EnvironmentChange {
    /// For people.
    #[deserr(default, try_from(Option<String>) = optional_name -> Reject)]
    #[schema(min_length = 1, max_length = 200)]
    pub name: Option<String>,
    /// Whether changes there need an operator.
    #[deserr(default)]
    pub production: Option<bool>,
}

/// A well-formed key: 1 to 100 letters, digits, `.`, `_` and `-`, beginning with a letter or digit.
///
/// # Errors
/// What a key may be.
pub fn well_formed_key(text: String) -> Result<String, Reject> {
    let formed = text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.len() <= limits::KEY_LENGTH
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
    let rule = "has 1 to 100 letters, digits, `.`, `_` and `-`, beginning with a letter or digit";
    if formed { Ok(text) } else { Err(Reject(rule.to_owned())) }
}

fn optional_name(name: Option<String>) -> Result<Option<String>, Reject> {
    let fine = name.as_ref().is_none_or(|name| (1..=200).contains(&name.chars().count()));
    if fine { Ok(name) } else { Err(Reject("has 1 to 200 characters".to_owned())) }
}

fn optional_text(text: Option<String>) -> Result<Option<String>, Reject> {
    let fine = text.as_ref().is_none_or(|text| text.chars().count() <= 10_000);
    if fine { Ok(text) } else { Err(Reject("has at most 10,000 characters".to_owned())) }
}
