//! Segments as they were, as far as one context asks about them.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use bellwether_core::bucket::{KeyBuffer, key_of};
use bellwether_core::{Condition, Context, KeyList, Keys, Operator, Segment, SegmentEntry, Value, limits};

use super::scene::{Object, Past, Stop};
use crate::error::{Error, Result};
use crate::flags::segments::history::{self, Stood};
use crate::flags::store::Made;

/// Most keys of a context that a segment is asked about.
const KEYS: usize = 1_000;

/// A segment that a clause names, and the attribute whose value is looked for in it.
pub(super) type Ask = (String, String);

/// What was read of segments so far, by their ids in the store and their versions.
#[derive(Default)]
pub(super) struct Segments {
    listed: HashMap<(i64, u64, KeyList, String), bool>,
    entries: HashMap<(i64, u64), (BTreeSet<String>, Arc<SegmentEntry>)>,
}

/// What the clauses of a rule ask.
pub(super) fn asks(clauses: &[Condition]) -> Vec<Ask> {
    let clauses = clauses.iter().flat_map(Condition::clauses).filter(|clause| clause.op == Operator::InSegment);
    let named = |attribute: &str, value: &Value| Some((value.as_str()?.to_owned(), attribute.to_owned()));
    clauses.flat_map(|clause| clause.values.iter().filter_map(|value| named(&clause.attribute, value))).collect()
}

/// The keys that an attribute of a context stands for: each element of a list is one, but a list that is too long is in
/// no segment.
fn keys(context: &Context, attribute: &str) -> Vec<String> {
    let key = |value: &Value| key_of(value, &mut KeyBuffer::default()).map(str::to_owned);
    match context.get(attribute) {
        Some(Value::Array(elements)) if elements.len() > limits::READ_ELEMENTS => Vec::new(),
        Some(Value::Array(elements)) => elements.iter().filter_map(key).collect(),
        found => found.and_then(key).into_iter().collect(),
    }
}

fn made(stood: &Stood, kept: &history::Kept) -> Made {
    Made {
        version: stood.version,
        revision: stood.revision,
        at: kept.at,
        actor: kept.actor.clone(),
        action: kept.action.clone(),
        reason: kept.reason.clone(),
        request_id: kept.request_id.clone(),
    }
}

/// The keys that are asked about, and the segment as it stood.
type Named = (BTreeSet<String>, Option<(Stood, history::Kept)>);

impl Past<'_, '_> {
    /// The segments that are asked about, and those that their rules ask about. Their lists hold those keys alone that
    /// the context has, which is all that an answer to it can tell apart.
    pub(super) fn segments_of(
        &mut self,
        asked: Vec<Ask>,
        revision: u64,
        earlier: Option<&Object>,
        involved: &mut Vec<(Object, Option<Made>)>,
    ) -> Result<Vec<Arc<SegmentEntry>>, Stop> {
        let mut found: BTreeMap<String, Named> = BTreeMap::new();
        let (mut open, mut known) = (VecDeque::from(asked), BTreeSet::new());
        while let Some(ask) = open.pop_front() {
            if !known.insert(ask.clone()) {
                continue;
            }
            let (key, attribute) = ask;
            let more = keys(self.context, &attribute);
            if let Some((keys, _)) = found.get_mut(&key) {
                keys.extend(more);
                continue;
            }
            let object = Object::Segment(key.clone());
            let stood = self.stood(&object, object.then(revision, earlier))?;
            involved.push((object, stood.as_ref().map(|(stood, kept)| made(stood, kept))));
            let rules = stood.as_ref().map_or(&[][..], |(_, kept)| &kept.rules);
            open.extend(rules.iter().flat_map(|rule| asks(&rule.clauses)));
            found.insert(key, (more.into_iter().collect(), stood));
        }
        let mut entries = Vec::with_capacity(found.len());
        for (keys, stood) in found.into_values() {
            if let Some((stood, kept)) = stood {
                entries.push(self.entry(stood, kept, keys)?);
            }
        }
        Ok(entries)
    }

    /// A segment as it stood at `revision`, if it was there.
    fn stood(&mut self, object: &Object, revision: u64) -> Result<Option<(Stood, history::Kept)>, Stop> {
        let Object::Segment(key) = object else { return Ok(None) };
        let segment = (self.environment.project_id, key.as_str());
        let stood = history::of(self.connection, segment, (self.environment.id, revision))?;
        if let Some(mut stood) = stood
            && let Some(kept) = stood.kept.take()
        {
            return Ok(Some((stood, kept)));
        }
        let oldest = history::oldest(self.connection, segment, self.environment.id)?;
        self.absent(object, revision, oldest)
    }

    fn entry(&mut self, stood: Stood, kept: history::Kept, keys: BTreeSet<String>) -> Result<Arc<SegmentEntry>> {
        if keys.len() > KEYS {
            let told = format!("has more than {KEYS} keys that segment {} would have to be asked about", stood.key);
            return Err(Error::invalid("", told));
        }
        let version = (stood.segment, stood.version);
        if let Some((known, entry)) = self.segments.entries.get(&version)
            && *known == keys
        {
            return Ok(entry.clone());
        }
        let mut list = |list| -> Result<Keys> {
            let mut listed = Vec::new();
            for key in &keys {
                if self.listed(version, list, key)? {
                    listed.push(key.as_str());
                }
            }
            Ok(listed.into_iter().collect())
        };
        let (included, excluded) = (list(KeyList::Included)?, list(KeyList::Excluded)?);
        let segment = Segment { key: stood.key, version: stood.version, included, excluded, rules: kept.rules };
        let told = |faults: Vec<_>| Error::internal(format!("a segment that was kept can't be read: {faults:?}"));
        let entry = Arc::new(SegmentEntry::of(segment).map_err(told)?);
        self.segments.entries.insert(version, (keys, entry.clone()));
        Ok(entry)
    }

    fn listed(&mut self, (segment, version): (i64, u64), list: KeyList, key: &str) -> Result<bool> {
        // No list has such a key, and PostgreSQL takes no such text.
        if key.contains('\0') {
            return Ok(false);
        }
        let place = (segment, version, list, key.to_owned());
        if let Some(listed) = self.segments.listed.get(&place) {
            return Ok(*listed);
        }
        let listed = history::listed(self.connection, (segment, version), list, key)?;
        self.segments.listed.insert(place, listed);
        Ok(listed)
    }
}
