use actix_web::{HttpResponse, web};
use askama::Template;
use serde::Deserialize;

use super::Desk;
use super::ask::{AskPage, Change};
use super::switch::linked;
use crate::clock;
use crate::error::{Error, Result};
use crate::flags::telling;
use crate::flags::{Place, RestoreInput, Version};
use crate::http::display::Moment;
use crate::http::links;
use crate::http::shell::{Choice, Shell};
use crate::http::{PageCaller, Posted, page};
use crate::projects::{Environment, Frame};
use crate::version::IfMatch;

/// Versions of one page.
const LIMIT: usize = 30;

/// The versions of a flag's configuration in an environment.
#[derive(Clone, Debug, Default, Template)]
#[template(path = "flags/history.html")]
pub(super) struct HistoryPage {
    /// What surrounds the page.
    pub shell: Shell,
    /// Project, environment and flag.
    pub place: links::Place,
    /// The same page of each environment.
    pub environments: Vec<Choice>,
    /// Whether the environment serves real users.
    pub production: bool,
    /// Newest first.
    pub versions: Vec<Entry>,
    /// Whether this is the page of the newest versions.
    pub newest: bool,
    /// Before which version there are more.
    pub older: Option<u64>,
    /// Why this user may not restore one, in a sentence.
    pub locked: Option<String>,
}

/// A version in words.
#[derive(Clone, Debug, Default)]
pub(super) struct Entry {
    /// From 1.
    pub number: u64,
    /// Whether it is the one in force.
    pub current: bool,
    /// What was done.
    pub what: String,
    /// When.
    pub at: Moment,
    /// By whom.
    pub actor: String,
    /// Why; may be empty.
    pub reason: String,
    /// Whom a split was for that a layer limited, in a sentence.
    pub limit: Option<String>,
    /// With which revision it reached the SDKs.
    pub revision: u64,
    /// What it changed; `None` when the version before is not kept.
    pub changes: Option<Vec<Change>>,
}

/// Where the list goes on.
#[derive(Deserialize)]
pub(super) struct Query {
    before: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct VersionPath {
    project: String,
    environment: String,
    flag: String,
    version: String,
}

#[derive(Deserialize)]
pub(super) struct Fields {
    #[serde(default)]
    reason: String,
    #[serde(default)]
    confirmation: String,
    /// The version that was in force when the page was made: what it showed was against that one.
    now: u64,
}

impl VersionPath {
    fn parts(self) -> Result<(Place, u64)> {
        let version = self.version.parse().map_err(|_| Error::NotFound(format!("version {}", self.version)))?;
        Ok((Place { project: self.project, environment: self.environment, flag: self.flag }, version))
    }
}

/// What was done, in a few words.
fn words(version: &Version) -> String {
    let words = telling::action(&version.action);
    version.restored_version.map_or_else(|| words.to_owned(), |restored| format!("Version {restored} restored"))
}

fn entry(version: &Version, current: bool) -> Entry {
    Entry {
        number: version.version,
        current,
        what: words(version),
        at: Moment::new(version.at, clock::now()),
        actor: version.actor.clone(),
        reason: version.reason.clone(),
        limit: version.limit.clone(),
        revision: version.revision,
        changes: version.changes.as_ref().map(|changes| Change::all(changes)),
    }
}

/// The environment of a place, which is there.
fn here<'e>(environments: &'e [Environment], place: &Place) -> Result<&'e Environment> {
    let found = environments.iter().find(|one| one.key == place.environment);
    found.ok_or_else(|| Error::NotFound(format!("environment {}", place.environment)))
}

