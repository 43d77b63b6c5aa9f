//! `F/explain`.

use actix_web::{HttpResponse, web};
use bellwether_core::{Context, Fault};
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::Value;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{AdditionalProperties, ObjectBuilder, Schema, Type};
use utoipa::{IntoParams, OpenApi, PartialSchema, ToSchema};

use super::configurations::F;
use crate::error::{Error, Result};
use crate::flags::{Asked, Explained, Flags, Place};
use crate::http::{Json, caller::Staff};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.service(web::resource(format!("{F}/explain")).post(explain));
}

/// The operation of [`routes`], by its path under [`F`].
#[derive(OpenApi)]
#[openapi(paths(explain))]
pub(super) struct Document;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Query {
    /// A moment in the past (RFC 3339): what was served then. Not together with `revision`.
    #[param(value_type = DateTime<Utc>, required = false)]
    at: Option<String>,
    /// A revision of the environment: what was served with it, up to the moment when the next one took its place.
    #[param(value_type = u64, required = false)]
    revision: Option<String>,
}

/// For whom it is explained: `{"context": {…}}` as OFREP has it, or the context alone.
///
/// What has a member `context` is the first: a context with an attribute of that name is sent as one.
#[derive(ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "only its schema is used: a context may hold anything")]
enum ExplanationRequest {
    /// As OFREP has it.
    Wrapped(WrappedContext),
    /// The attributes themselves.
    Bare(BareContext),
}

/// At least one attribute, and none called `context`.
struct BareContext;

impl PartialSchema for BareContext {
    fn schema() -> RefOr<Schema> {
        let name = ObjectBuilder::new().schema_type(Type::String).pattern(Some("^(?!context$)"));
        let attributes = ObjectBuilder::new()
            .schema_type(Type::Object)
            .description(Some("At least one attribute, and none called `context`."))
            .property_names(Some(name))
            .additional_properties(Some(AdditionalProperties::FreeForm(true)))
            .min_properties(Some(1));
        attributes.into()
    }
}

impl ToSchema for BareContext {}

#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "as above")]
struct WrappedContext {
    /// Attributes of the user or whatever else it is about; `targetingKey` names it.
    context: std::collections::HashMap<String, Value>,
}

impl Query {
    fn asked(&self) -> Result<Asked> {
        let at = self.at.as_deref().map(|text| {
            let at = DateTime::parse_from_rfc3339(text).map(|at| Asked::At(at.with_timezone(&Utc)));
            at.map_err(|_| Fault::new("/at", "is a time as RFC 3339 has it: 2026-11-21T14:03:00Z"))
        });
        let revision = self.revision.as_deref().map(|text| {
            let number = text.parse().ok().filter(|number| i64::try_from(*number).is_ok());
            number.map(Asked::Revision).ok_or_else(|| Fault::new("/revision", "is a revision's number"))
        });
        match (at, revision) {
            (None, None) => Ok(Asked::Now),
            (Some(asked), None) | (None, Some(asked)) => asked.map_err(|fault| Error::Invalid(vec![fault])),
            (Some(at), Some(revision)) => {
                let one = Fault::new("/revision", "is not asked for together with `at`");
                let faults = [at.err(), Some(revision.err().unwrap_or(one))];
                Err(Error::Invalid(faults.into_iter().flatten().collect()))
            }
        }
    }
}

/// The context of a body. One that has a member `context` is taken at its word: a context that was not meant would
/// get an answer that is not asked for.
fn context(body: Value) -> Result<Context> {
    let Value::Object(mut members) = body else {
        return Err(Error::invalid("", "is an object: a context, or one as the member `context`"));
    };
    if members.is_empty() {
        return Err(Error::invalid("/context", "is missing; for nobody in particular send {\"context\": {}}"));
    }
    let Some(wrapped) = members.remove("context") else { return Ok(Context::from(members)) };
    let told = "is not known beside `context`; a context with an attribute of that name is sent as {\"context\": {…}}";
    let mut faults: Vec<_> = members.keys().map(|name| Fault::new(pointer(name), told)).collect();
    match wrapped {
        Value::Object(attributes) if faults.is_empty() => return Ok(Context::from(attributes)),
        Value::Object(_) => {}
        Value::Null => {
            let told = "is null; for nobody in particular send {\"context\": {}}";
            faults.push(Fault::new("/context", told));
        }
        _ => faults.push(Fault::new("/context", "is an object of attributes")),
    }
    Err(Error::Invalid(faults))
}

