//! Segments: groups of users of a project, by key or by rule, which flags' rules name.
//!
//! A segment is in the snapshot of each environment of its project, so every change of it is a revision of each. Its keys
//! may be a million: what takes time (to sort, compare, compile and hash them) is done outside of the transaction, over
//! what is in memory; the transaction holds the outcome against the version that it was made for.

mod api;
mod change;
mod chunks;
mod delta;
pub mod history;
mod input;
mod lines;
mod lists;
mod load;
mod reach;
mod references;
mod service;
mod store;

use bellwether_core::{KeyList, Keys, Segment, SegmentEntry};
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

pub use input::{NewSegment, SegmentInput};
pub use lists::Counts;
pub use reach::Reach;
pub use references::existing;
pub use service::{Edit, KeysOutcome, Preview, Segments};

pub(super) use api::{document, routes};
pub(super) use delta::{Delta, LONGEST};
pub(super) use load::{lay_out, load};

pub(super) use store::SegmentRecord;

use crate::clock;
use crate::db::Connection;
use crate::error::Result;
use input::RuleShape;

/// Most keys of a list that are shown with the segment.
const SHOWN: usize = 1_000;

/// A segment as the API shows it.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Segment)]
pub struct SegmentView {
    /// Unique in the project.
    pub key: String,
    /// For people.
    pub name: String,
    /// For people.
    pub description: String,
    /// How many keys belong to it by themselves.
    pub included_count: usize,
    /// How many keys do not, whatever else is said.
    pub excluded_count: usize,
    /// The keys that belong to it, if they are at most 1,000. Lists of segments do not show them.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub included: Option<Vec<String>>,
    /// The keys that do not, likewise.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub excluded: Option<Vec<String>>,
    /// Whom any of these matches belongs to it as well.
    #[schema(value_type = Vec<RuleShape>)]
    pub rules: Vec<bellwether_core::SegmentRule>,
    /// Grows with each change of the segment.
    pub version: u64,
    /// When it was created.
    #[serde(with = "clock::serde_rfc3339")]
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    #[serde(with = "clock::serde_rfc3339")]
    pub updated_at: DateTime<Utc>,
    /// By whom.
    pub updated_by: String,
}

impl SegmentView {
    /// With those of its lists that are not too long.
    fn with_keys(record: SegmentRecord, entry: &SegmentEntry) -> Self {
        let shown = |list| {
            let keys = entry.keys(list);
            (keys.len() <= SHOWN).then(|| keys.iter().map(str::to_owned).collect())
        };
        let (included, excluded) = (shown(KeyList::Included), shown(KeyList::Excluded));
        Self { included, excluded, ..record.into() }
    }
}

impl From<SegmentRecord> for SegmentView {
    fn from(segment: SegmentRecord) -> Self {
        Self {
            key: segment.key,
            name: segment.name,
            description: segment.description,
            included_count: segment.included,
            excluded_count: segment.excluded,
            included: None,
            excluded: None,
            rules: segment.rules,
            version: segment.version,
            created_at: segment.created_at,
            updated_at: segment.updated_at,
            updated_by: segment.updated_by,
        }
    }
}

impl SegmentRecord {
    /// The segment as SDKs get it.
    fn served(&self, included: Keys, excluded: Keys) -> Segment {
        Segment { key: self.key.clone(), version: self.version, included, excluded, rules: self.rules.clone() }
    }
}

/// `(key, version, digest)` of each segment of a project: what the states of its environments hash.
pub(super) fn digests(connection: &mut Connection<'_>, project: i64) -> Result<Vec<(String, u64, String)>> {
    store::digests(connection, project)
}
