//! `/projects`, `P`, `P/environments`, `E`, under `/api/v1`.

use actix_web::{HttpResponse, web};

use super::Projects;
use crate::error::Result;
use crate::http::{Json, Paging, caller::Staff, tagged};
use crate::version::IfMatch;

/// The routes under `/api/v1`, but for `P/environments`: making one lays out every flag in it.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/projects").get(list).post(create))
        .service(web::resource("/projects/{project}").get(get).patch(change).delete(delete))
        .service(
            web::resource("/projects/{project}/environments/{environment}")
                .get(environment)
                .patch(change_environment)
                .delete(delete_environment),
        );
}

async fn list(Staff(caller): Staff, projects: web::Data<Projects>, paging: web::Query<Paging>) -> Result<HttpResponse> {
    let limit = paging.limit()?;
    let all = projects.list(&caller).await?;
    Ok(HttpResponse::Ok().json(paging.slice(all, limit, |project| &project.key)))
}

async fn create(Staff(caller): Staff, projects: web::Data<Projects>, body: Json) -> Result<HttpResponse> {
    let created = projects.create(&caller, body.read()?).await?;
    Ok(tagged(HttpResponse::Created(), created.version, &created))
}

async fn get(Staff(caller): Staff, projects: web::Data<Projects>, path: web::Path<String>) -> Result<HttpResponse> {
    let found = projects.get(&caller, path.into_inner()).await?;
    Ok(tagged(HttpResponse::Ok(), found.version, &found))
}

async fn change(
    Staff(caller): Staff,
    projects: web::Data<Projects>,
    path: web::Path<String>,
    if_match: IfMatch,
    body: Json,
) -> Result<HttpResponse> {
    let changed = projects.change(&caller, path.into_inner(), if_match, body.read()?).await?;
    Ok(tagged(HttpResponse::Ok(), changed.version, &changed))
}

async fn delete(
    Staff(caller): Staff,
    projects: web::Data<Projects>,
    path: web::Path<String>,
    if_match: IfMatch,
) -> Result<HttpResponse> {
    projects.delete(&caller, path.into_inner(), if_match).await?;
    Ok(HttpResponse::NoContent().finish())
}

async fn environment(
    Staff(caller): Staff,
    projects: web::Data<Projects>,
    path: web::Path<(String, String)>,
) -> Result<HttpResponse> {
    let (project, key) = path.into_inner();
    let found = projects.environment(&caller, project, key).await?;
    Ok(tagged(HttpResponse::Ok(), found.version, &found))
}

async fn change_environment(
    Staff(caller): Staff,
    projects: web::Data<Projects>,
    path: web::Path<(String, String)>,
    if_match: IfMatch,
    body: Json,
) -> Result<HttpResponse> {
    let (project, key) = path.into_inner();
    let changed = projects.change_environment(&caller, project, key, if_match, body.read()?).await?;
    Ok(tagged(HttpResponse::Ok(), changed.version, &changed))
}

async fn delete_environment(
    Staff(caller): Staff,
    projects: web::Data<Projects>,
    path: web::Path<(String, String)>,
    if_match: IfMatch,
) -> Result<HttpResponse> {
    let (project, key) = path.into_inner();
    projects.delete_environment(&caller, project, key, if_match).await?;
    Ok(HttpResponse::NoContent().finish())
}
