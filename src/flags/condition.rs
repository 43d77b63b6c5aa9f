//! Conditions of rules as they are sent: clauses, and groups of them.

use bellwether_core::{Clause, Condition, Fault, Operator, TARGETING_KEY};
use deserr::Deserr;
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
    all: Option<Vec<ConditionInput>>,
    #[deserr(default)]
    any: Option<Vec<ConditionInput>>,
    #[deserr(default)]
    none: Option<Vec<ConditionInput>>,
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
    /// The conditions as they are kept, and the faults of their form with pointers below `at`. What is at fault always
    /// holds, so that everything else can be checked where it is compiled.
    pub(super) fn conditions(all: Vec<Self>, at: &str, faults: &mut Vec<Fault>) -> Vec<Condition> {
        let all = all.into_iter().enumerate();
        all.map(|(index, input)| input.condition(&format!("{at}/{index}"), faults)).collect()
    }

    fn condition(self, at: &str, faults: &mut Vec<Fault>) -> Condition {
        let before = faults.len();
        let mut fault = |name: &str, message: &str| faults.push(Fault::new(format!("{at}{name}"), message));
        let of_clause = [
            ("/attribute", self.attribute.is_some()),
            ("/op", self.op.is_some()),
            ("/values", self.values.is_some()),
            ("/negate", self.negate.is_some()),
            ("/ignore_case", self.ignore_case.is_some()),
        ];
        let groups: [(_, _, Form); 3] = [
            ("all", self.all, Condition::All),
            ("any", self.any, Condition::Any),
            ("none", self.none, Condition::None),
        ];
        let mut groups = groups.into_iter().filter_map(|(name, group, form)| Some((name, group?, form)));
        if let Some((name, group, form)) = groups.next() {
            if groups.next().is_some() {
                fault("", "one of `all`, `any` and `none`: put one into another");
                return stand_in();
            }
            for (member, _) in of_clause.into_iter().filter(|(_, given)| *given) {
                fault(member, "does not go with a group of clauses");
            }
            return form(Self::conditions(group, &format!("{at}/{name}"), faults));
        }
        for (member, _) in of_clause.into_iter().take(2).filter(|(_, given)| !given) {
            fault(member, "is required");
        }
        let op = self.op.as_deref().map(operator);
        if let Some(Err(message)) = &op {
            fault("/op", message);
        }
        match (self.attribute, op) {
            (Some(attribute), Some(Ok(op))) if faults.len() == before => Condition::Clause(Clause {
                attribute,
                op,
                values: self.values.unwrap_or_default(),
                negate: self.negate.unwrap_or_default(),
                ignore_case: self.ignore_case.unwrap_or_default(),
            }),
            _ => stand_in(),
        }
    }
}

/// Makes a group of its parts.
type Form = fn(Vec<Condition>) -> Condition;

/// In place of what is at fault.
fn stand_in() -> Condition {
    let (attribute, op) = (TARGETING_KEY.to_owned(), Operator::Exists);
    Condition::Clause(Clause { attribute, op, values: Vec::new(), negate: false, ignore_case: false })
}
