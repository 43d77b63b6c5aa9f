use bellwether_core::limits;
use deserr::Deserr;

use crate::input::{Faults, Reject};

/// A project to be created.
#[derive(Clone, Debug, Deserr)]
#[deserr(error = Faults, deny_unknown_fields)]
pub struct NewProject {
    /// Unique.
    #[deserr(try_from(String) = well_formed_key -> Reject)]
    pub key: String,
    /// The key unless given.
    #[deserr(default, try_from(Option<String>) = optional_name -> Reject)]
    pub name: Option<String>,
    /// For people.
    #[deserr(default, try_from(Option<String>) = optional_text -> Reject)]
    pub description: Option<String>,
}

/// What may change of a project.
#[derive(Clone, Debug, Deserr)]
#[deserr(error = Faults, deny_unknown_fields)]
pub struct ProjectChange {
    /// For people.
    #[deserr(default, try_from(Option<String>) = optional_name -> Reject)]
    pub name: Option<String>,
    /// For people.
    #[deserr(default, try_from(Option<String>) = optional_text -> Reject)]
    pub description: Option<String>,
}

/// An environment to be created.
#[derive(Clone, Debug, Deserr)]
#[deserr(error = Faults, deny_unknown_fields)]
pub struct NewEnvironment {
    /// Unique in the project.
    #[deserr(try_from(String) = well_formed_key -> Reject)]
    pub key: String,
    /// The key unless given.
    #[deserr(default, try_from(Option<String>) = optional_name -> Reject)]
    pub name: Option<String>,
    /// Whether changes there need an operator.
    #[deserr(default)]
    pub production: bool,
}

/// What may change of an environment.
#[derive(Clone, Debug, Deserr)]
#[deserr(error = Faults, deny_unknown_fields)]
pub struct EnvironmentChange {
    /// For people.
    #[deserr(default, try_from(Option<String>) = optional_name -> Reject)]
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
