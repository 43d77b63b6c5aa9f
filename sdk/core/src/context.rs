use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The attribute that names whom an evaluation is for, by OpenFeature's name.
pub const TARGETING_KEY: &str = "targetingKey";

/// OpenFeature's evaluation context: whom and what an evaluation is for.
///
/// The targeting key is an attribute like any other, named [`TARGETING_KEY`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Context {
    attributes: Map<String, Value>,
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
        self.attributes.insert(name.into(), value.into());
        self
    }

    /// The attribute called `name`, or at `name` when that is a JSON Pointer (`/address/country`).
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        let found = match name.strip_prefix('/') {
            None => self.attributes.get(name),
            Some(path) => self.descend(path),
        };
        found.filter(|value| !value.is_null())
    }

    fn descend(&self, path: &str) -> Option<&Value> {
        let (first, rest) = match path.split_once('/') {
            Some((first, rest)) => (first, Some(rest)),
            None => (path, None),
        };
        let top = if first.contains('~') {
            self.attributes.get(&first.replace("~1", "/").replace("~0", "~"))?
        } else {
            self.attributes.get(first)?
        };
        match rest {
            None => Some(top),
            // `Value::pointer` wants the leading slash, which stands just before `rest` in `path`.
            Some(rest) => top.pointer(path.get(path.len() - rest.len() - 1..)?),
        }
    }
}

impl From<Map<String, Value>> for Context {
    fn from(attributes: Map<String, Value>) -> Self {
        Self { attributes }
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
        for absent in ["address/country", "/address/street", "/none", "none", "/none/x", "/address/lines/2"] {
            assert_eq!(context.get(absent), None, "{absent}");
        }
    }
}
