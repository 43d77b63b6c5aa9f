//! Subscribers in a process of their own: each has files of its own to open, and nobody else's work beside it.

use std::io::Write as _;
use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::task::LocalSet;

use super::subscribers::{Greeting, Subscribers};

/// Makes this program be the subscribers: followed by the address, the key or `-`, and how many read and stall.
pub(crate) const ARGUMENT: &str = "--subscribers";
const READY: &str = "ready";

/// The subscribers, which end with their value.
pub(crate) struct Crowd {
    _child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

/// How one message was heard, in time since 1970.
#[derive(Debug)]
pub(crate) struct Heard {
    /// Bytes of the message with its head.
    pub(crate) length: usize,
    /// When each had it, in order.
    pub(crate) times: Vec<Duration>,
}

impl Heard {
    /// From the first that had it to the last.
    pub(crate) fn spread(&self) -> Duration {
        self.last() - self.times.first().copied().unwrap_or_default()
    }

    /// When the last had it.
    pub(crate) fn last(&self) -> Duration {
        self.times.last().copied().unwrap_or_default()
    }
}

/// The time since 1970, which processes of one machine agree on.
pub(crate) fn now() -> Duration {
    let nanoseconds = bellwether::clock::now().timestamp_nanos_opt().and_then(|now| u64::try_from(now).ok());
    Duration::from_nanos(nanoseconds.unwrap_or_default())
}

impl Crowd {
    /// Starts them and waits until all are connected.
    pub(crate) async fn connect(
        address: SocketAddr,
        key: Option<&str>,
        reading: usize,
        stalled: usize,
    ) -> anyhow::Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .args([ARGUMENT, &address.to_string(), key.unwrap_or("-"), &reading.to_string(), &stalled.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let input = child.stdin.take().context("its input")?;
        let output = BufReader::new(child.stdout.take().context("its output")?).lines();
        let mut crowd = Self { _child: child, input, output };
        crowd.ready().await?;
        Ok(crowd)
    }

    async fn ready(&mut self) -> anyhow::Result<()> {
        let line = self.output.next_line().await?;
        ensure!(line.as_deref() == Some(READY), "the subscribers did not connect: {line:?}");
        Ok(())
    }

    /// Has them wait for one message that each gets.
    pub(crate) async fn expect(&mut self) -> anyhow::Result<()> {
        self.input.write_all(b"\n").await?;
        self.ready().await
    }

    /// Waits until all have it.
    pub(crate) async fn heard(&mut self) -> anyhow::Result<Heard> {
        let line = self.output.next_line().await?.context("not all have heard it")?;
        let mut numbers = line.split(' ').map(str::parse::<u64>);
        let length = usize::try_from(numbers.next().context("a length")??)?;
        let times = numbers.map(|nanoseconds| Ok(Duration::from_nanos(nanoseconds?))).collect::<anyhow::Result<_>>()?;
        Ok(Heard { length, times })
    }
}

/// Is the subscribers.
pub(crate) fn be(arguments: &[String]) -> anyhow::Result<()> {
    let [address, key, reading, stalled] = arguments else { bail!("{ARGUMENT} takes an address, a key and numbers") };
    let greeting = if key == "-" { Greeting::Plain } else { Greeting::Stream(key.clone()) };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, async {
        let all = Subscribers::connect(address.parse()?, greeting, reading.parse()?, stalled.parse()?).await?;
        say(READY)?;
        let mut lines = BufReader::new(tokio::io::stdin()).lines();
        while lines.next_line().await?.is_some() {
            all.expect();
            say(READY)?;
            let (length, times) = all.heard().await?;
            let times: Vec<_> = times.iter().map(|time| time.as_nanos().to_string()).collect();
            say(&format!("{length} {}", times.join(" ")))?;
        }
        Ok(())
    })
}

/// Writes a line to whoever started this process.
pub(crate) fn say(line: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}
