//! Explanations of what a flag serves or has served: the trace, and the change that made it so.
//!
//! They are answered from the store alone, by the versions that are kept: the newest revision is one like any other.

mod change;
mod scene;
mod segments;

use bellwether_core::{Context, Explanation, Now};
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use super::segments::history;
use super::{Flags, Place, store};
use crate::access::{Caller, Role};
use crate::audit;
use crate::clock;
use crate::db::{Connection, Part};
use crate::error::{Error, Result};
use crate::projects::{self, Environment};
use scene::{Past, Stop};

/// Which moment is asked about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Asked {
    /// This one.
    #[default]
    Now,
    /// When this revision was the newest, up to its end.
    Revision(u64),
    /// That one.
    At(DateTime<Utc>),
}

/// What a flag serves a context in an environment, or did, every step on the way there, and which change made it so.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = FlagExplanation)]
pub struct Explained {
    /// What, and the steps.
    #[serde(flatten)]
    pub explanation: Explanation,
    /// The environment's key.
    pub environment: String,
    /// The moment that is explained, with which clauses on time compare.
    #[serde(with = "clock::serde_rfc3339")]
    pub at: DateTime<Utc>,
    /// The last change before which the same context was served something else.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub change: Option<MadeSo>,
    /// In place of `change`, when it lies further back than can be looked.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub unchanged_since: Option<UnchangedSince>,
    /// What makes this less than certain, a sentence each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub notes: Vec<String>,
}

/// A change of a flag, of one of its prerequisites or of a segment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = ChangeThatMadeItSo)]
pub struct MadeSo {
    /// Of what, as the audit log has it: `flag/feature.a`.
    pub resource: String,
    /// The version that it made.
    pub version: u64,
    /// The environment's revision that it came with.
    pub revision: u64,
    /// When.
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
}

/// How far back it is known that nothing changed what is served.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct UnchangedSince {
    /// At least since this revision.
    pub revision: u64,
    /// Which was made then.
    #[serde(with = "clock::serde_rfc3339")]
    pub at: DateTime<Utc>,
    /// Why no further, in a sentence.
    pub because: String,
}

/// The revision that is asked about, and the moment.
fn moment(connection: &mut Connection<'_>, environment: &Environment, asked: Asked) -> Result<(u64, DateTime<Utc>)> {
    let now = clock::now();
    match asked {
        Asked::Now => Ok((environment.revision, now)),
        Asked::Revision(revision) if revision > environment.revision => Err(Error::NotFound(format!(
            "revision {revision} of {} yet: the newest is {}",
            environment.key, environment.revision
        ))),
        Asked::Revision(revision) => {
            let flags = store::next_revision(connection, environment.id, revision)?;
            let segments = history::next_revision(connection, environment.id, revision)?;
            let next = flags.into_iter().chain(segments).min();
            Ok((revision, next.map_or(now, |(_, at)| at)))
        }
        Asked::At(at) if at > now => Err(Error::invalid("/at", "lies in the future; only what was can be told")),
        Asked::At(at) => {
            let flags = store::revision_at(connection, environment.id, at)?.unwrap_or_default();
            let segments = history::revision_at(connection, environment.id, flags, at)?;
            Ok((segments.unwrap_or(flags), at))
        }
    }
}

/// What is not known of a flag that was not there, where there was another of its key once.
fn purged(connection: &mut Connection<'_>, place: &Place) -> Result<Option<String>> {
    let filter = audit::Filter {
        action: Some("flag.purge".to_owned()),
        resource: Some(format!("flag/{}", place.flag)),
        ..audit::Filter::default()
    };
    let purge = audit::last(connection, filter)?.filter(|purge| purge.project.as_ref() == Some(&place.project));
    Ok(purge.map(|purge| {
        let at = clock::rfc3339(purge.at);
        format!("A flag of this key was purged at {at} by {}; what it served before is not kept.", purge.actor.name)
    }))
}

fn explain(connection: &mut Connection<'_>, place: &Place, asked: Asked, context: &Context) -> Result<Explained> {
    let environment = projects::environment(connection, &place.project, &place.environment)?;
    let flag = store::find_flag(connection, environment.project_id, &place.flag)?;
    let flag = flag.ok_or_else(|| Error::NotFound(format!("flag {}", place.flag)))?;
    if asked == Asked::Now && flag.archived_at.is_some() {
        let what = format!("flag {} now: it is archived; ask with `at` or `revision` about the past", place.flag);
        return Err(Error::NotFound(what));
    }
    let (revision, at) = moment(connection, &environment, asked)?;
    let mut past = Past::new(connection, &environment, &place.flag, context)?;
    let scene = match past.scene(revision, None) {
        Ok(scene) => scene,
        Err(Stop::Unkept(gap)) => {
            return Err(Error::NotFound(format!("revision {revision} of {} any more: {gap}", environment.key)));
        }
        Err(Stop::Failed(error)) => return Err(error),
    };
    let now = Now::At(at.timestamp_millis());
    let explanation = scene.state.explain(&place.flag, context, now);
    let (change, unchanged_since) = past.made_so(scene, now)?;
    let mut notes = past.notes();
    if explanation.version.is_none() {
        notes.extend(purged(connection, place)?);
    }
    Ok(Explained { explanation, environment: environment.key, at, change, unchanged_since, notes })
}

impl Flags {
    /// What a flag serves or has served `context`, step by step, and which change made it so.
    ///
    /// # Errors
    /// When the caller may not; not found when there is no such flag, it is archived and asked about now, the revision
    /// is not there yet, or what was served with it is no longer kept.
    pub async fn explain(&self, caller: &Caller, place: Place, asked: Asked, context: Context) -> Result<Explained> {
        caller.require(Role::Viewer)?;
        self.store.read(Part::Configuration, move |c| explain(c, &place, asked, &context)).await
    }
}
