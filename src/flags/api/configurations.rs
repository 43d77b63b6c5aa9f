//! `F` and its small verbs.

use actix_web::{HttpResponse, web};
use serde::Deserialize;

use crate::access::Caller;
use crate::error::Result;
use crate::flags::{Configured, Flags, Place};
use crate::http::{Json, tagged};
use crate::version::IfMatch;

const F: &str = "/projects/{project}/environments/{environment}/flags/{flag}";

pub(super) fn routes(config: &mut web::ServiceConfig) {
    let under = |rest: &str| web::resource(format!("{F}{rest}"));
    config
        .service(under("").get(get).put(put).patch(patch))
        .service(under("/enable").put(enable))
        .service(under("/disable").put(disable))
        .service(under("/rollout").put(rollout))
        .service(under("/targets/{variation}/{key}").put(target).delete(untarget));
}

/// Where a request under `F` points.
#[derive(Deserialize)]
pub struct Path {
    project: String,
    environment: String,
    flag: String,
}

impl From<Path> for Place {
    fn from(path: Path) -> Self {
        Self { project: path.project, environment: path.environment, flag: path.flag }
    }
}

#[derive(Deserialize)]
struct TargetPath {
    #[serde(flatten)]
    place: Path,
    variation: String,
    key: String,
}

#[derive(Deserialize)]
struct Preview {
    preview: Option<String>,
}

fn respond(configured: &Configured) -> HttpResponse {
    tagged(HttpResponse::Ok(), configured.version, configured)
}

async fn get(caller: Caller, flags: web::Data<Flags>, path: web::Path<Path>) -> Result<HttpResponse> {
    Ok(respond(&flags.configured(&caller, path.into_inner().into()).await?))
}

async fn put(
    caller: Caller,
    flags: web::Data<Flags>,
    path: web::Path<Path>,
    if_match: IfMatch,
    body: Json,
) -> Result<HttpResponse> {
    Ok(respond(&flags.put(&caller, path.into_inner().into(), if_match.required()?, body.0).await?))
}

async fn patch(
    caller: Caller,
    flags: web::Data<Flags>,
    path: web::Path<Path>,
    if_match: IfMatch,
    body: Json,
) -> Result<HttpResponse> {
    let place = path.into_inner().into();
    Ok(respond(&flags.patch_configuration(&caller, place, if_match.required()?, body.0).await?))
}

async fn enable(
    caller: Caller,
    flags: web::Data<Flags>,
    path: web::Path<Path>,
    if_match: IfMatch,
) -> Result<HttpResponse> {
    Ok(respond(&flags.switch(&caller, path.into_inner().into(), if_match, true).await?))
}

async fn disable(
    caller: Caller,
    flags: web::Data<Flags>,
    path: web::Path<Path>,
    if_match: IfMatch,
) -> Result<HttpResponse> {
    Ok(respond(&flags.switch(&caller, path.into_inner().into(), if_match, false).await?))
}

async fn rollout(
    caller: Caller,
    flags: web::Data<Flags>,
    path: web::Path<Path>,
    query: web::Query<Preview>,
    if_match: IfMatch,
    body: Json,
) -> Result<HttpResponse> {
    let (place, rollout) = (path.into_inner().into(), body.0);
    if query.preview.as_deref() == Some("true") {
        return Ok(HttpResponse::Ok().json(flags.preview_rollout(&caller, place, rollout).await?));
    }
    Ok(respond(&flags.rollout(&caller, place, if_match, rollout).await?))
}

async fn target(
    caller: Caller,
    flags: web::Data<Flags>,
    path: web::Path<TargetPath>,
    if_match: IfMatch,
) -> Result<HttpResponse> {
    let TargetPath { place, variation, key } = path.into_inner();
    Ok(respond(&flags.target(&caller, place.into(), if_match, variation, key, true).await?))
}

async fn untarget(
    caller: Caller,
    flags: web::Data<Flags>,
    path: web::Path<TargetPath>,
    if_match: IfMatch,
) -> Result<HttpResponse> {
    let TargetPath { place, variation, key } = path.into_inner();
    Ok(respond(&flags.target(&caller, place.into(), if_match, variation, key, false).await?))
}
