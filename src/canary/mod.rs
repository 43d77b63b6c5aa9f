//! Canaries: the policy a person writes, the guards that watch both arms window by window, and the decision that follows.
//!
//! The judging is pure: a [`Policy`] is checked by [`Policy::faults`]; [`Policy::resolve_limits`] reads its limits and
//! [`Policy::start_guards`] makes a [`GuardState`] for each guard. Every [`ClosedWindow`] goes through
//! [`GuardState::consume`], and [`judge()`] decides from the [`GuardReport`]s. States and reports are stored as JSON and
//! restore bit for bit, so a window replays to the same verdict.
//!
//! Around it stand the [`Canaries`] service, through which people act, and the [`runner`], through which the guards do:
//! both by the same transitions and the flags' one write path.

mod act;
pub mod api;
mod attached;
mod guard;
mod judge;
pub mod pages;
pub mod picture;
mod policy;
mod record;
mod report;
pub mod runner;
mod service;
mod step;
mod store;
mod transition;
mod verdict;
mod view;
mod window;
mod wording;

pub use act::Act;
pub use attached::{purge, users};
pub use guard::GuardState;
pub use judge::{Decision, Judgement, MOST_EXTENSIONS, Notice, Situation, judge, stage_ends_at};
pub use policy::{Action, FlagLimit, Gate, Guard, Limit, NoData, Policy, Stage, Test};
pub use record::{Canary, LogItem, Progress, State};
pub use report::{Evidence, Figures, GuardReport, Samples, Verdict};
pub use service::{Canaries, Detail, Windows, configure};
pub use view::CanaryView;
pub use window::ClosedWindow;

#[cfg(test)]
mod simulation;
