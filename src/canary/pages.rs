//! A canary's page: its stage, its guards' figures, its decisions, and the forms that take control of it.

use actix_web::web;
use askama::Template;

mod action;
mod desk;
mod guard;
mod handlers;
mod live;
mod notes;
mod seen;
mod stages;
mod story;
mod tile;
mod verdict;

pub use desk::Desk;
pub use guard::{Evidence, Figures, GuardTile, GuardVerdict, TrendPicture};
pub use notes::notes;

use crate::http::display::{Moment, Tone};
use crate::http::links::Place;
use crate::http::shell::{Choice, Reach, Shell};

use super::picture::Position;
use super::{Act, State};

/// The routes under `/ui`.
pub fn routes(config: &mut web::ServiceConfig) {
    let canary = "/projects/{project}/environments/{environment}/flags/{flag}/canary";
    config
        .service(web::resource(canary).get(handlers::show))
        .service(web::resource(format!("{canary}/live")).get(handlers::follow))
        .service(web::resource(format!("{canary}/verdicts/{{id}}")).get(handlers::record))
        .service(web::resource(format!("{canary}/{{act}}")).post(handlers::act));
}

/// A canary's page, or what to do where there is none.
#[derive(Clone, Debug, Template)]
#[template(path = "canary/page.html")]
pub struct CanaryPage {
    /// What surrounds the page.
    pub shell: Shell,
    /// The same flag in each environment.
    pub environments: Vec<Choice>,
    /// The flag, the canary's state and what may be done to it.
    pub head: Head,
    /// The canary, if the flag has one here.
    pub canary: Option<Live>,
    /// The server's address as clients reach it, for the commands that start a canary: `http://127.0.0.1:8080`.
    pub server: String,
}

/// The head of the page. It is swapped only when the state changes, so that nobody's typing is lost.
#[derive(Clone, Debug, Default, Template)]
#[template(path = "canary/head.html")]
pub struct Head {
    /// Project, environment and flag.
    pub place: Place,
    /// Whether the environment serves real users.
    pub production: bool,
    /// The state, if there is a canary.
    pub state: Option<State>,
    /// When the release began; `None` before the first start.
    pub started: Option<Moment>,
    /// Who started it; may be empty.
    pub started_by: String,
    /// What may be done, in the order of the buttons.
    pub acts: Vec<Act>,
    /// Why this user may do nothing, as a sentence. `None` when the user may.
    pub locked: Option<String>,
    /// The variation whose share the canary raises.
    pub treatment: String,
    /// The variation that everyone else is served.
    pub control: String,
    /// Who takes part, where that is not everyone: "20 % of layer checkout".
    pub layer: Option<String>,
    /// The last form that was refused, to be filled in again.
    pub refused: Option<Refused>,
    /// The token that each form posts back.
    pub csrf: String,
    /// Whether it comes with the live part and takes the place of the head shown.
    pub swap: bool,
}

/// A form that was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// What was asked for.
    pub act: Act,
    /// Why not, as a sentence.
    pub message: String,
    /// The reason as typed.
    pub reason: String,
    /// The confirmation as typed.
    pub confirmation: String,
}

/// The part of the page that follows the canary.
#[derive(Clone, Debug, Default, Template)]
#[template(path = "canary/live.html")]
pub struct Live {
    /// Project, environment and flag.
    pub place: Place,
    /// The state.
    pub state: State,
    /// Changes with anything that is shown: what the browser asks with, and the answer is 204 while it is the same.
    pub mark: String,
    /// How the release ended, or why it stands.
    pub banner: Option<Banner>,
    /// The stages in order.
    pub stages: Vec<Stage>,
    /// What it waits for.
    pub next: Option<Next>,
    /// A tile for each guard, in the order of the policy.
    pub guards: Vec<GuardTile>,
    /// What else there is to know, in order.
    pub facts: Vec<Fact>,
    /// The most frequent errors, most frequent first.
    pub top_errors: Vec<TopError>,
    /// Every decision, the latest first.
    pub decisions: Vec<Decision>,
    /// The head, when the state is another than the page shows.
    pub head: Option<Head>,
}

