//! `P/flags:bulk`.

use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::flags::{BulkInput, BulkItem, Flags};
use crate::http::{Json, caller::Staff, yes_or_no};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.service(web::resource("/projects/{project}/flags:bulk").post(bulk));
}

#[derive(Deserialize)]
struct Query {
    confirm_shrink: Option<String>,
}

/// What became of each flag, in the order of the request.
#[derive(Debug, Serialize)]
struct Done {
    items: Vec<BulkItem>,
}

async fn bulk(
    Staff(caller): Staff,
    flags: web::Data<Flags>,
    path: web::Path<String>,
    query: web::Query<Query>,
    body: Json,
) -> Result<HttpResponse> {
    let confirmed = yes_or_no("/confirm_shrink", query.confirm_shrink.as_deref())?;
    let bulk = body.read_then(BulkInput::checked)?;
    let items = flags.bulk(&caller, path.into_inner(), bulk, confirmed).await?;
    Ok(HttpResponse::Ok().json(Done { items }))
}
