//! Reading a JSON document into a type, naming every fault at once with its JSON Pointer.

mod found;
mod places;
mod rest;

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use bellwether_core::Fault;
use deserr::{
    DeserializeError, Deserr, ErrorKind, IntoValue, Map as _, MergeWithError, ValueKind, ValuePointerRef,
    take_cf_content,
};
use serde_json::Value;

use crate::error::{Error, Result};
pub use found::{Found, add};
use rest::Rest;

/// Most faults that are told of one document: whoever has more sees enough to go on.
pub const TOLD: usize = 1_000;

/// All that is wrong with a document.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Faults(pub Vec<Fault>);

/// What is wrong with one value, where the place is known to the reader.
#[derive(Debug)]
pub struct Reject(pub String);

/// The JSON in a body; null when there is none.
///
/// # Errors
/// [`Error::Malformed`].
pub fn parse(body: &[u8]) -> Result<Value> {
    if body.is_empty() {
        return Ok(Value::Null);
    }
    let text = std::str::from_utf8(body).map_err(|_| Error::Malformed("the body is not UTF-8".to_owned()))?;
    serde_json::from_str(text).map_err(|error| Error::Malformed(format!("the body can't be read as JSON: {error}")))
}

/// Reads `document` as a `T`.
///
/// # Errors
/// [`Error::Invalid`] with unknown members, missing members, wrong types and whatever the types themselves refuse.
pub fn read<T: Deserr<Faults>>(document: Value) -> Result<T> {
    let mut faults = with_nul(&document);
    match deserr::deserialize::<T, _, Faults>(document) {
        Ok(read) if faults.is_empty() => return Ok(read),
        Ok(_) => {}
        Err(more) => add(&mut faults, more.0),
    }
    Err(Error::Invalid(faults))
}

/// Reads `document` as a `T` and makes something of it. Members and elements that can't be read do not hide what else is
/// wrong: the rest is looked at without them.
///
/// # Errors
/// As [`read`], together with the faults that `make` finds.
pub fn read_then<T: Deserr<Faults>, U>(document: Value, make: impl FnOnce(T) -> Result<U>) -> Result<U> {
    let (read, mut found) = read_rest(document)?;
    match make(read) {
        Err(Error::Invalid(faults)) => found.add(faults),
        other if found.is_empty() => return other,
        _ => {}
    }
    Err(Error::Invalid(found.into_faults()))
}

/// As [`read_then`], for what can be found wrong in another place, too: what `make` makes even of a document at fault is
/// given along with all that is found, to which other places add what they find.
///
/// # Errors
/// When too little can be read to make anything of it.
pub fn read_with<T: Deserr<Faults>, U>(document: Value, make: impl FnOnce(T) -> (U, Vec<Fault>)) -> Result<(U, Found)> {
    let (read, mut found) = read_rest(document)?;
    let (made, more) = make(read);
    found.add(more);
    Ok((made, found))
}

/// What can be read of a document, and what is wrong with the rest.
///
/// # Errors
/// When too little can be read.
fn read_rest<T: Deserr<Faults>>(document: Value) -> Result<(T, Found)> {
    let rest = Rest::new(document.clone());
    let mut faults = with_nul(&document);
    match deserr::deserialize::<T, _, Faults>(document) {
        Ok(whole) if faults.is_empty() => return Ok((whole, Found::default())),
        Ok(_) => {}
        Err(more) => add(&mut faults, more.0),
    }
    // What has that many is hardly worth a look at the rest.
    let read = if faults.len() < TOLD { rest.read(&faults) } else { None };
    let Some((read, left_out)) = read else { return Err(Error::Invalid(faults)) };
    Ok((read, Found::unread(faults, left_out)))
}

/// A fault for each text and each name of a member with a U+0000 in it, which PostgreSQL keeps no text with.
fn with_nul(document: &Value) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut left = vec![(String::new(), document)];
    while let Some((at, value)) = left.pop() {
        match value {
            Value::String(text) if text.contains('\0') => faults.push(Fault::new(at, "holds U+0000")),
            Value::Array(elements) => {
                left.extend(elements.iter().enumerate().map(|(index, element)| (format!("{at}/{index}"), element)));
            }
            Value::Object(members) => {
                for (name, member) in members {
                    let mut pointer = at.clone();
                    push(&mut pointer, name);
                    if name.contains('\0') {
                        faults.push(Fault::new(pointer.clone(), "has U+0000 in its name"));
                    }
                    left.push((pointer, member));
                }
            }
            _ => {}
        }
    }
    faults
}

/// An object whose members are all of one type. Unlike the reader's own maps it refuses a member of another type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Members<T>(pub BTreeMap<String, T>);

impl<T: Deserr<Faults>> Deserr<Faults> for Members<T> {
    fn deserialize_from_value<V: IntoValue>(
        value: deserr::Value<V>,
        location: ValuePointerRef<'_>,
    ) -> Result<Self, Faults> {
        let deserr::Value::Map(map) = value else {
            let wrong = ErrorKind::IncorrectValueKind { actual: value, accepted: &[ValueKind::Map] };
            return Err(take_cf_content(Faults::error(None, wrong, location)));
        };
        let (mut members, mut faults) = (BTreeMap::new(), Faults::default());
        for (name, value) in map.into_iter() {
            match T::deserialize_from_value(value.into_value(), location.push_key(&name)) {
                Ok(value) => drop(members.insert(name, value)),
                Err(wrong) => faults.0.extend(wrong.0),
            }
        }
        if faults.0.is_empty() { Ok(Self(members)) } else { Err(faults) }
    }
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
mod tests;
