//! `/tokens`, under `/api/v1`.

use actix_web::{HttpResponse, web};
use utoipa::OpenApi;

use super::{CreatedToken, NewToken, Token, TokenChange, Tokens};
use crate::error::Result;
use crate::http::{Json, NoParameters, Page, Paging, caller::Staff, tagged};
use crate::version::IfMatch;

/// The routes under `/api/v1`.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/tokens").get(list).post(create))
        .service(web::resource("/tokens/{id}").get(get).patch(change).delete(revoke));
}

/// The operations of [`routes`].
#[derive(Debug, OpenApi)]
#[openapi(paths(list, create, get, change, revoke))]
pub struct Document;

/// Lists service tokens, server keys and client keys, the oldest first; revoked ones too.
#[utoipa::path(
    get,
    path = "/tokens",
    operation_id = "listTokens",
    params(Paging),
    responses((status = OK, body = Page<Token>)),
)]
async fn list(Staff(caller): Staff, tokens: web::Data<Tokens>, paging: web::Query<Paging>) -> Result<HttpResponse> {
    let limit = paging.limit()?;
    let found = tokens.list(&caller, paging.cursor()?, limit + 1).await?;
    Ok(HttpResponse::Ok().json(Page::of(found, limit, |token| token.id.clone())))
}

/// Creates a service token, a server key or a client key; the secret is in the answer, and nowhere else ever.
#[utoipa::path(
    post,
    path = "/tokens",
    operation_id = "createToken",
    request_body(content = NewToken, examples(
        ("a service token" = (value = json!({"kind": "service_token", "name": "pipeline", "role": "editor"}))),
        ("a client key" = (value = json!({
            "kind": "client_key", "name": "web shop", "project": "default", "environment": "development",
            "allowed_origins": ["https://shop.example.com"],
        }))),
    )),
    responses((status = CREATED, body = CreatedToken)),
)]
async fn create(
    Staff(caller): Staff,
    _: web::Query<NoParameters>,
    tokens: web::Data<Tokens>,
    body: Json,
) -> Result<HttpResponse> {
    let created = tokens.create(&caller, body.read_with(NewToken::checked)?).await?;
    Ok(tagged(HttpResponse::Created(), created.about.version, &created))
}

/// Shows a token, without its secret.
#[utoipa::path(
    get,
    path = "/tokens/{id}",
    operation_id = "getToken",
    responses((status = OK, body = Token)),
)]
async fn get(Staff(caller): Staff, tokens: web::Data<Tokens>, path: web::Path<String>) -> Result<HttpResponse> {
    let found = tokens.get(&caller, path.into_inner()).await?;
    Ok(tagged(HttpResponse::Ok(), found.version, &found))
}

/// Changes a token's name, or where browsers may use a client key.
#[utoipa::path(
    patch,
    path = "/tokens/{id}",
    operation_id = "changeToken",
    params(IfMatch),
    request_body(content = TokenChange, example = json!({"name": "the web shop"})),
    responses((status = OK, body = Token)),
)]
async fn change(
    Staff(caller): Staff,
    _: web::Query<NoParameters>,
    tokens: web::Data<Tokens>,
    path: web::Path<String>,
    if_match: IfMatch,
    body: Json,
) -> Result<HttpResponse> {
    let change = body.read_with(TokenChange::checked)?;
    let changed = tokens.change(&caller, path.into_inner(), if_match, change).await?;
    Ok(tagged(HttpResponse::Ok(), changed.version, &changed))
}

/// Revokes a token at once.
#[utoipa::path(
    delete,
    path = "/tokens/{id}",
    operation_id = "revokeToken",
    params(IfMatch),
    responses((status = NO_CONTENT)),
)]
async fn revoke(
    Staff(caller): Staff,
    _: web::Query<NoParameters>,
    tokens: web::Data<Tokens>,
    path: web::Path<String>,
    if_match: IfMatch,
) -> Result<HttpResponse> {
    tokens.revoke(&caller, path.into_inner(), if_match).await?;
    Ok(HttpResponse::NoContent().finish())
}
