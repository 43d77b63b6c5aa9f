//! What a flag is in every environment: its type, its variations, its words.

use bellwether_core::{Fault, ValueType, Variation, limits};
use deserr::Deserr;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::error::{Error, Result};
use crate::input::{Faults, Reject};
use crate::projects::well_formed_key;

/// What a flag is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Deserr)]
#[serde(rename_all = "snake_case")]
#[deserr(error = Faults, rename_all = lowercase)]
pub enum Kind {
    /// Rolls a change out, and goes away.
    Release,
    /// Compares variations.
    Experiment,
    /// Switches behaviour of a running system.
    Operational,
    /// Says who may.
    Permission,
    /// Holds a setting.
    Config,
}

impl Kind {
    /// The name as it stands in the API.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Release => "release",
            Self::Experiment => "experiment",
            Self::Operational => "operational",
            Self::Permission => "permission",
            Self::Config => "config",
        }
    }
}

/// What a flag is, whatever the environment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Definition {
    /// What it is for.
    pub kind: Kind,
    /// For people.
    pub name: String,
    /// For people.
    pub description: String,
    /// For people to find it by.
    pub tags: Vec<String>,
    /// Who looks after it.
    pub owner: String,
    /// Whether client keys may evaluate it.
    pub client_visible: bool,
    /// The values, in order.
    pub variations: Vec<Variation>,
    /// Whatever the team wants to keep with it.
    pub metadata: Map<String, Value>,
}

/// A flag to be created.
#[derive(Clone, Debug, Deserr)]
#[deserr(error = Faults, deny_unknown_fields)]
pub struct NewFlag {
    /// Unique in the project.
    #[deserr(try_from(String) = well_formed_key -> Reject)]
    pub key: String,
    #[deserr(rename = "type", try_from(String) = type_named -> Reject)]
    value_type: ValueType,
    #[deserr(default)]
    off_variation: Option<String>,
    #[deserr(default)]
    kind: Option<Kind>,
    #[deserr(default)]
    name: Option<String>,
    #[deserr(default)]
    description: String,
    #[deserr(default)]
    tags: Vec<String>,
    #[deserr(default)]
    owner: String,
    #[deserr(default)]
    client_visible: bool,
    #[deserr(default)]
    variations: Option<Vec<VariationInput>>,
    #[deserr(default, try_from(Option<Value>) = members -> Reject)]
    metadata: Map<String, Value>,
}

/// What may change of a flag: a merge patch of its definition, read as a whole.
#[derive(Clone, Debug, Deserr)]
#[deserr(error = Faults, deny_unknown_fields)]
pub struct DefinitionInput {
    kind: Kind,
    name: String,
    #[deserr(default)]
    description: String,
    #[deserr(default)]
    tags: Vec<String>,
    #[deserr(default)]
    owner: String,
    #[deserr(default)]
    client_visible: bool,
    variations: Vec<VariationInput>,
    #[deserr(default, try_from(Option<Value>) = members -> Reject)]
    metadata: Map<String, Value>,
}

#[derive(Clone, Debug, Deserr)]
#[deserr(error = Faults, deny_unknown_fields)]
struct VariationInput {
    name: String,
    value: Value,
}

fn type_named(name: String) -> Result<ValueType, Reject> {
    use ValueType::{Boolean, Float, Integer, Json, String};
    let known = [Boolean, String, Integer, Float, Json].into_iter().find(|t| t.name() == name);
    known.ok_or_else(|| Reject(format!("`{name}` is none of boolean, string, integer, float, json")))
}

fn members(value: Option<Value>) -> Result<Map<String, Value>, Reject> {
    match value {
        None => Ok(Map::new()),
        Some(Value::Object(members)) => Ok(members),
        Some(_) => Err(Reject("is an object".to_owned())),
    }
}

