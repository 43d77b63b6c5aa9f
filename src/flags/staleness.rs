//! Whether a flag is still of use, by what was really evaluated.

use std::sync::Arc;

use bellwether_core::{Flag, Serve};
use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use super::{FlagView, Flags, Kind, LiveEnvironment};
use crate::clock;
use crate::projects::Environment;
use crate::usage::{Served, Usage};

/// Where a flag is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = FlagState)]
pub enum FlagState {
    /// In use, as far as can be told.
    Active,
    /// In use, and maybe of none: `stale_reason` says why.
    PotentiallyStale,
    /// Out of use.
    Archived,
}

impl FlagState {
    /// Every state.
    pub const ALL: [Self; 3] = [Self::Active, Self::PotentiallyStale, Self::Archived];

    /// The name as it stands in the API.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::PotentiallyStale => "potentially_stale",
            Self::Archived => "archived",
        }
    }
}

/// When a flag counts as potentially stale.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Staleness {
    /// After so many days without an evaluation, or of serving one variation alone.
    pub days: u32,
}

impl Staleness {
    /// What may be set.
    pub const DAYS: std::ops::RangeInclusive<u32> = 1..=3_650;
}

impl Default for Staleness {
    fn default() -> Self {
        Self { days: 30 }
    }
}

/// What there is to say of a flag in an environment.
#[derive(Clone, Debug, Default)]
struct Place<'p> {
    environment: &'p str,
    production: bool,
    /// Whether a canary or an experiment runs on it.
    released: bool,
    /// What it did serve, since it was created.
    served: Vec<Served>,
}

/// Judges the flags of one project.
pub(super) struct Judge<'j> {
    environments: Vec<(&'j Environment, Option<Arc<LiveEnvironment>>)>,
    usage: &'j Usage,
    now: DateTime<Utc>,
    after: TimeDelta,
}

impl<'j> Judge<'j> {
    /// As things stand, in these environments.
    pub(super) fn new(flags: &'j Flags, environments: &'j [Environment]) -> Self {
        let live = |environment: &'j Environment| (environment, flags.live().environment(environment.id()).ok());
        Self {
            environments: environments.iter().map(live).collect(),
            usage: flags.usage(),
            now: clock::now(),
            after: TimeDelta::days(i64::from(flags.staleness.days)),
        }
    }

    /// The flag with its state.
    pub(super) fn judged(&self, mut flag: FlagView) -> FlagView {
        if flag.state == FlagState::Active {
            flag.stale_reason = self.reason(&flag);
        }
        if flag.stale_reason.is_some() {
            flag.state = FlagState::PotentiallyStale;
        }
        flag
    }

    fn reason(&self, flag: &FlagView) -> Option<String> {
        let known = flag.created_at.max(self.usage.since());
        if self.now - known < self.after {
            return None;
        }
        let places: Vec<_> =
            self.environments.iter().map(|(one, live)| self.place(flag, one, live.as_deref())).collect();
        let configured = || self.configured(&flag.key);
        reason(flag.definition.kind, (flag.created_at, known), &places, configured, self.now, self.after)
    }

    /// The variation that every environment serves to everyone, whatever the context.
    fn configured(&self, flag: &str) -> Option<String> {
        let mut alike = None;
        for (_, live) in &self.environments {
            let served = live.as_ref()?.served();
            let here = only(served.state.flag(flag)?.definition().ok()?)?;
            if alike.as_ref().is_some_and(|there| *there != here) {
                return None;
            }
            alike = Some(here);
        }
        alike
    }

    fn place(&self, flag: &FlagView, environment: &'j Environment, live: Option<&LiveEnvironment>) -> Place<'j> {
        let served = self.usage.served(environment.id(), &flag.key);
        let state = live.map(LiveEnvironment::served);
        let entry = state.as_ref().and_then(|served| served.state.flag(&flag.key));
        Place {
            environment: &environment.key,
            production: environment.production,
            released: entry.is_some_and(|entry| entry.flag().release().is_some()),
            // What was served before belongs to a flag of that key that was purged.
            served: served.into_iter().filter(|served| served.last >= flag.created_at).collect(),
        }
    }
}

/// The variation that a flag serves to everyone.
fn only(flag: Flag) -> Option<String> {
    if !flag.enabled {
        return Some(flag.off_variation);
    }
    match flag.fallthrough {
        _ if !flag.prerequisites.is_empty() || !flag.targets.is_empty() || !flag.rules.is_empty() => None,
        Serve::Variation(name) => Some(name),
        Serve::Split(split) => match split.ranges.as_slice() {
            [(_, name)] => Some(name.clone()),
            _ => None,
        },
    }
}

/// Why a flag created and known since these times is potentially stale.
fn reason(
    kind: Kind,
    (created, known): (DateTime<Utc>, DateTime<Utc>),
    places: &[Place<'_>],
    configured: impl FnOnce() -> Option<String>,
    now: DateTime<Utc>,
    after: TimeDelta,
) -> Option<String> {
    let Some(last) = places.iter().flat_map(|place| &place.served).map(|served| served.last).max() else {
        let born = if created == known { ", when it was created" } else { "" };
        return Some(format!("not evaluated in any environment since {}{born}", date(known)));
    };
    if now - last >= after {
        return Some(format!("not evaluated in any environment since {}", date(last)));
    }
    // The others are there to stay as they are, until somebody needs them to be otherwise.
    if !matches!(kind, Kind::Release | Kind::Experiment) || places.iter().any(|place| place.released) {
        return None;
    }
    let production: Vec<_> =
        places.iter().filter(|place| place.production && place.is_evaluated(now - after)).collect();
    if production.is_empty() {
        let evaluated: Vec<_> = places.iter().filter(|place| !place.served.is_empty()).collect();
        let (only, since) = served_alone(&evaluated, known).filter(|(_, since)| now - *since >= after)?;
        return configured().filter(|configured| *configured == only).map(|only| {
            format!("its fallthrough serves `{only}` to everyone, and nothing else was served since {}", date(since))
        });
    }
    let (only, since) = served_alone(&production, known)?;
    let names: Vec<_> = production.iter().map(|place| place.environment).collect();
    let have = if names.len() == 1 { "has" } else { "have" };
    let alone = || format!("{} {have} served only `{only}` for {} days", names.join(" and "), (now - since).num_days());
    (now - since >= after).then(alone)
}

impl Place<'_> {
    fn is_evaluated(&self, since: DateTime<Utc>) -> bool {
        self.served.iter().any(|served| served.last > since)
    }
}

/// The variation that was served last in all of these places, and since when nothing else was in any of them.
fn served_alone(places: &[&Place<'_>], known: DateTime<Utc>) -> Option<(String, DateTime<Utc>)> {
    let mut alone: Option<(String, DateTime<Utc>)> = None;
    for place in places {
        let latest = place.served.iter().max_by_key(|served| served.last)?;
        let others = place.served.iter().filter(|served| served.variation != latest.variation);
        let since = others.map(|served| served.last).max().unwrap_or(latest.first).max(latest.first).max(known);
        alone = match alone {
            None => Some((latest.variation.clone(), since)),
            Some((variation, _)) if variation != latest.variation => return None,
            Some((variation, before)) => Some((variation, before.max(since))),
        };
    }
    alone
}

fn date(at: DateTime<Utc>) -> String {
    at.format("%-d %b %Y").to_string()
}

#[cfg(test)]
mod tests;
