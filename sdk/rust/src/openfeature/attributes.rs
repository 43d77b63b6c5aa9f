//! OpenFeature's context as ours.

use std::sync::Once;

use bellwether_core::{Context, TARGETING_KEY};
use chrono::{DateTime, SecondsFormat};
use open_feature::{EvaluationContext, EvaluationContextFieldValue as Field, StructValue, Value as Theirs};
use serde_json::{Map, Value};

use super::values::json;

/// Every attribute that can be read. The targeting key has its own place there, which counts before a field of that name.
pub(super) fn context(from: &EvaluationContext) -> Context {
    let mut attributes = Map::new();
    for (name, field) in &from.custom_fields {
        match attribute(field) {
            Some(value) => drop(attributes.insert(name.clone(), value)),
            None => unreadable(name),
        }
    }
    if let Some(key) = &from.targeting_key {
        attributes.insert(TARGETING_KEY.to_owned(), Value::from(key.as_str()));
    }
    attributes.into()
}

fn attribute(field: &Field) -> Option<Value> {
    match field {
        Field::Bool(value) => Some(Value::from(*value)),
        Field::Int(value) => Some(Value::from(*value)),
        // Infinite, or no number: null, which is the same as absence.
        Field::Float(value) => Some(Value::from(*value)),
        Field::String(value) => Some(Value::from(value.as_str())),
        Field::DateTime(time) => {
            let time = DateTime::from_timestamp(time.unix_timestamp(), time.nanosecond())?;
            Some(Value::from(time.to_rfc3339_opts(SecondsFormat::AutoSi, true)))
        }
        Field::Struct(any) => {
            if let Some(value) = any.downcast_ref::<StructValue>() {
                Some(json(&Theirs::Struct(value.clone())))
            } else if let Some(value) = any.downcast_ref::<Theirs>() {
                Some(json(value))
            } else if let Some(value) = any.downcast_ref::<Value>() {
                Some(value.clone())
            } else {
                any.downcast_ref::<Map<String, Value>>().cloned().map(Value::Object)
            }
        }
    }
}

/// Says it once: the next evaluation has the same field.
fn unreadable(name: &str) {
    static SAID: Once = Once::new();
    SAID.call_once(|| {
        tracing::warn!(field = name, "a structure in an evaluation context is of a type that flags can't look into");
    });
}
