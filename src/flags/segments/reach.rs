//! Whom a change of a segment would reach, before anything is saved.

use std::collections::BTreeMap;
use std::sync::Arc;

use bellwether_core::SegmentEntry;
use serde::Serialize;
use utoipa::ToSchema;

use super::references::Use;
use super::service::apart;
use crate::clock;
use crate::error::Result;
use crate::flags::{Flags, RecentMoves, moved_users};

/// A flag that a change of a segment would reach in an environment, and how many it would move there.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = SegmentReach)]
pub struct Reach {
    /// The flag's key.
    pub flag: String,
    /// The environment's key.
    pub environment: String,
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
            let after = served.state.what_if([], [entry.clone()]);
            let keys: Vec<_> = uses.iter().map(|used| used.flag.as_str()).collect();
            let moved = moved_users(&users, (&served.state, &after), &keys, clock::at(clock::now()));
            let uses = uses.iter().zip(moved);
            all.extend(uses.map(|(used, recent_users)| Reach {
                flag: used.flag.clone(),
                environment: used.environment.clone(),
                recent_users,
            }));
        }
        all.sort_by(|a, b| (&a.flag, &a.environment).cmp(&(&b.flag, &b.environment)));
        Ok(all)
    })
    .await
}
