//! `P/flags`, `P/flags/{key}`, and the environments whose making lays out every flag.

use std::collections::HashMap;

use actix_web::{HttpResponse, web};
use bellwether_core::{Fault, Value, ValueType, Variation};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, OpenApi, ToSchema};

use crate::error::{Error, Result};
use crate::flags::{ByEnvironment, FlagFilter, FlagState, FlagView, Flags, Kind, Link, NewFlag};
use crate::http::{Json, NoParameters, Page, Paging, Previewing, caller::Staff, tagged, yes_or_no};
use crate::projects::{Environment, NewEnvironment, Projects};
use crate::version::{IfMatch, RequiredIfMatch};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/projects/{project}/flags").get(list).post(create))
        .service(web::resource("/projects/{project}/flags/{key}").get(get).patch(patch).delete(archive))
        .service(web::resource("/projects/{project}/environments").get(environments).post(create_environment));
}

/// The operations of [`routes`] that are about flags.
#[derive(OpenApi)]
#[openapi(paths(list, create, get, patch, archive))]
pub(super) struct Document;

/// Those of [`routes`] that are about environments.
#[derive(OpenApi)]
#[openapi(paths(environments, create_environment))]
pub(super) struct Environments;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Query {
    /// Part of the key, name or description, whatever the case.
    #[param(value_type = String, required = false)]
    q: Option<String>,
    /// One of its tags.
    #[param(value_type = String, required = false)]
    tag: Option<String>,
    /// What it is for.
    #[param(value_type = Kind, required = false)]
    kind: Option<String>,
    /// The type of its values.
    #[serde(rename = "type")]
    #[param(value_type = ValueType, required = false)]
    value_type: Option<String>,
    /// Who looks after it, to the letter.
    #[param(value_type = String, required = false)]
    owner: Option<String>,
    /// Archived ones instead of those in use.
    #[param(value_type = bool, required = false)]
    archived: Option<String>,
    /// Where it is in its life.
    #[param(value_type = FlagState, required = false)]
    state: Option<String>,
    /// Those that are potentially stale, or those that are not.
    #[param(value_type = bool, required = false)]
    stale: Option<String>,
}

/// A merge patch (RFC 7396) of a flag's definition: null resets a member that has a default.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only its schema is used: what comes out is read as a whole")]
struct FlagPatch {
    #[schema(required = false)]
    kind: Kind,
    #[schema(required = false, min_length = 1, max_length = 200)]
    name: String,
    #[schema(max_length = 10_000)]
    description: Option<String>,
    #[schema(max_items = 50)]
    tags: Option<Vec<String>>,
    #[schema(max_length = 200)]
    owner: Option<String>,
    client_visible: Option<bool>,
    #[schema(required = false, min_items = 1, max_items = 64)]
    variations: Vec<Variation>,
    metadata: Option<HashMap<String, Value>>,
    #[schema(max_items = 20)]
    links: Option<Vec<Link>>,
    /// `false` brings an archived flag back.
    archived: Option<bool>,
}

impl Query {
    /// What is asked for. What is unclear is refused: taken for something else, the list would say what is not so.
    fn filter(self) -> Result<FlagFilter> {
        let Self { q: text, tag, kind, value_type, owner, archived, state, stale } = self;
        let mut faults = Vec::new();
        let mut one_of = |pointer: &str, given: Option<&str>, known: &[&str]| {
            if given.is_some_and(|given| !known.contains(&given)) {
                faults.push(Fault::new(pointer, format!("is one of {}", known.join(", "))));
            }
        };
        one_of("/kind", kind.as_deref(), &Kind::ALL.map(Kind::name));
        one_of("/type", value_type.as_deref(), &ValueType::ALL.map(ValueType::name));
        one_of("/archived", archived.as_deref(), &["true", "false"]);
        one_of("/stale", stale.as_deref(), &["true", "false"]);
        one_of("/state", state.as_deref(), &FlagState::ALL.map(FlagState::name));
        Error::unless_empty(faults)?;
        let state = FlagState::ALL.into_iter().find(|known| state.as_deref() == Some(known.name()));
        let stale = stale.map(|stale| stale == "true");
        // Whoever asks for a state need not say besides that archived ones have it.
        let archived = archived.map_or(state == Some(FlagState::Archived), |archived| archived == "true");
        Ok(FlagFilter { text, tag, kind, value_type, owner, archived, state, stale })
    }
}

