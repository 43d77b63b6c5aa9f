use std::sync::Arc;

use hashbrown::HashMap;
use serde_json::value::RawValue;

use crate::compiled::CompiledFlag;
use crate::evaluate::Evaluator;
use crate::{
    Change, Context, Counts, ErrorCode, Evaluation, Fault, Flag, Now, ObjectKind, Refusal, Release, SegmentEntry,
    SegmentKeys, Snapshot, digest, state_hash,
};

/// A flag in a state: its JSON as sent, and compiled.
#[derive(Debug)]
pub struct Entry {
    json: Box<RawValue>,
    digest: String,
    flag: CompiledFlag,
}

impl Entry {
    /// Reads and compiles a flag's JSON.
    ///
    /// # Errors
    /// [`Refusal::Flag`] with every fault.
    pub fn read(json: Box<RawValue>) -> Result<Self, Refusal> {
        let flag = parse(&json)?;
        let key = flag.key.clone();
        let flag = CompiledFlag::compile(flag).map_err(|faults| Refusal::Flag { key, faults })?;
        let digest = digest(json.get());
        Ok(Self { json, digest, flag })
    }

    /// The flag, ready to evaluate.
    #[must_use]
    #[inline]
    pub fn flag(&self) -> &CompiledFlag {
        &self.flag
    }

    /// SHA-256 of its JSON as sent.
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// The flag as it was sent.
    ///
    /// # Errors
    /// Never: it was read before.
    pub fn definition(&self) -> Result<Flag, Refusal> {
        parse(&self.json)
    }
}

fn parse(json: &RawValue) -> Result<Flag, Refusal> {
    serde_json::from_str(json.get())
        .map_err(|error| Refusal::Flag { key: "unknown".to_owned(), faults: vec![Fault::new("", error.to_string())] })
}

/// One environment's flags and segments at one revision, immutable and ready to evaluate.
#[derive(Clone, Debug)]
pub struct State {
    environment: Arc<str>,
    epoch: Arc<str>,
    revision: u64,
    hash: String,
    flags: HashMap<Arc<str>, Arc<Entry>>,
    segments: HashMap<Arc<str>, Arc<SegmentEntry>>,
}

impl State {
    /// The state that a snapshot describes.
    ///
    /// # Errors
    /// A [`Refusal`] when an object can't be read, or counts or hash are not as announced.
    pub fn from_snapshot(snapshot: Snapshot) -> Result<Self, Refusal> {
        let segments = snapshot.segments.iter().map(|json| SegmentEntry::read(json.get()).map(Arc::new));
        let segments = segments.collect::<Result<_, _>>()?;
        Self::with_segments(snapshot, segments)
    }

    /// As [`State::from_snapshot`], with segments that were compiled before in place of the snapshot's: several states
    /// share them.
    ///
    /// # Errors
    /// As [`State::from_snapshot`].
    pub fn with_segments(snapshot: Snapshot, segments: Vec<Arc<SegmentEntry>>) -> Result<Self, Refusal> {
        let actual = Counts { flags: snapshot.flags.len(), segments: segments.len() };
        if snapshot.counts != actual {
            return Err(Refusal::Count { announced: snapshot.counts, actual });
        }
        let mut flags = HashMap::with_capacity(actual.flags);
        for json in snapshot.flags {
            let entry = Entry::read(json)?;
            flags.insert(entry.flag.key().into(), Arc::new(entry));
        }
        Self {
            environment: snapshot.environment.into(),
            epoch: snapshot.epoch.into(),
            revision: snapshot.revision,
            hash: snapshot.hash,
            flags,
            segments: segments.into_iter().map(|entry| (entry.key().into(), entry)).collect(),
        }
        .checked()
    }

    /// As much of an environment as one question needs: these objects alone, at `revision`.
    #[must_use]
    pub fn of_entries(
        environment: &str,
        epoch: &str,
        revision: u64,
        flags: &[Arc<Entry>],
        segments: &[Arc<SegmentEntry>],
    ) -> Self {
        let mut state = Self {
            environment: environment.into(),
            epoch: epoch.into(),
            revision,
            hash: String::new(),
            flags: flags.iter().map(|entry| (entry.flag.key().into(), entry.clone())).collect(),
            segments: segments.iter().map(|entry| (entry.key().into(), entry.clone())).collect(),
        };
        state.hash = state.actual_hash();
        state
    }

    /// The state after `change`; `self` stays as it is.
    ///
    /// # Errors
    /// A [`Refusal`] when the change starts elsewhere, an object can't be read or the outcome hashes to something else.
    pub fn apply(&self, change: Change) -> Result<Self, Refusal> {
        self.apply_with(change, &[])
    }

    /// As [`State::apply`], with segments that were compiled before in place of what the change says of them.
    ///
    /// # Errors
    /// As [`State::apply`].
    pub fn apply_with(&self, change: Change, compiled: &[Arc<SegmentEntry>]) -> Result<Self, Refusal> {
        if change.from != self.revision {
            return Err(Refusal::Gap { from: change.from, at: self.revision });
        }
        if change.from.checked_add(1) != Some(change.revision) {
            return Err(Refusal::Leap { from: change.from, to: change.revision });
        }
        let mut next = Self { revision: change.revision, hash: change.hash, ..self.clone() };
        for key in &change.removed_flags {
            next.flags.remove(key.as_str());
        }
        for json in change.flags {
            let entry = Entry::read(json)?;
            next.flags.insert(entry.flag.key().into(), Arc::new(entry));
        }
        for key in &change.removed_segments {
            next.segments.remove(key.as_str());
        }
        for entry in compiled {
            next.segments.insert(entry.key().into(), entry.clone());
        }
        if compiled.is_empty() {
            for json in change.segments {
                let entry = SegmentEntry::read(json.get())?;
                next.segments.insert(entry.key().into(), Arc::new(entry));
            }
            next.change_keys(&change.segment_keys)?;
        }
        next.checked()
    }

