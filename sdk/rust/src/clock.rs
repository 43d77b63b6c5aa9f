//! The one place of this crate that reads a clock; everything else is given the time.

use std::time::{SystemTime, UNIX_EPOCH};

use chrono::{DateTime, Utc};
use tokio::time::Instant;

/// The time of day, for what is compared with the server's clock.
#[expect(clippy::disallowed_methods, reason = "this is the one place")]
pub(crate) fn now() -> DateTime<Utc> {
    Utc::now()
}

/// The same in microseconds since 1970, in fewer steps.
pub(crate) fn microseconds() -> i64 {
    #[expect(clippy::disallowed_methods, reason = "this is the one place")]
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let seconds = i64::try_from(since.as_secs()).unwrap_or_default();
    seconds.saturating_mul(1_000_000).saturating_add(i64::from(since.subsec_micros()))
}

/// Milliseconds since 1970: the moment of an evaluation, read where a clause asks for it.
pub(crate) fn milliseconds() -> i64 {
    now().timestamp_millis()
}

/// A moment for measuring how long something takes; it never goes back.
pub(crate) fn moment() -> Instant {
    Instant::now()
}
