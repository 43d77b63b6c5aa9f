//! Keys out of files and onto standard output.

use std::io::{self, Read, Write as _};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use futures_util::{StreamExt as _, stream};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use reqwest::header::{CONTENT_TYPE, IF_MATCH};
use reqwest::{Body, Method};
use serde_json::Value;
use tokio::sync::mpsc;

use super::{One, confirmed, shown};
use crate::cli::{Outcome, output};
use crate::files;

/// How long an upload or a download may take.
const PATIENCE: Duration = Duration::from_secs(900);
/// Bytes read at once.
const PIECE: usize = 1 << 16;

/// Which list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum List {
    /// Who belongs to the segment.
    Included,
    /// Who does not.
    Excluded,
}

impl List {
    fn name(self) -> &'static str {
        match self {
            Self::Included => "included",
            Self::Excluded => "excluded",
        }
    }
}

#[derive(Debug, Args)]
pub(super) struct Upload {
    #[command(flatten)]
    one: One,
    /// A text with a key per line; - for standard input.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Which list.
    #[arg(long, value_enum, default_value = "included")]
    list: List,
    /// Add the keys to the list.
    #[arg(long, conflicts_with = "remove")]
    add: bool,
    /// Remove the keys from the list.
    #[arg(long)]
    remove: bool,
    /// Remove more than half of the list's keys without asking.
    #[arg(long)]
    yes: bool,
}

#[derive(Debug, Args)]
pub(super) struct Print {
    #[command(flatten)]
    one: One,
    /// Which list.
    #[arg(long, value_enum, default_value = "included")]
    list: List,
}

impl Upload {
    pub(super) async fn run(&self) -> anyhow::Result<Outcome> {
        let mut version = None;
        if !self.add && !self.yes {
            match self.agreed().await? {
                Some(agreed) => version = agreed,
                None => return Ok(Outcome::Negative),
            }
        }
        let outcome = self.send(false, version.as_deref()).await?;
        if self.one.place.json {
            output::say(&outcome.to_string());
        } else {
            let [added, removed, total, version] =
                ["added", "removed", "total", "version"].map(|name| shown(&outcome, name));
            output::say(&format!("added {added}, removed {removed}; {total} keys now, version {version}"));
        }
        Ok(Outcome::Well)
    }

    /// The version to be changed, if nobody has anything against it: any when little goes.
    async fn agreed(&self) -> anyhow::Result<Option<Option<String>>> {
        let client = self.one.client()?;
        let segment = client.send(Method::GET, &self.one.path(&[]), &[], None).await?;
        let count = |of: &Value, name: &str| of.get(name).and_then(Value::as_u64).unwrap_or_default();
        let before = count(&segment, &format!("{}_count", self.list.name()));
        if before == 0 {
            return Ok(Some(None));
        }
        if self.reads_standard_input() {
            // It can be read only once, so nothing can be told of it beforehand.
            let what = format!("this may remove all {before} keys of the list");
            return Ok(confirmed(&what).then_some(None));
        }
        let preview = self.send(true, None).await?;
        let removed = count(&preview, "removed");
        if removed.saturating_mul(2) <= before {
            return Ok(Some(None));
        }
        let what = format!("this removes {removed} of the list's {before} keys");
        Ok(confirmed(&what).then(|| Some(format!("\"{}\"", shown(&preview, "version")))))
    }

    fn reads_standard_input(&self) -> bool {
        self.file.as_os_str() == "-"
    }

    async fn send(&self, preview: bool, version: Option<&str>) -> anyhow::Result<Value> {
        let method = match (self.add, self.remove) {
            (true, _) => Method::POST,
            (_, true) => Method::DELETE,
            _ => Method::PUT,
        };
        let (source, size): (Box<dyn Read + Send>, _) = if self.reads_standard_input() {
            (Box::new(io::stdin()), None)
        } else {
            let opened = files::open(&self.file);
            let (file, size) = opened.with_context(|| format!("{} can't be read", self.file.display()))?;
            (Box::new(file), Some(size))
        };
        let bar = bar(size, if preview { "comparing" } else { "uploading" });
        let mut query = vec![("list", self.list.name())];
        query.extend(preview.then_some(("preview", "true")));
        let client = self.one.client()?;
        let request = client.request(method, &self.one.path(&["keys"]), &query)?;
        let mut request = request.timeout(PATIENCE).header(CONTENT_TYPE, "text/plain; charset=utf-8");
        if let Some(version) = version {
            request = request.header(IF_MATCH, version);
        }
        let answer = client.answered(request.body(body(source, bar.clone()))).await;
        bar.finish_and_clear();
        let text = answer?.text().await.context("the answer broke off")?;
        serde_json::from_str(&text).context("the answer is not JSON")
    }
}

/// Shows how far it is, where somebody is looking.
fn bar(size: Option<u64>, what: &'static str) -> ProgressBar {
    let bar = match size {
        Some(size) => ProgressBar::with_draw_target(Some(size), ProgressDrawTarget::stderr()),
        None => ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr()),
    };
    let template = "{msg} {bar:30} {bytes} of {total_bytes}, {bytes_per_sec}";
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    bar.set_style(style);
    bar.set_message(what);
    bar
}

/// A body that is read while it is sent.
fn body(mut source: Box<dyn Read + Send>, bar: ProgressBar) -> Body {
    let (pieces, received) = mpsc::channel::<io::Result<Vec<u8>>>(4);
    tokio::task::spawn_blocking(move || {
        loop {
            let mut piece = Vec::with_capacity(PIECE);
            let read = source.by_ref().take(PIECE as u64).read_to_end(&mut piece);
            let last = !matches!(read, Ok(1..));
            let piece = read.map(|_| piece);
            if last && piece.is_ok() {
                break;
            }
            // Nobody takes it once the server has refused.
            if pieces.blocking_send(piece).is_err() || last {
                break;
            }
        }
    });
    let pieces = stream::unfold(received, async |mut received| received.recv().await.map(|piece| (piece, received)));
    Body::wrap_stream(pieces.inspect(move |piece| {
        if let Ok(piece) = piece {
            bar.inc(piece.len() as u64);
        }
    }))
}

impl Print {
    pub(super) async fn run(&self) -> anyhow::Result<Outcome> {
        let client = self.one.client()?;
        let query = [("list", self.list.name())];
        let request = client.request(Method::GET, &self.one.path(&["keys"]), &query)?.timeout(PATIENCE);
        let mut answer = client.answered(request).await?;
        if self.one.place.json {
            let text = answer.text().await.context("the answer broke off")?;
            output::say(&Value::from(text.lines().collect::<Vec<_>>()).to_string());
            return Ok(Outcome::Well);
        }
        let mut out = io::stdout().lock();
        while let Some(piece) = answer.chunk().await.context("the answer broke off")? {
            if out.write_all(&piece).is_err() {
                // A reader that has gone away is no failure of the command.
                break;
            }
        }
        Ok(Outcome::Well)
    }
}
