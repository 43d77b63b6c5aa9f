use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::limits;

/// What kind of value a flag's variations hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ValueType {
    /// `true` or `false`.
    Boolean,
    /// Any text.
    String,
    /// A whole number within ±2^53.
    Integer,
    /// A finite number, always written with a decimal point.
    Float,
    /// Any JSON value.
    Json,
}

impl ValueType {
    /// Every type.
    pub const ALL: [Self; 5] = [Self::Boolean, Self::String, Self::Integer, Self::Float, Self::Json];

    /// The name as it stands in the API.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Boolean => "boolean",
            Self::String => "string",
            Self::Integer => "integer",
            Self::Float => "float",
            Self::Json => "json",
        }
    }

    /// `value` in this type's canonical form, or `None` when it is of another type.
    ///
    /// An integral float becomes an integer of an `integer` flag (2.0 → 2) and an integer a float of a `float` flag
    /// (5 → 5.0), so that every reader sees one form.
    #[must_use]
    pub fn canonical(self, value: Value) -> Option<Value> {
        match self {
            Self::Boolean => value.is_boolean().then_some(value),
            Self::String => value.is_string().then_some(value),
            Self::Json => Some(value),
            Self::Float => value.as_f64().filter(|f| f.is_finite()).map(Value::from),
            Self::Integer => {
                let whole = value.as_i64().or_else(|| {
                    let float = value.as_f64()?;
                    (float.fract() == 0.0 && float.abs() <= limits::INTEGER as f64).then_some(float as i64)
                })?;
                (whole.unsigned_abs() <= limits::INTEGER.unsigned_abs()).then(|| Value::from(whole))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_take_the_form_of_their_type() {
        let canonical = |t: ValueType, v| t.canonical(v).map(|v| v.to_string());
        assert_eq!(canonical(ValueType::Float, json!(5)).as_deref(), Some("5.0"));
        assert_eq!(canonical(ValueType::Integer, json!(2.0)).as_deref(), Some("2"));
        assert_eq!(canonical(ValueType::Integer, json!(2.5)), None);
        assert_eq!(canonical(ValueType::Integer, json!(9_007_199_254_740_993_i64)), None);
        assert_eq!(
            canonical(ValueType::Integer, json!(-9_007_199_254_740_992_i64)).as_deref(),
            Some("-9007199254740992")
        );
        assert_eq!(canonical(ValueType::Boolean, json!("true")), None);
        assert_eq!(canonical(ValueType::String, json!(1)), None);
        assert_eq!(canonical(ValueType::Json, json!(null)).as_deref(), Some("null"));
    }
}
