//! `F` and its small verbs.

use actix_web::{HttpResponse, web};
use serde::Deserialize;

use crate::access::Caller;
use crate::error::Result;
use crate::flags::{Configured, Flags, Place, Wanted};
use crate::http::{Json, caller::Staff, tagged, yes_or_no};
use crate::version::IfMatch;

pub(super) const F: &str = "/projects/{project}/environments/{environment}/flags/{flag}";

pub(super) fn routes(config: &mut web::ServiceConfig) {
    let under = |rest: &str| web::resource(format!("{F}{rest}"));
    config
        .service(under("").get(get).put(put).patch(patch))
        .service(under("/enable").put(enable))
        .service(under("/disable").put(disable))
        .service(under("/rollout").put(rollout))
        .service(under("/targets/{variation}/{key}").put(target).delete(untarget));
}

#[derive(Deserialize)]
struct TargetPath {
    project: String,
    environment: String,
    flag: String,
    variation: String,
    key: String,
}

impl TargetPath {
    fn parts(self) -> (Place, String, String) {
        let place = Place { project: self.project, environment: self.environment, flag: self.flag };
        (place, self.variation, self.key)
    }
}

#[derive(Deserialize)]
pub(super) struct Query {
    preview: Option<String>,
}

impl Query {
    /// Whether the change is only to be previewed.
    pub(super) fn preview(&self) -> Result<bool> {
        yes_or_no("/preview", self.preview.as_deref())
    }
}

pub(super) fn respond(configured: &Configured) -> HttpResponse {
    tagged(HttpResponse::Ok(), configured.version, configured)
}

async fn get(Staff(caller): Staff, flags: web::Data<Flags>, path: web::Path<Place>) -> Result<HttpResponse> {
    Ok(respond(&flags.configured(&caller, path.into_inner()).await?))
}

async fn put(
    Staff(caller): Staff,
    flags: web::Data<Flags>,
    path: web::Path<Place>,
    query: web::Query<Query>,
    if_match: IfMatch,
    body: Json,
) -> Result<HttpResponse> {
    let if_match = if query.preview()? { if_match } else { if_match.required()? };
    configure(&caller, &flags, path.into_inner(), &query, if_match, Wanted::Whole(body.0)).await
}

async fn patch(
    Staff(caller): Staff,
    flags: web::Data<Flags>,
    path: web::Path<Place>,
    query: web::Query<Query>,
    if_match: IfMatch,
    body: Json,
) -> Result<HttpResponse> {
    let if_match = if query.preview()? { if_match } else { if_match.required()? };
    configure(&caller, &flags, path.into_inner(), &query, if_match, Wanted::Patch(body.0)).await
}

async fn configure(
    caller: &Caller,
    flags: &Flags,
    path: Place,
    query: &Query,
    if_match: IfMatch,
    wanted: Wanted,
) -> Result<HttpResponse> {
    if query.preview()? {
        return Ok(HttpResponse::Ok().json(flags.preview(caller, path, if_match, wanted).await?));
    }
    Ok(respond(&flags.configure(caller, path, if_match, wanted).await?))
}

async fn enable(
    Staff(caller): Staff,
    flags: web::Data<Flags>,
    path: web::Path<Place>,
    if_match: IfMatch,
) -> Result<HttpResponse> {
    Ok(respond(&flags.switch(&caller, path.into_inner(), if_match, true).await?))
}

async fn disable(
    Staff(caller): Staff,
    flags: web::Data<Flags>,
    path: web::Path<Place>,
    if_match: IfMatch,
) -> Result<HttpResponse> {
    Ok(respond(&flags.switch(&caller, path.into_inner(), if_match, false).await?))
}

async fn rollout(
    Staff(caller): Staff,
    flags: web::Data<Flags>,
    path: web::Path<Place>,
    query: web::Query<Query>,
    if_match: IfMatch,
    body: Json,
) -> Result<HttpResponse> {
    configure(&caller, &flags, path.into_inner(), &query, if_match, Wanted::Rollout(body.0)).await
}

async fn target(
    Staff(caller): Staff,
    flags: web::Data<Flags>,
    path: web::Path<TargetPath>,
    if_match: IfMatch,
) -> Result<HttpResponse> {
    let (place, variation, key) = path.into_inner().parts();
    Ok(respond(&flags.target(&caller, place, if_match, variation, key, true).await?))
}

async fn untarget(
    Staff(caller): Staff,
    flags: web::Data<Flags>,
    path: web::Path<TargetPath>,
    if_match: IfMatch,
) -> Result<HttpResponse> {
    let (place, variation, key) = path.into_inner().parts();
    Ok(respond(&flags.target(&caller, place, if_match, variation, key, false).await?))
}
