use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bellwether::app::{App, Services, StartError};
use bellwether::config::Settings;
use bellwether::db::{Connection, DatabaseUrl, OpenError, Part};
use bellwether::flags::{Retention, Staleness};
use bellwether::measurements::Cut;
use bellwether::stream::Bounds;
use reqwest::{Client, Method};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::Mutex;

use super::backup::Backup;
use super::{Call, Credentials, FLAGS, Keys, Postgres, configured, environment, eventually, sql, within};

/// A database that tests run on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Backend {
    /// SQLite, in a folder of the test's own.
    Sqlite,
    /// PostgreSQL, in a schema of the test's own.
    Postgres,
}

impl Backend {
    /// The URL of a fresh store; a file stands in `folder`.
    pub(crate) fn url(self, folder: &Path) -> String {
        match self {
            Self::Sqlite => format!("sqlite://{}", folder.join("bellwether.db").display()),
            Self::Postgres => Postgres::shared().schema(),
        }
    }
}

/// A server and what it takes to talk to it; clones are the same one.
#[derive(Clone)]
pub(crate) struct TestApp {
    inner: Arc<Inner>,
}

struct Inner {
    folder: TempDir,
    url: DatabaseUrl,
    credentials: Credentials,
    http: Client,
    cut: std::sync::Mutex<Cut>,
    history: std::sync::Mutex<Retention>,
    streams: std::sync::Mutex<Bounds>,
    open_metrics: AtomicBool,
    running: Mutex<Option<App>>,
    now: std::sync::Mutex<Option<(SocketAddr, Services)>>,
}

