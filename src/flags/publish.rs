//! From a saved configuration to a revision that every reader of the environment gets.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bellwether_core::message::ToSdk;
use bellwether_core::{
    Change, CompiledFlag, Entry, Fault, Flag, ObjectKind, RawValue, Refusal, SegmentEntry, digest, state_hash,
};

use chrono::{DateTime, Utc};

use super::Configuration;
use super::framed::Framed;
use super::history::Cause;
use super::live::KEPT_CHANGES;
use super::references;
use super::segments::{self, Delta};
use super::store::{self, ConfigurationRecord, FlagRecord};
use crate::clock;
use crate::db::Connection;
use crate::error::{Error, Result};
use crate::input;
use crate::projects::{self, Environment};

/// A committed change of an environment, serialized once for every subscriber.
#[derive(Debug)]
pub struct Published {
    /// The environment.
    pub environment: i64,
    /// The revision it leads to.
    pub revision: u64,
    /// When it was made, just before its commit. Of a change that was read back: none.
    pub at: Option<DateTime<Utc>>,
    /// The hash of the state it leads to.
    pub hash: String,
    /// The stream's message, to the letter.
    pub message: Framed,
    /// Whether the message only tells readers to fetch the snapshot: the change itself is too long.
    pub resync: bool,
    /// How long it took to write the message. Of a change that was read back: nothing.
    pub written_in: Duration,
    /// Segments as they are now, for those who have them in memory. Of a change that was read back: none.
    pub segments: Vec<Arc<SegmentEntry>>,
    /// The flags that have a new version, by their ids, and which. Of a change that was read back: none.
    pub versions: Vec<(i64, u64)>,
}

impl Published {
    /// What readers are told, without what is for memory.
    pub(super) fn told(self: Arc<Self>) -> Arc<Self> {
        if self.segments.is_empty() {
            return self;
        }
        let (hash, message, versions) = (self.hash.clone(), self.message.clone(), self.versions.clone());
        let Self { environment, revision, at, resync, written_in, .. } = *self;
        let segments = Vec::new();
        Arc::new(Self { environment, revision, at, hash, message, resync, written_in, segments, versions })
    }
}

/// Checks the flag as it would be served and puts its JSON into the record.
///
/// # Errors
/// Every fault of the flag, with pointers below `prefix`.
pub(super) fn render(flag: &FlagRecord, record: &mut ConfigurationRecord, prefix: &str) -> Result<()> {
    if flag.archived_at.is_some() {
        (record.served, record.digest) = (None, None);
        return Ok(());
    }
    let served = served(flag, record);
    let json = serde_json::to_string(&served)?;
    Error::unless_empty(compiled(served, prefix))?;
    record.digest = Some(digest(&json));
    record.served = Some(json);
    Ok(())
}

/// What is wrong with the flag if it were served like this, and with what it names, with pointers below `prefix`.
pub(super) fn faults(
    connection: &mut Connection<'_>,
    flag: &FlagRecord,
    record: &ConfigurationRecord,
    configuration: Configuration,
    prefix: &str,
) -> Result<Vec<Fault>> {
    // Whether a release that runs allows it is another question: no document has one.
    let served = served(flag, &ConfigurationRecord { configuration, release: None, ..record.clone() });
    let named = references::faults(connection, flag, record.environment_id, &served)?;
    let mut faults = compiled(served, prefix);
    input::add(&mut faults, named.into_iter().map(|fault| place(fault, prefix)));
    Ok(faults)
}

/// The flag as it would be served.
///
/// # Errors
/// Every fault of the flag, with pointers below `prefix`.
pub(super) fn entry(flag: &FlagRecord, record: &ConfigurationRecord, prefix: &str) -> Result<Entry> {
    match Entry::read(RawValue::from_string(serde_json::to_string(&served(flag, record))?)?) {
        Err(Refusal::Flag { faults, .. }) => {
            Err(Error::Invalid(faults.into_iter().map(|fault| place(fault, prefix)).collect()))
        }
        read => read.map_err(Error::internal),
    }
}

