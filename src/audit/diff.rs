use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// A member of a document that differs; an absent side did not have it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FieldChange {
    /// JSON Pointer.
    pub pointer: String,
    /// What it was.
    #[serde(default)]
    pub before: Option<Value>,
    /// What it is.
    #[serde(default)]
    pub after: Option<Value>,
}

/// What differs between two documents: objects member by member, everything else as a whole.
pub fn diff(before: &Value, after: &Value) -> Vec<FieldChange> {
    let mut changes = Vec::new();
    collect("", Some(before), Some(after), &mut changes);
    changes
}

fn collect(pointer: &str, before: Option<&Value>, after: Option<&Value>, changes: &mut Vec<FieldChange>) {
    if before == after {
        return;
    }
    if let (Some(Value::Object(old)), Some(Value::Object(new))) = (before, after) {
        let names: BTreeSet<_> = old.keys().chain(new.keys()).collect();
        for name in names {
            let escaped = name.replace('~', "~0").replace('/', "~1");
            collect(&format!("{pointer}/{escaped}"), old.get(name), new.get(name), changes);
        }
        return;
    }
    changes.push(FieldChange { pointer: pointer.to_owned(), before: before.cloned(), after: after.cloned() });
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn members_that_differ_are_named() {
        let before = json!({"a": 1, "b": {"c": [1], "d": 2}, "e/f": true});
        let after = json!({"a": 1, "b": {"c": [1, 2], "g": null}, "e/f": false});
        let changes = diff(&before, &after);
        let found: Vec<_> = changes.iter().map(|c| (c.pointer.as_str(), c.before.clone(), c.after.clone())).collect();
        assert_eq!(
            found,
            [
                ("/b/c", Some(json!([1])), Some(json!([1, 2]))),
                ("/b/d", Some(json!(2)), None),
                ("/b/g", None, Some(json!(null))),
                ("/e~1f", Some(json!(true)), Some(json!(false))),
            ]
        );
        assert_eq!(diff(&after, &after), []);
    }
}
