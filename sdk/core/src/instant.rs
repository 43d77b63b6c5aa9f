//! Times and durations in clauses.

use chrono::DateTime;
use serde_json::Value;

/// The moment of an evaluation, in milliseconds since 1970, as the caller knows it. It is asked for only where a clause
/// compares with it.
#[derive(Clone, Copy, Debug)]
pub enum Now {
    /// This moment.
    At(i64),
    /// What the function says.
    Of(fn() -> i64),
}

impl Now {
    pub(crate) fn milliseconds(self) -> i64 {
        match self {
            Self::At(milliseconds) => milliseconds,
            Self::Of(clock) => clock(),
        }
    }
}

/// Milliseconds since 1970 of an RFC 3339 text or of a number that says so itself, fractions dropped.
pub(crate) fn milliseconds(value: &Value) -> Option<i64> {
    match value {
        Value::String(text) => DateTime::parse_from_rfc3339(text).ok().map(|time| time.timestamp_millis()),
        Value::Number(number) => {
            let float = number.as_f64().filter(|float| float.abs() <= crate::limits::INTEGER as f64)?;
            Some(float.floor() as i64)
        }
        _ => None,
    }
}

/// Milliseconds of a duration: a whole number and one of `ms`, `s`, `m`, `h`, `d`, `w`.
pub(crate) fn duration(text: &str) -> Option<i64> {
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let number: i64 = text.get(..text.len() - unit.len())?.parse().ok()?;
    let milliseconds = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        "w" => 604_800_000,
        _ => return None,
    };
    number.checked_mul(milliseconds)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn times_are_read_from_text_and_numbers() {
        for (value, expected) in [
            (json!("1970-01-01T00:00:01Z"), Some(1_000)),
            (json!("1970-01-01T01:00:01.5+01:00"), Some(1_500)),
            (json!("2026-11-21t10:00:00z"), Some(1_795_255_200_000)),
            (json!(1_500), Some(1_500)),
            (json!(1_500.9), Some(1_500)),
            (json!(-1), Some(-1)),
            (json!(1e300), None),
            (json!("2026-11-21"), None),
            (json!("2026-11-21T10:00:00"), None),
            (json!("2026-02-30T10:00:00Z"), None),
            (json!(true), None),
        ] {
            assert_eq!(milliseconds(&value), expected, "{value}");
        }
    }

    #[test]
    fn durations_have_one_unit() {
        for (text, expected) in [
            ("36h", Some(129_600_000)),
            ("0s", Some(0)),
            ("250ms", Some(250)),
            ("2w", Some(1_209_600_000)),
            ("7d", Some(604_800_000)),
        ] {
            assert_eq!(duration(text), expected, "{text}");
        }
        for wrong in ["", "h", "36", "-1h", "1.5h", "1h30m", "36 h", "9223372036854775807w", "1H"] {
            assert_eq!(duration(wrong), None, "{wrong}");
        }
    }
}
