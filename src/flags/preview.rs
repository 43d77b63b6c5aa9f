//! Who would move by a change, before anything is saved.

use bellwether_core::allocation::{self, Move, Range};
use bellwether_core::bucket::BUCKETS;
use bellwether_core::{FALLTHROUGH, Serve};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Configuration, share};

/// Who would move.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Preview {
    /// Buckets that change their variation.
    pub moved: u32,
    /// From where to where.
    pub moves: Vec<PlacedMove>,
}

/// A move and the split it happens in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct PlacedMove {
    /// `fallthrough` or a rule's id.
    #[serde(rename = "where")]
    pub place: String,
    /// The move.
    #[serde(flatten)]
    pub movement: Move,
}

impl Preview {
    /// The moves between two configurations, in the rules that both have and in the fallthrough. How many a rule
    /// matches that is new or gone is a matter of the users, not of buckets, and is left out.
    pub fn between(before: &Configuration, after: &Configuration) -> Self {
        let rules = after.rules.iter().map(|rule| rule.id.as_str());
        let mut placed = Vec::new();
        for place in rules.chain([FALLTHROUGH]) {
            if let (Some(old), Some(new)) = (before.serve(place), after.serve(place)) {
                let (from, to) = (ranges(before, old), ranges(after, new));
                let shuffled = before.enabled && after.enabled && shuffles(old, new);
                let moves = if shuffled { independent(&from, &to) } else { allocation::moves(&from, &to) };
                placed.extend(moves.into_iter().map(|movement| PlacedMove { place: place.to_owned(), movement }));
            }
        }
        Self { moved: placed.iter().map(|placed| placed.movement.buckets).sum(), moves: placed }
    }
}

/// What is served at a place, the kill switch considered.
fn ranges(configuration: &Configuration, serve: &Serve) -> Vec<Range> {
    if configuration.enabled { share::ranges(serve) } else { allocation::whole(&configuration.off_variation) }
}

/// Whether a user's buckets under the two have nothing to do with each other.
fn shuffles(old: &Serve, new: &Serve) -> bool {
    match (old, new) {
        (Serve::Split(old), Serve::Split(new)) => {
            (&old.salt, &old.bucket_by, &old.hash) != (&new.salt, &new.bucket_by, &new.hash)
        }
        _ => false,
    }
}

/// The moves to be expected when everyone is shuffled anew.
fn independent(old: &[Range], new: &[Range]) -> Vec<Move> {
    let (old, new) = (allocation::shares(old), allocation::shares(new));
    let mut moves = Vec::new();
    for (from, left) in &old {
        for (to, entered) in new.iter().filter(|(to, _)| *to != from) {
            let expected = (u64::from(*left) * u64::from(*entered) + u64::from(BUCKETS) / 2) / u64::from(BUCKETS);
            let buckets = u32::try_from(expected).unwrap_or(BUCKETS);
            if buckets > 0 {
                moves.push(Move { from: from.clone(), to: to.clone(), buckets });
            }
        }
    }
    moves.sort_by_key(|movement| std::cmp::Reverse(movement.buckets));
    moves
}

#[cfg(test)]
mod tests {
    use bellwether_core::Rule;

    use super::*;

    fn split(salt: &str, on: u32) -> Serve {
        share::new_split(&[("on".to_owned(), on), ("off".to_owned(), BUCKETS - on)], salt.to_owned())
    }

    fn configuration(fallthrough: Serve) -> Configuration {
        Configuration { fallthrough, ..Configuration::new("off".to_owned()) }
    }

    fn moves(before: &Configuration, after: &Configuration) -> Vec<(String, String, String, u32)> {
        let preview = Preview::between(before, after);
        assert_eq!(preview.moved, preview.moves.iter().map(|placed| placed.movement.buckets).sum::<u32>());
        let told =
            |placed: PlacedMove| (placed.place, placed.movement.from, placed.movement.to, placed.movement.buckets);
        preview.moves.into_iter().map(told).collect()
    }

    fn told(place: &str, from: &str, to: &str, buckets: u32) -> (String, String, String, u32) {
        (place.to_owned(), from.to_owned(), to.to_owned(), buckets)
    }

    #[test]
    fn shares_move_within_their_split() {
        let (ten, quarter) = (configuration(split("s", 10_000)), configuration(split("s", 25_000)));
        assert_eq!(moves(&ten, &quarter), [told("fallthrough", "off", "on", 15_000)]);
        assert_eq!(moves(&ten, &ten), []);
        assert_eq!(
            moves(&configuration(Serve::Variation("on".to_owned())), &ten),
            [told("fallthrough", "on", "off", 90_000)]
        );
    }

    #[test]
    fn another_salt_shuffles_everyone() {
        let (old, new) = (configuration(split("s", 25_000)), configuration(split("t", 25_000)));
        assert_eq!(
            moves(&old, &new),
            [told("fallthrough", "off", "on", 18_750), told("fallthrough", "on", "off", 18_750)]
        );
    }

    #[test]
    fn the_kill_switch_moves_all_who_were_not_served_off() {
        let on = configuration(split("s", 25_000));
        let off = Configuration { enabled: false, ..configuration(split("t", 40_000)) };
        assert_eq!(moves(&on, &off), [told("fallthrough", "on", "off", 25_000)]);
        assert_eq!(moves(&off, &on), [told("fallthrough", "off", "on", 25_000)]);
    }

    #[test]
    fn rules_that_both_have_are_told_by_their_ids() {
        let rule = |id: &str, serve| Rule { id: id.to_owned(), description: String::new(), clauses: Vec::new(), serve };
        let mut before = configuration(split("s", 50_000));
        before.rules = vec![rule("kept", split("r", 1_000)), rule("gone", split("g", 1))];
        let mut after = configuration(split("s", 50_000));
        after.rules = vec![rule("new", split("n", 1)), rule("kept", split("r", 3_000))];
        assert_eq!(moves(&before, &after), [told("kept", "off", "on", 2_000)]);
    }
}
