use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;

use super::cell::Cells;
use super::{Environment, Filter, FlagListPage, FlagRow};
use crate::clock;
use crate::error::Result;
use crate::flags::{Flags, Overview};
use crate::http::display::{Moment, Tone};
use crate::http::shell::{Counts, ReachSource, Section};
use crate::http::{PageCaller, page};
use crate::projects::{Frame, Projects};

/// What the list is to show, as it stands in the address.
#[derive(Deserialize)]
pub(super) struct Query {
    #[serde(default)]
    q: String,
    #[serde(default)]
    show: String,
}

/// A filter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Show {
    #[default]
    All,
    Canaries,
    TurnedOff,
}

impl Show {
    const ALL: [Self; 3] = [Self::All, Self::Canaries, Self::TurnedOff];

    /// In the address.
    fn key(self) -> &'static str {
        match self {
            Self::All => "",
            Self::Canaries => "canaries",
            Self::TurnedOff => "off",
        }
    }

    /// The filter of that name; all flags for a name that no filter has.
    fn named(key: &str) -> Self {
        Self::ALL.into_iter().find(|show| show.key() == key).unwrap_or_default()
    }

    fn label(self) -> &'static str {
        match self {
            Self::All => "All",
            Self::Canaries => "Canaries",
            Self::TurnedOff => "Turned off",
        }
    }

    fn passes(self, flag: &Overview) -> bool {
        match self {
            Self::All => true,
            Self::Canaries => changes_itself(flag),
            Self::TurnedOff => flag.standings.iter().any(|standing| !standing.configuration.enabled),
        }
    }
}

fn changes_itself(flag: &Overview) -> bool {
    flag.standings.iter().any(|standing| standing.release.is_some())
}

/// The counts in the rail.
pub(super) fn counts(all: &[Overview]) -> Counts {
    let releases = all.iter().flat_map(|flag| &flag.standings).filter(|standing| standing.release.is_some());
    Counts { flags: all.len() as u64, canaries: releases.count() as u64, rolled_back: 0 }
}

pub(super) async fn show(
    user: PageCaller,
    flags: web::Data<Flags>,
    projects: web::Data<Projects>,
    reach: web::Data<ReachSource>,
    path: web::Path<String>,
    query: web::Query<Query>,
    request: HttpRequest,
) -> Result<HttpResponse> {
    let all = flags.overview(&user.caller, path.clone()).await?;
    let frame = Frame::open(&projects, &reach, &user, path.into_inner()).await?;
    let page = list(&user, frame, all, query.into_inner(), page::server(&request));
    page::render(&page)
}

fn list(user: &PageCaller, frame: Frame, all: Vec<Overview>, query: Query, server: String) -> FlagListPage {
    let Frame { environments, mut shell } = frame;
    let show = Show::named(&query.show);
    shell.counts = counts(&all);
    shell.production = environments.iter().any(|one| one.production) && user.caller.require_change(true).is_ok();
    shell.section = if show == Show::Canaries { Section::Canaries } else { Section::Flags };
    shell.title = if show == Show::Canaries { "Canaries".to_owned() } else { "Flags".to_owned() };
    shell.search = query.q;

    let wanted = shell.search.trim();
    let found: Vec<_> = all.iter().filter(|one| one.flag.definition.mentions(&one.flag.key, wanted)).collect();
    let filter = |show: Show| Filter {
        show: show.key().to_owned(),
        label: show.label().to_owned(),
        count: found.iter().filter(|flag| show.passes(flag)).count() as u64,
        tone: Tone::Plain,
    };
    let cells = Cells::new(user, &shell.project, &shell.search, show.key());
    let column = |one: crate::projects::Environment| Environment { key: one.key, production: one.production };
    FlagListPage {
        show: show.key().to_owned(),
        filters: Show::ALL.map(filter).to_vec(),
        environments: environments.into_iter().map(column).collect(),
        flags: found.iter().filter(|flag| show.passes(flag)).map(|flag| row(&cells, flag)).collect(),
        changing: all.iter().filter(|flag| changes_itself(flag)).count() as u64,
        server,
        shell,
    }
}

fn row(cells: &Cells<'_>, Overview { flag, standings }: &Overview) -> FlagRow {
    let defined = (flag.updated_at, &flag.updated_by);
    let changes = standings.iter().map(|standing| (standing.updated_at, &standing.updated_by));
    let (at, by) = changes.fold(defined, |last, change| if change.0 > last.0 { change } else { last });
    FlagRow {
        key: flag.key.clone(),
        name: flag.definition.name.clone(),
        kind: flag.definition.kind.name().to_owned(),
        owner: flag.definition.owner.clone(),
        tags: flag.definition.tags.clone(),
        cells: standings.iter().map(|standing| cells.cell(flag, standing)).collect(),
        changed: Moment::new(at, clock::now()),
        changed_by: by.clone(),
    }
}
