//! A preview in words.

use bellwether_core::FALLTHROUGH;

use super::super::{Configuration, share};
use super::{PlacedMove, Preview, RecentMoves};

/// Rules that are named; more are counted.
const NAMED: usize = 5;

impl Preview {
    /// Puts it in words, between these configurations.
    pub(super) fn tell(&mut self, before: &Configuration, after: &Configuration) {
        let mut words = std::mem::take(&mut self.words);
        words.extend(self.of_places(before, after));
        words.extend(self.of_rules());
        words.extend(self.changed_prerequisites.then(|| {
            "the prerequisites change, or what is served where they do not hold: whom that moves depends on what other \
                 flags serve them"
                .to_owned()
        }));
        words.extend(self.of_targets());
        if words.is_empty() {
            words.push("0 users switch away, and nobody gains anything".to_owned());
        }
        words.extend(self.of_recent_users());
        for dependent in &self.dependents {
            let moved = thousands(dependent.recent_users.moved);
            words.push(format!(
                "flag `{}` depends on this one and serves {moved} of them something else",
                dependent.flag
            ));
        }
        self.words = words.iter().map(|sentence| format!("{}.", capital(sentence))).collect();
        self.summary = self.words.join(" ");
    }

    /// A sentence for each place where somebody moves.
    fn of_places(&self, before: &Configuration, after: &Configuration) -> Vec<String> {
        let everyone =
            [before, after].iter().all(|one| !one.enabled || (one.rules.is_empty() && one.targets.is_empty()));
        let mut places: Vec<&str> = Vec::new();
        for placed in &self.moves {
            if !places.contains(&placed.place.as_str()) {
                places.push(&placed.place);
            }
        }
        let sentence = |place: &&str| {
            let moves: Vec<_> = self.moves.iter().filter(|placed| placed.place == **place).collect();
            let whom = match *place {
                FALLTHROUGH if everyone => String::new(),
                FALLTHROUGH => "of the users whom no rule matches, ".to_owned(),
                rule => format!("of the users whom rule `{rule}` matches, "),
            };
            format!("{whom}{}", moved(&moves, &before.off_variation, &after.off_variation))
        };
        places.iter().map(sentence).collect()
    }

    fn of_rules(&self) -> Option<String> {
        let named: Vec<_> = self.changed_rules.iter().take(NAMED).map(|rule| format!("`{rule}`")).collect();
        let more = match self.changed_rules.len() - named.len() {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let (rules, stand) = if self.changed_rules.len() == 1 { ("rule", "is") } else { ("rules", "are") };
        let what = "new or gone, or asked of others: whom that moves depends on who they are";
        (!named.is_empty()).then(|| format!("{rules} {}{more} {stand} {what}", named.join(", ")))
    }

    fn of_targets(&self) -> Option<String> {
        let targets = self.changed_targets.as_ref()?;
        let nothing = "their own default".to_owned();
        let shown = |name: &Option<String>| name.as_ref().map_or_else(|| nothing.clone(), |name| format!("`{name}`"));
        if let ([only], 1) = (targets.moves.as_slice(), targets.users) {
            return Some(format!(
                "1 user with a target of their own goes from {} to {}",
                shown(&only.from),
                shown(&only.to)
            ));
        }
        let (users, moved) = (thousands(targets.users), thousands(targets.moved));
        Some(format!("{moved} of the {users} users whose own target changes are served something else"))
    }

    fn of_recent_users(&self) -> Option<String> {
        let RecentMoves { seen, moved, uncertain, .. } = self.recent_users;
        let open = match uncertain {
            0 => String::new(),
            _ => format!(", going by their keys alone; what {} get depends on other attributes", thousands(uncertain)),
        };
        let (moved, all) = (thousands(moved), thousands(seen));
        (seen > 0).then(|| format!("about {moved} of the {all} users seen in the last 24 hours move{open}"))
    }
}

/// What happens in one place: who gains something they had not, who loses it, and who goes from one to the other.
fn moved(moves: &[&PlacedMove], off_before: &str, off_after: &str) -> String {
    let percent = |placed: &PlacedMove| percent(placed.movement.buckets);
    let (mut away, mut gains, mut values) = (Vec::new(), Vec::new(), Vec::new());
    for placed in moves {
        let (from, to) = (&placed.movement.from, &placed.movement.to);
        if placed.is_of_value() {
            values.push(format!("{} are served another value of `{from}`", percent(placed)));
        } else if from == off_before {
            gains.push(format!("{} gain `{to}`", percent(placed)));
        } else if to == off_after {
            away.push(format!("{} lose `{from}`", percent(placed)));
        } else {
            away.push(format!("{} switch from `{from}` to `{to}`", percent(placed)));
        }
    }
    if away.is_empty() {
        away.push("0 users switch away".to_owned());
    }
    away.into_iter().chain(gains).chain(values).collect::<Vec<_>>().join("; ")
}

/// Buckets in percent, to the bucket: 15 %, 0.001 %.
fn percent(buckets: u32) -> String {
    format!("{} %", share::percent_of_buckets(buckets))
}

fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let groups = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy);
    groups.collect::<Vec<_>>().join(",")
}

fn capital(sentence: &str) -> String {
    let mut letters = sentence.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}
