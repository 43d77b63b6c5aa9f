//! The small verbs on a configuration, as pure functions from what is to what shall be.

use std::collections::BTreeMap;

use bellwether_core::allocation::Weight;
use bellwether_core::bucket::BUCKETS;
use bellwether_core::{FALLTHROUGH, Fault, Target, ValueType, Variation, limits};
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
        let (next, mut faults) =
            document.configuration(variations, (edited.configuration(), edited.release()), edited.salts());
        faults.extend(publish::faults(connection, &edited.flag, &edited.record, next.clone(), "/configuration")?);
        Error::unless_empty(faults)?;
        Ok(next.tidied())
    })
}

/// The configuration with other shares on its fallthrough.
pub(super) fn rolled_out(edited: &Edited, rollout: &RolloutInput) -> Result<Configuration> {
    let variations = &edited.definition().variations;
    let mut faults = Vec::new();
    let weights = match (rollout.percentage, &rollout.weights) {
        (Some(percentage), None) => of_percentage(edited, percentage, &mut faults),
        (None, Some(weights)) => of_weights(variations, weights, &mut faults),
        (Some(percentage), Some(weights)) => {
            of_percentage(edited, percentage, &mut faults);
            of_weights(variations, weights, &mut faults);
            let both = Fault::new("/weights", "either `percentage` or `weights` is given, not both");
            input::add(&mut faults, [both]);
            Vec::new()
        }
        (None, None) => return Err(Error::invalid("", "either `percentage` or `weights` is needed")),
    };
    Error::unless_empty(faults)?;
    let mut next = edited.configuration().clone();
    next.fallthrough = share::with_weights(&next.fallthrough, &weights, || edited.salts().draw(FALLTHROUGH));
    Ok(next)
}

/// The shares of a boolean flag; none where that can't be.
fn of_percentage(edited: &Edited, percentage: f64, faults: &mut Vec<Fault>) -> Vec<Weight> {
    let variations = &edited.definition().variations;
    let of = |value: bool| {
        let found = variations.iter().find(|variation| variation.value == value);
        let missing = || format!("the flag has no variation of value {value}");
        found.map(|variation| variation.name.clone()).ok_or_else(missing)
    };
    let named = || {
        if edited.value_type() != ValueType::Boolean {
            return Err("is for boolean flags; give `weights` for this one".to_owned());
        }
        let share = share::buckets_of_percent(percentage)?;
        Ok(BTreeMap::from([(of(true)?, share), (of(false)?, BUCKETS - share)]))
    };
    let found = match named() {
        Ok(named) => share::complete(variations, &named, "/percentage", "100 percent"),
        Err(message) => Err(vec![Fault::new("/percentage", message)]),
    };
    found.unwrap_or_else(|found| {
        faults.extend(found);
        Vec::new()
    })
}

/// The shares of any flag; none where that can't be.
fn of_weights(variations: &[Variation], weights: &Members<f64>, faults: &mut Vec<Fault>) -> Vec<Weight> {
    let mut wrong = Vec::new();
    let buckets = weights.0.iter().map(|(name, percent)| {
        let buckets = share::buckets_of_percent(*percent).unwrap_or_else(|message| {
            let escaped = name.replace('~', "~0").replace('/', "~1");
            wrong.push(Fault::new(format!("/weights/{escaped}"), message));
            0
        });
        (name.clone(), buckets)
    });
    let named = buckets.collect();
    let complete = share::complete(variations, &named, "/weights", "100 percent");
    let complete = complete.unwrap_or_else(|found| {
        // Of shares that can't be, the sum says nothing.
        let told = |fault: &Fault| wrong.is_empty() || fault.pointer != "/weights";
        let found: Vec<_> = found.into_iter().filter(told).collect();
        wrong.extend(found);
        Vec::new()
    });
    faults.extend(wrong);
    complete
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