    fn change_keys(&mut self, changes: &[SegmentKeys]) -> Result<(), Refusal> {
        let mut changes: Vec<_> = changes.iter().collect();
        changes.sort_by_key(|change| &change.segment);
        for group in changes.chunk_by(|a, b| a.segment == b.segment) {
            let Some(key) = group.first().map(|change| change.segment.as_str()) else { continue };
            let refuse = |faults| Refusal::Segment { key: key.to_owned(), faults };
            let entry = self.segments.get(key);
            let entry = entry.ok_or_else(|| refuse(vec![Fault::new("", "keys of a segment that is not there")]))?;
            let next = entry.with_keys(group).map_err(refuse)?;
            self.segments.insert(next.key().into(), Arc::new(next));
        }
        Ok(())
    }

    /// The state as it would be with these objects in place of those of their keys: to ask what would be served then, as
    /// its hash and revision are still those of the state that it was made from.
    #[must_use]
    pub fn what_if(
        &self,
        flags: impl IntoIterator<Item = Entry>,
        segments: impl IntoIterator<Item = Arc<SegmentEntry>>,
    ) -> Self {
        let mut next = self.clone();
        next.flags.extend(flags.into_iter().map(|entry| (entry.flag.key().into(), Arc::new(entry))));
        next.segments.extend(segments.into_iter().map(|entry| (entry.key().into(), entry)));
        next
    }

    /// The state as it would be without these flags: as [`State::what_if`], only to ask.
    #[must_use]
    pub fn without<'k>(mut self, flags: impl IntoIterator<Item = &'k str>) -> Self {
        for key in flags {
            self.flags.remove(key);
        }
        self
    }

    fn checked(self) -> Result<Self, Refusal> {
        let actual = self.actual_hash();
        if actual == self.hash { Ok(self) } else { Err(Refusal::Hash { announced: self.hash, actual }) }
    }

    fn actual_hash(&self) -> String {
        let flags = self
            .flags
            .values()
            .map(|entry| (ObjectKind::Flag, entry.flag.key(), entry.flag.version(), entry.digest.as_str()));
        let segments = self.segments.values();
        let segments = segments.map(|entry| (ObjectKind::Segment, entry.key(), entry.version(), entry.digest()));
        state_hash(flags.chain(segments))
    }

    /// The state as it is fetched, its objects ordered by key.
    #[must_use]
    pub fn to_snapshot(&self) -> Snapshot {
        let mut flags: Vec<_> = self.flags.values().collect();
        flags.sort_unstable_by_key(|entry| entry.flag.key());
        let mut segments: Vec<_> = self.segments.values().collect();
        segments.sort_unstable_by_key(|entry| entry.key());
        Snapshot {
            environment: self.environment.to_string(),
            epoch: self.epoch.to_string(),
            revision: self.revision,
            counts: Counts { flags: flags.len(), segments: segments.len() },
            hash: self.hash.clone(),
            flags: flags.into_iter().map(|entry| entry.json.clone()).collect(),
            segments: segments.into_iter().filter_map(|entry| RawValue::from_string(entry.json()).ok()).collect(),
        }
    }

    /// What the flag `key` serves for `context` at the moment `now`. It allocates nothing.
    ///
    /// # Errors
    /// [`ErrorCode::FlagNotFound`]; [`ErrorCode::TargetingKeyMissing`] when a split decides and the context has no
    /// bucketing key for it.
    #[inline]
    pub fn evaluate(&self, key: &str, context: &Context, now: Now) -> Result<Evaluation<'_>, ErrorCode> {
        self.evaluate_entry(self.flag(key).ok_or(ErrorCode::FlagNotFound)?, context, now)
    }

    /// As [`State::evaluate`], for a flag of this state that was found before.
    ///
    /// # Errors
    /// As [`State::evaluate`].
    #[inline]
    pub fn evaluate_entry<'s>(
        &'s self,
        entry: &'s Entry,
        context: &Context,
        now: Now,
    ) -> Result<Evaluation<'s>, ErrorCode> {
        Evaluator::new(self, context, now, ()).flag(&entry.flag)
    }

    /// The flag `key`, if there is one.
    #[must_use]
    #[inline]
    pub fn flag(&self, key: &str) -> Option<&Arc<Entry>> {
        self.flags.get(key)
    }

    /// Every flag, in no particular order.
    pub fn flags(&self) -> impl ExactSizeIterator<Item = &Arc<Entry>> {
        self.flags.values()
    }

    /// The segment `key`, if there is one.
    #[must_use]
    pub fn segment(&self, key: &str) -> Option<&Arc<SegmentEntry>> {
        self.segments.get(key)
    }

    /// Every segment, in no particular order.
    pub fn segments(&self) -> impl Iterator<Item = &Arc<SegmentEntry>> {
        self.segments.values()
    }

    /// The releases that run, each with its flag.
    pub fn releases(&self) -> impl Iterator<Item = (&Entry, &Release)> {
        self.flags.values().filter_map(|entry| Some((&**entry, entry.flag.release()?)))
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
mod tests;
