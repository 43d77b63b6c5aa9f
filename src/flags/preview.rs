//! Who would move by a change, before anything is saved: in buckets where that can be said, and in users seen of late.

mod places;
mod recent;
mod summary;

use std::collections::{BTreeMap, HashMap};

use bellwether_core::allocation::Move;
use bellwether_core::bucket::BUCKETS;
use bellwether_core::{FALLTHROUGH, Rule, Value, Variation};
use serde::Serialize;
use utoipa::ToSchema;

pub(super) use places::Serving;
pub(super) use recent::share_of_users;
pub use recent::{Dependent, NeededBy, RecentMoves, UserMove, moved_users};

use super::Configuration;

/// Who would move.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Preview {
    /// Buckets that change their variation, or its value. All of them when the flag comes back into use or goes out of
    /// it.
    pub moved: u32,
    /// From where to where, where that is from one variation to another or to its new value.
    pub moves: Vec<PlacedMove>,
    /// What each variation gains and loses; those alone that gain or lose anything.
    pub variations: Vec<Balance>,
    /// Rules that are new or gone, stand elsewhere or match others: whom that moves is a matter of the users, not of
    /// buckets.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub changed_rules: Vec<String>,
    /// Whether its prerequisites change, or what is served where they do not hold: whom that moves is a matter of what
    /// other flags serve them.
    #[serde(skip_serializing_if = "is_false")]
    #[schema(required = false)]
    pub changed_prerequisites: bool,
    /// Whether client keys come to see it, or see it no longer, as they are served it then, or not: apps go from or to
    /// their own defaults.
    #[serde(skip_serializing_if = "is_false")]
    #[schema(required = false)]
    pub changed_visibility: bool,
    /// The users who have another target of their own than before, or one no longer.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub changed_targets: Option<TargetMoves>,
    /// Users that the environment has seen in the last 24 hours.
    pub recent_users: RecentMoves,
    /// Flags that have this one as a prerequisite and move users with it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub dependents: Vec<Dependent>,
    /// All this in words.
    pub summary: String,
    #[serde(skip)]
    words: Vec<String>,
}

fn is_false(value: &bool) -> bool {
    !*value
}

/// A move and the split it happens in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct PlacedMove {
    /// `fallthrough` or a rule's id.
    #[serde(rename = "where")]
    pub place: String,
    /// The move. From a variation to itself when its value changes.
    #[serde(flatten)]
    pub movement: Move,
}

/// What a variation gains and loses, in buckets, summed over the places where it does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Balance {
    /// The variation's name.
    pub variation: String,
    /// Buckets that are served it and were not.
    pub gains: u32,
    /// Buckets that were served it and are no longer.
    pub loses: u32,
}

/// Users whose own target changes, as far as their keys tell what they are served.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct TargetMoves {
    /// How many there are.
    pub users: u64,
    /// How many of them are served something else.
    pub moved: u64,
    /// From where to where.
    pub moves: Vec<UserMove>,
}

impl Preview {
    /// The moves from one way to serve a flag to another, in the rules that both have and in the fallthrough. How many
    /// a rule matches that is new or gone is a matter of the users, not of buckets, and is left out.
    pub(super) fn between(before: Serving<'_>, after: Serving<'_>) -> Self {
        let mut placed = Vec::new();
        for place in all_places(after.0) {
            let moves = places::moves(before, after, place).unwrap_or_default();
            placed.extend(moves.into_iter().map(|movement| PlacedMove { place: place.to_owned(), movement }));
        }
        let preview = Self::of(placed);
        let (before, after) = (before.0, after.0);
        if !before.enabled && !after.enabled {
            return preview;
        }
        let changed_prerequisites = before.prerequisites != after.prerequisites
            || (!after.prerequisites.is_empty() && before.off_variation != after.off_variation);
        Self { changed_rules: changed_rules(before, after), changed_prerequisites, ..preview }
    }

    /// The moves when variations come to have other values: of those who are served them.
    pub(super) fn of_values(serving: Serving<'_>, before: &[Variation], after: &[Variation]) -> Self {
        let value = |of: &[Variation], name: &str| of.iter().find(|one| one.name == name).map(|one| one.value.clone());
        let changed = |name: &str| {
            let (old, new): (Option<Value>, Option<Value>) = (value(before, name), value(after, name));
            old != new
        };
        let mut placed = Vec::new();
        for place in all_places(serving.0) {
            let shares = places::shares(serving, place).into_iter().filter(|(name, _)| changed(name));
            placed.extend(shares.map(|(name, buckets)| PlacedMove {
                place: place.to_owned(),
                movement: Move { from: name.clone(), to: name, buckets },
            }));
        }
        Self::of(placed)
    }

