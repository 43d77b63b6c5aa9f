//! `F/canary` and below, under `/api/v1`.

use actix_web::{HttpResponse, web};
use deserr::Deserr;
use serde::{Deserialize, Serialize};
use utoipa::{OpenApi as _, ToSchema};

use super::record::LogItem;
use super::verdict::Record;
use super::view::CanaryView;
use super::{Act, Canaries, Policy};
use crate::access::Caller;
use crate::error::{Error, Result};
use crate::flags::{Place, Preview, reason_fault};
use crate::http::problem::Problem;
use crate::http::{Json, NoParameters, Page, Paging, Previewing, caller::Staff, tagged};
use crate::input::Faults;
use crate::version::{IfMatch, RequiredIfMatch};

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

#[derive(utoipa::OpenApi)]
#[openapi(paths(get, put, delete, log, verdicts, verdict, start, advance, pause, resume, rollback, promote))]
struct Document;

/// The operations of [`routes`], by their paths under `/api/v1`.
#[must_use]
pub fn document() -> utoipa::openapi::OpenApi {
    utoipa::openapi::OpenApi::default().nest(CANARY, Document::openapi())
}

#[derive(Deserialize)]
struct VerdictPath {
    #[serde(flatten)]
    place: Place,
    id: String,
}

#[derive(Default, Deserr, ToSchema)]
#[deserr(error = Faults, deny_unknown_fields)]
#[serde(deny_unknown_fields)]
#[schema(as = CanaryAct)]
struct ReasonInput {
    /// Why, for the canary's log and the audit log.
    #[deserr(default)]
    #[schema(required = false, max_length = 1_000)]
    reason: String,
}

/// What an act answers.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[schema(as = CanaryOrPreview)]
enum Outcome {
    /// The canary as it is now.
    Canary(Box<CanaryView>),
    /// With `?preview=true`, who would move.
    Preview(Box<Preview>),
}

/// Shows a flag's canary and what its guards find.
#[utoipa::path(get, path = "", operation_id = "getCanary", responses((status = OK, body = CanaryView)))]
async fn get(Staff(caller): Staff, canaries: web::Data<Canaries>, path: web::Path<Place>) -> Result<HttpResponse> {
    let view = canaries.get(&caller, path.into_inner()).await?;
    Ok(tagged(HttpResponse::Ok(), view.version, &view))
}

/// Writes the policy of a canary that does not run.
///
/// `If-Match` is required once there is one.
#[utoipa::path(
    put,
    path = "",
    operation_id = "configureCanary",
    params(IfMatch),
    request_body(content = Policy, example = json!({
        "treatment": "on",
        "control": "off",
        "layer": {"name": "checkout", "percentage": 20},
        "stages": [
            {"percentage": 5, "minimum_seconds": 600, "minimum_samples": 500},
            {"percentage": 50, "gate": "manual"},
            {"percentage": 100},
        ],
        "guards": [
            {"name": "errors", "metric": "request.error", "test": "ratio_vs_control", "margin": 0.05},
            {"name": "p99 limit", "metric": "request.duration_ms", "test": "quantile_limit", "quantile": 0.99,
             "limit": 2_000},
        ],
    })),
    responses(
        (status = OK, body = CanaryView),
        (status = PRECONDITION_REQUIRED, body = Problem, content_type = "application/problem+json",
            description = "There is a policy, so `If-Match` is required."),
    ),
)]
async fn put(
    Staff(caller): Staff,
    _: web::Query<NoParameters>,
    canaries: web::Data<Canaries>,
    path: web::Path<Place>,
    if_match: IfMatch,
    body: Json,
) -> Result<HttpResponse> {
    let view = canaries.put(&caller, path.into_inner(), if_match, body.0).await?;
    Ok(tagged(HttpResponse::Ok(), view.version, &view))
}

/// Removes a canary that does not run.
#[utoipa::path(
    delete,
    path = "",
    operation_id = "deleteCanary",
    params(RequiredIfMatch),
    responses((status = NO_CONTENT)),
)]
async fn delete(
    Staff(caller): Staff,
    _: web::Query<NoParameters>,
    canaries: web::Data<Canaries>,
    path: web::Path<Place>,
    if_match: IfMatch,
) -> Result<HttpResponse> {
    canaries.delete(&caller, path.into_inner(), if_match).await?;
    Ok(HttpResponse::NoContent().finish())
}

