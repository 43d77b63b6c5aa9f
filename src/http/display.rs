//! Figures and times as a person reads them: with a unit, thousands separated, never more digits than they bear.

use chrono::{DateTime, SecondsFormat, Utc};

/// Shown in place of a figure that is not a number.
const NONE: &str = "–";

/// What a colour says, which is health and nothing else.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tone {
    /// Nothing to say.
    #[default]
    Plain,
    /// Does well.
    Good,
    /// Wants attention.
    Warning,
    /// Does harm.
    Harm,
}

impl Tone {
    /// The class that gives the colour.
    #[must_use]
    pub fn class(self) -> &'static str {
        match self {
            Self::Plain => "tone-plain",
            Self::Good => "tone-good",
            Self::Warning => "tone-warning",
            Self::Harm => "tone-harm",
        }
    }
}

/// A part of a sentence: words, or a name that stood between backticks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span<'t> {
    /// The text.
    pub text: &'t str,
    /// Whether it is a name.
    pub name: bool,
}

/// A sentence in its words and the names in it.
#[must_use]
pub fn spans(sentence: &str) -> Vec<Span<'_>> {
    let parts = sentence.split('`').enumerate().map(|(at, text)| Span { text, name: at % 2 == 1 });
    parts.filter(|span| !span.text.is_empty()).collect()
}

/// A whole number: 27,180.
#[must_use]
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A share in percent, as set: 25 %, 0.125 %. At most three decimals, which is what a split can hold.
#[must_use]
pub fn share(percent: f64) -> String {
    if !percent.is_finite() {
        return NONE.to_owned();
    }
    let text = format!("{percent:.3}");
    format!("{} %", text.trim_end_matches('0').trim_end_matches('.'))
}

/// A rate between 0 and 1, as measured, in percent: 2.0 %, 0.12 %, 45.3 %.
#[must_use]
pub fn rate(fraction: f64) -> String {
    let percent = fraction * 100.0;
    match percent.abs() {
        size if !size.is_finite() => NONE.to_owned(),
        0.0 => "0 %".to_owned(),
        size if size < 0.095 => format!("{percent:.3} %"),
        size if size < 0.95 => format!("{percent:.2} %"),
        _ => format!("{percent:.1} %"),
    }
}

/// A relative change between −1 and infinity, signed, in percent: +98 %, −2.3 %.
#[must_use]
pub fn change(fraction: f64) -> String {
    let percent = fraction * 100.0;
    if !percent.is_finite() {
        return NONE.to_owned();
    }
    let size = percent.abs();
    let digits = if size < 9.95 { format!("{size:.1}") } else { grouped(size) };
    let sign = match percent {
        _ if digits == "0.0" => "±",
        negative if negative < 0.0 => "−",
        _ => "+",
    };
    format!("{sign}{digits} %")
}

/// A latency in milliseconds: 0.42 ms, 9.6 ms, 331 ms, 2,000 ms.
#[must_use]
pub fn milliseconds(value: f64) -> String {
    match value.abs() {
        size if !size.is_finite() => NONE.to_owned(),
        0.0 => "0 ms".to_owned(),
        size if size < 0.995 => format!("{value:.2} ms"),
        size if size < 9.95 => format!("{value:.1} ms"),
        _ if value < 0.0 => format!("−{} ms", grouped(-value)),
        _ => format!("{} ms", grouped(value)),
    }
}

/// A measured number without a unit: 0.42, 9.6, 2,000.
#[must_use]
pub fn number(value: f64) -> String {
    milliseconds(value).trim_end_matches(" ms").to_owned()
}

/// How much of a time is over, in the largest unit that still tells it well: 40 of 60 s, 12 of 30 min.
#[must_use]
pub fn progress(elapsed: u64, total: u64) -> String {
    let (length, unit) = match total {
        ..120 => (1, "s"),
        120..7_200 => (60, "min"),
        _ => (3_600, "h"),
    };
    format!("{} of {} {unit}", elapsed.min(total) / length, total.div_ceil(length))
}

/// A measured time in seconds: 3.2 ms, 0.18 s, 4.2 s, and from ten seconds on as [`duration`].
#[must_use]
pub fn seconds(value: f64) -> String {
    match value {
        size if !size.is_finite() || size < 0.0 => NONE.to_owned(),
        size if size < 0.0995 => milliseconds(size * 1_000.0),
        size if size < 0.995 => format!("{size:.2} s"),
        size if size < 9.95 => format!("{size:.1} s"),
        size => duration(whole(size)),
    }
}

/// A time in seconds, in its two largest units: 45 s, 1 min 30 s, 30 min, 1 h 30 min, 2 d.
#[must_use]
pub fn duration(seconds: u64) -> String {
    let (days, hours, minutes, rest) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60);
    let two = |first: u64, unit: &str, second: u64, below: &str| {
        if second == 0 { format!("{first} {unit}") } else { format!("{first} {unit} {second} {below}") }
    };
    if days > 0 {
        two(days, "d", hours, "h")
    } else if hours > 0 {
        two(hours, "h", minutes, "min")
    } else if minutes > 0 {
        two(minutes, "min", rest, "s")
    } else {
        format!("{rest} s")
    }
}

/// The evidence `E` whose natural logarithm is given: 0.4, 41, 612, over 1 million.
#[must_use]
pub fn evidence(log_e: f64) -> String {
    let value = log_e.exp();
    match value {
        number if number.is_nan() => NONE.to_owned(),
        size if size > 1e6 => "over 1 million".to_owned(),
        size if size < 9.95 => format!("{size:.1}"),
        size => grouped(size),
    }
}

/// A count and its noun: 1 flag, 2,000 flags.
#[must_use]
pub fn counted(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", thousands(number), if number == 1 { one } else { many })
}

/// A moment as a page shows it: how long ago, and exactly on request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Moment {
    /// RFC 3339 in UTC, for `datetime`.
    pub machine: String,
    /// In full, for the eye: 21 Nov 2026, 10:42:15 UTC.
    pub exact: String,
    /// The time of day in UTC, with the day when it is another than today's: 10:42:15, 20 Nov 10:42:15.
    pub clock: String,
    /// From now: 12 s ago, in 18 min.
    pub relative: String,
}

impl Moment {
    /// `at`, as seen at `now`.
    #[must_use]
    pub fn new(at: DateTime<Utc>, now: DateTime<Utc>) -> Self {
        let clock = if at.date_naive() == now.date_naive() { "%H:%M:%S" } else { "%-d %b %H:%M:%S" };
        Self {
            machine: at.to_rfc3339_opts(SecondsFormat::Millis, true),
            exact: at.format("%-d %b %Y, %H:%M:%S UTC").to_string(),
            clock: at.format(clock).to_string(),
            relative: relative(at, now),
        }
    }
}

/// `static/app.js` says the same as the page grows older.
fn relative(at: DateTime<Utc>, now: DateTime<Utc>) -> String {
    let distance = now.signed_duration_since(at).num_seconds();
    let size = distance.unsigned_abs();
    let (number, unit) = match size {
        0 => return "now".to_owned(),
        1..60 => (size, "s"),
        60..3_600 => (size / 60, "min"),
        3_600..86_400 => (size / 3_600, "h"),
        _ => (size / 86_400, "d"),
    };
    if distance < 0 { format!("in {number} {unit}") } else { format!("{number} {unit} ago") }
}

/// `size`, which is not negative, to the next whole number.
fn grouped(size: f64) -> String {
    thousands(whole(size))
}

/// A cast from float saturates: what no `u64` holds becomes the largest.
fn whole(size: f64) -> u64 {
    size.round() as u64
}

#[cfg(test)]
mod tests;
