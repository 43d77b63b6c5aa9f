//! The log, played from its first row: whatever it tells must be what is stored, and nothing else.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use bellwether::audit::FieldChange;
use bellwether::flags::Configuration as Served;
use bellwether_core::{Keys, Release, Segment, SegmentEntry};
use serde_json::Value;

use super::ledger::{Ledger, Outcome};
use crate::harness::chained;
use crate::store::{AuditRow, Configuration, FlagRow};

/// What the log has told so far.
#[derive(Default)]
pub(crate) struct Book {
    sequence: i64,
    hash: String,
    /// By key.
    flags: BTreeMap<String, Flag>,
    /// Version and included keys of each segment, by key.
    segments: BTreeMap<String, (i64, BTreeSet<String>)>,
    /// Revisions by environment.
    revisions: BTreeMap<String, i64>,
    /// How often guards and people have done what to canaries, by action and whether a guard did it.
    pub(crate) canary_actions: BTreeMap<(String, bool), usize>,
    /// Rows that guards wrote.
    pub(crate) by_guards: usize,
}

struct Flag {
    definition: Value,
    /// Version and configuration as the API shows it, by environment.
    served: BTreeMap<String, (i64, Value)>,
}

impl Book {
    /// The last row that has been read.
    pub(crate) fn sequence(&self) -> i64 {
        self.sequence
    }

    /// Reads on, and holds the log against what was acknowledged and what is stored.
    ///
    /// # Panics
    /// When they do not agree.
    pub(crate) fn read(&mut self, stored: &Configuration, ledger: &Ledger) {
        let names: HashMap<i64, &str> = stored.environments.iter().map(|row| (row.id, row.key.as_str())).collect();
        let mut told: HashMap<&str, Vec<&AuditRow>> = HashMap::new();
        for row in &stored.audit {
            assert_eq!(row.sequence, self.sequence + 1, "the log is dense");
            assert_eq!(row.hash, chained(&self.hash, &row.shown()), "and its chain unbroken, at {}", row.sequence);
            self.play(row, names.values().copied());
            (self.sequence, self.hash) = (row.sequence, row.hash.clone());
            told.entry(&row.request_id).or_default().push(row);
        }
        agree(&told, ledger);
        self.compare(stored, &names);
    }

    /// Does what a row tells.
    fn play<'k>(&mut self, row: &AuditRow, environments: impl Iterator<Item = &'k str>) {
        let changes = row.changes();
        let key = row.resource.split_once('/').map_or("", |(_, key)| key);
        self.by_guards += usize::from(row.actor_kind == "guard");
        if row.action.starts_with("canary.") {
            *self.canary_actions.entry((row.action.clone(), row.actor_kind == "guard")).or_default() += 1;
        }
        match row.action.as_str() {
            "flag.create" => {
                let first = serde_json::to_value(Served::new("off".to_owned())).unwrap();
                let served = environments.map(|key| (key.to_owned(), (1, first.clone()))).collect();
                let flag = Flag { definition: changes[0].after.clone().unwrap(), served };
                flag.served.keys().for_each(|environment| self.publish(environment));
                assert!(self.flags.insert(key.to_owned(), flag).is_none(), "{key} was created before");
            }
            "flag.update" | "flag.archive" => {
                let flag = self.flags.get_mut(key).unwrap();
                changes.iter().for_each(|change| apply(&mut flag.definition, change));
                let seen = ["/variations", "/client_visible", "/archived_at"];
                if changes.iter().any(|change| seen.iter().any(|part| change.pointer.starts_with(part))) {
                    flag.served.values_mut().for_each(|(version, _)| *version += 1);
                    let environments: Vec<_> = flag.served.keys().cloned().collect();
                    environments.iter().for_each(|environment| self.publish(environment));
                }
            }
            "flag.target" | "flag.untarget" | "flag.enable" | "flag.disable" | "flag.rollout" | "flag.configure"
            | "canary.start" | "canary.advance" | "canary.promote" | "canary.rollback" => {
                let environment = row.environment.as_deref().unwrap();
                let (version, served) = self.flags.get_mut(key).unwrap().served.get_mut(environment).unwrap();
                changes.iter().for_each(|change| apply(served, change));
                *version += 1;
                self.publish(environment);
            }
            "segment.create" | "segment.add_keys" | "segment.remove_keys" => {
                let (version, keys) = self.segments.entry(key.to_owned()).or_default();
                *version += 1;
                for change in changes.iter().filter(|change| change.pointer == "/included") {
                    told_keys(change.before.as_ref()).for_each(|key| assert!(keys.remove(key), "{row:?}"));
                    told_keys(change.after.as_ref()).for_each(|key| assert!(keys.insert(key.to_owned()), "{row:?}"));
                }
                environments.for_each(|environment| self.publish(environment));
            }
            _ => {}
        }
    }

    fn publish(&mut self, environment: &str) {
        *self.revisions.entry(environment.to_owned()).or_default() += 1;
    }

    fn compare_segments(&self, stored: &Configuration) {
        assert_eq!(stored.segments.len(), self.segments.len());
        for row in &stored.segments {
            let (version, told) = &self.segments[&row.key];
            let parts = stored.keys.iter().filter(|part| part.segment_id == row.id);
            let keys: Vec<_> = parts.flat_map(|part| part.keys.split('\n')).collect();
            assert_eq!(row.version, *version, "the version of {}", row.key);
            assert_eq!(keys, told.iter().map(String::as_str).collect::<Vec<_>>(), "the keys of {}", row.key);
            let (included, excluded) = (keys.into_iter().collect(), Keys::default());
            let version = row.version as u64;
            let segment = Segment { key: row.key.clone(), version, included, excluded, rules: Vec::new() };
            assert_eq!(row.digest, SegmentEntry::of(segment).unwrap().digest(), "{row:?}");
        }
    }

    fn compare(&self, stored: &Configuration, names: &HashMap<i64, &str>) {
        for row in &stored.environments {
            let revision = self.revisions.get(&row.key).copied().unwrap_or_default();
            assert_eq!(row.revision, revision, "the revision of {}", row.key);
        }
        self.compare_segments(stored);
        assert_eq!(stored.flags.len(), self.flags.len());
        let flags: HashMap<i64, &FlagRow> = stored.flags.iter().map(|row| (row.id, row)).collect();
        for row in &stored.flags {
            let told = &self.flags[&row.key].definition;
            let definition: Value = serde_json::from_str(&row.definition).unwrap();
            for (name, value) in definition.as_object().unwrap() {
                assert_eq!(told.get(name).unwrap_or(&Value::Null), value, "{name} of {}", row.key);
            }
            assert_eq!(told.get("archived_at").is_some_and(|at| !at.is_null()), row.archived_at.is_some());
            assert!(row.version >= 1, "{row:?}");
        }
        assert_eq!(stored.configurations.len(), self.flags.len() * names.len());
        for row in &stored.configurations {
            let (environment, flag) = (names[&row.environment_id], flags[&row.flag_id]);
            let (version, told) = &self.flags[&row.flag_key].served[environment];
            assert_eq!(row.version, *version, "the version of {} in {environment}", row.flag_key);
            let definition: bellwether::flags::Definition = serde_json::from_str(&flag.definition).unwrap();
            let served: Served = serde_json::from_str(&row.configuration).unwrap();
            let release = row.release_json.as_deref().map(|json| serde_json::from_str::<Release>(json).unwrap());
            let view = served.view(release.as_ref(), &definition.variations).unwrap();
            assert_eq!(&without_empty(view), &without_empty(told.clone()), "{} in {environment}", row.flag_key);
        }
    }
}

