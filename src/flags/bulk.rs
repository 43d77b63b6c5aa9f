//! One action on many flags, all or nothing: one transaction, and one revision of each environment it touches.

mod input;
mod preview;

use std::collections::HashSet;

use bellwether_core::Fault;
use serde::Serialize;
use utoipa::ToSchema;

use super::archive::{Attached, dependents, in_use, retire};
use super::change::Edited;
use super::definition::TAGS;
use super::history::Cause;
use super::lifecycle::{Changed, about, republish, touch};
use super::store::{self, FlagRecord, ReferenceKind};
use super::{Configuration, Flags, publish};
use crate::access::{Caller, Role};
use crate::audit::{self, Entry};
use crate::db::Connection;
use crate::error::{Error, Result};
use crate::input::Found;
use crate::projects::{self, Project};

pub use input::{BulkAction, BulkInput};
pub use preview::{BulkPreview, BulkPreviews};

/// Most flags of one request.
pub(super) const MOST: usize = 500;
/// Flags that a refusal names; it counts the others.
const NAMED: usize = 10;

/// An action on many flags that is in order as such.
#[derive(Clone, Debug)]
pub struct Bulk {
    action: Action,
    flags: Vec<String>,
    reason: String,
    /// What is wrong with it as it was sent: told together with what is wrong with what it names.
    found: Found,
}

#[derive(Clone, Debug)]
enum Action {
    Switch { environment: String, enabled: bool },
    Tag { add: Vec<String>, remove: Vec<String> },
    Archive,
}

/// What became of one flag.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct BulkItem {
    /// The flag's key.
    pub flag: String,
    /// The version of what was acted on: of `F` for `enable` and `disable`, else of the flag.
    pub version: u64,
    /// False when it was so already.
    pub changed: bool,
}

impl Bulk {
    /// As it was sent, with what was found wrong with it.
    #[must_use]
    pub fn with(self, found: Found) -> Self {
        Self { found, ..self }
    }

    /// The flags that it names, in their order; archived ones only where they may be.
    ///
    /// # Errors
    /// [`Error::Invalid`] with every fault of the request, unknown flags and an unknown environment among them;
    /// [`Error::Conflicts`] for archived flags.
    fn find_all(&self, connection: &mut Connection<'_>, project: &Project) -> Result<Vec<FlagRecord>> {
        let may_be_archived = matches!(self.action, Action::Archive);
        let (mut flags, mut faults, mut gone) = (Vec::with_capacity(self.flags.len()), Vec::new(), Vec::new());
        // More than those are refused anyway.
        for (index, key) in self.flags.iter().enumerate().take(MOST) {
            let at = format!("/flags/{index}");
            match store::find_flag(connection, project.id, key)? {
                None => faults.push(Fault::new(at, format!("there is no flag {key}"))),
                Some(flag) if flag.archived_at.is_some() && !may_be_archived => {
                    gone.push(Fault::new(at, format!("flag {key} is archived")));
                }
                Some(flag) => {
                    faults.extend(self.tags_fault(&flag, at));
                    flags.push(flag);
                }
            }
        }
        if let Action::Switch { environment, .. } = &self.action
            && !environment.is_empty()
            && projects::environments(connection, &project.key)?.iter().all(|known| known.key != *environment)
        {
            faults.push(Fault::new("/environment", format!("there is no environment {environment}")));
        }
        let mut found = self.found.clone();
        found.add(faults);
        if !found.is_empty() {
            return Err(Error::Invalid(found.into_faults()));
        }
        if gone.is_empty() { Ok(flags) } else { Err(Error::Conflicts(gone)) }
    }

    /// That the flag at `at` would have too many tags.
    fn tags_fault(&self, flag: &FlagRecord, at: String) -> Option<Fault> {
        let Action::Tag { add, remove } = &self.action else { return None };
        // So many are refused themselves.
        if add.len() > TAGS {
            return None;
        }
        // An empty one is refused itself.
        let tags = tagged(&flag.definition.tags, add, remove).iter().filter(|tag| !tag.is_empty()).count();
        (tags > TAGS).then(|| Fault::new(at, format!("flag {} would have {tags} tags; at most {TAGS}", flag.key)))
    }

