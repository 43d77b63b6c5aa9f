//! How a flag is served in one environment: as it is kept (ranges), as people read and write it (weights).

use bellwether_core::allocation::shares;
use bellwether_core::bucket::{BUCKETS, HASH_RULE};
use bellwether_core::{
    FALLTHROUGH, Fault, Prerequisite, Release, Rule, Serve, Split, TARGETING_KEY, Target, Variation, allocation,
};
use deserr::Deserr;
use rand::distr::{Alphanumeric, SampleString as _};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::condition::{ConditionInput, ConditionShape};
use super::layers::Limit;
use super::salts::Salts;
use super::share;
use crate::audit::{self, FieldChange};
use crate::error::Result;
use crate::input::{Faults, Members, Reject};

/// A flag's configuration in one environment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Configuration {
    /// The kill switch.
    pub enabled: bool,
    /// Served while disabled, and when a prerequisite does not hold.
    pub off_variation: String,
    /// What other flags have to serve.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub prerequisites: Vec<Prerequisite>,
    /// Individual overrides.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub targets: Vec<Target>,
    /// In order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<Rule>,
    /// When no rule matches.
    pub fallthrough: Serve,
}

impl Configuration {
    /// What a new flag has: on, and serving its off variation, so that nothing changes until somebody rolls it out.
    pub fn new(off_variation: String) -> Self {
        let fallthrough = Serve::Variation(off_variation.clone());
        Self {
            enabled: true,
            off_variation,
            prerequisites: Vec::new(),
            targets: Vec::new(),
            rules: Vec::new(),
            fallthrough,
        }
    }

    /// What is served at a place: [`FALLTHROUGH`] or a rule's id.
    pub fn serve(&self, place: &str) -> Option<&Serve> {
        if place == FALLTHROUGH {
            return Some(&self.fallthrough);
        }
        self.rules.iter().find(|rule| rule.id == place).map(|rule| &rule.serve)
    }

    /// As [`Configuration::serve`], to be changed.
    pub fn serve_mut(&mut self, place: &str) -> Option<&mut Serve> {
        if place == FALLTHROUGH {
            return Some(&mut self.fallthrough);
        }
        self.rules.iter_mut().find(|rule| rule.id == place).map(|rule| &mut rule.serve)
    }

    /// The configuration as the API shows it, with a weight for each of `variations`, and of those that it serves and
    /// the flag no longer has, and with whom `release` limits its split to, which runs on it.
    ///
    /// # Errors
    /// Never for these types; serialization as such may fail.
    pub fn view(&self, release: Option<&Release>, variations: &[Variation]) -> Result<Value> {
        let mut view = serde_json::to_value(self)?;
        if let Some(place) = view.get_mut("fallthrough") {
            *place = serve_view(&self.fallthrough, Limit::of(release, FALLTHROUGH), variations)?;
        }
        for (index, rule) in self.rules.iter().enumerate() {
            if let Some(place) = view.pointer_mut(&format!("/rules/{index}/serve")) {
                *place = serve_view(&rule.serve, Limit::of(release, &rule.id), variations)?;
            }
        }
        Ok(view)
    }

    /// What differs in `after`, as pointers into what [`Configuration::view`] shows; into the ranges when those alone do.
    /// `releases` are what runs on the flag before and after.
    ///
    /// # Errors
    /// As [`Configuration::view`].
    pub fn changes(
        &self,
        after: &Self,
        releases: (Option<&Release>, Option<&Release>),
        variations: &[Variation],
    ) -> Result<Vec<FieldChange>> {
        let changes = audit::diff(&self.view(releases.0, variations)?, &after.view(releases.1, variations)?);
        if !changes.is_empty() {
            return Ok(changes);
        }
        let ranges = |of: &Self| json!({"allocations": of.allocations()});
        Ok(audit::diff(&ranges(self), &ranges(after)))
    }

