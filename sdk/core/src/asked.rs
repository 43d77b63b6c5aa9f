//! Contexts without what no flag asks for: most of the work of an evaluation from afar is to read the context.

use std::fmt;

use hashbrown::HashSet;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{DeserializeSeed, Error, IgnoredAny, IntoDeserializer as _, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize as _, Deserializer};
use serde_json::Value;

use crate::compiled::{Choice, CompiledFlag, CompiledServe};
use crate::condition::Test;
use crate::context::{Attribute, Held};
use crate::print::Print;
use crate::{Context, State, TARGETING_KEY};

/// The attributes that the flags of a state ask for, in clauses, splits, layers and segments, and the targeting key.
#[derive(Clone, Debug)]
pub struct Asked {
    names: HashSet<Box<str>>,
    /// A bit for the [`Print::slot`] of each name: most of the others are told by it.
    slots: u32,
}

impl State {
    /// The attributes that any flag or segment asks for.
    #[must_use]
    pub fn asked(&self) -> Asked {
        let mut asked = Asked { names: HashSet::new(), slots: 0 };
        asked.name(TARGETING_KEY);
        for entry in self.flags() {
            asked.flag(entry.flag());
        }
        for entry in self.segments() {
            entry.tests.iter().for_each(|tests| asked.tests(tests));
        }
        asked
    }
}

impl Asked {
    fn flag(&mut self, flag: &CompiledFlag) {
        for rule in &flag.rules {
            self.tests(&rule.tests);
            self.serve(&rule.serve);
        }
        self.serve(&flag.fallthrough);
        if let Some(layer) = flag.release.as_ref().and_then(|release| release.layer.as_ref()) {
            self.add(&layer.by);
        }
    }

    fn serve(&mut self, serve: &CompiledServe) {
        if let Choice::Split { by, .. } = &serve.choice {
            self.add(by);
        }
    }

    fn tests(&mut self, tests: &[Test]) {
        for test in tests {
            match test {
                Test::All(group) | Test::Any(group) | Test::None(group) => self.tests(group),
                Test::Clause(clause) => self.add(&clause.attribute),
            }
        }
    }

    fn add(&mut self, attribute: &Attribute) {
        self.name(attribute.name());
    }

    fn name(&mut self, name: &str) {
        if !self.names.contains(name) {
            self.names.insert(name.into());
            self.slots |= bit(name);
        }
    }

    fn wants(&self, name: &str) -> bool {
        self.slots & bit(name) != 0 && self.names.contains(name)
    }
}

fn bit(name: &str) -> u32 {
    1 << Print::of(name).slot()
}

/// What a context is read from.
const EXPECTED: &str = "an object of attributes";

/// Reads a context: all of it, or what is asked for alone. The rest has to be JSON, whatever its values.
#[derive(Clone, Copy, Debug)]
pub struct ContextSeed<'a>(pub Option<&'a Asked>);

impl<'de> DeserializeSeed<'de> for ContextSeed<'_> {
    type Value = Context;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Context, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for ContextSeed<'_> {
    type Value = Context;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(EXPECTED)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Context, A::Error> {
        let most = self.0.map_or(Context::FEW, |asked| asked.names.len().min(Context::FEW));
        let mut buffer = ContextBuffer { read: Vec::with_capacity(most), ..ContextBuffer::default() };
        buffer.refill(self.0).visit_map(map)?;
        Ok(buffer.context)
    }
}

/// Reads one context after the other into the same memory.
#[derive(Debug, Default)]
pub struct ContextBuffer {
    context: Context,
    /// Of the context that is being read.
    read: Vec<(Print, Held)>,
    /// Of the contexts before, for their memory.
    spare: Vec<Held>,
}

impl ContextBuffer {
    /// The context that was read last; without attributes, if it could not be read.
    #[must_use]
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// Reads a context in place of the one before, as [`ContextSeed`] does.
    pub fn refill<'a>(&'a mut self, asked: Option<&'a Asked>) -> Refill<'a> {
        self.context.give_to(&mut self.spare);
        self.read.clear();
        Refill { asked, buffer: self }
    }
}

/// See [`ContextBuffer::refill`].
#[derive(Debug)]
pub struct Refill<'a> {
    asked: Option<&'a Asked>,
    buffer: &'a mut ContextBuffer,
}

impl<'de> DeserializeSeed<'de> for Refill<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Refill<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(EXPECTED)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Self { asked, buffer: ContextBuffer { context, read, spare } } = self;
        while let Some(held) = map.next_key_seed(NameSeed { asked, spare })? {
            match held {
                Some(held) => {
                    let (outcome, held) = held.change(|value| map.next_value_seed(ValueSeed(value)));
                    outcome?;
                    read.push(held);
                }
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        context.fill(read);
        Ok(())
    }
}

/// Reads a name if it is asked for.
struct NameSeed<'a> {
    asked: Option<&'a Asked>,
    spare: &'a mut Vec<Held>,
}

impl<'de> DeserializeSeed<'de> for NameSeed<'_> {
    type Value = Option<Held>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<Held>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for NameSeed<'_> {
    type Value = Option<Held>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of an attribute")
    }

    fn visit_str<E>(self, name: &str) -> Result<Option<Held>, E> {
        if self.asked.is_some_and(|asked| !asked.wants(name)) {
            return Ok(None);
        }
        let mut held = self.spare.pop().unwrap_or_else(Held::empty);
        held.rename(name);
        Ok(Some(held))
    }
}

