use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;

use super::Refused;
use super::desk::{Desk, linked};
use super::live::{head, live};
use super::seen::mark;
use super::verdict;
use crate::canary::Act;
use crate::error::{Error, Result};
use crate::flags::Place;
use crate::http::problem::Kind;
use crate::http::{PageCaller, Posted, page};
use crate::version::IfMatch;

/// Longest reason, in characters.
const REASON: usize = 500;

#[derive(Deserialize)]
pub(super) struct ActPath {
    project: String,
    environment: String,
    flag: String,
    act: String,
}

#[derive(Deserialize)]
pub(super) struct VerdictPath {
    project: String,
    environment: String,
    flag: String,
    id: String,
}

/// What the browser shows now.
#[derive(Deserialize)]
pub(super) struct Shown {
    #[serde(default)]
    seen: String,
    #[serde(default)]
    state: String,
}

#[derive(Deserialize)]
pub(super) struct Fields {
    #[serde(default)]
    reason: String,
    #[serde(default)]
    confirmation: String,
}

#[derive(Deserialize)]
pub(super) struct Form {
    #[serde(default)]
    format: String,
}

pub(super) async fn show(
    user: PageCaller,
    desk: web::Data<Desk>,
    place: web::Path<Place>,
    request: HttpRequest,
) -> Result<HttpResponse> {
    page::render(&desk.page(&user, place.into_inner(), None, page::server(&request)).await?)
}

/// 204 while the canary is as the page shows it.
pub(super) async fn follow(
    user: PageCaller,
    desk: web::Data<Desk>,
    place: web::Path<Place>,
    shown: web::Query<Shown>,
) -> Result<HttpResponse> {
    let place = place.into_inner();
    let detail = match desk.canaries.detail(&user.caller, place.clone()).await {
        Ok(Some(detail)) => detail,
        // Somebody took the canary away, or the flag: the whole page says so.
        Ok(None) | Err(Error::NotFound(_) | Error::Conflict(_)) => {
            return Ok(HttpResponse::Ok().insert_header(("hx-refresh", "true")).finish());
        }
        Err(other) => return Err(other),
    };
    if mark(&detail, desk.reached(&detail)) == shown.seen {
        return Ok(HttpResponse::NoContent().finish());
    }
    let seen = desk.seen(&user, place, detail).await?;
    let mut part = live(&seen);
    if seen.state().name() != shown.state {
        part.head = Some(super::Head { swap: true, ..head(&user, &seen) });
    }
    page::render(&part)
}

/// Does it and leads back to the page, or shows the form again with why not.
pub(super) async fn act(
    posted: Posted<Fields>,
    desk: web::Data<Desk>,
    path: web::Path<ActPath>,
    request: HttpRequest,
) -> Result<HttpResponse> {
    let Posted { user, form } = posted;
    let ActPath { project, environment, flag, act } = path.into_inner();
    let act = Act::named(&act).ok_or_else(|| Error::NotFound(format!("action {act}")))?;
    let place = Place { project, environment, flag };
    let production = desk.projects.environment(&user.caller, place.project.clone(), place.environment.clone());
    let production = production.await?.production;
    user.caller.require_change(production)?;
    let done = match fault(&form, production, &place) {
        Some(fault) => Err(Error::invalid("", fault)),
        None => {
            let reason = form.reason.trim().to_owned();
            desk.canaries.act(&user.caller, place.clone(), IfMatch::Absent, act, reason).await.map(drop)
        }
    };
    let (status, message) = match done {
        Ok(()) => return Ok(page::see_other(&linked(place).canary())),
        Err(Error::Invalid(faults)) => {
            let said: Vec<_> = faults.into_iter().map(|fault| page::sentence(&fault.message)).collect();
            (StatusCode::UNPROCESSABLE_ENTITY, said.join(" "))
        }
        Err(error @ Error::Conflict(_)) => (Kind::of(&error).status, page::sentence(&error.to_string())),
        Err(other) => return Err(other),
    };
    let Fields { reason, confirmation } = form;
    let refused = Refused { act, message: format!("Nothing was changed. {message}"), reason, confirmation };
    page::render_as(status, &desk.page(&user, place, Some(refused), page::server(&request)).await?)
}

/// What is wrong with a form.
fn fault(form: &Fields, production: bool, place: &Place) -> Option<String> {
    let reason = form.reason.trim().chars().count();
    if production && form.confirmation.trim() != place.flag {
        return Some(format!("type {} to confirm", place.flag));
    }
    match reason {
        0 => Some("give a reason: it goes into the log".to_owned()),
        1..=REASON => None,
        _ => Some(format!("a reason has at most {REASON} characters")),
    }
}

/// The record of a decision: as a page, or all of it as JSON.
pub(super) async fn record(
    user: PageCaller,
    desk: web::Data<Desk>,
    path: web::Path<VerdictPath>,
    form: web::Query<Form>,
) -> Result<HttpResponse> {
    let VerdictPath { project, environment, flag, id } = path.into_inner();
    let place = Place { project, environment, flag };
    let record = desk.canaries.verdict(&user.caller, place.clone(), id).await?;
    if form.format == "json" {
        return Ok(HttpResponse::Ok().json(record));
    }
    let shell = desk.frame(&user, place.project.clone()).await?.shell;
    page::render(&verdict::page(shell, linked(place), serde_json::from_value(record)?))
}
