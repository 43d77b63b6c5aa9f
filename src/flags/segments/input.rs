//! Segments as they are sent.

use bellwether_core::{Fault, Keys, Segment, SegmentEntry, SegmentRule};
use deserr::Deserr;
use rand::distr::{Alphanumeric, SampleString as _};
use utoipa::ToSchema;

use super::lists::{ListChange, rising, too_much, wrong};
use super::service::Edit;
use crate::flags::condition::{ConditionInput, ConditionShape};
use crate::input::{Faults, Reject, add};
use crate::projects::well_formed_key;

/// Longest name, in characters.
const NAME: usize = 200;
/// Longest description, in characters.
const DESCRIPTION: usize = 10_000;

/// A segment to be created.
#[derive(Clone, Debug, Deserr, ToSchema)]
#[deserr(error = Faults, deny_unknown_fields)]
#[serde(deny_unknown_fields)]
pub struct NewSegment {
    /// Unique in the project.
    #[schema(value_type = crate::schema::Key)]
    key: String,
    /// The key unless given.
    #[deserr(default)]
    #[schema(min_length = 1, max_length = 200)]
    name: Option<String>,
    /// For people.
    #[deserr(default)]
    #[schema(required = false, max_length = 10_000)]
    description: String,
    /// Who belongs to it.
    #[deserr(default)]
    #[schema(required = false, value_type = Vec<UserKey>)]
    included: Vec<String>,
    /// Who does not, whatever else is said.
    #[deserr(default)]
    #[schema(required = false, value_type = Vec<UserKey>)]
    excluded: Vec<String>,
    /// Whom any of these matches belongs to it as well.
    #[deserr(default)]
    #[schema(required = false, max_items = 100, value_type = Vec<RuleShape>)]
    rules: Vec<RuleInput>,
}

/// A whole segment. Lists of keys that are left out stay as they are.
#[derive(Clone, Debug, Deserr, ToSchema)]
#[deserr(error = Faults, deny_unknown_fields)]
#[serde(deny_unknown_fields)]
pub struct SegmentInput {
    /// For people.
    #[schema(min_length = 1, max_length = 200)]
    name: String,
    /// For people.
    #[deserr(default)]
    #[schema(required = false, max_length = 10_000)]
    description: String,
    /// Who belongs to it.
    #[deserr(default)]
    #[schema(nullable = false, value_type = Option<Vec<UserKey>>)]
    included: Option<Vec<String>>,
    /// Who does not, whatever else is said.
    #[deserr(default)]
    #[schema(nullable = false, value_type = Option<Vec<UserKey>>)]
    excluded: Option<Vec<String>>,
    /// Whom any of these matches belongs to it as well.
    #[schema(max_items = 100, value_type = Vec<RuleShape>)]
    rules: Vec<RuleInput>,
}

#[derive(Clone, Debug, Deserr)]
#[deserr(error = Faults, deny_unknown_fields)]
struct RuleInput {
    #[deserr(default)]
    id: Option<String>,
    #[deserr(default)]
    description: String,
    clauses: Vec<ConditionInput>,
}

/// Matches when all its clauses do.
#[derive(ToSchema)]
#[schema(as = SegmentRule)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only its schema is used")]
pub(super) struct RuleShape {
    /// Unique in the segment; drawn unless given.
    #[schema(value_type = crate::schema::Key, required = false)]
    id: (),
    /// For people.
    #[schema(required = false)]
    description: String,
    /// All must match.
    #[schema(min_items = 1, max_items = 100)]
    clauses: Vec<ConditionShape>,
}

/// A targeting key: 1 to 1,000 bytes without an end of line.
#[derive(ToSchema)]
#[schema(min_length = 1, max_length = 1_000, pattern = r"^[^\r\n]+$")]
#[expect(dead_code, reason = "only its schema is used")]
struct UserKey(String);

impl NewSegment {
    /// The key and what the segment shall be, and every fault of the key, the texts, the keys and the rules by
    /// themselves.
    pub(super) fn edit(self) -> ((String, Edit), Vec<Fault>) {
        let mut faults = Vec::new();
        if let Err(Reject(message)) = well_formed_key(self.key.clone()) {
            faults.push(Fault::new("/key", message));
        }
        let name = self.name.unwrap_or_else(|| self.key.clone());
        let edit = Edit {
            included: keys(Some(self.included), "/included", &mut faults),
            excluded: keys(Some(self.excluded), "/excluded", &mut faults),
            rules: Some(rules(self.rules, &mut faults)),
            ..text(name, self.description, "segment.create", &mut faults)
        };
        ((self.key, edit), faults)
    }
}

impl SegmentInput {
    /// What the segment shall be, and every fault of the texts, the keys and the rules by themselves.
    pub(super) fn edit(self) -> (Edit, Vec<Fault>) {
        let mut faults = Vec::new();
        let edit = Edit {
            included: keys(self.included, "/included", &mut faults),
            excluded: keys(self.excluded, "/excluded", &mut faults),
            rules: Some(rules(self.rules, &mut faults)),
            ..text(self.name, self.description, "segment.update", &mut faults)
        };
        (edit, faults)
    }
}

fn text(name: String, description: String, action: &'static str, faults: &mut Vec<Fault>) -> Edit {
    if !(1..=NAME).contains(&name.chars().count()) {
        faults.push(Fault::new("/name", format!("has 1 to {NAME} characters")));
    }
    if description.chars().count() > DESCRIPTION {
        faults.push(Fault::new("/description", format!("has at most {DESCRIPTION} characters")));
    }
    Edit { name: Some(name), description: Some(description), ..Edit::of(action) }
}

fn rules(input: Vec<RuleInput>, faults: &mut Vec<Fault>) -> Vec<SegmentRule> {
    let drawn = || format!("r{}", Alphanumeric.sample_string(&mut rand::rng(), 8));
    let rule = |(at, rule): (usize, RuleInput)| SegmentRule {
        id: rule.id.unwrap_or_else(drawn),
        description: rule.description,
        clauses: ConditionInput::conditions(rule.clauses, &format!("/rules/{at}/clauses"), faults),
    };
    let rules: Vec<_> = input.into_iter().enumerate().map(rule).collect();
    let alone =
        Segment { key: "x".to_owned(), version: 1, rules, included: Keys::default(), excluded: Keys::default() };
    if let Err(found) = SegmentEntry::of(alone.clone()) {
        add(faults, found);
    }
    alone.rules
}

fn keys(given: Option<Vec<String>>, pointer: &str, faults: &mut Vec<Fault>) -> Option<ListChange> {
    let given = given?;
    let found = given.iter().enumerate();
    faults.extend(found.filter_map(|(at, key)| Some(Fault::new(format!("{pointer}/{at}"), wrong(key)?))));
    let keys = rising(given.iter().map(String::as_str).collect::<Keys>());
    faults.extend(too_much(&keys, pointer));
    Some(ListChange::Replace(keys))
}
