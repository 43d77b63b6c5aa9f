//! `/health`, `/health/live`, `/health/ready`.

use actix_web::{HttpResponse, web};
use serde::Serialize;
use utoipa::{OpenApi, ToSchema};

use crate::db::{Connection, Part, Store};

/// The routes.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/health").get(health))
        .service(web::resource("/health/live").get(live))
        .service(web::resource("/health/ready").get(ready));
}

/// The operations of [`routes`].
#[derive(Debug, OpenApi)]
#[openapi(paths(health, live, ready))]
pub struct Document;

/// How the server is.
#[derive(Serialize, ToSchema)]
struct Health {
    status: Status,
    /// The server's version.
    version: &'static str,
}

/// Whether the server lives, or can take requests.
#[derive(Serialize, ToSchema)]
struct Readiness {
    status: Status,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    reason: Option<&'static str>,
}

/// In a word.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = HealthStatus)]
enum Status {
    /// All is well.
    Ok,
    /// The store does not answer; flags are still evaluated from memory.
    Degraded,
    /// It takes no requests that need the store.
    Unavailable,
}

/// Says how the server is, and its version.
#[utoipa::path(get, path = "/health", operation_id = "getHealth", responses((status = OK, body = Health)))]
async fn health(store: web::Data<Store>) -> HttpResponse {
    let status = if store_answers(&store).await { Status::Ok } else { Status::Degraded };
    HttpResponse::Ok().json(Health { status, version: env!("CARGO_PKG_VERSION") })
}

/// Says that the process lives.
#[utoipa::path(get, path = "/health/live", operation_id = "getLiveness", responses((status = OK, body = Readiness)))]
async fn live() -> HttpResponse {
    HttpResponse::Ok().json(Readiness { status: Status::Ok, reason: None })
}

/// Says whether the server can take requests that need the store.
#[utoipa::path(
    get,
    path = "/health/ready",
    operation_id = "getReadiness",
    responses(
        (status = OK, body = Readiness),
        (status = SERVICE_UNAVAILABLE, body = Readiness, description = "The store does not answer."),
    ),
)]
async fn ready(store: web::Data<Store>) -> HttpResponse {
    if store_answers(&store).await {
        HttpResponse::Ok().json(Readiness { status: Status::Ok, reason: None })
    } else {
        let reason = Some("the store does not answer");
        HttpResponse::ServiceUnavailable().json(Readiness { status: Status::Unavailable, reason })
    }
}

async fn store_answers(store: &Store) -> bool {
    store.read(Part::Configuration, |c: &mut Connection<'_>| crate::projects::count(c)).await.is_ok()
}
