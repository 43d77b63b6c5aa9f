//! x

pub mod canary;
pub mod stats;
