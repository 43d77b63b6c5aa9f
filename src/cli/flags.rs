//! `bellwether flags`: flags, by the API of a running server.

mod explain;

use clap::{Args, Subcommand};

use super::Outcome;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Tell what a flag serves somebody, or did, step by step, and which change made it so.
    Explain(explain::Arguments),
}

pub(super) async fn run(arguments: &Arguments) -> anyhow::Result<Outcome> {
    match &arguments.command {
        Command::Explain(arguments) => explain::run(arguments).await,
    }
}
