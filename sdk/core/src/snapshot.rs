use std::collections::HashMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::{CompiledFlag, Context, ErrorCode, Evaluation, Fault, Flag, Release};

/// The whole state of one environment, as it is fetched.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Snapshot {
    /// The environment's key.
    pub environment: String,
    /// Which life of the store the revision counts in; a restored backup begins a new one.
    pub epoch: String,
    /// Grows by one with each change.
    pub revision: u64,
    /// How many objects there are: a truncated snapshot is noticed.
    pub counts: Counts,
    /// [`state_hash`] of the objects.
    pub hash: String,
    /// Each flag's JSON to the letter, because its digest is part of the hash.
    #[cfg_attr(feature = "schema", schema(value_type = Vec<crate::Flag>))]
    pub flags: Vec<Box<RawValue>>,
    /// Likewise for segments; this version has none.
    #[cfg_attr(feature = "schema", schema(value_type = Vec<serde_json::Value>, max_items = 0))]
    pub segments: Vec<Box<RawValue>>,
}

/// Number of objects in a snapshot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Counts {
    /// Flags.
    pub flags: usize,
    /// Segments.
    pub segments: usize,
}

/// What leads from one revision to the next.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Change {
    /// The revision it applies to.
    pub from: u64,
    /// The revision it leads to.
    pub revision: u64,
    /// [`state_hash`] of the state it leads to.
    pub hash: String,
    /// Flags that are new or differ.
    #[serde(default)]
    pub flags: Vec<Box<RawValue>>,
    /// Keys of flags that are gone.
    #[serde(default)]
    pub removed_flags: Vec<String>,
}

/// Why a snapshot or a change was not taken; the reader stays on what it had.
#[derive(Debug, Error)]
pub enum Refusal {
    /// The change does not follow the revision at hand: a message was lost.
    #[error("the change leads from revision {from}, but this is revision {at}")]
    Gap {
        /// Where the change starts.
        from: u64,
        /// Where the reader is.
        at: u64,
    },
    /// The objects do not hash to what was announced.
    #[error("the state hashes to {actual} where {announced} was announced")]
    Hash {
        /// What came with the message.
        announced: String,
        /// What the objects hash to.
        actual: String,
    },
    /// There are fewer or more objects than announced.
    #[error("the snapshot announces {announced} flags and holds {actual}")]
    Count {
        /// What came with the message.
        announced: usize,
        /// What it holds.
        actual: usize,
    },
    /// A flag can't be read or breaks a limit.
    #[error("flag {key}: {}", join(.faults))]
    Flag {
        /// The flag's key, as far as it can be told.
        key: String,
        /// All that is wrong with it.
        faults: Vec<Fault>,
    },
}

fn join(faults: &[Fault]) -> String {
    faults.iter().map(Fault::to_string).collect::<Vec<_>>().join("; ")
}

/// A flag in a state: its JSON as sent, and compiled.
#[derive(Debug)]
pub struct Entry {
    json: Box<RawValue>,
    digest: String,
    compiled: CompiledFlag,
}

impl Entry {
    /// Reads and compiles a flag's JSON.
    ///
    /// # Errors
    /// [`Refusal::Flag`] with every fault.
    pub fn read(json: Box<RawValue>) -> Result<Self, Refusal> {
        let flag: Flag = serde_json::from_str(json.get()).map_err(|error| Refusal::Flag {
            key: "unknown".to_owned(),
            faults: vec![Fault::new("", error.to_string())],
        })?;
        let key = flag.key.clone();
        let compiled = CompiledFlag::compile(flag).map_err(|faults| Refusal::Flag { key, faults })?;
        let digest = digest(json.get());
        Ok(Self { json, digest, compiled })
    }

    /// The flag, ready to evaluate.
    #[must_use]
    pub fn compiled(&self) -> &CompiledFlag {
        &self.compiled
    }

    /// The flag.
    #[must_use]
    pub fn flag(&self) -> &Flag {
        self.compiled.flag()
    }
}