    /// Passes those who might do this somewhere. See [`Caller::require`].
    fn require(&self, caller: &Caller) -> Result<()> {
        caller.require(if matches!(self.action, Action::Archive) { Role::Operator } else { Role::Editor })
    }

    fn run(
        self,
        connection: &mut Connection<'_>,
        caller: &Caller,
        project: &str,
        confirmed: bool,
        attached: Attached,
    ) -> Result<Changed<Vec<BulkItem>>> {
        let project = projects::project(connection, project)?;
        let flags = self.find_all(connection, &project)?;
        let Self { action, reason, .. } = self;
        match action {
            Action::Switch { environment, enabled } => {
                switch(connection, caller, (&project, &environment), flags, enabled, &reason)
            }
            Action::Tag { add, remove } => {
                Ok((tag(connection, caller, &project, flags, (&add, &remove), &reason)?, Vec::new()))
            }
            Action::Archive => {
                if !confirmed {
                    check_shrink(connection, &project, &flags)?;
                }
                archive(connection, caller, &project, flags, &reason, attached)
            }
        }
    }
}

fn switch(
    connection: &mut Connection<'_>,
    caller: &Caller,
    (project, environment): (&Project, &str),
    flags: Vec<FlagRecord>,
    enabled: bool,
    reason: &str,
) -> Result<Changed<Vec<BulkItem>>> {
    let action = if enabled { "flag.enable" } else { "flag.disable" };
    let environment = projects::environment(connection, &project.key, environment)?;
    caller.require_change(environment.production)?;
    let (mut items, mut changed) = (Vec::with_capacity(flags.len()), Vec::new());
    for flag in flags {
        let record = store::find_configuration(connection, flag.id, environment.id)?;
        let mut edited = Edited { environment: environment.clone(), flag, record };
        let next = Configuration { enabled, ..edited.configuration().clone() };
        let changes = edited.put_configuration(connection, caller, next)?;
        let (flag, version) = (edited.flag.key.clone(), edited.record.version);
        items.push(BulkItem { flag, version, changed: changes.is_some() });
        changed.extend(changes.map(|changes| (edited, changes)));
    }
    if changed.is_empty() {
        return Ok((items, Vec::new()));
    }
    let records: Vec<_> = changed.iter().map(|(edited, _)| &edited.record).collect();
    let cause = Cause { reason, ..Cause::new(action, caller) };
    let published = publish::publish(connection, environment.id, &records, &cause)?;
    for (edited, changes) in changed {
        audit::record(connection, caller, Entry { changes, ..edited.about(action, reason.to_owned()) })?;
    }
    Ok((items, vec![published]))
}

fn tag(
    connection: &mut Connection<'_>,
    caller: &Caller,
    project: &Project,
    flags: Vec<FlagRecord>,
    (add, remove): (&[String], &[String]),
    reason: &str,
) -> Result<Vec<BulkItem>> {
    let mut items = Vec::with_capacity(flags.len());
    for mut flag in flags {
        let tags = tagged(&flag.definition.tags, add, remove);
        let changed = tags != flag.definition.tags;
        if changed {
            let before = serde_json::to_value(&flag.definition)?;
            flag.definition.tags = tags;
            touch(&mut flag, caller);
            store::update_flag(connection, &flag)?;
            let changes = audit::diff(&before, &serde_json::to_value(&flag.definition)?);
            let about = Entry { reason: reason.to_owned(), ..about(project, &flag.key, "flag.update") };
            audit::record(connection, caller, Entry { changes, ..about })?;
        }
        items.push(BulkItem { flag: flag.key, version: flag.version, changed });
    }
    Ok(items)
}

/// The tags without those to remove, and with those to add at the end.
fn tagged(tags: &[String], add: &[String], remove: &[String]) -> Vec<String> {
    let mut tags: Vec<_> = tags.iter().filter(|tag| !remove.contains(tag)).cloned().collect();
    for tag in add {
        if !tags.contains(tag) {
            tags.push(tag.clone());
        }
    }
    tags
}

