//! Reading a JSON document into a type, naming every fault at once with its JSON Pointer.

use std::ops::ControlFlow;

use bellwether_core::Fault;
use deserr::{DeserializeError, Deserr, ErrorKind, IntoValue, MergeWithError, ValueKind, ValuePointerRef};
use serde_json::Value;

use crate::error::{Error, Result};

/// All that is wrong with a document.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Faults(pub Vec<Fault>);

/// What is wrong with one value, where the place is known to the reader.
#[derive(Debug)]
pub struct Reject(pub String);

/// Reads `document` as a `T`.
///
/// # Errors
/// [`Error::Invalid`] with unknown members, missing members, wrong types and whatever the types themselves refuse.
pub fn read<T: Deserr<Faults>>(document: Value) -> Result<T> {
    deserr::deserialize::<T, _, Faults>(document).map_err(|faults| Error::Invalid(faults.0))
}

impl DeserializeError for Faults {
    fn error<V: IntoValue>(
        faults: Option<Self>,
        error: ErrorKind<'_, V>,
        location: ValuePointerRef<'_>,
    ) -> ControlFlow<Self, Self> {
        let mut faults = faults.unwrap_or_default();
        let mut pointer = pointer(location);
        let message = match error {
            ErrorKind::MissingField { field } => {
                push(&mut pointer, field);
                "is required".to_owned()
            }
            ErrorKind::UnknownKey { key, accepted } => {
                push(&mut pointer, key);
                format!("is not known here; known are {}", accepted.join(", "))
            }
            ErrorKind::UnknownValue { value, accepted } => {
                format!("`{value}` is none of {}", accepted.join(", "))
            }
            ErrorKind::IncorrectValueKind { actual, accepted } => {
                format!("is {}, expected {}", kind(actual.kind()), kinds(accepted))
            }
            ErrorKind::BadSequenceLen { expected, .. } => format!("must have {expected} elements"),
            ErrorKind::Unexpected { msg } => msg,
        };
        faults.0.push(Fault { pointer, message });
        ControlFlow::Continue(faults)
    }
}

impl MergeWithError<Faults> for Faults {
    fn merge(faults: Option<Self>, other: Self, _: ValuePointerRef<'_>) -> ControlFlow<Self, Self> {
        let mut faults = faults.unwrap_or_default();
        faults.0.extend(other.0);
        ControlFlow::Continue(faults)
    }
}

impl MergeWithError<Reject> for Faults {
    fn merge(faults: Option<Self>, other: Reject, location: ValuePointerRef<'_>) -> ControlFlow<Self, Self> {
        let mut faults = faults.unwrap_or_default();
        faults.0.push(Fault { pointer: pointer(location), message: other.0 });
        ControlFlow::Continue(faults)
    }
}

fn pointer(location: ValuePointerRef<'_>) -> String {
    match location {
        ValuePointerRef::Origin => String::new(),
        ValuePointerRef::Key { key, prev } => {
            let mut path = pointer(*prev);
            push(&mut path, key);
            path
        }
        ValuePointerRef::Index { index, prev } => format!("{}/{index}", pointer(*prev)),
    }
}

fn push(pointer: &mut String, key: &str) {
    pointer.push('/');
    pointer.push_str(&key.replace('~', "~0").replace('/', "~1"));
}

fn kind(kind: ValueKind) -> &'static str {
    match kind {
        ValueKind::Null => "null",
        ValueKind::Boolean => "a boolean",
        ValueKind::Integer | ValueKind::NegativeInteger => "an integer",
        ValueKind::Float => "a number",
        ValueKind::String => "a string",
        ValueKind::Sequence => "a list",
        ValueKind::Map => "an object",
    }
}

fn kinds(accepted: &[ValueKind]) -> String {
    let number = accepted.contains(&ValueKind::Float);
    let mut names: Vec<_> = accepted
        .iter()
        .map(|k| match k {
            ValueKind::Integer | ValueKind::NegativeInteger if number => "a number",
            ValueKind::Integer if !accepted.contains(&ValueKind::NegativeInteger) => "a whole number of at least 0",
            other => kind(*other),
        })
        .collect();
    names.dedup();
    names.join(" or ")
}

/// Reads a document by RFC 7396: members of `patch` replace those of `target`, null removes them.
pub fn merge_patch(target: &mut Value, patch: Value) {
    let Value::Object(patch) = patch else {
        *target = patch;
        return;
    };
    if !target.is_object() {
        *target = Value::Object(serde_json::Map::new());
    }
    let Some(members) = target.as_object_mut() else { return };
    for (name, value) in patch {
        if value.is_null() {
            members.remove(&name);
        } else {
            merge_patch(members.entry(name).or_insert(Value::Null), value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[derive(Debug, Deserr)]
    #[deserr(error = Faults, deny_unknown_fields)]
    #[expect(dead_code, reason = "only read")]
    struct Outer {
        name: String,
        count: u32,
        inner: Vec<Inner>,
    }

    #[derive(Debug, Deserr)]
    #[deserr(error = Faults, deny_unknown_fields)]
    #[expect(dead_code, reason = "only read")]
    struct Inner {
        share: f64,
    }

    #[test]
    fn every_fault_is_named_at_once() {
        let document = json!({"count": -1, "inner": [{"share": "x"}, {"share": 1, "a/b": 2}], "more": 1});
        let Err(Error::Invalid(mut faults)) = read::<Outer>(document) else { panic!() };
        faults.sort_by(|a, b| a.pointer.cmp(&b.pointer));
        let pointers: Vec<_> = faults.iter().map(|f| f.pointer.as_str()).collect();
        assert_eq!(pointers, ["/count", "/inner/0/share", "/inner/1/a~1b", "/more", "/name"]);
    }

    #[test]
    fn a_merge_patch_replaces_and_removes() {
        let mut target = json!({"a": {"b": 1, "c": 2}, "d": [1]});
        merge_patch(&mut target, json!({"a": {"b": null, "e": {"f": null}}, "d": 3}));
        assert_eq!(target, json!({"a": {"c": 2, "e": {}}, "d": 3}));
    }
}