/// What a change of a flag answers.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[schema(as = FlagOrPreviews)]
#[expect(clippy::large_enum_variant, reason = "it is written at once")]
enum Outcome {
    /// The flag as it is now.
    Flag(FlagView),
    /// With `?preview=true`, who would move.
    Preview(Previews),
}

/// Who would move by a change of a flag.
#[derive(Serialize, ToSchema)]
#[schema(as = FlagPreviews)]
struct Previews {
    /// In each environment, by its key.
    environments: ByEnvironment,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Purge {
    /// Removes a flag that is archived, and its history, for good; for admins.
    #[param(value_type = bool, required = false)]
    purge: Option<String>,
    /// Changes nothing and answers who would move. Purging moves nobody.
    #[param(value_type = bool, required = false)]
    preview: Option<String>,
}

/// Lists a project's flags, by key.
#[utoipa::path(
    get,
    path = "/projects/{project}/flags",
    operation_id = "listFlags",
    params(Query, Paging),
    responses((status = OK, body = Page<FlagView>)),
)]
async fn list(
    Staff(caller): Staff,
    flags: web::Data<Flags>,
    path: web::Path<String>,
    query: web::Query<Query>,
    paging: web::Query<Paging>,
) -> Result<HttpResponse> {
    let limit = paging.limit()?;
    let filter = query.into_inner().filter()?;
    let all = flags.list(&caller, path.into_inner(), filter).await?;
    Ok(HttpResponse::Ok().json(paging.slice(all, limit, |flag| &flag.key)?))
}

/// Creates a flag, which every environment serves off.
///
/// In every environment it is enabled and serves its off variation, so nothing changes until somebody rolls it out.
#[utoipa::path(
    post,
    path = "/projects/{project}/flags",
    operation_id = "createFlag",
    request_body(content = NewFlag, example = json!({
        "key": "page.size", "type": "integer", "kind": "config", "name": "Page size", "tags": ["web"],
        "links": [{"title": "Why pages have a size", "url": "https://wiki.example.com/page-size"}],
        "variations": [{"name": "large", "value": 50}, {"name": "small", "value": 20}],
    })),
    responses((status = CREATED, body = FlagView)),
)]
async fn create(
    Staff(caller): Staff,
    _: web::Query<NoParameters>,
    flags: web::Data<Flags>,
    path: web::Path<String>,
    body: Json,
) -> Result<HttpResponse> {
    let created = flags.create(&caller, path.into_inner(), body.read_then(NewFlag::checked)?).await?;
    Ok(tagged(HttpResponse::Created(), created.version, &created))
}

/// Shows a flag, archived or not.
#[utoipa::path(
    get,
    path = "/projects/{project}/flags/{key}",
    operation_id = "getFlag",
    responses((status = OK, body = FlagView)),
)]
async fn get(Staff(caller): Staff, flags: web::Data<Flags>, path: web::Path<(String, String)>) -> Result<HttpResponse> {
    let (project, key) = path.into_inner();
    let found = flags.get(&caller, project, key).await?;
    Ok(tagged(HttpResponse::Ok(), found.version, &found))
}

