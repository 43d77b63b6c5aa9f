//! The whole server: its services, its listener, its background tasks, and their end.

mod document;
mod listen;
mod metrics;

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use actix_web::web;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::access::{Access, Caller};
use crate::audit::Audit;
use crate::canary::{self, Canaries};
use crate::config::Settings;
use crate::db::{Connection, Direction, OpenError, Part, Store};
use crate::error::Error;
use crate::flags::segments::Segments;
use crate::flags::{Attached, CanarySource, Flags, Live};
use crate::http::shell::{ReachSource, Reached};
use crate::http::{assets, docs, health, request};
use crate::measurements::Measurements;
use crate::projects::{self, Projects};
use crate::stream::api::Draining;
use crate::stream::{Admission, Fleet, Front, Reach};
use crate::tokens::{self, Tokens};
use crate::usage::Usage;
use crate::{access, audit, flags, measurements, stream};
use listen::{Listener, bind, listen};
pub use metrics::Metrics;

/// How long requests that are under way may take to end when the server goes away, in seconds.
const SHUTDOWN: u64 = 5;
/// Why a server did not start: a sentence that says what to do.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The store can't be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The address can't be had.
    #[error(
        "nothing can listen on {address}: {reason}; stop what listens there, or give another address (--listen, --metrics-listen)"
    )]
    Bind {
        /// The address.
        address: SocketAddr,
        /// As the system says.
        reason: io::Error,
    },
    /// The address was had, and is of no use.
    #[error("the server can't listen: {reason}")]
    Listen {
        /// As the system says.
        reason: io::Error,
    },
    /// The store's content can't be read.
    #[error("the store can't be read: {}", cause(.0))]
    Load(Error),
}

fn cause(error: &Error) -> String {
    std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string)
}

/// The services, which pages, JSON and commands share.
#[derive(Clone)]
pub struct Services {
    /// The store.
    pub store: Store,
    /// Callers.
    pub access: Access,
    /// The log.
    pub audit: Audit,
    /// Projects and environments.
    pub projects: Projects,
    /// Tokens.
    pub tokens: Tokens,
    /// Flags.
    pub flags: Flags,
    /// Measurements.
    pub measurements: Measurements,
    /// Canaries.
    pub canaries: Canaries,
    /// Connected SDKs.
    pub fleet: Fleet,
    /// Whom the stream lets in.
    pub admission: Admission,
}

/// A server that serves.
pub struct App {
    /// Where it listens.
    pub address: SocketAddr,
    /// Where it answers `GET /metrics` to everyone, if it does.
    pub metrics_address: Option<SocketAddr>,
    /// Its services.
    pub services: Services,
    listeners: Vec<Listener>,
    draining: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

/// Opens the store, brings its schema up to date and gives an empty one its first project.
///
/// # Errors
/// [`StartError::Open`] or [`StartError::Load`].
pub fn open(url: &crate::db::DatabaseUrl) -> Result<Store, StartError> {
    prepared(Store::open(url)?)
}

/// As [`open`], while no server has the store open.
///
/// # Errors
/// As [`open`].
pub fn open_alone(url: &crate::db::DatabaseUrl) -> Result<Store, StartError> {
    prepared(Store::open_alone(url)?)
}

fn prepared(store: Store) -> Result<Store, StartError> {
    for name in store.migrate(Direction::Up)? {
        tracing::info!(name, "migrated");
    }
    let prepare = |c: &mut Connection<'_>| {
        projects::ensure_default(c, &Caller::system("command"))?;
        projects::epoch(c).map(drop)
    };
    store.write_now(Part::Configuration, prepare).map_err(StartError::Load)?;
    Ok(store)
}

