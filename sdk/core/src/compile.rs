use std::collections::HashSet;

use crate::bucket::{BUCKETS, HASH_RULE, Salt};
use crate::compiled::{
    Choice, CompiledFlag, CompiledLayer, CompiledPrerequisite, CompiledRelease, CompiledRule, CompiledServe, Targets,
};
use crate::condition::{Test, has_few_patterns};
use crate::context::{self, Attribute};
use crate::keys::{KeySet, Keys};
use crate::{Arm, FALLTHROUGH, Fault, Flag, Release, Rule, Serve, Split, limits};

/// What a key looks like.
pub(crate) const KEY_FORM: &str = "1 to 100 letters, digits, `.`, `_` or `-`, beginning with a letter or digit";

impl CompiledFlag {
    /// Checks a flag against every limit and reference within it and prepares it.
    ///
    /// # Errors
    /// Every fault of the flag, with pointers relative to it.
    pub fn compile(flag: Flag) -> Result<Self, Vec<Fault>> {
        let mut compiler = Compiler::new(&flag);
        compiler.key();
        compiler.variations();
        let off = compiler.variation("/off_variation", &flag.off_variation);
        let prerequisites = compiler.prerequisites();
        let targets = compiler.targets();
        let rules = compiler.rules();
        let fallthrough = compiler.serve("/fallthrough", &flag.fallthrough, FALLTHROUGH);
        let (arms, layer) = compiler.release();
        let faults = compiler.into_faults();
        let (true, Some(off), Some(fallthrough)) = (faults.is_empty(), off, fallthrough) else { return Err(faults) };
        let otherwise = layer.as_ref().filter(|_| fallthrough.released).and_then(|layer| layer.otherwise);
        let constant = is_constant(off, &prerequisites, &targets, &rules, &fallthrough, otherwise);
        Ok(Self {
            key: flag.key.into(),
            version: flag.version,
            value_type: flag.value_type,
            client_visible: flag.client_visible,
            enabled: flag.enabled,
            constant,
            variations: flag.variations.into(),
            off,
            prerequisites,
            targets,
            rules,
            fallthrough,
            release: flag.release.map(|release| CompiledRelease { release, arms, layer }),
        })
    }
}

/// Whether an enabled flag serves one variation to everyone, whatever the context.
fn is_constant(
    off: usize,
    prerequisites: &[CompiledPrerequisite],
    targets: &Targets,
    rules: &[CompiledRule],
    fallthrough: &CompiledServe,
    otherwise: Option<usize>,
) -> bool {
    let Choice::One(only) = fallthrough.choice else { return false };
    let off = (!prerequisites.is_empty()).then_some(off);
    let targets = targets.variations.iter().map(|variation| usize::from(*variation));
    off.into_iter().chain(otherwise).chain(targets).all(|variation| variation == only)
        && rules.iter().all(|rule| matches!(rule.serve.choice, Choice::One(variation) if variation == only))
}

/// Whether `key` is a well-formed key: `^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$`.
pub(crate) fn is_key(key: &str) -> bool {
    key.len() <= limits::KEY_LENGTH
        && key.starts_with(|c: char| c.is_ascii_alphanumeric())
        && key.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
}

struct Compiler<'f> {
    flag: &'f Flag,
    index: hashbrown::HashMap<&'f str, usize>,
    faults: Vec<Fault>,
}

impl<'f> Compiler<'f> {
    fn new(flag: &'f Flag) -> Self {
        let index = flag.variations.iter().enumerate().map(|(i, v)| (v.name.as_str(), i)).collect();
        Self { flag, index, faults: Vec::new() }
    }

    fn into_faults(self) -> Vec<Fault> {
        self.faults
    }

    fn fault(&mut self, pointer: impl Into<String>, message: impl Into<String>) {
        self.faults.push(Fault::new(pointer, message));
    }

