//! The one place that reads the clock.

use bellwether_core::Now;
use chrono::{DateTime, Utc};

/// Now, in whole microseconds: what the stores keep.
#[expect(clippy::disallowed_methods, reason = "this is the one place")]
pub fn now() -> DateTime<Utc> {
    let now = Utc::now();
    DateTime::from_timestamp_micros(now.timestamp_micros()).unwrap_or(now)
}

/// The moment of an evaluation: read where a clause asks for it.
pub fn current() -> Now {
    Now::Of(|| now().timestamp_millis())
}

/// A moment that many evaluations have in common.
pub fn at(time: DateTime<Utc>) -> Now {
    Now::At(time.timestamp_millis())
}

/// A time as the API writes it: RFC 3339, UTC, six digits of a second.
pub fn rfc3339(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()
}

/// [`rfc3339`] for `#[serde(with = "…")]`.
pub mod serde_rfc3339 {
    use chrono::{DateTime, Utc};
    use serde::{Deserialize, Deserializer, Serializer};

    /// Writes the time with six digits.
    pub fn serialize<S: Serializer>(at: &DateTime<Utc>, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&at.format("%Y-%m-%dT%H:%M:%S%.6fZ"))
    }

    /// Reads any RFC 3339 time.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<DateTime<Utc>, D::Error> {
        DateTime::<Utc>::deserialize(deserializer)
    }
}
