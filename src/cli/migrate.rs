use clap::{Args, Subcommand};

use super::{Outcome, StoreArguments, output};
use crate::db::{Direction, Store};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    step: Step,
}

#[derive(Debug, Subcommand)]
enum Step {
    /// Run every migration that has not run.
    Up(StoreArguments),
    /// Take the last migration back, with the data of its tables.
    Down(Down),
    /// Show which migrations have run.
    Status(StoreArguments),
}

#[derive(Debug, Args)]
struct Down {
    #[command(flatten)]
    store: StoreArguments,
    /// Do it without asking.
    #[arg(long)]
    yes: bool,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<Outcome> {
    match &arguments.step {
        Step::Up(store) => report(&Store::open(&store.database_url)?.migrate(Direction::Up)?, "migrated"),
        Step::Down(down) => {
            if !down.yes {
                output::complain("this deletes the tables of the last migration with their data; add --yes to do it");
                return Ok(Outcome::Negative);
            }
            report(&Store::open_alone(&down.store.database_url)?.migrate(Direction::Down)?, "taken back");
        }
        Step::Status(store) => {
            for migration in Store::open(&store.database_url)?.migrations()? {
                let state = if migration.applied { "applied" } else { "pending" };
                output::say(&format!("{state}  {}", migration.name));
            }
        }
    }
    Ok(Outcome::Well)
}

fn report(names: &[String], what: &str) {
    if names.is_empty() {
        output::say("nothing to do");
    }
    for name in names {
        output::say(&format!("{what}  {name}"));
    }
}
