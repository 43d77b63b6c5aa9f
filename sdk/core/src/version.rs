//! Versions by semver.org 2.0.0, read without allocating; a leading `v` and missing parts are accepted.

use std::cmp::Ordering;

use semver::{Comparator, Op, VersionReq};

/// A version, its pre-release as it is written. Build metadata has no say and is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Version<'t> {
    core: [u64; 3],
    pre: &'t str,
}

impl<'t> Version<'t> {
    /// Reads `1.2.3-rc.1+build`, `v1.2`, `1`.
    pub(crate) fn parse(text: &'t str) -> Option<Self> {
        let text = text.strip_prefix(['v', 'V']).unwrap_or(text);
        let (text, build) = text.split_once('+').map_or((text, None), |(text, build)| (text, Some(build)));
        let (numbers, pre) = text.split_once('-').map_or((text, None), |(numbers, pre)| (numbers, Some(pre)));
        let mut core = [0; 3];
        let mut parts = numbers.split('.');
        for (index, slot) in core.iter_mut().enumerate() {
            match parts.next() {
                Some(part) => *slot = number(part)?,
                None if index > 0 => break,
                None => return None,
            }
        }
        let identified = |text: &str, numeric: bool| text.split('.').all(|part| is_identifier(part, numeric));
        let fine = parts.next().is_none()
            && pre.is_none_or(|pre| identified(pre, true))
            && build.is_none_or(|build| identified(build, false));
        fine.then(|| Self { core, pre: pre.unwrap_or_default() })
    }
}

/// A number as semver has it: digits, without a leading zero.
fn number(part: &str) -> Option<u64> {
    let digits = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if digits && (part == "0" || !part.starts_with('0')) { part.parse().ok() } else { None }
}

/// Where numbers have a value (`numeric`) they have no leading zero.
fn is_identifier(part: &str, numeric: bool) -> bool {
    let letters = part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let padded = numeric && part.len() > 1 && part.starts_with('0') && part.bytes().all(|b| b.is_ascii_digit());
    !part.is_empty() && letters && !padded
}

/// Precedence by semver.org, section 11.
impl Ord for Version<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.core.cmp(&other.core).then_with(|| match (self.pre.is_empty(), other.pre.is_empty()) {
            (true, true) => Ordering::Equal,
            (true, false) => Ordering::Greater,
            (false, true) => Ordering::Less,
            (false, false) => pre_release(self.pre, other.pre),
        })
    }
}

impl PartialOrd for Version<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

fn pre_release(a: &str, b: &str) -> Ordering {
    let (mut ours, mut theirs) = (a.split('.'), b.split('.'));
    loop {
        let (a, b) = match (ours.next(), theirs.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => return Ordering::Less,
            (Some(_), None) => return Ordering::Greater,
            (Some(a), Some(b)) => (a, b),
        };
        let numeric = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        let order = match (numeric(a), numeric(b)) {
            // Of any length, as there is no leading zero.
            (true, true) => a.len().cmp(&b.len()).then_with(|| a.cmp(b)),
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
            (false, false) => a.cmp(b),
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}

/// A version that is kept: the value of a clause.
#[derive(Clone, Debug)]
pub(crate) struct OwnedVersion {
    core: [u64; 3],
    pre: Box<str>,
}

impl OwnedVersion {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        Version::parse(text).map(|Version { core, pre }| Self { core, pre: pre.into() })
    }

    pub(crate) fn as_version(&self) -> Version<'_> {
        Version { core: self.core, pre: &self.pre }
    }
}

/// A range of versions: comparators that must all hold, by the rules of Cargo and npm.
#[derive(Clone, Debug)]
pub(crate) struct Range {
    comparators: Box<[Comparator]>,
}

impl Range {
    /// Reads `^1.2`, `~1.2.3`, `1.x`, `>=1 <3`, `>= v1.0.0, < 2`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut parts: Vec<String> = Vec::new();
        let mut operator = String::new();
        for part in text.split([' ', ',']).filter(|part| !part.is_empty()) {
            let version = part.trim_start_matches(['<', '>', '=', '^', '~']);
            operator.push_str(part.get(..part.len() - version.len())?);
            if !version.is_empty() {
                let version = version.strip_prefix(['v', 'V']).unwrap_or(version);
                parts.push(std::mem::take(&mut operator) + version);
            }
        }
        if !operator.is_empty() || parts.is_empty() {
            return None;
        }
        let range = VersionReq::parse(&parts.join(",")).ok()?;
        Some(Self { comparators: range.comparators.into() })
    }

    /// Whether the version is in the range. A pre-release is only in a range that names one of the same numbers.
    pub(crate) fn holds(&self, version: Version<'_>) -> bool {
        let named = || self.comparators.iter().any(|c| !c.pre.is_empty() && full(c) == version.core);
        self.comparators.iter().all(|c| within(c, version)) && (version.pre.is_empty() || named())
    }
}

fn full(c: &Comparator) -> [u64; 3] {
    [c.major, c.minor.unwrap_or_default(), c.patch.unwrap_or_default()]
}

