//! Bellwether: one program that decides who sees a change, watches how the change does, and takes it back by itself
//! when it does harm.
//!
//! A domain is a folder: its `mod` holds the rules, `store` its queries, `api` its JSON, `pages` its HTML. What may use
//! what is written in `ARCHITECTURE.md` and checked by `tests/tidy.rs`.

pub mod access;
pub mod app;
pub mod audit;
pub mod canary;
pub mod cli;
pub mod clock;
pub mod config;
pub mod db;
pub mod error;
mod files;
pub mod flags;
pub mod http;
pub mod input;
pub mod measurements;
pub mod projects;
pub mod schema;
pub mod stats;
pub mod stream;
pub mod tokens;
pub mod usage;
pub mod version;

/// The README's example of the SDK is compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