    /// Ranges of each split by its place.
    pub fn allocations(&self) -> Map<String, Value> {
        let rules = self.rules.iter().map(|rule| (rule.id.as_str(), &rule.serve));
        let all = rules.chain([(FALLTHROUGH, &self.fallthrough)]);
        all.filter_map(|(place, serve)| match serve {
            Serve::Split(split) => Some((place.to_owned(), json!(split.ranges))),
            Serve::Variation(_) => None,
        })
        .collect()
    }
}

fn serve_view(serve: &Serve, limit: Option<Limit>, variations: &[Variation]) -> Result<Value> {
    let Serve::Split(split) = serve else { return Ok(serde_json::to_value(serve)?) };
    let mut view = serde_json::to_value(serve)?;
    let shares = shares(&split.ranges);
    let weight = |v: &Variation| (v.name.clone(), json!(shares.get(&v.name).copied().unwrap_or(0)));
    let mut weights: Map<String, Value> = variations.iter().map(weight).collect();
    for (name, share) in &shares {
        weights.entry(name.as_str()).or_insert_with(|| json!(share));
    }
    if let Some(members) = view.get_mut("split").and_then(Value::as_object_mut) {
        members.remove("ranges");
        members.insert("weights".to_owned(), Value::Object(weights));
        if let Some(limit) = limit {
            members.insert("layer".to_owned(), serde_json::to_value(limit)?);
        }
    }
    Ok(view)
}

/// A whole configuration as it is sent: `{"configuration": {…}}`.
#[derive(Clone, Debug, Deserr, ToSchema)]
#[deserr(error = Faults, deny_unknown_fields)]
#[serde(deny_unknown_fields)]
pub struct ConfigurationDocument {
    configuration: ConfigurationInput,
}

#[derive(Clone, Debug, Deserr, ToSchema)]
#[deserr(error = Faults, deny_unknown_fields)]
#[serde(deny_unknown_fields)]
#[schema(as = Configuration)]
pub(super) struct ConfigurationInput {
    /// The kill switch.
    enabled: bool,
    /// Served while disabled, and when a prerequisite does not hold.
    off_variation: String,
    /// What other flags have to serve the same user for this one to serve more than its off variation.
    #[deserr(default)]
    #[schema(required = false, max_items = 50)]
    prerequisites: Vec<PrerequisiteInput>,
    /// Individual overrides, which come before every rule.
    #[deserr(default)]
    #[schema(required = false)]
    targets: Vec<TargetInput>,
    /// The first whose clauses all match serves.
    #[deserr(default)]
    #[schema(required = false, max_items = 500)]
    rules: Vec<RuleInput>,
    /// Served when no rule matches.
    #[schema(value_type = ServeShape)]
    fallthrough: ServeInput,
}

#[derive(Clone, Debug, Deserr, ToSchema)]
#[deserr(error = Faults, deny_unknown_fields)]
#[serde(deny_unknown_fields)]
#[schema(as = Prerequisite)]
struct PrerequisiteInput {
    /// The other flag's key.
    #[schema(value_type = crate::schema::Key)]
    flag: String,
    /// Any of these variations of it will do.
    #[schema(min_items = 1, max_items = 64)]
    variations: Vec<String>,
}

#[derive(Clone, Debug, Deserr, ToSchema)]
#[deserr(error = Faults, deny_unknown_fields)]
#[serde(deny_unknown_fields)]
#[schema(as = Target)]
struct TargetInput {
    /// The variation served.
    variation: String,
    /// To these targeting keys.
    keys: Vec<String>,
}

#[derive(Clone, Debug, Deserr, ToSchema)]
#[deserr(error = Faults, deny_unknown_fields)]
#[serde(deny_unknown_fields)]
#[schema(as = Rule)]
struct RuleInput {
    /// Unique in the flag; drawn unless given.
    #[deserr(default)]
    id: Option<String>,
    /// For people.
    #[deserr(default)]
    #[schema(required = false)]
    description: String,
    /// All must match; none at all matches everyone.
    #[schema(max_items = 100, value_type = Vec<ConditionShape>)]
    clauses: Vec<ConditionInput>,
    /// What is served.
    #[schema(value_type = ServeShape)]
    serve: ServeInput,
}

