use super::{
    Environment, EnvironmentChange, NewProject, Project, ProjectChange, about, create, environment, environments,
    project, store,
};
use crate::access::{Access, Caller, Role};
use crate::audit::{self, Entry};
use crate::clock;
use crate::db::{Connection, Part, Store};
use crate::error::{Error, Result};
use crate::version::IfMatch;

/// The service for projects and environments.
#[derive(Clone)]
pub struct Projects {
    store: Store,
    access: Access,
}

impl Projects {
    /// Over `store`, telling `access` of keys that end with their environment.
    pub fn new(store: Store, access: Access) -> Self {
        Self { store, access }
    }

    /// Every project.
    ///
    /// # Errors
    /// When the caller may not, or the store does not answer.
    pub async fn list(&self, caller: &Caller) -> Result<Vec<Project>> {
        caller.require(Role::Viewer)?;
        self.store.read(Part::Configuration, store::all).await
    }

    /// One project.
    ///
    /// # Errors
    /// As [`Projects::list`], or when there is none of that key.
    pub async fn get(&self, caller: &Caller, key: String) -> Result<Project> {
        caller.require(Role::Viewer)?;
        self.store.read(Part::Configuration, move |c| project(c, &key)).await
    }

    /// A new project with the three environments that every project begins with.
    ///
    /// # Errors
    /// When the caller is no admin or the key is taken.
    pub async fn create(&self, caller: &Caller, new: NewProject) -> Result<Project> {
        caller.require(Role::Admin)?;
        let caller = caller.clone();
        self.store.write(Part::Configuration, move |c| create(c, &caller, new)).await
    }

    /// Changes a project's name or description.
    ///
    /// # Errors
    /// When the caller is no admin, there is none of that key, or its version is another.
    pub async fn change(
        &self,
        caller: &Caller,
        key: String,
        if_match: IfMatch,
        change: ProjectChange,
    ) -> Result<Project> {
        caller.require(Role::Admin)?;
        let caller = caller.clone();
        let work = move |c: &mut Connection<'_>| {
            let before = project(c, &key)?;
            if_match.check(before.version.unsigned_abs())?;
            let mut after = Project { version: before.version + 1, updated_at: clock::now(), ..before.clone() };
            after.name = change.name.unwrap_or(after.name);
            after.description = change.description.unwrap_or(after.description);
            store::update(c, &after)?;
            let changes = audit::diff(&serde_json::to_value(&before)?, &serde_json::to_value(&after)?);
            audit::record(c, &caller, Entry { action: "project.update", changes, ..about(&after.key, None) })?;
            Ok(after)
        };
        self.store.write(Part::Configuration, work).await
    }

    /// Deletes a project without flags and segments, with its environments and their keys.
    ///
    /// # Errors
    /// [`Error::Conflict`] while flags or segments belong to it.
    pub async fn delete(&self, caller: &Caller, key: String, if_match: IfMatch) -> Result<()> {
        caller.require(Role::Admin)?;
        let caller = caller.clone();
        let work = move |c: &mut Connection<'_>| {
            let before = project(c, &key)?;
            if_match.check(before.version.unsigned_abs())?;
            if !store::delete(c, before.id)? {
                return Err(Error::Conflict(format!(
                    "project {key} still has flags or segments; it can be deleted when it has none"
                )));
            }
            let changes = audit::whole(Some(serde_json::to_value(&before)?), None);
            audit::record(c, &caller, Entry { action: "project.delete", changes, ..about(&before.key, None) })
        };
        self.store.write(Part::Configuration, work).await?;
        self.access.reload().await
    }

    /// The environments of a project, in their order.
    ///
    /// # Errors
    /// As [`Projects::get`].
    pub async fn environments(&self, caller: &Caller, project_key: String) -> Result<Vec<Environment>> {
        caller.require(Role::Viewer)?;
        self.store.read(Part::Configuration, move |c| environments(c, &project_key)).await
    }

    /// One environment.
    ///
    /// # Errors
    /// As [`Projects::get`].
    pub async fn environment(&self, caller: &Caller, project_key: String, key: String) -> Result<Environment> {
        caller.require(Role::Viewer)?;
        self.store.read(Part::Configuration, move |c| environment(c, &project_key, &key)).await
    }

    /// Changes an environment's name or whether it is production.
    ///
    /// # Errors
    /// When the caller is no admin, there is none of that key, or its version is another.
    pub async fn change_environment(
        &self,
        caller: &Caller,
        project_key: String,
        key: String,
        if_match: IfMatch,
        change: EnvironmentChange,
    ) -> Result<Environment> {
        caller.require(Role::Admin)?;
        let caller = caller.clone();
        let work = move |c: &mut Connection<'_>| {
            let before = environment(c, &project_key, &key)?;
            if_match.check(before.version.unsigned_abs())?;
            let mut after = Environment { version: before.version + 1, updated_at: clock::now(), ..before.clone() };
            after.name = change.name.unwrap_or(after.name);
            after.production = change.production.unwrap_or(after.production);
            store::update_environment(c, &after)?;
            let changes = audit::diff(&serde_json::to_value(&before)?, &serde_json::to_value(&after)?);
            let entry = Entry { action: "environment.update", changes, ..about(&after.project, Some(&after.key)) };
            audit::record(c, &caller, entry)?;
            Ok(after)
        };
        self.store.write(Part::Configuration, work).await
    }

    /// Deletes an environment with every flag's configuration in it, and its keys.
    ///
    /// # Errors
    /// When the caller is no admin, there is none of that key, or its version is another.
    pub async fn delete_environment(
        &self,
        caller: &Caller,
        project_key: String,
        key: String,
        if_match: IfMatch,
    ) -> Result<()> {
        caller.require(Role::Admin)?;
        let caller = caller.clone();
        let work = move |c: &mut Connection<'_>| {
            let before = environment(c, &project_key, &key)?;
            if_match.check(before.version.unsigned_abs())?;
            if before.production {
                let first = "say first that it is none (PATCH production: false); its flags' configurations go with it";
                return Err(Error::Conflict(format!("{key} is a production environment; {first}")));
            }
            store::delete_environment(c, before.id)?;
            let changes = audit::whole(Some(serde_json::to_value(&before)?), None);
            let entry = Entry { action: "environment.delete", changes, ..about(&before.project, Some(&before.key)) };
            audit::record(c, &caller, entry)
        };
        self.store.write(Part::Configuration, work).await?;
        self.access.reload().await
    }
}
