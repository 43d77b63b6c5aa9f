//! What surrounds every page: the rail, the header, the mark of production, and how far the last change has reached.

use std::sync::Arc;

use askama::Template;
use chrono::{DateTime, Utc};

use super::display::{Tone, counted, thousands};
use super::links;

/// What surrounds a page of a signed-in user.
#[derive(Clone, Debug, Default)]
pub struct Shell {
    /// The page's own part of the title.
    pub title: String,
    /// Which entry of the rail the page belongs to.
    pub section: Section,
    /// The key of the project that is shown.
    pub project: String,
    /// Every project the user may see, for the switch in the rail.
    pub projects: Vec<Choice>,
    /// The search as typed.
    pub search: String,
    /// The counts in the rail.
    pub counts: Counts,
    /// Who is signed in.
    pub user: User,
    /// The token that every form posts back.
    pub csrf: String,
    /// Whether the page can change what production serves.
    pub production: bool,
    /// How far each environment's last change has reached.
    pub reach: ReachList,
    /// What the user is told about the last thing done.
    pub notice: Option<Notice>,
    /// The server's time in RFC 3339: relative times count from it, whatever the browser's clock says.
    pub now: String,
}

/// An entry of the rail.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Section {
    /// The flag list.
    #[default]
    Flags,
    /// Canaries.
    Canaries,
}

/// One of several to choose from, as a link.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Choice {
    /// Its name.
    pub label: String,
    /// Where it leads.
    pub href: String,
    /// Whether it is the one shown.
    pub current: bool,
}

/// The counts in the rail.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Flags of the project.
    pub flags: u64,
    /// Canaries that are running, paused or held.
    pub canaries: u64,
    /// Canaries that were taken back and not started again.
    pub rolled_back: u64,
}

/// Who is signed in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct User {
    /// The user's name.
    pub name: String,
    /// The user's role: viewer, editor, operator or admin.
    pub role: String,
}

/// What the user is told about the last thing done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notice {
    /// Whether it went well.
    pub tone: Tone,
    /// One or two sentences.
    pub text: String,
}

/// How far each environment's last change has reached; a fragment that keeps itself up to date.
#[derive(Clone, Debug, Default, Template)]
#[template(path = "reach.html")]
pub struct ReachList {
    /// The key of the project.
    pub project: String,
    /// In the order of the environments.
    pub environments: Vec<Reach>,
}

/// Tells how far a revision of an environment has got. The stream knows, which lies above the pages that show it.
#[derive(Clone)]
pub struct ReachSource(Arc<ReachOf>);

type ReachOf = dyn Fn(i64, u64) -> Reached + Send + Sync;

/// How far a revision has got.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reached {
    /// Connected instances that have it, or a later one.
    pub applied: usize,
    /// Connected instances.
    pub connected: usize,
    /// When the last of those that have it reported so.
    pub last: Option<DateTime<Utc>>,
}

impl ReachSource {
    /// From what answers for an environment, by its id, and a revision.
    pub fn new(of: impl Fn(i64, u64) -> Reached + Send + Sync + 'static) -> Self {
        Self(Arc::new(of))
    }

    /// How far `revision` of an environment has got.
    #[must_use]
    pub fn of(&self, id: i64, revision: u64) -> Reached {
        (self.0)(id, revision)
    }

    /// How far the newest revision of each environment of a project has reached: `(id, name, revision)`.
    #[must_use]
    pub fn list<'e>(&self, project: &str, environments: impl Iterator<Item = (i64, &'e str, u64)>) -> ReachList {
        let environments =
            environments.map(|(id, name, revision)| self.of(id, revision).shown(name, revision)).collect();
        ReachList { project: project.to_owned(), environments }
    }
}

impl Reached {
    /// As a page shows it, of `revision` of the environment called `name`.
    #[must_use]
    pub fn shown(self, name: &str, revision: u64) -> Reach {
        let Self { applied, connected, .. } = self;
        Reach { environment: name.to_owned(), revision, reached: applied as u64, connected: connected as u64 }
    }
}

/// How many connected SDK instances have applied an environment's revision.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// The environment's name.
    pub environment: String,
    /// The revision that the instances should have.
    pub revision: u64,
    /// The instances that have it.
    pub reached: u64,
    /// The instances that are connected.
    pub connected: u64,
}

impl ReachList {
    /// Where the fragment is fetched anew; it tells what it shows, so that the answer is 204 while that is still so.
    #[must_use]
    pub fn href(&self) -> String {
        links::reach(&self.project, &self.mark())
    }

    /// What the fragment shows, in short: the `seen` of its address.
    #[must_use]
    pub fn mark(&self) -> String {
        let parts: Vec<String> = self
            .environments
            .iter()
            .map(|reach| format!("{}.{}.{}", reach.revision, reach.reached, reach.connected))
            .collect();
        parts.join("_")
    }
}

impl Reach {
    /// Whether no connected instance is behind.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.reached >= self.connected
    }

    /// How many have it: all 12 instances, 497 of 500 instances, no instance connected.
    #[must_use]
    pub fn who(&self) -> String {
        match (self.reached, self.connected) {
            (_, 0) => "no instance connected".to_owned(),
            (1.., 1) => "the one instance".to_owned(),
            (reached, connected) if reached >= connected => format!("all {}", instances(connected)),
            (reached, connected) => format!("{} of {}", thousands(reached), instances(connected)),
        }
    }

    /// The share that has it, from 0 to 100; 100 when none is connected.
    #[must_use]
    pub fn percent(&self) -> u64 {
        if self.is_complete() {
            return 100;
        }
        self.reached.saturating_mul(100).checked_div(self.connected).unwrap_or(100)
    }
}

fn instances(number: u64) -> String {
    counted(number, "instance", "instances")
}

/// A page that says why there is no other: an error, with the request's id and one step to go on with.
#[derive(Clone, Debug, Default, Template)]
#[template(path = "error.html")]
pub struct ErrorPage {
    /// The status of the answer.
    pub status: u16,
    /// What happened, in a few words.
    pub title: String,
    /// What it means and what was or was not done, in a sentence or two.
    pub sentence: String,
    /// The id under which the server logged the request.
    pub request_id: String,
    /// The next step.
    pub next: Choice,
}

#[cfg(test)]
mod tests;
