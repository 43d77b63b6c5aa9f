use std::collections::{BTreeMap, BTreeSet};

use bellwether_core::window::{REQUEST_DURATION_MS, REQUEST_ERROR};
use bellwether_core::{FALLTHROUGH, Fault, limits};

use super::{FlagLimit, Guard, Limit, Policy, Stage, Test};
use crate::flags::LayerPart;
use crate::input::Reject;
use crate::projects::well_formed_key;

/// Most stages of a policy.
const STAGES: usize = 20;
/// Most guards of a policy.
const GUARDS: usize = 20;
/// Longest name of a guard, in bytes.
const GUARD_NAME_LENGTH: usize = 100;
/// Longest minimum time of a stage: a year.
const STAGE_SECONDS: u64 = 365 * 24 * 3_600;
/// Most samples a stage may demand.
const STAGE_SAMPLES: u64 = 1_000_000_000_000;
/// Highest margin: ten times worse than control.
const MARGIN: f64 = 10.0;
/// A guard's weight, either way: further apart, a guard's part of alpha would be nothing.
const WEIGHTS: std::ops::RangeInclusive<f64> = 1e-6..=1e6;

impl Policy {
    /// Everything wrong with it, for a flag with these variations and ids of rules. Nothing else of the flag is looked at.
    #[must_use]
    pub fn faults(&self, variations: &[&str], rules: &[&str]) -> Vec<Fault> {
        let mut faults = Vec::new();
        let mut fault = |pointer: &str, message: String| faults.push(Fault::new(pointer, message));
        for (pointer, variation) in [("/treatment", &self.treatment), ("/control", &self.control)] {
            if !variations.contains(&variation.as_str()) {
                fault(pointer, format!("the flag has no variation `{variation}`"));
            }
        }
        if self.treatment == self.control {
            fault("/control", "treatment and control must be two variations".to_owned());
        }
        if self.place != FALLTHROUGH && !rules.contains(&self.place.as_str()) {
            fault("/where", format!("the flag has no rule `{}`; `{FALLTHROUGH}` is for everyone else", self.place));
        }
        if !(self.alpha > 0.0 && self.alpha < 0.5) {
            fault("/alpha", format!("alpha must be above 0 and below 0.5, not {}", self.alpha));
        }
        faults.extend(self.layer.iter().flat_map(LayerPart::faults).map(|fault| fault.under("/layer")));
        faults.extend(stages(&self.stages));
        faults.extend(guards(&self.guards));
        faults
    }
}

fn stages(stages: &[Stage]) -> Vec<Fault> {
    let mut faults = Vec::new();
    if stages.is_empty() || stages.len() > STAGES {
        faults.push(Fault::new("/stages", format!("a policy has 1 to {STAGES} stages, not {}", stages.len())));
    }
    let mut reached = 0;
    for (index, stage) in stages.iter().enumerate() {
        let mut fault =
            |member: &str, message: String| faults.push(Fault::new(format!("/stages/{index}{member}"), message));
        match stage.buckets() {
            None => {
                fault("/percentage", "a percentage is above 0 and at most 100, with up to three decimals".to_owned())
            }
            Some(buckets) if buckets <= reached => fault("/percentage", "stages must rise".to_owned()),
            Some(bellwether_core::bucket::BUCKETS) if index == 0 => {
                fault("/percentage", "the first stage must leave users for control".to_owned());
            }
            Some(buckets) => reached = buckets,
        }
        if stage.minimum_seconds > STAGE_SECONDS {
            fault(
                "/minimum_seconds",
                format!("the shortest time of a stage is at most a year ({STAGE_SECONDS} seconds)"),
            );
        }
        if stage.minimum_samples > STAGE_SAMPLES {
            fault("/minimum_samples", format!("a stage may demand at most {STAGE_SAMPLES} samples"));
        }
    }
    faults
}