impl App {
    /// Starts a server.
    ///
    /// # Errors
    /// A [`StartError`] that says what to do.
    pub async fn start(settings: Settings) -> Result<Self, StartError> {
        // First of all: a store is not touched for a server that can't be reached.
        let listener = bind(settings.listen)?;
        let open_listener = settings.metrics_listen.map(bind).transpose()?;
        let store = open(&settings.database_url)?;
        let live = Live::load(store.clone()).map_err(StartError::Load)?;
        let known = store.read_now(Part::Configuration, flags::known).map_err(StartError::Load)?;
        let known = |environment: i64, flag: &str| known.get(&environment).is_some_and(|flags| flags.contains(flag));
        let (usage, counts) = Usage::start(store.clone(), known).map_err(StartError::Load)?;
        let fleet = Fleet::default();
        let (measurements, ingest) =
            Measurements::start(store.clone(), live.clone(), settings.cut, usage.clone(), fleet.clone());
        let attached = Attached { users: canary::users, purge: canary::purge };
        let flags = Flags::new(store.clone(), live, (settings.history, settings.staleness), attached, usage);
        let access = Access::load(store.clone()).map_err(StartError::Load)?;
        let services = Services {
            audit: Audit::new(store.clone()),
            projects: Projects::new(store.clone(), access.clone()),
            tokens: Tokens::new(store.clone(), access.clone()),
            access,
            canaries: Canaries::new(store.clone(), flags.clone(), measurements.clone()),
            flags,
            measurements,
            fleet,
            admission: Admission::new(settings.streams),
            store,
        };
        let (draining, drained) = watch::channel(false);
        let metrics = Metrics::new(services.clone());
        let streams = (services.fleet.clone(), services.admission.clone());
        let own = (services.access.clone(), services.flags.clone());
        let front = Front::new(own, streams, drained.clone(), request::request_id);
        let mut listeners = vec![listen(listener, settings.workers as usize, metrics.traffic.clone(), Some(front), {
            let (services, metrics, draining) = (services.clone(), metrics.clone(), Draining(drained.clone()));
            move |config| routes(config, services.clone(), metrics.clone(), draining.clone())
        })?];
        if let Some(listener) = open_listener {
            listeners.push(listen(listener, 1, metrics.traffic.clone(), None, move |config| {
                config.app_data(web::Data::new(metrics.clone())).configure(metrics::open_routes);
            })?);
        }
        let reconcile = tokio::spawn(flags::reconcile(services.flags.live().clone(), drained.clone()));
        let uses = tokio::spawn(access::keep_uses(services.access.clone(), drained.clone()));
        let guards = tokio::spawn(canary::runner::run(services.canaries.clone(), drained));
        let address = listeners.first().map_or(settings.listen, |listener| listener.address);
        tracing::info!(%address, version = env!("CARGO_PKG_VERSION"), "listening");
        let metrics_address = listeners.get(1).map(|listener| listener.address);
        if let Some(address) = metrics_address {
            tracing::info!(%address, "metrics are here for everyone");
        }
        let tasks = vec![guards, reconcile, uses, ingest, counts];
        Ok(Self { address, metrics_address, services, listeners, draining, tasks })
    }

    /// Ends the server: SDKs are told, requests under way get an answer, then the tasks end.
    pub async fn stop(self) {
        let Self { services, listeners, draining, tasks, .. } = self;
        draining.send_replace(true);
        for Listener { server, serving, .. } in listeners {
            server.stop(true).await;
            if let Ok(Err(cause)) = serving.await {
                tracing::warn!(%cause, "the listener ended with an error");
            }
        }
        // The tasks end when nobody can give them anything any more.
        drop(services);
        for task in tasks {
            if tokio::time::timeout(Duration::from_secs(SHUTDOWN), task).await.is_err() {
                tracing::warn!("a background task did not end in time");
            }
        }
    }
}

/// Every route there is.
pub fn routes(config: &mut web::ServiceConfig, services: Services, metrics: Metrics, draining: Draining) {
    let fleet = services.fleet.clone();
    let reach = ReachSource::new(move |environment, revision| {
        let Reach { applied, connected, last, .. } = fleet.reach(environment, revision);
        Reached { applied, connected, last }
    });
    let canaries = services.canaries.clone();
    let notes = CanarySource::new(move |caller, project| {
        let canaries = canaries.clone();
        Box::pin(async move { canary::pages::notes(&canaries, &caller, project).await })
    });
    let Services { flags, canaries, projects, .. } = services.clone();
    let desk = canary::pages::Desk { canaries, flags, projects, reach: reach.clone() };
    let Services { flags, projects, .. } = services.clone();
    let flag_desk = flags::pages::Desk { flags, projects, canaries: notes, reach: reach.clone() };
    config
        .app_data(web::Data::new(reach))
        .app_data(web::Data::new(desk))
        .app_data(web::Data::new(flag_desk))
        .app_data(web::Data::new(services.store))
        .app_data(web::Data::new(services.access))
        .app_data(web::Data::new(services.audit))
        .app_data(web::Data::new(services.projects))
        .app_data(web::Data::new(services.tokens))
        .app_data(web::Data::new(Segments::new(services.flags.clone())))
        .app_data(web::Data::new(services.flags))
        .app_data(web::Data::new(services.measurements))
        .app_data(web::Data::new(services.canaries))
        .app_data(web::Data::new(services.fleet))
        .app_data(web::Data::new(services.admission))
        .app_data(web::Data::new(draining))
        .app_data(web::Data::new(metrics))
        // First of all: each route before it would cost every evaluation a look.
        .service(web::scope("/ofrep/v1").configure(flags::api::ofrep_routes))
        .configure(health::routes)
        .configure(metrics::routes)
        .configure(document::routes)
        .configure(docs::routes)
        .configure(assets::routes)
        .configure(access::pages::routes)
        .configure(projects::pages::routes)
        .service(
            web::scope("/ui")
                .configure(flags::pages::routes)
                .configure(stream::pages::routes)
                .configure(canary::pages::routes),
        )
        .service(
            web::scope("/api/v1")
                .configure(projects::api::routes)
                .configure(tokens::api::routes)
                .configure(flags::api::routes)
                .configure(audit::api::routes)
                .configure(measurements::api::routes)
                .configure(canary::api::routes)
                .configure(stream::api::routes),
        )
        .default_service(web::to(request::no_such_path));
}
