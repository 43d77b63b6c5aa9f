//! The way to the first page, and what surrounds every page of a project.

use actix_web::{HttpResponse, web};

use super::{DEFAULT_PROJECT, Environment, Projects};
use crate::clock;
use crate::error::{Error, Result};
use crate::http::shell::{Choice, ReachSource, Shell};
use crate::http::{PageCaller, links, page};

/// The routes.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/").get(|| async { page::see_other(links::HOME) }))
        .service(web::resource(links::HOME).get(home));
}

/// The default project's flags, or those of the first project there is.
async fn home(user: PageCaller, projects: web::Data<Projects>) -> Result<HttpResponse> {
    let all = projects.list(&user.caller).await?;
    let default = all.iter().find(|project| project.key == DEFAULT_PROJECT).or(all.first());
    let first = default.ok_or_else(|| Error::NotFound("project".to_owned()))?;
    Ok(page::see_other(&links::flags(&first.key)))
}

/// A project's environments, and what surrounds a page of it.
#[derive(Debug)]
pub struct Frame {
    /// The environments, in their order.
    pub environments: Vec<Environment>,
    /// What surrounds the page; its title, section and counts are the page's.
    pub shell: Shell,
}

impl Frame {
    /// What surrounds a page of `project` that shows `user` some of `environments`.
    ///
    /// # Errors
    /// When the user may not see the project, or there is none of that key.
    pub async fn open(projects: &Projects, reach: &ReachSource, user: &PageCaller, project: String) -> Result<Self> {
        let environments = projects.environments(&user.caller, project.clone()).await?;
        let all = projects.list(&user.caller).await?;
        let choice = |key: String| Choice { href: links::flags(&key), current: key == project, label: key };
        let revisions = environments.iter().map(|one| (one.id, one.key.as_str(), one.revision));
        let shell = Shell {
            projects: all.into_iter().map(|project| choice(project.key)).collect(),
            user: user.shown(),
            csrf: user.csrf(),
            reach: reach.list(&project, revisions),
            now: clock::rfc3339(clock::now()),
            project,
            ..Shell::default()
        };
        Ok(Self { environments, shell })
    }
}
