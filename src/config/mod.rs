//! The settings: from the command line, the environment, or a TOML file, every problem reported at once.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::Path;

use bellwether_core::Fault;
use deserr::Deserr;
use serde_json::Value;

use crate::db::DatabaseUrl;
use crate::error::Error;
use crate::files;
use crate::flags::{Retention, Staleness};
use crate::input::{self, Faults};
use crate::measurements::Cut;
use crate::stream::Bounds;

/// Where the server listens unless told otherwise.
pub const LISTEN: &str = "127.0.0.1:8080";
/// Where the store is unless told otherwise.
pub const DATABASE_URL: &str = "sqlite://data/bellwether.db";

/// Most threads that answer requests.
const WORKERS: u32 = 1_024;

/// Everything a server is told when it starts.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where it listens; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Threads that answer requests; 0 takes one for each core.
    pub workers: u32,
    /// Where it answers `GET /metrics` to everyone, besides to service tokens on [`Settings::listen`].
    pub metrics_listen: Option<SocketAddr>,
    /// Where its store is.
    pub database_url: DatabaseUrl,
    /// How measurement windows are cut.
    pub cut: Cut,
    /// How much of flags' history is kept.
    pub history: Retention,
    /// When a flag counts as potentially stale.
    pub staleness: Staleness,
    /// How many SDKs may be connected.
    pub streams: Bounds,
}

/// Settings as they are given, each of them or none.
#[derive(Clone, Debug, Default)]
pub struct Given {
    /// Where to listen.
    pub listen: Option<String>,
    /// Threads that answer requests.
    pub workers: Option<u32>,
    /// Where metrics are for everyone.
    pub metrics_listen: Option<String>,
    /// Where the store is.
    pub database_url: Option<String>,
    /// Length of a window, in seconds.
    pub window_seconds: Option<u32>,
    /// How long after its end a window takes data, in seconds.
    pub grace_seconds: Option<u32>,
    /// Versions of a flag that are kept in each environment.
    pub history_versions: Option<u32>,
    /// Days after which a flag counts as potentially stale.
    pub stale_after_days: Option<u32>,
    /// Streams that there may be at once.
    pub stream_connections: Option<u32>,
    /// New streams that are let in each second.
    pub stream_connections_per_second: Option<u32>,
}

/// Settings that can't be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file can't be read.
    #[error("the settings file {path} can't be read: {reason}")]
    File {
        /// The file.
        path: String,
        /// Why.
        reason: String,
    },
    /// Some settings are wrong.
    #[error("the settings can't be used: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Settings(Vec<Fault>),
}

#[derive(Debug, Default, Deserr)]
#[deserr(error = Faults, deny_unknown_fields)]
struct FileSettings {
    #[deserr(default)]
    server: ServerSettings,
    #[deserr(default)]
    store: StoreSettings,
    #[deserr(default)]
    measurements: MeasurementSettings,
    #[deserr(default)]
    history: HistorySettings,
    #[deserr(default)]
    flags: FlagSettings,
    #[deserr(default)]
    stream: StreamSettings,
}

#[derive(Debug, Default, Deserr)]
#[deserr(error = Faults, deny_unknown_fields)]
struct ServerSettings {
    #[deserr(default)]
    listen: Option<String>,
    #[deserr(default)]
    workers: Option<u32>,
    #[deserr(default)]
    metrics_listen: Option<String>,
}

#[derive(Debug, Default, Deserr)]
#[deserr(error = Faults, deny_unknown_fields)]
struct StoreSettings {
    #[deserr(default)]
    database_url: Option<String>,
}

#[derive(Debug, Default, Deserr)]
#[deserr(error = Faults, deny_unknown_fields)]
struct MeasurementSettings {
    #[deserr(default)]
    window_seconds: Option<u32>,
    #[deserr(default)]
    grace_seconds: Option<u32>,
}

#[derive(Debug, Default, Deserr)]
#[deserr(error = Faults, deny_unknown_fields)]
struct HistorySettings {
    #[deserr(default)]
    versions: Option<u32>,
}

#[derive(Debug, Default, Deserr)]
#[deserr(error = Faults, deny_unknown_fields)]
struct FlagSettings {
    #[deserr(default)]
    stale_after_days: Option<u32>,
}

#[derive(Debug, Default, Deserr)]
#[deserr(error = Faults, deny_unknown_fields)]
struct StreamSettings {
    #[deserr(default)]
    connections: Option<u32>,
    #[deserr(default)]
    connections_per_second: Option<u32>,
}

