//! The one place of this crate that reads a clock; everything else is given the time.

use chrono::{DateTime, Utc};
use tokio::time::Instant;

/// The time of day, for what is compared with the server's clock.
#[expect(clippy::disallowed_methods, reason = "this is the one place")]
pub(crate) fn now() -> DateTime<Utc> {
    Utc::now()
}

/// Milliseconds since 1970: the moment of an evaluation, read where a clause asks for it.
pub(crate) fn milliseconds() -> i64 {
    now().timestamp_millis()
}

/// A moment for measuring how long something takes; it never goes back.
pub(crate) fn moment() -> Instant {
    Instant::now()
}
