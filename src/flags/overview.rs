//! Flags with how every environment serves them, at a glance.

use std::collections::HashMap;

use bellwether_core::Release;
use chrono::{DateTime, Utc};

use super::change::{Edited, Place};
use super::store::{self, ConfigurationRecord};
use super::{Configuration, FlagView};
use crate::db::Connection;
use crate::error::Result;
use crate::projects::{self, Environment};

/// A flag with how it stands in each environment, in the environments' order.
#[derive(Clone, Debug)]
pub struct Overview {
    /// The flag.
    pub flag: FlagView,
    /// Where it stands how.
    pub standings: Vec<Standing>,
}

/// How a flag stands in one environment.
#[derive(Clone, Debug)]
pub struct Standing {
    pub(crate) flag_id: i64,
    pub(crate) environment_id: i64,
    /// The environment's key.
    pub environment: String,
    /// Whether the environment serves real users.
    pub production: bool,
    /// How the flag is served there.
    pub configuration: Configuration,
    /// The canary or experiment that runs on it there.
    pub release: Option<Release>,
    /// When it last changed there.
    pub updated_at: DateTime<Utc>,
    /// By whom.
    pub updated_by: String,
}

impl Standing {
    fn new(environment: &Environment, record: ConfigurationRecord) -> Self {
        Self {
            flag_id: record.flag_id,
            environment_id: record.environment_id,
            environment: environment.key.clone(),
            production: environment.production,
            configuration: record.configuration,
            release: record.release,
            updated_at: record.updated_at,
            updated_by: record.updated_by,
        }
    }
}

/// Every flag in use of a project, by key.
pub(super) fn of_project(connection: &mut Connection<'_>, project: &str) -> Result<Vec<Overview>> {
    let environments = projects::environments(connection, project)?;
    let project = projects::project(connection, project)?;
    // A query for each environment rather than one for each flag.
    let mut standings: HashMap<i64, Vec<Standing>> = HashMap::new();
    for environment in &environments {
        for record in store::configurations_in(connection, environment.id)? {
            standings.entry(record.flag_id).or_default().push(Standing::new(environment, record));
        }
    }
    let flags = store::flags(connection, project.id)?.into_iter().filter(|flag| flag.archived_at.is_none());
    let overview =
        flags.map(|flag| Overview { standings: standings.remove(&flag.id).unwrap_or_default(), flag: flag.into() });
    Ok(overview.collect())
}

/// One flag in one environment.
pub(super) fn of_place(connection: &mut Connection<'_>, place: &Place) -> Result<(FlagView, Standing)> {
    let Edited { environment, flag, record } = Edited::find(connection, place)?;
    Ok((flag.into(), Standing::new(&environment, record)))
}
