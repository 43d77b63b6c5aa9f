//! `P/flags:bulk`.

use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, OpenApi, ToSchema};

use crate::error::Result;
use crate::flags::{BulkInput, BulkItem, BulkPreviews, Flags};
use crate::http::{Json, caller::Staff, yes_or_no};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.service(web::resource("/projects/{project}/flags:bulk").post(bulk));
}

/// The operation of [`routes`].
#[derive(OpenApi)]
#[openapi(paths(bulk))]
pub(super) struct Document;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Query {
    /// That many flags may be archived at once.
    #[param(value_type = bool, required = false)]
    confirm_shrink: Option<String>,
    /// Changes nothing and answers who would move.
    #[param(value_type = bool, required = false)]
    preview: Option<String>,
}

/// What an action on many flags answers.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
#[schema(as = BulkDoneOrPreviews)]
enum Outcome {
    /// What became of each flag.
    Done(Done),
    /// With `?preview=true`, who would move.
    Previews(BulkPreviews),
}

/// What became of each flag, in the order of the request.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BulkDone)]
struct Done {
    /// One for each flag.
    items: Vec<BulkItem>,
}

/// Enables, disables, tags or archives many flags: all or nothing.
///
/// A preview is of all changes at once, and need not be confirmed.
#[utoipa::path(
    post,
    path = "/projects/{project}/flags:bulk",
    operation_id = "changeFlags",
    params(Query),
    request_body(content = BulkInput, examples(
        ("tag" = (summary = "Tag flags", value = json!({
            "action": "tag", "flags": ["feature.new-dashboard"], "add": ["q3"], "remove": ["web"],
        }))),
        ("disable" = (summary = "Turn flags off in an environment", value = json!({
            "action": "disable", "flags": ["feature.new-dashboard"], "environment": "development",
            "reason": "The database is overloaded",
        }))),
    )),
    responses((status = OK, body = Outcome)),
)]
async fn bulk(
    Staff(caller): Staff,
    flags: web::Data<Flags>,
    path: web::Path<String>,
    query: web::Query<Query>,
    body: Json,
) -> Result<HttpResponse> {
    let confirmed = yes_or_no("/confirm_shrink", query.confirm_shrink.as_deref())?;
    let preview = yes_or_no("/preview", query.preview.as_deref())?;
    let (bulk, found) = body.read_with(BulkInput::planned)?;
    let bulk = bulk.with(found);
    if preview {
        let previews = flags.preview_bulk(&caller, path.into_inner(), bulk).await?;
        return Ok(HttpResponse::Ok().json(Outcome::Previews(previews)));
    }
    let items = flags.bulk(&caller, path.into_inner(), bulk, confirmed).await?;
    Ok(HttpResponse::Ok().json(Outcome::Done(Done { items })))
}
