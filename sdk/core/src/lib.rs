//! What the Bellwether server and every SDK agree on.
//!
//! A [`Flag`] travels as JSON in a [`Snapshot`] or a [`Change`], is checked and compiled once when it
//! enters a [`State`], which answers [`State::evaluate`] for a [`Context`]. Splits are laid out by
//! [`allocation`] over the buckets of [`bucket`]. What a release's requests did is summed up in the
//! [`window`]s that an SDK sends and the guard reads.
//!
//! Nothing here does I/O, reads a clock, or panics: server, SDK and command line run the same code.
#![cfg_attr(docsrs, feature(doc_cfg))]
#![deny(missing_docs)]

pub mod allocation;
mod asked;
pub mod bucket;
mod clause;
mod compile;
mod compiled;
mod condition;
mod context;
mod edges;
mod evaluate;
mod evaluation;
mod explain;
mod fault;
mod flag;
mod instant;
mod keys;
pub mod limits;
mod matcher;
pub mod message;
mod needles;
mod networks;
mod operands;
mod operator;
mod partial;
mod print;
mod segment;
mod snapshot;
mod state;
mod texts;
mod trace;
mod value;
mod version;
pub mod window;

pub use asked::{Asked, ContextBuffer, ContextSeed, Refill};
pub use clause::{Clause, Condition};
pub use compiled::CompiledFlag;
pub use context::{Context, TARGETING_KEY};
pub use evaluation::{Assignment, ErrorCode, Evaluation, Reason};
pub use explain::Explanation;
pub use fault::Fault;
pub use flag::{
    Arm, FALLTHROUGH, Flag, Layer, Prerequisite, Release, Rule, Serve, Split, Target, Variation, WatchedMetric,
};
pub use instant::Now;
pub use keys::{Keys, TooLong};
pub use operator::Operator;
pub use partial::Partial;
pub use segment::{KeyList, Segment, SegmentEntry, SegmentKeys, SegmentRule, segments_of_rules};
pub use snapshot::{Change, Counts, ObjectKind, Refusal, Snapshot, digest, state_hash};
pub use state::{Entry, State};
pub use value::ValueType;

pub use serde_json::Value;
pub use serde_json::value::RawValue;

/// What the README shows is run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
