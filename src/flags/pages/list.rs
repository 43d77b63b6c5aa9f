use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;

use super::archive::ArchivePage;
use super::bulk;
use super::canaries::CanaryNotes;
use super::cell::Cells;
use super::{Desk, Environment, Filter, FlagListPage, FlagRow};
use crate::clock;
use crate::error::Result;
use crate::flags::{FlagFilter, FlagState, Overview, Standing};
use crate::http::display::{Moment, Tone};
use crate::http::shell::Section;
use crate::http::{PageCaller, links, page};
use crate::projects::Frame;

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
    RolledBack,
    TurnedOff,
    Stale,
    Archived,
}

impl Show {
    const ALL: [Self; 6] = [Self::All, Self::Canaries, Self::RolledBack, Self::TurnedOff, Self::Stale, Self::Archived];

    /// In the address.
    fn key(self) -> &'static str {
        match self {
            Self::All => "",
            Self::Canaries => "canaries",
            Self::RolledBack => "rolled-back",
            Self::TurnedOff => "off",
            Self::Stale => "stale",
            Self::Archived => "archived",
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
            Self::RolledBack => "Rolled back",
            Self::TurnedOff => "Turned off",
            Self::Stale => "Potentially stale",
            Self::Archived => "Archived",
        }
    }

    fn passes(self, flag: &Overview, notes: &CanaryNotes) -> bool {
        let any = |holds: &dyn Fn(&Standing) -> bool| flag.standings.iter().any(holds);
        match self {
            Self::All => true,
            Self::Canaries => any(&|standing| notes.on(standing).is_some()),
            Self::RolledBack => any(&|standing| notes.on(standing).is_some_and(|note| !note.runs())),
            Self::TurnedOff => any(&|standing| !standing.configuration.enabled),
            Self::Stale => flag.flag.state == FlagState::PotentiallyStale,
            // The list is of those in use.
            Self::Archived => false,
        }
    }
}

pub(super) async fn show(
    user: PageCaller,
    desk: web::Data<Desk>,
    path: web::Path<String>,
    query: web::Query<Query>,
    request: HttpRequest,
) -> Result<HttpResponse> {
    let project = path.into_inner();
    let all = desk.flags.overview(&user.caller, project.clone()).await?;
    let notes = desk.canaries.of(&user.caller, &project).await?;
    let archived = FlagFilter { text: Some(query.q.trim().to_owned()), archived: true, ..FlagFilter::default() };
    let archived = desk.flags.list(&user.caller, project.clone(), archived).await?;
    let frame = Frame::open(&desk.projects, &desk.reach, &user, project).await?;
    let in_archive = Show::named(&query.show) == Show::Archived;
    let mut list = list(&user, frame, &all, &notes, query.into_inner(), page::server(&request));
    let count = archived.len() as u64;
    list.filters.iter_mut().filter(|one| one.show == Show::Archived.key()).for_each(|one| one.count = count);
    list.filters.retain(|filter| filter.show != Show::Archived.key() || in_archive || count > 0);
    if !in_archive {
        return page::render(&list);
    }
    page::render(&ArchivePage::new(&user, list, &archived))
}

fn list(
    user: &PageCaller,
    frame: Frame,
    all: &[Overview],
    notes: &CanaryNotes,
    query: Query,
    server: String,
) -> FlagListPage {
    let Frame { environments, mut shell } = frame;
    let show = Show::named(&query.show);
    shell.counts = notes.counts(all.len());
    shell.production = environments.iter().any(|one| one.production) && user.caller.require_change(true).is_ok();
    shell.section = if show == Show::Canaries { Section::Canaries } else { Section::Flags };
    shell.title = if show == Show::Canaries { "Canaries".to_owned() } else { "Flags".to_owned() };
    shell.search = query.q;

    let wanted = shell.search.trim();
    let found: Vec<_> = all.iter().filter(|one| one.flag.definition.mentions(&one.flag.key, wanted)).collect();
    let filter = |show: Show| Filter {
        show: show.key().to_owned(),
        label: show.label().to_owned(),
        count: found.iter().filter(|flag| show.passes(flag, notes)).count() as u64,
        tone: if show == Show::RolledBack { Tone::Harm } else { Tone::Plain },
    };
    // What was taken back, or is of no use, is worth a filter only when there is such a flag.
    let rare = [Show::RolledBack.key(), Show::Stale.key()];
    let offered = |filter: &Filter| filter.count > 0 || filter.show == show.key() || !rare.contains(&&*filter.show);
    let offers = bulk::choices(user, &environments);
    let cells = Cells::new(user, notes, &shell.project, &shell.search, show.key());
    let column = |one: crate::projects::Environment| Environment { key: one.key, production: one.production };
    FlagListPage {
        show: show.key().to_owned(),
        filters: Show::ALL.into_iter().map(filter).filter(offered).collect(),
        environments: environments.into_iter().map(column).collect(),
        flags: found.iter().filter(|flag| show.passes(flag, notes)).map(|flag| row(&cells, flag)).collect(),
        changing: shell.counts.canaries,
        bulk: offers,
        server,
        shell,
    }
}

fn row(cells: &Cells<'_>, Overview { flag, standings }: &Overview) -> FlagRow {
    let latest = standings.iter().reduce(|last, one| if one.updated_at > last.updated_at { one } else { last });
    let changed = latest.map(|standing| (standing.updated_at, &standing.updated_by));
    let (at, by) = changed.filter(|change| change.0 > flag.updated_at).unwrap_or((flag.updated_at, &flag.updated_by));
    let environment = latest.map(|standing| standing.environment.clone()).unwrap_or_default();
    FlagRow {
        key: flag.key.clone(),
        name: flag.definition.name.clone(),
        kind: flag.definition.kind.name().to_owned(),
        owner: flag.definition.owner.clone(),
        tags: flag.definition.tags.clone(),
        stale: flag.stale_reason.clone(),
        cells: standings.iter().map(|standing| cells.cell(flag, standing)).collect(),
        history: links::Place { environment, project: cells.project().to_owned(), flag: flag.key.clone() }
            .history(None),
        changed: Moment::new(at, clock::now()),
        changed_by: by.clone(),
    }
}
