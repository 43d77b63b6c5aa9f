//! `F` and its small verbs.

use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::{OpenApi, ToSchema};

use crate::access::Caller;
use crate::error::Result;
use crate::flags::{ConfigurationDocument, Configured, Flags, Place, Preview, RolloutInput, Wanted};
use crate::http::{BodyLimit, Json, Previewing, caller::Staff, tagged};
use crate::version::{IfMatch, RequiredIfMatch};

/// `F`.
pub(super) const F: &str = "/projects/{project}/environments/{environment}/flags/{flag}";

/// Holds as many individual targets as there may be, by keys of the length of a UUID.
const LIMIT: BodyLimit = BodyLimit(4 << 20);

pub(super) fn routes(config: &mut web::ServiceConfig) {
    let under = |rest: &str| web::resource(format!("{F}{rest}"));
    config
        .service(under("").app_data(LIMIT).get(get).put(put).patch(patch))
        .service(under("/enable").put(enable))
        .service(under("/disable").put(disable))
        .service(under("/rollout").put(rollout))
        .service(under("/targets/{variation}/{key}").put(target).delete(untarget));
}

#[derive(Deserialize)]
struct TargetPath {
    project: String,
    environment: String,
    flag: String,
    variation: String,
    key: String,
}

impl TargetPath {
    fn parts(self) -> (Place, String, String) {
        let place = Place { project: self.project, environment: self.environment, flag: self.flag };
        (place, self.variation, self.key)
    }
}

/// The operations of [`routes`], by their paths under [`F`].
#[derive(OpenApi)]
#[openapi(paths(get, put, patch, enable, disable, rollout, target, untarget))]
pub(super) struct Document;

/// What a change answers.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[schema(as = FlagConfigurationOrPreview)]
pub(super) enum Outcome {
    /// The configuration as it is now.
    Configured(Configured),
    /// With `?preview=true`, who would move.
    Preview(Preview),
}

/// A merge patch (RFC 7396) of what GET answers.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only its schema is used: what comes out is read as a whole")]
struct ConfigurationPatch {
    #[schema(required = false)]
    configuration: ConfigurationMembers,
}

/// The members to change; null removes one that may be left out.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "as above")]
struct ConfigurationMembers {
    #[schema(required = false)]
    enabled: bool,
    #[schema(required = false)]
    off_variation: String,
    #[schema(value_type = Option<Vec<Object>>)]
    prerequisites: Option<()>,
    #[schema(value_type = Option<Vec<Object>>)]
    targets: Option<()>,
    #[schema(value_type = Option<Vec<Object>>)]
    rules: Option<()>,
    #[schema(value_type = Object, required = false)]
    fallthrough: (),
}

pub(super) fn respond(configured: &Configured) -> HttpResponse {
    tagged(HttpResponse::Ok(), configured.version, configured)
}

/// Shows how an environment serves a flag.
#[utoipa::path(get, path = "", operation_id = "getConfiguration", responses((status = OK, body = Configured)))]
async fn get(Staff(caller): Staff, flags: web::Data<Flags>, path: web::Path<Place>) -> Result<HttpResponse> {
    Ok(respond(&flags.configured(&caller, path.into_inner()).await?))
}

/// Replaces how an environment serves a flag, by a document as GET gives it.
#[utoipa::path(
    put,
    path = "",
    operation_id = "replaceConfiguration",
    params(Previewing, RequiredIfMatch),
    request_body(content = ConfigurationDocument, example = json!({"configuration": {
        "enabled": true,
        "off_variation": "off",
        "targets": [{"variation": "on", "keys": ["user-1"]}],
        "rules": [{
            "id": "nordic",
            "clauses": [{"attribute": "country", "op": "in", "values": ["NO", "SE"]}],
            "serve": {"variation": "on"},
        }],
        "fallthrough": {"split": {"weights": {"on": 25_000, "off": 75_000}}},
    }})),
    responses((status = OK, body = Outcome)),
)]
async fn put(
    Staff(caller): Staff,
    flags: web::Data<Flags>,
    path: web::Path<Place>,
    query: web::Query<Previewing>,
    if_match: IfMatch,
    body: Json,
) -> Result<HttpResponse> {
    let if_match = if query.is_wanted()? { if_match } else { if_match.required()? };
    configure(&caller, &flags, path.into_inner(), &query, if_match, Wanted::Whole(body.0)).await
}

