//! What an operator and its values are compiled to.

use regex::Regex;
use serde_json::Value;

use crate::bucket::{self, KeyBuffer, Salt};
use crate::edges::Edges;
use crate::instant::{self, Now};
use crate::limits;
use crate::needles::Needles;
use crate::networks::Networks;
use crate::print::Print;
use crate::texts::Texts;
use crate::version::{OwnedVersion, Range, Version};

/// A comparison, its values made ready.
#[derive(Debug)]
pub(crate) enum Matcher {
    /// Says nothing about values: what is there matches.
    Exists,
    In(Scalars),
    Edge(Edges),
    Contains(Needles),
    Matches(Box<[Regex]>),
    /// Sorted.
    Eq(Box<[f64]>),
    Below {
        limit: f64,
        included: bool,
    },
    Above {
        limit: f64,
        included: bool,
    },
    Between(f64, f64),
    Modulo {
        divisor: i64,
        remainder: i64,
    },
    Before(i64),
    After(i64),
    DateBetween(i64, i64),
    WithinLast(i64),
    /// Sorted.
    SemverEq(Box<[OwnedVersion]>),
    SemverBelow {
        limit: OwnedVersion,
        included: bool,
    },
    SemverAbove {
        limit: OwnedVersion,
        included: bool,
    },
    SemverRange(Box<[Range]>),
    AnyOf(Scalars),
    AllOf(Scalars),
    NoneOf(Scalars),
    Size(usize, usize),
    IpIn(Networks),
    InSegment(Box<[Box<str>]>),
    Percent {
        salt: Salt,
        from: u32,
        to: u32,
    },
}

/// Strings, numbers and booleans.
#[derive(Debug, Default)]
pub(crate) struct Scalars {
    texts: Texts,
    /// Sorted.
    numbers: Box<[f64]>,
    truths: Box<[bool]>,
}

impl Scalars {
    pub(crate) fn new(values: &[Value], ignore_case: bool) -> Self {
        let texts = values.iter().filter_map(Value::as_str).map(str::to_owned);
        let mut numbers: Vec<_> = values.iter().filter_map(Value::as_f64).collect();
        numbers.sort_by(f64::total_cmp);
        numbers.dedup();
        let truths = [false, true].into_iter().filter(|truth| values.contains(&Value::Bool(*truth)));
        Self { texts: Texts::new(texts, ignore_case), numbers: numbers.into(), truths: truths.collect() }
    }

    /// As [`Matcher::compare`] of a string whose print is known.
    #[inline]
    pub(crate) fn contains_text(&self, text: &str, print: Print) -> bool {
        self.texts.contains_printed(text, print)
    }

    #[inline]
    fn contains(&self, value: &Value) -> Option<bool> {
        match value {
            Value::String(text) => Some(self.texts.contains(text)),
            Value::Number(number) => number.as_f64().map(|number| among(&self.numbers, number).is_some()),
            Value::Bool(truth) => Some(self.truths.contains(truth)),
            _ => None,
        }
    }

    /// Whether the elements have every one of the values: each element is looked at once, however many values there are.
    fn all_in(&self, elements: &[Value]) -> bool {
        let mut left = self.texts.len() + self.numbers.len() + self.truths.len();
        let mut seen = [0_u64; limits::CLAUSE_VALUES.div_ceil(64)];
        for element in elements {
            let Some(at) = self.position(element) else { continue };
            let Some(word) = seen.get_mut(at / 64) else { continue };
            let bit = 1 << (at % 64);
            if *word & bit == 0 {
                *word |= bit;
                left = left.saturating_sub(1);
            }
            if left == 0 {
                return true;
            }
        }
        false
    }

    /// Which of the values it is: texts first, then numbers, then truths.
    fn position(&self, value: &Value) -> Option<usize> {
        match value {
            Value::String(text) => self.texts.position(text),
            Value::Number(number) => among(&self.numbers, number.as_f64()?).map(|at| self.texts.len() + at),
            Value::Bool(truth) => {
                let at = self.truths.iter().position(|kept| kept == truth)?;
                Some(self.texts.len() + self.numbers.len() + at)
            }
            _ => None,
        }
    }
}

/// As doubles compare, so that 0.0 and -0.0 are one and every language agrees.
fn among(sorted: &[f64], number: f64) -> Option<usize> {
    let at = sorted.partition_point(|kept| *kept < number);
    sorted.get(at).is_some_and(|kept| *kept == number).then_some(at)
}

