//! Who moves at one place of a configuration, a rule or the fallthrough, in buckets: pure.
//!
//! Where a release has part of a layer, its split is for those in that part alone, and whether a user is in it has
//! nothing to do with their bucket of the split. So users fall into up to four kinds, in the layer's part before and
//! after or not, and each kind moves as the two splits that are for it tell.

use std::collections::BTreeMap;

use bellwether_core::allocation::{self, Move, Range};
use bellwether_core::bucket::BUCKETS;
use bellwether_core::{FALLTHROUGH, Layer, Release, Serve, Split};

use super::super::{Configuration, layers, share};

/// How a flag is served: by its configuration and the release that runs on it.
pub(in super::super) type Serving<'c> = (&'c Configuration, Option<&'c Release>);

/// The moves at a place that both have; `None` where one does not have it.
pub(super) fn moves(before: Serving<'_>, after: Serving<'_>, place: &str) -> Option<Vec<Move>> {
    let (before, after) = (Standing::of(before, place)?, Standing::of(after, place)?);
    let mut found = Tally::default();
    for (users, old, new) in kinds(&before, &after) {
        let moves = if old.is_shuffled_by(new) {
            independent(&old.ranges, &new.ranges)
        } else {
            allocation::moves(&old.ranges, &new.ranges)
        };
        for Move { from, to, buckets } in moves {
            found.add((from, to), users, buckets);
        }
    }
    let mut moves: Vec<_> =
        found.told().map(|((from, to), buckets)| Move { from, to, buckets }).filter(|one| one.buckets > 0).collect();
    moves.sort_by_key(|one| std::cmp::Reverse(one.buckets));
    Some(moves)
}

/// The buckets that each variation has at a place, none of them empty; nothing where there is no such place.
pub(super) fn shares(serving: Serving<'_>, place: &str) -> BTreeMap<String, u32> {
    let mut found = Tally::default();
    if let Some(standing) = Standing::of(serving, place) {
        for (users, served) in [(standing.size(), &standing.inside), (BUCKETS - standing.size(), &standing.outside)] {
            for (variation, buckets) in allocation::shares(&served.ranges) {
                found.add(variation, users, buckets);
            }
        }
    }
    found.told().filter(|(_, buckets)| *buckets > 0).collect()
}

/// What is served to some users, the kill switch considered.
#[derive(Default)]
struct Served<'c> {
    ranges: Vec<Range>,
    split: Option<&'c Split>,
}

impl<'c> Served<'c> {
    fn of(serve: &'c Serve) -> Self {
        let split = match serve {
            Serve::Split(split) => Some(split),
            Serve::Variation(_) => None,
        };
        Self { ranges: share::ranges(serve), split }
    }

    fn whole(variation: &str) -> Self {
        Self { ranges: allocation::whole(variation), split: None }
    }

    /// Whether a user's buckets under the two have nothing to do with each other.
    fn is_shuffled_by(&self, new: &Served<'_>) -> bool {
        let shuffle = |split: &'c Split| (&split.salt, &split.bucket_by, &split.hash);
        match (self.split, new.split) {
            (Some(old), Some(new)) => shuffle(old) != (&new.salt, &new.bucket_by, &new.hash),
            _ => false,
        }
    }
}

/// What is served at a place, in and outside of the part of a layer that the release there has.
struct Standing<'c> {
    layer: Option<&'c Layer>,
    /// To everyone where there is no layer.
    inside: Served<'c>,
    outside: Served<'c>,
}

impl<'c> Standing<'c> {
    fn of((configuration, release): Serving<'c>, place: &str) -> Option<Self> {
        let serve = configuration.serve(place)?;
        if !configuration.enabled {
            let inside = Served::whole(&configuration.off_variation);
            return Some(Self { layer: None, inside, outside: Served::default() });
        }
        let layer = release.filter(|release| release.place == place).and_then(|release| release.layer.as_ref());
        let outside = match layer {
            None => Served::default(),
            Some(Layer { otherwise: Some(variation), .. }) if place == FALLTHROUGH => Served::whole(variation),
            Some(_) => Served::of(&configuration.fallthrough),
        };
        Some(Self { layer, inside: Served::of(serve), outside })
    }

    /// How many of the buckets are inside.
    fn size(&self) -> u32 {
        self.layer.map_or(BUCKETS, layers::size).min(BUCKETS)
    }

    /// How many of the buckets are inside here and there.
    fn common(&self, other: &Self) -> u32 {
        match (self.layer, other.layer) {
            (Some(a), Some(b)) if (&a.salt, &a.bucket_by) == (&b.salt, &b.bucket_by) => {
                layers::common(a, b).min(BUCKETS)
            }
            _ => scaled(self.size(), other.size()),
        }
    }
}

/// The kinds of users that there are, in buckets, and what they are served before and after.
fn kinds<'s, 'c>(
    before: &'s Standing<'c>,
    after: &'s Standing<'c>,
) -> impl Iterator<Item = (u32, &'s Served<'c>, &'s Served<'c>)> {
    let (old, new, both) = (before.size(), after.size(), before.common(after));
    let (left, entered) = (old.saturating_sub(both), new.saturating_sub(both));
    let neither = BUCKETS.saturating_sub(both + left + entered);
    let kinds = [
        (both, &before.inside, &after.inside),
        (left, &before.inside, &after.outside),
        (entered, &before.outside, &after.inside),
        (neither, &before.outside, &after.outside),
    ];
    kinds.into_iter().filter(|(users, ..)| *users > 0)
}

/// Sums over kinds of users, rounded only once.
struct Tally<K>(BTreeMap<K, u64>);

impl<K> Default for Tally<K> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<K: Ord> Tally<K> {
    /// Of that many `users` in buckets, the share of so many `buckets`.
    fn add(&mut self, key: K, users: u32, buckets: u32) {
        *self.0.entry(key).or_default() += u64::from(users) * u64::from(buckets);
    }

    fn told(self) -> impl Iterator<Item = (K, u32)> {
        self.0.into_iter().map(|(key, product)| (key, rounded(product)))
    }
}

/// Of so many buckets the share that so many are of all.
fn scaled(buckets: u32, share: u32) -> u32 {
    rounded(u64::from(buckets) * u64::from(share))
}

fn rounded(product: u64) -> u32 {
    u32::try_from((product + u64::from(BUCKETS) / 2) / u64::from(BUCKETS)).unwrap_or(BUCKETS)
}

/// The moves to be expected when everyone is shuffled anew.
fn independent(old: &[Range], new: &[Range]) -> Vec<Move> {
    let (old, new) = (allocation::shares(old), allocation::shares(new));
    let mut moves = Vec::new();
    for (from, left) in &old {
        for (to, entered) in new.iter().filter(|(to, _)| *to != from) {
            moves.push(Move { from: from.clone(), to: to.clone(), buckets: scaled(*left, *entered) });
        }
    }
    moves
}