/// SHA-256 of an object's JSON as sent, in hexadecimal.
#[must_use]
pub fn digest(json: &str) -> String {
    hex(&Sha256::digest(json.as_bytes()))
}

/// The hash of a state: `sha256:` and the SHA-256 of the sorted lines `kind key version digest`, joined by newlines.
pub fn state_hash<'o>(flags: impl IntoIterator<Item = (&'o str, u64, &'o str)>) -> String {
    let mut lines: Vec<String> =
        flags.into_iter().map(|(key, version, digest)| format!("flag {key} {version} {digest}")).collect();
    lines.sort_unstable();
    format!("sha256:{}", hex(&Sha256::digest(lines.join("\n").as_bytes())))
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// One environment's flags at one revision, immutable and ready to evaluate.
#[derive(Clone, Debug)]
pub struct State {
    environment: String,
    epoch: String,
    revision: u64,
    hash: String,
    flags: HashMap<String, Arc<Entry>>,
}

impl State {
    /// The state that a snapshot describes.
    ///
    /// # Errors
    /// A [`Refusal`] when a flag can't be read or count or hash are not as announced.
    pub fn from_snapshot(snapshot: Snapshot) -> Result<Self, Refusal> {
        let (announced, actual) = (snapshot.counts.flags, snapshot.flags.len());
        if announced != actual {
            return Err(Refusal::Count { announced, actual });
        }
        let entries = snapshot.flags.into_iter().map(Entry::read).collect::<Result<Vec<_>, _>>()?;
        let flags = entries.into_iter().map(|entry| (entry.flag().key.clone(), Arc::new(entry))).collect();
        Self {
            environment: snapshot.environment,
            epoch: snapshot.epoch,
            revision: snapshot.revision,
            hash: snapshot.hash,
            flags,
        }
        .checked()
    }

    /// The state after `change`; `self` stays as it is.
    ///
    /// # Errors
    /// A [`Refusal`] when the change starts elsewhere, a flag can't be read or the outcome hashes to something else.
    pub fn apply(&self, change: Change) -> Result<Self, Refusal> {
        if change.from != self.revision {
            return Err(Refusal::Gap { from: change.from, at: self.revision });
        }
        let mut flags = self.flags.clone();
        for key in &change.removed_flags {
            flags.remove(key);
        }
        for json in change.flags {
            let entry = Entry::read(json)?;
            flags.insert(entry.flag().key.clone(), Arc::new(entry));
        }
        Self {
            environment: self.environment.clone(),
            epoch: self.epoch.clone(),
            revision: change.revision,
            hash: change.hash,
            flags,
        }
        .checked()
    }

    /// The state as it would be with these flags in place of those of their keys: to ask what they would serve, as its
    /// hash and revision are still of the state that it was made from.
    #[must_use]
    pub fn what_if(&self, flags: impl IntoIterator<Item = Entry>) -> Self {
        let mut state = self.clone();
        for entry in flags {
            state.flags.insert(entry.flag().key.clone(), Arc::new(entry));
        }
        state
    }

    fn checked(self) -> Result<Self, Refusal> {
        let actual = state_hash(
            self.flags.values().map(|entry| (entry.flag().key.as_str(), entry.flag().version, entry.digest.as_str())),
        );
        if actual == self.hash { Ok(self) } else { Err(Refusal::Hash { announced: self.hash, actual }) }
    }

    /// The state as it is fetched, flags ordered by key.
    #[must_use]
    pub fn to_snapshot(&self) -> Snapshot {
        let mut entries: Vec<_> = self.flags.values().collect();
        entries.sort_unstable_by_key(|entry| &entry.flag().key);
        Snapshot {
            environment: self.environment.clone(),
            epoch: self.epoch.clone(),
            revision: self.revision,
            counts: Counts { flags: entries.len(), segments: 0 },
            hash: self.hash.clone(),
            flags: entries.into_iter().map(|entry| entry.json.clone()).collect(),
            segments: Vec::new(),
        }
    }

