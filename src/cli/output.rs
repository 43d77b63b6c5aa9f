use std::io::{self, IsTerminal as _, Write as _};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

/// Prints a line. A reader that has gone away is no failure of the command.
pub(super) fn say(text: &str) {
    let _ = writeln!(io::stdout().lock(), "{text}");
}

/// Prints a line to standard error.
pub(super) fn complain(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Asks a question on a terminal; `None` where nobody is there to answer.
pub(super) fn ask(question: &str) -> Option<bool> {
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return None;
    }
    let _ = write!(io::stderr().lock(), "{question} [y/N] ");
    let mut answer = String::new();
    io::stdin().read_line(&mut answer).ok()?;
    Some(["y", "yes"].contains(&answer.trim().to_ascii_lowercase().as_str()))
}

/// A table without lines, which is as wide as it has to be.
pub(super) fn table(header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::NOTHING).add_rows(rows);
    if !header.is_empty() {
        table.set_header(header);
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    let lines = table.lines();
    lines.map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum LogFormat {
    /// For people.
    Pretty,
    /// An object per line.
    Json,
}

/// Starts the log on standard error, `default` being its level unless `BELLWETHER_LOG` says otherwise.
pub(super) fn start_log(format: LogFormat, default: LevelFilter) {
    let filter = EnvFilter::builder().with_default_directive(default.into()).with_env_var("BELLWETHER_LOG");
    // The first of these write whole requests, credentials included, on their lowest level; the last tell every worker.
    let quiet = ["tungstenite=info", "tokio_tungstenite=info", "reqwest=info", "hyper_util=info", "actix_server=warn"];
    let filter = quiet
        .iter()
        .filter_map(|directive| directive.parse().ok())
        .fold(filter.from_env_lossy(), |filter, directive| filter.add_directive(directive));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    match format {
        LogFormat::Pretty => log.with_ansi(io::IsTerminal::is_terminal(&io::stderr())).init(),
        LogFormat::Json => log.json().flatten_event(true).init(),
    }
}
