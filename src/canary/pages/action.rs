use crate::http::display::Tone;
use crate::http::links::Place;

use super::Head;

/// The state of a canary.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CanaryState {
    /// There is a policy; nothing has started.
    #[default]
    Draft,
    /// It climbs its stages.
    Running,
    /// A person stopped the climb.
    Paused,
    /// A guard stopped the climb.
    Held,
    /// Everyone is served control again.
    RolledBack,
    /// Everyone is served the treatment.
    Promoted,
}

impl CanaryState {
    /// As the API names it.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Held => "held",
            Self::RolledBack => "rolled_back",
            Self::Promoted => "promoted",
        }
    }

    /// As a person reads it.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::RolledBack => "rolled back",
            other => other.key(),
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

    /// Whether it stays as it is until somebody starts it again.
    #[must_use]
    pub fn has_ended(self) -> bool {
        matches!(self, Self::RolledBack | Self::Promoted)
    }

    /// What a person may do in this state, in the order of the buttons: the one that ends harm last.
    #[must_use]
    pub fn verbs(self) -> Vec<Verb> {
        match self {
            Self::Draft | Self::RolledBack | Self::Promoted => vec![Verb::Start],
            Self::Running | Self::Held => vec![Verb::Pause, Verb::Advance, Verb::Promote, Verb::Rollback],
            Self::Paused => vec![Verb::Resume, Verb::Advance, Verb::Promote, Verb::Rollback],
        }
    }
}

/// What a person may do to a canary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Begin at the first stage.
    Start,
    /// Go to the next stage now.
    Advance,
    /// Stay at this stage.
    Pause,
    /// Climb on.
    Resume,
    /// Serve control to everyone.
    Rollback,
    /// Serve the treatment to everyone.
    Promote,
}

impl Verb {
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
    /// Where the form of `verb` posts to.
    pub(super) fn form_action(&self, verb: &Verb) -> String {
        self.place.canary_action(verb.key())
    }

    /// The heading of the form and, in production, the name of what it changes on the button.
    pub(super) fn submit(&self, verb: &Verb) -> String {
        if self.production {
            format!("{} in {}", verb.label(), self.place.environment)
        } else {
            verb.label().to_owned()
        }
    }

    /// What happens then, in a sentence or two.
    pub(super) fn consequence(&self, verb: &Verb) -> String {
        let Place { environment, .. } = &self.place;
        let (treatment, control) = (&self.treatment, &self.control);
        match verb {
            Verb::Start => format!(
                "The first stage of {environment} begins: its share is served “{treatment}”, everyone else “{control}”. \
                 The guards look after each window and take it back by themselves when it does harm."
            ),
            Verb::Advance => {
                "The next stage begins now, whatever this one still waits for. The guards go on looking.".to_owned()
            }
            Verb::Pause => {
                "The share stays as it is until somebody resumes. The guards go on looking and may still take it back."
                    .to_owned()
            }
            Verb::Resume => "The climb goes on from this stage.".to_owned(),
            Verb::Rollback => {
                format!("Everyone in {environment} is served “{control}” within a moment, and the release ends.")
            }
            Verb::Promote => format!(
                "Everyone in {environment} is served “{treatment}” within a moment, and the release ends: no guard looks any more."
            ),
        }
    }

    /// Whether the button stands out: the one to find at once.
    pub(super) fn is_strong(&self, verb: &Verb) -> bool {
        matches!(verb, Verb::Rollback | Verb::Start)
    }

    /// The button that opens the form. What ended begins anew.
    pub(super) fn opener(&self, verb: &Verb) -> &'static str {
        match (verb, self.state) {
            (Verb::Start, Some(CanaryState::RolledBack | CanaryState::Promoted)) => "Start again",
            _ => verb.label(),
        }
    }

    /// Why the form of `verb` was refused, with what was typed.
    pub(super) fn refusal(&self, verb: &Verb) -> Option<&super::Refused> {
        self.refused.as_ref().filter(|refused| refused.verb == *verb)
    }

    /// What a screen reader says when the state has changed.
    pub(super) fn announcement(&self) -> String {
        let state = self.state.map_or("without a canary", CanaryState::words);
        format!("{} in {} is now {state}.", self.place.flag, self.place.environment)
    }
}
