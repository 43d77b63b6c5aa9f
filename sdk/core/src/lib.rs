//! What the Bellwether server and every SDK agree on.
//!
//! A [`Flag`] travels as JSON in a [`Snapshot`] or a [`Change`], is checked and compiled once when it
//! enters a [`State`], and answers [`CompiledFlag::evaluate`] for a [`Context`]. Splits are laid out by
//! [`allocation`] over the buckets of [`bucket`]. What a release's requests did is summed up in the
//! [`window`]s that an SDK sends and the guard reads.
//!
//! Nothing here does I/O, reads a clock, or panics: server, SDK and command line run the same code.

pub mod allocation;
pub mod bucket;
mod clause;
mod compile;
mod context;
mod evaluate;
mod fault;
mod flag;
pub mod limits;
pub mod message;
mod snapshot;
mod value;
pub mod window;

pub use clause::{Clause, Operator};
pub use compile::CompiledFlag;
pub use context::{Context, TARGETING_KEY};
pub use evaluate::{Assignment, ErrorCode, Evaluation, Reason};
pub use fault::Fault;
pub use flag::{Arm, FALLTHROUGH, Flag, Release, Rule, Serve, Split, Target, Variation, WatchedMetric};
pub use snapshot::{Change, Counts, Entry, Refusal, Snapshot, State, digest, state_hash};
pub use value::ValueType;

pub use serde_json::Value;
pub use serde_json::value::RawValue;
