//! `GET /metrics`: what monitoring wants to know, in OpenMetrics' text form.

mod process;

use std::fmt;
use std::sync::Arc;

use actix_web::http::header;
use actix_web::{HttpResponse, web};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};
use utoipa::OpenApi;

use super::Services;
use crate::error::{Error, Result};
use crate::http::caller::Staff;
use crate::http::traffic::Traffic;
use process::Process;

const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Everything that is measured. Clones are the same one.
#[derive(Clone, Debug)]
pub struct Metrics {
    registry: Arc<Registry>,
    /// What each request is counted in.
    pub(super) traffic: Traffic,
}

impl Metrics {
    /// Of a server with these services.
    #[must_use]
    pub fn new(services: Services) -> Self {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Process::started_now()));
        let own = registry.sub_registry_with_prefix("bellwether");
        own.register("build", "This program", Info::new([("version", env!("CARGO_PKG_VERSION"))]));
        services.flags.live().times().register(own);
        own.register_collector(Box::new(Gauges(services)));
        let traffic = Traffic::new(own);
        Self { registry: Arc::new(registry), traffic }
    }

    fn response(&self) -> Result<HttpResponse> {
        let mut text = String::new();
        text::encode(&mut text, &self.registry).map_err(Error::internal)?;
        Ok(HttpResponse::Ok().insert_header((header::CONTENT_TYPE, CONTENT_TYPE)).body(text))
    }
}

/// The operation of [`routes`].
#[derive(OpenApi)]
#[openapi(paths(get))]
pub(super) struct Document;

/// The route, for service tokens.
pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.service(web::resource("/metrics").get(get));
}

/// The route on an address of its own.
pub(super) fn open_routes(config: &mut web::ServiceConfig) {
    config.service(web::resource("/metrics").get(get_openly));
}

/// Gives the server's metrics in the text form of OpenMetrics, which Prometheus reads.
///
/// With `--metrics-listen` they are on an address of their own, too, where they take no credential.
#[utoipa::path(
    get,
    path = "/metrics",
    operation_id = "getMetrics",
    responses((
        status = OK,
        description = "The metrics.",
        content_type = "application/openmetrics-text",
        body = String,
    )),
)]
async fn get(_: Staff, metrics: web::Data<Metrics>) -> Result<HttpResponse> {
    metrics.response()
}

async fn get_openly(metrics: web::Data<Metrics>) -> Result<HttpResponse> {
    metrics.response()
}

/// What the services know, read when it is asked for.
struct Gauges(Services);

impl fmt::Debug for Gauges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Gauges")
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Place {
    project: String,
    environment: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PoolLabels {
    database: &'static str,
    access: &'static str,
}

/// One metric with a value for each set of labels.
fn family<L: EncodeLabelSet, M: EncodeMetric>(
    encoder: &mut DescriptorEncoder<'_>,
    (name, about): (&str, &str),
    kind: MetricType,
    values: impl IntoIterator<Item = (L, M)>,
) -> fmt::Result {
    let mut metric = encoder.encode_descriptor(name, about, None::<&Unit>, kind)?;
    for (labels, value) in values {
        value.encode(metric.encode_family(&labels)?)?;
    }
    Ok(())
}

impl Collector for Gauges {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let Services { flags, fleet, store, .. } = &self.0;
        let environments: Vec<_> = flags.live().all();
        let places = || {
            environments.iter().map(|environment| {
                let served = environment.served();
                let (project, key) = (environment.project().to_owned(), served.state.environment().to_owned());
                (Place { project, environment: key }, environment)
            })
        };
        let evaluations = places().map(|(place, environment)| (place, ConstCounter::new(environment.evaluations())));
        let about = ("flag_evaluations", "Flags evaluated by this server, SDKs' own aside");
        family(&mut encoder, about, MetricType::Counter, evaluations)?;
        let revisions = places()
            .map(|(place, environment)| (place, ConstGauge::new(signed(environment.served().state.revision()))));
        let about = ("environment_revision", "The revision that is served");
        family(&mut encoder, about, MetricType::Gauge, revisions)?;
        let connected = places().map(|(place, environment)| {
            (place, ConstGauge::new(signed(fleet.reach(environment.id(), 0).connected as u64)))
        });
        let about = ("streams_connected", "SDK instances connected to this server");
        family(&mut encoder, about, MetricType::Gauge, connected)?;
        let rejections = places().map(|(place, environment)| {
            let rejections = fleet.rejections(environment.id());
            (place, ConstCounter::new(rejections))
        });
        let about = ("stream_changes_rejected", "Changes that SDK instances refused: worth an alarm");
        family(&mut encoder, about, MetricType::Counter, rejections)?;
        let pools = store.pools();
        let labels = |pool: &crate::db::PoolState| PoolLabels { database: pool.database, access: pool.access };
        let open = pools.iter().map(|pool| (labels(pool), ConstGauge::new(i64::from(pool.connections))));
        let about = ("store_connections", "Connections to the store");
        family(&mut encoder, about, MetricType::Gauge, open)?;
        let idle = pools.iter().map(|pool| (labels(pool), ConstGauge::new(i64::from(pool.idle))));
        let about = ("store_connections_idle", "Connections to the store that nothing uses just now");
        family(&mut encoder, about, MetricType::Gauge, idle)
    }
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