fn guards(guards: &[Guard]) -> Vec<Fault> {
    let mut faults = Vec::new();
    if guards.is_empty() || guards.len() > GUARDS {
        faults.push(Fault::new("/guards", format!("a policy has 1 to {GUARDS} guards, not {}", guards.len())));
    }
    let mut names = BTreeSet::new();
    let mut kinds = BTreeMap::from([(REQUEST_ERROR, true), (REQUEST_DURATION_MS, false)]);
    for (index, guard) in guards.iter().enumerate() {
        let mut fault =
            |member: &str, message: String| faults.push(Fault::new(format!("/guards/{index}{member}"), message));
        // Of names that can't be, it does not matter what else bears them.
        if is_name(&guard.name) && !names.insert(&guard.name) {
            fault("/name", format!("another guard is named `{}`", guard.name));
        }
        let is_of_ratio = *kinds.entry(&guard.metric).or_insert(guard.test.is_of_ratio());
        if is_metric(&guard.metric) && is_of_ratio != guard.test.is_of_ratio() {
            let (kind, tests) = if is_of_ratio {
                ("a ratio", "`ratio_vs_control` and `ratio_limit`")
            } else {
                ("a value", "`mean_vs_control`, `tail_vs_control` and `quantile_limit`")
            };
            fault("/test", format!("`{}` is {kind}: its tests are {tests}", guard.metric));
        }
        for (member, message) in guard_faults(guard) {
            fault(member, message);
        }
    }
    faults
}

/// What is wrong with a guard. What a test has no use for has to be right, too: which of the two is meant is not known.
fn guard_faults(guard: &Guard) -> Vec<(&'static str, String)> {
    let mut faults = Vec::new();
    let mut fault = |member, message: &str| faults.push((member, message.to_owned()));
    if !is_name(&guard.name) {
        fault("/name", "a guard's name is 1 to 100 bytes of text without control characters or space around it");
    }
    if !is_metric(&guard.metric) {
        fault(
            "/metric",
            "a metric's name is 1 to 100 letters, digits, `.`, `_` and `-`, beginning with a letter or digit",
        );
    }
    if !WEIGHTS.contains(&guard.weight) {
        fault("/weight", "a weight is a number from 0.000001 to 1000000");
    }
    if guard.margin.is_some() && !guard.test.is_against_control() {
        fault("/margin", "a test against a limit has no margin");
    }
    if guard.margin.is_some_and(|margin| !(0.0..=MARGIN).contains(&margin)) {
        fault("/margin", "a margin is a share of control from 0 to 10");
    }
    match guard.quantile {
        Some(_) if guard.test != Test::QuantileLimit => fault("/quantile", "only `quantile_limit` has a quantile"),
        None if guard.test == Test::QuantileLimit => {
            fault("/quantile", "`quantile_limit` needs a quantile, such as 0.99")
        }
        _ => {}
    }
    if guard.quantile.is_some_and(|quantile| !(quantile > 0.0 && quantile < 1.0)) {
        fault("/quantile", "a quantile is between 0 and 1");
    }
    match &guard.limit {
        Some(_) if guard.test.is_against_control() => fault("/limit", "a test against control has no limit"),
        None if !guard.test.is_against_control() => fault("/limit", "this test needs a limit"),
        _ => {}
    }
    match &guard.limit {
        Some(Limit::Number(limit)) => {
            if let Err(message) = guard.check_limit(*limit) {
                fault("/limit", &message);
            }
        }
        Some(Limit::Flag(FlagLimit { flag, scale })) => {
            if let Err(Reject(message)) = well_formed_key(flag.clone()) {
                fault("/limit/flag", &message);
            }
            if !(scale.is_finite() && *scale > 0.0) {
                fault("/limit/scale", "a scale is a number above 0");
            }
        }
        None => {}
    }
    faults
}

fn is_name(name: &str) -> bool {
    (1..=GUARD_NAME_LENGTH).contains(&name.len()) && name.trim() == name && !name.contains(char::is_control)
}

fn is_metric(name: &str) -> bool {
    name.len() <= limits::KEY_LENGTH
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'))
}
