use actix_web::{HttpResponse, web};
use askama::Template;
use serde::Deserialize;
use serde_json::json;

use super::ask::AskPage;
use super::{Desk, Filter, FlagListPage};
use crate::access::Role;
use crate::clock;
use crate::error::{Error, Result};
use crate::flags::FlagView;
use crate::http::display::Moment;
use crate::http::shell::Shell;
use crate::http::{PageCaller, Posted, links, page};
use crate::projects::Frame;
use crate::version::IfMatch;

/// The flags of a project that are out of use.
#[derive(Clone, Debug, Default, Template)]
#[template(path = "flags/archive.html")]
pub(super) struct ArchivePage {
    /// What surrounds the page; its search is what the archive was searched for.
    pub shell: Shell,
    /// The filters of the list.
    pub filters: Vec<Filter>,
    /// By key.
    pub flags: Vec<ArchivedRow>,
    /// Whether this user may bring one back.
    pub may_restore: bool,
    /// Whether this user may purge one.
    pub may_purge: bool,
}

/// A flag out of use.
#[derive(Clone, Debug, Default)]
pub(super) struct ArchivedRow {
    /// The flag's key.
    pub key: String,
    /// What it is called; may be empty.
    pub name: String,
    /// The versions of what it served.
    pub history: String,
    /// When it was archived.
    pub at: Moment,
    /// By whom.
    pub by: String,
}

impl ArchivePage {
    /// Of the flags that the search lets through.
    pub(super) fn new(user: &PageCaller, list: FlagListPage, archived: &[FlagView]) -> Self {
        let FlagListPage { shell, filters, environments, .. } = list;
        let shown = environments.iter().find(|one| one.production).or(environments.first());
        let environment = shown.map(|one| one.key.clone()).unwrap_or_default();
        let place = links::Place { environment, project: shell.project.clone(), ..links::Place::default() };
        let row = |flag: &FlagView| ArchivedRow {
            key: flag.key.clone(),
            name: flag.definition.name.clone(),
            history: links::Place { flag: flag.key.clone(), ..place.clone() }.history(None),
            at: Moment::new(flag.updated_at, clock::now()),
            by: flag.updated_by.clone(),
        };
        Self {
            flags: archived.iter().map(row).collect(),
            may_restore: user.caller.require(Role::Operator).is_ok(),
            may_purge: user.caller.require(Role::Admin).is_ok(),
            filters,
            shell: Shell { title: "Archived flags".to_owned(), ..shell },
        }
    }

    fn filter_href(&self, filter: &Filter) -> String {
        links::flags_with(&self.shell.project, &self.shell.search, &filter.show)
    }
}

#[derive(Deserialize)]
pub(super) struct Fields {
    #[serde(default)]
    confirmation: String,
}

/// The archive, which one comes from and goes back to.
fn archive(project: &str) -> String {
    links::flags_with(project, "", "archived")
}

/// The page that asks before an archived flag is brought back or purged.
async fn question<const PURGE: bool>(
    user: &PageCaller,
    desk: &Desk,
    project: &str,
    key: &str,
) -> Result<(AskPage, FlagView)> {
    user.caller.require(if PURGE { Role::Admin } else { Role::Operator })?;
    let flag = desk.flags.get(&user.caller, project.to_owned(), key.to_owned()).await?;
    if flag.archived_at.is_none() {
        return Err(Error::Conflict(format!("flag {key} is in use")));
    }
    let Frame { mut shell, .. } = desk.frame(user, project.to_owned()).await?;
    let (heading, sentence, submit, act) = if PURGE {
        let what = "Its configurations, its history, its canaries and their verdicts are removed for good. The audit log \
             stays, and the key can be used again.";
        (format!("Purge {key}"), what, "Purge", "purge")
    } else {
        let what = "Every environment serves it again, as it did when it was archived.";
        (format!("Bring {key} back"), what, "Bring back", "unarchive")
    };
    shell.title.clone_from(&heading);
    shell.production = true;
    let page = AskPage {
        heading,
        sentences: vec![sentence.to_owned()],
        action: links::archived_flag(project, key, act),
        expected: Some(key.to_owned()),
        submit: submit.to_owned(),
        back: archive(project),
        shell,
        ..AskPage::default()
    };
    Ok((page, flag))
}

pub(super) async fn ask<const PURGE: bool>(
    user: PageCaller,
    desk: web::Data<Desk>,
    path: web::Path<(String, String)>,
) -> Result<HttpResponse> {
    let (project, key) = path.into_inner();
    page::render(&question::<PURGE>(&user, &desk, &project, &key).await?.0)
}

pub(super) async fn act<const PURGE: bool>(
    posted: Posted<Fields>,
    desk: web::Data<Desk>,
    path: web::Path<(String, String)>,
) -> Result<HttpResponse> {
    let Posted { user, form } = posted;
    let (project, key) = path.into_inner();
    let (page, flag) = question::<PURGE>(&user, &desk, &project, &key).await?;
    if let Err(error) = page.confirmed(&form.confirmation, false) {
        return page.refused(error);
    }
    let version = IfMatch::Version(flag.version);
    let done = if PURGE {
        desk.flags.purge(&user.caller, project.clone(), key, version).await
    } else {
        let back = json!({"archived": false});
        desk.flags.patch(&user.caller, project.clone(), key, version, back).await.map(drop)
    };
    match done {
        Ok(()) => Ok(page::see_other(&archive(&project))),
        Err(error) => page.refused(error),
    }
}
