//! Moves counted on users seen of late: each is evaluated in the state that is and in the one that would be.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use bellwether_core::{Context, Now, Partial, State, Value};
use serde::Serialize;
use utoipa::ToSchema;

use super::super::Configuration;
use super::{Preview, TargetMoves, changed_targets};
use crate::usage::RecentUsers;

/// Users seen in the last 24 hours who would be served something else, as far as their targeting keys tell: nothing
/// else of them is kept. Estimates, where there are more than are kept; and where a split is new and another server saves
/// it, which draws another salt.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct RecentMoves {
    /// How many were seen.
    pub seen: u64,
    /// How many of them would move, were none of them matched by what their keys do not tell.
    pub moved: u64,
    /// How many of them a rule, segment or split asks for another attribute than the key: of these, others may move.
    pub uncertain: u64,
    /// From where to where, the largest first.
    pub moves: Vec<UserMove>,
}

/// Users who are served another variation than before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct UserMove {
    /// What they were served; null for nothing, so that services used their own default.
    pub from: Option<String>,
    /// What they are served then. The same when its value changes.
    pub to: Option<String>,
    /// How many they are.
    pub users: u64,
}

/// A flag that moves users because another one does that it depends on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Dependent {
    /// The flag's key.
    pub flag: String,
    /// Users seen in the last 24 hours.
    pub recent_users: RecentMoves,
}

/// Most users times flags that are evaluated for one flag's change: a fraction of a second.
const EVALUATIONS: usize = 200_000;

/// Who moves from what to what, of those looked at.
#[derive(Clone, Default)]
struct Counted {
    moves: BTreeMap<(Option<String>, Option<String>), usize>,
    uncertain: usize,
}

/// How many of the recently seen users each of these flags would serve something else, were `after` in force and not
/// `before`.
#[must_use]
pub fn moved_users(
    users: &RecentUsers,
    (before, after): (&State, &State),
    flags: &[&str],
    now: Now,
) -> Vec<RecentMoves> {
    let users = &share_of_users(users, flags.len());
    let mut counted = vec![Counted::default(); flags.len()];
    for key in &users.keys {
        let context = Context::new(&**key);
        for (flag, counted) in flags.iter().zip(&mut counted) {
            count(counted, (before, after), flag, &context, now);
        }
    }
    let told = |counted: Counted| {
        let uncertain = users.estimate(counted.uncertain);
        let moves = listed(counted, |kept| users.estimate(kept));
        RecentMoves { seen: users.seen, moved: sum(&moves), uncertain, moves }
    };
    counted.into_iter().map(told).collect()
}

/// So many of the users that the flags of one answer together don't take too long.
pub(in super::super) fn share_of_users(users: &RecentUsers, flags: usize) -> RecentUsers {
    users.at_most(EVALUATIONS / flags.max(1))
}

fn count(counted: &mut Counted, (before, after): (&State, &State), flag: &str, user: &Context, now: Now) {
    let (from, to) = (before.evaluate_partial(flag, user, now), after.evaluate_partial(flag, user, now));
    counted.uncertain += usize::from(from.lacks_attribute || to.lacks_attribute);
    if !from.lacks_key && !to.lacks_key && served(&from) != served(&to) {
        let name = |partial| served(partial).map(|(name, _)| name.to_owned());
        *counted.moves.entry((name(&from), name(&to))).or_default() += 1;
    }
}

/// The variation that is served, and its value.
fn served<'s>(partial: &Partial<'s>) -> Option<(&'s str, &'s Value)> {
    let served = partial.served.as_ref().ok()?;
    Some((served.variation, served.value))
}

fn listed(counted: Counted, estimate: impl Fn(usize) -> u64) -> Vec<UserMove> {
    let one = |((from, to), users)| UserMove { from, to, users: estimate(users) };
    let mut moves: Vec<_> = counted.moves.into_iter().map(one).collect();
    moves.sort_by_key(|one| std::cmp::Reverse(one.users));
    moves
}

fn sum(moves: &[UserMove]) -> u64 {
    moves.iter().map(|one| one.users).sum()
}

impl Preview {
    /// With what becomes of recently seen users and of those whose own target changes, by the states that are and would
    /// be, and all of it in words.
    pub(in super::super) fn counted(
        mut self,
        flag: &str,
        (before, after): (&Configuration, &Configuration),
        states: (&State, &State),
        (users, needed_by): (&RecentUsers, &NeededBy<'_>),
        now: Now,
    ) -> Self {
        let targets = changed_targets(before, after);
        if !targets.is_empty() {
            let mut counted = Counted::default();
            for key in &targets {
                count(&mut counted, states, flag, &Context::new(*key), now);
            }
            let moves = listed(counted, |users| users as u64);
            self.changed_targets = Some(TargetMoves { users: targets.len() as u64, moved: sum(&moves), moves });
        }
        let others = needed_by.all(flag);
        let flags: Vec<_> = std::iter::once(flag).chain(others.iter().copied()).collect();
        let mut moved = moved_users(users, states, &flags, now).into_iter();
        self.recent_users = moved.next().unwrap_or_default();
        let dependent = |(flag, recent_users): (&&str, _)| Dependent { flag: (*flag).to_owned(), recent_users };
        let moving = others.iter().zip(moved).map(dependent);
        self.dependents = moving.filter(|one| one.recent_users.moved > 0).collect();
        self.tell(before, after);
        self
    }
}

/// Which flags of a state have a flag as a prerequisite.
pub struct NeededBy<'s>(HashMap<&'s str, Vec<&'s str>>);

impl<'s> NeededBy<'s> {
    /// In this state.
    #[must_use]
    pub fn of(state: &'s State) -> Self {
        let mut needed_by: HashMap<_, Vec<_>> = HashMap::new();
        for entry in state.flags() {
            for prerequisite in entry.flag().prerequisites() {
                needed_by.entry(prerequisite).or_default().push(entry.flag().key());
            }
        }
        Self(needed_by)
    }

    /// The flags that have this one as a prerequisite, or one of those that have it; by key.
    #[must_use]
    pub fn all(&self, flag: &str) -> Vec<&'s str> {
        let (mut found, mut next) = (BTreeSet::new(), self.0.get(flag).cloned().unwrap_or_default());
        while let Some(key) = next.pop() {
            if key != flag && found.insert(key) {
                next.extend(self.0.get(key).into_iter().flatten());
            }
        }
        found.into_iter().collect()
    }
}
