//! Reading a JSON document into a type, naming every fault at once with its JSON Pointer.

mod found;
mod places;
mod rest;

use std::collections::{BTreeMap, HashSet};
use std::ops::ControlFlow;

use bellwether_core::Fault;
use deserr::{
    DeserializeError, Deserr, ErrorKind, IntoValue, Map as _, MergeWithError, ValueKind, ValuePointerRef,
    take_cf_content,
};
use serde_json::Value;

use crate::error::{Error, Result};
pub use found::{Found, add};
use rest::{Reading, Remedy, Rest, Standing, Unread};

/// Most faults that are told of one document: whoever has more sees enough to go on.
pub const TOLD: usize = 1_000;

/// All that a document can't be read for, and what might stand there instead.
#[derive(Debug, Default)]
pub struct Faults(Vec<Unread>);

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
    match whole(document) {
        Ok(read) => Ok(read),
        Err(unread) => Err(Error::Invalid(told(&unread))),
    }
}

/// Reads `document` as a `T` and makes something of it. Members and elements that can't be read do not hide what else is
/// wrong: the rest is looked at without them, for which `make` may be called several times, each with something else that
/// may stand in for them.
///
/// # Errors
/// As [`read`], together with the faults that `make` finds.
pub fn read_then<T: Deserr<Faults>, U>(document: Value, mut make: impl FnMut(T) -> Result<U>) -> Result<U> {
    let Parts { first, mut found, rest } = match parts(document)? {
        Ok(read) => return make(read),
        Err(parts) => parts,
    };
    if let Err(Error::Invalid(faults)) = make(first) {
        let again = rest.readings::<T>().filter_map(|Reading { read, left_out, .. }| match make(read) {
            Ok(_) => Some((Vec::new(), left_out)),
            Err(Error::Invalid(faults)) => Some((faults, left_out)),
            Err(_) => None,
        });
        found.add_certain(faults, again);
    }
    Err(Error::Invalid(found.into_faults()))
}

/// As [`read_then`], for what can be found wrong in another place, too: what `make` makes even of a document at fault is
/// given along with all that is found, to which other places add what they find.
///
/// # Errors
/// When too little can be read to make anything of it.
pub fn read_with<T: Deserr<Faults>, U>(
    document: Value,
    mut make: impl FnMut(T) -> (U, Vec<Fault>),
) -> Result<(U, Found)> {
    let Parts { first, mut found, rest } = match parts(document)? {
        Ok(read) => {
            let (made, faults) = make(read);
            let mut found = Found::default();
            found.add(faults);
            return Ok((made, found));
        }
        Err(parts) => parts,
    };
    let (made, faults) = make(first);
    let again = rest.readings::<T>().map(|Reading { read, left_out, .. }| (make(read).1, left_out));
    found.add_certain(faults, again);
    Ok((made, found))
}

/// What can be read of a document at fault.
struct Parts<T> {
    /// With the least in place of what can't be read.
    first: T,
    /// What is wrong with the rest.
    found: Found,
    /// What the other readings are made of.
    rest: Unreadable,
}

/// A document that can't be read for some faults.
struct Unreadable {
    document: Value,
    unread: Vec<Unread>,
}

impl Unreadable {
    fn reading<T: Deserr<Faults>>(&self, standing: Standing) -> Option<Reading<T>> {
        Rest::new(self.document.clone(), standing).read(&self.unread)
    }

    /// Those after the first, as far as there are any.
    fn readings<T: Deserr<Faults>>(&self) -> impl Iterator<Item = Reading<T>> {
        Standing::ALL.into_iter().skip(1).filter_map(|standing| self.reading(standing))
    }
}

/// A document as a whole, or what can be read of it.
///
/// # Errors
/// When too little can be read.
fn parts<T: Deserr<Faults>>(document: Value) -> Result<Result<T, Parts<T>>> {
    let kept = document.clone();
    let unread = match whole::<T>(document) {
        Ok(read) => return Ok(Ok(read)),
        Err(unread) => unread,
    };
    let faults = told(&unread);
    // What has that many is hardly worth a look at the rest.
    if faults.len() >= TOLD {
        return Err(Error::Invalid(faults));
    }
    let rest = Unreadable { document: kept, unread };
    let Some(reading) = rest.reading(Standing::Least) else { return Err(Error::Invalid(faults)) };
    let (first, found) = Found::unread(faults, reading, &rest.document);
    Ok(Err(Parts { first, found, rest }))
}

