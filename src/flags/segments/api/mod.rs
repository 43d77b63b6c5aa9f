//! The JSON of segments under `/api/v1`, and their keys as text.

mod keys;

use actix_web::{HttpResponse, web};
use serde::Serialize;
use utoipa::openapi::OpenApi as Document;
use utoipa::{OpenApi, ToSchema};

use super::{Edit, NewSegment, Preview, SegmentInput, SegmentView, Segments};
use crate::error::Result;
use crate::http::{Json, NoParameters, Page, Paging, Previewing, caller::Staff, tagged};
use crate::version::{IfMatch, RequiredIfMatch};

const ALL: &str = "/projects/{project}/segments";
const ONE: &str = "/projects/{project}/segments/{segment}";

/// The routes under `/api/v1`.
pub(in crate::flags) fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource(ALL).get(list).post(create))
        .service(web::resource(ONE).get(get).put(put).delete(delete))
        .configure(keys::routes);
}

/// The operations of [`routes`], by their paths.
#[must_use]
pub(in crate::flags) fn document() -> Document {
    Operations::openapi().merge_from(keys::Operations::openapi())
}

#[derive(OpenApi)]
#[openapi(paths(list, create, get, put, delete))]
struct Operations;

/// What a change answers.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[schema(as = SegmentOrPreview)]
enum Outcome {
    /// The segment as it is now.
    Segment(SegmentView),
    /// With `?preview=true`, what would change.
    Preview(Preview),
}

/// Lists a project's segments, by key, without their keys.
#[utoipa::path(
    get,
    path = "/projects/{project}/segments",
    operation_id = "listSegments",
    params(Paging),
    responses((status = OK, body = Page<SegmentView>)),
)]
async fn list(
    Staff(caller): Staff,
    segments: web::Data<Segments>,
    path: web::Path<String>,
    paging: web::Query<Paging>,
) -> Result<HttpResponse> {
    let limit = paging.limit()?;
    let all = segments.list(&caller, path.into_inner()).await?;
    Ok(HttpResponse::Ok().json(paging.slice(all, limit, |segment| &segment.key)?))
}

/// Creates a segment: users by their keys, by rules, or both.
#[utoipa::path(
    post,
    path = "/projects/{project}/segments",
    operation_id = "createSegment",
    request_body(content = NewSegment, example = json!({
        "key": "beta-testers", "name": "Beta testers", "included": ["user-1", "user-2"], "excluded": ["user-9"],
        "rules": [{"id": "staff", "clauses": [
            {"attribute": "email", "op": "ends_with", "values": ["@example.com"]},
        ]}],
    })),
    responses((status = CREATED, body = SegmentView)),
)]
async fn create(
    Staff(caller): Staff,
    _: web::Query<NoParameters>,
    segments: web::Data<Segments>,
    path: web::Path<String>,
    body: Json,
) -> Result<HttpResponse> {
    let ((key, edit), found) = body.read_with(NewSegment::edit)?;
    let created = segments.create(&caller, path.into_inner(), (key, Edit { found, ..edit })).await?;
    Ok(tagged(HttpResponse::Created(), created.version, &created))
}

/// Shows a segment, with its lists of keys as far as they have at most 1,000.
#[utoipa::path(
    get,
    path = "/projects/{project}/segments/{segment}",
    operation_id = "getSegment",
    responses((status = OK, body = SegmentView)),
)]
async fn get(
    Staff(caller): Staff,
    segments: web::Data<Segments>,
    path: web::Path<(String, String)>,
) -> Result<HttpResponse> {
    let (project, key) = path.into_inner();
    let found = segments.get(&caller, project, key).await?;
    Ok(tagged(HttpResponse::Ok(), found.version, &found))
}

/// Replaces a segment. Lists of keys that are left out stay as they are.
///
/// Where a flag of a production environment uses the segment, it takes an operator.
#[utoipa::path(
    put,
    path = "/projects/{project}/segments/{segment}",
    operation_id = "replaceSegment",
    params(Previewing, RequiredIfMatch),
    request_body(content = SegmentInput, example = json!({
        "name": "Beta testers", "description": "Who gets new things first.",
        "rules": [{"id": "staff", "clauses": [
            {"attribute": "email", "op": "ends_with", "values": ["@example.com", "@example.org"]},
        ]}],
    })),
    responses((status = OK, body = Outcome)),
)]
async fn put(
    Staff(caller): Staff,
    segments: web::Data<Segments>,
    path: web::Path<(String, String)>,
    query: web::Query<Previewing>,
    if_match: IfMatch,
    body: Json,
) -> Result<HttpResponse> {
    let (edit, found) = body.read_with(SegmentInput::edit)?;
    let edit = Edit { found, ..edit };
    if query.is_wanted()? {
        let preview = segments.preview(&caller, path.into_inner(), if_match, edit).await?;
        return Ok(HttpResponse::Ok().json(Outcome::Preview(preview)));
    }
    let changed = segments.put(&caller, path.into_inner(), if_match.required()?, edit).await?;
    Ok(tagged(HttpResponse::Ok(), changed.version, &Outcome::Segment(changed)))
}

/// Removes a segment that no flag and no other segment uses, with its keys and its past.
#[utoipa::path(
    delete,
    path = "/projects/{project}/segments/{segment}",
    operation_id = "deleteSegment",
    params(RequiredIfMatch),
    responses((status = NO_CONTENT)),
)]
async fn delete(
    Staff(caller): Staff,
    _: web::Query<NoParameters>,
    segments: web::Data<Segments>,
    path: web::Path<(String, String)>,
    if_match: IfMatch,
) -> Result<HttpResponse> {
    let (project, key) = path.into_inner();
    segments.delete(&caller, project, key, if_match.required()?).await?;
    Ok(HttpResponse::NoContent().finish())
}
