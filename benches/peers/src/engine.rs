//! What all contestants have in common, and the check that each gives the right answers.

use crate::rounds::Contestant;
use crate::workload::{Row, USER};

/// An evaluation engine, its flags loaded and its one context built.
pub trait Engine {
    /// As the report calls it.
    fn name(&self) -> &'static str;

    /// The variation that `user` is served, by its name in [`crate::workload`].
    fn served(&self, row: Row, user: &str) -> String;

    /// The evaluation that is timed: for [`USER`], with everything prepared that can be.
    fn contestant(&self, row: Row) -> Contestant<'_>;
}

/// How far a share of [`USERS`] may be from what was asked for: four standard deviations of the widest.
const TOLERANCE: f64 = 0.028;
/// How many users shares are counted over.
const USERS: usize = 5_000;

/// Panics unless the engine serves what the workload says.
pub fn check(engine: &dyn Engine) {
    for row in Row::ALL {
        let said = |user: &str| engine.served(row, user);
        if let Some(right) = row.answer() {
            assert_eq!(said(USER), right, "{}: {}", engine.name(), row.title());
        }
        if let Some(right) = row.answer_of_others() {
            assert_eq!(said("somebody-else"), right, "{}: {}, for somebody else", engine.name(), row.title());
        }
        let Some(shares) = row.shares() else { continue };
        let served: Vec<_> = (0..USERS).map(|user| said(&format!("user-{user}"))).collect();
        for (variation, wanted) in shares {
            let share = served.iter().filter(|name| name == variation).count() as f64 / USERS as f64;
            let fits = (share - wanted).abs() <= TOLERANCE;
            assert!(fits, "{}: {}: {variation} to {share}", engine.name(), row.title());
        }
    }
}
