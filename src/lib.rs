//! The Bellwether server and command line.

pub mod access;
pub mod flags;
pub mod http;