    /// Also tells that client keys come to see the flag, or no longer do.
    #[must_use]
    pub(super) fn shown_to_clients(mut self, before: bool, after: bool) -> Self {
        if before != after {
            self.changed_visibility = true;
            self.words.push(match after {
                true => "apps with client keys are served it, in place of their own defaults".to_owned(),
                false => "apps with client keys are served their own defaults in its place".to_owned(),
            });
        }
        self
    }

    /// When a flag is brought back: everyone goes from what services have as their own default to what it serves.
    pub fn of_return() -> Self {
        Self::of_everyone("everyone is served it again, in place of their services' own defaults")
    }

    /// When a flag is archived: everyone goes from what it serves to what services have as their own default.
    pub fn of_archive() -> Self {
        Self::of_everyone("everyone is served their services' own defaults in its place")
    }

    fn of_everyone(what: &str) -> Self {
        Self { moved: BUCKETS, words: vec![what.to_owned()], ..Self::default() }
    }

    fn of(moves: Vec<PlacedMove>) -> Self {
        let mut balances: BTreeMap<&str, (u32, u32)> = BTreeMap::new();
        for PlacedMove { movement: Move { from, to, buckets }, .. } in moves.iter().filter(|one| !one.is_of_value()) {
            balances.entry(from).or_default().1 += buckets;
            balances.entry(to).or_default().0 += buckets;
        }
        let balance = |(name, (gains, loses)): (&str, (u32, u32))| Balance { variation: name.to_owned(), gains, loses };
        Self {
            moved: moves.iter().map(|placed| placed.movement.buckets).sum(),
            variations: balances.into_iter().map(balance).collect(),
            moves,
            ..Self::default()
        }
    }

    /// All this in sentences, names between backticks.
    #[must_use]
    pub fn sentences(&self) -> &[String] {
        &self.words
    }
}

impl PlacedMove {
    /// Whether the variation stays and its value changes.
    #[must_use]
    pub fn is_of_value(&self) -> bool {
        self.movement.from == self.movement.to
    }
}

/// The rules of a configuration, by their ids, and its fallthrough.
fn all_places(configuration: &Configuration) -> impl Iterator<Item = &str> {
    configuration.rules.iter().map(|rule| rule.id.as_str()).chain([FALLTHROUGH])
}

/// The keys whose own target changes what they are served, or may.
pub(super) fn changed_targets<'c>(before: &'c Configuration, after: &'c Configuration) -> Vec<&'c str> {
    if !before.enabled && !after.enabled {
        return Vec::new();
    }
    let targets = |configuration: &'c Configuration| -> HashMap<&'c str, &'c str> {
        let all = configuration.targets.iter();
        all.flat_map(|target| target.keys.iter().map(|key| (key.as_str(), target.variation.as_str()))).collect()
    };
    let (old, new) = (targets(before), targets(after));
    let served = |configuration: &'c Configuration, targets: &HashMap<&'c str, &'c str>, key: &str| {
        if configuration.enabled { targets.get(key).copied() } else { Some(configuration.off_variation.as_str()) }
    };
    let mut keys: Vec<_> = old.keys().chain(new.keys().filter(|key| !old.contains_key(*key))).copied().collect();
    keys.retain(|key| served(before, &old, key) != served(after, &new, key));
    keys.sort_unstable();
    keys
}

/// Rules that are new or gone, stand elsewhere among the others, or match others.
fn changed_rules(before: &Configuration, after: &Configuration) -> Vec<String> {
    let kept = |of: &'_ [Rule], other: &[Rule]| -> Vec<String> {
        of.iter().filter(|rule| other.iter().any(|one| one.id == rule.id)).map(|rule| rule.id.clone()).collect()
    };
    let (old_order, new_order) = (kept(&before.rules, &after.rules), kept(&after.rules, &before.rules));
    let moved = |id: &String| {
        let place = |order: &[String]| order.iter().position(|one| one == id);
        place(&old_order) != place(&new_order)
    };
    let is_changed = |rule: &&Rule| match before.rules.iter().find(|one| one.id == rule.id) {
        Some(old) => old.clauses != rule.clauses || moved(&rule.id),
        None => true,
    };
    let changed = after.rules.iter().filter(is_changed);
    let gone = before.rules.iter().filter(|rule| !after.rules.iter().any(|one| one.id == rule.id));
    changed.chain(gone).map(|rule| rule.id.clone()).collect()
}

#[cfg(test)]
mod tests;
