use std::collections::{HashMap, HashSet};

use crate::bucket::{BUCKETS, HASH_RULE};
use crate::{Arm, Clause, FALLTHROUGH, Fault, Flag, Rule, Serve, Split, TARGETING_KEY, limits};

/// A flag that was checked and made ready: names are resolved, targets are a hash map.
#[derive(Debug)]
pub struct CompiledFlag {
    pub(crate) flag: Flag,
    pub(crate) off: usize,
    pub(crate) targets: HashMap<String, usize>,
    pub(crate) rules: Vec<CompiledRule>,
    pub(crate) fallthrough: CompiledServe,
    /// Arm of the release for each variation, as an index into its arms; empty without a release.
    pub(crate) arms: Vec<Option<usize>>,
}

#[derive(Debug)]
pub(crate) struct CompiledRule {
    pub(crate) clauses: Vec<Clause>,
    pub(crate) serve: CompiledServe,
}

#[derive(Debug)]
pub(crate) struct CompiledServe {
    pub(crate) choice: Choice,
    /// Whether the release of the flag runs on this split.
    pub(crate) released: bool,
}

#[derive(Debug)]
pub(crate) enum Choice {
    One(usize),
    Split { bucket_by: String, salt: String, ranges: Vec<(u32, usize)> },
}

impl CompiledFlag {
    /// Checks a flag against every limit and reference and prepares it.
    ///
    /// # Errors
    /// Every fault of the flag, with pointers relative to it.
    pub fn compile(flag: Flag) -> Result<Self, Vec<Fault>> {
        let mut compiler = Compiler::new(&flag);
        compiler.key();
        compiler.variations();
        let off = compiler.variation("/off_variation", &flag.off_variation);
        let targets = compiler.targets();
        let rules = compiler.rules();
        let fallthrough = compiler.serve("/fallthrough", &flag.fallthrough, FALLTHROUGH);
        let arms = compiler.release();
        match (compiler.faults.is_empty(), off, fallthrough) {
            (true, Some(off), Some(fallthrough)) => Ok(Self { off, targets, rules, fallthrough, arms, flag }),
            _ => Err(compiler.faults),
        }
    }

    /// The flag as it came.
    #[must_use]
    pub fn flag(&self) -> &Flag {
        &self.flag
    }
}

/// Whether `key` is a well-formed key: `^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$`.
pub(crate) fn is_key(key: &str) -> bool {
    key.len() <= limits::KEY_LENGTH
        && key.starts_with(|c: char| c.is_ascii_alphanumeric())
        && key.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
}

struct Compiler<'f> {
    flag: &'f Flag,
    index: HashMap<&'f str, usize>,
    faults: Vec<Fault>,
}

impl<'f> Compiler<'f> {
    fn new(flag: &'f Flag) -> Self {
        let index = flag.variations.iter().enumerate().map(|(i, v)| (v.name.as_str(), i)).collect();
        Self { flag, index, faults: Vec::new() }
    }

    fn fault(&mut self, pointer: impl Into<String>, message: impl Into<String>) {
        self.faults.push(Fault::new(pointer, message));
    }

    fn key(&mut self) {
        if !is_key(&self.flag.key) {
            self.fault("/key", "1 to 100 letters, digits, `.`, `_` or `-`, beginning with a letter or digit");
        }
    }

    fn variations(&mut self) {
        let flag = self.flag;
        if flag.variations.is_empty() || flag.variations.len() > limits::VARIATIONS {
            self.fault("/variations", format!("a flag has 1 to {} variations", limits::VARIATIONS));
        }
        let mut seen = HashSet::new();
        for (i, variation) in flag.variations.iter().enumerate() {
            let name = &variation.name;
            if name.is_empty() || name.len() > limits::VARIATION_NAME_LENGTH {
                let message = format!("a variation's name has 1 to {} bytes", limits::VARIATION_NAME_LENGTH);
                self.fault(format!("/variations/{i}/name"), message);
            } else if !seen.insert(name) {
                self.fault(format!("/variations/{i}/name"), format!("the name `{name}` is used twice"));
            }
            if flag.value_type.canonical(variation.value.clone()).as_ref() != Some(&variation.value) {
                let message = format!("not a value of type {}", flag.value_type.name());
                self.fault(format!("/variations/{i}/value"), message);
            }
        }
    }

    fn variation(&mut self, pointer: &str, name: &str) -> Option<usize> {
        let found = self.index.get(name).copied();
        if found.is_none() {
            self.fault(pointer, format!("the flag has no variation `{name}`"));
        }
        found
    }

