use std::path::PathBuf;

use clap::Args;
use tokio::signal::unix::{SignalKind, signal};
use tracing::level_filters::LevelFilter;

use super::Outcome;
use super::output::{LogFormat, start_log};
use crate::app::App;
use crate::config::Given;

/// Sent to a process that writes past the limit on the size of a file; the same number on Linux and the BSDs.
const SIGXFSZ: i32 = 25;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Where to listen; port 0 takes a free one. [default: 127.0.0.1:8080]
    #[arg(long, env = "BELLWETHER_LISTEN", value_name = "ADDRESS")]
    listen: Option<String>,
    /// Threads that answer requests; 0 takes one for each core. [default: 0]
    #[arg(long, env = "BELLWETHER_WORKERS", value_name = "NUMBER")]
    workers: Option<u32>,
    /// Where GET /metrics is answered without a credential; service tokens have it on the other address too.
    #[arg(long, env = "BELLWETHER_METRICS_LISTEN", value_name = "ADDRESS")]
    metrics_listen: Option<String>,
    /// Where the store is. [default: sqlite://data/bellwether.db]
    #[arg(long, env = "BELLWETHER_DATABASE_URL", hide_env_values = true, value_name = "URL")]
    database_url: Option<String>,
    /// A TOML file with settings that are not given otherwise.
    #[arg(long, env = "BELLWETHER_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Length of a measurement window, in seconds. [default: 10]
    #[arg(long, env = "BELLWETHER_WINDOW_SECONDS", value_name = "SECONDS")]
    window_seconds: Option<u32>,
    /// How long after its end a measurement window still takes data, in seconds. [default: 5]
    #[arg(long, env = "BELLWETHER_GRACE_SECONDS", value_name = "SECONDS")]
    grace_seconds: Option<u32>,
    /// Versions of a flag that are kept in each environment, the one in force among them. [default: 1000]
    #[arg(long, env = "BELLWETHER_HISTORY_VERSIONS", value_name = "NUMBER")]
    history_versions: Option<u32>,
    /// Days after which a flag that is not evaluated, or serves one variation alone, counts as potentially stale.
    /// [default: 30]
    #[arg(long, env = "BELLWETHER_STALE_AFTER_DAYS", value_name = "DAYS")]
    stale_after_days: Option<u32>,
    /// SDKs that may be connected at once. [default: 20000]
    #[arg(long, env = "BELLWETHER_STREAM_CONNECTIONS", value_name = "NUMBER")]
    stream_connections: Option<u32>,
    /// SDKs that may connect anew in each second; others are told to come again. [default: 2000]
    #[arg(long, env = "BELLWETHER_STREAM_CONNECTIONS_PER_SECOND", value_name = "NUMBER")]
    stream_connections_per_second: Option<u32>,
    /// How log lines are written.
    #[arg(long, env = "BELLWETHER_LOG_FORMAT", value_enum, default_value = "pretty")]
    log_format: LogFormat,
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<Outcome> {
    start_log(arguments.log_format, LevelFilter::INFO);
    let given = Given {
        listen: arguments.listen,
        workers: arguments.workers,
        metrics_listen: arguments.metrics_listen,
        database_url: arguments.database_url,
        window_seconds: arguments.window_seconds,
        grace_seconds: arguments.grace_seconds,
        history_versions: arguments.history_versions,
        stale_after_days: arguments.stale_after_days,
        stream_connections: arguments.stream_connections,
        stream_connections_per_second: arguments.stream_connections_per_second,
    };
    let given = match &arguments.config {
        Some(path) => given.or_file(path)?,
        None => given,
    };
    // Whoever takes the signal does not die of it: the write fails, which is all that is to happen.
    let _file_too_large = signal(SignalKind::from_raw(SIGXFSZ))?;
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let app = App::start(given.settings()?).await?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::info!("going away");
    app.stop().await;
    Ok(Outcome::Well)
}
