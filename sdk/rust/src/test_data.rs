//! Flags for tests.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bellwether_core::{Flag, Refusal, Snapshot, State, Value};
use serde_json::json;
use thiserror::Error;

use crate::Client;

/// What the flags of a client from [`Client::test`] serve. A change is in use when the call returns; listeners hear of it.
pub struct TestData {
    client: Client,
    flags: Mutex<Flags>,
}

#[derive(Default)]
struct Flags {
    revision: u64,
    all: BTreeMap<String, Flag>,
}

/// Why a flag can't be one.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FlagError {
    /// It lacks a member, or has one of another type.
    #[error("the flag can't be read: {0}")]
    Unreadable(#[from] serde_json::Error),
    /// It breaks rules.
    #[error(transparent)]
    Refused(#[from] Refusal),
}

impl TestData {
    pub(crate) fn new(client: Client) -> Self {
        Self { client, flags: Mutex::default() }
    }

    /// A flag that serves `value` to everyone, of the type that the value is of: a number is a float if it has a decimal
    /// point, anything but a boolean, text or number is JSON.
    ///
    /// A float that is infinite or no number is JSON's null.
    pub fn set(&self, key: &str, value: impl Into<Value>) {
        let value = value.into();
        let kind = match &value {
            Value::Bool(_) => "boolean",
            Value::String(_) => "string",
            Value::Number(number) if number.is_f64() => "float",
            Value::Number(_) => "integer",
            _ => "json",
        };
        let flag = json!({
            "key": key, "version": 1, "type": kind, "enabled": true, "off_variation": "value",
            "variations": [{"name": "value", "value": value}], "fallthrough": {"variation": "value"},
        });
        if let Err(error) = self.set_flag(flag) {
            tracing::error!(key, %error, "a flag of a test was not set");
        }
    }

    /// A flag with targets, rules or splits, as an entry of `flags` in what `GET /api/v1/snapshot` answers. Its `version`
    /// counts by itself.
    ///
    /// # Errors
    /// When it can't be read or breaks rules; the flags stay as they were.
    pub fn set_flag(&self, flag: Value) -> Result<(), FlagError> {
        let mut flag: Flag = serde_json::from_value(flag)?;
        let mut flags = self.lock();
        flag.version = flags.revision + 1;
        let mut all = flags.all.clone();
        all.insert(flag.key.clone(), flag);
        self.install(&mut flags, all)
    }

    /// The flag is gone: callers get their defaults.
    pub fn remove(&self, key: &str) {
        let mut flags = self.lock();
        let mut all = flags.all.clone();
        if all.remove(key).is_some()
            && let Err(error) = self.install(&mut flags, all)
        {
            tracing::error!(key, %error, "a flag of a test was not removed");
        }
    }

    fn install(&self, flags: &mut Flags, all: BTreeMap<String, Flag>) -> Result<(), FlagError> {
        let revision = flags.revision + 1;
        let listed: Vec<_> = all.values().cloned().collect();
        let state = State::from_snapshot(Snapshot::new("test", "test", revision, &listed, &[])?)?;
        *flags = Flags { revision, all };
        self.client.shared().install(Arc::new(state));
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Flags> {
        // No code that holds the lock can leave the flags half done.
        self.flags.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for TestData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestData").field("flags", &self.lock().all.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use bellwether_core::{Context, ErrorCode, Reason};

    use super::*;

    #[test]
    fn what_is_set_is_served_at_once() {
        let (flags, data) = Client::test();
        let user = Context::new("u");
        assert_eq!(flags.bool_detail("a", &user, true).error, Some(ErrorCode::ProviderNotReady));
        data.set("a", true);
        data.set("text", "blue");
        data.set("integer", 7);
        data.set("float", 7.0);
        data.set("json", json!({"x": [1]}));
        assert!(flags.bool("a", &user, false));
        assert_eq!(flags.string("text", &user, "red"), "blue");
        assert_eq!((flags.integer("integer", &user, 0), flags.float("float", &user, 0.0)), (7, 7.0));
        assert_eq!(flags.json("json", &user, Value::Null), json!({"x": [1]}));
        data.set("a", false);
        assert!(!flags.bool("a", &user, true));
        data.remove("a");
        assert_eq!(flags.bool_detail("a", &user, true).error, Some(ErrorCode::FlagNotFound));
        assert_eq!(flags.revision(), Some(7));
    }

    #[test]
    fn whole_flags_are_taken_or_refused() {
        let (flags, data) = Client::test();
        let clause = json!({"attribute": "country", "op": "in", "values": ["NO"]});
        let flag = |serve: &str| {
            json!({
                "key": "a", "version": 1, "type": "boolean", "enabled": true, "off_variation": "off",
                "variations": [{"name": "on", "value": true}, {"name": "off", "value": false}],
                "rules": [{"id": "north", "clauses": [clause], "serve": {"variation": serve}}],
                "fallthrough": {"variation": "off"},
            })
        };
        data.set_flag(flag("on")).unwrap();
        assert!(matches!(data.set_flag(flag("none")), Err(FlagError::Refused(_))));
        assert!(matches!(data.set_flag(json!({"key": "b"})), Err(FlagError::Unreadable(_))));
        let told = flags.bool_detail("a", &Context::new("u").set("country", "NO"), false);
        assert_eq!((told.value, told.reason, told.rule.as_deref()), (true, Reason::TargetingMatch, Some("north")));
        assert!(!flags.bool("a", &Context::new("u"), true));
    }

    #[test]
    fn all_flags_are_told_with_their_errors() {
        let (flags, data) = Client::test();
        assert!(flags.all_flags(&Context::new("u")).is_empty());
        data.set("a", true);
        let split = json!({"split": {"salt": "s", "ranges": [[100_000, "on"]]}});
        data.set_flag(json!({
            "key": "b", "version": 1, "type": "integer", "enabled": true, "off_variation": "on",
            "variations": [{"name": "on", "value": 5}], "fallthrough": split,
        }))
        .unwrap();
        let all = flags.all_flags(&Context::anonymous());
        assert_eq!(all.keys().collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!((&all["a"].value, all["a"].error), (&json!(true), None));
        assert_eq!((&all["b"].value, all["b"].error), (&Value::Null, Some(ErrorCode::TargetingKeyMissing)));
        assert_eq!(flags.all_flags(&Context::new("u"))["b"].value, 5);
    }

    #[test]
    fn listeners_hear_of_changes() {
        let (flags, data) = Client::test();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&heard);
        let subscription = flags.on_change(move |changed| noted.lock().unwrap().push(changed.flags.clone()));
        data.set("a", true);
        data.set("a", true);
        data.set("b", 1);
        data.remove("a");
        drop(subscription);
        data.set("c", 1);
        assert_eq!(*heard.lock().unwrap(), [["a"], ["a"], ["b"], ["a"]]);
    }
}