    fn targets(&mut self) -> HashMap<String, usize> {
        let mut targets = HashMap::new();
        for (i, target) in self.flag.targets.iter().enumerate() {
            let Some(variation) = self.variation(&format!("/targets/{i}/variation"), &target.variation) else {
                continue;
            };
            for (j, key) in target.keys.iter().enumerate() {
                let pointer = || format!("/targets/{i}/keys/{j}");
                if key.len() > limits::TARGETING_KEY_LENGTH {
                    let message = format!("a targeting key has at most {} bytes", limits::TARGETING_KEY_LENGTH);
                    self.fault(pointer(), message);
                } else if targets.insert(key.clone(), variation).is_some() {
                    self.fault(pointer(), format!("`{key}` is targeted twice"));
                }
            }
        }
        if targets.len() > limits::TARGETS {
            self.fault("/targets", format!("at most {} keys can be targeted one by one", limits::TARGETS));
        }
        targets
    }

    fn rules(&mut self) -> Vec<CompiledRule> {
        if self.flag.rules.len() > limits::RULES {
            self.fault("/rules", format!("at most {} rules", limits::RULES));
        }
        let mut ids = HashSet::new();
        let rules: &'f [Rule] = &self.flag.rules;
        rules
            .iter()
            .enumerate()
            .filter_map(|(i, rule)| {
                if !is_key(&rule.id) || rule.id == FALLTHROUGH {
                    self.fault(format!("/rules/{i}/id"), "a rule's id is formed like a key and is not `fallthrough`");
                } else if !ids.insert(&rule.id) {
                    self.fault(format!("/rules/{i}/id"), format!("the id `{}` is used twice", rule.id));
                }
                self.clauses(i, &rule.clauses);
                let serve = self.serve(&format!("/rules/{i}/serve"), &rule.serve, &rule.id)?;
                let clauses = rule.clauses.iter().cloned().map(Clause::prepared).collect();
                Some(CompiledRule { clauses, serve })
            })
            .collect()
    }

    fn clauses(&mut self, rule: usize, clauses: &[Clause]) {
        if clauses.len() > limits::CLAUSES {
            self.fault(format!("/rules/{rule}/clauses"), format!("at most {} clauses", limits::CLAUSES));
        }
        for (j, clause) in clauses.iter().enumerate() {
            let at = format!("/rules/{rule}/clauses/{j}");
            self.faults.extend(clause.faults().into_iter().map(|fault| fault.under(&at)));
        }
    }

    fn serve(&mut self, pointer: &str, serve: &Serve, place: &str) -> Option<CompiledServe> {
        let released = self.flag.release.as_ref().is_some_and(|release| release.place == place);
        let choice = match serve {
            Serve::Variation(name) => Choice::One(self.variation(&format!("{pointer}/variation"), name)?),
            Serve::Split(split) => self.split(&format!("{pointer}/split"), split)?,
        };
        Some(CompiledServe { choice, released })
    }

    fn split(&mut self, pointer: &str, split: &Split) -> Option<Choice> {
        let before = self.faults.len();
        if split.hash != HASH_RULE {
            let message = format!("the hash rule `{}` is not known; this version knows `{HASH_RULE}`", split.hash);
            self.fault(format!("{pointer}/hash"), message);
        }
        if split.bucket_by.is_empty() || split.bucket_by.len() > limits::ATTRIBUTE_LENGTH {
            let message =
                format!("an attribute's name has 1 to {} bytes; `{TARGETING_KEY}` is usual", limits::ATTRIBUTE_LENGTH);
            self.fault(format!("{pointer}/bucket_by"), message);
        }
        let rising = split.ranges.windows(2).all(|pair| matches!(pair, [a, b] if a.0 < b.0));
        let first = split.ranges.first().is_some_and(|range| range.0 > 0);
        if !rising || !first || split.ranges.last().map(|range| range.0) != Some(BUCKETS) {
            self.fault(format!("{pointer}/ranges"), "range ends rise and the last is 100000");
        }
        let mut ranges = Vec::with_capacity(split.ranges.len());
        for (i, (end, name)) in split.ranges.iter().enumerate() {
            if let Some(variation) = self.variation(&format!("{pointer}/ranges/{i}"), name) {
                ranges.push((*end, variation));
            }
        }
        (self.faults.len() == before).then(|| Choice::Split {
            bucket_by: split.bucket_by.clone(),
            salt: split.salt.clone(),
            ranges,
        })
    }

    fn release(&mut self) -> Vec<Option<usize>> {
        let Some(release) = &self.flag.release else { return Vec::new() };
        let mut arms = vec![None; self.flag.variations.len()];
        for (i, Arm { variation, .. }) in release.arms.iter().enumerate() {
            if let Some(index) = self.variation(&format!("/release/arms/{i}/variation"), variation)
                && let Some(slot) = arms.get_mut(index)
            {
                *slot = Some(i);
            }
        }
        let known = release.place == FALLTHROUGH || self.flag.rules.iter().any(|rule| rule.id == release.place);
        if !known {
            self.fault("/release/where", format!("there is no rule `{}`", release.place));
        }
        arms
    }
}
