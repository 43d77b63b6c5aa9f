//! Projects and their environments: where flags live and what a key opens.

pub mod api;
mod input;
pub mod pages;
mod service;
mod store;

use bellwether_core::state_hash;
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

pub use input::{EnvironmentChange, NewEnvironment, NewProject, ProjectChange, well_formed_key};
pub use pages::Frame;
pub use service::Projects;

use crate::access::Caller;
use crate::audit::{self, Entry};
use crate::clock;
use crate::db::Connection;
use crate::error::{Error, Result};

/// The project that every store begins with.
pub const DEFAULT_PROJECT: &str = "default";

/// The environments that every project begins with: key, name, whether it is production.
const FIRST_ENVIRONMENTS: [(&str, &str, bool); 3] =
    [("development", "Development", false), ("staging", "Staging", false), ("production", "Production", true)];

/// A set of flags with one team behind it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Project {
    #[serde(skip)]
    pub(crate) id: i64,
    /// Unique.
    pub key: String,
    /// For people.
    pub name: String,
    /// For people.
    pub description: String,
    /// Grows with each change.
    pub version: i64,
    /// When it was created.
    #[serde(with = "clock::serde_rfc3339")]
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    #[serde(with = "clock::serde_rfc3339")]
    pub updated_at: DateTime<Utc>,
}

/// One of a project's worlds, each with its own configuration of every flag.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Environment {
    #[serde(skip)]
    pub(crate) id: i64,
    #[serde(skip)]
    pub(crate) project_id: i64,
    /// The project's key.
    pub project: String,
    /// Unique in the project.
    pub key: String,
    /// For people.
    pub name: String,
    /// Whether changes here need an operator.
    pub production: bool,
    #[serde(skip)]
    pub(crate) position: i64,
    /// Grows by one with each change that its SDKs can see.
    pub revision: u64,
    #[serde(skip)]
    pub(crate) state_hash: String,
    /// Grows with each change of the environment itself.
    pub version: i64,
    /// When it was created.
    #[serde(with = "clock::serde_rfc3339")]
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    #[serde(with = "clock::serde_rfc3339")]
    pub updated_at: DateTime<Utc>,
}

impl Environment {
    /// Its id in the store, which keys belong to.
    pub fn id(&self) -> i64 {
        self.id
    }
}

/// The part of an audit entry that says which project or environment it is about.
fn about(project: &str, environment: Option<&str>) -> Entry {
    Entry {
        resource: environment.map_or_else(|| format!("project/{project}"), |key| format!("environment/{key}")),
        project: Some(project.to_owned()),
        environment: environment.map(str::to_owned),
        ..Entry::default()
    }
}

/// Every project.
///
/// # Errors
/// When the store does not answer.
pub fn all(connection: &mut Connection<'_>) -> Result<Vec<Project>> {
    store::all(connection)
}

/// How many projects there are: the cheapest question that shows that the store answers.
///
/// # Errors
/// When it does not.
pub fn count(connection: &mut Connection<'_>) -> Result<usize> {
    Ok(store::all(connection)?.len())
}

/// The project called `key`.
///
/// # Errors
/// [`Error::NotFound`].
pub fn project(connection: &mut Connection<'_>, key: &str) -> Result<Project> {
    store::find(connection, key)?.ok_or_else(|| Error::NotFound(format!("project {key}")))
}

/// The environments of the project called `key`, in their order.
///
/// # Errors
/// [`Error::NotFound`].
pub fn environments(connection: &mut Connection<'_>, key: &str) -> Result<Vec<Environment>> {
    let project = project(connection, key)?;
    store::environments(connection, &project)
}

/// The environment `key` of the project `project_key`.
///
/// # Errors
/// [`Error::NotFound`].
pub fn environment(connection: &mut Connection<'_>, project_key: &str, key: &str) -> Result<Environment> {
    let all = environments(connection, project_key)?;
    all.into_iter()
        .find(|environment| environment.key == key)
        .ok_or_else(|| Error::NotFound(format!("environment {key}")))
}

/// The environment with that id.
///
/// # Errors
/// [`Error::NotFound`].
pub fn environment_of_id(connection: &mut Connection<'_>, id: i64) -> Result<Environment> {
    store::environment_of_id(connection, id)?.ok_or_else(|| Error::NotFound("environment".to_owned()))
}

