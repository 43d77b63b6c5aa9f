//! Conditions of rules as they are sent: clauses, and groups of them.

use bellwether_core::{Clause, Condition, Fault, Operator};
use deserr::{Deserr, ValuePointerRef};
use serde_json::Value;
use utoipa::ToSchema;

use crate::input::{Faults, Reject, pointer};

/// A clause or a group: every member that either may have.
#[derive(Clone, Debug, Deserr)]
#[deserr(error = Faults, deny_unknown_fields, validate = one_form -> Faults)]
pub(super) struct ConditionInput {
    #[deserr(default)]
    attribute: Option<String>,
    #[deserr(default, try_from(Option<String>) = operator -> Reject)]
    op: Option<Operator>,
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

fn operator(name: Option<String>) -> Result<Option<Operator>, Reject> {
    let Some(name) = name else { return Ok(None) };
    let known = Operator::ALL.into_iter().find(|operator| operator.name() == name);
    let names = || Operator::ALL.map(Operator::name).join(", ");
    known.map(Some).ok_or_else(|| Reject(format!("`{name}` is none of {}", names())))
}

/// Either the members of a clause or one group.
fn one_form(input: ConditionInput, location: ValuePointerRef<'_>) -> Result<ConditionInput, Faults> {
    let groups = [input.all.is_some(), input.any.is_some(), input.none.is_some()];
    let groups = groups.into_iter().filter(|given| *given).count();
    let of_clause = [
        ("attribute", input.attribute.is_some()),
        ("op", input.op.is_some()),
        ("values", input.values.is_some()),
        ("negate", input.negate.is_some()),
        ("ignore_case", input.ignore_case.is_some()),
    ];
    let at = pointer(location);
    let faults: Vec<_> = match groups {
        0 => {
            let required = of_clause.into_iter().take(2).filter(|(_, given)| !given);
            required.map(|(name, _)| Fault::new(format!("{at}/{name}"), "is required")).collect()
        }
        1 => {
            let strange = of_clause.into_iter().filter(|(_, given)| *given);
            strange.map(|(name, _)| Fault::new(format!("{at}/{name}"), "does not go with a group of clauses")).collect()
        }
        _ => vec![Fault::new(at, "one of `all`, `any` and `none`: put one into another")],
    };
    if faults.is_empty() { Ok(input) } else { Err(Faults(faults)) }
}

impl ConditionInput {
    /// The conditions as they are kept.
    pub(super) fn conditions(all: Vec<Self>) -> Vec<Condition> {
        all.into_iter().filter_map(Self::condition).collect()
    }

    fn condition(self) -> Option<Condition> {
        let groups = [
            (self.all, Condition::All as fn(Vec<Condition>) -> Condition),
            (self.any, Condition::Any),
            (self.none, Condition::None),
        ];
        if let Some((group, form)) = groups.into_iter().find_map(|(group, form)| Some((group?, form))) {
            return Some(form(Self::conditions(group)));
        }
        Some(Condition::Clause(Clause {
            attribute: self.attribute?,
            op: self.op?,
            values: self.values.unwrap_or_default(),
            negate: self.negate.unwrap_or_default(),
            ignore_case: self.ignore_case.unwrap_or_default(),
        }))
    }
}
