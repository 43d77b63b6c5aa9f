//! `POST /api/v1/measurements` and `POST /api/v1/events`.

use actix_web::{HttpResponse, web};
use utoipa::OpenApi;

use super::events::EventsInput;
use super::input::BatchInput;
use super::{EventReceipt, Measurements, Receipt};
use crate::access::Caller;
use crate::error::Result;
use crate::http::caller::SdkKey;
use crate::http::{BodyLimit, JsonText};

/// The operation for SDKs.
#[derive(Debug, OpenApi)]
#[openapi(paths(take))]
pub struct Document;

/// The operation for raw events, which client keys have, too.
#[derive(Debug, OpenApi)]
#[openapi(paths(observe))]
pub struct EventsDocument;

/// Largest body of events: 10,000 of them with contexts of the usual size.
const LIMIT: BodyLimit = BodyLimit(4 << 20);

/// The routes under `/api/v1`.
pub fn routes(config: &mut web::ServiceConfig) {
    config.service(web::resource("/measurements").post(take));
    config.service(web::resource("/events").app_data(LIMIT).post(observe));
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
async fn take(caller: Caller, measurements: web::Data<Measurements>, body: JsonText) -> Result<HttpResponse> {
    caller.server_environment()?;
    Ok(HttpResponse::Accepted().json(measurements.take(&caller, body.0).await?))
}

/// Counts what happened to users, for callers without an SDK: each event in the arms of the releases of the flags that were
/// evaluated for it, which the server works out by evaluating them.
///
/// A batch with an `instance` and a `sequence` is counted once. What is sent with a client key feeds no canary.
#[utoipa::path(
    post,
    path = "/events",
    operation_id = "sendEvents",
    request_body(content = EventsInput, example = json!({
        "instance": "shop-worker-3", "sequence": 12,
        "events": [
            {"context": {"targetingKey": "user-42", "country": "NO"}, "metric": "request.error", "value": 1,
             "label": "POST /pay 502", "flags": ["feature.new-dashboard"]},
            {"context": {"targetingKey": "user-43"}, "metric": "request.duration_ms", "value": 96.1,
             "at": "2026-11-21T10:00:11Z", "flags": ["feature.new-dashboard"]},
        ],
    })),
    responses((status = ACCEPTED, body = EventReceipt)),
)]
async fn observe(caller: SdkKey, measurements: web::Data<Measurements>, body: JsonText) -> Result<HttpResponse> {
    let SdkKey { environment, from_client } = caller;
    Ok(HttpResponse::Accepted().json(measurements.observe(environment, from_client, body.0).await?))
}