impl Matcher {
    /// Whether this compares lists as a whole, not their elements.
    pub(crate) fn takes_lists(&self) -> bool {
        matches!(self, Self::AnyOf(_) | Self::AllOf(_) | Self::NoneOf(_) | Self::Size(..))
    }

    /// Whether a list is too long to be compared: whoever sends a context would say how much there is to do.
    pub(crate) fn gives_up(&self, elements: &[Value]) -> bool {
        let most = match self {
            Self::In(_) | Self::AnyOf(_) | Self::AllOf(_) | Self::NoneOf(_) => limits::LIST_ELEMENTS,
            Self::Eq(_) | Self::Below { .. } | Self::Above { .. } | Self::Between(..) => limits::LIST_ELEMENTS,
            Self::Size(..) => return false,
            _ => limits::READ_ELEMENTS,
        };
        let bytes = || elements.iter().filter_map(Value::as_str).map(str::len).sum::<usize>();
        elements.len() > most || bytes() > limits::COMPARED_BYTES
    }

    /// Whether the value matches; `None` when it is of a type that this does not compare. What a segment holds is for
    /// the caller to say.
    #[inline]
    pub(crate) fn compare(&self, value: &Value, now: Now, in_segment: impl FnMut(&str, &str) -> bool) -> Option<bool> {
        match self {
            Self::In(scalars) => scalars.contains(value),
            Self::Edge(edges) => value.as_str().map(|text| edges.hold(text)),
            Self::Contains(needles) => value.as_str().map(|text| needles.within(text)),
            Self::Eq(numbers) => number(value).map(|number| among(numbers, number).is_some()),
            Self::Below { limit, included } => number(value).map(|n| n < *limit || (*included && n == *limit)),
            Self::Above { limit, included } => number(value).map(|n| n > *limit || (*included && n == *limit)),
            Self::Between(low, high) => number(value).map(|number| (*low..=*high).contains(&number)),
            _ => self.compare_rarely(value, now, in_segment),
        }
    }

    fn compare_rarely(&self, value: &Value, now: Now, mut in_segment: impl FnMut(&str, &str) -> bool) -> Option<bool> {
        let time = || instant::milliseconds(value);
        let version = || Version::parse(value.as_str()?);
        match self {
            Self::Matches(all) => value.as_str().map(|text| all.iter().any(|regex| regex.is_match(text))),
            Self::Modulo { divisor, remainder } => match value {
                Value::Number(number) => bucket::integral(number).map(|n| n.rem_euclid(*divisor) == *remainder),
                _ => None,
            },
            Self::Before(limit) => time().map(|time| time < *limit),
            Self::After(limit) => time().map(|time| time > *limit),
            Self::DateBetween(from, to) => time().map(|time| (*from..=*to).contains(&time)),
            Self::WithinLast(duration) => time().map(|time| {
                let now = now.milliseconds();
                (now.saturating_sub(*duration)..=now).contains(&time)
            }),
            Self::SemverEq(all) => version().map(|v| all.binary_search_by(|kept| kept.as_version().cmp(&v)).is_ok()),
            Self::SemverBelow { limit, included } => version().map(|version| {
                let order = version.cmp(&limit.as_version());
                order.is_lt() || (*included && order.is_eq())
            }),
            Self::SemverAbove { limit, included } => version().map(|version| {
                let order = version.cmp(&limit.as_version());
                order.is_gt() || (*included && order.is_eq())
            }),
            Self::SemverRange(all) => version().map(|version| all.iter().any(|range| range.holds(version))),
            Self::AnyOf(values) => list(value).map(|list| list.iter().any(|one| values.contains(one) == Some(true))),
            Self::NoneOf(values) => list(value).map(|list| !list.iter().any(|one| values.contains(one) == Some(true))),
            Self::AllOf(values) => list(value).map(|list| values.all_in(list)),
            Self::Size(low, high) => list(value).map(|list| (*low..=*high).contains(&list.len())),
            Self::IpIn(networks) => networks.contain(value.as_str()?),
            Self::InSegment(segments) => {
                let mut buffer = KeyBuffer::default();
                let key = bucket::key_of(value, &mut buffer)?;
                Some(segments.iter().any(|segment| in_segment(segment, key)))
            }
            Self::Percent { salt, from, to } => {
                let mut buffer = KeyBuffer::default();
                Some((*from..*to).contains(&salt.bucket(bucket::key_of(value, &mut buffer)?)))
            }
            _ => None,
        }
    }
}

fn number(value: &Value) -> Option<f64> {
    value.as_f64()
}

fn list(value: &Value) -> Option<&[Value]> {
    value.as_array().map(Vec::as_slice)
}
