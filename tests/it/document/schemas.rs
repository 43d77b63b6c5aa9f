//! Whether a body is what the document says.

use std::collections::BTreeSet;

use serde_json::{Value, json};

/// What a body has against its schema; members that the schema does not name are faults too.
pub(super) fn faults(document: &Value, schema: &Value, body: &Value) -> Vec<String> {
    let mut components = document["components"].clone();
    close(&mut components);
    let whole = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "components": components,
        "allOf": [schema],
    });
    let validator = jsonschema::options().should_validate_formats(true).build(&whole).unwrap();
    validator.iter_errors(body).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

/// Makes the schemas of objects refuse what they do not name, but for those that others are put together from.
fn close(components: &mut Value) {
    let parts = parts(components);
    for (name, schema) in components["schemas"].as_object_mut().unwrap() {
        let object = schema["type"] == "object" || schema.get("allOf").is_some();
        if object && !parts.contains(name) && schema.get("additionalProperties").is_none() {
            schema["unevaluatedProperties"] = json!(false);
        }
    }
}

/// The schemas that stand in another's `allOf`, and the alternatives of these.
fn parts(components: &Value) -> BTreeSet<String> {
    let mut parts = BTreeSet::new();
    let mut left: Vec<&Value> = Vec::new();
    for schema in components["schemas"].as_object().unwrap().values() {
        left.extend(schema["allOf"].as_array().into_iter().flatten());
    }
    while let Some(part) = left.pop() {
        if let Some(name) = part["$ref"].as_str().and_then(|reference| reference.rsplit('/').next())
            && parts.insert(name.to_owned())
        {
            left.push(&components["schemas"][name]);
        }
        for list in ["oneOf", "anyOf", "allOf"] {
            left.extend(part[list].as_array().into_iter().flatten());
        }
    }
    parts
}

#[test]
fn a_body_that_is_not_as_described_is_found() {
    let document = json!({"components": {"schemas": {
        "Part": {"type": "object", "properties": {"a": {"type": "integer"}}},
        "Whole": {"allOf": [{"$ref": "#/components/schemas/Part"},
            {"type": "object", "required": ["b"], "properties": {"b": {"type": "string", "format": "date-time"}}}]},
    }}});
    let whole = json!({"$ref": "#/components/schemas/Whole"});
    let faults = |body: Value| faults(&document, &whole, &body).len();
    assert_eq!(faults(json!({"a": 1, "b": "2026-11-21T10:00:00Z"})), 0);
    assert_ne!(faults(json!({"a": 1, "b": "yesterday"})), 0);
    assert_ne!(faults(json!({"a": 1})), 0);
    assert_ne!(faults(json!({"a": "1", "b": "2026-11-21T10:00:00Z"})), 0);
    assert_ne!(faults(json!({"b": "2026-11-21T10:00:00Z", "c": 1})), 0);
}
