//! What a flag is in every environment: its type, its variations, its words.

mod link;

use bellwether_core::{Fault, ValueType, Variation, limits};
use deserr::Deserr;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::error::{Error, Result};
use crate::input::{Faults, Reject};
use crate::projects::well_formed_key;
use crate::schema::Key;

pub use link::Link;

/// Longest tag, in characters.
pub(super) const TAG_LENGTH: usize = 60;
/// Most tags of a flag.
pub(super) const TAGS: usize = 50;
/// Stands for text that was refused, so that it is refused once.
const STAND_IN: &str = "refused";

/// What a flag is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Deserr, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = FlagKind)]
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
    /// Every kind.
    pub const ALL: [Self; 5] = [Self::Release, Self::Experiment, Self::Operational, Self::Permission, Self::Config];

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
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = FlagDefinition)]
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
    /// Where people read on.
    #[serde(default)]
    pub links: Vec<Link>,
}

/// A flag to be created.
#[derive(Clone, Debug, Deserr, ToSchema)]
#[deserr(error = Faults, deny_unknown_fields)]
#[serde(deny_unknown_fields)]
pub struct NewFlag {
    /// Unique in the project.
    #[schema(value_type = Key)]
    pub key: String,
    /// The type of its values.
    #[deserr(rename = "type")]
    #[schema(rename = "type", value_type = ValueType)]
    value_type: String,
    /// Served while the flag is off; the last variation unless given.
    #[deserr(default)]
    off_variation: Option<String>,
    /// What it is for; `release` unless given.
    #[deserr(default)]
    kind: Option<Kind>,
    /// For people; the key unless given.
    #[deserr(default)]
    #[schema(min_length = 1, max_length = 200)]
    name: Option<String>,
    /// For people.
    #[deserr(default)]
    #[schema(required = false, max_length = 10_000)]
    description: String,
    /// For people to find it by, each of 1 to 60 characters.
    #[deserr(default)]
    #[schema(required = false, max_items = 50, value_type = Vec<Tag>)]
    tags: Vec<String>,
    /// Who looks after it.
    #[deserr(default)]
    #[schema(required = false, max_length = 200)]
    owner: String,
    /// Whether client keys may evaluate it.
    #[deserr(default)]
    #[schema(required = false, default = false)]
    client_visible: bool,
    /// Its values, in order; `on` and `off` for a boolean flag that gives none.
    #[deserr(default)]
    #[schema(min_items = 1, max_items = 64)]
    variations: Option<Vec<VariationInput>>,
    /// Whatever the team wants to keep with it.
    #[deserr(default, try_from(Option<Value>) = members -> Reject)]
    #[schema(value_type = Option<HashMap<String, Value>>)]
    metadata: Map<String, Value>,
    /// Where people read on.
    #[deserr(default)]
    #[schema(required = false, max_items = 20)]
    links: Vec<Link>,
}

/// What may change of a flag: a merge patch of its definition, read as a whole.
#[derive(Clone, Debug, Deserr)]
#[deserr(error = Faults, deny_unknown_fields)]
pub struct DefinitionInput {
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
    variations: Vec<VariationInput>,
    #[deserr(default, try_from(Option<Value>) = members -> Reject)]
    metadata: Map<String, Value>,
    #[deserr(default)]
    links: Vec<Link>,
}

#[derive(Clone, Debug, Deserr, ToSchema)]
#[deserr(error = Faults, deny_unknown_fields)]
#[serde(deny_unknown_fields)]
#[schema(as = NewVariation)]
struct VariationInput {
    /// Unique in the flag; at most 100 bytes.
    #[schema(min_length = 1, max_length = 100)]
    name: String,
    /// Of the flag's type; at most 64 KiB of JSON.
    value: Value,
}

/// A tag of a flag.
#[derive(ToSchema)]
#[schema(min_length = 1, max_length = 60)]
#[expect(dead_code, reason = "only its schema is used")]
struct Tag(String);

fn type_named(name: &str, faults: &mut Vec<Fault>) -> Option<ValueType> {
    let known = ValueType::ALL.into_iter().find(|t| t.name() == name);
    if known.is_none() {
        let names = ValueType::ALL.map(ValueType::name).join(", ");
        faults.push(Fault::new("/type", format!("`{name}` is none of {names}")));
    }
    known
}

fn members(value: Option<Value>) -> Result<Map<String, Value>, Reject> {
    match value {
        None => Ok(Map::new()),
        Some(Value::Object(members)) => Ok(members),
        Some(_) => Err(Reject("is an object".to_owned())),
    }
}

impl NewFlag {
    /// As it came, if [`NewFlag::parts`] has nothing to say against it.
    ///
    /// # Errors
    /// As [`NewFlag::parts`].
    pub fn checked(self) -> Result<Self> {
        self.clone().parts()?;
        Ok(self)
    }

