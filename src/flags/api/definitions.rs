//! `P/flags`, `P/flags/{key}`, and the environments whose making lays out every flag.

use actix_web::{HttpResponse, web};
use serde::Deserialize;

use crate::error::Result;
use crate::flags::{FlagFilter, Flags, NewFlag};
use crate::http::{Json, Page, Paging, caller::Staff, tagged, yes_or_no};
use crate::projects::Projects;
use crate::version::IfMatch;

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/projects/{project}/flags").get(list).post(create))
        .service(web::resource("/projects/{project}/flags/{key}").get(get).patch(patch).delete(archive))
        .service(web::resource("/projects/{project}/environments").get(environments).post(create_environment));
}

#[derive(Deserialize)]
struct Query {
    q: Option<String>,
    tag: Option<String>,
    kind: Option<String>,
    #[serde(rename = "type")]
    value_type: Option<String>,
    owner: Option<String>,
    archived: Option<String>,
}

#[derive(Deserialize)]
struct Purge {
    purge: Option<String>,
}

async fn list(
    Staff(caller): Staff,
    flags: web::Data<Flags>,
    path: web::Path<String>,
    query: web::Query<Query>,
    paging: web::Query<Paging>,
) -> Result<HttpResponse> {
    let limit = paging.limit()?;
    let Query { q: text, tag, kind, value_type, owner, archived } = query.into_inner();
    let filter = FlagFilter { text, tag, kind, value_type, owner, archived: archived.as_deref() == Some("true") };
    let all = flags.list(&caller, path.into_inner(), filter).await?;
    Ok(HttpResponse::Ok().json(paging.slice(all, limit, |flag| &flag.key)))
}

async fn create(
    Staff(caller): Staff,
    flags: web::Data<Flags>,
    path: web::Path<String>,
    body: Json,
) -> Result<HttpResponse> {
    let created = flags.create(&caller, path.into_inner(), body.read_then(NewFlag::checked)?).await?;
    Ok(tagged(HttpResponse::Created(), created.version, &created))
}

async fn get(Staff(caller): Staff, flags: web::Data<Flags>, path: web::Path<(String, String)>) -> Result<HttpResponse> {
    let (project, key) = path.into_inner();
    let found = flags.get(&caller, project, key).await?;
    Ok(tagged(HttpResponse::Ok(), found.version, &found))
}

async fn patch(
    Staff(caller): Staff,
    flags: web::Data<Flags>,
    path: web::Path<(String, String)>,
    if_match: IfMatch,
    body: Json,
) -> Result<HttpResponse> {
    let (project, key) = path.into_inner();
    let changed = flags.patch(&caller, project, key, if_match.required()?, body.0).await?;
    Ok(tagged(HttpResponse::Ok(), changed.version, &changed))
}

async fn archive(
    Staff(caller): Staff,
    flags: web::Data<Flags>,
    path: web::Path<(String, String)>,
    query: web::Query<Purge>,
    if_match: IfMatch,
) -> Result<HttpResponse> {
    let purge = yes_or_no("/purge", query.purge.as_deref())?;
    let (project, key) = path.into_inner();
    if purge {
        flags.purge(&caller, project, key, if_match.required()?).await?;
    } else {
        flags.archive(&caller, project, key, if_match.required()?).await?;
    }
    Ok(HttpResponse::NoContent().finish())
}

async fn environments(
    Staff(caller): Staff,
    projects: web::Data<Projects>,
    path: web::Path<String>,
    paging: web::Query<Paging>,
) -> Result<HttpResponse> {
    let limit = paging.limit()?;
    let all = projects.environments(&caller, path.into_inner()).await?;
    let start = paging.cursor().and_then(|cursor| all.iter().position(|e| e.key == cursor)).map_or(0, |at| at + 1);
    let rest = all.into_iter().skip(start).take(limit + 1).collect();
    Ok(HttpResponse::Ok().json(Page::of(rest, limit, |environment| environment.key.clone())))
}

async fn create_environment(
    Staff(caller): Staff,
    flags: web::Data<Flags>,
    path: web::Path<String>,
    body: Json,
) -> Result<HttpResponse> {
    let created = flags.create_environment(&caller, path.into_inner(), body.read()?).await?;
    Ok(tagged(HttpResponse::Created(), created.version, &created))
}
