//! `GET /api/v1/audit`.

use actix_web::{HttpResponse, web};
use bellwether_core::Fault;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use utoipa::{IntoParams, OpenApi};

use super::{Audit, Filter, Item};
use crate::error::{Error, Result};
use crate::http::{Page, Paging, caller::Staff};
use crate::schema::Time;

/// The routes under `/api/v1`.
pub fn routes(config: &mut web::ServiceConfig) {
    config.service(web::resource("/audit").get(list));
}

/// The operation of [`routes`].
#[derive(Debug, OpenApi)]
#[openapi(paths(list))]
pub struct Document;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Query {
    /// By whom: a name or an id.
    #[param(value_type = String, required = false)]
    actor: Option<String>,
    /// What was done: `noun.verb`.
    #[param(value_type = String, required = false)]
    action: Option<String>,
    /// To what, to the letter: `flag/feature.a`.
    #[param(value_type = String, required = false)]
    resource: Option<String>,
    /// In which environment.
    #[param(value_type = String, required = false)]
    environment: Option<String>,
    /// `succeeded`.
    #[param(value_type = String, required = false)]
    status: Option<String>,
    /// At or after this time.
    #[param(value_type = Time, required = false)]
    from: Option<String>,
    /// Before this time.
    #[param(value_type = Time, required = false)]
    to: Option<String>,
}

/// Lists what happened, newest first; all filters must hold.
#[utoipa::path(
    get,
    path = "/audit",
    operation_id = "listAudit",
    params(Query, Paging),
    responses((status = OK, body = Page<Item>)),
)]
async fn list(
    Staff(caller): Staff,
    audit: web::Data<Audit>,
    query: web::Query<Query>,
    paging: web::Query<Paging>,
) -> Result<HttpResponse> {
    let (filter, limit, before) = (query.into_inner().filter(), paging.limit(), paging.number());
    let refused = [filter.as_ref().err(), limit.as_ref().err(), before.as_ref().err()];
    let faults = refused.into_iter().flatten().flat_map(Error::faults).cloned().collect();
    Error::unless_empty(faults)?;
    let (filter, limit, before) = (filter?, limit?, before?);
    let items = audit.list(&caller, filter, before, limit + 1).await?;
    Ok(HttpResponse::Ok().json(Page::of(items, limit, |item| item.sequence.to_string())))
}

impl Query {
    fn filter(self) -> Result<Filter> {
        let mut faults = Vec::new();
        let mut time = |name: &str, text: Option<String>| -> Option<DateTime<Utc>> {
            let parsed = DateTime::parse_from_rfc3339(&text?);
            match parsed {
                Ok(at) => Some(at.to_utc()),
                Err(_) => {
                    faults.push(Fault::new(name, "is a time like 2026-11-21T10:00:00Z"));
                    None
                }
            }
        };
        let (from, to) = (time("/from", self.from), time("/to", self.to));
        Error::unless_empty(faults)?;
        Ok(Filter {
            actor: self.actor,
            action: self.action,
            resource: self.resource,
            environment: self.environment,
            status: self.status,
            from,
            to,
        })
    }
}