impl NewFlag {
    /// The flag's type, definition and off variation.
    ///
    /// # Errors
    /// Every fault of texts, variations and their values.
    pub fn parts(self) -> Result<(ValueType, Definition, String)> {
        let mut faults = Vec::new();
        let variations = match self.variations {
            Some(given) => variations(self.value_type, given, &mut faults),
            None if self.value_type == ValueType::Boolean => on_off(),
            None => {
                faults.push(Fault::new("/variations", "is required but for a boolean flag"));
                Vec::new()
            }
        };
        let off = self.off_variation.or_else(|| variations.last().map(|last| last.name.clone())).unwrap_or_default();
        if !variations.is_empty() && !variations.iter().any(|variation| variation.name == off) {
            faults.push(Fault::new("/off_variation", format!("the flag has no variation `{off}`")));
        }
        let definition = Definition {
            kind: self.kind.unwrap_or(Kind::Release),
            name: self.name.unwrap_or_else(|| self.key.clone()),
            description: self.description,
            tags: self.tags,
            owner: self.owner,
            client_visible: self.client_visible,
            variations,
            metadata: self.metadata,
        };
        definition.check(&mut faults);
        Error::unless_empty(faults)?;
        Ok((self.value_type, definition, off))
    }
}

impl DefinitionInput {
    /// The definition of a flag of type `of`.
    ///
    /// # Errors
    /// Every fault of texts, variations and their values.
    pub fn definition(self, of: ValueType) -> Result<Definition> {
        let mut faults = Vec::new();
        let definition = Definition {
            kind: self.kind,
            name: self.name,
            description: self.description,
            tags: self.tags,
            owner: self.owner,
            client_visible: self.client_visible,
            variations: variations(of, self.variations, &mut faults),
            metadata: self.metadata,
        };
        definition.check(&mut faults);
        Error::unless_empty(faults)?;
        Ok(definition)
    }
}

impl Definition {
    /// Whether the flag of that key has `text` in its key, name or description, whatever the case.
    #[must_use]
    pub fn mentions(&self, key: &str, text: &str) -> bool {
        let wanted = text.to_lowercase();
        [key, &self.name, &self.description].into_iter().any(|held| held.to_lowercase().contains(&wanted))
    }

    fn check(&self, faults: &mut Vec<Fault>) {
        let mut text = |pointer: String, text: &str, least: usize, most: usize| {
            let length = text.chars().count();
            if length < least || length > most {
                faults.push(Fault::new(pointer, format!("has {least} to {most} characters")));
            }
        };
        text("/name".to_owned(), &self.name, 1, 200);
        text("/description".to_owned(), &self.description, 0, 10_000);
        text("/owner".to_owned(), &self.owner, 0, 200);
        for (index, tag) in self.tags.iter().enumerate() {
            text(format!("/tags/{index}"), tag, 1, 60);
        }
        if self.tags.len() > 50 {
            faults.push(Fault::new("/tags", "at most 50 tags"));
        }
    }
}

/// Values in the form of their type. Everything else about variations is checked where a flag is compiled.
fn variations(of: ValueType, given: Vec<VariationInput>, faults: &mut Vec<Fault>) -> Vec<Variation> {
    let count = given.len();
    if count == 0 || count > limits::VARIATIONS {
        faults.push(Fault::new("/variations", format!("a flag has 1 to {} variations", limits::VARIATIONS)));
    }
    let mut seen = std::collections::HashSet::new();
    let mut variations = Vec::with_capacity(count);
    for (index, VariationInput { name, value }) in given.into_iter().enumerate() {
        if name.is_empty() || name.len() > limits::VARIATION_NAME_LENGTH {
            let message = format!("has 1 to {} bytes", limits::VARIATION_NAME_LENGTH);
            faults.push(Fault::new(format!("/variations/{index}/name"), message));
        } else if !seen.insert(name.clone()) {
            faults.push(Fault::new(format!("/variations/{index}/name"), format!("the name `{name}` is used twice")));
        }
        if value.to_string().len() > limits::VALUE_BYTES {
            let message = format!("is larger than {} bytes", limits::VALUE_BYTES);
            faults.push(Fault::new(format!("/variations/{index}/value"), message));
        }
        match of.canonical(value) {
            Some(value) => variations.push(Variation { name, value }),
            None => {
                let message = format!("is not a value of type {}", of.name());
                faults.push(Fault::new(format!("/variations/{index}/value"), message));
            }
        }
    }
    variations
}

fn on_off() -> Vec<Variation> {
    let variation = |name: &str, value: bool| Variation { name: name.to_owned(), value: Value::Bool(value) };
    vec![variation("on", true), variation("off", false)]
}
