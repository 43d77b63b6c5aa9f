//! `POST /api/v1/measurements`.

use actix_web::{HttpResponse, web};
use utoipa::OpenApi;

use super::input::BatchInput;
use super::{Measurements, Receipt};
use crate::access::Caller;
use crate::error::Result;
use crate::http::Json;

/// The operation of [`routes`].
#[derive(Debug, OpenApi)]
#[openapi(paths(take))]
pub struct Document;

/// The routes under `/api/v1`.
pub fn routes(config: &mut web::ServiceConfig) {
    config.service(web::resource("/measurements").post(take));
}

/// Takes in what a service has measured, at most once by instance and sequence.
///
/// A window holds either a ratio (`n`, `k`) or values (`n`, `mean`, `m2`, `min`, `max`). One that comes too late is
/// counted as late and changes nothing.
#[utoipa::path(
    post,
    path = "/measurements",
    operation_id = "sendMeasurements",
    request_body(content = BatchInput, example = json!({
        "instance": "checkout-7d9f", "application": "checkout", "sequence": 12,
        "windows": [
            {"start": "2026-11-21T10:00:10Z", "seconds": 1, "release": "a release that has ended", "arm": "treatment",
             "metric": "request.error", "n": 100, "k": 2, "labels": [["POST /pay 502", 2]]},
            {"start": "2026-11-21T10:00:10Z", "seconds": 1, "release": "a release that has ended", "arm": "control",
             "metric": "request.duration_ms", "n": 900, "mean": 96.1, "m2": 51_234.5, "min": 12.0, "max": 2_100.0,
             "histogram": [[112, 37]], "above": [[2_000, 1]]},
        ],
        "exposures": [{"release": "a release that has ended", "arm": "treatment", "unit": "user-42",
            "at": "2026-11-21T10:00:11Z"}],
        "evaluations": [{"flag": "feature.new-dashboard", "variation": "on", "count": 930,
            "last": "2026-11-21T10:00:19Z"}],
    })),
    responses((status = ACCEPTED, body = Receipt)),
)]
async fn take(caller: Caller, measurements: web::Data<Measurements>, body: Json) -> Result<HttpResponse> {
    caller.server_environment()?;
    Ok(HttpResponse::Accepted().json(measurements.take(&caller, body.0).await?))
}
