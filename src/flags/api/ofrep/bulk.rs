use actix_web::http::header::{self, ContentType};
use actix_web::{HttpRequest, HttpResponse, web};
use bellwether_core::ErrorCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::answer::{Item, USUAL_LENGTH};
use super::question::{EvaluationRequest, context};
use super::{Note, tag};
use crate::error::Result;
use crate::flags::Flags;
use crate::http::caller::SdkKey;
use crate::http::{JsonText, request};

/// What every flag serves, as OFREP has it.
#[derive(Serialize, ToSchema)]
#[schema(as = BulkEvaluation)]
struct Bulk<'e> {
    /// By key.
    flags: Vec<Item<'e>>,
    metadata: Metadata<'e>,
}

/// From where all of it is.
#[derive(Serialize, ToSchema)]
#[schema(as = BulkEvaluationMetadata)]
struct Metadata<'e> {
    /// The environment's key.
    environment: &'e str,
    /// Revision of the environment.
    revision: u64,
}

/// Evaluates every flag for a context, by the OpenFeature Remote Evaluation Protocol.
///
/// To a client key only flags that are marked visible to clients exist. A flag that has no value for the context is in
/// the list with its error. `If-None-Match` with the `ETag` of an earlier answer saves the same answer.
#[utoipa::path(
    post,
    path = "/evaluate/flags",
    operation_id = "evaluateFlags",
    params(("If-None-Match" = Option<String>, Header, description = "The `ETag` of the answer at hand.")),
    request_body(content = EvaluationRequest, example = json!({
        "context": {"targetingKey": "user-42", "country": "NO", "plan": "pro"},
    })),
    responses(
        (
            status = OK,
            body = Bulk<'_>,
            headers(("ETag" = String, description = "Names the state, the whole context and what it is served.")),
        ),
        (
            status = NOT_MODIFIED,
            description = "It is the answer at hand.",
            headers(("ETag" = String, description = "As it was given.")),
        ),
    ),
)]
pub(super) async fn evaluate(
    caller: SdkKey,
    flags: web::Data<Flags>,
    http: HttpRequest,
    body: JsonText,
) -> Result<HttpResponse> {
    let SdkKey { environment, from_client } = caller;
    // The answer's tag stands for the whole context.
    let context = context(&body.0, None)?;
    let environment = flags.live().environment(environment)?;
    let served = environment.served();
    let revision = served.state.revision();
    let note = Note::of(&flags, environment.id(), &context);
    let mut evaluated = 0;
    let mut body = Vec::with_capacity(served.by_key().len() * USUAL_LENGTH);
    body.extend_from_slice(b"{\"flags\":[");
    for entry in served.by_key() {
        let key = entry.flag().key();
        let outcome = super::evaluate(&served, entry, &context, from_client);
        // One that this caller may not see.
        if outcome == Err(ErrorCode::FlagNotFound) {
            continue;
        }
        if evaluated > 0 {
            body.push(b',');
        }
        Item::of(key, &outcome, revision).write(&mut body)?;
        note.served(key, &outcome);
        evaluated += 1;
    }
    body.extend_from_slice(b"],\"metadata\":");
    serde_json::to_writer(&mut body, &Metadata { environment: served.state.environment(), revision })?;
    body.push(b'}');
    environment.count_evaluations(evaluated);
    let etag = tag::of(&served, environment.id(), from_client, &context, &body)?;
    if request::has(&http, &etag) {
        return Ok(HttpResponse::NotModified().insert_header((header::ETAG, etag)).finish());
    }
    Ok(HttpResponse::Ok().insert_header((header::ETAG, etag)).content_type(ContentType::json()).body(body))
}
