use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use serde_json::Value;

use super::{Outcome, ServerArguments, output};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    server: ServerArguments,
}

pub(super) async fn run(arguments: &Arguments) -> anyhow::Result<Outcome> {
    let server = arguments.server.server.trim_end_matches('/');
    let answer = ask(server).await.with_context(|| format!("no server answers at {server}"))?;
    let text = |name: &str| answer.get(name).and_then(Value::as_str).unwrap_or("unknown").to_owned();
    output::say(&format!("{}  version {}", text("status"), text("version")));
    Ok(if text("status") == "ok" { Outcome::Well } else { Outcome::Negative })
}

async fn ask(server: &str) -> anyhow::Result<Value> {
    let client = reqwest::Client::builder().timeout(Duration::from_secs(5)).build()?;
    let body = client.get(format!("{server}/health")).send().await?.text().await?;
    Ok(serde_json::from_str(&body)?)
}
