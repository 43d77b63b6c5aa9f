use actix_web::http::header::ContentType;
use actix_web::{HttpRequest, HttpResponse, web};
use bellwether_core::ErrorCode;

use super::Note;
use super::answer::{Success, USUAL_LENGTH, details};
use super::question::{EvaluationRequest, context};
use crate::error::Result;
use crate::flags::Flags;
use crate::http::caller::SdkKey;
use crate::http::{JsonText, problem, request};

/// Evaluates a flag for a context, by the OpenFeature Remote Evaluation Protocol.
///
/// To a client key a flag that is not marked visible to clients does not exist. A context without a `targetingKey` is
/// refused only where a split needs it.
#[utoipa::path(
    post,
    path = "/evaluate/flags/{key}",
    operation_id = "evaluateFlag",
    request_body(content = EvaluationRequest, example = json!({
        "context": {"targetingKey": "user-42", "country": "NO", "plan": "pro"},
    })),
    responses((status = OK, body = Success<'_>)),
)]
pub(super) async fn evaluate(
    caller: SdkKey,
    flags: web::Data<Flags>,
    path: web::Path<String>,
    http: HttpRequest,
    body: JsonText,
) -> Result<HttpResponse> {
    let SdkKey { environment, from_client } = caller;
    let environment = flags.live().environment(environment)?;
    let served = environment.served();
    let context = context(&body.0, Some(served.asked()))?;
    let key = path.as_str();
    environment.count_evaluations(1);
    let entry = served.state.flag(key).ok_or(ErrorCode::FlagNotFound);
    let outcome = entry.and_then(|entry| super::evaluate(&served, entry, &context, from_client));
    Note::of(&flags, environment.id(), &context).served(key, &outcome);
    Ok(match outcome {
        Ok(evaluation) => {
            let mut body = Vec::with_capacity(USUAL_LENGTH);
            Success::of(key, &evaluation, served.state.revision()).write(&mut body)?;
            HttpResponse::Ok().content_type(ContentType::json()).body(body)
        }
        Err(code) => problem::respond_ofrep(code, details(code, key), &http, &request::id(&http)),
    })
}