/// The flag as it would be served.
pub(super) fn served(flag: &FlagRecord, record: &ConfigurationRecord) -> Flag {
    Flag {
        key: flag.key.clone(),
        version: record.version,
        value_type: flag.value_type,
        client_visible: flag.definition.client_visible,
        enabled: record.configuration.enabled,
        variations: flag.definition.variations.clone(),
        off_variation: record.configuration.off_variation.clone(),
        prerequisites: record.configuration.prerequisites.clone(),
        targets: record.configuration.targets.clone(),
        rules: record.configuration.rules.clone(),
        fallthrough: record.configuration.fallthrough.clone(),
        release: record.release.clone(),
    }
}

fn compiled(flag: Flag, prefix: &str) -> Vec<Fault> {
    match CompiledFlag::compile(flag) {
        Ok(_) => Vec::new(),
        Err(faults) => faults.into_iter().map(|fault| place(fault, prefix)).collect(),
    }
}

/// Variations belong to the flag, everything else to its configuration.
fn place(fault: Fault, prefix: &str) -> Fault {
    if fault.pointer.starts_with("/variations") { fault } else { fault.under(prefix) }
}

/// Makes the saved records of some flags the environment's next revision.
///
/// # Errors
/// When the store does not answer.
pub(super) fn publish(
    connection: &mut Connection<'_>,
    environment: i64,
    records: &[&ConfigurationRecord],
    cause: &Cause<'_>,
) -> Result<Arc<Published>> {
    publish_with(connection, environment, records, &Delta::default(), cause)
}

/// As [`publish`], with what changes of the project's segments.
///
/// # Errors
/// When the store does not answer.
pub(super) fn publish_with(
    connection: &mut Connection<'_>,
    environment: i64,
    records: &[&ConfigurationRecord],
    delta: &Delta,
    cause: &Cause<'_>,
) -> Result<Arc<Published>> {
    let Environment { revision: from, project_id, .. } = projects::environment_of_id(connection, environment)?;
    let revision = from + 1;
    let flags = store::digests(connection, environment)?;
    let segments = segments::digests(connection, project_id)?;
    let flags = flags.iter().map(|object| (ObjectKind::Flag, object));
    let objects = flags.chain(segments.iter().map(|object| (ObjectKind::Segment, object)));
    let hash = state_hash(objects.map(|(kind, (key, version, digest))| (kind, &**key, *version, &**digest)));
    let writing = Instant::now();
    let mut change = Change::new(from, hash.clone());
    for record in records {
        match &record.served {
            Some(json) => change.flags.push(RawValue::from_string(json.clone())?),
            None => change.removed_flags.push(record.flag_key.clone()),
        }
    }
    change.segments.clone_from(&delta.whole);
    change.segment_keys.clone_from(&delta.keys);
    change.removed_segments.clone_from(&delta.removed);
    let mut message = ToSdk::Change(&change).write()?;
    let resync = delta.untold || (!delta.is_empty() && message.len() > segments::LONGEST);
    if resync {
        message = ToSdk::Resync { revision }.write()?;
    }
    let message = Framed::new(message)?;
    let written_in = writing.elapsed();
    projects::set_revision(connection, environment, revision, &hash)?;
    store::push_outbox(
        connection,
        environment,
        revision,
        (message.text(), &hash),
        revision.saturating_sub(KEPT_CHANGES),
    )?;
    for record in records {
        store::keep_version(connection, record, revision, cause)?;
    }
    let versions = records.iter().map(|record| (record.flag_id, record.version)).collect();
    let (segments, at) = (delta.compiled.clone(), Some(clock::now()));
    Ok(Arc::new(Published { environment, revision, at, hash, message, resync, written_in, segments, versions }))
}
