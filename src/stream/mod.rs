//! Pushing changes to SDKs over WebSocket, and knowing which instance has which revision.

mod admission;
pub mod api;
mod conversation;
mod direct;
mod fleet;
mod front;
pub mod pages;
mod receipts;
mod socket;

pub use admission::{Admission, Bounds};
pub use fleet::{Fleet, Instance, Reach};
pub use front::Front;
