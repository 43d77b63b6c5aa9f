use crate::bucket::Salt;
use crate::condition::Test;
use crate::context::Attribute;
use crate::keys::KeySet;
use crate::{Release, ValueType, Variation};

/// A flag that was checked and made ready: names are resolved, keys are sets, values of clauses are parsed.
#[derive(Debug)]
pub struct CompiledFlag {
    pub(crate) key: Box<str>,
    pub(crate) version: u64,
    pub(crate) value_type: ValueType,
    pub(crate) client_visible: bool,
    pub(crate) enabled: bool,
    /// Whether there is but one variation that it may ever serve.
    pub(crate) constant: bool,
    pub(crate) variations: Box<[Variation]>,
    pub(crate) off: usize,
    pub(crate) prerequisites: Box<[CompiledPrerequisite]>,
    pub(crate) targets: Targets,
    pub(crate) rules: Box<[CompiledRule]>,
    pub(crate) fallthrough: CompiledServe,
    pub(crate) release: Option<CompiledRelease>,
}

#[derive(Debug)]
pub(crate) struct CompiledPrerequisite {
    pub(crate) flag: Box<str>,
    pub(crate) variations: Box<[Box<str>]>,
}

/// Who is served a variation of their own.
#[derive(Debug, Default)]
pub(crate) struct Targets {
    pub(crate) keys: KeySet,
    /// The variation of each key, by the key's position.
    pub(crate) variations: Box<[u8]>,
}

#[derive(Debug)]
pub(crate) struct CompiledRule {
    pub(crate) id: Box<str>,
    pub(crate) tests: Box<[Test]>,
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
    Split { by: Attribute, salt: Salt, ranges: Box<[(u32, u32)]> },
}

#[derive(Debug)]
pub(crate) struct CompiledRelease {
    pub(crate) release: Release,
    /// Arm of each variation, as an index into the release's arms.
    pub(crate) arms: Box<[Option<usize>]>,
    pub(crate) layer: Option<CompiledLayer>,
}

#[derive(Debug)]
pub(crate) struct CompiledLayer {
    pub(crate) by: Attribute,
    pub(crate) salt: Salt,
    pub(crate) ranges: Box<[(u32, u32)]>,
    pub(crate) otherwise: Option<usize>,
}

impl Targets {
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.variations.is_empty()
    }

    #[inline]
    pub(crate) fn get(&self, key: &str) -> Option<usize> {
        self.variations.get(self.keys.position(key)?).map(|variation| usize::from(*variation))
    }
}

impl CompiledFlag {
    /// The flag's key.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The flag's version in its environment.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version
    }

    /// The type of its values.
    #[must_use]
    pub fn value_type(&self) -> ValueType {
        self.value_type
    }

    /// Whether client keys may evaluate it.
    #[must_use]
    pub fn client_visible(&self) -> bool {
        self.client_visible
    }

    /// The kill switch: whether it serves more than its off variation.
    #[must_use]
    pub fn enabled(&self) -> bool {
        self.enabled
    }

    /// The values it can serve, in order.
    #[must_use]
    pub fn variations(&self) -> &[Variation] {
        &self.variations
    }

    /// The flags that its prerequisites name.
    pub fn prerequisites(&self) -> impl Iterator<Item = &str> {
        self.prerequisites.iter().map(|prerequisite| &*prerequisite.flag)
    }

    /// The canary or experiment that runs on it.
    #[must_use]
    pub fn release(&self) -> Option<&Release> {
        self.release.as_ref().map(|compiled| &compiled.release)
    }
}