/// The keys that a change of a segment names: all of them, where they are few.
fn told_keys(side: Option<&Value>) -> impl Iterator<Item = &str> {
    let keys = side.and_then(|side| side["keys"].as_array());
    keys.into_iter().flatten().map(|key| key.as_str().unwrap())
}

/// Holds what the log tells since it was last read against what was asked for meanwhile.
fn agree(told: &HashMap<&str, Vec<&AuditRow>>, ledger: &Ledger) {
    for (write, outcome) in ledger.open() {
        let rows = told.get(write.id.as_str()).map(Vec::as_slice).unwrap_or_default();
        match outcome {
            Outcome::Acknowledged => assert_eq!(rows.len(), 1, "{write:?} was acknowledged: {rows:?}"),
            Outcome::Refused | Outcome::Unavailable => {
                assert!(rows.is_empty(), "{write:?} was {outcome:?}: {rows:?}");
            }
            Outcome::Unknown => assert!(rows.len() <= 1, "{write:?} was sent once: {rows:?}"),
        }
        for row in rows {
            assert_eq!((&*row.action, &*row.resource), (write.action, &*write.resource), "{write:?}");
        }
    }
    let by_people = told.values().flatten().filter(|row| row.actor_kind == "service_token");
    for row in by_people {
        assert!(ledger.open().any(|(write, _)| write.id == row.request_id), "nobody asked for {row:?}");
    }
    ledger.settle(|id| told.contains_key(id));
}

/// Makes the document what it is after a change, which must start from what it is.
fn apply(document: &mut Value, change: &FieldChange) {
    let (parent, name) = change.pointer.rsplit_once('/').unwrap();
    let members = document.pointer_mut(parent).and_then(Value::as_object_mut);
    let members = members.unwrap_or_else(|| panic!("there is no {parent}"));
    let name = name.replace("~1", "/").replace("~0", "~");
    let known = members.get(&name).filter(|value| !value.is_null()).cloned();
    assert_eq!(known, change.before.clone().filter(|value| !value.is_null()), "before {}", change.pointer);
    match &change.after {
        Some(after) => members.insert(name, after.clone()),
        None => members.remove(&name),
    };
}

/// A document without the members that say nothing.
fn without_empty(mut document: Value) -> Value {
    if let Some(members) = document.as_object_mut() {
        members.retain(|_, value| !value.is_null());
    }
    document
}