/// A document as a `T`, or everything that it can't be read for.
fn whole<T: Deserr<Faults>>(document: Value) -> Result<T, Vec<Unread>> {
    let mut unread = with_nul(&document);
    match deserr::deserialize::<T, _, Faults>(document) {
        Ok(read) if unread.is_empty() => return Ok(read),
        Ok(_) => {}
        Err(more) => unread.extend(more.0),
    }
    Err(unread)
}

/// What is said of each place first, up to [`TOLD`].
fn told(unread: &[Unread]) -> Vec<Fault> {
    let mut places = HashSet::new();
    let first = unread.iter().filter(|unread| places.insert(unread.fault.pointer.as_str()));
    first.map(|unread| unread.fault.clone()).take(TOLD).collect()
}

/// A fault for each text and each name of a member with a U+0000 in it, which PostgreSQL keeps no text with.
fn with_nul(document: &Value) -> Vec<Unread> {
    let mut found = Vec::new();
    let mut left = vec![(String::new(), document)];
    while let Some((at, value)) = left.pop() {
        match value {
            Value::String(text) if text.contains('\0') => {
                let remedy = Remedy::Kind(ValueKind::String);
                found.push(Unread { fault: Fault::new(at, "holds U+0000"), remedy });
            }
            Value::Array(elements) => {
                left.extend(elements.iter().enumerate().map(|(index, element)| (format!("{at}/{index}"), element)));
            }
            Value::Object(members) => {
                for (name, member) in members {
                    let mut pointer = at.clone();
                    push(&mut pointer, name);
                    if name.contains('\0') {
                        let fault = Fault::new(pointer.clone(), "has U+0000 in its name");
                        found.push(Unread { fault, remedy: Remedy::Remove });
                    }
                    left.push((pointer, member));
                }
            }
            _ => {}
        }
    }
    found
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
        let (message, remedy) = match error {
            ErrorKind::MissingField { field } => {
                push(&mut pointer, field);
                ("is required".to_owned(), Remedy::Add)
            }
            ErrorKind::UnknownKey { key, accepted } => {
                push(&mut pointer, key);
                (format!("is not known here; known are {}", accepted.join(", ")), Remedy::Remove)
            }
            ErrorKind::UnknownValue { value, accepted } => {
                let remedy = Remedy::Name(accepted.iter().map(|name| (*name).to_owned()).collect());
                (format!("`{value}` is none of {}", accepted.join(", ")), remedy)
            }
            ErrorKind::IncorrectValueKind { actual, accepted } => {
                let wanted = accepted.iter().find(|kind| !matches!(kind, ValueKind::Null));
                let remedy = wanted.map_or(Remedy::Other, |kind| Remedy::Kind(*kind));
                (format!("is {}, expected {}", kind(actual.kind()), kinds(accepted)), remedy)
            }
            ErrorKind::BadSequenceLen { expected, .. } => {
                (format!("must have {expected} elements"), Remedy::Length(expected))
            }
            ErrorKind::Unexpected { msg } => (bounded(msg), Remedy::Other),
        };
        faults.0.push(Unread { fault: Fault { pointer, message }, remedy });
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
        let fault = Fault { pointer: pointer(location), message: other.0 };
        faults.0.push(Unread { fault, remedy: Remedy::Other });
        ControlFlow::Continue(faults)
    }
}

/// What the reader says of a number that its type does not hold, by the bound alone.
fn bounded(message: String) -> String {
    let bounds = [("maximum value authorized is `", "is at most"), ("minimum value authorized is `", "is at least")];
    let bound = bounds.into_iter().find_map(|(sign, words)| Some((words, message.split_once(sign)?.1)));
    bound.map(|(words, bound)| format!("{words} {}", bound.trim_end_matches('`'))).unwrap_or(message)
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
