//! The values of a clause: what each operator takes, and what is wrong with what it is given.

use core::net::IpAddr;

use ipnet::IpNet;
use regex::{Regex, RegexBuilder};
use serde_json::Value;

use crate::bucket::{self, BUCKETS, Salt};
use crate::edges::Edges;
use crate::matcher::{Matcher, Scalars};
use crate::needles::Needles;
use crate::networks::Networks;
use crate::version::{OwnedVersion, Range};
use crate::{Clause, Fault, Operator, instant, limits};

impl Matcher {
    /// The clause's comparison.
    ///
    /// # Errors
    /// Every fault of its values, with pointers relative to the clause.
    pub(crate) fn compile(clause: &Clause) -> Result<Self, Vec<Fault>> {
        let mut operands = Operands { clause, faults: Vec::new() };
        let matcher = operands.matcher();
        match matcher {
            Some(matcher) if operands.faults.is_empty() => Ok(matcher),
            _ => Err(operands.faults),
        }
    }
}

struct Operands<'c> {
    clause: &'c Clause,
    faults: Vec<Fault>,
}

const LOWER: fn(&[f64]) -> f64 = |all| all.iter().copied().fold(f64::INFINITY, f64::min);
const HIGHER: fn(&[f64]) -> f64 = |all| all.iter().copied().fold(f64::NEG_INFINITY, f64::max);

