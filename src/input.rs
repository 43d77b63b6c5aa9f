//! Reading a JSON document into a type, naming every fault at once with its JSON Pointer.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use bellwether_core::Fault;
use deserr::{
    DeserializeError, Deserr, ErrorKind, IntoValue, Map as _, MergeWithError, ValueKind, ValuePointerRef,
    take_cf_content,
};
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
    let mut faults = with_nul(&document);
    match deserr::deserialize::<T, _, Faults>(document) {
        Ok(read) if faults.is_empty() => return Ok(read),
        Ok(_) => {}
        Err(more) => add(&mut faults, more.0),
    }
    Err(Error::Invalid(faults))
}

/// Reads `document` as a `T` and makes something of it. Members that can't be read do not hide what else is wrong: the
/// rest is looked at without them.
///
/// # Errors
/// As [`read`], together with the faults that `make` finds.
pub fn read_then<T: Deserr<Faults>, U>(document: Value, make: impl FnOnce(T) -> Result<U>) -> Result<U> {
    let (read, mut faults) = read_rest(document);
    let Some(read) = read else { return Err(Error::Invalid(faults)) };
    if faults.is_empty() {
        return make(read);
    }
    if let Err(Error::Invalid(more)) = make(read) {
        add_unrelated(&mut faults, more);
    }
    Err(Error::Invalid(faults))
}

/// As [`read_then`], for what can be found wrong in another place, too: what `make` makes even of a document at fault is
/// given along with all the faults, which [`add`] brings together with others.
///
/// # Errors
/// When too little can be read to make anything of it.
pub fn read_with<T: Deserr<Faults>, U>(
    document: Value,
    make: impl FnOnce(T) -> (U, Vec<Fault>),
) -> Result<(U, Vec<Fault>)> {
    let (read, mut faults) = read_rest(document);
    let Some(read) = read else { return Err(Error::Invalid(faults)) };
    let (made, more) = make(read);
    add_unrelated(&mut faults, more);
    Ok((made, faults))
}

/// What can be read of a document, and what is wrong with it.
fn read_rest<T: Deserr<Faults>>(document: Value) -> (Option<T>, Vec<Fault>) {
    let mut rest = document.clone();
    let mut faults = with_nul(&document);
    match deserr::deserialize::<T, _, Faults>(document) {
        Ok(whole) if faults.is_empty() => return (Some(whole), faults),
        Ok(_) => {}
        Err(more) => add(&mut faults, more.0),
    }
    (without(&mut rest, &faults), faults)
}

/// What is said of a member that was left out, or of what it belongs to, may just follow from that.
fn add_unrelated(faults: &mut Vec<Fault>, more: Vec<Fault>) {
    let follows = |more: &Fault| faults.iter().any(|known| related(&known.pointer, &more.pointer));
    let more: Vec<_> = more.into_iter().filter(|fault| !follows(fault)).collect();
    faults.extend(more);
}

/// Adds what is not said of the same place already.
pub fn add(faults: &mut Vec<Fault>, more: impl IntoIterator<Item = Fault>) {
    for fault in more {
        if faults.iter().all(|known| known.pointer != fault.pointer) {
            faults.push(fault);
        }
    }
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

/// What can be read of a document without the members at fault, if what remains is enough.
fn without<T: Deserr<Faults>>(document: &mut Value, faults: &[Fault]) -> Option<T> {
    let mut wrong: Vec<String> = faults.iter().map(|fault| fault.pointer.clone()).collect();
    // Each round takes something out, a member or what it belongs to.
    loop {
        let mut removed: Vec<&str> = Vec::new();
        for pointer in &wrong {
            if !removed.iter().any(|gone| related(gone, pointer)) {
                removed.push(remove(document, pointer)?);
            }
        }
        match deserr::deserialize::<T, _, Faults>(document.clone()) {
            Ok(read) => return Some(read),
            Err(faults) => wrong = faults.0.into_iter().map(|fault| fault.pointer).collect(),
        }
    }
}

/// Takes out what stands at a pointer, or the innermost member around it: an element of a list is not taken out by
/// itself, or those after it would have other pointers. Returns where, or `None` when only the whole document is left.
fn remove<'p>(document: &mut Value, pointer: &'p str) -> Option<&'p str> {
    let mut at = pointer;
    while let Some((parent, name)) = at.rsplit_once('/') {
        let members = document.pointer_mut(parent).and_then(Value::as_object_mut);
        if members.is_some_and(|members| members.remove(&name.replace("~1", "/").replace("~0", "~")).is_some()) {
            return Some(at);
        }
        at = parent;
    }
    None
}

