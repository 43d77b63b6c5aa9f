use crate::canary::{Act, State};
use crate::http::display::Tone;
use crate::http::links::Place;

use super::Head;

impl State {
    /// As a person reads it.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::RolledBack => "rolled back",
            other => other.name(),
        }
    }

    /// What it says about health.
    #[must_use]
    pub fn tone(self) -> Tone {
        match self {
            Self::Draft => Tone::Plain,
            Self::Running | Self::Promoted => Tone::Good,
            Self::Paused | Self::Held => Tone::Warning,
            Self::RolledBack => Tone::Harm,
        }
    }

    /// What a person may do in this state, in the order of the buttons: the one that ends harm last.
    #[must_use]
    pub fn acts(self) -> Vec<Act> {
        match self {
            Self::Draft | Self::RolledBack | Self::Promoted => vec![Act::Start],
            Self::Running | Self::Held => vec![Act::Pause, Act::Advance, Act::Promote, Act::Rollback],
            Self::Paused => vec![Act::Resume, Act::Advance, Act::Promote, Act::Rollback],
        }
    }
}

impl Act {
    /// What the last part of a form's address names.
    #[must_use]
    pub fn named(key: &str) -> Option<Self> {
        let all = [Self::Start, Self::Advance, Self::Pause, Self::Resume, Self::Rollback, Self::Promote];
        all.into_iter().find(|act| act.key() == key)
    }

    /// As the API names it: the last part of the form's address.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Advance => "advance",
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Rollback => "rollback",
            Self::Promote => "promote",
        }
    }

    /// On the button.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Start => "Start",
            Self::Advance => "Advance",
            Self::Pause => "Pause",
            Self::Resume => "Resume",
            Self::Rollback => "Roll back",
            Self::Promote => "Promote",
        }
    }
}

impl Head {
    /// Where the form of `act` posts to.
    pub(super) fn form_action(&self, act: &Act) -> String {
        self.place.canary_action(act.key())
    }

    /// The heading of the form and, in production, the name of what it changes on the button.
    pub(super) fn submit(&self, act: &Act) -> String {
        if self.production { format!("{} in {}", act.label(), self.place.environment) } else { act.label().to_owned() }
    }

    /// What happens then, in a sentence or two.
    pub(super) fn consequence(&self, act: &Act) -> String {
        let Place { environment, .. } = &self.place;
        let (treatment, control) = (&self.treatment, &self.control);
        match act {
            Act::Start => {
                let only = self.layer.as_ref().map_or_else(String::new, |part| format!(" Only {part} takes part."));
                format!(
                    "The first stage of {environment} begins: its share is served “{treatment}”, everyone else \
                     “{control}”.{only} The guards look after each window and take it back by themselves when it does \
                     harm."
                )
            }
            Act::Advance => {
                "The next stage begins now, whatever this one still waits for. The guards go on looking.".to_owned()
            }
            Act::Pause => {
                "The share stays as it is until somebody resumes. The guards go on looking and may still take it back."
                    .to_owned()
            }
            Act::Resume => "The climb goes on from this stage.".to_owned(),
            Act::Rollback => {
                format!("Everyone in {environment} is served “{control}” within a moment, and the release ends.")
            }
            Act::Promote => format!(
                "Everyone in {environment} is served “{treatment}” within a moment, and the release ends: no guard looks any more."
            ),
        }
    }

    /// Whether the button stands out: the one to find at once.
    pub(super) fn is_strong(&self, act: &Act) -> bool {
        matches!(act, Act::Rollback | Act::Start)
    }

    /// The button that opens the form. What ended begins anew.
    pub(super) fn opener(&self, act: &Act) -> &'static str {
        match (act, self.state) {
            (Act::Start, Some(State::RolledBack | State::Promoted)) => "Start again",
            _ => act.label(),
        }
    }

    /// Why the form of `act` was refused, with what was typed.
    pub(super) fn refusal(&self, act: &Act) -> Option<&super::Refused> {
        self.refused.as_ref().filter(|refused| refused.act == *act)
    }

    /// What a screen reader says when the state has changed.
    pub(super) fn announcement(&self) -> String {
        let state = self.state.map_or("without a canary", State::words);
        format!("{} in {} is now {state}.", self.place.flag, self.place.environment)
    }
}