/// Changes a flag by a JSON Merge Patch.
///
/// What SDKs can see of it becomes a new version in every environment; then it takes an operator where one of them is
/// production.
#[utoipa::path(
    patch,
    path = "/projects/{project}/flags/{key}",
    operation_id = "changeFlag",
    params(Previewing, RequiredIfMatch),
    request_body(
        content = FlagPatch,
        content_type = "application/merge-patch+json",
        example = json!({"name": "The new dashboard", "tags": ["web", "q3"]}),
    ),
    responses((status = OK, body = Outcome)),
)]
async fn patch(
    Staff(caller): Staff,
    flags: web::Data<Flags>,
    path: web::Path<(String, String)>,
    query: web::Query<Previewing>,
    if_match: IfMatch,
    body: Json,
) -> Result<HttpResponse> {
    let (project, key) = path.into_inner();
    let if_match = if_match.required()?;
    if query.is_wanted()? {
        let environments = flags.preview_patch(&caller, project, key, if_match, body.0).await?;
        return Ok(HttpResponse::Ok().json(Outcome::Preview(Previews { environments })));
    }
    let changed = flags.patch(&caller, project, key, if_match, body.0).await?;
    Ok(tagged(HttpResponse::Ok(), changed.version, &Outcome::Flag(changed)))
}

/// Archives a flag: SDKs no longer know it. With `purge`, an archived one is removed for good.
#[utoipa::path(
    delete,
    path = "/projects/{project}/flags/{key}",
    operation_id = "archiveFlag",
    params(Purge, RequiredIfMatch),
    responses((status = OK, description = "With `?preview=true`.", body = Previews), (status = NO_CONTENT)),
)]
async fn archive(
    Staff(caller): Staff,
    flags: web::Data<Flags>,
    path: web::Path<(String, String)>,
    query: web::Query<Purge>,
    if_match: IfMatch,
) -> Result<HttpResponse> {
    let purge = yes_or_no("/purge", query.purge.as_deref())?;
    let preview = yes_or_no("/preview", query.preview.as_deref())?;
    let ((project, key), if_match) = (path.into_inner(), if_match.required()?);
    match (purge, preview) {
        (true, true) => {
            return Err(Error::invalid("/preview", "is of no use with `purge`: nobody is served an archived flag"));
        }
        (false, true) => {
            let environments = flags.preview_archive(&caller, project, key, if_match).await?;
            return Ok(HttpResponse::Ok().json(Previews { environments }));
        }
        (true, false) => flags.purge(&caller, project, key, if_match).await?,
        (false, false) => flags.archive(&caller, project, key, if_match).await?,
    }
    Ok(HttpResponse::NoContent().finish())
}

/// Lists a project's environments, in their order.
#[utoipa::path(
    get,
    path = "/projects/{project}/environments",
    operation_id = "listEnvironments",
    params(Paging),
    responses((status = OK, body = Page<Environment>)),
)]
async fn environments(
    Staff(caller): Staff,
    projects: web::Data<Projects>,
    path: web::Path<String>,
    paging: web::Query<Paging>,
) -> Result<HttpResponse> {
    let limit = paging.limit()?;
    let all = projects.environments(&caller, path.into_inner()).await?;
    let after = paging.number()?;
    let rest = all.into_iter().filter(|environment| after.is_none_or(|after| environment.position > after));
    let rest = rest.take(limit + 1).collect();
    Ok(HttpResponse::Ok().json(Page::of(rest, limit, |environment| environment.position.to_string())))
}

/// Creates an environment, in which every flag is served off.
#[utoipa::path(
    post,
    path = "/projects/{project}/environments",
    operation_id = "createEnvironment",
    request_body(content = NewEnvironment, example = json!({"key": "qa", "name": "QA", "production": false})),
    responses((status = CREATED, body = Environment)),
)]
async fn create_environment(
    Staff(caller): Staff,
    _: web::Query<NoParameters>,
    flags: web::Data<Flags>,
    path: web::Path<String>,
    body: Json,
) -> Result<HttpResponse> {
    let created = flags.create_environment(&caller, path.into_inner(), body.read()?).await?;
    Ok(tagged(HttpResponse::Created(), created.version, &created))
}
