//! OpenFeature's values and JSON.

use open_feature::{StructValue, Value as Theirs};
use serde_json::Value;

/// What a JSON flag served as a structure, or why it is none, as the rest of a sentence about the flag.
pub(super) fn structure(value: Value) -> Result<StructValue, &'static str> {
    let Value::Object(members) = value else { return Err("serves JSON that is no object") };
    let mut fields = StructValue::default();
    for (name, value) in members {
        if !value.is_null() {
            fields.add_field(name, theirs(value)?);
        }
    }
    Ok(fields)
}

fn theirs(value: Value) -> Result<Theirs, &'static str> {
    Ok(match value {
        Value::Null => return Err("serves a null in a list, which OpenFeature does not have"),
        Value::Bool(value) => Theirs::Bool(value),
        // A whole number beyond an i64 is the nearest float.
        Value::Number(number) => number
            .as_i64()
            .map(Theirs::Int)
            .or_else(|| number.as_f64().map(Theirs::Float))
            .ok_or("serves a number that is too large")?,
        Value::String(value) => Theirs::String(value),
        Value::Array(elements) => Theirs::Array(elements.into_iter().map(theirs).collect::<Result<_, _>>()?),
        object @ Value::Object(_) => Theirs::Struct(structure(object)?),
    })
}

/// A value as JSON.
pub(super) fn json(value: &Theirs) -> Value {
    match value {
        Theirs::Bool(value) => Value::from(*value),
        Theirs::Int(value) => Value::from(*value),
        Theirs::Float(value) => Value::from(*value),
        Theirs::String(value) => Value::from(value.as_str()),
        Theirs::Array(elements) => elements.iter().map(json).collect(),
        Theirs::Struct(value) => value.fields.iter().map(|(name, value)| (name.clone(), json(value))).collect(),
    }
}
