use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::{Fault, Flag, Segment, SegmentKeys};

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
    /// Likewise for segments.
    #[cfg_attr(feature = "schema", schema(value_type = Vec<crate::Segment>))]
    pub segments: Vec<Box<RawValue>>,
}

impl Snapshot {
    /// The snapshot of some flags and segments, with their counts and their hash.
    ///
    /// # Errors
    /// Never for these types; serialization as such may fail.
    pub fn new(
        environment: impl Into<String>,
        epoch: impl Into<String>,
        revision: u64,
        flags: &[Flag],
        segments: &[Segment],
    ) -> Result<Self, serde_json::Error> {
        let written = flags.iter().map(to_raw_value).collect::<Result<Vec<_>, _>>()?;
        let written_segments = segments.iter().map(to_raw_value).collect::<Result<Vec<_>, _>>()?;
        let digests: Vec<_> = written.iter().chain(&written_segments).map(|json| digest(json.get())).collect();
        let objects = flags
            .iter()
            .map(|flag| (ObjectKind::Flag, flag.key.as_str(), flag.version))
            .chain(segments.iter().map(|segment| (ObjectKind::Segment, segment.key.as_str(), segment.version)));
        let lines = objects.zip(&digests).map(|((kind, key, version), digest)| (kind, key, version, digest.as_str()));
        Ok(Self {
            environment: environment.into(),
            epoch: epoch.into(),
            revision,
            counts: Counts { flags: flags.len(), segments: segments.len() },
            hash: state_hash(lines),
            flags: written,
            segments: written_segments,
        })
    }
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
    /// Segments that are new or differ.
    #[serde(default)]
    pub segments: Vec<Box<RawValue>>,
    /// Segments of which only keys differ.
    #[serde(default)]
    pub segment_keys: Vec<SegmentKeys>,
    /// Keys of segments that are gone.
    #[serde(default)]
    pub removed_segments: Vec<String>,
}

impl Change {
    /// A change of nothing yet, which leads from one revision to the next.
    #[must_use]
    pub fn new(from: u64, hash: String) -> Self {
        Self {
            from,
            revision: from + 1,
            hash,
            flags: Vec::new(),
            removed_flags: Vec::new(),
            segments: Vec::new(),
            segment_keys: Vec::new(),
            removed_segments: Vec::new(),
        }
    }
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
    /// The change leads to another revision than the next: no hash is over its number.
    #[error("the change leads from revision {from} to {to}, which is not the next")]
    Leap {
        /// Where the change starts.
        from: u64,
        /// Where it claims to lead.
        to: u64,
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
    #[error("the snapshot announces {} flags and {} segments and holds {} and {}", announced.flags, announced.segments, actual.flags, actual.segments)]
    Count {
        /// What came with the message.
        announced: Counts,
        /// What it holds.
        actual: Counts,
    },
    /// A flag can't be read or breaks a limit.
    #[error("flag {key}: {}", join(.faults))]
    Flag {
        /// The flag's key, as far as it can be told.
        key: String,
        /// All that is wrong with it.
        faults: Vec<Fault>,
    },
    /// A segment can't be read or breaks a limit.
    #[error("segment {key}: {}", join(.faults))]
    Segment {
        /// The segment's key, as far as it can be told.
        key: String,
        /// All that is wrong with it.
        faults: Vec<Fault>,
    },
}

fn join(faults: &[Fault]) -> String {
    faults.iter().map(Fault::to_string).collect::<Vec<_>>().join("; ")
}

/// What an object of a state is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ObjectKind {
    /// A flag.
    Flag,
    /// A segment.
    Segment,
}

impl ObjectKind {
    fn name(self) -> &'static str {
        match self {
            Self::Flag => "flag",
            Self::Segment => "segment",
        }
    }
}

/// SHA-256 of an object's JSON as sent, in hexadecimal.
#[must_use]
pub fn digest(json: &str) -> String {
    hex(&Sha256::digest(json.as_bytes()))
}

/// The hash of a state: `sha256:` and the SHA-256 of the sorted lines `kind key version digest`, joined by newlines.
pub fn state_hash<'o>(objects: impl IntoIterator<Item = (ObjectKind, &'o str, u64, &'o str)>) -> String {
    let line =
        |(kind, key, version, digest): (ObjectKind, _, _, _)| format!("{} {key} {version} {digest}", kind.name());
    let mut lines: Vec<String> = objects.into_iter().map(line).collect();
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
