//! The JSON of flags: for people and pipelines under `/api/v1`, for SDKs, and by OFREP.

mod bulk;
mod configurations;
mod definitions;
mod history;
mod ofrep;
mod snapshot;

use actix_web::web;

/// The routes under `/api/v1`.
pub fn routes(config: &mut web::ServiceConfig) {
    definitions::routes(config);
    bulk::routes(config);
    configurations::routes(config);
    history::routes(config);
    config.service(web::resource("/snapshot").get(snapshot::get));
}

/// The routes under `/ofrep/v1`.
pub fn ofrep_routes(config: &mut web::ServiceConfig) {
    config.service(web::resource("/evaluate/flags/{key}").post(ofrep::evaluate));
}
