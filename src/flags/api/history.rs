//! `F/history` and `F/history/{version}/restore`.

use actix_web::{HttpResponse, web};
use serde::Deserialize;
use utoipa::OpenApi;

use super::configurations::{F, Outcome};
use crate::error::{Error, Result};
use crate::flags::{Flags, Place, RestoreInput, Version};
use crate::http::{Json, Page, Paging, Previewing, caller::Staff, tagged};
use crate::version::IfMatch;

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource(format!("{F}/history")).get(list))
        .service(web::resource(format!("{F}/history/{{version}}/restore")).post(restore));
}

/// The operations of [`routes`], by their paths under [`F`].
#[derive(OpenApi)]
#[openapi(paths(list, restore))]
pub(super) struct Document;

#[derive(Deserialize)]
struct VersionPath {
    project: String,
    environment: String,
    flag: String,
    version: String,
}

impl VersionPath {
    /// The place, and the version: what is no number is a version that is not there.
    fn parts(self) -> Result<(Place, u64)> {
        let version = self.version.parse().map_err(|_| Error::NotFound(format!("version {}", self.version)))?;
        Ok((Place { project: self.project, environment: self.environment, flag: self.flag }, version))
    }
}

/// Lists the versions of a flag's configuration in an environment, newest first, with what each changed.
#[utoipa::path(
    get,
    path = "/history",
    operation_id = "listVersions",
    params(Paging),
    responses((status = OK, body = Page<Version>)),
)]
async fn list(
    Staff(caller): Staff,
    flags: web::Data<Flags>,
    path: web::Path<Place>,
    paging: web::Query<Paging>,
) -> Result<HttpResponse> {
    let (limit, before) = (paging.limit(), paging.number());
    let refused = [limit.as_ref().err(), before.as_ref().err()];
    Error::unless_empty(refused.into_iter().flatten().flat_map(Error::faults).cloned().collect())?;
    let before = before?.map(|before| u64::try_from(before).unwrap_or_default());
    let (items, next) = flags.history(&caller, path.into_inner(), before, limit?).await?;
    Ok(HttpResponse::Ok().json(Page::ending(items, next)))
}

/// Brings an old version back, as a new one.
#[utoipa::path(
    post,
    path = "/history/{version}/restore",
    operation_id = "restoreVersion",
    params(Previewing, IfMatch),
    request_body(content = Option<RestoreInput>, example = json!({"reason": "It was better before"})),
    responses((status = OK, body = Outcome)),
)]
async fn restore(
    Staff(caller): Staff,
    flags: web::Data<Flags>,
    path: web::Path<VersionPath>,
    query: web::Query<Previewing>,
    if_match: IfMatch,
    body: Json,
) -> Result<HttpResponse> {
    let (place, version) = path.into_inner().parts()?;
    let input = body.read_or_default()?;
    if query.is_wanted()? {
        let restoration = flags.restoration(&caller, place, if_match, version).await?;
        return Ok(HttpResponse::Ok().json(Outcome::Preview(restoration.preview)));
    }
    let configured = flags.restore(&caller, place, if_match, version, input).await?;
    Ok(tagged(HttpResponse::Ok(), configured.version, &Outcome::Configured(configured)))
}
