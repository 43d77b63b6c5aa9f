//! OFREP's evaluation of one flag.

use actix_web::{HttpRequest, HttpResponse, web};
use bellwether_core::{Context, ErrorCode, Evaluation};
use serde_json::{Map, Value, json};

use crate::access::Caller;
use crate::error::{Error, Result};
use crate::flags::Flags;
use crate::http::{Json, problem, request};

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
    let found = served.state.flag(key).filter(|entry| !from_client || entry.flag().client_visible);
    let outcome = found.ok_or(ErrorCode::FlagNotFound).and_then(|entry| entry.compiled().evaluate(&context));
    Ok(match outcome {
        Ok(evaluation) => HttpResponse::Ok().json(success(key, &evaluation, served.state.revision())),
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

fn success(key: &str, evaluation: &Evaluation<'_>, revision: u64) -> Value {
    let mut metadata =
        Map::from_iter([("version".to_owned(), json!(evaluation.version)), ("revision".to_owned(), json!(revision))]);
    if let Some(rule) = evaluation.rule {
        metadata.insert("rule".to_owned(), json!(rule));
    }
    json!({
        "key": key,
        "value": evaluation.value,
        "reason": evaluation.reason,
        "variant": evaluation.variation,
        "metadata": metadata,
    })
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
