//! The Bellwether server and command line.

pub mod access;
pub mod canary;
pub mod flags;
pub mod http;
