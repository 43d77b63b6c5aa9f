//! `GET /openapi.json`: the document of the API, from the handlers that answer it.

use std::sync::LazyLock;

use actix_web::{HttpRequest, HttpResponse, web};
use utoipa::OpenApi;

use super::metrics;
use crate::http::assets::{self, Asset};
use crate::http::openapi::{Callers, Part, document};
use crate::http::{docs, health};
use crate::{audit, canary, flags, measurements, projects, stream, tokens};

const API: &str = "/api/v1";

/// Made once: it is the same for as long as the program runs.
static FILE: LazyLock<Asset> = LazyLock::new(|| {
    // Nothing in the document can fail to be JSON.
    let json = document(parts()).to_json().unwrap_or_default();
    Asset::new("openapi.json", "application/json", json.into_bytes())
});

/// The operation of [`routes`].
#[derive(OpenApi)]
#[openapi(paths(get))]
struct Own;

/// The route.
pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.service(web::resource("/openapi.json").get(get));
}

/// Gives this document: OpenAPI 3.1.
#[utoipa::path(
    get,
    path = "/openapi.json",
    operation_id = "getOpenApi",
    responses(
        (status = OK, description = "The document.", body = Object, headers(("ETag" = String))),
        (status = NOT_MODIFIED, description = "It is the one at hand."),
    ),
)]
async fn get(request: HttpRequest) -> HttpResponse {
    assets::send(&FILE, None, &request)
}

/// Every operation there is. A tag is described where it comes first.
fn parts() -> Vec<Part> {
    let part = |tag, about, callers, prefix, operations| Part { tag, about, callers, prefix, operations };
    vec![
        part(
            "Projects and environments",
            "Where flags live and what a key opens.",
            Callers::Staff,
            API,
            projects::api::Document::openapi(),
        ),
        part("Projects and environments", "", Callers::Staff, API, flags::api::environments_document()),
        part(
            "Flags",
            "What a flag is, and how each environment serves it.",
            Callers::Staff,
            API,
            flags::api::document(),
        ),
        part(
            "Segments",
            "Groups of users, by key or by rule, which flags' rules name.",
            Callers::Staff,
            API,
            flags::api::segments_document(),
        ),
        part(
            "Layers",
            "Users shared out among releases, so that no two of one layer have any in common.",
            Callers::Staff,
            API,
            flags::api::layers_document(),
        ),
        part(
            "Canaries",
            "Releases that climb through shares, watched by guards that take them back.",
            Callers::Staff,
            API,
            canary::api::document(),
        ),
        part(
            "Tokens",
            "Who may call: programs of ours, services, apps.",
            Callers::Staff,
            API,
            tokens::api::Document::openapi(),
        ),
        part("Audit", "Who changed what, when and why.", Callers::Staff, API, audit::api::Document::openapi()),
        part(
            "SDKs",
            "What an SDK asks of the server with its environment's server key.",
            Callers::Servers,
            API,
            flags::api::sdk_document(),
        ),
        part("SDKs", "", Callers::Servers, API, stream::api::Document::openapi()),
        part("Fleet", "Which instance has which revision.", Callers::Staff, API, stream::api::fleet_document()),
        part("SDKs", "", Callers::Servers, API, measurements::api::Document::openapi()),
        part("SDKs", "", Callers::Sdks, API, measurements::api::EventsDocument::openapi()),
        part(
            "Evaluation",
            "The OpenFeature Remote Evaluation Protocol, for callers without an SDK.",
            Callers::Sdks,
            "/ofrep/v1",
            flags::api::ofrep_document(),
        ),
        part("Server", "The server itself.", Callers::Anyone, "", health::Document::openapi()),
        part("Server", "", Callers::Staff, "", metrics::Document::openapi()),
        part("Server", "", Callers::Anyone, "", Own::openapi()),
        part("Server", "", Callers::Anyone, "", docs::Document::openapi()),
    ]
}
