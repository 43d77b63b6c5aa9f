use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;

use super::cell::Cells;
use super::{ConfirmPage, Desk};
use crate::error::Result;
use crate::flags::{Place, Wanted};
use crate::http::{PageCaller, Posted, links, page};
use crate::version::IfMatch;

/// The list that the switch stands in, and what confirms that it is meant.
#[derive(Deserialize)]
pub(super) struct Fields {
    #[serde(default)]
    q: String,
    #[serde(default)]
    show: String,
    #[serde(default)]
    confirmation: String,
}

/// A page that can ask has asked before it posts, and swaps the cell; from any other production wants it confirmed.
pub(super) async fn turn<const ON: bool>(
    posted: Posted<Fields>,
    desk: web::Data<Desk>,
    path: web::Path<Place>,
    request: HttpRequest,
) -> Result<HttpResponse> {
    let Posted { user, form } = posted;
    let (place, swap) = (path.into_inner(), page::is_swap(&request));
    let (_, standing) = desk.flags.standing(&user.caller, place.clone()).await?;
    if standing.production && !swap && form.confirmation != place.flag {
        return Ok(page::see_other(&linked(&place).switch_question(ON, &form.q, &form.show)));
    }
    desk.flags.switch(&user.caller, place.clone(), IfMatch::Absent, ON).await?;
    if !swap {
        return Ok(page::see_other(&links::flags_with(&place.project, &form.q, &form.show)));
    }
    let (flag, standing) = desk.flags.standing(&user.caller, place.clone()).await?;
    let notes = desk.canaries.of(&user.caller, &place.project).await?;
    page::render(&Cells::new(&user, &notes, &place.project, &form.q, &form.show).cell(&flag, &standing))
}

/// Asks whether it is meant, unless it is so already.
pub(super) async fn ask<const ON: bool>(
    user: PageCaller,
    desk: web::Data<Desk>,
    path: web::Path<Place>,
    list: web::Query<Fields>,
) -> Result<HttpResponse> {
    let place = path.into_inner();
    let (flag, standing) = desk.flags.standing(&user.caller, place.clone()).await?;
    user.caller.require_change(standing.production)?;
    if standing.configuration.enabled == ON {
        return Ok(page::see_other(&links::flags_with(&place.project, &list.q, &list.show)));
    }
    let notes = desk.canaries.of(&user.caller, &place.project).await?;
    let cell = Cells::new(&user, &notes, &place.project, &list.q, &list.show).cell(&flag, &standing);
    let mut shell = desk.frame(&user, place.project.clone()).await?.shell;
    shell.title = format!("{} {} in {}", cell.verb(), place.flag, place.environment);
    shell.production = standing.production;
    let preview = desk.flags.preview(&user.caller, place, IfMatch::Absent, Wanted::Switch(ON)).await?;
    page::render(&ConfirmPage { shell, cell, movers: preview.sentences().to_vec() })
}

pub(super) fn linked(place: &Place) -> links::Place {
    let Place { project, environment, flag } = place.clone();
    links::Place { project, environment, flag }
}