/// Passes flags of which none is needed by another that stays.
fn check_unneeded(
    connection: &mut Connection<'_>,
    project: &Project,
    flags: &[FlagRecord],
    attached: Attached,
) -> Result<()> {
    let along: Vec<_> = flags.iter().map(|flag| flag.key.clone()).collect();
    let mut named = HashSet::new();
    for environment in projects::environments(connection, &project.key)? {
        let references = store::references_in(connection, environment.id(), ReferenceKind::Prerequisite)?;
        named.extend(references.into_iter().map(|(_, target)| target));
    }
    let mut faults = Vec::new();
    for (index, flag) in flags.iter().enumerate().filter(|(_, flag)| flag.archived_at.is_none()) {
        let dependents = dependents(connection, attached, project, flag, (&along, named.contains(&flag.key)))?;
        faults.extend(in_use(&format!("/flags/{index}"), &flag.key, dependents));
    }
    if faults.is_empty() { Ok(()) } else { Err(Error::Conflicts(faults)) }
}

fn archive(
    connection: &mut Connection<'_>,
    caller: &Caller,
    project: &Project,
    flags: Vec<FlagRecord>,
    reason: &str,
    attached: Attached,
) -> Result<Changed<Vec<BulkItem>>> {
    check_unneeded(connection, project, &flags, attached)?;
    let (mut items, mut gone) = (Vec::with_capacity(flags.len()), Vec::new());
    for mut flag in flags {
        let changed = flag.archived_at.is_none();
        if changed {
            let changes = retire(connection, caller, &mut flag)?;
            let about = Entry { reason: reason.to_owned(), ..about(project, &flag.key, "flag.archive") };
            audit::record(connection, caller, Entry { changes, ..about })?;
        }
        items.push(BulkItem { flag: flag.key.clone(), version: flag.version, changed });
        gone.extend(changed.then_some(flag));
    }
    if gone.is_empty() {
        return Ok((items, Vec::new()));
    }
    let cause = Cause { reason, ..Cause::new("flag.archive", caller) };
    let published = republish(connection, caller, project, &gone, &cause)?;
    Ok((items, published))
}

/// Refuses to take away all flags that are in use, or more than half of them.
fn check_shrink(connection: &mut Connection<'_>, project: &Project, flags: &[FlagRecord]) -> Result<()> {
    let dropped = in_use_of(flags);
    let used = used(connection, project)?;
    if !shrinks(used, dropped.len()) {
        return Ok(());
    }
    let named: Vec<_> = dropped.iter().take(NAMED).copied().collect();
    let more = match dropped.len() - named.len() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    Err(Error::Conflict(format!(
        "this would take {} of the {used} flags in use out of {}: {}{more}; if that is meant, repeat it with confirm_shrink=true",
        dropped.len(),
        project.key,
        named.join(", ")
    )))
}

/// The keys of those that are in use.
fn in_use_of(flags: &[FlagRecord]) -> Vec<&str> {
    flags.iter().filter(|flag| flag.archived_at.is_none()).map(|flag| flag.key.as_str()).collect()
}

/// How many flags of a project are in use.
fn used(connection: &mut Connection<'_>, project: &Project) -> Result<usize> {
    Ok(in_use_of(&store::flags(connection, project.id)?).len())
}

/// Whether so many of the flags in use are so large a part of them that it has to be confirmed: all, or more than half.
#[must_use]
pub fn shrinks(used: usize, dropped: usize) -> bool {
    dropped > 0 && (dropped >= used || dropped * 2 > used)
}

impl Flags {
    /// Does one thing to many flags, or nothing at all. Without `confirmed` a large part of a project's flags is not
    /// archived.
    ///
    /// # Errors
    /// When the caller may not, or any of the flags is not there or can't be changed so: each by its place.
    pub async fn bulk(&self, caller: &Caller, project: String, bulk: Bulk, confirmed: bool) -> Result<Vec<BulkItem>> {
        bulk.require(caller)?;
        let (caller, attached) = (caller.clone(), self.attached);
        self.write(move |c| bulk.run(c, &caller, &project, confirmed, attached)).await
    }
}

#[cfg(test)]
mod tests;
