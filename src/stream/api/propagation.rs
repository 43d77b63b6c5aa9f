//! `E/propagation` and `E/fleet`: which instance has which revision.

use std::time::Duration;

use actix_web::{HttpResponse, web};
use bellwether_core::window::Resources;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep, sleep_until};
use utoipa::{IntoParams, OpenApi, ToSchema};

use super::super::fleet::{self, Fleet, Reach};
use super::Draining;
use crate::clock;
use crate::error::{Error, Result};
use crate::flags::{Flags, LiveEnvironment};
use crate::http::{Page, Paging, caller::Staff};
use crate::projects::{Environment, Projects};
use crate::schema::Time;

const E: &str = "/projects/{project}/environments/{environment}";
/// Longest wait for the laggards.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often reports are counted at most, while somebody waits: ten thousand may come at once.
const PAUSE: Duration = Duration::from_millis(20);
/// Laggards that are named.
const NAMED: usize = 100;

/// The routes under `/api/v1`.
pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource(format!("{E}/propagation")).get(propagation))
        .service(web::resource(format!("{E}/fleet")).get(instances));
}

/// The operations of [`routes`].
#[derive(OpenApi)]
#[openapi(paths(propagation, instances))]
pub(super) struct Document;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Query {
    /// The revision; the newest unless given.
    #[param(value_type = u64, required = false)]
    revision: Option<String>,
    /// Answers as soon as every instance has it, or when this is over: `10s`, `500ms`, `1m` at most.
    #[param(value_type = String, required = false, example = "1s")]
    wait: Option<String>,
}

/// How far a revision of an environment has got, among the SDK instances connected to this server.
#[derive(Debug, Serialize, ToSchema)]
struct Propagation {
    /// The environment's key.
    environment: String,
    /// The revision.
    revision: u64,
    /// When it was made; null when that is not in memory any more.
    #[schema(value_type = Option<Time>)]
    made_at: Option<String>,
    /// Connected instances.
    connected: usize,
    /// Those that have it in use, or a later one.
    applied: usize,
    /// Whether all of them have.
    complete: bool,
    /// Milliseconds until half of the instances that were connected when it was made had it in use, to 4 %; null when
    /// none has reported it, or it is none of the latest.
    p50_ms: Option<f64>,
    /// The same of 99 %.
    p99_ms: Option<f64>,
    /// Those that do not have it: the first hundred, by application and instance.
    laggards: Vec<Instance>,
    /// Laggards that are not named.
    more_laggards: usize,
}

/// A connected SDK instance.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = FleetInstance)]
struct Instance {
    /// The service's name.
    application: String,
    /// The process.
    instance: String,
    /// Name and version of the SDK.
    sdk: String,
    /// Since when.
    #[serde(with = "clock::serde_rfc3339")]
    connected_at: DateTime<Utc>,
    /// The revision that it has in use; null before its first report.
    revision: Option<u64>,
    /// How many revisions that is behind the newest.
    behind: u64,
    /// When it reported that.
    #[schema(value_type = Option<Time>)]
    applied_at: Option<String>,
    /// The change that it refused; it stays on what it had.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    rejected: Option<Rejection>,
    /// What its process uses, if it has said so since it connected.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    resources: Option<Used>,
}

/// What a process uses, in percent of what it may; what it does not know is left out.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = FleetResources)]
struct Used {
    /// Of the processors.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    cpu_percent: Option<f64>,
    /// Of the memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    memory_percent: Option<f64>,
    /// Of the database pool's connections.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    db_pool_percent: Option<f64>,
    /// When it said so.
    #[serde(with = "clock::serde_rfc3339")]
    at: DateTime<Utc>,
}

/// A change that an instance refused.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = FleetRejection)]
struct Rejection {
    /// The revision.
    revision: u64,
    /// Why.
    error: String,
    /// When it said so.
    #[serde(with = "clock::serde_rfc3339")]
    at: DateTime<Utc>,
}

impl Instance {
    fn of(instance: fleet::Instance, newest: u64) -> Self {
        let (revision, applied_at) = instance.applied.unzip();
        let used = |(used, at): (Resources, _)| {
            let Resources { cpu_percent, memory_percent, db_pool_percent } = used;
            Used { cpu_percent, memory_percent, db_pool_percent, at }
        };
        let rejection = |fleet::Rejection { revision, error, at }| Rejection { revision, error, at };
        Self {
            application: instance.application,
            instance: instance.instance,
            sdk: instance.sdk,
            connected_at: instance.connected_at,
            behind: newest.saturating_sub(revision.unwrap_or(0)),
            revision,
            applied_at: applied_at.map(clock::rfc3339),
            rejected: instance.rejected.map(rejection),
            resources: instance.resources.map(used),
        }
    }
}

impl Propagation {
    fn now(fleet: &Fleet, environment: &LiveEnvironment, revision: u64) -> Self {
        let Reach { applied, connected, p50, p99, .. } = fleet.reach(environment.id(), revision);
        let served = environment.served();
        let newest = served.state.revision();
        let mut laggards = Vec::new();
        if applied < connected {
            laggards = fleet.instances(environment.id());
            laggards.retain(|one| one.applied.is_none_or(|(applied, _)| applied < revision));
        }
        Self {
            environment: served.state.environment().to_owned(),
            revision,
            made_at: environment.made_at(revision).map(clock::rfc3339),
            connected,
            applied,
            complete: applied == connected,
            p50_ms: p50,
            p99_ms: p99,
            more_laggards: laggards.len().saturating_sub(NAMED),
            laggards: laggards.into_iter().take(NAMED).map(|one| Instance::of(one, newest)).collect(),
        }
    }
}