/// Changes how an environment serves a flag, by a JSON Merge Patch.
#[utoipa::path(
    patch,
    path = "",
    operation_id = "changeConfiguration",
    params(Previewing, RequiredIfMatch),
    request_body(
        content = ConfigurationPatch,
        content_type = "application/merge-patch+json",
        example = json!({"configuration": {"off_variation": "on"}}),
    ),
    responses((status = OK, body = Outcome)),
)]
async fn patch(
    Staff(caller): Staff,
    flags: web::Data<Flags>,
    path: web::Path<Place>,
    query: web::Query<Previewing>,
    if_match: IfMatch,
    body: Json,
) -> Result<HttpResponse> {
    let if_match = if query.is_wanted()? { if_match } else { if_match.required()? };
    configure(&caller, &flags, path.into_inner(), &query, if_match, Wanted::Patch(body.0)).await
}

async fn configure(
    caller: &Caller,
    flags: &Flags,
    path: Place,
    query: &Previewing,
    if_match: IfMatch,
    wanted: Wanted,
) -> Result<HttpResponse> {
    if query.is_wanted()? {
        let preview = flags.preview(caller, path, if_match, wanted).await?;
        return Ok(HttpResponse::Ok().json(Outcome::Preview(preview)));
    }
    let configured = flags.configure(caller, path, if_match, wanted).await?;
    Ok(tagged(HttpResponse::Ok(), configured.version, &Outcome::Configured(configured)))
}

/// Lets a flag serve what it is configured to.
#[utoipa::path(
    put,
    path = "/enable",
    operation_id = "enableFlag",
    params(Previewing, IfMatch),
    responses((status = OK, body = Outcome)),
)]
async fn enable(
    Staff(caller): Staff,
    flags: web::Data<Flags>,
    path: web::Path<Place>,
    query: web::Query<Previewing>,
    if_match: IfMatch,
) -> Result<HttpResponse> {
    configure(&caller, &flags, path.into_inner(), &query, if_match, Wanted::Switch(true)).await
}

/// Serves the off variation to everyone: the kill switch.
#[utoipa::path(
    put,
    path = "/disable",
    operation_id = "disableFlag",
    params(Previewing, IfMatch),
    responses((status = OK, body = Outcome)),
)]
async fn disable(
    Staff(caller): Staff,
    flags: web::Data<Flags>,
    path: web::Path<Place>,
    query: web::Query<Previewing>,
    if_match: IfMatch,
) -> Result<HttpResponse> {
    configure(&caller, &flags, path.into_inner(), &query, if_match, Wanted::Switch(false)).await
}

/// Sets the shares of a flag's fallthrough, in percent with up to three decimals.
///
/// `percentage` is the share of a boolean flag's `true` variation, `weights` any split; exactly one is given.
#[utoipa::path(
    put,
    path = "/rollout",
    operation_id = "rollOutFlag",
    params(Previewing, IfMatch),
    request_body(content = RolloutInput, examples(
        ("boolean" = (summary = "A share of a boolean flag", value = json!({"percentage": 25}))),
        ("weights" = (summary = "Any split", value = json!({"weights": {"on": 40, "off": 60}}))),
    )),
    responses((status = OK, body = Outcome)),
)]
async fn rollout(
    Staff(caller): Staff,
    flags: web::Data<Flags>,
    path: web::Path<Place>,
    query: web::Query<Previewing>,
    if_match: IfMatch,
    body: Json,
) -> Result<HttpResponse> {
    configure(&caller, &flags, path.into_inner(), &query, if_match, Wanted::Rollout(body.0)).await
}

/// Serves one user a variation, whatever the rules say.
#[utoipa::path(
    put,
    path = "/targets/{variation}/{key}",
    operation_id = "addTarget",
    params(Previewing, IfMatch, ("key" = String, Path, description = "The user's targeting key.", example = "user-1",
        min_length = 1, max_length = 1_000)),
    responses((status = OK, body = Outcome)),
)]
async fn target(
    Staff(caller): Staff,
    flags: web::Data<Flags>,
    path: web::Path<TargetPath>,
    query: web::Query<Previewing>,
    if_match: IfMatch,
) -> Result<HttpResponse> {
    let (place, variation, key) = path.into_inner().parts();
    configure(&caller, &flags, place, &query, if_match, Wanted::Target { variation, key, wanted: true }).await
}

/// Serves a user no longer anything of their own.
#[utoipa::path(
    delete,
    path = "/targets/{variation}/{key}",
    operation_id = "removeTarget",
    params(Previewing, IfMatch, ("key" = String, Path, description = "The user's targeting key.", example = "user-1",
        min_length = 1, max_length = 1_000)),
    responses((status = OK, body = Outcome)),
)]
async fn untarget(
    Staff(caller): Staff,
    flags: web::Data<Flags>,
    path: web::Path<TargetPath>,
    query: web::Query<Previewing>,
    if_match: IfMatch,
) -> Result<HttpResponse> {
    let (place, variation, key) = path.into_inner().parts();
    configure(&caller, &flags, place, &query, if_match, Wanted::Target { variation, key, wanted: false }).await
}
