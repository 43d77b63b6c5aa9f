//! Conditions of rules as they are sent: clauses, and groups of them.

use bellwether_core::{Clause, Condition, Fault, Keys, Operator, Segment, SegmentEntry, SegmentRule, TARGETING_KEY};
use deserr::{Deserr, IntoValue, ValuePointerRef};
use serde_json::Value;
use utoipa::ToSchema;

use crate::input::Faults;

/// A clause or a group: every member that either may have.
#[derive(Clone, Debug, Deserr)]
#[deserr(error = Faults, deny_unknown_fields)]
pub(super) struct ConditionInput {
    #[deserr(default)]
    attribute: Option<String>,
    #[deserr(default)]
    op: Option<String>,
    #[deserr(default)]
    values: Option<Vec<Value>>,
    #[deserr(default)]
    negate: Option<bool>,
    #[deserr(default)]
    ignore_case: Option<bool>,
    #[deserr(default)]
    all: GroupInput,
    #[deserr(default)]
    any: GroupInput,
    #[deserr(default)]
    none: GroupInput,
}

/// The clauses of a group, if it is one. Null is no group, and is refused: else nobody could tell what was meant.
#[derive(Clone, Debug, Default)]
struct GroupInput(Option<Vec<ConditionInput>>);

impl Deserr<Faults> for GroupInput {
    fn deserialize_from_value<V: IntoValue>(
        value: deserr::Value<V>,
        location: ValuePointerRef<'_>,
    ) -> Result<Self, Faults> {
        Vec::deserialize_from_value(value, location).map(Some).map(Self)
    }
}

/// What stands wherever a clause may.
#[derive(ToSchema)]
#[schema(as = Condition)]
#[serde(untagged)]
#[expect(dead_code, reason = "only its schema is used")]
pub(super) enum ConditionShape {
    /// A clause.
    Clause(ClauseShape),
    /// A group of 1 to 100, nested to a depth of 8.
    Group(GroupShape),
}

/// Clauses taken together.
#[derive(ToSchema)]
#[schema(as = Group)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[expect(dead_code, reason = "only its schema is used")]
pub(super) enum GroupShape {
    /// Holds when all of them do.
    #[schema(no_recursion)]
    All(Vec<ConditionShape>),
    /// Holds when any of them does.
    #[schema(no_recursion)]
    Any(Vec<ConditionShape>),
    /// Holds when none of them does.
    #[schema(no_recursion)]
    None(Vec<ConditionShape>),
}

/// A comparison of one attribute.
#[derive(ToSchema)]
#[schema(as = Clause)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only its schema is used")]
pub(super) struct ClauseShape {
    /// A plain name, or a JSON Pointer when it starts with `/`.
    #[schema(min_length = 1, max_length = 200)]
    attribute: String,
    /// How it is compared.
    op: Operator,
    /// What it is compared with. None for `exists`.
    #[schema(required = false, max_items = 10_000)]
    values: Vec<Value>,
    /// Matches when it otherwise would not.
    #[schema(required = false, default = false)]
    negate: bool,
    /// Strings are compared in lower case.
    #[schema(required = false, default = false)]
    ignore_case: bool,
}

fn operator(name: &str) -> Result<Operator, String> {
    let known = Operator::ALL.into_iter().find(|operator| operator.name() == name);
    known.ok_or_else(|| format!("`{name}` is none of {}", Operator::ALL.map(Operator::name).join(", ")))
}

impl ConditionInput {
    /// The conditions as they are kept, and the faults of their form with pointers below `at`. Something else stands for
    /// what is at fault, so that everything else can be checked where it is compiled.
    pub(super) fn conditions(all: Vec<Self>, at: &str, faults: &mut Vec<Fault>) -> Vec<Condition> {
        let all = all.into_iter().enumerate();
        all.map(|(index, input)| input.condition(&format!("{at}/{index}"), faults)).collect()
    }

    fn condition(self, at: &str, faults: &mut Vec<Fault>) -> Condition {
        let mut fault = |name: &str, message: &str| faults.push(Fault::new(format!("{at}{name}"), message));
        let of_clause = [
            ("/attribute", self.attribute.is_some()),
            ("/op", self.op.is_some()),
            ("/values", self.values.is_some()),
            ("/negate", self.negate.is_some()),
            ("/ignore_case", self.ignore_case.is_some()),
        ];
        let groups: [(_, _, Form); 3] = [
            ("all", self.all.0, Condition::All),
            ("any", self.any.0, Condition::Any),
            ("none", self.none.0, Condition::None),
        ];
        let groups: Vec<_> = groups.into_iter().filter_map(|(name, group, form)| Some((name, group?, form))).collect();
        if !groups.is_empty() {
            if groups.len() > 1 {
                fault("", "one of `all`, `any` and `none`: put one into another");
            }
            for (member, _) in of_clause.into_iter().filter(|(_, given)| *given) {
                fault(member, "does not go with a group of clauses");
            }
            let mut all = groups.into_iter().map(|(name, group, form)| {
                let group = Self::conditions(group, &format!("{at}/{name}"), faults);
                form(group)
            });
            let first = all.next().unwrap_or_else(stand_in);
            // Whichever is meant, it has to be right.
            let others: Vec<_> = all.collect();
            faults.extend(others.into_iter().flat_map(|other| faults_of(other, at)));
            return first;
        }
        for (member, _) in of_clause.into_iter().take(2).filter(|(_, given)| !given) {
            fault(member, "is required");
        }
        let op = self.op.as_deref().map(operator);
        if let Some(Err(message)) = &op {
            fault("/op", message);
        }
        let values = self.values.unwrap_or_default();
        let (op, values) = match op {
            Some(Ok(op)) => (op, values),
            // What it compares with is not known then, only with how much.
            _ => (Operator::AnyOf, vec![Value::Bool(true); values.len().max(1)]),
        };
        Condition::Clause(Clause {
            attribute: self.attribute.unwrap_or_else(|| TARGETING_KEY.to_owned()),
            op,
            values,
            negate: self.negate.unwrap_or_default(),
            ignore_case: self.ignore_case.unwrap_or_default(),
        })
    }
}

/// What is wrong with a condition that stands at `at` but for what it names.
fn faults_of(condition: Condition, at: &str) -> Vec<Fault> {
    let rule = SegmentRule { id: "x".to_owned(), description: String::new(), clauses: vec![condition] };
    let (included, excluded) = (Keys::default(), Keys::default());
    let alone = Segment { key: "x".to_owned(), version: 1, included, excluded, rules: vec![rule] };
    let found = SegmentEntry::of(alone).err().unwrap_or_default().into_iter();
    found
        .filter_map(|fault| {
            Some(Fault::new(fault.pointer.strip_prefix("/rules/0/clauses/0")?, fault.message).under(at))
        })
        .collect()
}

/// Makes a group of its parts.
type Form = fn(Vec<Condition>) -> Condition;

/// In place of what is at fault.
fn stand_in() -> Condition {
    let (attribute, op) = (TARGETING_KEY.to_owned(), Operator::Exists);
    Condition::Clause(Clause { attribute, op, values: Vec::new(), negate: false, ignore_case: false })
}
