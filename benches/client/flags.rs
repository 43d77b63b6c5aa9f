//! The flags that the client is measured on, and that tests count memory on.

use bellwether_core::allocation::allocate;
use bellwether_core::{Context, Flag, Snapshot};
use serde_json::{Value, json};

/// A boolean flag without rules.
pub(crate) const PLAIN: &str = "plain";
/// A boolean flag with a rule of two clauses that matches.
pub(crate) const RULE: &str = "rule";
/// A boolean flag whose split serves a canary, which watches requests' outcomes and durations.
pub(crate) const CANARY: &str = "canary";

/// A user and eight attributes.
pub(crate) fn context(user: &str) -> Context {
    Context::new(user)
        .set("country", "NO")
        .set("plan", "pro")
        .set("email", "somebody@example.com")
        .set("language", "nb")
        .set("device", "phone")
        .set("version", "4.2.1")
        .set("address", "10.20.30.40")
        .set("role", "editor")
}

/// The three flags among so many others.
///
/// # Errors
/// When one of them is none.
pub(crate) fn snapshot(others: usize) -> Result<Snapshot, Box<dyn std::error::Error>> {
    let layout = allocate(&[("on".to_owned(), 50_000), ("off".to_owned(), 50_000)]);
    let on = json!({"variation": "on"});
    let clause = |attribute: &str, values: Value| json!({"attribute": attribute, "op": "in", "values": values});
    let clauses = [clause("country", json!(["SE", "NO", "DK"])), clause("plan", json!(["pro"]))];
    let release = json!({
        "id": "0198a1c2-7d3e-7b4f-8a55-2f6c1f0e9d11", "where": "fallthrough", "window_seconds": 10,
        "arms": [{"name": "treatment", "variation": "on"}, {"name": "control", "variation": "off"}],
        "metrics": [{"metric": "request.error"}, {"metric": "request.duration_ms", "limits": [2_000.0]}],
    });
    let mut flags = vec![
        flag(PLAIN, json!({"fallthrough": on})),
        flag(RULE, json!({"rules": [{"id": "r", "clauses": clauses, "serve": on}]})),
        flag(CANARY, json!({"fallthrough": {"split": {"salt": "bench", "ranges": layout}}, "release": release})),
    ];
    flags.extend((0..others).map(|number| flag(&format!("other-{number}"), json!({}))));
    let flags = flags.into_iter().map(serde_json::from_value).collect::<Result<Vec<Flag>, _>>()?;
    Ok(Snapshot::new("production", "bench", 1, &flags, &[])?)
}

fn flag(key: &str, more: Value) -> Value {
    let mut flag = json!({
        "key": key, "version": 1, "type": "boolean", "enabled": true, "off_variation": "off",
        "variations": [{"name": "on", "value": true}, {"name": "off", "value": false}],
        "fallthrough": {"variation": "off"},
    });
    if let (Value::Object(flag), Value::Object(more)) = (&mut flag, more) {
        flag.extend(more);
    }
    flag
}