#[derive(Clone, Debug, Deserr)]
#[deserr(error = Faults, deny_unknown_fields)]
struct ServeInput {
    #[deserr(default)]
    variation: Option<String>,
    #[deserr(default)]
    split: Option<SplitInput>,
}

#[derive(Clone, Debug, Deserr, ToSchema)]
#[deserr(error = Faults, deny_unknown_fields)]
#[serde(deny_unknown_fields)]
#[schema(as = Split)]
struct SplitInput {
    /// The attribute whose value is hashed; `targetingKey` unless given.
    #[deserr(default)]
    bucket_by: Option<String>,
    /// A share for each variation in buckets, which sum to 100,000.
    #[schema(value_type = BTreeMap<String, u32>)]
    weights: Members<Share>,
    /// Two splits with one salt enrol the same users; kept or drawn unless given.
    #[deserr(default)]
    #[schema(min_length = 1, max_length = 64)]
    salt: Option<String>,
    /// The hash rule.
    #[deserr(default)]
    #[schema(value_type = Option<HashRule>)]
    hash: Option<String>,
    /// As it was read, where a release that has part of a layer runs on the split. Elsewhere it is refused.
    #[deserr(default)]
    layer: Option<Limit>,
}

/// Buckets; what they sum to is another matter.
#[derive(Clone, Copy, Debug, Deserr)]
#[deserr(error = Faults, try_from(u64) = Share::new -> Reject)]
struct Share(u32);

impl Share {
    fn new(buckets: u64) -> Result<Self, Reject> {
        u32::try_from(buckets).map(Self).map_err(|_| Reject(format!("is a share from 0 to {BUCKETS} buckets")))
    }
}

/// One of the two members of [`ServeInput`].
#[derive(ToSchema)]
#[schema(as = Serve)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[expect(dead_code, reason = "only its schema is used")]
enum ServeShape {
    /// One variation for everyone.
    Variation(String),
    /// Shares of the users.
    Split(SplitInput),
}

/// The hash rules that splits may name.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is used")]
enum HashRule {
    #[serde(rename = "xxh3-1")]
    Xxh3,
}

impl Configuration {
    /// Without targets of no keys, which say nothing once they are found in order.
    pub(super) fn tidied(mut self) -> Self {
        self.targets.retain(|target| !target.keys.is_empty());
        self
    }
}

impl ConfigurationDocument {
    /// The configuration, its splits laid out so that as few users as possible move away from `old`, and the faults
    /// of serves, weights and salts, with pointers into the document. What is at fault serves the first variation, so
    /// that everything else can be checked where the flag is compiled.
    ///
    /// What it says of layers has to be so by `release`, which runs on the flag. Splits that are new and are given no salt
    /// draw one of `salts`.
    pub fn configuration(
        self,
        variations: &[Variation],
        (old, release): (&Configuration, Option<&Release>),
        salts: Salts,
    ) -> (Configuration, Vec<Fault>) {
        let input = self.configuration;
        let mut faults = input.limit_faults(release);
        let mut rules = Vec::with_capacity(input.rules.len());
        for (index, rule) in input.rules.into_iter().enumerate() {
            let id = rule.id.unwrap_or_else(|| format!("r{}", Alphanumeric.sample_string(&mut rand::rng(), 8)));
            let at = format!("/configuration/rules/{index}/serve");
            let serve = rule.serve.serve(variations, (old.serve(&id), salts), &at, &mut faults);
            let at = format!("/configuration/rules/{index}/clauses");
            let clauses = ConditionInput::conditions(rule.clauses, &at, &mut faults);
            rules.push(Rule { id, description: rule.description, clauses, serve });
        }
        let at = "/configuration/fallthrough";
        let fallthrough = input.fallthrough.serve(variations, (Some(&old.fallthrough), salts), at, &mut faults);
        let configuration = Configuration {
            enabled: input.enabled,
            off_variation: input.off_variation,
            prerequisites: input
                .prerequisites
                .into_iter()
                .map(|one| Prerequisite { flag: one.flag, variations: one.variations })
                .collect(),
            targets: input
                .targets
                .into_iter()
                .map(|TargetInput { variation, keys }| Target { variation, keys })
                .collect(),
            rules,
            fallthrough,
        };
        (configuration, faults)
    }
}

