//! Segments: who belongs to a group, by key or by rule.

use serde::{Deserialize, Serialize};

use crate::compile::is_key;
use crate::condition::{self, Test};
use crate::keys::{KeySet, Keys};
use crate::{Condition, Fault, Refusal, digest, limits};

/// A segment as it is evaluated: what a snapshot and a change carry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema), schema(as = ServedSegment))]
pub struct Segment {
    /// Unique in the project.
    pub key: String,
    /// Grows with each change of the segment.
    pub version: u64,
    /// Who belongs to it, rising byte by byte.
    #[serde(default, skip_serializing_if = "Keys::is_empty")]
    #[cfg_attr(feature = "schema", schema(value_type = Vec<String>))]
    pub included: Keys,
    /// Who does not whatever else is said, rising byte by byte.
    #[serde(default, skip_serializing_if = "Keys::is_empty")]
    #[cfg_attr(feature = "schema", schema(value_type = Vec<String>))]
    pub excluded: Keys,
    /// Whom any of these matches belongs to it as well.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<SegmentRule>,
}

/// Matches when all its clauses do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema), schema(as = ServedSegmentRule))]
pub struct SegmentRule {
    /// Unique in the segment.
    pub id: String,
    /// For people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// All must match.
    pub clauses: Vec<Condition>,
}

/// Keys of one list of a segment that came and went: the whole list may be too long to send again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SegmentKeys {
    /// The segment's key.
    pub segment: String,
    /// The segment's version with this change.
    pub version: u64,
    /// Which list.
    #[serde(default, skip_serializing_if = "KeyList::is_included")]
    pub list: KeyList,
    /// Keys that are new, rising.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub added: Vec<String>,
    /// Keys that are gone, rising.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub removed: Vec<String>,
}

/// One of a segment's two lists.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum KeyList {
    /// Who belongs to the segment.
    #[default]
    Included,
    /// Who does not.
    Excluded,
}

impl KeyList {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
    fn is_included(&self) -> bool {
        *self == Self::Included
    }
}

/// A segment in a state: checked, its keys as sets, its rules made ready.
#[derive(Debug)]
pub struct SegmentEntry {
    key: String,
    version: u64,
    digest: String,
    /// As it came, where that is not as this would be written.
    json: Option<Box<str>>,
    pub(crate) included: KeySet,
    pub(crate) excluded: KeySet,
    pub(crate) tests: Box<[Box<[Test]>]>,
    rules: Vec<SegmentRule>,
}

impl SegmentEntry {
    /// Reads and compiles a segment's JSON.
    ///
    /// # Errors
    /// [`Refusal::Segment`] with every fault.
    pub fn read(json: &str) -> Result<Self, Refusal> {
        let segment: Segment = serde_json::from_str(json).map_err(|error| Refusal::Segment {
            key: "unknown".to_owned(),
            faults: vec![Fault::new("", error.to_string())],
        })?;
        let canonical = serde_json::to_string(&segment).is_ok_and(|written| written == json);
        let key = segment.key.clone();
        let entry = Self::compile(segment, digest(json)).map_err(|faults| Refusal::Segment { key, faults })?;
        Ok(Self { json: (!canonical).then(|| json.into()), ..entry })
    }

    /// Compiles a segment.
    ///
    /// # Errors
    /// Every fault of the segment, with pointers relative to it.
    pub fn of(segment: Segment) -> Result<Self, Vec<Fault>> {
        let json = serde_json::to_string(&segment).map_err(|error| vec![Fault::new("", error.to_string())])?;
        Self::compile(segment, digest(&json))
    }

    fn compile(segment: Segment, digest: String) -> Result<Self, Vec<Fault>> {
        let Segment { key, version, included, excluded, rules } = segment;
        let mut faults = Vec::new();
        if !is_key(&key) {
            faults.push(Fault::new("/key", crate::compile::KEY_FORM));
        }
        for (pointer, keys) in [("/included", &included), ("/excluded", &excluded)] {
            if keys.len() > limits::SEGMENT_KEYS {
                faults.push(Fault::new(pointer, format!("at most {} keys", limits::SEGMENT_KEYS)));
            }
            if !keys.is_rising() {
                faults.push(Fault::new(pointer, "keys rise, byte by byte, and none comes twice"));
            }
            for (at, _) in keys.iter().enumerate().filter(|(_, key)| key.len() > limits::TARGETING_KEY_LENGTH) {
                let message = format!("a key has at most {} bytes", limits::TARGETING_KEY_LENGTH);
                faults.push(Fault::new(format!("{pointer}/{at}"), message));
            }
        }
        if rules.len() > limits::SEGMENT_RULES {
            faults.push(Fault::new("/rules", format!("at most {} rules", limits::SEGMENT_RULES)));
        }
        let few = condition::has_few_patterns(rules.iter().map(|rule| &*rule.clauses), "/rules", &mut faults);
        let mut ids = std::collections::HashSet::new();
        let mut tests = Vec::with_capacity(rules.len());
        for (at, rule) in rules.iter().enumerate() {
            if !is_key(&rule.id) {
                faults.push(Fault::new(format!("/rules/{at}/id"), "a rule's id is formed like a key"));
            } else if !ids.insert(&rule.id) {
                faults.push(Fault::new(format!("/rules/{at}/id"), format!("the id `{}` is used twice", rule.id)));
            }
            if rule.clauses.is_empty() {
                let message = "at least one clause is needed: a segment of everyone is none";
                faults.push(Fault::new(format!("/rules/{at}/clauses"), message));
            }
            let clauses = format!("/rules/{at}/clauses");
            if few {
                tests.push(Test::compile_all(&rule.clauses, &clauses, &mut faults));
            } else {
                Test::check_without_patterns(&rule.clauses, &clauses, &mut faults);
            }
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        let (included, excluded) = (KeySet::new(included).0, KeySet::new(excluded).0);
        Ok(Self { key, version, digest, json: None, included, excluded, tests: tests.into(), rules })
    }

    /// The segment's key.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The segment's version.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version
    }