impl Operands<'_> {
    fn matcher(&mut self) -> Option<Matcher> {
        let included =
            matches!(self.clause.op, Operator::Lte | Operator::Gte | Operator::SemverLte | Operator::SemverGte);
        Some(match self.clause.op {
            Operator::Exists => self.nothing()?,
            Operator::In => Matcher::In(self.scalars()?),
            Operator::StartsWith => Matcher::Edge(Edges::new(self.strings()?, self.clause.ignore_case, false)),
            Operator::EndsWith => Matcher::Edge(Edges::new(self.strings()?, self.clause.ignore_case, true)),
            Operator::Contains => {
                let needles = Needles::new(self.strings()?, self.clause.ignore_case);
                if needles.is_none() {
                    self.fault("/values", "these texts together take too much memory to be looked for");
                }
                Matcher::Contains(needles?)
            }
            Operator::Matches => Matcher::Matches(self.patterns()?.into()),
            Operator::Eq => {
                let mut numbers = self.numbers()?;
                numbers.sort_by(f64::total_cmp);
                Matcher::Eq(numbers.into())
            }
            // The values are alternatives: below any is below the highest.
            Operator::Lt | Operator::Lte => Matcher::Below { limit: HIGHER(&self.numbers()?), included },
            Operator::Gt | Operator::Gte => Matcher::Above { limit: LOWER(&self.numbers()?), included },
            Operator::Between => {
                let (low, high) = self.pair("numbers `[low, high]`", Value::as_f64)?;
                Matcher::Between(low, high)
            }
            Operator::Modulo => self.modulo()?,
            Operator::Before => Matcher::Before(self.times()?.into_iter().max()?),
            Operator::After => Matcher::After(self.times()?.into_iter().min()?),
            Operator::DateBetween => {
                let (from, to) = self.pair("times `[from, to]`", instant::milliseconds)?;
                Matcher::DateBetween(from, to)
            }
            Operator::WithinLast => Matcher::WithinLast(self.duration()?),
            Operator::SemverEq => {
                let mut versions = self.versions()?;
                versions.sort_by(|a, b| a.as_version().cmp(&b.as_version()));
                Matcher::SemverEq(versions.into())
            }
            Operator::SemverLt | Operator::SemverLte => {
                let limit = self.versions()?.into_iter().max_by(|a, b| a.as_version().cmp(&b.as_version()))?;
                Matcher::SemverBelow { limit, included }
            }
            Operator::SemverGt | Operator::SemverGte => {
                let limit = self.versions()?.into_iter().min_by(|a, b| a.as_version().cmp(&b.as_version()))?;
                Matcher::SemverAbove { limit, included }
            }
            Operator::SemverRange => Matcher::SemverRange(self.ranges()?.into()),
            Operator::AnyOf => Matcher::AnyOf(self.scalars()?),
            Operator::AllOf => Matcher::AllOf(self.scalars()?),
            Operator::NoneOf => Matcher::NoneOf(self.scalars()?),
            Operator::Size => {
                let size = |value: &Value| usize::try_from(whole(value)?).ok();
                let (low, high) = self.pair("whole numbers `[low, high]`, not negative", size)?;
                Matcher::Size(low, high)
            }
            Operator::IpIn => Matcher::IpIn(Networks::new(self.networks()?)),
            Operator::InSegment => Matcher::InSegment(self.segments()?.into()),
            Operator::Percent => self.percent()?,
        })
    }

    fn fault(&mut self, pointer: impl Into<String>, message: impl Into<String>) {
        self.faults.push(Fault::new(pointer, message));
    }

    fn nothing(&mut self) -> Option<Matcher> {
        if !self.clause.values.is_empty() {
            self.fault("/values", "`exists` takes no values");
        }
        Some(Matcher::Exists)
    }

    /// Every value as `read` has it, or the faults of those that it does not take.
    fn each<T>(&mut self, read: impl Fn(&Value) -> Result<T, String>) -> Option<Vec<T>> {
        let values = &self.clause.values;
        if values.is_empty() {
            self.fault("/values", "at least one value is needed");
        }
        if values.len() > limits::CLAUSE_VALUES {
            let message = format!("at most {} values; use a segment for more", limits::CLAUSE_VALUES);
            self.fault("/values", message);
        }
        let mut all = Vec::with_capacity(values.len());
        for (index, value) in values.iter().enumerate() {
            match read(value) {
                Ok(value) => all.push(value),
                Err(message) => self.fault(format!("/values/{index}"), message),
            }
        }
        self.faults.is_empty().then_some(all)
    }

    fn scalars(&mut self) -> Option<Scalars> {
        let scalar = |value: &Value| value.is_string() || value.is_number() || value.is_boolean();
        self.each(|value| scalar(value).then_some(()).ok_or_else(|| compares("strings, numbers or booleans")))?;
        Some(Scalars::new(&self.clause.values, self.clause.ignore_case))
    }

    fn strings(&mut self) -> Option<Vec<String>> {
        self.each(|value| text(value).map(str::to_owned))
    }

    fn numbers(&mut self) -> Option<Vec<f64>> {
        self.each(|value| value.as_f64().ok_or_else(|| compares("numbers")))
    }

    fn times(&mut self) -> Option<Vec<i64>> {
        let wanted = "times: RFC 3339 such as `2026-11-21T10:00:00Z`, or milliseconds since 1970";
        self.each(|value| instant::milliseconds(value).ok_or_else(|| compares(wanted)))
    }

    fn patterns(&mut self) -> Option<Vec<Regex>> {
        let ignore_case = self.clause.ignore_case;
        self.each(|value| {
            let pattern = text(value)?;
            if pattern.len() > limits::REGEX_LENGTH {
                return Err(format!("a regular expression has at most {} bytes", limits::REGEX_LENGTH));
            }
            let mut builder = RegexBuilder::new(pattern);
            builder.case_insensitive(ignore_case).size_limit(limits::REGEX_SIZE).dfa_size_limit(limits::REGEX_SIZE);
            builder.build().map_err(|error| match error {
                regex::Error::CompiledTooBig(_) => {
                    format!("the regular expression grows too large; it may take {} bytes", limits::REGEX_SIZE)
                }
                other => format!("not a regular expression: {}", one_line(&other.to_string())),
            })
        })
    }

    fn versions(&mut self) -> Option<Vec<OwnedVersion>> {
        self.each(|value| {
            OwnedVersion::parse(text(value)?)
                .ok_or_else(|| compares("versions such as `1.2.3`, `v1.2` or `2.0.0-rc.1`"))
        })
    }

    fn ranges(&mut self) -> Option<Vec<Range>> {
        self.each(|value| {
            Range::parse(text(value)?).ok_or_else(|| compares("ranges of versions such as `^1.2` or `>=1 <3`"))
        })
    }

    fn networks(&mut self) -> Option<Vec<IpNet>> {
        self.each(|value| {
            network(text(value)?).ok_or_else(|| compares("networks such as `10.0.0.0/8` or `2001:db8::/32`"))
        })
    }

    fn segments(&mut self) -> Option<Vec<Box<str>>> {
        self.each(|value| {
            let key = text(value)?;
            if crate::compile::is_key(key) { Ok(key.into()) } else { Err(compares("keys of segments")) }
        })
    }

    /// The only value.
    fn duration(&mut self) -> Option<i64> {
        let wanted = "one duration: a whole number with `ms`, `s`, `m`, `h`, `d` or `w`, such as `36h`";
        let all = self.each(|value| instant::duration(text(value)?).ok_or_else(|| compares(wanted)))?;
        if let [only] = *all {
            return Some(only);
        }
        self.fault("/values", format!("this operator takes {wanted}"));
        None
    }

    /// Two values, the first not greater than the second.
    fn pair<T: PartialOrd + Copy>(&mut self, wanted: &str, read: impl Fn(&Value) -> Option<T>) -> Option<(T, T)> {
        let all = self.each(|value| read(value).ok_or_else(|| compares(wanted)))?;
        match *all {
            [low, high] if low <= high => return Some((low, high)),
            [_, _] => self.fault("/values", "the first value is not greater than the second"),
            _ => self.fault("/values", format!("this operator takes two {wanted}")),
        }
        None
    }

    fn modulo(&mut self) -> Option<Matcher> {
        let all = self.each(|value| whole(value).ok_or_else(|| compares("whole numbers `[divisor, remainder]`")))?;
        match *all {
            [divisor, remainder] if divisor > 0 && (0..divisor).contains(&remainder) => {
                return Some(Matcher::Modulo { divisor, remainder });
            }
            [_, _] => self.fault("/values", "the divisor is positive, the remainder from 0 to below it"),
            _ => self.fault("/values", "this operator takes two whole numbers `[divisor, remainder]`"),
        }
        None
    }

    fn percent(&mut self) -> Option<Matcher> {
        let [salt, from, to] = self.clause.values.as_slice() else {
            self.fault("/values", "this operator takes `[salt, from, to]`: a text and two whole numbers");
            return None;
        };
        let length = 1..=limits::SALT_LENGTH;
        let salt = salt.as_str().filter(|salt| length.contains(&salt.chars().count()) && !salt.contains('\0'));
        if salt.is_none() {
            self.fault("/values/0", format!("the salt is a text of 1 to {} characters", limits::SALT_LENGTH));
        }
        let [from, to] = [(from, "/values/1"), (to, "/values/2")].map(|(bound, pointer)| {
            let bound = whole(bound).and_then(|bound| u32::try_from(bound).ok()).filter(|bound| *bound <= BUCKETS);
            if bound.is_none() {
                self.fault(pointer, format!("a bucket is a whole number from 0 to {BUCKETS}"));
            }
            bound
        });
        let (salt, from, to) = (salt?, from?, to?);
        if from > to {
            self.fault("/values", "the first bucket is not above the last");
        }
        Some(Matcher::Percent { salt: Salt::new(salt), from, to })
    }
}

fn compares(wanted: &str) -> String {
    format!("this operator compares with {wanted}")
}

fn text(value: &Value) -> Result<&str, String> {
    value.as_str().ok_or_else(|| compares("strings"))
}

fn whole(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => bucket::integral(number),
        _ => None,
    }
}

/// A network, or an address, which is the network of itself. One of IPv4 addresses in IPv6's form is taken for that of
/// the IPv4 addresses, as addresses are when they are compared.
fn network(text: &str) -> Option<IpNet> {
    let network = text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))?;
    let mapped = match (network.addr().to_canonical(), network.prefix_len().checked_sub(96)) {
        (address @ IpAddr::V4(_), Some(prefix)) if network.addr().is_ipv6() => IpNet::new(address, prefix).ok(),
        _ => None,
    };
    Some(mapped.unwrap_or(network))
}

/// The parser shows where a pattern is wrong by a picture of several lines; its last one says what is.
fn one_line(message: &str) -> String {
    message.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned()
}
