//! The schema's versions. Each migration belongs to one of the store's two parts, by its name: on SQLite to one of the two
//! files, on PostgreSQL to the part whose lock it runs under.

use diesel::backend::Backend;
use diesel::migration::{Migration as _, MigrationSource};
use diesel::pg::Pg;
use diesel::sqlite::Sqlite;
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use super::{Connection, Part, Store, on_backend};
use crate::error::Error;

const SQLITE: EmbeddedMigrations = embed_migrations!("migrations/sqlite");
const POSTGRES: EmbeddedMigrations = embed_migrations!("migrations/postgres");

/// Which way the schema goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Every migration that has not run.
    Up,
    /// The last migration back, with the data of its tables.
    Down,
}

/// A migration and whether it has run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Migration {
    /// `0003_flags`.
    pub name: String,
    /// Whether it has run.
    pub applied: bool,
}

/// The migrations of one part of the store.
struct Of(Part);

impl MigrationSource<Sqlite> for Of {
    fn migrations(&self) -> diesel::migration::Result<Vec<Box<dyn diesel::migration::Migration<Sqlite>>>> {
        self.choose(MigrationSource::<Sqlite>::migrations(&SQLITE)?)
    }
}

impl MigrationSource<Pg> for Of {
    fn migrations(&self) -> diesel::migration::Result<Vec<Box<dyn diesel::migration::Migration<Pg>>>> {
        self.choose(MigrationSource::<Pg>::migrations(&POSTGRES)?)
    }
}

type Migrations<B> = Vec<Box<dyn diesel::migration::Migration<B>>>;

impl Of {
    fn choose<B: Backend>(&self, mut all: Migrations<B>) -> diesel::migration::Result<Migrations<B>> {
        all.retain(|migration| part_of(&migration.name().to_string()) == self.0);
        Ok(all)
    }
}

fn part_of(name: &str) -> Part {
    if name.contains("measurements") { Part::Measurements } else { Part::Configuration }
}

const PARTS: [Part; 2] = [Part::Configuration, Part::Measurements];

type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

pub(super) fn run(store: &Store, direction: Direction) -> Result<Vec<String>, String> {
    match direction {
        Direction::Up => {
            let mut names = Vec::new();
            for part in PARTS {
                names.extend(within(store, part, |c| on_backend!(c, |c| up(c, part)))?);
            }
            names.sort();
            Ok(names)
        }
        Direction::Down => {
            let applied = status(store)?.into_iter().filter(|migration| migration.applied);
            let Some(last) = applied.map(|migration| migration.name).max() else { return Ok(Vec::new()) };
            let part = part_of(&last);
            within(store, part, |c| on_backend!(c, |c| Ok(c.revert_last_migration(Of(part)).map(drop)?)))?;
            Ok(vec![last])
        }
    }
}

pub(super) fn status(store: &Store) -> Result<Vec<Migration>, String> {
    let mut all = Vec::new();
    for part in PARTS {
        all.extend(within(store, part, |c| on_backend!(c, |c| known(c, part)))?);
    }
    all.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(all)
}

fn up<B: Backend, C: MigrationHarness<B>>(connection: &mut C, part: Part) -> Outcome<Vec<String>>
where
    Of: MigrationSource<B>,
{
    let pending = connection.pending_migrations(Of(part))?;
    let names = pending.iter().map(|migration| migration.name().to_string()).collect();
    connection.run_migrations(&pending)?;
    Ok(names)
}

fn known<B: Backend, C: MigrationHarness<B>>(connection: &mut C, part: Part) -> Outcome<Vec<Migration>>
where
    Of: MigrationSource<B>,
{
    let pending: Vec<_> = connection.pending_migrations(Of(part))?.iter().map(|m| m.name().to_string()).collect();
    let known = Of(part).migrations()?.into_iter().map(|migration| migration.name().to_string());
    Ok(known.map(|name| Migration { applied: !pending.contains(&name), name }).collect())
}

/// Runs `work` in a transaction that keeps every other writer out: all of it happens, or nothing.
fn within<T>(store: &Store, part: Part, work: impl FnOnce(&mut Connection<'_>) -> Outcome<T>) -> Result<T, String> {
    let mut outcome = None;
    let done = store.write_now(part, |connection| {
        outcome = Some(work(connection));
        match &outcome {
            Some(Ok(_)) => Ok(()),
            _ => Err(Error::Busy("the migration failed")),
        }
    });
    match (outcome, done) {
        (Some(Ok(value)), Ok(())) => Ok(value),
        (Some(Err(error)), _) => Err(error.to_string()),
        (_, Err(Error::Unavailable(error) | Error::Internal(error))) => Err(error.to_string()),
        (_, other) => Err(format!("{other:?}")),
    }
}
