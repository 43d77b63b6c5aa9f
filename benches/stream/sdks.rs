//! Many clients of the Rust SDK, in a process of their own: what they do of themselves is noted, not decided here.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use bellwether_sdk::Client;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::Notify;
use tokio::time::{interval, timeout};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};

use super::crowd::{now, say};

/// Makes this program be the clients: followed by the address, the key, a snapshot's file, how many there are, and over
/// how many milliseconds their first reconnection is spread.
pub(crate) const ARGUMENT: &str = "--sdks";
const READY: &str = "ready";
/// Longest wait for all to be connected.
const PATIENCE: Duration = Duration::from_secs(120);
/// How many begin to connect at once, and the time between those: well below what the server lets in.
const AT_ONCE: usize = 10;
const PACE: Duration = Duration::from_millis(40);

/// The clients, which end with their value.
pub(crate) struct Sdks {
    _child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

/// What clients did, in nanoseconds since 1970.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(crate) struct Doings {
    /// Attempts to open the stream.
    pub(crate) attempts: Vec<u64>,
    /// Requests, each of which may have taken a connection of its own.
    pub(crate) requests: Vec<u64>,
    /// Streams that were answered `ready`.
    pub(crate) up: Vec<u64>,
    /// Why streams ended or could not be opened, and how often.
    pub(crate) failures: BTreeMap<String, usize>,
}

impl Sdks {
    /// Starts so many of them, with the flags in a file to begin with.
    pub(crate) fn start(
        address: SocketAddr,
        key: &str,
        snapshot: &Path,
        count: usize,
        within: Duration,
    ) -> anyhow::Result<Self> {
        let (address, count, within) = (address.to_string(), count.to_string(), within.as_millis().to_string());
        let mut child = Command::new(std::env::current_exe()?)
            .args([ARGUMENT, &address, key])
            .arg(snapshot)
            .args([&count, &within])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let input = child.stdin.take().context("its input")?;
        let output = BufReader::new(child.stdout.take().context("its output")?).lines();
        Ok(Self { _child: child, input, output })
    }

    /// Waits until it has done what it was told.
    pub(crate) async fn ready(&mut self) -> anyhow::Result<()> {
        let line = self.output.next_line().await?;
        ensure!(line.as_deref() == Some(READY), "the clients did not connect: {line:?}");
        Ok(())
    }

    /// Has them note what they do from now on.
    pub(crate) async fn watch(&mut self) -> anyhow::Result<()> {
        self.input.write_all(b"\n").await?;
        self.ready().await
    }

    /// What they did until all were connected again.
    pub(crate) async fn doings(&mut self) -> anyhow::Result<Doings> {
        let line = self.output.next_line().await?.context("not all came back")?;
        Ok(serde_json::from_str(&line)?)
    }
}

/// Is the clients.
pub(crate) fn be(arguments: &[String]) -> anyhow::Result<()> {
    let [address, key, snapshot, count, within] = arguments else { bail!("{ARGUMENT} takes five arguments") };
    let (count, within) = (count.parse()?, Duration::from_millis(within.parse()?));
    let notes = Notes::default();
    let sdk = Targets::new().with_target("bellwether_sdk", Level::TRACE);
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(notes.clone().with_filter(sdk)))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut clients = Vec::with_capacity(count);
        let mut pace = interval(PACE);
        while clients.len() < count {
            pace.tick().await;
            for _ in 0..AT_ONCE.min(count - clients.len()) {
                let client = Client::builder(format!("http://{address}"), key.as_str());
                let client = client.application("bench").bootstrap_file(snapshot).reconnect_within(within);
                clients.push(client.connect()?);
            }
        }
        notes.up(count).await?;
        say(READY)?;
        let mut lines = BufReader::new(tokio::io::stdin()).lines();
        while lines.next_line().await?.is_some() {
            notes.take();
            say(READY)?;
            notes.up(count).await?;
            say(&serde_json::to_string(&notes.take())?)?;
        }
        Ok(())
    })
}

/// Takes down what the SDK logs about itself.
#[derive(Clone, Default)]
struct Notes {
    doings: Arc<Mutex<Doings>>,
    more: Arc<Notify>,
}

impl Notes {
    /// What was noted; from here on anew.
    fn take(&self) -> Doings {
        std::mem::take(&mut self.doings.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Waits until so many streams have been answered.
    async fn up(&self, count: usize) -> anyhow::Result<()> {
        let up = || self.doings.lock().unwrap_or_else(PoisonError::into_inner).up.len();
        let wait = async {
            while up() < count {
                self.more.notified().await;
            }
        };
        let all = timeout(PATIENCE, wait).await;
        ensure!(all.is_ok(), "{} of {count} are connected; {:?}", up(), self.take().failures);
        Ok(())
    }
}

impl<S: Subscriber> Layer<S> for Notes {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut said = Said::default();
        event.record(&mut said);
        let now = u64::try_from(now().as_nanos()).unwrap_or_default();
        let mut doings = self.doings.lock().unwrap_or_else(PoisonError::into_inner);
        match said.message.as_str() {
            "the flag stream is being opened" => doings.attempts.push(now),
            "the snapshot is being fetched" | "measurements are being sent" => doings.requests.push(now),
            "the flag stream is up" => {
                doings.up.push(now);
                self.more.notify_one();
            }
            down if down.starts_with("the flag stream is") => *doings.failures.entry(said.error).or_default() += 1,
            _ => {}
        }
    }
}

/// An event's message, and its error if it has one.
#[derive(Default)]
struct Said {
    message: String,
    error: String,
}

impl Visit for Said {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        match field.name() {
            "message" => self.message = format!("{value:?}"),
            "error" => self.error = format!("{value:?}"),
            _ => {}
        }
    }
}
