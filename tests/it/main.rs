//! The server from outside: over HTTP, WebSocket, the SDK and the command line. Files are named like the routes.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that panics has failed, which is what it is for"
)]

mod access;
mod audit;
mod canary;
mod commands;
mod demo;
mod deploy;
mod document;
mod edge;
mod events;
mod examples;
mod faults;
mod flags;
mod fleet;
mod harness;
mod layers;
mod measurements;
mod metrics;
mod ofrep;
mod oracle;
mod pages;
mod projects;
mod readme;
mod routes;
mod sdk;
mod sdk_actix;
mod sdk_apart;
mod sdk_openfeature;
mod sdk_telemetry;
mod secrets;
mod seed;
mod segments;
mod snapshot;
mod store;
mod story;
mod stream;
mod tokens;
mod usage;
mod writers;
