//! Segments out of the store, and into environments.

use std::collections::HashMap;
use std::sync::Arc;

use bellwether_core::{KeyList, Refusal, SegmentEntry};

use super::store::{self, SegmentRecord};
use crate::db::Connection;
use crate::error::{Error, Result};
use crate::flags::Live;

/// Every segment of a project, ready to evaluate; those of `known`, by their digests, are not read again.
pub(in crate::flags) fn load(
    connection: &mut Connection<'_>,
    project: i64,
    known: &HashMap<String, Arc<SegmentEntry>>,
) -> Result<Vec<Arc<SegmentEntry>>> {
    let mut entries = Vec::new();
    for record in store::all(connection, project)? {
        entries.push(match known.get(&record.digest) {
            Some(entry) => entry.clone(),
            None => Arc::new(entry(connection, &record)?),
        });
    }
    Ok(entries)
}

/// A segment, ready to evaluate, out of memory if it is there.
pub(super) fn current(
    connection: &mut Connection<'_>,
    live: &Live,
    record: &SegmentRecord,
) -> Result<Arc<SegmentEntry>> {
    match live.segment(&record.key, &record.digest) {
        Some(entry) => Ok(entry),
        None => Ok(Arc::new(entry(connection, record)?)),
    }
}

fn entry(connection: &mut Connection<'_>, record: &SegmentRecord) -> Result<SegmentEntry> {
    let included = store::keys(connection, record.id, KeyList::Included)?;
    let excluded = store::keys(connection, record.id, KeyList::Excluded)?;
    let refuse = |faults| Error::internal(Refusal::Segment { key: record.key.clone(), faults });
    SegmentEntry::of(record.served(included, excluded)).map_err(refuse)
}

/// Notes that an environment, which is new, has every segment of its project from a revision on.
pub(in crate::flags) fn lay_out(connection: &mut Connection<'_>, project: i64, place: (i64, u64)) -> Result<()> {
    for head in store::heads(connection, project)? {
        store::set_revision(connection, head, place)?;
    }
    Ok(())
}