    fn key(&mut self) {
        if !is_key(&self.flag.key) {
            self.fault("/key", KEY_FORM);
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

    fn prerequisites(&mut self) -> Box<[CompiledPrerequisite]> {
        let flag = self.flag;
        if flag.prerequisites.len() > limits::PREREQUISITES {
            self.fault("/prerequisites", format!("at most {} prerequisites", limits::PREREQUISITES));
        }
        let mut seen = HashSet::new();
        for (i, prerequisite) in flag.prerequisites.iter().enumerate() {
            let at = format!("/prerequisites/{i}");
            if !is_key(&prerequisite.flag) {
                self.fault(format!("{at}/flag"), KEY_FORM);
            } else if prerequisite.flag == flag.key {
                self.fault(format!("{at}/flag"), "a flag is no prerequisite of itself");
            } else if !seen.insert(&prerequisite.flag) {
                self.fault(format!("{at}/flag"), format!("flag {} is a prerequisite twice", prerequisite.flag));
            }
            if prerequisite.variations.is_empty() || prerequisite.variations.len() > limits::VARIATIONS {
                let message = format!("1 to {} variations of the other flag", limits::VARIATIONS);
                self.fault(format!("{at}/variations"), message);
            }
        }
        let names = |names: &[String]| names.iter().map(|name| name.as_str().into()).collect();
        let all = flag.prerequisites.iter();
        all.map(|p| CompiledPrerequisite { flag: p.flag.as_str().into(), variations: names(&p.variations) }).collect()
    }

    fn targets(&mut self) -> Targets {
        let flag = self.flag;
        let (mut keys, mut variations, mut places) = (Keys::default(), Vec::new(), Vec::new());
        for (i, target) in flag.targets.iter().enumerate() {
            // Where it is unknown the keys are checked all the same.
            let variation = self.variation(&format!("/targets/{i}/variation"), &target.variation).unwrap_or_default();
            for (j, key) in target.keys.iter().enumerate() {
                if key.len() > limits::TARGETING_KEY_LENGTH || keys.push(key).is_err() {
                    let message = format!("a targeting key has at most {} bytes", limits::TARGETING_KEY_LENGTH);
                    self.fault(format!("/targets/{i}/keys/{j}"), message);
                } else {
                    // There are at most 64.
                    variations.push(u8::try_from(variation).unwrap_or(u8::MAX));
                    places.push((i, j));
                }
            }
        }
        if keys.len() > limits::TARGETS {
            self.fault("/targets", format!("at most {} keys can be targeted one by one", limits::TARGETS));
        }
        keys.shrink();
        let (keys, twice) = KeySet::new(keys);
        for at in twice {
            if let (Some((i, j)), Some(key)) = (places.get(at), keys.keys().get(at)) {
                self.fault(format!("/targets/{i}/keys/{j}"), format!("`{key}` is targeted twice"));
            }
        }
        Targets { keys, variations: variations.into() }
    }

    fn rules(&mut self) -> Box<[CompiledRule]> {
        if self.flag.rules.len() > limits::RULES {
            self.fault("/rules", format!("at most {} rules", limits::RULES));
        }
        let mut ids = HashSet::new();
        let rules: &'f [Rule] = &self.flag.rules;
        let few = has_few_patterns(rules.iter().map(|rule| &*rule.clauses), "/rules", &mut self.faults);
        rules
            .iter()
            .enumerate()
            .filter_map(|(i, rule)| {
                if !is_key(&rule.id) || rule.id == FALLTHROUGH {
                    self.fault(format!("/rules/{i}/id"), "a rule's id is formed like a key and is not `fallthrough`");
                } else if !ids.insert(&rule.id) {
                    self.fault(format!("/rules/{i}/id"), format!("the id `{}` is used twice", rule.id));
                }
                let at = format!("/rules/{i}");
                let tests = if few {
                    Test::compile_all(&rule.clauses, &format!("{at}/clauses"), &mut self.faults)
                } else {
                    Test::check_without_patterns(&rule.clauses, &format!("{at}/clauses"), &mut self.faults);
                    Box::default()
                };
                let serve = self.serve(&format!("{at}/serve"), &rule.serve, &rule.id)?;
                Some(CompiledRule { id: rule.id.as_str().into(), tests, serve })
            })
            .collect()
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
        self.bucket_by(pointer, &split.bucket_by);
        let rising = split.ranges.windows(2).all(|pair| matches!(pair, [a, b] if a.0 < b.0));
        let first = split.ranges.first().is_some_and(|range| range.0 > 0);
        if !rising || !first || split.ranges.last().map(|range| range.0) != Some(BUCKETS) {
            self.fault(format!("{pointer}/ranges"), "range ends rise and the last is 100000");
        }
        let mut ranges = Vec::with_capacity(split.ranges.len());
        for (i, (end, name)) in split.ranges.iter().enumerate() {
            if let Some(variation) = self.variation(&format!("{pointer}/ranges/{i}"), name) {
                ranges.push((*end, u32::try_from(variation).unwrap_or(u32::MAX)));
            }
        }
        (self.faults.len() == before).then(|| Choice::Split {
            by: Attribute::new(&split.bucket_by),
            salt: Salt::new(&split.salt),
            ranges: ranges.into(),
        })
    }

    fn bucket_by(&mut self, pointer: &str, name: &str) {
        if let Some(message) = context::name_fault(name) {
            self.fault(format!("{pointer}/bucket_by"), message);
        }
    }

    fn release(&mut self) -> (Box<[Option<usize>]>, Option<CompiledLayer>) {
        let Some(release) = &self.flag.release else { return (Box::default(), None) };
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
        (arms.into(), self.layer(release))
    }

    fn layer(&mut self, release: &Release) -> Option<CompiledLayer> {
        let layer = release.layer.as_ref()?;
        self.bucket_by("/release/layer", &layer.bucket_by);
        let apart = layer.ranges.windows(2).all(|pair| matches!(pair, [a, b] if a.1 <= b.0));
        if !apart || layer.ranges.iter().any(|(from, to)| from >= to || *to > BUCKETS) {
            self.fault("/release/layer/ranges", "ranges rise, are not empty, do not overlap and end at 100000 at most");
        }
        let name = layer.otherwise.as_deref();
        if name.is_none() && release.place == FALLTHROUGH {
            self.fault("/release/layer/otherwise", "is needed where the release runs on the fallthrough");
        }
        let otherwise = name.and_then(|name| self.variation("/release/layer/otherwise", name));
        let (by, salt) = (Attribute::new(&layer.bucket_by), Salt::new(&layer.salt));
        Some(CompiledLayer { by, salt, ranges: layer.ranges.as_slice().into(), otherwise })
    }
}
