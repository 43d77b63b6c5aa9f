//! What holds for any flag, segment, context and change.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that panics has failed, which is what it is for"
)]

mod allocation;
mod any;
mod evaluation;
mod faults;
mod round_trips;
mod states;
