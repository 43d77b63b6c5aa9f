//! `/health`, `/health/live`, `/health/ready`.

use actix_web::{HttpResponse, web};
use serde_json::json;

use crate::db::{Connection, Part, Store};

/// The routes.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/health").get(health))
        .service(web::resource("/health/live").get(live))
        .service(web::resource("/health/ready").get(ready));
}

async fn health(store: web::Data<Store>) -> HttpResponse {
    let status = if store_answers(&store).await { "ok" } else { "degraded" };
    HttpResponse::Ok().json(json!({"status": status, "version": env!("CARGO_PKG_VERSION")}))
}

async fn live() -> HttpResponse {
    HttpResponse::Ok().json(json!({"status": "ok"}))
}

async fn ready(store: web::Data<Store>) -> HttpResponse {
    if store_answers(&store).await {
        HttpResponse::Ok().json(json!({"status": "ok"}))
    } else {
        HttpResponse::ServiceUnavailable().json(json!({"status": "unavailable", "reason": "the store does not answer"}))
    }
}

async fn store_answers(store: &Store) -> bool {
    store.read(Part::Configuration, |c: &mut Connection<'_>| crate::projects::count(c)).await.is_ok()
}
