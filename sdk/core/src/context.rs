use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

/// The attribute that names whom an evaluation is for, by OpenFeature's name.
pub const TARGETING_KEY: &str = "targetingKey";

/// Up to so many attributes are looked through one by one, which is faster than a search.
const FEW: usize = 16;

/// OpenFeature's evaluation context: whom and what an evaluation is for.
///
/// The targeting key is an attribute like any other, named [`TARGETING_KEY`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Context {
    /// [`tag`] of each attribute's name, rising.
    tags: Vec<u64>,
    /// In the order of their tags, and of their names where tags are equal.
    attributes: Vec<(String, Value)>,
}

impl Context {
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
        let tag = tag(&name);
        let start = self.tags.partition_point(|other| *other < tag);
        let same = self.attributes.iter().zip(&self.tags).skip(start).take_while(|(_, other)| **other == tag);
        let at = start + same.take_while(|((other, _), _)| *other < name).count();
        match self.attributes.get_mut(at) {
            Some((other, held)) if *other == name => *held = value,
            _ => {
                self.tags.insert(at, tag);
                self.attributes.insert(at, (name, value));
            }
        }
        self
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
        const TAG: u64 = tag(TARGETING_KEY);
        self.find(TAG, TARGETING_KEY).filter(|value| !value.is_null())
    }

    /// The attributes that are there, null or not, in no particular order.
    pub fn attributes(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.attributes.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// From attributes in any order; of those with one name the last counts.
    fn of(mut all: Vec<(String, Value)>) -> Self {
        all.sort_by(|(a, _), (b, _)| tag(a).cmp(&tag(b)).then_with(|| a.cmp(b)));
        all.dedup_by(|next, kept| {
            let same = next.0 == kept.0;
            if same {
                std::mem::swap(next, kept);
            }
            same
        });
        Self { tags: all.iter().map(|(name, _)| tag(name)).collect(), attributes: all }
    }

    #[inline]
    fn find(&self, tag: u64, name: &str) -> Option<&Value> {
        let mut at = if self.tags.len() <= FEW {
            self.tags.iter().position(|other| *other == tag)?
        } else {
            self.tags.partition_point(|other| *other < tag)
        };
        while self.tags.get(at) == Some(&tag) {
            match self.attributes.get(at) {
                Some((other, value)) if other == name => return Some(value),
                _ => at += 1,
            }
        }
        None
    }
}

/// A few bytes of a name that tell it from nearly every other: its first eight and its last eight, and its length.
#[inline]
const fn tag(name: &str) -> u64 {
    let bytes = name.as_bytes();
    let tail = match bytes.len().checked_sub(8) {
        Some(start) => bytes.split_at(start).1,
        None => &[],
    };
    word(bytes) ^ word(tail).rotate_left(23) ^ (bytes.len() as u64).rotate_left(48)
}

/// The first eight bytes, as a number.
const fn word(bytes: &[u8]) -> u64 {
    match bytes.first_chunk::<8>() {
        Some(eight) => u64::from_le_bytes(*eight),
        None => {
            let (mut word, mut rest, mut shift) = (0, bytes, 0);
            while let [first, others @ ..] = rest {
                word |= (*first as u64) << shift;
                shift += 8;
                rest = others;
            }
            word
        }
    }
}

/// Where a value stands in a context, made ready for look-ups.
#[derive(Clone, Debug)]
pub(crate) struct Attribute {
    tag: u64,
    name: Box<str>,
    pointer: bool,
    /// What follows the first part of a JSON Pointer, unescaped.
    path: Box<[Box<str>]>,
}

impl Attribute {
    /// Of a plain name, or of a JSON Pointer (RFC 6901) when it starts with `/`.
    pub(crate) fn new(name: &str) -> Self {
        let unescape = |part: &str| -> Box<str> { part.replace("~1", "/").replace("~0", "~").into() };
        let mut parts = name.strip_prefix('/').map(|path| path.split('/').map(unescape));
        let pointer = parts.is_some();
        let first = parts.as_mut().and_then(Iterator::next).unwrap_or_else(|| name.into());
        Self { tag: tag(&first), name: first, pointer, path: parts.into_iter().flatten().collect() }
    }

    /// The value in `context`; none when it is not there or null.
    #[inline]
    pub(crate) fn of<'c>(&self, context: &'c Context) -> Option<&'c Value> {
        let mut found = context.find(self.tag, &self.name)?;
        for part in &self.path {
            found = match found {
                Value::Object(members) => members.get(&**part)?,
                Value::Array(elements) => elements.get(index(part)?)?,
                _ => return None,
            };
        }
        if found.is_null() { None } else { Some(found) }
    }
}

/// As it was given: a name or a pointer.
impl fmt::Display for Attribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.pointer {
            return f.write_str(&self.name);
        }
        let escape = |part: &str| part.replace('~', "~0").replace('/', "~1");
        write!(f, "/{}", escape(&self.name))?;
        self.path.iter().try_for_each(|part| write!(f, "/{}", escape(part)))
    }
}

/// RFC 6901: digits without a leading zero.
fn index(part: &str) -> Option<usize> {
    let canonical = part == "0" || (!part.starts_with('0') && part.bytes().all(|byte| byte.is_ascii_digit()));
    if canonical { part.parse().ok() } else { None }
}

impl From<Map<String, Value>> for Context {
    fn from(attributes: Map<String, Value>) -> Self {
        Self::of(attributes.into_iter().collect())
    }
}

impl<'de> Deserialize<'de> for Context {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Attributes;

        impl<'de> Visitor<'de> for Attributes {
            type Value = Context;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of attributes")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Context, A::Error> {
                let mut all = Vec::with_capacity(FEW);
                while let Some(attribute) = map.next_entry()? {
                    all.push(attribute);
                }
                Ok(Context::of(all))
            }
        }

        deserializer.deserialize_map(Attributes)
    }
}

/// By name, so that equal contexts read the same.
impl Serialize for Context {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut all: Vec<_> = self.attributes.iter().collect();
        all.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        serializer.collect_map(all.into_iter().map(|(name, value)| (name, value)))
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
    fn names_that_share_a_tag_are_told_apart() {
        let (one, other) = ("12345678ab12345678", "12345678cd12345678");
        assert_eq!(tag(one), tag(other));
        for (first, second) in [(one, other), (other, one)] {
            let context = Context::default().set(first, first).set("x", 0).set(second, second).set(first, "again");
            assert_eq!(context.get(first), Some(&json!("again")));
            assert_eq!(context.get(second), Some(&json!(second)));
            assert_eq!(context.get("12345678ef12345678"), None);
        }
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
