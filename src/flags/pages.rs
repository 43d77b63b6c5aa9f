//! The flag list, and the cell of one environment that its switch swaps.

mod archive;
mod ask;
mod bulk;
mod canaries;
mod cell;
mod explain;
mod history;
mod list;
mod state;
mod switch;

use actix_web::web;
use askama::Template;

pub use canaries::{CanaryNote, CanarySource};

use crate::error::Result;
use crate::http::PageCaller;
use crate::http::display::{Moment, Tone, counted};
use crate::http::links::{self, Place};
use crate::http::shell::Choice;
use crate::http::shell::{ReachSource, Shell};
use crate::projects::{Frame, Projects};

use super::{FlagFilter, Flags};

/// What the pages of flags ask.
#[derive(Clone)]
pub struct Desk {
    /// Flags.
    pub flags: Flags,
    /// Projects and environments.
    pub projects: Projects,
    /// What there is to say of canaries.
    pub canaries: CanarySource,
    /// How far revisions have got.
    pub reach: ReachSource,
}

impl Desk {
    /// What surrounds a page of a project, the counts of the rail included.
    async fn frame(&self, user: &PageCaller, project: String) -> Result<Frame> {
        let mut frame = Frame::open(&self.projects, &self.reach, user, project.clone()).await?;
        let notes = self.canaries.of(&user.caller, &project).await?;
        frame.shell.counts = notes.counts(self.flags.list(&user.caller, project, FlagFilter::default()).await?.len());
        Ok(frame)
    }
}

/// The routes under `/ui`.
pub fn routes(config: &mut web::ServiceConfig) {
    let f = "/projects/{project}/environments/{environment}/flags/{flag}";
    let switch = |way: &str| web::resource(format!("{f}/{way}"));
    let archived = |act: &str| web::resource(format!("/projects/{{project}}/flags/{{key}}/{act}"));
    config
        .service(web::resource("/projects/{project}/flags").get(list::show))
        .service(web::resource("/projects/{project}/flags/bulk").post(bulk::run))
        .service(archived("unarchive").get(archive::ask::<false>).post(archive::act::<false>))
        .service(archived("purge").get(archive::ask::<true>).post(archive::act::<true>))
        .service(web::resource(format!("{f}/explain")).get(explain::show))
        .service(web::resource(format!("{f}/history")).get(history::show))
        .service(web::resource(format!("{f}/history/{{version}}/restore")).get(history::ask).post(history::restore))
        .service(switch("enable").get(switch::ask::<true>).post(switch::turn::<true>))
        .service(switch("disable").get(switch::ask::<false>).post(switch::turn::<false>));
}

/// The flags of a project, with a switch per environment.
#[derive(Clone, Debug, Default, Template)]
#[template(path = "flags/list.html")]
pub struct FlagListPage {
    /// What surrounds the page; its search is what the list was searched for.
    pub shell: Shell,
    /// What the filter lets through: empty for all. One of the `show` of `filters`.
    pub show: String,
    /// The filters on offer.
    pub filters: Vec<Filter>,
    /// The columns of the environments, in order.
    pub environments: Vec<Environment>,
    /// The flags that the search and the filter let through.
    pub flags: Vec<FlagRow>,
    /// What this user may do with many flags at once, each with the value of the field.
    pub bulk: Vec<Choice>,
    /// How many flags change themselves right now: canaries that run.
    pub changing: u64,
    /// The server's address as clients reach it, for the commands of an empty list: `http://127.0.0.1:8080`.
    pub server: String,
}

/// A filter of the list, with how many flags it would show.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// In the address; empty for all.
    pub show: String,
    /// Its name.
    pub label: String,
    /// How many flags it shows.
    pub count: u64,
    /// What its flags have in common, if that is a matter of health.
    pub tone: Tone,
}

/// The column of an environment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Environment {
    /// The environment's key.
    pub key: String,
    /// Whether it serves real users.
    pub production: bool,
}

