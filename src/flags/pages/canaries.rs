use std::sync::Arc;

use chrono::{DateTime, Utc};
use futures_util::future::LocalBoxFuture;

use super::StateText;
use crate::access::Caller;
use crate::error::Result;
use crate::flags::Standing;
use crate::http::display::Tone;
use crate::http::shell::Counts;

/// What the list says of a canary that runs, or that was taken back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CanaryNote {
    /// The flag's and the environment's ids.
    pub(crate) at: (i64, i64),
    /// In a few words: "canary 2/5 · 10 %", "rolled back".
    pub text: String,
    /// What it says about health.
    pub tone: Tone,
    /// When the release ended; `None` while it runs.
    pub ended_at: Option<DateTime<Utc>>,
}

/// Tells what there is to say of a project's canaries, which lie above the flags they run on.
#[derive(Clone)]
pub struct CanarySource(Arc<NotesOf>);

type NotesOf = dyn Fn(Caller, String) -> LocalBoxFuture<'static, Result<Vec<CanaryNote>>> + Send + Sync;

impl CanarySource {
    /// From what answers a caller for a project, by its key.
    pub fn new(
        of: impl Fn(Caller, String) -> LocalBoxFuture<'static, Result<Vec<CanaryNote>>> + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(of))
    }

    /// A project's canaries that run, and those that were taken back and not started again.
    pub(super) async fn of(&self, caller: &Caller, project: &str) -> Result<CanaryNotes> {
        (self.0)(caller.clone(), project.to_owned()).await.map(CanaryNotes)
    }
}

/// The notes of a project.
#[derive(Clone, Debug, Default)]
pub(super) struct CanaryNotes(Vec<CanaryNote>);

impl CanaryNotes {
    /// The note on a flag where it stands.
    pub(super) fn on(&self, standing: &Standing) -> Option<&CanaryNote> {
        self.0.iter().find(|note| note.at == (standing.flag_id, standing.environment_id))
    }

    /// The counts in the rail.
    pub(super) fn counts(&self, flags: usize) -> Counts {
        let running = self.0.iter().filter(|note| note.runs()).count() as u64;
        Counts { flags: flags as u64, canaries: running, rolled_back: self.0.len() as u64 - running }
    }
}

impl CanaryNote {
    pub(super) fn runs(&self) -> bool {
        self.ended_at.is_none()
    }

    /// The note in place of `state`, or before it when somebody has changed the flag since the release ended.
    pub(super) fn over(&self, state: StateText, changed_at: DateTime<Utc>) -> StateText {
        let since = self.ended_at.is_some_and(|ended| changed_at > ended);
        let text = if since { format!("{} · {}", self.text, state.text) } else { self.text.clone() };
        StateText { text, tone: self.tone }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(ended_at: Option<DateTime<Utc>>) -> CanaryNote {
        CanaryNote { at: (1, 2), text: "rolled back".to_owned(), tone: Tone::Harm, ended_at }
    }

    #[test]
    fn a_later_change_shows_beside_the_rollback() {
        let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
        let state = || StateText { text: "on 25 %".to_owned(), tone: Tone::Plain };
        let ended = note(Some(at("2026-11-21T10:00:00Z")));
        assert_eq!(ended.over(state(), at("2026-11-21T09:59:59Z")).text, "rolled back");
        assert_eq!(ended.over(state(), at("2026-11-21T10:00:01Z")).text, "rolled back · on 25 %");
        assert_eq!(note(None).over(state(), at("2026-11-21T10:00:01Z")).text, "rolled back");
    }

    #[test]
    fn what_runs_and_what_was_taken_back_are_counted_apart() {
        let notes = CanaryNotes(vec![note(None), note(Some(crate::clock::now())), note(None)]);
        assert_eq!(notes.counts(9), Counts { flags: 9, canaries: 2, rolled_back: 1 });
    }
}