    /// The flag's type, definition and off variation.
    ///
    /// # Errors
    /// Every fault of the key, the type, texts, variations and their values.
    pub fn parts(self) -> Result<(ValueType, Definition, String)> {
        let mut faults = Vec::new();
        let key = well_formed_key(self.key).unwrap_or_else(|Reject(message)| {
            faults.push(Fault::new("/key", message));
            STAND_IN.to_owned()
        });
        let value_type = type_named(&self.value_type, &mut faults);
        let variations = match self.variations {
            Some(given) => variations(value_type, given, &mut faults),
            None if value_type == Some(ValueType::Boolean) => on_off(),
            None => {
                if value_type.is_some() {
                    faults.push(Fault::new("/variations", "is required but for a boolean flag"));
                }
                Vec::new()
            }
        };
        let off = self.off_variation.or_else(|| variations.last().map(|last| last.name.clone())).unwrap_or_default();
        // What one without a right name was meant to be is not known.
        let known = |variation: &Variation| variation.name == off || !is_variation_name(&variation.name);
        if !variations.is_empty() && !variations.iter().any(known) {
            faults.push(Fault::new("/off_variation", format!("the flag has no variation `{off}`")));
        }
        let definition = Definition {
            kind: self.kind.unwrap_or(Kind::Release),
            name: self.name.unwrap_or(key),
            description: self.description,
            tags: self.tags,
            owner: self.owner,
            client_visible: self.client_visible,
            variations,
            metadata: self.metadata,
            links: self.links,
        };
        definition.check(&mut faults);
        match value_type {
            Some(value_type) if faults.is_empty() => Ok((value_type, definition, off)),
            _ => Err(Error::Invalid(faults)),
        }
    }
}

impl DefinitionInput {
    /// The definition of a flag of type `of`, and every fault of texts, variations and their values.
    pub fn definition(self, of: ValueType) -> (Definition, Vec<Fault>) {
        let mut faults = Vec::new();
        for (pointer, missing) in [("/kind", self.kind.is_none()), ("/name", self.name.is_none())] {
            if missing {
                faults.push(Fault::new(pointer, "is required"));
            }
        }
        let definition = Definition {
            kind: self.kind.unwrap_or(Kind::Release),
            name: self.name.unwrap_or_else(|| STAND_IN.to_owned()),
            description: self.description,
            tags: self.tags,
            owner: self.owner,
            client_visible: self.client_visible,
            variations: variations(Some(of), self.variations, &mut faults),
            metadata: self.metadata,
            links: self.links,
        };
        definition.check(&mut faults);
        (definition, faults)
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
            text(format!("/tags/{index}"), tag, 1, TAG_LENGTH);
        }
        if self.tags.len() > TAGS {
            faults.push(Fault::new("/tags", format!("at most {TAGS} tags")));
        }
        faults.extend(link::faults(&self.links));
    }
}

/// Variations with values in the form of their type; of a type that is not known, as they came.
fn variations(of: Option<ValueType>, given: Vec<VariationInput>, faults: &mut Vec<Fault>) -> Vec<Variation> {
    let count = given.len();
    if count == 0 || count > limits::VARIATIONS {
        faults.push(Fault::new("/variations", format!("a flag has 1 to {} variations", limits::VARIATIONS)));
    }
    let mut seen = std::collections::HashSet::new();
    let mut variations = Vec::with_capacity(count);
    for (index, VariationInput { name, value }) in given.into_iter().enumerate() {
        if !is_variation_name(&name) {
            let message = format!("has 1 to {} bytes", limits::VARIATION_NAME_LENGTH);
            faults.push(Fault::new(format!("/variations/{index}/name"), message));
        } else if !seen.insert(name.clone()) {
            faults.push(Fault::new(format!("/variations/{index}/name"), format!("the name `{name}` is used twice")));
        }
        if value.to_string().len() > limits::VALUE_BYTES {
            let message = format!("is larger than {} bytes", limits::VALUE_BYTES);
            faults.push(Fault::new(format!("/variations/{index}/value"), message));
        }
        let value = match of {
            Some(of) => of.canonical(value).unwrap_or_else(|| {
                let message = format!("is not a value of type {}", of.name());
                faults.push(Fault::new(format!("/variations/{index}/value"), message));
                Value::Null
            }),
            None => value,
        };
        variations.push(Variation { name, value });
    }
    variations
}

fn is_variation_name(name: &str) -> bool {
    (1..=limits::VARIATION_NAME_LENGTH).contains(&name.len())
}

fn on_off() -> Vec<Variation> {
    let variation = |name: &str, value: bool| Variation { name: name.to_owned(), value: Value::Bool(value) };
    vec![variation("on", true), variation("off", false)]
}
