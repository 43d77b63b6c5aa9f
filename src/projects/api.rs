//! `/projects`, `P`, `P/environments`, `E`, under `/api/v1`.

use actix_web::{HttpResponse, web};
use utoipa::OpenApi;

use super::{Environment, EnvironmentChange, NewProject, Project, ProjectChange, Projects};
use crate::error::Result;
use crate::http::{Json, NoParameters, Page, Paging, caller::Staff, tagged};
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

/// The operations of [`routes`].
#[derive(Debug, OpenApi)]
#[openapi(paths(list, create, get, change, delete, environment, change_environment, delete_environment))]
pub struct Document;

/// Lists the projects, by key.
#[utoipa::path(
    get,
    path = "/projects",
    operation_id = "listProjects",
    params(Paging),
    responses((status = OK, body = Page<Project>)),
)]
async fn list(Staff(caller): Staff, projects: web::Data<Projects>, paging: web::Query<Paging>) -> Result<HttpResponse> {
    let limit = paging.limit()?;
    let all = projects.list(&caller).await?;
    Ok(HttpResponse::Ok().json(paging.slice(all, limit, |project| &project.key)?))
}

/// Creates a project with its first environments: development, staging and production.
#[utoipa::path(
    post,
    path = "/projects",
    operation_id = "createProject",
    request_body(content = NewProject, example = json!({"key": "shop", "name": "Shop", "description": "The web shop"})),
    responses((status = CREATED, body = Project)),
)]
async fn create(
    Staff(caller): Staff,
    _: web::Query<NoParameters>,
    projects: web::Data<Projects>,
    body: Json,
) -> Result<HttpResponse> {
    let created = projects.create(&caller, body.read()?).await?;
    Ok(tagged(HttpResponse::Created(), created.version, &created))
}

/// Shows a project.
#[utoipa::path(
    get,
    path = "/projects/{project}",
    operation_id = "getProject",
    responses((status = OK, body = Project)),
)]
async fn get(Staff(caller): Staff, projects: web::Data<Projects>, path: web::Path<String>) -> Result<HttpResponse> {
    let found = projects.get(&caller, path.into_inner()).await?;
    Ok(tagged(HttpResponse::Ok(), found.version, &found))
}

/// Changes a project's words.
#[utoipa::path(
    patch,
    path = "/projects/{project}",
    operation_id = "changeProject",
    params(IfMatch),
    request_body(content = ProjectChange, example = json!({"name": "The shop"})),
    responses((status = OK, body = Project)),
)]
async fn change(
    Staff(caller): Staff,
    _: web::Query<NoParameters>,
    projects: web::Data<Projects>,
    path: web::Path<String>,
    if_match: IfMatch,
    body: Json,
) -> Result<HttpResponse> {
    let changed = projects.change(&caller, path.into_inner(), if_match, body.read()?).await?;
    Ok(tagged(HttpResponse::Ok(), changed.version, &changed))
}

/// Deletes a project that has no flags.
#[utoipa::path(
    delete,
    path = "/projects/{project}",
    operation_id = "deleteProject",
    params(IfMatch, ("project" = String, Path, example = "shop")),
    responses((status = NO_CONTENT)),
)]
async fn delete(
    Staff(caller): Staff,
    _: web::Query<NoParameters>,
    projects: web::Data<Projects>,
    path: web::Path<String>,
    if_match: IfMatch,
) -> Result<HttpResponse> {
    projects.delete(&caller, path.into_inner(), if_match).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Shows an environment.
#[utoipa::path(
    get,
    path = "/projects/{project}/environments/{environment}",
    operation_id = "getEnvironment",
    responses((status = OK, body = Environment)),
)]
async fn environment(
    Staff(caller): Staff,
    projects: web::Data<Projects>,
    path: web::Path<(String, String)>,
) -> Result<HttpResponse> {
    let (project, key) = path.into_inner();
    let found = projects.environment(&caller, project, key).await?;
    Ok(tagged(HttpResponse::Ok(), found.version, &found))
}

/// Changes an environment.
#[utoipa::path(
    patch,
    path = "/projects/{project}/environments/{environment}",
    operation_id = "changeEnvironment",
    params(IfMatch),
    request_body(content = EnvironmentChange, example = json!({"name": "Our laptops"})),
    responses((status = OK, body = Environment)),
)]
async fn change_environment(
    Staff(caller): Staff,
    _: web::Query<NoParameters>,
    projects: web::Data<Projects>,
    path: web::Path<(String, String)>,
    if_match: IfMatch,
    body: Json,
) -> Result<HttpResponse> {
    let (project, key) = path.into_inner();
    let changed = projects.change_environment(&caller, project, key, if_match, body.read()?).await?;
    Ok(tagged(HttpResponse::Ok(), changed.version, &changed))
}

/// Deletes an environment with every flag's configuration there.
#[utoipa::path(
    delete,
    path = "/projects/{project}/environments/{environment}",
    operation_id = "deleteEnvironment",
    params(IfMatch, ("environment" = String, Path, example = "qa")),
    responses((status = NO_CONTENT)),
)]
async fn delete_environment(
    Staff(caller): Staff,
    _: web::Query<NoParameters>,
    projects: web::Data<Projects>,
    path: web::Path<(String, String)>,
    if_match: IfMatch,
) -> Result<HttpResponse> {
    let (project, key) = path.into_inner();
    projects.delete_environment(&caller, project, key, if_match).await?;
    Ok(HttpResponse::NoContent().finish())
}
