//! The small verbs on a configuration, as pure functions from what is to what shall be.

use std::collections::BTreeMap;

use bellwether_core::{Fault, Target, ValueType, limits};
use deserr::Deserr;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::change::Edited;
use super::{Configuration, ConfigurationDocument, publish, share};
use crate::db::Connection;
use crate::error::{Error, Result};
use crate::input::{self, Faults, Members};

/// `PUT F/rollout`: exactly one of the two.
#[derive(Clone, Debug, Deserr, ToSchema)]
#[deserr(error = Faults, deny_unknown_fields)]
#[serde(deny_unknown_fields)]
#[schema(as = Rollout)]
pub struct RolloutInput {
    /// The share of the `true` variation of a boolean flag, in percent.
    #[deserr(default)]
    #[schema(minimum = 0, maximum = 100)]
    percentage: Option<f64>,
    /// The share of each variation, in percent.
    #[deserr(default)]
    #[schema(value_type = Option<BTreeMap<String, f64>>)]
    weights: Option<Members<f64>>,
}

/// What somebody wants a configuration to be, as it was sent.
#[derive(Clone, Debug)]
pub enum Wanted {
    /// A whole configuration: [`ConfigurationDocument`].
    Whole(Value),
    /// A merge patch of what [`super::Flags::configured`] shows.
    Patch(Value),
    /// Shares of the fallthrough: [`RolloutInput`].
    Rollout(Value),
    /// The kill switch on or off.
    Switch(bool),
    /// A variation for one user, whatever the rules say; or no longer.
    Target {
        /// The variation's name.
        variation: String,
        /// The user's targeting key.
        key: String,
        /// Whether the user is to have it.
        wanted: bool,
    },
}

impl Wanted {
    /// The configuration that would come out.
    pub(super) fn configuration(self, connection: &mut Connection<'_>, edited: &Edited) -> Result<Configuration> {
        match self {
            Self::Whole(document) => configuration(connection, edited, document),
            Self::Patch(patch) => {
                let mut document = json!({"configuration": edited.view()?.configuration});
                input::merge_patch(&mut document, patch);
                configuration(connection, edited, document)
            }
            Self::Rollout(document) => input::read_then(document, |rollout| rolled_out(edited, &rollout)),
            Self::Switch(enabled) => Ok(Configuration { enabled, ..edited.configuration().clone() }),
            Self::Target { variation, key, wanted } => targeted(edited, &variation, &key, wanted),
        }
    }

    /// What the change is called in the audit log.
    pub(super) fn action(&self) -> &'static str {
        match self {
            Self::Whole(_) | Self::Patch(_) => "flag.configure",
            Self::Rollout(_) => "flag.rollout",
            Self::Switch(true) => "flag.enable",
            Self::Switch(false) => "flag.disable",
            Self::Target { wanted: true, .. } => "flag.target",
            Self::Target { wanted: false, .. } => "flag.untarget",
        }
    }
}

/// The configuration that a document describes.
fn configuration(connection: &mut Connection<'_>, edited: &Edited, document: Value) -> Result<Configuration> {
    input::read_then(document, |document: ConfigurationDocument| {
        let variations = &edited.definition().variations;
        let (next, mut faults) = document.configuration(variations, edited.configuration(), edited.release());
        faults.extend(publish::faults(connection, &edited.flag, &edited.record, next.clone(), "/configuration")?);
        Error::unless_empty(faults)?;
        Ok(next)
    })
}

/// The configuration with other shares on its fallthrough.
pub(super) fn rolled_out(edited: &Edited, rollout: &RolloutInput) -> Result<Configuration> {
    let variations = &edited.definition().variations;
    let mut faults = Vec::new();
    let (named, pointer) = match (rollout.percentage, &rollout.weights) {
        (Some(percentage), None) => (of_percentage(edited, percentage)?, "/percentage"),
        (None, Some(weights)) => (of_weights(weights, &mut faults), "/weights"),
        _ => return Err(Error::invalid("", "either `percentage` or `weights` is needed")),
    };
    let weights = share::complete(variations, &named, pointer, "100 percent").unwrap_or_else(|found| {
        // Of shares that can't be, the sum says nothing.
        let told = |fault: &Fault| faults.is_empty() || fault.pointer != pointer;
        let found: Vec<_> = found.into_iter().filter(told).collect();
        faults.extend(found);
        Vec::new()
    });
    Error::unless_empty(faults)?;
    let mut next = edited.configuration().clone();
    next.fallthrough = share::with_weights(&next.fallthrough, &weights);
    Ok(next)
}

fn of_percentage(edited: &Edited, percentage: f64) -> Result<BTreeMap<String, u32>> {
    if edited.value_type() != ValueType::Boolean {
        return Err(Error::invalid("/percentage", "is for boolean flags; give `weights` for this one"));
    }
    let of = |value: bool| {
        let found = edited.definition().variations.iter().find(|variation| variation.value == value);
        let missing = || Error::invalid("/percentage", format!("the flag has no variation of value {value}"));
        found.map(|variation| variation.name.clone()).ok_or_else(missing)
    };
    let share = share::buckets_of_percent(percentage).map_err(|message| Error::invalid("/percentage", message))?;
    Ok(BTreeMap::from([(of(true)?, share), (of(false)?, bellwether_core::bucket::BUCKETS - share)]))
}

/// The shares in buckets, nothing in place of one that can't be.
fn of_weights(weights: &Members<f64>, faults: &mut Vec<Fault>) -> BTreeMap<String, u32> {
    let buckets = weights.0.iter().map(|(name, percent)| {
        let buckets = share::buckets_of_percent(*percent).unwrap_or_else(|message| {
            let escaped = name.replace('~', "~0").replace('/', "~1");
            faults.push(Fault::new(format!("/weights/{escaped}"), message));
            0
        });
        (name.clone(), buckets)
    });
    buckets.collect()
}

/// The configuration with one user's override more (or changed), or less.
fn targeted(edited: &Edited, variation: &str, key: &str, wanted: bool) -> Result<Configuration> {
    let mut next = edited.configuration().clone();
    if !edited.definition().variations.iter().any(|known| known.name == variation) {
        return Err(Error::NotFound(format!("variation {variation} of flag {}", edited.key())));
    }
    if key.is_empty() || key.len() > limits::TARGETING_KEY_LENGTH {
        let message = format!("a targeting key has 1 to {} bytes", limits::TARGETING_KEY_LENGTH);
        return Err(Error::invalid("", message));
    }
    let there = next.targets.iter().any(|t| t.variation == variation && t.keys.iter().any(|known| known == key));
    if wanted == there {
        let missing = || Error::NotFound(format!("target {key} on variation {variation}"));
        return if wanted { Ok(next) } else { Err(missing()) };
    }
    for target in &mut next.targets {
        target.keys.retain(|known| known != key);
    }
    if wanted {
        match next.targets.iter_mut().find(|target| target.variation == variation) {
            Some(target) => target.keys.push(key.to_owned()),
            None => next.targets.push(Target { variation: variation.to_owned(), keys: vec![key.to_owned()] }),
        }
    }
    next.targets.retain(|target| !target.keys.is_empty());
    Ok(next)
}
