use crate::access::Caller;
use crate::canary::{Canaries, Canary, State};
use crate::error::Result;
use crate::flags::CanaryNote;
use crate::http::display;

/// What the flag list says of a project's canaries.
///
/// # Errors
/// When the caller may not, or there is no such project.
pub async fn notes(canaries: &Canaries, caller: &Caller, project: String) -> Result<Vec<CanaryNote>> {
    let all = canaries.of_project(caller, project).await?;
    Ok(all.iter().filter_map(note).collect())
}

/// Nothing of one that has not been started, and nothing of one that is everybody's.
pub(super) fn note(canary: &Canary) -> Option<CanaryNote> {
    let progress = canary.progress.as_ref()?;
    let stages = canary.policy.stages.len();
    let climbs = |what: &str| {
        let share = canary.stage().map(|stage| display::share(stage.percentage)).unwrap_or_default();
        let of = canary.policy.layer.as_ref().map(|part| format!(" of {}", display::share(part.percentage)));
        format!("{what} {}/{stages} · {share}{}", progress.stage + 1, of.unwrap_or_default())
    };
    let text = match canary.state {
        State::Draft | State::Promoted => return None,
        State::Running => climbs("canary"),
        State::Paused => climbs("paused"),
        State::Held => climbs("held"),
        State::RolledBack => "rolled back".to_owned(),
    };
    let ended_at = progress.ended_at.filter(|_| canary.state.has_ended());
    Some(CanaryNote { at: (canary.flag_id, canary.environment_id), text, tone: canary.state.tone(), ended_at })
}
