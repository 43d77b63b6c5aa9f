//! Every version of a flag's configuration that is kept, what each changed, and how an old one comes back.

use bellwether_core::Fault;
use chrono::{DateTime, Utc};
use deserr::Deserr;
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::change::{Edited, Next, Place, edit_as};
use super::configuration::ConfigurationInput;
use super::forecast::Forecast;
use super::store::{self, VersionRecord};
use super::{Configuration, Configured, Definition, Flags, Preview, Published, layers, publish};
use crate::access::{Caller, Role};
use crate::audit::FieldChange;
use crate::clock;
use crate::db::{Connection, Part};
use crate::error::{Error, Result};
use crate::input::Faults;
use crate::version::IfMatch;

/// Most bytes of configurations in one answer, though two versions always fit: a version may be a mebibyte.
const BYTES: usize = 4 << 20;
/// Longest reason, in characters.
const REASON: usize = 1_000;

/// How much history is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Versions of a flag in an environment: the one in force and those before it. At least 1.
    pub versions: u32,
}

impl Retention {
    /// What may be set.
    pub const VERSIONS: std::ops::RangeInclusive<u32> = 1..=100_000;

    /// The newest version that is forgotten once `version` is there.
    pub(super) fn forgets(self, version: u64) -> u64 {
        version.saturating_sub(u64::from(self.versions.max(1)))
    }
}

impl Default for Retention {
    fn default() -> Self {
        Self { versions: 1_000 }
    }
}

/// Why a version comes to be, as it is kept with it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cause<'c> {
    pub(super) action: &'static str,
    pub(super) reason: &'c str,
    pub(super) request_id: &'c str,
    pub(super) restored: Option<u64>,
}

impl<'c> Cause<'c> {
    /// What `caller` does, without a reason.
    pub(super) fn new(action: &'static str, caller: &'c Caller) -> Self {
        Self { action, reason: "", request_id: &caller.origin.request_id, restored: None }
    }
}

/// A version of a flag's configuration in an environment, as the API shows it.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[schema(as = FlagVersion)]
pub struct Version {
    /// From 1.
    pub version: u64,
    /// The environment's revision that it came with.
    pub revision: u64,
    /// Since when it was in force.
    #[serde(with = "clock::serde_rfc3339")]
    pub at: DateTime<Utc>,
    /// Who made it.
    pub actor: String,
    /// What was done, as the audit log calls it: `flag.rollout`.
    pub action: String,
    /// Why, in the actor's words.
    #[serde(skip_serializing_if = "String::is_empty")]
    #[schema(required = false)]
    pub reason: String,
    /// The request that the audit log names.
    #[serde(skip_serializing_if = "String::is_empty")]
    #[schema(required = false)]
    pub request_id: String,
    /// The version that this one brought back.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub restored_version: Option<u64>,
    /// With weights.
    #[schema(value_type = ConfigurationInput)]
    pub configuration: Value,
    /// Ranges of each split by its place.
    #[schema(value_type = std::collections::HashMap<String, Vec<(u32, String)>>)]
    pub allocations: Map<String, Value>,
    /// What differs from the version before, as pointers into the configuration; null when that one is not kept.
    pub changes: Option<Vec<FieldChange>>,
    /// Whom a split was for, in a sentence without a final stop, where a release that had part of a layer ran on it.
    #[serde(skip)]
    pub limit: Option<String>,
}

impl Version {
    fn of(record: VersionRecord, before: Option<&VersionRecord>, definition: &Definition) -> Result<Self> {
        let variations = &definition.variations;
        let release = record.release.as_ref();
        let changes = before.map(|before| {
            before.configuration.changes(&record.configuration, (before.release.as_ref(), release), variations)
        });
        let changes = changes.transpose()?;
        let limit = layers::told(release, &record.configuration, definition);
        Ok(Self {
            version: record.version,
            revision: record.revision,
            at: record.at,
            actor: record.actor,
            action: record.action,
            reason: record.reason,
            request_id: record.request_id,
            restored_version: record.restored,
            configuration: record.configuration.view(release, variations)?,
            allocations: record.configuration.allocations(),
            changes,
            limit,
        })
    }
}

/// Versions, newest first, and before which one there are more.
pub type Versions = (Vec<Version>, Option<u64>);

/// `POST F/history/{version}/restore`.
#[derive(Clone, Debug, Default, Deserr, ToSchema)]
#[deserr(error = Faults, deny_unknown_fields)]
#[serde(deny_unknown_fields)]
#[schema(as = Restoring)]
pub struct RestoreInput {
    /// Why.
    #[deserr(default)]
    #[schema(required = false, max_length = 1_000)]
    pub reason: String,
}

impl RestoreInput {
    /// As it came.
    ///
    /// # Errors
    /// When the reason is none that is kept.
    pub fn checked(self) -> Result<Self> {
        Error::unless_empty(reason_fault(&self.reason).into_iter().collect())?;
        Ok(self)
    }
}

/// What is wrong with a reason that somebody gives for a change.
pub fn reason_fault(reason: &str) -> Option<Fault> {
    // No text of a store on PostgreSQL holds U+0000.
    let wrong = reason.chars().count() > REASON || reason.contains('\0');
    wrong.then(|| Fault::new("/reason", format!("has at most {REASON} characters, U+0000 not among them")))
}

/// What an old version would change, were it restored.
#[derive(Clone, Debug)]
pub struct Restoration {
    /// What differs, as pointers into the configuration.
    pub changes: Vec<FieldChange>,
    /// Who moves.
    pub preview: Preview,
    /// Whether changes here need an operator.
    pub production: bool,
}

