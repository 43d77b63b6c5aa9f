use anyhow::{Context as _, bail};
use tempfile::TempDir;

use crate::access;
use crate::db::{DatabaseUrl, Direction, Part, Store};
use crate::projects;

/// Where the demo's store is: in a temporary folder, or in a database that holds nothing else.
pub(super) struct Place {
    pub(super) url: DatabaseUrl,
    _folder: Option<TempDir>,
}

impl Place {
    /// A fresh store. What an earlier demo left in the database is removed; anything else is left alone.
    ///
    /// # Errors
    /// When the database holds a store that is in use, or can't be opened.
    pub(super) fn new(given: Option<DatabaseUrl>) -> anyhow::Result<Self> {
        let Some(url) = given else {
            let folder = tempfile::tempdir().context("no temporary folder can be made")?;
            let url = DatabaseUrl::Sqlite(folder.path().join("bellwether.db"));
            return Ok(Self { url, _folder: Some(folder) });
        };
        let store = Store::open_alone(&url)?;
        if store.migrations()?.iter().any(|migration| migration.applied) {
            let (demo, used) =
                store.read_now(Part::Configuration, |c| Ok((projects::is_demo(c)?, access::has_users(c)?)))?;
            if demo {
                while !store.migrate(Direction::Down)?.is_empty() {}
            } else if used {
                bail!("{url} holds a store that is in use; give the demo an empty database, or none");
            }
        }
        Ok(Self { url, _folder: None })
    }
}
