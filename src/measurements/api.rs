//! `POST /api/v1/measurements`.

use actix_web::{HttpResponse, web};

use super::Measurements;
use crate::access::Caller;
use crate::error::Result;
use crate::http::Json;

/// The routes under `/api/v1`.
pub fn routes(config: &mut web::ServiceConfig) {
    config.service(web::resource("/measurements").post(take));
}

async fn take(caller: Caller, measurements: web::Data<Measurements>, body: Json) -> Result<HttpResponse> {
    caller.server_environment()?;
    Ok(HttpResponse::Accepted().json(measurements.take(&caller, body.0).await?))
}
