use std::fmt;

use serde::de::DeserializeSeed as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

use crate::asked::ContextSeed;
use crate::print::Print;

/// The attribute that names whom an evaluation is for, by OpenFeature's name.
pub const TARGETING_KEY: &str = "targetingKey";

/// Up to so many attributes are found by a table in the context, which is faster than a search.
const FEW: usize = 16;

/// OpenFeature's evaluation context: whom and what an evaluation is for.
///
/// The targeting key is an attribute like any other, named [`TARGETING_KEY`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Context {
    /// The [`Print`] of each attribute's name, rising.
    names: Vec<Print>,
    /// In the order of `names`, and of the names themselves where those are equal.
    attributes: Vec<Held>,
    /// Where the targeting key is among them.
    targeting: Option<usize>,
    /// For each [`Print::slot`] where to begin to look for it: one more than a place among the names, or 0. Twice as many
    /// as there may be attributes, so that an empty one ends each search.
    slots: [u8; 2 * FEW],
}

/// An attribute.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Held {
    name: String,
    value: Value,
    /// Of the value, if that is a string.
    print: Print,
}

impl Context {
    /// How many attributes are usual.
    pub(crate) const FEW: usize = FEW;

    /// A context for the user, device or other unit `targeting_key`.
    pub fn new(targeting_key: impl Into<String>) -> Self {
        Self::default().set(TARGETING_KEY, targeting_key.into())
    }

    /// A context without a targeting key: splits answer `TARGETING_KEY_MISSING` for it.
    #[must_use]
    pub fn anonymous() -> Self {
        Self::default()
    }

    /// The context with one attribute more (or replaced). Null is the same as absence.
    #[must_use]
    pub fn set(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        let (name, value) = (name.into(), value.into());
        let print = Print::of(&name);
        let start = self.names.partition_point(|other| *other < print);
        let same = self.attributes.iter().zip(&self.names).skip(start).take_while(|(_, other)| **other == print);
        let at = start + same.take_while(|(held, _)| held.name < name).count();
        let held = Held { print: Print::of_value(&value), name, value };
        match self.attributes.get_mut(at) {
            Some(other) if other.name == held.name => *other = held,
            _ => {
                self.names.insert(at, print);
                self.attributes.insert(at, held);
            }
        }
        self.index();
        self
    }

    /// Sets down where the attributes are found.
    fn index(&mut self) {
        self.targeting = self.attributes.iter().position(|held| held.name == TARGETING_KEY);
        self.slots = Default::default();
        if self.names.len() <= FEW {
            for (at, name) in (1..).zip(&self.names) {
                let mut slot = name.slot();
                while self.slots.get(slot).is_some_and(|taken| *taken != 0) {
                    slot = (slot + 1) % self.slots.len();
                }
                if let Some(free) = self.slots.get_mut(slot) {
                    *free = at;
                }
            }
        }
    }

    /// The attribute called `name`, or at `name` when that is a JSON Pointer (`/address/country`).
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        Attribute::new(name).of(self)
    }

    /// The value of [`TARGETING_KEY`]; none when it is not there or null.
    #[must_use]
    #[inline]
    pub fn targeting_key(&self) -> Option<&Value> {
        let value = &self.attributes.get(self.targeting?)?.value;
        if value.is_null() { None } else { Some(value) }
    }

    /// The attributes that are there, null or not, in no particular order.
    pub fn attributes(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.attributes.iter().map(|held| (held.name.as_str(), &held.value))
    }

    /// From attributes in any order; of those with one name the last counts.
    pub(crate) fn of(mut all: Vec<(Print, Held)>) -> Self {
        let mut context = Self::default();
        context.fill(&mut all);
        context
    }

    /// Has these attributes in place of its own, as [`Context::of`] them; leaves `all` empty.
    pub(crate) fn fill(&mut self, all: &mut Vec<(Print, Held)>) {
        all.sort_by(|(a, one), (b, other)| a.cmp(b).then_with(|| one.name.cmp(&other.name)));
        all.dedup_by(|next, kept| {
            let same = next.1.name == kept.1.name;
            if same {
                std::mem::swap(next, kept);
            }
            same
        });
        self.names.clear();
        self.attributes.clear();
        for (name, held) in all.drain(..) {
            self.names.push(name);
            self.attributes.push(held);
        }
        self.index();
    }

    /// Gives away its attributes, for the memory that they hold.
    pub(crate) fn give_to(&mut self, spare: &mut Vec<Held>) {
        spare.append(&mut self.attributes);
        self.names.clear();
        self.index();
    }

    #[inline]
    fn find(&self, print: Print, name: &str) -> Option<&Held> {
        if self.names.len() > FEW {
            return self.search(print, name);
        }
        let mut slot = print.slot();
        loop {
            let at = usize::from(*self.slots.get(slot)?).checked_sub(1)?;
            if self.names.get(at) == Some(&print)
                && let Some(held) = self.attributes.get(at)
                && (print.tells() || held.name == name)
            {
                return Some(held);
            }
            slot = (slot + 1) % self.slots.len();
        }
    }

    /// Among any number: whoever sends a context can have many attributes of one print.
    fn search(&self, print: Print, name: &str) -> Option<&Held> {
        let start = self.names.partition_point(|other| *other < print);
        let count = self.names.get(start..)?.partition_point(|other| *other == print);
        let equal = self.attributes.get(start..start + count)?;
        let at = equal.binary_search_by(|held| held.name.as_str().cmp(name)).ok()?;
        equal.get(at)
    }
}