pub(super) async fn show(
    user: PageCaller,
    desk: web::Data<Desk>,
    path: web::Path<Place>,
    query: web::Query<Query>,
) -> Result<HttpResponse> {
    let place = path.into_inner();
    let before = query.before.as_ref().map(|before| before.parse::<u64>());
    let before = before.transpose().map_err(|_| Error::NotFound("page of that address".to_owned()))?;
    let (versions, older) = desk.flags.history(&user.caller, place.clone(), before, LIMIT).await?;
    let archived = desk.flags.get(&user.caller, place.project.clone(), place.flag.clone()).await?.archived_at.is_some();
    let Frame { environments, mut shell } = desk.frame(&user, place.project.clone()).await?;
    let production = here(&environments, &place)?.production;
    let refused = user.caller.require_change(production).err().map(|error| page::sentence(&error.to_string()));
    let locked = if archived { Some("The flag is archived.".to_owned()) } else { refused };
    shell.production = production && locked.is_none();
    shell.title = format!("History of {}", place.flag);
    let place = linked(&place);
    let choice = |one: &Environment| Choice {
        href: links::Place { environment: one.key.clone(), ..place.clone() }.history(None),
        current: one.key == place.environment,
        label: one.key.clone(),
    };
    let newest = before.is_none();
    page::render(&HistoryPage {
        environments: environments.iter().map(choice).collect(),
        versions: versions.iter().enumerate().map(|(at, version)| entry(version, newest && at == 0)).collect(),
        production,
        newest,
        older,
        locked,
        place,
        shell,
    })
}

/// The page that asks before a version is restored, as things stand.
async fn question(user: &PageCaller, desk: &Desk, place: &Place, version: u64) -> Result<(AskPage, Option<Error>)> {
    let now = desk.flags.configured(&user.caller, place.clone()).await?.version;
    let Frame { environments, mut shell } = desk.frame(user, place.project.clone()).await?;
    let production = here(&environments, place)?.production;
    user.caller.require_change(production)?;
    shell.production = production;
    let mut ask = AskPage {
        heading: format!("Restore version {version} of {} in {}", place.flag, place.environment),
        action: linked(place).restore(version),
        back: linked(place).history(None),
        hidden: vec![("now", now.to_string())],
        ..AskPage::default()
    };
    shell.title.clone_from(&ask.heading);
    ask.shell = shell;
    let restoration = desk.flags.restoration(&user.caller, place.clone(), IfMatch::Version(now), version).await;
    match restoration {
        Ok(restoration) if restoration.changes.is_empty() => {
            ask.sentences.push("It is what is in force now: there is nothing to change.".to_owned());
        }
        Ok(restoration) => {
            ask.sentences
                .push("It becomes a new version, with its rules, targets, shares and salts as they were.".to_owned());
            ask.sentences.extend_from_slice(restoration.preview.sentences());
            ask.changes = Change::all(&restoration.changes);
            ask.reason = Some(String::new());
            ask.expected = production.then(|| place.flag.clone());
            ask.submit = if production { format!("Restore in {}", place.environment) } else { "Restore".to_owned() };
        }
        Err(error) => return Ok((ask, Some(error))),
    }
    Ok((ask, None))
}

pub(super) async fn ask(user: PageCaller, desk: web::Data<Desk>, path: web::Path<VersionPath>) -> Result<HttpResponse> {
    let (place, version) = path.into_inner().parts()?;
    match question(&user, &desk, &place, version).await? {
        (page, None) => page::render(&page),
        (page, Some(error)) => page.refused(error),
    }
}

pub(super) async fn restore(
    posted: Posted<Fields>,
    desk: web::Data<Desk>,
    path: web::Path<VersionPath>,
) -> Result<HttpResponse> {
    let Posted { user, form } = posted;
    let (place, version) = path.into_inner().parts()?;
    let (mut page, refused) = question(&user, &desk, &place, version).await?;
    if let Some(error) = refused {
        return page.refused(error);
    }
    if let Err(error) = page.confirmed(&form.confirmation, false) {
        page.reason = Some(form.reason);
        return page.refused(error);
    }
    let input = RestoreInput { reason: form.reason.trim().to_owned() };
    match desk.flags.restore(&user.caller, place.clone(), IfMatch::Version(form.now), version, input).await {
        Ok(_) => Ok(page::see_other(&linked(&place).history(None))),
        Err(Error::Stale { .. }) => {
            page.reason = Some(form.reason);
            let what = "somebody has changed the flag since; this is what it would change now";
            page.refused(Error::Conflict(what.to_owned()))
        }
        Err(error) => {
            page.reason = Some(form.reason);
            page.refused(error)
        }
    }
}
