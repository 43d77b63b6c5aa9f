//! Flags in [actix-web](actix_web); it takes the feature `actix`.
//!
//! [`FlagsMiddleware`] gives each request a [`Scope`](crate::Scope) for its user, and reports how the request went to the releases that
//! it met. [`RequestFlags`] hands the scope to handlers.
//!
//! ```no_run
//! use actix_web::{App, HttpRequest, HttpServer, Responder, web};
//! use bellwether_sdk::actix::{FlagsMiddleware, RequestFlags};
//! use bellwether_sdk::{Client, Context};
//!
//! async fn pay(flags: RequestFlags) -> impl Responder {
//!     if flags.bool("canary.new-payment-processor", false) { "paid anew" } else { "paid" }
//! }
//!
//! fn user_of(request: &HttpRequest) -> String {
//!     request.headers().get("x-user").and_then(|user| user.to_str().ok()).unwrap_or("nobody").to_owned()
//! }
//!
//! # async fn example(key: &str) -> Result<(), Box<dyn std::error::Error>> {
//! let flags = Client::builder("https://flags.example.com", key).application("checkout").connect()?;
//! let client = flags.clone();
//! let server = HttpServer::new(move || {
//!     App::new()
//!         .wrap(FlagsMiddleware::new(client.clone(), |request| Context::new(user_of(request))))
//!         .route("/pay/{order}", web::post().to(pay))
//! });
//! server.bind("127.0.0.1:3000")?.run().await?;
//! flags.close(std::time::Duration::from_secs(5)).await; // sends what is left
//! # Ok(())
//! # }
//! ```
//!
//! # What is reported
//! Only what concerns a release that the request met, as with every scope.
//! - `request.duration_ms`: the time until the response's head is there, or until the request was given up.
//! - `request.error`: a request has failed when its status is 5xx, it panicked, or its body broke off with an error. It
//!   went well when its status is another and its body was handed over whole. It is neither when actix gave it up
//!   because the client is gone: nobody knows how it would have ended. (Its time is reported, so a release that makes
//!   people wait until they leave is seen by the guards on latency.) Actix gives up a body at once, but a handler only
//!   after `HttpServer::h1_allow_half_closed(false)`; otherwise it runs to its end, which counts.
//! - What failed is named like `POST /pay/{order} 502`: by the pattern of the route and never the path, so names stay few.
//!   In place of the status stands `panic` for a handler that did, and `200 broken off` for such a body.

mod answer;
mod middleware;
mod report;
mod request;

pub use answer::Reported;
pub use middleware::{FlagsMiddleware, FlagsService};
pub use request::RequestFlags;

#[cfg(test)]
mod tests;
