use serde::{Deserialize, Serialize};
use serde_json::{Number, Value};

use crate::{Context, Fault, limits};

/// One condition on one attribute; its values are alternatives.
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
    /// Strings are compared in lower case.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ignore_case: bool,
}

/// How a clause compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Operator {
    /// The attribute is there and not null.
    Exists,
    /// Equals one of the values, of any type.
    In,
    /// A string that begins with one of the values.
    StartsWith,
    /// A string that contains one of the values.
    Contains,
    /// A number equal to one of the values.
    Eq,
    /// A number less than one of the values.
    Lt,
    /// A number greater than or equal to one of the values.
    Gte,
}

impl Operator {
    /// Every operator by its name in the API.
    pub const ALL: [(&'static str, Self); 7] = [
        ("exists", Self::Exists),
        ("in", Self::In),
        ("starts_with", Self::StartsWith),
        ("contains", Self::Contains),
        ("eq", Self::Eq),
        ("lt", Self::Lt),
        ("gte", Self::Gte),
    ];

    fn operand(self) -> Operand {
        match self {
            Self::Exists => Operand::Nothing,
            Self::In => Operand::Scalar,
            Self::StartsWith | Self::Contains => Operand::Text,
            Self::Eq | Self::Lt | Self::Gte => Operand::Number,
        }
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Operand {
    Nothing,
    Scalar,
    Text,
    Number,
}

impl Operand {
    fn admits(self, value: &Value) -> bool {
        match self {
            Self::Nothing => false,
            Self::Scalar => value.is_string() || value.is_number() || value.is_boolean(),
            Self::Text => value.is_string(),
            Self::Number => value.is_number(),
        }
    }

    fn wants(self) -> &'static str {
        match self {
            Self::Nothing => "no values",
            Self::Scalar => "strings, numbers or booleans",
            Self::Text => "strings",
            Self::Number => "numbers",
        }
    }
}

impl Clause {
    /// Everything wrong with the clause, with pointers relative to it.
    pub(crate) fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        if self.attribute.is_empty() || self.attribute.len() > limits::ATTRIBUTE_LENGTH {
            let message = format!("an attribute's name has 1 to {} bytes", limits::ATTRIBUTE_LENGTH);
            faults.push(Fault::new("/attribute", message));
        }
        let operand = self.op.operand();
        if operand == Operand::Nothing && !self.values.is_empty() {
            faults.push(Fault::new("/values", "`exists` takes no values"));
            return faults;
        }
        if operand != Operand::Nothing && self.values.is_empty() {
            faults.push(Fault::new("/values", "at least one value is needed"));
        }
        if self.values.len() > limits::CLAUSE_VALUES {
            let message = format!("at most {} values; use a segment for more", limits::CLAUSE_VALUES);
            faults.push(Fault::new("/values", message));
        }
        for (index, value) in self.values.iter().enumerate() {
            if !operand.admits(value) {
                let message = format!("this operator compares with {}", operand.wants());
                faults.push(Fault::new(format!("/values/{index}"), message));
            }
        }
        faults
    }

    /// The clause with what can be done once already done.
    pub(crate) fn prepared(mut self) -> Self {
        if self.ignore_case {
            for value in &mut self.values {
                if let Value::String(text) = value {
                    *text = text.to_lowercase();
                }
            }
        }
        self
    }

    /// Whether the context satisfies this (prepared) clause.
    pub(crate) fn matches(&self, context: &Context) -> bool {
        let found = context.get(&self.attribute);
        if self.op == Operator::Exists {
            return found.is_some() != self.negate;
        }
        let Some(found) = found else { return false };
        let outcome = match found {
            // Any element will do; elements of another type say nothing.
            Value::Array(elements) => {
                elements.iter().filter_map(|element| self.compare(element)).reduce(|any, one| any || one)
            }
            single => self.compare(single),
        };
        outcome.is_some_and(|matched| matched != self.negate)
    }

    /// `None` when the attribute's type is not one this operator compares: no match, negated or not.
    fn compare(&self, found: &Value) -> Option<bool> {
        if !self.op.operand().admits(found) {
            return None;
        }
        match found {
            Value::String(text) if self.ignore_case => Some(self.compare_text(&text.to_lowercase())),
            Value::String(text) => Some(self.compare_text(text)),
            Value::Number(number) => Some(self.values.iter().any(|value| match value {
                Value::Number(limit) => self.compare_number(number, limit),
                _ => false,
            })),
            other => Some(self.values.contains(other)),
        }
    }

    fn compare_text(&self, text: &str) -> bool {
        self.values.iter().filter_map(Value::as_str).any(|value| match self.op {
            Operator::StartsWith => text.starts_with(value),
            Operator::Contains => text.contains(value),
            _ => text == value,
        })
    }

    fn compare_number(&self, found: &Number, value: &Number) -> bool {
        use std::cmp::Ordering::{Equal, Less};
        let order = match (found.as_i64(), value.as_i64()) {
            (Some(a), Some(b)) => Some(a.cmp(&b)),
            _ => found.as_f64().zip(value.as_f64()).and_then(|(a, b)| a.partial_cmp(&b)),
        };
        match self.op {
            Operator::Lt => order == Some(Less),
            Operator::Gte => order.is_some_and(|o| o != Less),
            _ => order == Some(Equal),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn matches(clause: Value, context: Value) -> bool {
        let clause: Clause = serde_json::from_value(clause).unwrap();
        assert_eq!(clause.faults(), []);
        let context: Context = serde_json::from_value(context).unwrap();
        clause.prepared().matches(&context)
    }

    #[test]
    fn operators() {
        for (op, values, attribute, expected) in [
            ("in", json!(["NO", "SE"]), json!("SE"), true),
            ("in", json!(["NO", "SE"]), json!("se"), false),
            ("in", json!([42]), json!(42.0), true),
            ("in", json!(["42"]), json!(42), false),
            ("in", json!([true]), json!(true), true),
            ("in", json!(["b"]), json!(["a", "b"]), true),
            ("in", json!(["b"]), json!([]), false),
            ("starts_with", json!(["x-", "y-"]), json!("y-1"), true),
            ("starts_with", json!([""]), json!("anything"), true),
            ("contains", json!(["@example."]), json!("a@example.com"), true),
            ("contains", json!(["b"]), json!(["abc", 3]), true),
            ("contains", json!(["3"]), json!(3), false),
            ("eq", json!([1, 2]), json!(2.0), true),
            ("eq", json!([9_007_199_254_740_993_i64]), json!(9_007_199_254_740_992_i64), false),
            ("lt", json!([10]), json!(9.99), true),
            ("lt", json!([10]), json!(10), false),
            ("lt", json!([10]), json!("9"), false),
            ("gte", json!([10]), json!(10), true),
            ("gte", json!([10]), json!([3, 11]), true),
        ] {
            let clause = json!({"attribute": "a", "op": op, "values": values});
            assert_eq!(matches(clause, json!({"a": attribute})), expected, "{op} {values} on {attribute}");
        }
    }

    #[test]
    fn absence_never_matches_but_for_exists() {
        for context in [json!({}), json!({"a": null})] {
            for negate in [false, true] {
                let clause = json!({"attribute": "a", "op": "in", "values": ["x"], "negate": negate});
                assert!(!matches(clause, context.clone()));
                let exists = json!({"attribute": "a", "op": "exists", "negate": negate});
                assert_eq!(matches(exists, context.clone()), negate);
            }
        }
    }

    #[test]
    fn negation_does_not_turn_another_type_into_a_match() {
        let clause = json!({"attribute": "a", "op": "lt", "values": [5], "negate": true});
        assert!(!matches(clause.clone(), json!({"a": "text"})));
        assert!(!matches(clause.clone(), json!({"a": {"b": 1}})));
        assert!(matches(clause, json!({"a": 5})));
        let clause = json!({"attribute": "a", "op": "in", "values": ["x"], "negate": true});
        assert!(matches(clause.clone(), json!({"a": 3})));
        assert!(!matches(clause, json!({"a": ["y", "x"]})));
    }

    #[test]
    fn case_is_ignored_on_request() {
        let clause = json!({"attribute": "a", "op": "in", "values": ["ÅSE"], "ignore_case": true});
        assert!(matches(clause, json!({"a": "åse"})));
    }

    #[test]
    fn each_fault_is_named() {
        let faults = |v| serde_json::from_value::<Clause>(v).unwrap().faults();
        let found = faults(json!({"attribute": "", "op": "lt", "values": [1, "2", null]}));
        let pointers: Vec<_> = found.iter().map(|f| f.pointer.as_str()).collect();
        assert_eq!(pointers, ["/attribute", "/values/1", "/values/2"]);
        assert_eq!(faults(json!({"attribute": "a", "op": "in"})).len(), 1);
        assert_eq!(faults(json!({"attribute": "a", "op": "exists", "values": [1]})).len(), 1);
    }
}
