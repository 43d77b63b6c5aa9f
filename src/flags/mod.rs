//! Flags: what they are, how each environment serves them, and the revisions that readers get.
//!
//! A change is checked as it would be served, saved, given the environment's next revision and recorded, all in one
//! transaction; then it is taken into memory ([`Live`]) and pushed to whoever subscribes there.

pub mod api;
mod archive;
mod bulk;
mod change;
mod condition;
mod configuration;
mod definition;
mod encoding;
mod forecast;
mod framed;
mod graph;
mod history;
mod layers;
mod lifecycle;
mod live;
mod overview;
pub mod pages;
mod past;
mod preview;
mod publish;
mod reconcile;
mod references;
mod rollout;
mod salts;
pub mod segments;
mod service;
pub mod share;
mod staleness;
mod store;
pub mod telling;
mod times;

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

pub use archive::{Attached, Need};
pub use bulk::{Bulk, BulkAction, BulkInput, BulkItem, BulkPreview, BulkPreviews, shrinks};
pub use change::{Edited, Place, edit, exists, roll_out};
pub use configuration::{Configuration, ConfigurationDocument};
pub use definition::{Definition, DefinitionInput, Kind, Link, NewFlag};
pub use encoding::{Coding, Encoded};
pub use forecast::ByEnvironment;
pub use framed::Framed;
pub use history::{Restoration, RestoreInput, Retention, Version, Versions, reason_fault};
pub use layers::{LayerHolder, LayerPart, LayerView, take as take_of_layer};
pub use lifecycle::create;
pub use live::{CatchUp, Live, LiveEnvironment, Served};
pub use overview::{Overview, Standing};
pub use pages::{CanaryNote, CanarySource};
pub use past::{Asked, Explained, MadeSo, UnchangedSince};
pub use preview::{Balance, Dependent, NeededBy, PlacedMove, Preview, RecentMoves, TargetMoves, UserMove, moved_users};
pub use publish::Published;
pub use reconcile::reconcile;
pub use rollout::{RolloutInput, Wanted};
pub use salts::Salts;
pub use service::{FlagFilter, Flags};
pub use staleness::{FlagState, Staleness};
pub use times::{ChangeTimes, News};

use crate::clock;
use crate::db::Connection;
use crate::error::Result;
use crate::schema::Time;
use store::{ConfigurationRecord, FlagRecord};

/// The keys of all flags, archived ones too, by environment.
///
/// # Errors
/// When the store does not answer.
pub fn known(connection: &mut Connection<'_>) -> Result<HashMap<i64, HashSet<String>>> {
    store::keys(connection)
}

/// A flag as the API shows it.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Flag)]
pub struct FlagView {
    /// Unique in the project.
    pub key: String,
    /// The type of its values.
    #[serde(rename = "type")]
    #[schema(value_type = bellwether_core::ValueType)]
    pub value_type: &'static str,
    /// Everything that may change.
    #[serde(flatten)]
    pub definition: Definition,
    /// Grows with each change of the definition.
    pub version: u64,
    /// Where it is in its life.
    pub state: FlagState,
    /// Why it is potentially stale, by what was really evaluated.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub stale_reason: Option<String>,
    /// Since when it is out of use.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Time>)]
    pub archived_at: Option<String>,
    /// When it was created.
    #[serde(with = "clock::serde_rfc3339")]
    pub created_at: DateTime<Utc>,
    /// When the definition last changed.
    #[serde(with = "clock::serde_rfc3339")]
    pub updated_at: DateTime<Utc>,
    /// By whom.
    pub updated_by: String,
}

impl From<FlagRecord> for FlagView {
    fn from(flag: FlagRecord) -> Self {
        Self {
            key: flag.key,
            value_type: flag.value_type.name(),
            definition: flag.definition,
            version: flag.version,
            // Whether it is stale is for the service to say, which knows what was evaluated.
            state: if flag.archived_at.is_some() { FlagState::Archived } else { FlagState::Active },
            stale_reason: None,
            archived_at: flag.archived_at.map(clock::rfc3339),
            created_at: flag.created_at,
            updated_at: flag.updated_at,
            updated_by: flag.updated_by,
        }
    }
}

impl FlagView {
    /// As the audit log keeps it: what was evaluated is no part of the flag.
    fn recorded(&self) -> Result<Value> {
        let mut record = serde_json::to_value(self)?;
        if let Some(members) = record.as_object_mut() {
            members.retain(|name, _| !matches!(name.as_str(), "state" | "stale_reason"));
        }
        Ok(record)
    }
}

/// A flag's configuration in an environment, as the API shows it.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = FlagConfiguration)]
pub struct Configured {
    /// The flag's key.
    pub flag: String,
    /// The environment's key.
    pub environment: String,
    /// Grows with each change here.
    pub version: u64,
    /// When it last changed.
    #[serde(with = "clock::serde_rfc3339")]
    pub updated_at: DateTime<Utc>,
    /// By whom.
    pub updated_by: String,
    /// With weights.
    #[schema(value_type = configuration::ConfigurationInput)]
    pub configuration: Value,
    /// Ranges of each split by its place.
    #[schema(value_type = HashMap<String, Vec<(u32, String)>>)]
    pub allocations: Map<String, Value>,
}

impl Configured {
    fn of(flag: &FlagRecord, record: &ConfigurationRecord, environment: &str) -> Result<Self> {
        Ok(Self {
            flag: flag.key.clone(),
            environment: environment.to_owned(),
            version: record.version,
            updated_at: record.updated_at,
            updated_by: record.updated_by.clone(),
            configuration: record.configuration.view(record.release.as_ref(), &flag.definition.variations)?,
            allocations: record.configuration.allocations(),
        })
    }
}