/// What a comparator allows is an interval: from its lowest version to before the first one above.
fn within(c: &Comparator, version: Version<'_>) -> bool {
    let lowest = Version { core: full(c), pre: c.pre.as_str() };
    let below = |core: [u64; 3]| version.core < core;
    let [major, minor, patch] = full(c);
    // The first version whose given parts are greater.
    let next = match (c.minor, c.patch) {
        (None, _) => [major.saturating_add(1), 0, 0],
        (Some(_), None) => [major, minor.saturating_add(1), 0],
        (Some(_), Some(_)) => [major, minor, patch.saturating_add(1)],
    };
    let exact = c.patch.is_some();
    match c.op {
        Op::Exact if exact => version == lowest,
        Op::Exact | Op::Wildcard => version >= lowest && below(next),
        Op::Greater if exact => version > lowest,
        Op::Greater => !below(next),
        Op::GreaterEq => version >= lowest,
        Op::Less => version < lowest,
        Op::LessEq if exact => version <= lowest,
        Op::LessEq => below(next),
        Op::Tilde => version >= lowest && below(if exact { [major, minor.saturating_add(1), 0] } else { next }),
        Op::Caret => {
            let end = match (major, c.minor, c.patch) {
                (0, Some(0), Some(_)) | (_, None, _) => next,
                (0, Some(_), _) => [0, minor.saturating_add(1), 0],
                (_, Some(_), _) => [major.saturating_add(1), 0, 0],
            };
            version >= lowest && below(end)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn versions_are_ordered_as_semver_says() {
        let rising = [
            "0.0.0-0",
            "0.9",
            "1.0.0-alpha",
            "1.0.0-alpha.1",
            "1.0.0-alpha.beta",
            "1.0.0-beta",
            "1.0.0-beta.2",
            "1.0.0-beta.11",
            "1.0.0-rc.1",
            "1",
            "1.0.1",
            "v1.2",
            "1.10",
            "2-rc.1",
            "2",
            "18446744073709551615",
        ];
        for pair in rising.windows(2) {
            let [a, b] = pair else { unreachable!() };
            assert!(Version::parse(a).unwrap() < Version::parse(b).unwrap(), "{a} < {b}");
        }
        assert_eq!(Version::parse("v1.2+x").unwrap().cmp(&Version::parse("1.2.0+y").unwrap()), Ordering::Equal);
        for wrong in ["", "v", "1.", "1.2.3.4", "01", "1.2-", "1.2-a..b", "1.2-01", "a", "1 ", "-1", "1.2+", "vv1"] {
            assert_eq!(Version::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn ranges() {
        for (range, version, expected) in [
            ("^1.2", "1.9", true),
            ("^1.2", "v1.2", true),
            ("^1.2", "2", false),
            ("^1.2", "1.1.9", false),
            (">=1 <3", "2.9.9", true),
            (">=1 <3", "3", false),
            (">= v1.0.0, < 3", "1", true),
            ("~1.2.3", "1.3", false),
            ("1.x", "1.7.1", true),
            ("*", "0", true),
            ("=1.2", "1.2.7", true),
            (">1.2", "1.2.9", false),
            ("<=1.2", "1.2.9", true),
            ("^0.0.3", "0.0.4", false),
            ("^0.2.3", "0.2.9", true),
            ("^0.2.3", "0.3", false),
            (">=1.0.0-rc.1", "1.0.0-rc.2", true),
            (">=1", "2.0.0-rc.1", false),
            ("1.2", "1.9", true),
        ] {
            let holds = Range::parse(range).unwrap().holds(Version::parse(version).unwrap());
            assert_eq!(holds, expected, "{version} in {range}");
        }
        for wrong in ["", ">=", "1 || 2", "x.y", "^1.2 -", ">=<1"] {
            assert!(Range::parse(wrong).is_none(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn ranges_agree_with_the_semver_crate(
            op in prop_oneof![Just(""), Just("="), Just(">"), Just(">="), Just("<"), Just("<="), Just("~"), Just("^")],
            range in "[0-2](\\.[0-2](\\.[0-2](-(a|b|1|a\\.2))?)?)?",
            version in "[0-2]\\.[0-2]\\.[0-3](-(a|b|1|a\\.2))?",
        ) {
            let range = format!("{op}{range}");
            let theirs = VersionReq::parse(&range).unwrap().matches(&semver::Version::parse(&version).unwrap());
            prop_assert_eq!(Range::parse(&range).unwrap().holds(Version::parse(&version).unwrap()), theirs, "{} {}", version, range);
        }

        #[test]
        fn versions_agree_with_the_semver_crate(
            a in "[0-2]\\.[0-2]\\.[0-3](-[ab0-2]{1,2}(\\.[ab0-2])?)?", b in "[0-2]\\.[0-2]\\.[0-3](-[ab0-2]{1,2}(\\.[ab0-2])?)?",
        ) {
            let theirs = semver::Version::parse(&a).ok().zip(semver::Version::parse(&b).ok());
            let ours = Version::parse(&a).zip(Version::parse(&b));
            prop_assert_eq!(ours.map(|(a, b)| a.cmp(&b)), theirs.map(|(a, b)| a.cmp_precedence(&b)));
        }
    }
}
