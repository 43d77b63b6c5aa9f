//! `P/segments/{segment}/keys`: one of a segment's lists, a key per line.

use std::convert::Infallible;
use std::sync::Arc;

use actix_web::http::header;
use actix_web::web::Bytes;
use actix_web::{HttpResponse, web};
use bellwether_core::{KeyList, Keys, SegmentEntry};
use futures_util::stream;
use serde::Deserialize;
use utoipa::{IntoParams, OpenApi};

use crate::access::Role;
use crate::error::{Error, Result};
use crate::flags::segments::lines::Lines;
use crate::flags::segments::service::apart;
use crate::flags::segments::{Edit, KeysOutcome, Segments};
use crate::http::{Text, caller::Staff, tagged, yes_or_no};
use crate::version::IfMatch;

/// Keys of one piece of an answer.
const TOGETHER: usize = 2_000;

pub(super) fn routes(config: &mut web::ServiceConfig) {
    let keys = web::resource("/projects/{project}/segments/{segment}/keys");
    config.service(keys.get(get).put(replace).post(add).delete(remove));
}

#[derive(OpenApi)]
#[openapi(paths(get, replace, add, remove))]
pub(super) struct Operations;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Which {
    /// Who belongs to the segment, or who does not.
    #[param(value_type = KeyList, required = false)]
    list: Option<String>,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Query {
    /// Who belongs to the segment, or who does not.
    #[param(value_type = KeyList, required = false)]
    list: Option<String>,
    /// Changes nothing and answers what would change.
    #[param(value_type = bool, required = false)]
    preview: Option<String>,
}

/// Gives the keys of one of a segment's lists, in order, a key per line.
#[utoipa::path(
    get,
    path = "/projects/{project}/segments/{segment}/keys",
    operation_id = "getSegmentKeys",
    params(Which),
    responses((status = OK, body = String, content_type = "text/plain",
        headers(("ETag" = String, description = "The segment's version, in quotes.")))),
)]
async fn get(
    Staff(caller): Staff,
    segments: web::Data<Segments>,
    path: web::Path<(String, String)>,
    query: web::Query<Which>,
) -> Result<HttpResponse> {
    let list = named(query.list.as_deref())?;
    let (project, key) = path.into_inner();
    let entry = segments.keys(&caller, project, key).await?;
    let mut response = HttpResponse::Ok();
    response.insert_header((header::ETAG, format!("\"{}\"", entry.version())));
    response.content_type("text/plain; charset=utf-8");
    Ok(response.streaming(stream::iter(pieces(entry, list))))
}

/// Replaces one of a segment's lists.
///
/// A body of up to 256 MiB with a key per line: each of 1 to 1,000 bytes, at most 1,000,000 in all. Empty lines are
/// skipped, and a key that comes twice counts once. Where a flag of a production environment uses the segment, it takes
/// an operator.
#[utoipa::path(
    put,
    path = "/projects/{project}/segments/{segment}/keys",
    operation_id = "replaceSegmentKeys",
    params(Query, IfMatch),
    request_body(content = String, content_type = "text/plain", example = "user-1\nuser-2\nuser-3\n"),
    responses((status = OK, body = KeysOutcome)),
)]
async fn replace(asked: Asked) -> Result<HttpResponse> {
    change(asked, Edit::replace).await
}

/// Adds keys to one of a segment's lists.
///
/// The body is as for replacing it; keys that the list has already stay.
#[utoipa::path(
    post,
    path = "/projects/{project}/segments/{segment}/keys",
    operation_id = "addSegmentKeys",
    params(Query, IfMatch),
    request_body(content = String, content_type = "text/plain", example = "user-4\n"),
    responses((status = OK, body = KeysOutcome)),
)]
async fn add(asked: Asked) -> Result<HttpResponse> {
    change(asked, Edit::add).await
}

/// Removes keys from one of a segment's lists.
///
/// The body is as for replacing it; keys that the list does not have are passed over.
#[utoipa::path(
    delete,
    path = "/projects/{project}/segments/{segment}/keys",
    operation_id = "removeSegmentKeys",
    params(Query, IfMatch),
    request_body(content = String, content_type = "text/plain", example = "user-4\n"),
    responses((status = OK, body = KeysOutcome)),
)]
async fn remove(asked: Asked) -> Result<HttpResponse> {
    change(asked, Edit::remove).await
}

/// What a change of a list is asked with.
type Asked = (Staff, web::Data<Segments>, web::Path<(String, String)>, web::Query<Query>, IfMatch, Text);

async fn change(
    (Staff(caller), segments, place, query, if_match, body): Asked,
    edit: fn(KeyList, Keys) -> Edit,
) -> Result<HttpResponse> {
    let place = place.into_inner();
    let read = async |body: &mut Text| {
        let list = named(query.list.as_deref())?;
        let preview = yes_or_no("/preview", query.preview.as_deref())?;
        // Before so much is read: whoever may change nothing need not send it.
        caller.require(if preview { Role::Viewer } else { Role::Editor })?;
        Ok((list, preview, keys(body).await?))
    };
    let (list, preview, keys) = body.read(read).await?;
    let change = (list, edit(list, keys));
    let outcome: KeysOutcome = if preview {
        segments.preview_keys(&caller, place, if_match, change).await?
    } else {
        segments.change_keys(&caller, place, if_match, change).await?
    };
    Ok(tagged(HttpResponse::Ok(), outcome.version, &outcome))
}

/// The keys of a body, in order.
async fn keys(body: &mut Text) -> Result<Keys> {
    let mut lines = Lines::default();
    while let Some(part) = body.next().await? {
        lines.take(&part);
        if lines.is_due() {
            lines = apart(|| Ok(lines.compact())).await?;
        }
    }
    apart(|| lines.finish()).await
}

fn named(list: Option<&str>) -> Result<KeyList> {
    match list {
        None | Some("included") => Ok(KeyList::Included),
        Some("excluded") => Ok(KeyList::Excluded),
        Some(_) => Err(Error::invalid("/list", "is `included` or `excluded`")),
    }
}

/// A list's keys as text.
fn pieces(entry: Arc<SegmentEntry>, list: KeyList) -> impl Iterator<Item = Result<Bytes, Infallible>> {
    let starts = (0..entry.keys(list).len()).step_by(TOGETHER);
    starts.map(move |start| {
        let keys = entry.keys(list);
        let lines =
            (start..start + TOGETHER).filter_map(|at| keys.get(at)).fold(String::new(), |text, key| text + key + "\n");
        Ok(Bytes::from(lines))
    })
}