/// Reads a value, a text into the memory of the one before.
struct ValueSeed<'a>(&'a mut Value);

impl ValueSeed<'_> {
    fn set<'de, D: Deserializer<'de>>(self, other: D) -> Result<(), D::Error> {
        *self.0 = Value::deserialize(other)?;
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for ValueSeed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ValueSeed<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        match self.0 {
            Value::String(old) => text.clone_into(old),
            other => *other = Value::from(text),
        }
        Ok(())
    }

    fn visit_string<E: Error>(self, text: String) -> Result<(), E> {
        *self.0 = Value::String(text);
        Ok(())
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        self.set(value.into_deserializer())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        self.set(value.into_deserializer())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        self.set(value.into_deserializer())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<(), E> {
        self.set(value.into_deserializer())
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.set(().into_deserializer())
    }

    fn visit_none<E: Error>(self) -> Result<(), E> {
        self.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        self.deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, elements: A) -> Result<(), A::Error> {
        self.set(SeqAccessDeserializer::new(elements))
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<(), A::Error> {
        self.set(MapAccessDeserializer::new(members))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, json};

    use super::*;
    use crate::{Now, Segment, Snapshot};

    #[test]
    fn what_nobody_asks_for_is_left_out() {
        let clause = |attribute: &str| json!({"attribute": attribute, "op": "in", "values": ["x"]});
        let split = |by: &str| json!({"split": {"bucket_by": by, "salt": "s", "ranges": [[100_000, "on"]]}});
        let flag = json!({
            "key": "a", "version": 1, "type": "boolean", "enabled": true, "off_variation": "off",
            "variations": [{"name": "on", "value": true}, {"name": "off", "value": false}],
            "rules": [{"id": "r", "clauses": [{"any": [clause("plan"), {"none": [clause("/address/a~1b")]}]}], "serve": split("company")}],
            "fallthrough": split("device"),
        });
        let flag = serde_json::from_value(flag).unwrap();
        let rules = json!([{"id": "r", "clauses": [clause("country")]}]);
        let segment: Segment = serde_json::from_value(json!({"key": "s", "version": 1, "rules": rules})).unwrap();
        let state = State::from_snapshot(Snapshot::new("production", "e", 1, &[flag], &[segment]).unwrap()).unwrap();
        let asked = state.asked();
        let mut names: Vec<_> = asked.names.iter().map(|name| &**name).collect();
        names.sort_unstable();
        assert_eq!(names, ["address", "company", "country", "device", "plan", "targetingKey"]);

        let text = r#"{"targetingKey":"u","company":"c","age":1e999,"name":"\ud800","address":{"a/b":"x"},"plan":null,"device":"d"}"#;
        let read = |asked| ContextSeed(asked).deserialize(&mut serde_json::Deserializer::from_str(text));
        let context = read(Some(&asked)).unwrap();
        let mut held: Vec<_> = context.attributes().map(|(name, _)| name).collect();
        held.sort_unstable();
        assert_eq!(held, ["address", "company", "device", "plan", "targetingKey"]);
        assert_eq!(context.get("/address/a~1b"), Some(&json!("x")));
        assert!(state.evaluate("a", &context, Now::At(0)).is_ok());
        assert!(read(None).is_err(), "no float is that large");
        for broken in [r#"{"age":}"#, r#"{"age":[1}"#, r#"{"age":"\x"}"#, r#"[]"#, r#"{"age":01}"#] {
            let mut text = serde_json::Deserializer::from_str(broken);
            assert!(ContextSeed(Some(&asked)).deserialize(&mut text).is_err(), "{broken}");
        }
    }

    #[test]
    fn a_context_in_the_memory_of_another_is_as_one_by_itself() {
        let texts = [
            r#"{"targetingKey":"user-1","plan":"pro","tags":["a",{"b":null}],"age":-3,"n":18446744073709551615}"#,
            r#"{"targetingKey":"u","plan":["pro"],"age":2.5,"more":{"a":1,"a":2}}"#,
            r#"{"plan":"free","plan":true,"targetingKey":null}"#,
            r#"{"plan":"a text that is longer than those before","targetingKey":"é\n"}"#,
            "{}",
            r#"{"targetingKey":"user-2"}"#,
        ];
        let mut buffer = ContextBuffer::default();
        for (one, other) in texts.iter().flat_map(|one| texts.iter().map(move |other| (one, other))) {
            for text in [one, other] {
                buffer.refill(None).deserialize(&mut serde_json::Deserializer::from_str(text)).unwrap();
                let by_itself = Context::from(serde_json::from_str::<Map<String, Value>>(text).unwrap());
                assert_eq!(*buffer.context(), by_itself);
            }
            for broken in ["[]", r#"{"plan":"x","age":}"#, r#"{"plan":"x","age":1e999}"#, r#"{"plan":"x""#] {
                let mut text = serde_json::Deserializer::from_str(broken);
                assert!(buffer.refill(None).deserialize(&mut text).is_err());
                assert_eq!(*buffer.context(), Context::default(), "{broken}");
            }
        }
    }
}
