//! `E/layers`.

use actix_web::{HttpResponse, web};
use utoipa::OpenApi;

use crate::error::Result;
use crate::flags::{Flags, LayerView};
use crate::http::{Page, Paging, caller::Staff};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.service(web::resource("/projects/{project}/environments/{environment}/layers").get(list));
}

/// The operation of [`routes`].
#[derive(OpenApi)]
#[openapi(paths(list))]
pub(super) struct Document;

/// Lists the layers in use: how much of each is free, and which release holds which buckets.
///
/// A canary asks for part of a layer by its policy. Releases that share a layer have no user in common; what one holds
/// is free when it ends.
#[utoipa::path(
    get,
    path = "/projects/{project}/environments/{environment}/layers",
    operation_id = "listLayers",
    params(Paging),
    responses((status = OK, body = Page<LayerView>)),
)]
async fn list(
    Staff(caller): Staff,
    flags: web::Data<Flags>,
    path: web::Path<(String, String)>,
    paging: web::Query<Paging>,
) -> Result<HttpResponse> {
    let limit = paging.limit()?;
    let (project, environment) = path.into_inner();
    let all = flags.layers(&caller, project, environment).await?;
    Ok(HttpResponse::Ok().json(paging.slice(all, limit, |layer| &layer.name)?))
}
