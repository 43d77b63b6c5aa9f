//! Pushing changes to SDKs over WebSocket, and knowing which instance has which revision.

mod admission;
pub mod api;
mod conversation;
mod fleet;
pub mod pages;
mod receipts;

pub use admission::{Admission, Bounds};
pub use fleet::{Fleet, Instance, Reach};