    /// SHA-256 of its JSON as sent, in hexadecimal.
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// Its rules.
    #[must_use]
    pub fn rules(&self) -> &[SegmentRule] {
        &self.rules
    }

    /// The keys of one of its lists, rising.
    #[must_use]
    pub fn keys(&self, list: KeyList) -> &Keys {
        match list {
            KeyList::Included => self.included.keys(),
            KeyList::Excluded => self.excluded.keys(),
        }
    }

    /// Whether one of its lists has the key.
    #[must_use]
    pub fn lists(&self, list: KeyList, key: &str) -> bool {
        match list {
            KeyList::Included => self.included.contains(key),
            KeyList::Excluded => self.excluded.contains(key),
        }
    }

    /// The segment as such.
    #[must_use]
    pub fn segment(&self) -> Segment {
        Segment {
            key: self.key.clone(),
            version: self.version,
            included: self.included.keys().clone(),
            excluded: self.excluded.keys().clone(),
            rules: self.rules.clone(),
        }
    }

    /// Its JSON as sent.
    pub(crate) fn json(&self) -> String {
        match &self.json {
            Some(json) => json.to_string(),
            None => serde_json::to_string(&self.segment()).unwrap_or_default(),
        }
    }

    /// The segment after a change of its keys.
    ///
    /// # Errors
    /// Every fault of what comes out.
    pub fn with_keys(&self, changes: &[&SegmentKeys]) -> Result<Self, Vec<Fault>> {
        let mut segment = self.segment();
        for change in changes {
            segment.version = change.version;
            let list = match change.list {
                KeyList::Included => &mut segment.included,
                KeyList::Excluded => &mut segment.excluded,
            };
            *list = list.changed(&change.added, &change.removed);
        }
        Self::of(segment)
    }
}

/// The segments that a segment's rules name, each with the pointer to it.
#[must_use]
pub fn segments_of_rules(rules: &[SegmentRule]) -> Vec<(String, &str)> {
    let rules = rules.iter().enumerate();
    rules.flat_map(|(at, rule)| condition::segments(&rule.clauses, &format!("/rules/{at}/clauses"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_segment_is_written_as_it_was_read() {
        let canonical = r#"{"key":"beta","version":3,"included":["a","b"],"rules":[{"id":"r","clauses":[{"attribute":"plan","op":"exists"}]}]}"#;
        let entry = SegmentEntry::read(canonical).unwrap();
        assert_eq!(entry.json, None);
        assert_eq!(entry.json(), canonical);
        assert_eq!(entry.digest(), digest(canonical));
        let other = r#"{"key": "beta", "version": 3, "news": 1}"#;
        let entry = SegmentEntry::read(other).unwrap();
        assert_eq!(entry.json(), other);
        assert_eq!(entry.digest(), digest(other));
    }

    #[test]
    fn changes_of_keys_lead_to_the_same_segment() {
        let segment = |version, included: &[&str], excluded: &[&str]| Segment {
            key: "beta".into(),
            version,
            included: included.iter().copied().collect(),
            excluded: excluded.iter().copied().collect(),
            rules: vec![],
        };
        let before = SegmentEntry::of(segment(1, &["a", "c"], &[])).unwrap();
        let keys = |list, added: &[&str], removed: &[&str]| SegmentKeys {
            segment: "beta".into(),
            version: 2,
            list,
            added: added.iter().map(|key| (*key).to_owned()).collect(),
            removed: removed.iter().map(|key| (*key).to_owned()).collect(),
        };
        let changes = [keys(KeyList::Included, &["b"], &["a"]), keys(KeyList::Excluded, &["x"], &[])];
        let after = before.with_keys(&changes.iter().collect::<Vec<_>>()).unwrap();
        assert_eq!(after.digest(), SegmentEntry::of(segment(2, &["b", "c"], &["x"])).unwrap().digest());
        assert_eq!(
            serde_json::to_value(&changes[0]).unwrap(),
            json!({"segment": "beta", "version": 2, "added": ["b"], "removed": ["a"]})
        );
    }

    #[test]
    fn every_fault_is_named() {
        let refused = SegmentEntry::read(
            &json!({"key": "a/b", "version": 1, "included": ["b", "a"], "rules": [
                {"id": "r", "clauses": []},
                {"id": "r", "clauses": [{"attribute": "a", "op": "lt", "values": ["x"]}]},
            ]})
            .to_string(),
        );
        let Err(Refusal::Segment { faults, .. }) = refused else { panic!() };
        let pointers: Vec<_> = faults.iter().map(|fault| fault.pointer.as_str()).collect();
        assert_eq!(pointers, ["/key", "/included", "/rules/0/clauses", "/rules/1/id", "/rules/1/clauses/0/values/0"]);
    }
}
