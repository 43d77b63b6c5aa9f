use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Operator;

/// One condition on one attribute.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema), schema(as = ServedClause))]
pub struct Clause {
    /// A plain name, or a JSON Pointer when it starts with `/`.
    pub attribute: String,
    /// How the attribute is compared.
    pub op: Operator,
    /// What it is compared with. None for `exists`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<Value>,
    /// Matches when it otherwise would not. A missing attribute still never matches, `exists` aside.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub negate: bool,
    /// Strings are compared in lower case, character by character.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ignore_case: bool,
}

/// What stands wherever a clause may: a clause, or a group of such.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", try_from = "Members")]
pub enum Condition {
    /// Holds when all of them do.
    All(Vec<Condition>),
    /// Holds when any of them does.
    Any(Vec<Condition>),
    /// Holds when none of them does.
    None(Vec<Condition>),
    /// Holds when it matches.
    #[serde(untagged)]
    Clause(Clause),
}

/// The schema of a [`Condition`], whose one untagged variant its derivation does not know.
#[cfg(feature = "schema")]
mod shape {
    use std::borrow::Cow;

    use utoipa::openapi::RefOr;
    use utoipa::openapi::schema::Schema;
    use utoipa::{PartialSchema, ToSchema};

    use super::{Clause, Condition};

    /// What stands wherever a clause may.
    #[derive(ToSchema)]
    #[schema(as = ServedCondition)]
    #[serde(untagged)]
    #[expect(dead_code, reason = "only its schema is used")]
    enum ConditionShape {
        /// A clause.
        Clause(Clause),
        /// Clauses taken together.
        Group(GroupShape),
    }

    /// Clauses taken together.
    #[derive(ToSchema)]
    #[schema(as = ServedGroup)]
    #[serde(rename_all = "snake_case")]
    #[expect(dead_code, reason = "only its schema is used")]
    enum GroupShape {
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

    impl PartialSchema for Condition {
        fn schema() -> RefOr<Schema> {
            ConditionShape::schema()
        }
    }

    impl ToSchema for Condition {
        fn name() -> Cow<'static, str> {
            ConditionShape::name()
        }

        fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
            ConditionShape::schemas(schemas);
        }
    }
}

/// Every member that a condition of any form may have: read without looking ahead.
#[derive(Deserialize)]
struct Members {
    attribute: Option<String>,
    op: Option<Operator>,
    #[serde(default)]
    values: Vec<Value>,
    #[serde(default)]
    negate: bool,
    #[serde(default)]
    ignore_case: bool,
    all: Option<Vec<Condition>>,
    any: Option<Vec<Condition>>,
    none: Option<Vec<Condition>>,
}

impl TryFrom<Members> for Condition {
    type Error = &'static str;

    fn try_from(members: Members) -> Result<Self, Self::Error> {
        let Members { attribute, op, values, negate, ignore_case, all, any, none } = members;
        match (attribute, op, all, any, none) {
            (Some(attribute), Some(op), None, None, None) => {
                Ok(Self::Clause(Clause { attribute, op, values, negate, ignore_case }))
            }
            (None, None, Some(all), None, None) => Ok(Self::All(all)),
            (None, None, None, Some(any), None) => Ok(Self::Any(any)),
            (None, None, None, None, Some(none)) => Ok(Self::None(none)),
            _ => Err("a condition is a clause with `attribute` and `op`, or one of `all`, `any` and `none`"),
        }
    }
}

impl Condition {
    /// The conditions of a group; none for a clause.
    #[must_use]
    pub fn group(&self) -> Option<&[Self]> {
        match self {
            Self::All(group) | Self::Any(group) | Self::None(group) => Some(group),
            Self::Clause(_) => None,
        }
    }

    /// The segments that it names.
    pub fn segments(&self) -> impl Iterator<Item = &str> {
        let references = self.clauses().into_iter().filter(|clause| clause.op == Operator::InSegment);
        references.flat_map(|clause| clause.values.iter().filter_map(Value::as_str))
    }

    /// Every clause in it, groups opened.
    pub fn clauses(&self) -> Vec<&Clause> {
        let mut found = Vec::new();
        let mut open = vec![self];
        while let Some(condition) = open.pop() {
            match condition {
                Self::Clause(clause) => found.push(clause),
                Self::All(group) | Self::Any(group) | Self::None(group) => open.extend(group.iter().rev()),
            }
        }
        found
    }
}

impl From<Clause> for Condition {
    fn from(clause: Clause) -> Self {
        Self::Clause(clause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn groups_stand_wherever_a_clause_may() {
        let text = json!({"any": [
            {"attribute": "a", "op": "exists"},
            {"none": [{"all": [{"attribute": "b", "op": "in", "values": [1], "negate": true}]}]},
        ]});
        let condition: Condition = serde_json::from_value(text.clone()).unwrap();
        assert_eq!(serde_json::to_value(&condition).unwrap(), text);
        let attributes: Vec<_> = condition.clauses().into_iter().map(|clause| clause.attribute.as_str()).collect();
        assert_eq!(attributes, ["a", "b"]);
        for neither in [
            json!({}),
            json!({"all": [], "any": []}),
            json!({"attribute": "a"}),
            json!({"attribute": "a", "op": "in", "all": []}),
            json!({"attribute": "a", "op": "near"}),
        ] {
            assert!(serde_json::from_value::<Condition>(neither.clone()).is_err(), "{neither}");
        }
    }
}