/// A flag with its state in each environment.
#[derive(Clone, Debug, Default)]
pub struct FlagRow {
    /// The flag's key.
    pub key: String,
    /// What it is called; may be empty.
    pub name: String,
    /// Release, experiment, operational, permission or config.
    pub kind: String,
    /// Who answers for it; may be empty.
    pub owner: String,
    /// Its tags.
    pub tags: Vec<String>,
    /// Why it is potentially stale.
    pub stale: Option<String>,
    /// A cell for each environment, in the order of the columns.
    pub cells: Vec<SwitchCell>,
    /// The versions of what it serves where it last changed.
    pub history: String,
    /// When it last changed, in any environment.
    pub changed: Moment,
    /// Who changed it: a user, a token, the guard.
    pub changed_by: String,
}

/// A flag's switch and short state in one environment. As a page of its own it is what the switch swaps.
#[derive(Clone, Debug, Default, Template)]
#[template(path = "flags/cell.html")]
pub struct SwitchCell {
    /// Project, environment and flag.
    pub place: Place,
    /// Whether the environment serves real users.
    pub production: bool,
    /// The kill switch: whether the flag is on.
    pub enabled: bool,
    /// What it serves while on, in a few words.
    pub state: StateText,
    /// The variation that everyone is served when the flag is turned off.
    pub off_variation: String,
    /// Why this user may not turn it, in a few words: "needs operator". `None` when the user may.
    pub locked: Option<String>,
    /// The token that the form posts back.
    pub csrf: String,
    /// The search of the list, which the form carries so that the list comes back as it was.
    pub search: String,
    /// The filter of the list, carried likewise.
    pub show: String,
}

/// What production asks before a switch turns, where the page could not ask by itself.
#[derive(Clone, Debug, Default, Template)]
#[template(path = "flags/confirm.html")]
pub struct ConfirmPage {
    /// What surrounds the page.
    pub shell: Shell,
    /// The switch that is to be turned.
    pub cell: SwitchCell,
    /// Who would move, a sentence each.
    pub movers: Vec<String>,
}

/// A short state: "on 25 %", "canary 2/5 · 10 %", "rolled back".
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StateText {
    /// In a few words.
    pub text: String,
    /// What it says about health.
    pub tone: Tone,
}

impl FlagListPage {
    /// How many flags there are in all, and how many change themselves.
    fn summary(&self) -> String {
        let all = format!("{} in {}", counted(self.shell.counts.flags, "flag", "flags"), self.shell.project);
        match self.changing {
            0 => all,
            1 => format!("{all} · 1 changes itself right now"),
            number => format!("{all} · {number} change themselves right now"),
        }
    }

    fn filter_href(&self, filter: &Filter) -> String {
        links::flags_with(&self.shell.project, &self.shell.search, &filter.show)
    }

    /// The command that makes a first flag.
    fn first_flag(&self) -> String {
        format!(
            "curl -X POST '{}{}' \\\n  -H \"Authorization: Bearer $BELLWETHER_TOKEN\" \\\n  \
             -H 'Content-Type: application/json' \\\n  \
             -d '{{\"key\": \"feature.new-dashboard\", \"type\": \"boolean\"}}'",
            self.server,
            links::api_flags(&self.shell.project)
        )
    }
}

impl ConfirmPage {
    /// The list that it came from.
    fn back(&self) -> String {
        links::flags_with(&self.shell.project, &self.cell.search, &self.cell.show)
    }
}

impl SwitchCell {
    /// Where the switch posts to: turning it does the opposite of what is.
    fn action(&self) -> String {
        self.place.switch(!self.enabled)
    }

    /// Unique in the page, so that the keyboard's focus comes back after a swap.
    fn id(&self) -> String {
        format!("switch-{}-{}", self.place.environment, self.place.flag)
    }

    /// What production's switch asks before it turns.
    fn question(&self) -> String {
        let Place { environment, flag, .. } = &self.place;
        if self.enabled {
            format!("Turn {flag} off in {environment}? Everyone is served “{}” within a moment.", self.off_variation)
        } else {
            format!("Turn {flag} on in {environment}? Its targets, rules and split decide again who is served what.")
        }
    }

    fn verb(&self) -> &'static str {
        if self.enabled { "Turn off" } else { "Turn on" }
    }

    /// What it serves while on; that it is off otherwise.
    fn shown(&self) -> StateText {
        if self.enabled { self.state.clone() } else { StateText { text: "off".to_owned(), tone: Tone::Plain } }
    }
}

#[cfg(test)]
mod tests;
