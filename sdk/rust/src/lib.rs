//! The Rust SDK of Bellwether: flags evaluated in your process, changes pushed to it, outcomes reported for canaries.
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use bellwether_sdk::{Client, Context};
//!
//! # async fn pay_new(order: u32) -> Result<(), String> { Ok(()) }
//! # async fn pay_old(order: u32) -> Result<(), String> { Ok(()) }
//! # async fn example(key: &str, order: u32) -> Result<(), bellwether_sdk::ConnectError> {
//! let flags = Client::builder("https://flags.example.com", key)
//!     .application("checkout")
//!     .connect()?;                                    // returns at once: start-up never waits for the network
//! flags.wait_ready(Duration::from_secs(2)).await;     // if you like; defaults answer until then
//!
//! let user = Context::new("user-42").set("country", "NO").set("plan", "pro");
//! if flags.bool("feature.new-dashboard", &user, false) {
//!     // the new one
//! }
//! let size: i64 = flags.integer("page.size", &user, 20);
//! let why = flags.bool_detail("feature.new-dashboard", &user, false);
//! println!("{size} a page; {} because of {}", why.value, why.reason.name());
//!
//! let request = flags.scope(&user);                   // remembers which releases this request met
//! let timer = request.timer();                        // request.duration_ms
//! let outcome = if request.bool("canary.new-payment-processor", false) {
//!     pay_new(order).await
//! } else {
//!     pay_old(order).await
//! };
//! timer.stop();
//! request.finish(outcome.is_ok(), "POST /pay");       // request.error, with a label for the top errors
//!
//! flags.track("order.value", &user, 59.90);           // feeds the releases this user met of late
//!
//! flags.close(Duration::from_secs(5)).await;          // sends what is left
//! # Ok(())
//! # }
//! ```
//!
//! # What it promises
//! - A getter answers at once, from memory, whatever the network does. It never fails, blocks or panics.
//! - Flags in use are a state that the server had, whole: a change or snapshot that does not fit is refused, and the
//!   flags stay as they were until one fits.
//! - Memory is bounded whatever the server does; what is dropped is counted and logged.
//! - Everything is logged through [`tracing`], a failure once when it begins, and never the key. (The crate
//!   `tungstenite`, used underneath, writes whole requests at its level `trace`; leave that off.)
//!
//! # Features
//! None is on unless asked for.
//! - `actix`: the module `actix`, a middleware that makes a scope of each request and reports how it went, and the
//!   extractor that gives it to handlers.
//! - `openfeature`: the module `openfeature`, a provider for OpenFeature's own SDK.
//!
//! # How it is made
//! Background tasks share the flags in use and the open measurement windows with the getters and scopes:
//! - `stream` holds the connection and does what `session`, a state machine without I/O, says about each message;
//!   `snapshot` fetches the whole state where changes can't lead to it.
//! - `poll` asks for the whole state while the stream can't be had or has brought none; `cache` keeps what is in use on disk.
//! - `in_use` has beside each flag the `tally` of its evaluations, apart by thread (`stripes`); `exposures` are kept for a
//!   report and, in the set of fixed size `recent`, to know whom a metric is about.
//! - `sender` takes windows from the `recorder` when they have ended on the server's clock, packs them into the
//!   batches of the `outbox`, together with what else was recorded and the process's `resources`, and posts these.
#![cfg_attr(docsrs, feature(doc_cfg))]
#![deny(missing_docs)]

#[cfg(feature = "actix")]
pub mod actix;
mod backoff;
mod builder;
mod cache;
mod client;
mod clock;
mod detail;
mod endpoint;
mod evaluate;
mod exposures;
mod failure;
#[cfg(test)]
mod fixture;
mod in_use;
mod listeners;
#[cfg(feature = "openfeature")]
pub mod openfeature;
mod outbox;
mod poll;
mod recent;
mod recorder;
mod resources;
mod scope;
mod sender;
mod session;
mod shared;
mod snapshot;
mod stream;
mod stripes;
mod tally;
mod test_data;
mod tls;

pub use bellwether_core::{Context, ErrorCode, Reason, Value};
pub use builder::{ClientBuilder, ConnectError};
pub use client::Client;
pub use detail::Detail;
pub use listeners::{FlagsChanged, Subscription};
pub use scope::{Scope, Timer};
pub use test_data::{FlagError, TestData};

/// What the README shows is run.
#[cfg(all(doctest, feature = "actix", feature = "openfeature"))]
#[doc = include_str!("../README.md")]
struct Readme;
