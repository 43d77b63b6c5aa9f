//! One action on many flags, all or nothing: one transaction, and one revision of each environment it touches.

mod preview;

use std::collections::HashSet;

use bellwether_core::Fault;
use deserr::Deserr;
use serde::Serialize;
use utoipa::ToSchema;

use super::archive::{Attached, dependents, in_use, retire};
use super::change::Edited;
use super::definition::{TAG_LENGTH, TAGS};
use super::history::{Cause, reason_fault};
use super::lifecycle::{Changed, about, republish, touch};
use super::store::{self, FlagRecord, ReferenceKind};
use super::{Configuration, Flags, publish};
use crate::access::{Caller, Role};
use crate::audit::{self, Entry};
use crate::db::Connection;
use crate::error::{Error, Result};
use crate::input::Faults;
use crate::projects::{self, Project};

pub use preview::{BulkPreview, BulkPreviews};

/// Most flags of one request.
pub(super) const MOST: usize = 500;
/// Flags that a refusal names; it counts the others.
const NAMED: usize = 10;

/// What is done to each flag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserr, ToSchema)]
#[deserr(error = Faults, rename_all = lowercase)]
#[schema(rename_all = "lowercase")]
pub enum BulkAction {
    /// Turn the kill switch on.
    Enable,
    /// Turn it off.
    Disable,
    /// Add and remove tags.
    Tag,
    /// Take out of use.
    Archive,
}

/// `POST P/flags:bulk`, as it is sent.
#[derive(Clone, Debug, Deserr, ToSchema)]
#[deserr(error = Faults, deny_unknown_fields)]
#[serde(deny_unknown_fields)]
#[schema(as = Bulk)]
pub struct BulkInput {
    /// What to do.
    pub action: BulkAction,
    /// The keys of 1 to 500 flags, none twice.
    #[schema(min_items = 1, max_items = 500)]
    pub flags: Vec<String>,
    /// For `enable` and `disable`: where.
    #[deserr(default)]
    pub environment: Option<String>,
    /// For `tag`: tags that each flag is to have.
    #[deserr(default)]
    #[schema(required = false)]
    pub add: Vec<String>,
    /// For `tag`: tags that none is to have.
    #[deserr(default)]
    #[schema(required = false)]
    pub remove: Vec<String>,
    /// Why.
    #[deserr(default)]
    #[schema(required = false, max_length = 1_000)]
    pub reason: String,
}

/// An action on many flags that is in order as such.
#[derive(Clone, Debug)]
pub struct Bulk {
    action: Action,
    flags: Vec<String>,
    reason: String,
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

impl BulkInput {
    /// The action, if it is in order.
    ///
    /// # Errors
    /// Every fault that shows without a look at the flags.
    pub fn checked(self) -> Result<Bulk> {
        let mut faults = self.faults();
        let action = match (self.action, self.environment) {
            (BulkAction::Archive, None) => Action::Archive,
            (BulkAction::Tag, None) => Action::Tag { add: self.add, remove: self.remove },
            (switch @ (BulkAction::Enable | BulkAction::Disable), Some(environment)) => {
                Action::Switch { environment, enabled: switch == BulkAction::Enable }
            }
            (_, Some(_)) => {
                faults.push(Fault::new("/environment", "is for `enable` and `disable` alone"));
                return Err(Error::Invalid(faults));
            }
            (_, None) => {
                faults.push(Fault::new("/environment", "is required: the key of the environment"));
                return Err(Error::Invalid(faults));
            }
        };
        Error::unless_empty(faults)?;
        Ok(Bulk { action, flags: self.flags, reason: self.reason })
    }

    fn faults(&self) -> Vec<Fault> {
        let mut faults: Vec<_> = reason_fault(&self.reason).into_iter().collect();
        if self.flags.is_empty() || self.flags.len() > MOST {
            faults.push(Fault::new("/flags", format!("names 1 to {MOST} flags")));
        }
        let mut seen = HashSet::new();
        for (index, key) in self.flags.iter().enumerate().filter(|(_, key)| !seen.insert(key.as_str())) {
            faults.push(Fault::new(format!("/flags/{index}"), format!("flag {key} is named twice")));
        }
        let tags = [("add", &self.add), ("remove", &self.remove)];
        if self.action != BulkAction::Tag {
            let given = tags.into_iter().filter(|(_, tags)| !tags.is_empty());
            faults.extend(given.map(|(name, _)| Fault::new(format!("/{name}"), "is for `tag` alone")));
            return faults;
        }
        if tags.iter().all(|(_, tags)| tags.is_empty()) {
            faults.push(Fault::new("/add", "give tags to `add`, to `remove`, or both"));
        }
        let long = tags.into_iter().filter(|(_, tags)| tags.len() > TAGS);
        let long: Vec<_> =
            long.map(|(name, _)| Fault::new(format!("/{name}"), format!("at most {TAGS} tags"))).collect();
        if !long.is_empty() {
            faults.extend(long);
            return faults;
        }
        for (index, tag) in self.add.iter().enumerate() {
            if !(1..=TAG_LENGTH).contains(&tag.chars().count()) {
                faults.push(Fault::new(format!("/add/{index}"), format!("has 1 to {TAG_LENGTH} characters")));
            } else if self.remove.contains(tag) {
                faults.push(Fault::new(format!("/add/{index}"), format!("`{tag}` is to be removed as well")));
            }
        }
        faults
    }
}

impl Bulk {
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
        let Self { action, flags, reason } = self;
        let flags = find_all(connection, &project, &flags, matches!(action, Action::Archive))?;
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

/// The flags of those keys, in their order; archived ones only where they may be.
fn find_all(
    connection: &mut Connection<'_>,
    project: &Project,
    keys: &[String],
    archived: bool,
) -> Result<Vec<FlagRecord>> {
    let (mut found, mut unknown, mut gone) = (Vec::with_capacity(keys.len()), Vec::new(), Vec::new());
    for (index, key) in keys.iter().enumerate() {
        let at = format!("/flags/{index}");
        match store::find_flag(connection, project.id, key)? {
            None => unknown.push(Fault::new(at, format!("there is no flag {key}"))),
            Some(flag) if flag.archived_at.is_some() && !archived => {
                gone.push(Fault::new(at, format!("flag {key} is archived")));
            }
            Some(flag) => found.push(flag),
        }
    }
    Error::unless_empty(unknown)?;
    if gone.is_empty() { Ok(found) } else { Err(Error::Conflicts(gone)) }
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
    let (mut items, mut faults) = (Vec::with_capacity(flags.len()), Vec::new());
    for (index, mut flag) in flags.into_iter().enumerate() {
        let tags = tagged(&flag.definition.tags, add, remove);
        let changed = tags != flag.definition.tags;
        if tags.len() > TAGS {
            let message = format!("flag {} would have {} tags; at most {TAGS}", flag.key, tags.len());
            faults.push(Fault::new(format!("/flags/{index}"), message));
        } else if changed {
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
    Error::unless_empty(faults)?;
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
