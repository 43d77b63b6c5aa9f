//! `bellwether demo`: the whole product in one command.
//!
//! A server on a store of its own, services as processes of their own that use the SDK over the real
//! socket, one healthy canary and one that begins to fail. Stages and windows are short; the guards' tests, their alpha
//! and their margins are the defaults.

mod place;
mod plan;
pub(super) mod service;
mod show;
mod summary;

use std::process::Stdio;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{Instant, MissedTickBehavior, interval};
use tracing::level_filters::LevelFilter;

use super::Outcome;
use super::output::{LogFormat, say, start_log};
use crate::app::{App, StartError};
use crate::config::{LISTEN, Settings};
use crate::db::DatabaseUrl;
use crate::flags::{Retention, Staleness};
use crate::stream::Bounds;
use place::Place;
use plan::{BAD, Plan, Prepared};
use show::Show;
use summary::{Followed, Summary};

/// How often the canaries are looked at.
const LOOK: Duration = Duration::from_millis(200);

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// How long it takes at most; the stages' times follow from it.
    #[arg(long, default_value_t = 120, value_parser = clap::value_parser!(u32).range(30..=3_600), value_name = "SECONDS")]
    seconds: u32,
    /// End with a summary as soon as both canaries have ended; 0 when all went as it should.
    #[arg(long)]
    exit: bool,
    /// Leave the fault out: then nothing may be rolled back.
    #[arg(long)]
    healthy: bool,
    /// Where to listen. [default: 127.0.0.1:8080, or a free port when that is taken]
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<std::net::SocketAddr>,
    /// Where the store is: an empty database, or one that an earlier demo left. [default: a file in a temporary folder]
    #[arg(long, value_name = "URL")]
    database_url: Option<DatabaseUrl>,
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<Outcome> {
    start_log(LogFormat::Pretty, LevelFilter::WARN);
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let place = Place::new(arguments.database_url.clone())?;
    let plan = Plan::new(arguments.seconds, arguments.healthy);
    let prepared = plan.prepare(&place.url)?;
    let app = start(&arguments, &plan, place.url.clone()).await?;
    let base = format!("http://{}", app.address);
    introduce(&base, &prepared, &plan);
    let mut services = Services::start(&plan, &base, &prepared)?;
    let outcome = tokio::select! {
        outcome = watch(&arguments, &plan, &app, &mut services) => outcome.map(Some),
        _ = terminate.recv() => Ok(None),
        _ = interrupt.recv() => Ok(None),
    };
    if !arguments.exit && matches!(outcome, Ok(Some(_))) {
        say(&format!("\nStill serving at {base}/ui; end it with Ctrl-C."));
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    }
    services.stop().await;
    app.stop().await;
    Ok(outcome?.unwrap_or(Outcome::Negative))
}

/// Starts the server on the usual port, or on a free one when that is taken and no other was asked for.
async fn start(arguments: &Arguments, plan: &Plan, database_url: DatabaseUrl) -> anyhow::Result<App> {
    let usual = LISTEN.parse().context("the usual address")?;
    let listen = arguments.listen.unwrap_or(usual);
    let settings = Settings {
        listen,
        workers: 0,
        metrics_listen: None,
        database_url,
        cut: plan.cut,
        history: Retention::default(),
        staleness: Staleness::default(),
        streams: Bounds::default(),
    };
    match App::start(settings.clone()).await {
        Err(StartError::Bind { .. }) if arguments.listen.is_none() => {
            let free = std::net::SocketAddr::new(listen.ip(), 0);
            Ok(App::start(Settings { listen: free, ..settings }).await?)
        }
        started => Ok(started?),
    }
}

fn introduce(base: &str, prepared: &Prepared, plan: &Plan) {
    say(&format!("Bellwether listens on {base}"));
    say(&format!("  watch it   {base}{}", plan.page()));
    say(&format!("  log in as  admin  {}", prepared.password.reveal()));
    say("");
    for line in plan.describe() {
        say(&line);
    }
    say("");
}

/// Starts the canaries once every service is there, and follows them to their ends.
async fn watch(arguments: &Arguments, plan: &Plan, app: &App, services: &mut Services) -> anyhow::Result<Outcome> {
    let deadline = Instant::now() + Duration::from_secs(u64::from(arguments.seconds));
    let connected = tokio::time::timeout_at(deadline, services.connected(app, plan)).await;
    connected.context("the simulated services did not connect in time")??;
    let fault_at = plan.start_canaries(app).await?;
    services.fault_at(fault_at).await?;
    let mut show = Show::new(plan);
    let mut followed = Followed::new(plan, fault_at);
    let mut ticks = interval(LOOK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    while Instant::now() < deadline && !followed.is_complete() {
        ticks.tick().await;
        services.check()?;
        followed.look(app).await?;
        show.draw(&followed);
    }
    show.end();
    let summary = Summary::of(&followed, arguments.healthy);
    for line in summary.lines() {
        say(&line);
    }
    Ok(if summary.is_as_it_should_be() { Outcome::Well } else { Outcome::Negative })
}

/// The simulated services' processes.
struct Services {
    children: Vec<(&'static str, Child)>,
    expected: usize,
}

impl Services {
    fn start(plan: &Plan, base: &str, prepared: &Prepared) -> anyhow::Result<Self> {
        let program = std::env::current_exe().context("this program can't be found")?;
        let mut children = Vec::new();
        for role in &plan.roles {
            for _ in 0..role.processes {
                let child = Command::new(&program)
                    .args(["demo-service", "--server", base, "--application", role.application, "--flag", role.flag])
                    .args(["--rate", &role.rate.to_string()])
                    .env(service::KEY, prepared.key.reveal())
                    .stdin(Stdio::piped())
                    .stdout(Stdio::null())
                    .kill_on_drop(true)
                    .spawn()
                    .context("a simulated service can't be started")?;
                children.push((role.flag, child));
            }
        }
        let expected = children.len();
        Ok(Self { children, expected })
    }

    /// Waits until every service has the flags.
    async fn connected(&mut self, app: &App, plan: &Plan) -> anyhow::Result<()> {
        let mut reports = app.services.fleet.reports();
        let environment = plan.environment(app).await?;
        while app.services.fleet.reach(environment.id(), 0).applied < self.expected {
            self.check()?;
            // Looked at again at times, lest a service that ended is waited for.
            let _ = tokio::time::timeout(Duration::from_secs(1), reports.changed()).await;
        }
        Ok(())
    }

    /// Tells the services since when the new payment processor fails.
    async fn fault_at(&mut self, at: Option<chrono::DateTime<chrono::Utc>>) -> anyhow::Result<()> {
        use tokio::io::AsyncWriteExt as _;
        let Some(at) = at else { return Ok(()) };
        for (_, child) in self.children.iter_mut().filter(|(flag, _)| *flag == BAD) {
            if let Some(stdin) = &mut child.stdin {
                stdin.write_all(format!("{}\n", at.timestamp_millis()).as_bytes()).await?;
            }
        }
        Ok(())
    }

    fn check(&mut self) -> anyhow::Result<()> {
        for (_, child) in &mut self.children {
            if let Some(status) = child.try_wait()? {
                anyhow::bail!("a simulated service ended by itself ({status})");
            }
        }
        Ok(())
    }

    /// Services end when nobody holds their input any more; those that do not are killed.
    async fn stop(&mut self) {
        for (_, child) in &mut self.children {
            drop(child.stdin.take());
        }
        for (_, child) in &mut self.children {
            if tokio::time::timeout(Duration::from_secs(5), child.wait()).await.is_err() {
                let _ = child.kill().await;
            }
        }
    }
}