/// Creates a project with its first environments.
///
/// # Errors
/// [`Error::Conflict`] when the key is taken.
pub fn create(connection: &mut Connection<'_>, caller: &Caller, new: NewProject) -> Result<Project> {
    if store::find(connection, &new.key)?.is_some() {
        return Err(Error::Conflict(format!("there is a project {} already", new.key)));
    }
    let now = clock::now();
    let mut project = Project {
        id: 0,
        name: new.name.unwrap_or_else(|| new.key.clone()),
        key: new.key,
        description: new.description.unwrap_or_default(),
        version: 1,
        created_at: now,
        updated_at: now,
    };
    project.id = store::insert(connection, &project)?;
    let changes = audit::whole(None, Some(serde_json::to_value(&project)?));
    audit::record(connection, caller, Entry { action: "project.create", changes, ..about(&project.key, None) })?;
    for (key, name, production) in FIRST_ENVIRONMENTS {
        let new = NewEnvironment { key: key.to_owned(), name: Some(name.to_owned()), production };
        create_environment(connection, caller, &project, new)?;
    }
    Ok(project)
}

/// Creates an environment, without flags in it as yet.
///
/// # Errors
/// [`Error::Conflict`] when the key is taken in the project.
pub fn create_environment(
    connection: &mut Connection<'_>,
    caller: &Caller,
    project: &Project,
    new: NewEnvironment,
) -> Result<Environment> {
    let others = store::environments(connection, project)?;
    if others.iter().any(|other| other.key == new.key) {
        return Err(Error::Conflict(format!("there is an environment {} already", new.key)));
    }
    let now = clock::now();
    let mut environment = Environment {
        id: 0,
        project_id: project.id,
        project: project.key.clone(),
        name: new.name.unwrap_or_else(|| new.key.clone()),
        key: new.key,
        production: new.production,
        position: others.iter().map(|other| other.position).max().map_or(0, |last| last + 1),
        revision: 0,
        state_hash: state_hash([]),
        version: 1,
        created_at: now,
        updated_at: now,
    };
    environment.id = store::insert_environment(connection, &environment)?;
    let changes = audit::whole(None, Some(serde_json::to_value(&environment)?));
    let entry = Entry { action: "environment.create", changes, ..about(&project.key, Some(&environment.key)) };
    audit::record(connection, caller, entry)?;
    Ok(environment)
}

/// Makes `revision` the environment's newest.
///
/// # Errors
/// When the store does not answer.
pub fn set_revision(connection: &mut Connection<'_>, environment: i64, revision: u64, hash: &str) -> Result<()> {
    store::set_revision(connection, environment, revision, hash)
}

/// The life of this store, drawn when it is first asked for: a revision means nothing without it.
///
/// # Errors
/// When the store does not answer.
pub fn epoch(connection: &mut Connection<'_>) -> Result<String> {
    if let Some(epoch) = store::meta(connection, "epoch")? {
        return Ok(epoch);
    }
    let epoch = Uuid::now_v7().to_string();
    store::set_meta(connection, "epoch", &epoch)?;
    Ok(epoch)
}

/// Whether a demo made this store, so that another may start over in it.
///
/// # Errors
/// When the store does not answer.
pub fn is_demo(connection: &mut Connection<'_>) -> Result<bool> {
    Ok(store::meta(connection, DEMO)?.is_some())
}

/// Says that a demo made this store.
///
/// # Errors
/// When the store does not answer, or it is said already.
pub fn mark_as_demo(connection: &mut Connection<'_>) -> Result<()> {
    store::set_meta(connection, DEMO, "yes")
}

const DEMO: &str = "demo";

/// Gives an empty store its first project.
///
/// # Errors
/// When the store does not answer.
pub fn ensure_default(connection: &mut Connection<'_>, caller: &Caller) -> Result<()> {
    if count(connection)? == 0 {
        let new = NewProject { key: DEFAULT_PROJECT.to_owned(), name: Some("Default".to_owned()), description: None };
        create(connection, caller, new)?;
    }
    Ok(())
}
