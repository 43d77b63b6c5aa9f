//! The command line: a file per command.

mod client;
mod demo;
mod flags;
mod health;
mod init;
mod migrate;
mod output;
mod seed;
mod segments;
mod serve;

use std::process::ExitCode;

use clap::error::{ContextKind, ErrorKind};
use clap::{Args, Parser, Subcommand};

use crate::config::{DATABASE_URL, LISTEN};
use crate::db::DatabaseUrl;

/// Feature flags and canaries that take themselves back.
#[derive(Debug, Parser)]
#[command(name = "bellwether", version, propagate_version = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server.
    Serve(serve::Arguments),
    /// See it all at once: a server, simulated services, a canary that is promoted and one that is rolled back.
    Demo(demo::Arguments),
    /// Serve simulated requests, for the demo.
    #[command(hide = true)]
    DemoService(demo::service::Arguments),
    /// Set up an empty store: an admin, a token, and the keys of each environment, printed once.
    Init(init::Arguments),
    /// Create the nine default flags.
    Seed(seed::Arguments),
    /// Bring the schema up to date, back one step, or show where it is.
    Migrate(migrate::Arguments),
    /// Flags, by the API of a running server.
    Flags(flags::Arguments),
    /// Segments and their keys, by the API of a running server.
    Segments(segments::Arguments),
    /// Ask a running server how it is.
    Health(health::Arguments),
}

/// Where the store is.
#[derive(Clone, Debug, Args)]
struct StoreArguments {
    /// Where the store is: sqlite://path/to/file.db, or postgres://user:password@host:5432/database
    #[arg(long, env = "BELLWETHER_DATABASE_URL", hide_env_values = true, default_value = DATABASE_URL, value_name = "URL")]
    database_url: DatabaseUrl,
}

/// Which server to talk to.
#[derive(Clone, Debug, Args)]
struct ServerArguments {
    /// The server's address.
    #[arg(long, env = "BELLWETHER_SERVER", default_value_t = format!("http://{LISTEN}"), value_name = "URL")]
    server: String,
}

/// How a command ended, for scripts: 0 well, 1 a negative answer, 2 it could not be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Well,
    Negative,
}

/// Runs the command line of this process.
pub fn run() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return refused(error),
    };
    // TLS of the HTTP client; installing it twice is the only way to fail.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error.into()),
    };
    match runtime.block_on(cli.command.run()) {
        Ok(Outcome::Well) => ExitCode::SUCCESS,
        Ok(Outcome::Negative) => ExitCode::from(1),
        Err(error) => failed(&error),
    }
}

/// What is wrong with the arguments. A value that can't be used is not repeated: a URL may hold a password.
fn refused(error: clap::Error) -> ExitCode {
    match std::error::Error::source(&error) {
        Some(cause) if error.kind() == ErrorKind::ValueValidation => match error.get(ContextKind::InvalidArg) {
            Some(argument) => failed(&anyhow::anyhow!("{argument}: {cause}")),
            None => failed(&anyhow::anyhow!("{cause}")),
        },
        _ => error.exit(),
    }
}

fn failed(error: &anyhow::Error) -> ExitCode {
    output::complain(&format!("bellwether: {error:#}"));
    ExitCode::from(2)
}

impl Command {
    async fn run(self) -> anyhow::Result<Outcome> {
        match self {
            Self::Serve(arguments) => serve::run(arguments).await,
            Self::Demo(arguments) => demo::run(arguments).await,
            Self::DemoService(arguments) => demo::service::run(arguments).await,
            Self::Init(arguments) => init::run(&arguments),
            Self::Seed(arguments) => seed::run(&arguments),
            Self::Migrate(arguments) => migrate::run(&arguments),
            Self::Flags(arguments) => flags::run(&arguments).await,
            Self::Segments(arguments) => segments::run(&arguments).await,
            Self::Health(arguments) => health::run(&arguments).await,
        }
    }
}
