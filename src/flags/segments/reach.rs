//! Whom a change of a segment would reach, before anything is saved.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bellwether_core::SegmentEntry;
use serde::Serialize;
use utoipa::ToSchema;

use super::references::Use;
use super::service::apart;
use crate::clock;
use crate::error::Result;
use crate::flags::{Flags, NeededBy, RecentMoves, moved_users};

/// A flag that a change of a segment would reach in an environment, by itself, through other segments or through
/// prerequisites, and how many it would move there.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = SegmentReach)]
pub struct Reach {
    /// The flag's key.
    pub flag: String,
    /// The environment's key.
    pub environment: String,
    /// Whether none of its own rules asks for the segment: a prerequisite's does, or one of that one's.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schema(required = false)]
    pub by_prerequisite: bool,
    /// Users seen in the last 24 hours.
    pub recent_users: RecentMoves,
}

/// How many recently seen users each of these flags would serve something else, were the segment as `entry` is.
pub(super) async fn reach(flags: &Flags, uses: Vec<Use>, entry: Arc<SegmentEntry>) -> Result<Vec<Reach>> {
    let mut environments: BTreeMap<i64, Vec<Use>> = BTreeMap::new();
    for used in uses {
        environments.entry(used.environment_id).or_default().push(used);
    }
    let mut at_hand = Vec::with_capacity(environments.len());
    for (environment, uses) in environments {
        let (served, users) = flags.at_hand(environment)?;
        at_hand.push((uses, served, users));
    }
    // Thousands of users are evaluated twice for each flag.
    apart(move || {
        let mut all = Vec::new();
        for (uses, served, users) in at_hand {
            let Some(environment) = uses.first().map(|used| used.environment.clone()) else { continue };
            let (before, after) = (&served.state, served.state.what_if([], [entry.clone()]));
            let own: BTreeSet<_> = uses.iter().map(|used| used.flag.as_str()).collect();
            let needed_by = NeededBy::of(before);
            let others: BTreeSet<_> = own.iter().flat_map(|flag| needed_by.all(flag)).collect();
            let flags: Vec<_> = own.union(&others).copied().collect();
            let moved = moved_users(&users, (before, &after), &flags, clock::at(clock::now()));
            all.extend(flags.into_iter().zip(moved).map(|(flag, recent_users)| Reach {
                flag: flag.to_owned(),
                environment: environment.clone(),
                by_prerequisite: !own.contains(flag),
                recent_users,
            }));
        }
        all.sort_by(|a, b| (&a.flag, &a.environment).cmp(&(&b.flag, &b.environment)));
        Ok(all)
    })
    .await
}
