//! The JSON of flags: for people and pipelines under `/api/v1`, for SDKs, and by OFREP.

mod bulk;
mod configurations;
mod definitions;
mod explain;
mod history;
mod layers;
mod ofrep;
mod snapshot;

use actix_web::web;
use utoipa::OpenApi as _;
use utoipa::openapi::OpenApi;

use super::segments;

/// The routes under `/api/v1`.
pub fn routes(config: &mut web::ServiceConfig) {
    definitions::routes(config);
    bulk::routes(config);
    configurations::routes(config);
    history::routes(config);
    explain::routes(config);
    layers::routes(config);
    segments::routes(config);
    config.service(web::resource("/snapshot").get(snapshot::get));
}

/// The routes under `/ofrep/v1`.
pub fn ofrep_routes(config: &mut web::ServiceConfig) {
    ofrep::routes(config);
}

/// The operations on flags, by their paths under `/api/v1`.
#[must_use]
pub fn document() -> OpenApi {
    definitions::Document::openapi()
        .merge_from(bulk::Document::openapi())
        .nest(configurations::F, configurations::Document::openapi())
        .nest(configurations::F, history::Document::openapi())
        .nest(configurations::F, explain::Document::openapi())
}

/// The operations on segments, by their paths under `/api/v1`.
#[must_use]
pub fn segments_document() -> OpenApi {
    segments::document()
}

/// The operation on layers, by its path under `/api/v1`.
#[must_use]
pub fn layers_document() -> OpenApi {
    layers::Document::openapi()
}

/// The operations on environments that are about every flag in them, by their paths under `/api/v1`.
#[must_use]
pub fn environments_document() -> OpenApi {
    definitions::Environments::openapi()
}

/// The operations of SDKs, by their paths under `/api/v1`.
#[must_use]
pub fn sdk_document() -> OpenApi {
    snapshot::Document::openapi()
}

/// The operations of OFREP, by their paths under `/ofrep/v1`.
#[must_use]
pub fn ofrep_document() -> OpenApi {
    ofrep::Document::openapi()
}