impl TestApp {
    /// Starts a server over a fresh store.
    pub(crate) async fn start(backend: Backend) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url: DatabaseUrl = backend.url(folder.path()).parse().unwrap();
        let store = bellwether::app::open(&url).unwrap();
        let credentials = Credentials::create(&store);
        drop(store);
        let inner = Inner {
            folder,
            url,
            credentials,
            http: client(),
            // Windows as short as can be, so that tests need not wait long for their end.
            cut: std::sync::Mutex::new(Cut { window_seconds: 1, grace_seconds: 1 }),
            history: std::sync::Mutex::default(),
            streams: std::sync::Mutex::default(),
            open_metrics: AtomicBool::default(),
            running: Mutex::default(),
            now: std::sync::Mutex::default(),
        };
        let app = Self { inner: Arc::new(inner) };
        app.start_again().await;
        app
    }

    /// Ends the server as a signal does. What it kept stays.
    pub(crate) async fn stop(&self) {
        let running = self.inner.running.lock().await.take();
        // The services keep the store open.
        *self.inner.now.lock().unwrap() = None;
        if let Some(running) = running {
            within("the end of the server", running.stop()).await;
        }
    }

    /// Starts it again over the same store, on another port.
    pub(crate) async fn start_again(&self) {
        let listen = SocketAddr::from(([127, 0, 0, 1], 0));
        let cut = *self.inner.cut.lock().unwrap();
        let history = *self.inner.history.lock().unwrap();
        let database_url = self.inner.url.clone();
        let metrics_listen = self.inner.open_metrics.load(Ordering::SeqCst).then_some(listen);
        let staleness = Staleness::default();
        let streams = *self.inner.streams.lock().unwrap();
        let settings = Settings { listen, workers: 0, metrics_listen, database_url, cut, history, staleness, streams };
        // A worker of the one before may still be giving up its part of the store.
        let running = eventually("the store to be given back", async || match App::start(settings.clone()).await {
            Err(StartError::Open(OpenError::InUse { .. })) => None,
            started => Some(started.unwrap()),
        })
        .await;
        *self.inner.now.lock().unwrap() = Some((running.address, running.services.clone()));
        *self.inner.running.lock().await = Some(running);
    }

    /// Starts it again with windows that take data for this long after their end.
    pub(crate) async fn start_again_with_grace(&self, grace_seconds: u32) {
        self.stop().await;
        self.inner.cut.lock().unwrap().grace_seconds = grace_seconds;
        self.start_again().await;
    }

    /// Starts it again with so many versions of a flag kept.
    pub(crate) async fn start_again_with_history(&self, versions: u32) {
        self.stop().await;
        self.inner.history.lock().unwrap().versions = versions;
        self.start_again().await;
    }

    /// Starts it again with these bounds of its streams.
    pub(crate) async fn start_again_with_streams(&self, streams: Bounds) {
        self.stop().await;
        *self.inner.streams.lock().unwrap() = streams;
        self.start_again().await;
    }

    /// Starts it again with metrics for everyone on an address of their own.
    pub(crate) async fn start_again_with_open_metrics(&self) {
        self.stop().await;
        self.inner.open_metrics.store(true, Ordering::SeqCst);
        self.start_again().await;
    }

    /// A request by the admin to the address where metrics are for everyone.
    pub(crate) async fn get_openly(&self, path: &str) -> Call {
        let address = self.inner.running.lock().await.as_ref().expect("the server runs").metrics_address.expect("one");
        let call = Call::new(self.inner.http.clone(), format!("http://{address}"), Method::GET, path);
        call.by(&self.inner.credentials.admin)
    }

    /// A copy of the store, while no server runs.
    pub(crate) fn back_up(&self) -> Backup {
        Backup::of(&self.inner.url, self.inner.folder.path())
    }

    /// Puts a copy back, while no server runs. A restored backup is a new life of the store.
    pub(crate) fn restore(&self, backup: &Backup) {
        backup.put_back(&self.inner.url, self.inner.folder.path());
        let store = bellwether::app::open(&self.inner.url).unwrap();
        let renew = |c: &mut Connection<'_>| sql::execute(c, "DELETE FROM meta WHERE name = 'epoch'");
        assert_eq!(store.write_now(Part::Configuration, renew).unwrap(), 1);
    }

    /// Runs a statement on a part of the store, while no server runs.
    pub(crate) fn execute(&self, part: Part, statement: &str) {
        let store = bellwether::app::open(&self.inner.url).unwrap();
        store.write_now(part, |c| sql::execute(c, statement)).unwrap();
    }

    /// The server's services, as the program itself uses them.
    pub(crate) fn services(&self) -> Services {
        self.inner.now.lock().unwrap().as_ref().expect("the server runs").1.clone()
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.inner.now.lock().unwrap().as_ref().expect("the server runs").0
    }

    /// Its URL.
    pub(crate) fn origin(&self) -> String {
        format!("http://{}", self.address())
    }

    /// A credential of each kind.
    pub(crate) fn credentials(&self) -> &Credentials {
        &self.inner.credentials
    }

    /// The keys of an environment.
    pub(crate) fn keys(&self, environment: &str) -> &Keys {
        &self.inner.credentials.environments[environment]
    }

    /// A request by the admin.
    pub(crate) fn call(&self, method: Method, path: &str) -> Call {
        Call::new(self.inner.http.clone(), self.origin(), method, path).by(&self.inner.credentials.admin)
    }

    pub(crate) fn get(&self, path: &str) -> Call {
        self.call(Method::GET, path)
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Call {
        self.call(Method::POST, path).json(body)
    }

    pub(crate) fn put(&self, path: &str, body: &Value) -> Call {
        self.call(Method::PUT, path).json(body)
    }

    pub(crate) fn patch(&self, path: &str, body: &Value) -> Call {
        self.call(Method::PATCH, path).json(body)
    }

    pub(crate) fn delete(&self, path: &str) -> Call {
        self.call(Method::DELETE, path)
    }

    /// A PUT without a body.
    pub(crate) fn put_nothing(&self, path: &str) -> Call {
        self.call(Method::PUT, path)
    }

    /// Has a boolean flag.
    pub(crate) async fn with_flag(self, key: &str) -> Self {
        self.post(FLAGS, &json!({"key": key, "type": "boolean"})).await.expect(201);
        self
    }

    /// Has a string flag whose variations are named like their values; the last one is served.
    pub(crate) async fn with_string_flag(self, key: &str, variations: &[&str]) -> Self {
        let variations: Vec<_> = variations.iter().map(|name| json!({"name": name, "value": name})).collect();
        self.post(FLAGS, &json!({"key": key, "type": "string", "variations": variations})).await.expect(201);
        self
    }

    /// Has a boolean flag with a canary that runs on it and serves half of the users `on`; the release's id.
    pub(crate) async fn start_canary(&self, environment: &str, key: &str) -> String {
        self.clone().with_flag(key).await;
        self.start_canary_on(environment, key).await
    }

    /// Starts such a canary on a boolean flag that is there.
    pub(crate) async fn start_canary_on(&self, environment: &str, key: &str) -> String {
        let stage = |percentage: u8| json!({"percentage": percentage, "minimum_seconds": 3_600});
        let policy = json!({"treatment": "on", "control": "off", "stages": [stage(50), stage(100)]});
        let canary = configured(environment, key, "/canary");
        self.put(&canary, &policy).await.expect(200);
        let started = self.post(&format!("{canary}/start"), &json!({})).await.expect(200);
        started["release"].as_str().unwrap().to_owned()
    }

    /// `F` as it is now.
    pub(crate) async fn configured(&self, environment: &str, flag: &str) -> Value {
        self.get(&configured(environment, flag, "")).await.expect(200)
    }

    /// Replaces the configuration of `F`, whatever it was.
    pub(crate) fn configure(&self, environment: &str, flag: &str, configuration: &Value) -> Call {
        self.put(&configured(environment, flag, ""), &json!({"configuration": configuration})).any_version()
    }

    /// Sets the share of a boolean flag's `true` variation, in percent.
    pub(crate) async fn roll_out(&self, environment: &str, flag: &str, percentage: f64) -> Value {
        let body = json!({"percentage": percentage});
        self.put(&configured(environment, flag, "/rollout"), &body).await.expect(200)
    }

    /// The revision of an environment.
    pub(crate) async fn revision(&self, key: &str) -> u64 {
        self.get(&environment(key)).await.expect(200)["revision"].as_u64().unwrap()
    }

    /// What a flag serves to a context, by OFREP and with the environment's server key.
    pub(crate) fn evaluate(&self, environment: &str, flag: &str, context: &Value) -> Call {
        let path = format!("/ofrep/v1/evaluate/flags/{flag}");
        self.post(&path, &json!({"context": context})).by(&self.keys(environment).server)
    }

    /// The snapshot of an environment, with its server key.
    pub(crate) async fn snapshot(&self, environment: &str) -> Value {
        self.get("/api/v1/snapshot").by(&self.keys(environment).server).await.expect(200)
    }
}

/// A client that shows bodies as they come.
pub(super) fn client() -> Client {
    // TLS of the HTTP client; another test may have installed it.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder().no_proxy().gzip(false).redirect(reqwest::redirect::Policy::none()).build().unwrap()
}