impl Held {
    pub(crate) fn new((name, value): (String, Value)) -> (Print, Self) {
        (Print::of(&name), Self { print: Print::of_value(&value), name, value })
    }

    /// Of nothing yet.
    pub(crate) fn empty() -> Self {
        Self { name: String::new(), value: Value::Null, print: Print::default() }
    }

    /// Takes another name, in the memory of the old one.
    pub(crate) fn rename(&mut self, name: &str) {
        if self.name != name {
            name.clone_into(&mut self.name);
        }
    }

    /// Has its value changed by `read`.
    pub(crate) fn change<T>(mut self, read: impl FnOnce(&mut Value) -> T) -> (T, (Print, Self)) {
        let outcome = read(&mut self.value);
        self.print = Print::of_value(&self.value);
        (outcome, (Print::of(&self.name), self))
    }
}

/// Where a value stands in a context, made ready for look-ups.
#[derive(Clone, Debug)]
pub(crate) struct Attribute {
    print: Print,
    name: Box<str>,
    form: Form,
}

#[derive(Clone, Debug)]
enum Form {
    /// The targeting key, by its plain name.
    TargetingKey,
    Name,
    /// What follows the first part of a JSON Pointer, unescaped.
    Pointer(Box<[Box<str>]>),
}

/// What is wrong with a name of an attribute, if anything is.
pub(crate) fn name_fault(name: &str) -> Option<String> {
    let limit = crate::limits::ATTRIBUTE_LENGTH;
    if name.is_empty() || name.len() > limit {
        return Some(format!("an attribute's name has 1 to {limit} bytes; `{TARGETING_KEY}` is whom it is about"));
    }
    let escaped = |part: &str| part.starts_with(['0', '1']);
    let wrong = name.starts_with('/') && !name.split('~').skip(1).all(escaped);
    wrong.then(|| "is no JSON Pointer: `~` is written `~0`, and `/` in a name `~1`".to_owned())
}

/// A value in a context.
#[derive(Clone, Copy)]
pub(crate) struct Found<'c> {
    pub(crate) value: &'c Value,
    /// Of the value, if that is a string.
    pub(crate) print: Print,
}

impl Attribute {
    /// Of a plain name, or of a JSON Pointer (RFC 6901) when it starts with `/`.
    pub(crate) fn new(name: &str) -> Self {
        let Some(path) = name.strip_prefix('/') else {
            let form = if name == TARGETING_KEY { Form::TargetingKey } else { Form::Name };
            return Self { print: Print::of(name), name: name.into(), form };
        };
        let mut parts = path.split('/').map(|part| part.replace("~1", "/").replace("~0", "~").into());
        let name: Box<str> = parts.next().unwrap_or_default();
        Self { print: Print::of(&name), name, form: Form::Pointer(parts.collect()) }
    }

    /// The name in the context: a pointer's first part.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The value in `context`; none when it is not there or null.
    #[inline]
    pub(crate) fn of<'c>(&self, context: &'c Context) -> Option<&'c Value> {
        self.find(context).map(|found| found.value)
    }

    /// As [`Attribute::of`], with the print of a string.
    #[inline]
    pub(crate) fn find<'c>(&self, context: &'c Context) -> Option<Found<'c>> {
        let held = match &self.form {
            Form::TargetingKey => context.attributes.get(context.targeting?)?,
            Form::Name => context.find(self.print, &self.name)?,
            Form::Pointer(path) => return descend(&context.find(self.print, &self.name)?.value, path),
        };
        if held.value.is_null() { None } else { Some(Found { value: &held.value, print: held.print }) }
    }
}

