//! How far each environment's last change has reached, at the foot of every page.

use actix_web::{HttpResponse, web};
use serde::Deserialize;

use crate::error::Result;
use crate::http::shell::ReachSource;
use crate::http::{PageCaller, page};
use crate::projects::Projects;

/// The routes under `/ui`.
pub fn routes(config: &mut web::ServiceConfig) {
    config.service(web::resource("/projects/{project}/reach").get(reach));
}

#[derive(Deserialize)]
struct Query {
    #[serde(default)]
    seen: String,
}

/// 204 while it is as the page shows it.
async fn reach(
    user: PageCaller,
    projects: web::Data<Projects>,
    source: web::Data<ReachSource>,
    path: web::Path<String>,
    query: web::Query<Query>,
) -> Result<HttpResponse> {
    let project = path.into_inner();
    let environments = projects.environments(&user.caller, project.clone()).await?;
    let list = source.list(&project, environments.iter().map(|one| (one.id, one.key.as_str(), one.revision)));
    if list.mark() == query.seen { Ok(HttpResponse::NoContent().finish()) } else { page::render(&list) }
}