/// Tells how far a revision has got: which of the connected instances have it in use, and how long that took.
///
/// With `wait` the answer comes when all of them have, or at the end of that time: look at `complete`.
#[utoipa::path(
    get,
    path = "/projects/{project}/environments/{environment}/propagation",
    operation_id = "getPropagation",
    params(Query),
    responses((status = OK, body = Propagation)),
)]
async fn propagation(
    Staff(caller): Staff,
    services: (web::Data<Projects>, web::Data<Flags>, web::Data<Fleet>, web::Data<Draining>),
    path: web::Path<(String, String)>,
    query: web::Query<Query>,
) -> Result<HttpResponse> {
    let (projects, flags, fleet, draining) = services;
    let (project, key) = path.into_inner();
    let Environment { id, .. } = projects.environment(&caller, project, key).await?;
    let environment = flags.live().environment(id)?;
    let newest = environment.served().state.revision();
    let revision = revision(query.revision.as_deref(), newest)?;
    let end = Instant::now() + patience(query.wait.as_deref())?;
    let (mut reports, mut draining) = (fleet.reports(), draining.0.clone());
    loop {
        let told = Propagation::now(&fleet, &environment, revision);
        if told.complete || Instant::now() >= end {
            return Ok(HttpResponse::Ok().json(told));
        }
        tokio::select! {
            _ = reports.changed() => sleep(PAUSE).await,
            () = sleep_until(end) => {}
            _ = draining.wait_for(|draining| *draining) => return Ok(HttpResponse::Ok().json(told)),
        }
    }
}

/// Lists the SDK instances of an environment that are connected to this server, by application and instance.
#[utoipa::path(
    get,
    path = "/projects/{project}/environments/{environment}/fleet",
    operation_id = "listInstances",
    params(Paging),
    responses((status = OK, body = Page<Instance>)),
)]
async fn instances(
    Staff(caller): Staff,
    services: (web::Data<Projects>, web::Data<Flags>, web::Data<Fleet>),
    path: web::Path<(String, String)>,
    paging: web::Query<Paging>,
) -> Result<HttpResponse> {
    let (projects, flags, fleet) = services;
    let (project, key) = path.into_inner();
    let Environment { id, .. } = projects.environment(&caller, project, key).await?;
    let newest = flags.live().environment(id)?.served().state.revision();
    let (limit, cursor) = (paging.limit()?, paging.cursor()?);
    let name = |one: &fleet::Instance| format!("{}/{}/{:020}", one.application, one.instance, one.id);
    let after = |one: &fleet::Instance| cursor.as_ref().is_none_or(|cursor| name(one) > *cursor);
    let mut rest: Vec<_> = fleet.instances(id).into_iter().filter(after).collect();
    rest.sort_by_cached_key(name);
    rest.truncate(limit + 1);
    let Page { items, next_cursor } = Page::of(rest, limit, name);
    let items: Vec<_> = items.into_iter().map(|one| Instance::of(one, newest)).collect();
    Ok(HttpResponse::Ok().json(Page { items, next_cursor }))
}

fn revision(given: Option<&str>, newest: u64) -> Result<u64> {
    let Some(text) = given else { return Ok(newest) };
    let revision = text.parse().ok().filter(|revision| *revision <= newest);
    revision.ok_or_else(|| Error::invalid("/revision", format!("is a revision of the environment: 0 to {newest}")))
}

/// How long to wait: a number of milliseconds, seconds or minutes, with its unit.
fn patience(given: Option<&str>) -> Result<Duration> {
    let Some(text) = given else { return Ok(Duration::ZERO) };
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let milliseconds = match text.get(digits.len()..) {
        Some("ms") => Some(1),
        Some("s") => Some(1_000),
        Some("m") => Some(60_000),
        _ => None,
    };
    let number: Option<u64> = digits.parse().ok();
    let wait = number.zip(milliseconds).and_then(|(number, each)| number.checked_mul(each)).map(Duration::from_millis);
    let wait = wait.filter(|wait| *wait <= PATIENCE);
    wait.ok_or_else(|| Error::invalid("/wait", "is a time with its unit, as `10s`, `500ms`, and `1m` at most"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_has_a_unit_and_a_bound() {
        for (text, milliseconds) in [("10s", 10_000), ("500ms", 500), ("1m", 60_000), ("0s", 0), ("60000ms", 60_000)] {
            assert_eq!(patience(Some(text)).unwrap(), Duration::from_millis(milliseconds));
        }
        assert_eq!(patience(None).unwrap(), Duration::ZERO);
        for wrong in ["", "s", "10", "10 s", "-1s", "1.5s", "61s", "2m", "10S", "99999999999999999999s", "1ſ", "1h"] {
            assert!(patience(Some(wrong)).is_err(), "{wrong}");
        }
    }
}