impl ConfigurationInput {
    fn limit_faults(&self, release: Option<&Release>) -> Vec<Fault> {
        let rules = self.rules.iter().enumerate();
        let rules = rules.map(|(index, rule)| (&rule.serve, rule.id.as_deref(), format!("rules/{index}/serve")));
        let all = rules.chain([(&self.fallthrough, Some(FALLTHROUGH), FALLTHROUGH.to_owned())]);
        let fault = |(serve, place, at): (&ServeInput, Option<&str>, String)| {
            let limit = serve.split.as_ref()?.layer.as_ref()?;
            limit.fault(release, place, &format!("/configuration/{at}/split/layer"))
        };
        all.filter_map(fault).collect()
    }
}

/// What is served there now, and salts for what is new.
type There<'c> = (Option<&'c Serve>, Salts);

impl ServeInput {
    fn serve(self, variations: &[Variation], there: There<'_>, at: &str, faults: &mut Vec<Fault>) -> Serve {
        match (self.variation, self.split) {
            (Some(variation), None) => Serve::Variation(variation),
            (None, Some(split)) => split.serve(variations, there, &format!("{at}/split"), faults),
            (variation, split) => {
                faults.push(Fault::new(at, "either `variation` or `split` is needed"));
                // Whichever is meant, it has to be right.
                if let Some(split) = split {
                    split.serve(variations, there, &format!("{at}/split"), faults);
                }
                variation.map_or_else(|| first(variations), Serve::Variation)
            }
        }
    }
}

/// In place of what is at fault.
fn first(variations: &[Variation]) -> Serve {
    Serve::Variation(variations.first().map(|first| first.name.clone()).unwrap_or_default())
}

impl SplitInput {
    fn serve(self, variations: &[Variation], (old, salts): There<'_>, at: &str, faults: &mut Vec<Fault>) -> Serve {
        if self.salt.as_ref().is_some_and(|salt| !share::is_salt(salt)) {
            faults.push(Fault::new(format!("{at}/salt"), "has 1 to 64 characters, U+0000 not among them"));
        }
        let given = self.weights.0.into_iter().map(|(name, Share(share))| (name, share)).collect();
        let weights = share::complete(variations, &given, &format!("{at}/weights"), "100000 buckets");
        let weights = weights.unwrap_or_else(|found| {
            faults.extend(found);
            variations.iter().take(1).map(|only| (only.name.clone(), BUCKETS)).collect()
        });
        let before = match old {
            Some(Serve::Split(split)) => Some(split),
            _ => None,
        };
        let salt = self.salt.or_else(|| before.map(|split| split.salt.clone())).unwrap_or_else(|| salts.draw(at));
        // Another salt is another shuffle: what lies where under the old one says nothing about it.
        let ranges = match before.filter(|split| split.salt == salt) {
            Some(split) => allocation::reallocate(&split.ranges, &weights),
            None => allocation::allocate(&weights),
        };
        let bucket_by = self.bucket_by.unwrap_or_else(|| TARGETING_KEY.to_owned());
        let hash = self.hash.unwrap_or_else(|| HASH_RULE.to_owned());
        Serve::Split(Split { bucket_by, salt, hash, ranges })
    }
}
