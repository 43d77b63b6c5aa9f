use super::SwitchCell;
use super::canaries::CanaryNotes;
use super::state::state;
use crate::access::Role;
use crate::flags::{FlagView, Standing};
use crate::http::PageCaller;
use crate::http::links::Place;

/// What every cell of one list has in common.
pub(super) struct Cells<'p> {
    user: &'p PageCaller,
    csrf: String,
    notes: &'p CanaryNotes,
    project: &'p str,
    search: &'p str,
    show: &'p str,
}

impl<'p> Cells<'p> {
    /// For `user`, who searched a project's flags and chose a filter.
    pub(super) fn new(
        user: &'p PageCaller,
        notes: &'p CanaryNotes,
        project: &'p str,
        search: &'p str,
        show: &'p str,
    ) -> Self {
        Self { user, csrf: user.csrf(), notes, project, search, show }
    }

    /// The project's key.
    pub(super) fn project(&self) -> &str {
        self.project
    }

    /// The cell of a flag where it stands.
    pub(super) fn cell(&self, flag: &FlagView, standing: &Standing) -> SwitchCell {
        let served = state(&flag.definition, &standing.configuration);
        let note = self.notes.on(standing);
        let needed = Role::to_change(standing.production);
        SwitchCell {
            place: Place {
                project: self.project.to_owned(),
                environment: standing.environment.clone(),
                flag: flag.key.clone(),
            },
            production: standing.production,
            enabled: standing.configuration.enabled,
            state: match note {
                Some(note) => note.over(served, standing.updated_at),
                None => served,
            },
            off_variation: standing.configuration.off_variation.clone(),
            locked: self.user.caller.require(needed).is_err().then(|| format!("needs {}", needed.name())),
            csrf: self.csrf.clone(),
            search: self.search.to_owned(),
            show: self.show.to_owned(),
        }
    }
}