fn pointer(name: &str) -> String {
    format!("/{}", name.replace('~', "~0").replace('/', "~1"))
}

/// Explains what a flag serves a context, or did: every step, and the change that made it so.
///
/// With `at` or `revision` it is answered from the versions that are kept, segments and prerequisites as they were, and
/// clauses on time compare with that moment. `change` names the last change before which the same context was served
/// something else; where that lies further back than is kept, `unchanged_since` says how far was looked.
#[utoipa::path(
    post,
    path = "/explain",
    operation_id = "explainFlag",
    params(Query),
    request_body(content = ExplanationRequest, examples(
        ("wrapped" = (summary = "As OFREP has it", value = json!({"context": {"targetingKey": "user-42", "country": "NO"}}))),
        ("bare" = (summary = "The context alone", value = json!({"targetingKey": "user-42", "country": "NO"}))),
    )),
    responses((status = OK, body = Explained)),
)]
async fn explain(
    Staff(caller): Staff,
    flags: web::Data<Flags>,
    path: web::Path<Place>,
    query: web::Query<Query>,
    body: Json,
) -> Result<HttpResponse> {
    let (asked, context) = match (query.asked(), context(body.0)) {
        (Ok(asked), Ok(context)) => (asked, context),
        (asked, context) => {
            let refused = [asked.err(), context.err()];
            return Err(Error::Invalid(refused.iter().flatten().flat_map(Error::faults).cloned().collect()));
        }
    };
    Ok(HttpResponse::Ok().json(flags.explain(&caller, path.into_inner(), asked, context).await?))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_body_is_a_context_or_has_one() {
        let user: Context = serde_json::from_value(json!({"targetingKey": "u"})).unwrap();
        assert_eq!(context(json!({"context": {"targetingKey": "u"}})).unwrap(), user);
        assert_eq!(context(json!({"targetingKey": "u"})).unwrap(), user);
        assert_eq!(context(json!({"context": {}})).unwrap(), Context::anonymous());
        let inner = context(json!({"context": {"context": "web"}})).unwrap();
        assert_eq!(inner.get("context"), Some(&json!("web")));
        for (wrong, pointers) in [
            (json!(null), vec![""]),
            (json!([]), vec![""]),
            (json!({}), vec!["/context"]),
            (json!({"context": null}), vec!["/context"]),
            (json!({"context": "web"}), vec!["/context"]),
            (json!({"context": {}, "a/b": 1}), vec!["/a~1b"]),
            (json!({"context": 1, "targetingKey": "u"}), vec!["/targetingKey", "/context"]),
        ] {
            let error = context(wrong).unwrap_err();
            let found: Vec<_> = error.faults().iter().map(|fault| fault.pointer.as_str()).collect();
            assert_eq!(found, pointers);
        }
    }

    #[test]
    fn one_moment_is_asked_about() {
        let asked = |at: Option<&str>, revision: Option<&str>| {
            Query { at: at.map(str::to_owned), revision: revision.map(str::to_owned) }.asked()
        };
        assert_eq!(asked(None, None).unwrap(), Asked::Now);
        assert_eq!(asked(None, Some("7")).unwrap(), Asked::Revision(7));
        let at = "2026-11-21T10:00:00Z".parse().unwrap();
        assert_eq!(asked(Some("2026-11-21T11:00:00+01:00"), None).unwrap(), Asked::At(at));
        for (at, revision) in [
            (Some("yesterday"), None),
            (None, Some("-1")),
            (None, Some("18446744073709551615")),
            (Some("2026-11-21T10:00:00Z"), Some("7")),
        ] {
            assert_eq!(asked(at, revision).unwrap_err().faults().len(), 1);
        }
        assert_eq!(asked(Some(""), Some("")).unwrap_err().faults().len(), 2);
    }
}