macro_rules! acts {
    ($($(#[$about:meta])* $name:ident, $path:literal, $id:literal => $act:expr),*) => {$(
        $(#[$about])*
        #[utoipa::path(
            post,
            path = $path,
            operation_id = $id,
            params(Previewing, IfMatch),
            request_body(content = Option<ReasonInput>, example = json!({"reason": "As agreed this morning"})),
            responses((status = OK, body = Outcome)),
        )]
        async fn $name(
            Staff(caller): Staff,
            query: web::Query<Previewing>,
            canaries: web::Data<Canaries>,
            path: web::Path<Place>,
            if_match: IfMatch,
            body: Json,
        ) -> Result<HttpResponse> {
            act(&caller, &canaries, path.into_inner(), &query, if_match, $act, body).await
        }
    )*};
}

acts! {
    /// Begins a release at the policy's first stage.
    start, "/start", "startCanary" => Act::Start,
    /// Goes to the next stage now.
    advance, "/advance", "advanceCanary" => Act::Advance,
    /// Stays at this stage; the guards keep watching.
    pause, "/pause", "pauseCanary" => Act::Pause,
    /// Goes on with a release that was paused or held.
    resume, "/resume", "resumeCanary" => Act::Resume,
    /// Serves control to everyone, which ends the release.
    rollback, "/rollback", "rollBackCanary" => Act::Rollback,
    /// Serves treatment to everyone, which ends the release.
    promote, "/promote", "promoteCanary" => Act::Promote
}

async fn act(
    caller: &Caller,
    canaries: &Canaries,
    place: Place,
    query: &Previewing,
    if_match: IfMatch,
    act: Act,
    body: Json,
) -> Result<HttpResponse> {
    let ReasonInput { reason } = body.read_or_default()?;
    Error::unless_empty(reason_fault(&reason).into_iter().collect())?;
    if query.is_wanted()? {
        let preview = canaries.preview(caller, place, if_match, act).await?;
        return Ok(HttpResponse::Ok().json(Outcome::Preview(Box::new(preview))));
    }
    let view = canaries.act(caller, place, if_match, act, reason).await?;
    Ok(tagged(HttpResponse::Ok(), view.version, &Outcome::Canary(Box::new(view))))
}

/// Lists what happened to a canary, newest first.
#[utoipa::path(
    get,
    path = "/log",
    operation_id = "listCanaryLog",
    params(Paging),
    responses((status = OK, body = Page<LogItem>)),
)]
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

/// Lists a canary's decisions, newest first, at most 20 in one answer.
#[utoipa::path(
    get,
    path = "/verdicts",
    operation_id = "listVerdicts",
    params(Paging),
    responses((status = OK, body = Page<Record>)),
)]
async fn verdicts(
    Staff(caller): Staff,
    canaries: web::Data<Canaries>,
    path: web::Path<Place>,
    paging: web::Query<Paging>,
) -> Result<HttpResponse> {
    let limit = paging.limit()?.min(VERDICTS);
    let before = paging.cursor()?;
    let items = canaries.verdicts(&caller, path.into_inner(), before, limit + 1).await?;
    let id = |record: &serde_json::Value| record.get("id").and_then(|id| id.as_str()).unwrap_or_default().to_owned();
    Ok(HttpResponse::Ok().json(Page::of(items, limit, id)))
}

/// Shows a decision with everything it was made from, so that anyone can recompute it.
#[utoipa::path(
    get,
    path = "/verdicts/{id}",
    operation_id = "getVerdict",
    responses((status = OK, body = Record)),
)]
async fn verdict(
    Staff(caller): Staff,
    canaries: web::Data<Canaries>,
    path: web::Path<VerdictPath>,
) -> Result<HttpResponse> {
    let VerdictPath { place, id } = path.into_inner();
    Ok(HttpResponse::Ok().json(canaries.verdict(&caller, place, id).await?))
}
