//! `F/history` and `F/history/{version}/restore`.

use actix_web::{HttpResponse, web};
use serde::Deserialize;

use super::configurations::{F, Query, respond};
use crate::error::{Error, Result};
use crate::flags::{Flags, Place};
use crate::http::{Json, Page, Paging, caller::Staff};
use crate::version::IfMatch;

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource(format!("{F}/history")).get(list))
        .service(web::resource(format!("{F}/history/{{version}}/restore")).post(restore));
}

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
    Ok(HttpResponse::Ok().json(Page { items, next_cursor: next.map(|next| next.to_string()) }))
}

async fn restore(
    Staff(caller): Staff,
    flags: web::Data<Flags>,
    path: web::Path<VersionPath>,
    query: web::Query<Query>,
    if_match: IfMatch,
    body: Json,
) -> Result<HttpResponse> {
    let (place, version) = path.into_inner().parts()?;
    let input = body.read_or_default()?;
    if query.preview()? {
        let restoration = flags.restoration(&caller, place, if_match, version).await?;
        return Ok(HttpResponse::Ok().json(restoration.preview));
    }
    Ok(respond(&flags.restore(&caller, place, if_match, version, input).await?))
}
