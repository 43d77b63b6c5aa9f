//! Who would move by an action on many flags: all of them change at once, so that what one needs of another is counted
//! as it would be.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use super::super::forecast::{ByEnvironment, Changing, Together, archived};
use super::super::store::{self, FlagRecord};
use super::super::{Configuration, Flags};
use super::{Action, Bulk, check_unneeded, in_use_of, shrinks, used};
use crate::access::{Caller, Role};
use crate::db::{Connection, Part};
use crate::error::Result;
use crate::projects::{self, Environment};

/// Who would move by an action on many flags.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct BulkPreviews {
    /// One for each flag, in the order of the request.
    pub items: Vec<BulkPreview>,
    /// Whether so large a part of the project's flags would be archived that it takes `confirm_shrink=true`.
    pub shrinks: bool,
}

/// Who would move by what is done to one of them, together with the others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct BulkPreview {
    /// The flag's key.
    pub flag: String,
    /// In each environment where it may change what is served, by its key: none for tags.
    pub environments: ByEnvironment,
}

/// What an action comes to before users are counted.
struct Outlook {
    places: Vec<Together>,
    shrinks: bool,
}

impl Bulk {
    fn outlook(&self, connection: &mut Connection<'_>, project: &str, attached: super::Attached) -> Result<Outlook> {
        let project = projects::project(connection, project)?;
        let flags = self.find_all(connection, &project)?;
        match &self.action {
            Action::Switch { environment, enabled } => {
                let environment = projects::environment(connection, &project.key, environment)?;
                let places = vec![switched(connection, environment, flags, *enabled)?];
                Ok(Outlook { places, shrinks: false })
            }
            Action::Tag { .. } => Ok(Outlook { places: Vec::new(), shrinks: false }),
            Action::Archive => {
                check_unneeded(connection, &project, &flags, attached)?;
                let shrinks = shrinks(used(connection, &project)?, in_use_of(&flags).len());
                Ok(Outlook { places: archived(connection, &project.key, flags)?, shrinks })
            }
        }
    }
}

/// Flags with their kill switch as it would be.
fn switched(
    connection: &mut Connection<'_>,
    environment: Environment,
    flags: Vec<FlagRecord>,
    enabled: bool,
) -> Result<Together> {
    let mut changing = Vec::with_capacity(flags.len());
    for flag in flags {
        let record = store::find_configuration(connection, flag.id, environment.id())?;
        let next = Configuration { enabled, ..record.configuration.clone() };
        changing.push(Changing::configured(flag, record, next));
    }
    Ok(Together { environment, changing })
}

impl Flags {
    /// Who would move by [`Flags::bulk`], which need not be confirmed for it.
    ///
    /// # Errors
    /// As [`Flags::bulk`]; nothing is changed.
    pub async fn preview_bulk(&self, caller: &Caller, project: String, bulk: Bulk) -> Result<BulkPreviews> {
        caller.require(Role::Viewer)?;
        let (keys, attached) = (bulk.flags.clone(), self.attached);
        let work = move |c: &mut Connection<'_>| bulk.outlook(c, &project, attached);
        let Outlook { places, shrinks } = self.store.read(Part::Configuration, work).await?;
        let environments: Vec<_> = places.iter().map(|place| place.environment.key.clone()).collect();
        let previews = self.previews(places, |environment| format!("/environments/{}", environment.key)).await?;
        let mut items: Vec<_> =
            keys.into_iter().map(|flag| BulkPreview { flag, environments: BTreeMap::new() }).collect();
        for (environment, previews) in environments.into_iter().zip(previews) {
            for (item, preview) in items.iter_mut().zip(previews) {
                item.environments.insert(environment.clone(), preview);
            }
        }
        Ok(BulkPreviews { items, shrinks })
    }
}