/// Whether one pointer leads to the other's place or through it.
fn related(a: &str, b: &str) -> bool {
    let (short, long) = if a.len() <= b.len() { (a, b) } else { (b, a) };
    long.strip_prefix(short).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
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
    fn what_can_not_be_read_does_not_hide_the_rest() {
        #[derive(Deserr)]
        #[deserr(error = Faults, deny_unknown_fields)]
        struct Shares {
            #[deserr(default)]
            note: String,
            #[deserr(default)]
            tags: Vec<String>,
            shares: Members<u32>,
        }
        let make = |read: Shares| {
            let mut faults = Vec::new();
            if read.shares.0.values().sum::<u32>() != 10 {
                faults.push(Fault::new("/shares", "sum to 10"));
            }
            if read.note.is_empty() || !read.tags.is_empty() {
                faults.push(Fault::new("/note", "is needed, and no tags"));
            }
            Error::unless_empty(faults)
        };
        let pointers = |document: Value| match read_then(document, make) {
            Err(Error::Invalid(faults)) => faults.into_iter().map(|fault| fault.pointer).collect::<Vec<_>>(),
            other => panic!("{other:?}"),
        };
        assert!(read_then(json!({"note": "x", "shares": {"a": 3, "b": 7}}), make).is_ok());
        assert_eq!(pointers(json!({"shares": {"a": 3}, "x": 1})), ["/x", "/shares", "/note"]);
        let wrong = json!({"shares": {"a": 10, "b": "7", "c/d": -1}});
        assert_eq!(pointers(wrong), ["/shares/b", "/shares/c~1d", "/note"], "the sum may be wrong for that alone");
        assert_eq!(pointers(json!({"note": 3, "shares": {}})), ["/note", "/shares"]);
        assert_eq!(pointers(json!({"tags": [3, "x", 4], "shares": {}})), ["/tags/0", "/tags/2", "/shares", "/note"]);
        assert_eq!(pointers(json!({"shares": [1]})), ["/shares"]);
        assert_eq!(pointers(json!(7)), [""]);
    }

    #[test]
    fn texts_that_no_store_keeps_are_refused() {
        #[derive(Debug, Deserr)]
        #[deserr(error = Faults, deny_unknown_fields)]
        #[expect(dead_code, reason = "only read")]
        struct Anything {
            name: String,
            count: u32,
            rest: Value,
        }
        let document =
            json!({"name": "a\0", "count": "x", "rest": {"b": ["fine", "\0"], "c\0/": 1, "d": {"\0": "\0"}}});
        for outcome in [read::<Anything>(document.clone()), read_then(document, Ok::<Anything, Error>)] {
            let Err(Error::Invalid(faults)) = outcome else { panic!() };
            let mut pointers: Vec<_> = faults.iter().map(|fault| fault.pointer.as_str()).collect();
            pointers.sort_unstable();
            pointers.dedup();
            assert_eq!(pointers, ["/count", "/name", "/rest/b/1", "/rest/c\0~1", "/rest/d/\0"]);
        }
        assert!(read::<Anything>(json!({"name": "a\u{1}", "count": 1, "rest": "\\u0000"})).is_ok());
    }

    #[test]
    fn a_merge_patch_replaces_and_removes() {
        let mut target = json!({"a": {"b": 1, "c": 2}, "d": [1]});
        merge_patch(&mut target, json!({"a": {"b": null, "e": {"f": null}}, "d": 3}));
        assert_eq!(target, json!({"a": {"c": 2, "e": {}}, "d": 3}));
    }
}
