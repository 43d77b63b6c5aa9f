//! OFREP's evaluation of one flag.

use actix_web::{HttpRequest, HttpResponse, web};
use bellwether_core::{Context, ErrorCode, Evaluation, Reason};
use serde::Serialize;
use serde_json::Value;
use utoipa::{OpenApi, ToSchema};

use crate::access::Caller;
use crate::clock;
use crate::error::{Error, Result};
use crate::flags::Flags;
use crate::http::{Json, problem, request};

/// The operation of [`evaluate`].
#[derive(OpenApi)]
#[openapi(paths(evaluate))]
pub(super) struct Document;

/// For whom a flag is evaluated.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is used: a context may hold anything")]
struct EvaluationRequest {
    /// Attributes of the user or whatever else it is about; `targetingKey` names it.
    #[schema(value_type = Option<HashMap<String, Value>>)]
    context: Option<()>,
}

/// What a flag serves, as OFREP has it.
#[derive(Serialize, ToSchema)]
#[schema(as = Evaluation)]
struct Success<'e> {
    /// The flag's key.
    key: &'e str,
    /// The value served.
    value: &'e Value,
    /// Why.
    reason: Reason,
    /// The variation's name.
    variant: &'e str,
    metadata: Metadata<'e>,
}

/// What the value was made from.
#[derive(Serialize, ToSchema)]
#[schema(as = EvaluationMetadata)]
struct Metadata<'e> {
    /// Version of the flag in the environment.
    version: u64,
    /// Revision of the environment.
    revision: u64,
    /// The rule that matched.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    rule: Option<&'e str>,
}

/// Evaluates a flag for a context, by the OpenFeature Remote Evaluation Protocol.
///
/// To a client key a flag that is not marked visible to clients does not exist.
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
    caller: Caller,
    flags: web::Data<Flags>,
    path: web::Path<String>,
    http: HttpRequest,
    body: Json,
) -> Result<HttpResponse> {
    let (environment, from_client) = caller.sdk_environment()?;
    let context = context(body.0)?;
    let environment = flags.live().environment(environment)?;
    let served = environment.served();
    let key = path.as_str();
    // To a client a flag that it may not see is a flag that does not exist.
    environment.count_evaluations(1);
    let found = served.state.flag(key).filter(|entry| !from_client || entry.flag().client_visible());
    let outcome = found.ok_or(ErrorCode::FlagNotFound);
    let outcome = outcome.and_then(|entry| served.state.evaluate_entry(entry, &context, clock::current()));
    Ok(match outcome {
        Ok(evaluation) => HttpResponse::Ok().json(Success::of(key, &evaluation, served.state.revision())),
        Err(code) => problem::respond_ofrep(code, explain(code, key), &http, &request::id(&http)),
    })
}

fn context(body: Value) -> Result<Context> {
    let Value::Object(mut members) = body else {
        return Err(Error::invalid("", "is an object with a `context`"));
    };
    match members.remove("context") {
        None | Some(Value::Null) => Ok(Context::anonymous()),
        Some(Value::Object(attributes)) => Ok(Context::from(attributes)),
        Some(_) => Err(Error::invalid("/context", "is an object of attributes")),
    }
}

impl<'e> Success<'e> {
    fn of(key: &'e str, evaluation: &'e Evaluation<'_>, revision: u64) -> Self {
        let metadata = Metadata { version: evaluation.version, revision, rule: evaluation.rule };
        Self { key, value: evaluation.value, reason: evaluation.reason, variant: evaluation.variation, metadata }
    }
}

fn explain(code: ErrorCode, key: &str) -> String {
    match code {
        ErrorCode::FlagNotFound => format!("there is no flag {key}"),
        ErrorCode::TargetingKeyMissing => {
            "the flag is split by an attribute (targetingKey unless said otherwise) that the context lacks".to_owned()
        }
        _ => "the flag can't be evaluated".to_owned(),
    }
}