    /// What the flag `key` serves for `context`.
    ///
    /// # Errors
    /// [`ErrorCode::FlagNotFound`], or what [`CompiledFlag::evaluate`] says.
    pub fn evaluate(&self, key: &str, context: &Context) -> Result<Evaluation<'_>, ErrorCode> {
        self.flag(key).ok_or(ErrorCode::FlagNotFound)?.compiled.evaluate(context)
    }

    /// The flag `key`, if there is one.
    #[must_use]
    pub fn flag(&self, key: &str) -> Option<&Arc<Entry>> {
        self.flags.get(key)
    }

    /// The releases that run, each with its flag.
    pub fn releases(&self) -> impl Iterator<Item = (&Flag, &Release)> {
        self.flags.values().filter_map(|entry| Some((entry.flag(), entry.flag().release.as_ref()?)))
    }

    /// The environment's key.
    #[must_use]
    pub fn environment(&self) -> &str {
        &self.environment
    }

    /// Which life of the store the revision counts in.
    #[must_use]
    pub fn epoch(&self) -> &str {
        &self.epoch
    }

    /// The revision.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// The hash of the state.
    #[must_use]
    pub fn hash(&self) -> &str {
        &self.hash
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn flag(key: &str, version: u64) -> Box<RawValue> {
        let json = json!({
            "key": key, "version": version, "type": "boolean", "enabled": true, "off_variation": "off",
            "variations": [{"name": "on", "value": true}, {"name": "off", "value": false}],
            "fallthrough": {"variation": "on"},
        });
        RawValue::from_string(json.to_string()).unwrap()
    }

    fn snapshot(revision: u64, flags: Vec<(&str, u64)>) -> Snapshot {
        let json: Vec<_> = flags.iter().map(|(key, version)| flag(key, *version)).collect();
        let digests: Vec<_> = json.iter().map(|json| digest(json.get())).collect();
        let hash = state_hash(flags.iter().zip(&digests).map(|((k, v), d)| (*k, *v, d.as_str())));
        Snapshot {
            environment: "production".into(),
            epoch: "e".into(),
            revision,
            counts: Counts { flags: json.len(), segments: 0 },
            hash,
            flags: json,
            segments: vec![],
        }
    }

    #[test]
    fn changes_lead_to_the_state_that_a_snapshot_describes() {
        let state = State::from_snapshot(snapshot(4, vec![("a", 1), ("b", 1)])).unwrap();
        let goal = snapshot(5, vec![("b", 2), ("c", 1)]);
        let change = Change {
            from: 4,
            revision: 5,
            hash: goal.hash.clone(),
            flags: vec![flag("c", 1), flag("b", 2)],
            removed_flags: vec!["a".into()],
        };
        let after = state.apply(change).unwrap();
        assert_eq!(serde_json::to_string(&after.to_snapshot()).unwrap(), serde_json::to_string(&goal).unwrap());
        assert_eq!(after.evaluate("a", &Context::new("u")), Err(ErrorCode::FlagNotFound));
        assert_eq!(after.evaluate("c", &Context::new("u")).unwrap().value, &json!(true));
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let state = State::from_snapshot(snapshot(4, vec![("a", 1)])).unwrap();
        let change =
            |from, hash: &str, flags| Change { from, revision: 9, hash: hash.into(), flags, removed_flags: vec![] };
        assert!(matches!(state.apply(change(5, "", vec![])), Err(Refusal::Gap { from: 5, at: 4 })));
        assert!(matches!(state.apply(change(4, "sha256:0", vec![])), Err(Refusal::Hash { .. })));
        let broken = RawValue::from_string(r#"{"key":"a"}"#.into()).unwrap();
        assert!(matches!(state.apply(change(4, "", vec![broken])), Err(Refusal::Flag { .. })));

        let mut truncated = snapshot(4, vec![("a", 1), ("b", 1)]);
        truncated.flags.pop();
        assert!(matches!(State::from_snapshot(truncated), Err(Refusal::Count { announced: 2, actual: 1 })));
    }
}
