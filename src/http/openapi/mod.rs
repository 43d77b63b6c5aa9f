//! The OpenAPI document, put together from what each handler says of itself and what holds for every operation of its
//! kind: credentials, path parameters, headers, problem documents.

mod operation;
mod parameter;
mod response;

use utoipa::openapi::path::{HttpMethod, Operation, PathItem};
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::tag::TagBuilder;
use utoipa::openapi::{ComponentsBuilder, InfoBuilder, LicenseBuilder, OpenApi, OpenApiBuilder, PathsBuilder};

use super::problem::{OfrepProblem, Problem};
use operation::Nature;

const SERVICE_TOKEN: &str = "service_token";
const SERVER_KEY: &str = "server_key";
const CLIENT_KEY: &str = "client_key";
const API_KEY: &str = "api_key";
const SESSION: &str = "session";

const ABOUT: &str = "\
Feature flags and canaries that take a harmful release back by themselves.

- **Errors** are problem documents (RFC 9457). `code` stays the same; `errors` names every fault of the request at once, \
each with a JSON Pointer into the body or to the query's parameter.
- **Versions.** Every object has a `version`, and its `ETag` is that number in quotes. `If-Match` is required where a \
change replaces what somebody else may have changed.
- **Lists** answer `next_cursor`; it goes into `cursor` for the next part and is null at the end.
- **Requests** keep the `X-Request-Id` they come with: 1 to 64 letters, digits, `-`, `_` and `.`. Others get one.
- **Text** holds no U+0000, in bodies and in addresses alike.";

/// Who an operation is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Callers {
    /// Everyone; no credential is looked at.
    Anyone,
    /// Service tokens, by role.
    Staff,
    /// Server keys.
    Servers,
    /// Server keys and client keys.
    Sdks,
}

/// The operations of one tag.
pub struct Part {
    /// The tag.
    pub tag: &'static str,
    /// What the operations have in common.
    pub about: &'static str,
    /// Who they are for.
    pub callers: Callers,
    /// What their paths begin with.
    pub prefix: &'static str,
    /// As their handlers describe them.
    pub operations: OpenApi,
}

/// The schemas of what no handler names.
#[derive(utoipa::OpenApi)]
#[openapi(components(schemas(Problem, OfrepProblem)))]
struct Shared;

/// The whole document.
#[must_use]
pub fn document(parts: Vec<Part>) -> OpenApi {
    let info = InfoBuilder::new()
        .title("Bellwether")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(ABOUT))
        .license(Some(LicenseBuilder::new().name("Apache-2.0").identifier(Some("Apache-2.0")).build()));
    let components = ComponentsBuilder::new().responses_from_iter(response::problems());
    let components = response::headers()
        .into_iter()
        .fold(components, |components, (name, header)| components.header(name, header))
        .build();
    let mut tags: Vec<_> = Vec::new();
    let mut whole = OpenApiBuilder::new().info(info.build()).paths(PathsBuilder::new().build());
    whole = whole.components(Some(components));
    let mut whole = whole.build();
    for part in parts {
        if tags.iter().all(|(name, _)| *name != part.tag) {
            tags.push((part.tag, part.about));
        }
        whole.merge(completed(part));
    }
    whole.merge(<Shared as utoipa::OpenApi>::openapi());
    whole.tags = Some(
        tags.into_iter().map(|(name, about)| TagBuilder::new().name(name).description(Some(about)).build()).collect(),
    );
    if let Some(components) = &mut whole.components {
        components.security_schemes.extend(schemes().map(|(name, scheme)| (name.to_owned(), scheme.into())));
    }
    whole
}

/// The part with its whole paths, and with what its handlers need not say.
fn completed(part: Part) -> OpenApi {
    let Part { tag, callers, prefix, mut operations, .. } = part;
    let paths = std::mem::take(&mut operations.paths.paths);
    for (path, mut item) in paths {
        let path = format!("{prefix}{path}");
        for (method, operation) in methods(&mut item) {
            operation.tags = Some(vec![tag.to_owned()]);
            operation.security = Some(callers.requirements());
            operation::complete(operation, &Nature { method, path: &path, callers });
        }
        operations.paths.paths.insert(path, item);
    }
    operations.tags = None;
    operations
}

fn methods(item: &mut PathItem) -> impl Iterator<Item = (HttpMethod, &mut Operation)> {
    let PathItem { get, put, post, delete, patch, .. } = item;
    let all = [
        (HttpMethod::Get, get),
        (HttpMethod::Put, put),
        (HttpMethod::Post, post),
        (HttpMethod::Delete, delete),
        (HttpMethod::Patch, patch),
    ];
    all.into_iter().filter_map(|(method, operation)| Some((method, operation.as_mut()?)))
}

impl Callers {
    /// The credentials that do, each by itself.
    fn requirements(self) -> Vec<SecurityRequirement> {
        let names: &[&str] = match self {
            Self::Anyone => &[],
            Self::Staff => &[SERVICE_TOKEN],
            Self::Servers => &[SERVER_KEY],
            Self::Sdks => &[SERVER_KEY, CLIENT_KEY, API_KEY],
        };
        names.iter().map(|name| SecurityRequirement::new(*name, [] as [&str; 0])).collect()
    }
}

fn schemes() -> [(&'static str, SecurityScheme); 5] {
    let bearer = |form: &str, about: &str| {
        let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format(form).description(Some(about));
        SecurityScheme::Http(scheme.build())
    };
    [
        (SERVICE_TOKEN, bearer("bw_svc_…", "A service token: the admin API, by its role.")),
        (SERVER_KEY, bearer("bw_sdk_…", "A server key: one environment, everything that an SDK does.")),
        (CLIENT_KEY, bearer("bw_pub_…", "A client key: one environment, the flags that are visible to clients.")),
        (
            API_KEY,
            SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::with_description(
                "X-API-Key",
                "A server key or a client key, for OFREP clients that send it this way.",
            ))),
        ),
        (
            SESSION,
            SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::with_description(
                "bw_session",
                "A user's session, `__Host-bw_session` under TLS: it opens the pages under `/ui`, and no operation here.",
            ))),
        ),
    ]
}