impl Given {
    /// These settings, and those of a TOML file where these leave something open.
    ///
    /// # Errors
    /// When the file can't be read or holds something unknown.
    pub fn or_file(self, path: &Path) -> Result<Self, ConfigError> {
        let unreadable = |reason: String| ConfigError::File { path: path.display().to_string(), reason };
        let text = files::read_text(path).map_err(|error| unreadable(error.to_string()))?;
        let document: Value = toml::from_str(&text).map_err(|error| unreadable(error.message().to_owned()))?;
        let file = match input::read::<FileSettings>(document) {
            Ok(file) => file,
            Err(Error::Invalid(faults)) => return Err(ConfigError::Settings(faults)),
            Err(other) => return Err(unreadable(other.to_string())),
        };
        Ok(Self {
            listen: self.listen.or(file.server.listen),
            workers: self.workers.or(file.server.workers),
            metrics_listen: self.metrics_listen.or(file.server.metrics_listen),
            database_url: self.database_url.or(file.store.database_url),
            window_seconds: self.window_seconds.or(file.measurements.window_seconds),
            grace_seconds: self.grace_seconds.or(file.measurements.grace_seconds),
            history_versions: self.history_versions.or(file.history.versions),
            stale_after_days: self.stale_after_days.or(file.flags.stale_after_days),
            stream_connections: self.stream_connections.or(file.stream.connections),
            stream_connections_per_second: self.stream_connections_per_second.or(file.stream.connections_per_second),
        })
    }

    /// The settings, defaults in place of what is left open.
    ///
    /// # Errors
    /// Every setting that can't be used.
    pub fn settings(self) -> Result<Settings, ConfigError> {
        let mut faults = Vec::new();
        let default = Cut::default();
        let cut = Cut {
            window_seconds: self.window_seconds.unwrap_or(default.window_seconds),
            grace_seconds: self.grace_seconds.unwrap_or(default.grace_seconds),
        };
        if !(1..=3_600).contains(&cut.window_seconds) {
            faults.push(Fault::new("/measurements/window_seconds", "is a number of seconds from 1 to 3600"));
        }
        if cut.grace_seconds > 3_600 {
            faults.push(Fault::new("/measurements/grace_seconds", "is a number of seconds from 0 to 3600"));
        }
        let versions = self.history_versions.unwrap_or(Retention::default().versions);
        if !Retention::VERSIONS.contains(&versions) {
            let (least, most) = (Retention::VERSIONS.start(), Retention::VERSIONS.end());
            faults.push(Fault::new("/history/versions", format!("is a number of versions from {least} to {most}")));
        }
        let history = Retention { versions };
        let days = self.stale_after_days.unwrap_or(Staleness::default().days);
        if !Staleness::DAYS.contains(&days) {
            let (least, most) = (Staleness::DAYS.start(), Staleness::DAYS.end());
            faults.push(Fault::new("/flags/stale_after_days", format!("is a number of days from {least} to {most}")));
        }
        let staleness = Staleness { days };
        let streams = self.streams(&mut faults);
        let workers = self.workers.unwrap_or(0);
        if workers > WORKERS {
            faults.push(Fault::new("/server/workers", format!("is a number of threads from 0 to {WORKERS}")));
        }
        let mut address = |pointer: &str, text: &str| {
            let parsed = text.parse::<SocketAddr>();
            parsed.map_err(|_| faults.push(Fault::new(pointer, "is an address with a port, like 127.0.0.1:8080")))
        };
        let listen = address("/server/listen", self.listen.as_deref().unwrap_or(LISTEN));
        let metrics_listen = self.metrics_listen.as_deref().map(|text| address("/server/metrics_listen", text));
        let metrics_listen = metrics_listen.transpose();
        let url = self.database_url.as_deref().unwrap_or(DATABASE_URL).parse::<DatabaseUrl>();
        let url = url.map_err(|error| faults.push(Fault::new("/store/database_url", error.to_string())));
        match (listen, metrics_listen, url, faults.is_empty()) {
            (Ok(listen), Ok(metrics_listen), Ok(database_url), true) => {
                Ok(Settings { listen, workers, metrics_listen, database_url, cut, history, staleness, streams })
            }
            _ => Err(ConfigError::Settings(faults)),
        }
    }

    fn streams(&self, faults: &mut Vec<Fault>) -> Bounds {
        let mut bounds = Bounds::default();
        if let Some(streams) = self.stream_connections {
            let (least, most) = (Bounds::STREAMS.start(), Bounds::STREAMS.end());
            if !Bounds::STREAMS.contains(&streams) {
                faults.push(Fault::new("/stream/connections", format!("is a number from {least} to {most}")));
            }
            bounds.streams = streams;
        }
        if let Some(rate) = self.stream_connections_per_second {
            let (least, most) = (Bounds::EACH_SECOND.start(), Bounds::EACH_SECOND.end());
            match NonZeroU32::new(rate).filter(|_| Bounds::EACH_SECOND.contains(&rate)) {
                Some(rate) => bounds.each_second = rate,
                None => {
                    let message = format!("is a number from {least} to {most}");
                    faults.push(Fault::new("/stream/connections_per_second", message));
                }
            }
        }
        bounds
    }
}

#[cfg(test)]
mod tests;