/// Up to `limit` versions of what stands at `place`, archived or not, before version `before`.
fn versions(connection: &mut Connection<'_>, place: &Place, before: u64, limit: usize) -> Result<Versions> {
    let edited = Edited::find_any(connection, place)?;
    let (mut records, cut) = store::versions(connection, edited.ids(), before, limit + 1, BYTES)?;
    // The surplus one is there to be compared with.
    let surplus = if cut || records.len() > limit { records.pop() } else { None };
    let next = surplus.as_ref().and(records.last()).map(|last| last.version);
    let mut before = surplus;
    let mut shown = Vec::with_capacity(records.len());
    for record in records.into_iter().rev() {
        let known = before.replace(record.clone());
        let adjacent = known.as_ref().filter(|known| known.version + 1 == record.version);
        shown.push(Version::of(record, adjacent, edited.definition())?);
    }
    shown.reverse();
    Ok((shown, next))
}

/// The configuration as it stood in a version, with its ranges and salts: those who were served something then are
/// served it again.
fn of_version(connection: &mut Connection<'_>, edited: &Edited, version: u64) -> Result<Configuration> {
    let Some(kept) = store::find_version(connection, edited.ids(), version)? else {
        let what = format!("version {version} of flag {} in {}", edited.key(), edited.environment.key);
        let gone = (1..=edited.record.version).contains(&version);
        return Err(Error::NotFound(if gone {
            format!("{what} any more: only so many of the latest versions are kept")
        } else {
            what
        }));
    };
    layers::check_restored(version, kept.release.as_ref(), edited.release())?;
    let configuration = kept.configuration;
    let faults = publish::faults(connection, &edited.flag, &edited.record, configuration.clone(), "/configuration")?;
    Error::unless_empty(faults)?;
    Ok(configuration)
}

/// Brings a version back as a new one. See [`Flags::restore`].
fn restore(
    connection: &mut Connection<'_>,
    caller: &Caller,
    place: &Place,
    if_match: IfMatch,
    version: u64,
    reason: String,
) -> Result<(Configured, Option<std::sync::Arc<Published>>)> {
    edit_as(connection, caller, place, if_match, |connection, edited| {
        let configuration = of_version(connection, edited, version)?;
        Ok(Next { configuration, action: "flag.restore", reason, restored: Some(version) })
    })
}

/// Forgets the versions that are too many since a change was published.
pub(super) fn forget(connection: &mut Connection<'_>, published: &Published, retention: Retention) -> Result<()> {
    for (flag, version) in &published.versions {
        match retention.forgets(*version) {
            0 => {}
            last => store::forget_versions(connection, (*flag, published.environment), last)?,
        }
    }
    Ok(())
}

impl Flags {
    /// Up to `limit` versions of a flag's configuration, newest first, before version `before`. Of an archived flag
    /// too.
    ///
    /// # Errors
    /// When the caller may not, or there is no such flag.
    pub async fn history(&self, caller: &Caller, place: Place, before: Option<u64>, limit: usize) -> Result<Versions> {
        caller.require(Role::Viewer)?;
        let before = before.unwrap_or(u64::MAX);
        self.store.read(Part::Configuration, move |c| versions(c, &place, before, limit)).await
    }

    /// Makes an old version the newest again, ranges and salts included. The version at hand brings nothing new.
    ///
    /// # Errors
    /// As for any change of the configuration; not found when the version is not kept.
    pub async fn restore(
        &self,
        caller: &Caller,
        place: Place,
        if_match: IfMatch,
        version: u64,
        input: RestoreInput,
    ) -> Result<Configured> {
        let RestoreInput { reason } = input.checked()?;
        let caller = caller.clone();
        let work = move |c: &mut Connection<'_>| {
            let (view, published) = restore(c, &caller, &place, if_match, version, reason)?;
            Ok((view, published.into_iter().collect()))
        };
        self.write(work).await
    }

    /// What [`Flags::restore`] would do.
    ///
    /// # Errors
    /// As [`Flags::restore`]; nothing is changed.
    pub async fn restoration(
        &self,
        caller: &Caller,
        place: Place,
        if_match: IfMatch,
        version: u64,
    ) -> Result<Restoration> {
        caller.require(Role::Viewer)?;
        let change = move |c: &mut Connection<'_>, edited: &Edited| of_version(c, edited, version);
        let Forecast { edited, next, preview } = self.forecast(place, if_match, change).await?;
        Ok(Restoration {
            changes: edited.configuration().changes(
                &next,
                (edited.release(), edited.release()),
                &edited.definition().variations,
            )?,
            preview,
            production: edited.environment.production,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_so_many_versions_stay() {
        let retention = Retention { versions: 3 };
        assert_eq!([1, 2, 3, 4, 10].map(|version| retention.forgets(version)), [0, 0, 0, 1, 7]);
        assert_eq!(Retention { versions: 1 }.forgets(5), 4);
        assert_eq!(Retention { versions: 0 }.forgets(5), 4, "the one in force is never forgotten");
    }

    #[test]
    fn a_reason_has_its_length() {
        assert_eq!(reason_fault(&"å".repeat(REASON)), None);
        assert!(reason_fault("a\0b").is_some());
        assert_eq!(reason_fault(&"å".repeat(REASON + 1)).map(|fault| fault.pointer), Some("/reason".to_owned()));
    }
}
