use chrono::{DateTime, NaiveDate, Timelike as _, Utc};

/// Reads times in which most are of the minute of the one before: of those just the seconds are read.
#[derive(Default)]
pub(super) struct Minute(Option<Known>);

/// A minute that a time was in.
struct Known {
    /// How it is written, as in `2026-11-21T10:00:`.
    text: [u8; 17],
    date: NaiveDate,
    hour: u32,
    minute: u32,
}

impl Minute {
    /// A time by RFC 3339.
    pub(super) fn read(&mut self, text: &str) -> Option<DateTime<Utc>> {
        let parts = text.as_bytes().split_first_chunk().and_then(|(minute, rest)| Some((minute, seconds(rest)?)));
        let Some((minute, (second, nanosecond))) = parts else {
            return parse(text);
        };
        match &self.0 {
            Some(known) if known.text == *minute => {
                let time = known.date.and_hms_nano_opt(known.hour, known.minute, second, nanosecond)?;
                Some(time.and_utc())
            }
            _ => {
                let at = parse(text)?;
                self.0 = Some(Known { text: *minute, date: at.date_naive(), hour: at.hour(), minute: at.minute() });
                Some(at)
            }
        }
    }
}

fn parse(text: &str) -> Option<DateTime<Utc>> {
    DateTime::parse_from_rfc3339(text).ok().map(|at| at.to_utc())
}

/// Seconds and nanoseconds of what follows a minute, in UTC: `59Z` or `59.123Z`, up to nine digits. No leap second.
fn seconds(text: &[u8]) -> Option<(u32, u32)> {
    let [tens @ b'0'..=b'5', ones @ b'0'..=b'9', rest @ .., b'Z'] = text else { return None };
    let second = u32::from(tens - b'0') * 10 + u32::from(ones - b'0');
    let fraction = match rest {
        [] => return Some((second, 0)),
        [b'.', fraction @ ..] if (1..=9).contains(&fraction.len()) => fraction,
        _ => return None,
    };
    let mut nanosecond = 0;
    for digit in fraction {
        let digit = digit.is_ascii_digit().then(|| u32::from(digit - b'0'))?;
        nanosecond = nanosecond * 10 + digit;
    }
    let missing = 9_u32.checked_sub(u32::try_from(fraction.len()).ok()?)?;
    Some((second, nanosecond * 10_u32.pow(missing)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_time_is_read_as_without_a_minute_known() {
        let mut minute = Minute::default();
        for text in [
            "2026-11-21T10:00:00Z",
            "2026-11-21T10:00:59.5Z",
            "2026-11-21T10:00:59.123456789Z",
            "2026-11-21T10:00:59.1234567891Z",
            "2026-11-21T10:00:60Z",
            "2026-11-21T10:00:61Z",
            "2026-11-21T10:00:07.Z",
            "2026-11-21T10:00:07.1e2Z",
            "2026-11-21T10:00:07+01:00",
            "2026-11-21T10:00:07.25-00:00",
            "2026-11-21T10:00:07z",
            "2026-11-21t10:00:07Z",
            "2026-11-21 10:00:07Z",
            "2026-11-21T10:00:0Z",
            "2026-11-21T10:00:Z",
            "2026-11-31T10:00:07Z",
            "2026-11-31T10:00:08Z",
            "2026-11-21T10:01:00Z",
            "+2026-11-21T10:00:00Z",
            "-026-11-21T10:00:00Z",
            "12026-11-21T10:00:00Z",
            "",
        ] {
            assert_eq!(minute.read(text), parse(text), "{text}");
            assert_eq!(minute.read(text), parse(text), "{text} again");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(5_000))]

        #[test]
        fn times_are_read_as_without_a_minute_known(
            texts in prop::collection::vec("(2026-1[12]-(21|3[0-2])[T t]|[+-]?[0-9]{3,5}-02-29T)(10|24):0[01]:([0-6][0-9]?)(\\.[0-9]{0,10})?[Zz]?(\\+01:00)?", 1..6)
        ) {
            let mut minute = Minute::default();
            for text in texts {
                prop_assert_eq!(minute.read(&text), parse(&text), "{}", text);
            }
        }
    }
}
