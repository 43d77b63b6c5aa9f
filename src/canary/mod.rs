//! Canaries: the policy a person writes, the guards that watch both arms window by window, and the decision that follows.
//!
//! Pure: no I/O and no clock. A [`Policy`] is checked by [`Policy::faults`]; [`Policy::resolve_limits`] reads its limits and
//! [`Policy::start_guards`] makes a [`GuardState`] for each guard. Every [`ClosedWindow`] goes through [`GuardState::consume`], and
//! [`judge()`] decides from the [`GuardReport`]s. States and reports are stored as JSON and restore bit for bit, so a window
//! replays to the same verdict.

mod guard;
mod judge;
pub mod pages;
pub mod picture;
mod policy;
mod report;
mod window;
mod wording;

pub use guard::GuardState;
pub use judge::{Decision, Judgement, MOST_EXTENSIONS, Notice, Situation, judge, stage_ends_at};
pub use policy::{Action, FlagLimit, Gate, Guard, Limit, NoData, Policy, Stage, Test};
pub use report::{Evidence, Figures, GuardReport, Samples, Verdict};
pub use window::ClosedWindow;

#[cfg(test)]
mod simulation;