/// How the release ended, or why it stands.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Banner {
    /// Harm after a rollback, good after a promotion, warning while held or paused.
    pub tone: Tone,
    /// The decision: "Taken back 13 s after the first bad window".
    pub headline: String,
    /// When.
    pub at: Option<Moment>,
    /// Why, in one plain sentence.
    pub sentence: String,
    /// How far the change has reached.
    pub reach: Option<Reach>,
    /// How long it took to reach all, in words ("0.18 s"), once it has.
    pub reached_after: Option<String>,
    /// Where the decision's record is.
    pub record: Option<String>,
}

/// One stage of the bar.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stage {
    /// Its share: "10 %".
    pub share: String,
    /// How it stands.
    pub state: StageState,
    /// How much of its time is over.
    pub progress: Position,
    /// What there is to say: "30 min · advanced", "12 of 30 min".
    pub note: String,
}

/// How a stage stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StageState {
    /// Still to come.
    #[default]
    Ahead,
    /// Running.
    Current,
    /// Current, but held or paused.
    Standing,
    /// Done.
    Done,
    /// The release was taken back here.
    TakenBack,
}

/// What the canary waits for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Next {
    /// What comes next: "Next: 25 %", "Next: promoted".
    pub headline: String,
    /// When, if nothing objects; `None` while that is open.
    pub at: Option<Moment>,
    /// What it waits for now, as a sentence.
    pub waiting_for: String,
    /// What the stage demands.
    pub conditions: Vec<Condition>,
    /// When the guards look again.
    pub check: Option<Moment>,
}

/// One demand of a stage.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Condition {
    /// "12 of 30 min", "612 of 1,000 requests", "no guard objects".
    pub text: String,
    /// Whether it is met.
    pub met: bool,
}

/// Something to know: a label and what it says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fact {
    /// "Traffic", "Policy".
    pub label: String,
    /// "10.01 % of 10 %", "version 3".
    pub text: String,
    /// More of it, on hover; may be empty.
    pub title: String,
}

/// A kind of error with how often it was met in each arm.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TopError {
    /// "POST /pay 502".
    pub label: String,
    /// On the treatment, with separators.
    pub treatment: String,
    /// On control, with separators.
    pub control: String,
}

/// A decision in the canary's log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decision {
    /// When.
    pub at: Moment,
    /// Whether it was for better or worse.
    pub tone: Tone,
    /// What: "Rolled back", "Advanced to 10 %".
    pub what: String,
    /// By whom or what: "by the guard “errors”", "by ada".
    pub by: String,
    /// Why, as it was given; may be empty.
    pub reason: String,
    /// Where its record is.
    pub record: Option<String>,
}

impl CanaryPage {
    /// The commands that create a policy and start it.
    fn commands(&self) -> String {
        let address = format!("{}{}", self.server, self.head.place.api());
        let headers = "-H \"Authorization: Bearer $BELLWETHER_TOKEN\" -H 'Content-Type: application/json'";
        format!(
            "curl -X PUT '{address}/canary' \\\n  {headers} \\\n  -d '{{\"treatment\": \"on\", \"control\": \"off\"}}'\n\n\
             curl -X POST '{address}/canary/start' \\\n  {headers} \\\n  -d '{{\"reason\": \"first release\"}}'"
        )
    }
}

impl Live {
    /// Where this part is fetched anew.
    fn href(&self) -> String {
        self.place.canary_live(&self.mark, self.state.name())
    }

    /// How many seconds until then: a release that has ended changes only when somebody starts it again.
    fn seconds(&self) -> u32 {
        let settled = self.banner.as_ref().and_then(|banner| banner.reach.as_ref()).is_none_or(Reach::is_complete);
        if self.state.has_ended() && settled { 10 } else { 2 }
    }
}

impl StageState {
    /// The class that draws it.
    fn class(self) -> &'static str {
        match self {
            Self::Ahead => "ahead",
            Self::Current => "current",
            Self::Standing => "standing",
            Self::Done => "done",
            Self::TakenBack => "taken-back",
        }
    }

    /// In words, for those who do not see the bar.
    fn words(self) -> &'static str {
        match self {
            Self::Ahead => "to come",
            Self::Current => "running",
            Self::Standing => "standing",
            Self::Done => "done",
            Self::TakenBack => "taken back",
        }
    }

    fn is_current(self) -> bool {
        matches!(self, Self::Current | Self::Standing | Self::TakenBack)
    }
}

#[cfg(test)]
mod tests;
