use super::live::{bare_head, head, live};
use super::notes::note;
use super::seen::Seen;
use super::{CanaryPage, Head, Refused};
use crate::canary::{Canaries, Detail};
use crate::clock;
use crate::error::Result;
use crate::flags::{FlagFilter, Flags, Place};
use crate::http::PageCaller;
use crate::http::display::Tone;
use crate::http::links;
use crate::http::shell::{Choice, Counts, Notice, ReachSource, Reached, Section, Shell};
use crate::projects::{Frame, Projects};

/// The last windows that are drawn.
const WINDOWS: u16 = 60;

/// What the pages of canaries ask.
#[derive(Clone)]
pub struct Desk {
    /// Canaries.
    pub canaries: Canaries,
    /// Flags.
    pub flags: Flags,
    /// Projects and environments.
    pub projects: Projects,
    /// How far revisions have got.
    pub reach: ReachSource,
}

impl Desk {
    /// How far the last change of a canary's share has got.
    pub(super) fn reached(&self, detail: &Detail) -> Reached {
        let revision = detail.canary.progress.as_ref().map(|progress| progress.revision);
        revision.map(|revision| self.reach.of(detail.canary.environment_id, revision)).unwrap_or_default()
    }

    /// What the page of a canary is made of.
    pub(super) async fn seen(&self, user: &PageCaller, place: Place, detail: Detail) -> Result<Seen> {
        let windows = self.canaries.windows(&user.caller, &detail.canary, WINDOWS).await?;
        let environment = self.flags.live().environment(detail.canary.environment_id)?;
        Ok(Seen {
            place: linked(place),
            windows,
            cut: self.canaries.cut(),
            reached: self.reached(&detail),
            revision: environment.served().state.revision(),
            now: clock::now(),
            detail,
        })
    }

    /// The page of a canary, with the form that was refused, if one was.
    pub(super) async fn page(
        &self,
        user: &PageCaller,
        place: Place,
        refused: Option<Refused>,
        server: String,
    ) -> Result<CanaryPage> {
        let detail = self.canaries.detail(&user.caller, place.clone()).await?;
        let seen = match detail {
            Some(detail) => Some(self.seen(user, place.clone(), detail).await?),
            None => None,
        };
        let Frame { environments, mut shell } = self.frame(user, place.project.clone()).await?;
        let place = linked(place);
        let state = seen.as_ref().map(|seen| format!("{} · ", seen.state().words()));
        shell.title = format!("{}{}", state.unwrap_or_default(), place.flag);
        let here = environments.iter().find(|one| one.key == place.environment);
        let production = here.is_some_and(|one| one.production);
        shell.production = production && user.caller.require_change(true).is_ok();
        let choice = |key: String| Choice {
            href: links::Place { environment: key.clone(), ..place.clone() }.canary(),
            current: key == place.environment,
            label: key,
        };
        let bare = || Head { production, ..bare_head(user, place.clone()) };
        let mut top = seen.as_ref().map_or_else(bare, |seen| head(user, seen));
        // What can no longer be done has no form to say it in.
        match refused {
            Some(refused) if !top.acts.contains(&refused.act) => {
                shell.notice = Some(Notice { tone: Tone::Harm, text: refused.message });
            }
            refused => top.refused = refused,
        }
        Ok(CanaryPage {
            environments: environments.iter().map(|one| choice(one.key.clone())).collect(),
            head: top,
            canary: seen.as_ref().map(live),
            shell,
            server,
        })
    }

    /// What surrounds a page of a canary.
    pub(super) async fn frame(&self, user: &PageCaller, project: String) -> Result<Frame> {
        let frame = Frame::open(&self.projects, &self.reach, user, project.clone()).await?;
        let flags = self.flags.list(&user.caller, project.clone(), FlagFilter::default()).await?.len() as u64;
        let canaries = self.canaries.of_project(&user.caller, project).await?;
        let notes: Vec<_> = canaries.iter().filter_map(note).collect();
        let running = notes.iter().filter(|note| note.ended_at.is_none()).count() as u64;
        let counts = Counts { flags, canaries: running, rolled_back: notes.len() as u64 - running };
        Ok(Frame { shell: Shell { section: Section::Canaries, counts, ..frame.shell }, ..frame })
    }
}

pub(super) fn linked(Place { project, environment, flag }: Place) -> links::Place {
    links::Place { project, environment, flag }
}
