//! `F/canary` and below, under `/api/v1`.

use actix_web::{HttpResponse, web};
use deserr::Deserr;
use serde::Deserialize;

use super::{Act, Canaries, Policy};
use crate::error::{Error, Result};
use crate::flags::{Place, reason_fault};
use crate::http::{Json, Page, Paging, caller::Staff, tagged};
use crate::input::Faults;
use crate::version::IfMatch;

const CANARY: &str = "/projects/{project}/environments/{environment}/flags/{flag}/canary";
/// Verdicts of one answer: each holds every window it was made from.
const VERDICTS: usize = 20;

/// The routes under `/api/v1`.
pub fn routes(config: &mut web::ServiceConfig) {
    let under = |rest: &str| web::resource(format!("{CANARY}{rest}"));
    config
        .service(under("").get(get).put(put).delete(delete))
        .service(under("/log").get(log))
        .service(under("/verdicts").get(verdicts))
        .service(under("/verdicts/{id}").get(verdict))
        .service(under("/start").post(start))
        .service(under("/advance").post(advance))
        .service(under("/pause").post(pause))
        .service(under("/resume").post(resume))
        .service(under("/rollback").post(rollback))
        .service(under("/promote").post(promote));
}

#[derive(Deserialize)]
struct VerdictPath {
    #[serde(flatten)]
    place: Place,
    id: String,
}

#[derive(Default, Deserr)]
#[deserr(error = Faults, deny_unknown_fields)]
struct ReasonInput {
    #[deserr(default)]
    reason: String,
}

async fn get(Staff(caller): Staff, canaries: web::Data<Canaries>, path: web::Path<Place>) -> Result<HttpResponse> {
    let view = canaries.get(&caller, path.into_inner()).await?;
    Ok(tagged(HttpResponse::Ok(), view.version, &view))
}

async fn put(
    Staff(caller): Staff,
    canaries: web::Data<Canaries>,
    path: web::Path<Place>,
    if_match: IfMatch,
    body: Json,
) -> Result<HttpResponse> {
    let policy: Policy = body.read()?;
    let view = canaries.put(&caller, path.into_inner(), if_match, policy).await?;
    Ok(tagged(HttpResponse::Ok(), view.version, &view))
}

async fn delete(
    Staff(caller): Staff,
    canaries: web::Data<Canaries>,
    path: web::Path<Place>,
    if_match: IfMatch,
) -> Result<HttpResponse> {
    canaries.delete(&caller, path.into_inner(), if_match).await?;
    Ok(HttpResponse::NoContent().finish())
}

macro_rules! acts {
    ($($name:ident => $act:expr),*) => {$(
        async fn $name(
            Staff(caller): Staff,
            canaries: web::Data<Canaries>,
            path: web::Path<Place>,
            if_match: IfMatch,
            body: Json,
        ) -> Result<HttpResponse> {
            let place = path.into_inner();
            let view = canaries.act(&caller, place, if_match, $act, reason(body)?).await?;
            Ok(tagged(HttpResponse::Ok(), view.version, &view))
        }
    )*};
}

acts! {
    start => Act::Start,
    advance => Act::Advance,
    pause => Act::Pause,
    resume => Act::Resume,
    rollback => Act::Rollback,
    promote => Act::Promote
}

fn reason(body: Json) -> Result<String> {
    let input: ReasonInput = body.read_or_default()?;
    Error::unless_empty(reason_fault(&input.reason).into_iter().collect())?;
    Ok(input.reason)
}

async fn log(
    Staff(caller): Staff,
    canaries: web::Data<Canaries>,
    path: web::Path<Place>,
    paging: web::Query<Paging>,
) -> Result<HttpResponse> {
    let limit = paging.limit()?;
    let items = canaries.log(&caller, path.into_inner(), paging.number()?, limit + 1).await?;
    Ok(HttpResponse::Ok().json(Page::of(items, limit, |item| item.id.to_string())))
}

async fn verdicts(
    Staff(caller): Staff,
    canaries: web::Data<Canaries>,
    path: web::Path<Place>,
    paging: web::Query<Paging>,
) -> Result<HttpResponse> {
    let limit = paging.limit()?.min(VERDICTS);
    let before = paging.cursor().map(str::to_owned);
    let items = canaries.verdicts(&caller, path.into_inner(), before, limit + 1).await?;
    let id = |record: &serde_json::Value| record.get("id").and_then(|id| id.as_str()).unwrap_or_default().to_owned();
    Ok(HttpResponse::Ok().json(Page::of(items, limit, id)))
}

async fn verdict(
    Staff(caller): Staff,
    canaries: web::Data<Canaries>,
    path: web::Path<VerdictPath>,
) -> Result<HttpResponse> {
    let VerdictPath { place, id } = path.into_inner();
    Ok(HttpResponse::Ok().json(canaries.verdict(&caller, place, id).await?))
}