fn descend<'c>(mut value: &'c Value, path: &[Box<str>]) -> Option<Found<'c>> {
    for part in path {
        value = match value {
            Value::Object(members) => members.get(&**part)?,
            Value::Array(elements) => elements.get(index(part)?)?,
            _ => return None,
        };
    }
    if value.is_null() { None } else { Some(Found { value, print: Print::of_value(value) }) }
}

/// As it was given: a name or a pointer.
impl fmt::Display for Attribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Form::Pointer(path) = &self.form else { return f.write_str(&self.name) };
        let escape = |part: &str| part.replace('~', "~0").replace('/', "~1");
        write!(f, "/{}", escape(&self.name))?;
        path.iter().try_for_each(|part| write!(f, "/{}", escape(part)))
    }
}

/// RFC 6901: digits without a leading zero.
fn index(part: &str) -> Option<usize> {
    let canonical = part == "0" || (!part.starts_with('0') && part.bytes().all(|byte| byte.is_ascii_digit()));
    if canonical { part.parse().ok() } else { None }
}

impl From<Map<String, Value>> for Context {
    fn from(attributes: Map<String, Value>) -> Self {
        Self::of(attributes.into_iter().map(Held::new).collect())
    }
}

impl<'de> Deserialize<'de> for Context {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        ContextSeed(None).deserialize(deserializer)
    }
}

/// By name, so that equal contexts read the same.
impl Serialize for Context {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut all: Vec<_> = self.attributes.iter().collect();
        all.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        serializer.collect_map(all.into_iter().map(|held| (&held.name, &held.value)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn attributes_are_found_by_name_and_by_pointer() {
        let context: Context = serde_json::from_value(json!({
            "targetingKey": "u", "a/b": 1, "address": {"country": "NO", "lines": ["x", "y"]}, "none": null, "": {"": 3}
        }))
        .unwrap();
        assert_eq!(context.get("targetingKey"), Some(&json!("u")));
        assert_eq!(context.get("/address/country"), Some(&json!("NO")));
        assert_eq!(context.get("/address/lines/1"), Some(&json!("y")));
        assert_eq!(context.get("/a~1b"), Some(&json!(1)));
        assert_eq!(context.get("a/b"), Some(&json!(1)));
        assert_eq!(context.get("//"), Some(&json!(3)));
        for absent in
            ["address/country", "/address/street", "/none", "none", "/none/x", "/address/lines/2", "/address/lines/01"]
        {
            assert_eq!(context.get(absent), None, "{absent}");
        }
    }

    #[test]
    fn names_that_share_a_print_are_told_apart() {
        let (one, other) = ("12345678ab12345678", "12345678cd12345678");
        assert_eq!(Print::of(one), Print::of(other));
        for (first, second) in [(one, other), (other, one)] {
            let context = Context::default().set(first, first).set("x", 0).set(second, second).set(first, "again");
            assert_eq!(context.get(first), Some(&json!("again")));
            assert_eq!(context.get(second), Some(&json!(second)));
            assert_eq!(context.get("12345678ef12345678"), None);
        }
    }

    #[test]
    fn many_names_that_share_a_print_are_searched_not_scanned() {
        let name = |i: usize| format!("12345678{i:08}12345678");
        assert_eq!(Print::of(&name(1)), Print::of(&name(2)));
        let many: Map<String, Value> = (0..50_000).map(|i| (name(i), json!(i))).collect();
        let context = Context::from(many);
        for i in 0..50_000 {
            assert_eq!(context.get(&name(i)), Some(&json!(i)));
        }
        assert_eq!(context.get(&name(50_000)), None);
    }

    #[test]
    fn a_context_reads_the_same_however_it_was_made() {
        let many: Map<String, Value> = (0..100).map(|i| (format!("attribute {i}"), json!(i))).collect();
        let set = many.iter().fold(Context::default(), |context, (name, value)| context.set(name, value.clone()));
        let text = serde_json::to_string(&many).unwrap();
        let read: Context = serde_json::from_str(&text).unwrap();
        assert_eq!(read, set);
        assert_eq!(read, Context::from(many.clone()));
        assert_eq!(serde_json::to_string(&read).unwrap(), text);
        for (name, value) in &many {
            assert_eq!(read.get(name), Some(value));
        }
        assert_eq!(read.get("attribute 100"), None);
        let twice: Context = serde_json::from_str(r#"{"a":1,"b":2,"a":3}"#).unwrap();
        assert_eq!(twice.get("a"), Some(&json!(3)));
        assert!(serde_json::from_str::<Context>("[]").is_err());
    }
}
