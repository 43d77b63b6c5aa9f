//! Flags and states for the tests of this crate.

pub(crate) mod lives;

use std::sync::Arc;

use bellwether_core::allocation::allocate;
use bellwether_core::{Change, Counts, ObjectKind, RawValue, Snapshot, State, Value, digest, state_hash};
use serde_json::json;

/// A flag that serves `value` to everyone.
pub(crate) fn constant(key: &str, kind: &str, value: Value) -> Value {
    json!({
        "key": key, "version": 1, "type": kind, "enabled": true, "off_variation": "first",
        "variations": [{"name": "first", "value": value}], "fallthrough": {"variation": "first"},
    })
}

/// A boolean flag with a canary whose treatment has `treated` of 100,000 buckets; the release's id is `release-` and the key.
pub(crate) fn canary(key: &str, treated: u32, metrics: Value, window_seconds: u32) -> Value {
    let layout = allocate(&[("on".to_owned(), treated), ("off".to_owned(), 100_000 - treated)]);
    json!({
        "key": key, "version": 1, "type": "boolean", "enabled": true, "off_variation": "off",
        "variations": [{"name": "on", "value": true}, {"name": "off", "value": false}],
        "targets": [{"variation": "on", "keys": ["vip"]}],
        "fallthrough": {"split": {"salt": key, "ranges": layout}},
        "release": {
            "id": format!("release-{key}"), "where": "fallthrough", "metrics": metrics, "window_seconds": window_seconds,
            "arms": [{"name": "treatment", "variation": "on"}, {"name": "control", "variation": "off"}],
        },
    })
}

pub(crate) fn snapshot(epoch: &str, revision: u64, flags: Vec<Value>) -> Snapshot {
    let sent: Vec<_> = flags.iter().map(raw).collect();
    Snapshot {
        environment: "production".into(),
        epoch: epoch.into(),
        revision,
        counts: Counts { flags: flags.len(), segments: 0 },
        hash: hash(&flags),
        flags: sent,
        segments: Vec::new(),
    }
}

pub(crate) fn state(epoch: &str, revision: u64, flags: Vec<Value>) -> Arc<State> {
    Arc::new(State::from_snapshot(snapshot(epoch, revision, flags)).unwrap())
}

/// The change from the revision before `revision` that sends `changed` and leads to `flags`.
pub(crate) fn change(revision: u64, changed: &[Value], flags: &[Value]) -> Change {
    Change { flags: changed.iter().map(raw).collect(), ..Change::new(revision - 1, hash(flags)) }
}

fn raw(flag: &Value) -> Box<RawValue> {
    RawValue::from_string(flag.to_string()).unwrap()
}

fn hash(flags: &[Value]) -> String {
    let digests: Vec<_> = flags.iter().map(|flag| digest(&flag.to_string())).collect();
    state_hash(flags.iter().zip(&digests).map(|(flag, digest)| {
        let (key, version) = (flag["key"].as_str().unwrap(), flag["version"].as_u64().unwrap());
        (ObjectKind::Flag, key, version, digest.as_str())
    }))
}
