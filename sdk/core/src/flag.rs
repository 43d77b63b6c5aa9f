use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::bucket::HASH_RULE;
use crate::window::REQUEST_ERROR;
use crate::{Condition, TARGETING_KEY, ValueType, condition};

/// The name by which a release refers to the fallthrough's split rather than a rule's.
pub const FALLTHROUGH: &str = "fallthrough";

/// A flag as it is evaluated in one environment: what a snapshot and a change carry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema), schema(as = ServedFlag))]
pub struct Flag {
    /// Unique in the project.
    pub key: String,
    /// Grows with each change of this flag in this environment.
    pub version: u64,
    /// The type of every variation's value.
    #[serde(rename = "type")]
    pub value_type: ValueType,
    /// Whether client keys may evaluate it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub client_visible: bool,
    /// The kill switch: `false` serves the off variation to everyone.
    pub enabled: bool,
    /// The values it can serve, in order.
    pub variations: Vec<Variation>,
    /// Served while disabled, and when a prerequisite does not hold.
    pub off_variation: String,
    /// What other flags have to serve for this one to serve more than its off variation.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub prerequisites: Vec<Prerequisite>,
    /// Individual overrides, which come before every rule.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub targets: Vec<Target>,
    /// The first whose clauses all match serves.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<Rule>,
    /// Served when no rule matches.
    pub fallthrough: Serve,
    /// The canary or experiment that runs on this flag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<Release>,
}

/// A named value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Variation {
    /// Unique in the flag.
    pub name: String,
    /// Of the flag's type.
    pub value: Value,
}

/// Holds when a flag serves the same context one of some variations, by whatever way it comes to it. A flag that is not
/// there or can't be evaluated serves none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema), schema(as = ServedPrerequisite))]
pub struct Prerequisite {
    /// The other flag's key.
    pub flag: String,
    /// Any of these will do.
    pub variations: Vec<String>,
}

/// The targeting keys that are served one variation whatever the rules say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema), schema(as = ServedTarget))]
pub struct Target {
    /// The variation served.
    pub variation: String,
    /// To whom.
    pub keys: Vec<String>,
}

/// Serves when all its clauses match.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema), schema(as = ServedRule))]
pub struct Rule {
    /// Unique in the flag; evaluations name it.
    pub id: String,
    /// For people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// All must match; none at all matches everyone.
    pub clauses: Vec<Condition>,
    /// What is served.
    pub serve: Serve,
}

/// What a rule or the fallthrough serves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema), schema(as = ServedServe))]
#[serde(rename_all = "snake_case")]
pub enum Serve {
    /// One variation for everyone.
    Variation(String),
    /// Shares of the buckets.
    Split(Split),
}

/// A percentage split, stored as ranges of buckets so that every language serves it with integers alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema), schema(as = ServedSplit))]
pub struct Split {
    /// The attribute whose value is hashed.
    #[serde(default = "targeting_key", skip_serializing_if = "is_targeting_key")]
    pub bucket_by: String,
    /// Two splits with one salt enrol the same users.
    pub salt: String,
    /// The hash rule; this version knows `xxh3-1`.
    #[serde(default = "hash_rule", skip_serializing_if = "is_hash_rule")]
    pub hash: String,
    /// `(end, variation)`, ends rising to 100,000: a bucket is served by the first range whose end is greater.
    pub ranges: Vec<(u32, String)>,
}

/// A canary or an experiment on one split of the flag: which arm a served user is in and what is measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema), schema(as = ServedRelease))]
pub struct Release {
    /// Names the release in every measurement.
    pub id: String,
    /// [`FALLTHROUGH`] or a rule's id. Users served by anything else are in no arm.
    #[serde(rename = "where")]
    pub place: String,
    /// The arm of each variation that takes part.
    pub arms: Vec<Arm>,
    /// What is to be measured.
    pub metrics: Vec<WatchedMetric>,
    /// Length of a measurement window, in seconds.
    pub window_seconds: u32,
    /// Whom it takes from, where it shares its users with other releases.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layer: Option<Layer>,
}

/// A release's part of a layer: releases of one salt whose ranges don't overlap have no user in common.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema), schema(as = ServedLayer))]
pub struct Layer {
    /// The layer's, by which a user's bucket in it is found.
    pub salt: String,
    /// The attribute whose value is hashed.
    #[serde(default = "targeting_key", skip_serializing_if = "is_targeting_key")]
    pub bucket_by: String,
    /// `[from, to)` in buckets, rising: whoever is in none of them is in no arm.
    pub ranges: Vec<(u32, u32)>,
    /// What is served to them where the release runs on the fallthrough. Elsewhere they get the fallthrough.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub otherwise: Option<String>,
}

/// The users that one variation of a release was served to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema), schema(as = ServedArm))]
pub struct Arm {
    /// `treatment` or `control` in a canary.
    pub name: String,
    /// The variation that puts a user there.
    pub variation: String,
}

/// A metric that a release watches.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct WatchedMetric {
    /// `request.error`, `request.duration_ms`, or a name of the application's own.
    pub metric: String,
    /// For each of these the windows hold the exact count of values above it, in the metric's own unit.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub limits: Vec<f64>,
    /// Whether it is a ratio: what counts is how often it was something else than 0, not how large. `request.error` is one
    /// anyway.
    #[serde(default, skip_serializing_if = "is_false")]
    pub ratio: bool,
}

impl WatchedMetric {
    /// Whether its windows are of trials and hits.
    #[must_use]
    pub fn is_ratio(&self) -> bool {
        self.ratio || self.metric == REQUEST_ERROR
    }
}

impl Flag {
    /// The segments that its rules name, each with the pointer to it.
    #[must_use]
    pub fn segments(&self) -> Vec<(String, &str)> {
        let rules = self.rules.iter().enumerate();
        rules.flat_map(|(at, rule)| condition::segments(&rule.clauses, &format!("/rules/{at}/clauses"))).collect()
    }
}

fn is_false(value: &bool) -> bool {
    !*value
}

fn targeting_key() -> String {
    TARGETING_KEY.to_owned()
}

fn is_targeting_key(name: &str) -> bool {
    name == TARGETING_KEY
}

fn hash_rule() -> String {
    HASH_RULE.to_owned()
}

fn is_hash_rule(rule: &str) -> bool {
    rule == HASH_RULE
}
