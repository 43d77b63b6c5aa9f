//! The one place of this crate that reads a clock; everything else is given the time.

use chrono::{DateTime, Utc};
use tokio::time::Instant;

/// The time of day, for what is compared with the server's clock.
#[expect(clippy::disallowed_methods, reason = "this is the one place")]
pub(crate) fn now() -> DateTime<Utc> {
    Utc::now()
}

/// The same in microseconds since 1970, as of the system's last tick: a few milliseconds late, and read in a tenth of the
/// time.
#[cfg(target_os = "linux")]
pub(crate) fn microseconds() -> i64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::RealtimeCoarse);
    now.tv_sec.saturating_mul(1_000_000).saturating_add(now.tv_nsec / 1_000)
}

/// The same in microseconds since 1970.
#[cfg(not(target_os = "linux"))]
pub(crate) fn microseconds() -> i64 {
    now().timestamp_micros()
}

/// Milliseconds since 1970: the moment of an evaluation, read where a clause asks for it.
pub(crate) fn milliseconds() -> i64 {
    now().timestamp_millis()
}

/// A moment for measuring how long something takes; it never goes back.
pub(crate) fn moment() -> Instant {
    Instant::now()
}
