//! Contexts without what no flag asks for: most of the work of an evaluation from afar is to read the context.

use std::fmt;

use hashbrown::HashSet;
use serde::Deserializer;
use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, Visitor};

use crate::compiled::{Choice, CompiledFlag, CompiledServe};
use crate::condition::Test;
use crate::context::{Attribute, Held};
use crate::{Context, State, TARGETING_KEY};

/// The attributes that the flags of a state ask for, in clauses, splits, layers and segments, and the targeting key.
#[derive(Clone, Debug)]
pub struct Asked {
    names: HashSet<Box<str>>,
}

impl State {
    /// The attributes that any flag or segment asks for.
    #[must_use]
    pub fn asked(&self) -> Asked {
        let mut asked = Asked { names: HashSet::from_iter([TARGETING_KEY.into()]) };
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
        if !self.names.contains(attribute.name()) {
            self.names.insert(attribute.name().into());
        }
    }
}

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
        f.write_str("an object of attributes")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Context, A::Error> {
        let most = self.0.map_or(Context::FEW, |asked| asked.names.len().min(Context::FEW));
        let mut all = Vec::with_capacity(most);
        while let Some(name) = map.next_key_seed(NameSeed(self.0))? {
            match name {
                Some(name) => all.push(Held::new((name, map.next_value()?))),
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(Context::of(all))
    }
}

/// Reads a name if it is asked for.
struct NameSeed<'a>(Option<&'a Asked>);

impl<'de> DeserializeSeed<'de> for NameSeed<'_> {
    type Value = Option<String>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<String>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for NameSeed<'_> {
    type Value = Option<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of an attribute")
    }

    fn visit_str<E>(self, name: &str) -> Result<Option<String>, E> {
        let wanted = self.0.is_none_or(|asked| asked.names.contains(name));
        Ok(wanted.then(|| name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

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
}
