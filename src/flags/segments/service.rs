use std::sync::Arc;

use bellwether_core::{KeyList, Keys, SegmentEntry, SegmentRule};
use serde::Serialize;
use utoipa::ToSchema;

use super::change::{self, Attempt, Base, LISTS, Prepared};
use super::lists::{Counts, ListChange};
use super::reach::{Reach, reach};
use super::references;
use super::{SegmentView, load, store};
use crate::access::{Caller, Role};
use crate::audit::FieldChange;
use crate::db::{Connection, Part};
use crate::error::{Error, Result};
use crate::flags::Flags;
use crate::input::Found;
use crate::projects;
use crate::version::IfMatch;

/// How often a change is worked out outside of a transaction before it is in one.
const ATTEMPTS: usize = 3;

/// The service for segments.
#[derive(Clone)]
pub struct Segments {
    flags: Flags,
}

/// What a segment shall be; what is left out stays.
#[derive(Clone, Debug)]
pub struct Edit {
    pub(super) name: Option<String>,
    pub(super) description: Option<String>,
    pub(super) rules: Option<Vec<SegmentRule>>,
    pub(super) included: Option<ListChange>,
    pub(super) excluded: Option<ListChange>,
    /// As the audit log calls it.
    pub(super) action: &'static str,
    /// What is wrong with it as it was sent: told together with what is wrong with what comes out.
    pub(super) found: Found,
}

impl Edit {
    /// A change of nothing yet.
    pub(super) fn of(action: &'static str) -> Self {
        let found = Found::default();
        Self { name: None, description: None, rules: None, included: None, excluded: None, action, found }
    }

    fn of_list(action: &'static str, list: KeyList, change: ListChange) -> Self {
        match list {
            KeyList::Included => Self { included: Some(change), ..Self::of(action) },
            KeyList::Excluded => Self { excluded: Some(change), ..Self::of(action) },
        }
    }

    /// What is told in place of an error: what is wrong with what was sent, before it is said that there is no such
    /// segment.
    fn instead_of(&self, error: Error) -> Error {
        match error {
            Error::NotFound(_) if !self.found.is_empty() => Error::Invalid(self.found.clone().into_faults()),
            other => other,
        }
    }

    /// A list becomes these keys, rising.
    pub fn replace(list: KeyList, keys: Keys) -> Self {
        Self::of_list("segment.replace_keys", list, ListChange::Replace(keys))
    }

    /// A list has these keys as well, rising.
    pub fn add(list: KeyList, keys: Keys) -> Self {
        Self::of_list("segment.add_keys", list, ListChange::Add(keys))
    }

    /// A list no longer has these keys, rising.
    pub fn remove(list: KeyList, keys: Keys) -> Self {
        Self::of_list("segment.remove_keys", list, ListChange::Remove(keys))
    }
}

/// What a change of a list of keys did, or would do.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = SegmentKeysOutcome)]
pub struct KeysOutcome {
    /// What became of the list.
    #[serde(flatten)]
    pub counts: Counts,
    /// The segment's version.
    pub version: u64,
    /// With `?preview=true`, the flags that it would reach.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub used_by: Option<Vec<Reach>>,
}

/// What a change of a segment would do.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = SegmentPreview)]
pub struct Preview {
    /// What would become of the keys that belong to it.
    pub included: Counts,
    /// What would become of the keys that do not.
    pub excluded: Counts,
    /// What differs; of keys how many, and up to a hundred of them.
    pub changes: Vec<FieldChange>,
    /// The flags that it would reach.
    pub used_by: Vec<Reach>,
}

/// What became of a change.
struct Changed {
    view: SegmentView,
    counts: [Counts; 2],
}

impl Segments {
    /// Over the flags that name them.
    pub fn new(flags: Flags) -> Self {
        Self { flags }
    }

    /// The segments of a project, by key, without their keys.
    ///
    /// # Errors
    /// When the caller may not, or there is no such project.
    pub async fn list(&self, caller: &Caller, project: String) -> Result<Vec<SegmentView>> {
        caller.require(Role::Viewer)?;
        let work = move |c: &mut Connection<'_>| {
            let project = projects::project(c, &project)?;
            Ok(store::all(c, project.id)?.into_iter().map(SegmentView::from).collect())
        };
        self.flags.store.read(Part::Configuration, work).await
    }

    /// One segment, with its lists of keys if they are not long.
    ///
    /// # Errors
    /// When the caller may not, or there is none.
    pub async fn get(&self, caller: &Caller, project: String, key: String) -> Result<SegmentView> {
        let (record, entry) = self.find(caller, project, key).await?;
        Ok(SegmentView::with_keys(record, &entry))
    }

    /// One segment's keys, and its version.
    ///
    /// # Errors
    /// As [`Segments::get`].
    pub async fn keys(&self, caller: &Caller, project: String, key: String) -> Result<Arc<SegmentEntry>> {
        Ok(self.find(caller, project, key).await?.1)
    }

    async fn find(
        &self,
        caller: &Caller,
        project: String,
        key: String,
    ) -> Result<(store::SegmentRecord, Arc<SegmentEntry>)> {
        caller.require(Role::Viewer)?;
        let live = self.flags.live().clone();
        let work = move |c: &mut Connection<'_>| {
            let project = projects::project(c, &project)?;
            let record = change::find(c, &project, &key)?;
            let entry = load::current(c, &live, &record)?;
            Ok((record, entry))
        };
        self.flags.store.read(Part::Configuration, work).await
    }

    /// A new segment.
    ///
    /// # Errors
    /// When the caller may not, the key is taken, or the segment can't be as it is described.
    pub async fn create(&self, caller: &Caller, project: String, (key, edit): (String, Edit)) -> Result<SegmentView> {
        caller.require(Role::Editor)?;
        let retention = self.flags.retention();
        let reading = move |c: &mut Connection<'_>| Base::none(c, &project, &key);
        let base = self.flags.store.read(Part::Configuration, reading).await?;
        let by = caller.clone();
        let (base, edit, prepared) = apart(move || {
            let prepared = change::prepare(&base, &edit, &by)?;
            Ok((base, edit, prepared))
        })
        .await?;
        let by = caller.clone();
        let work = move |c: &mut Connection<'_>| change::save(c, &by, (&base, prepared), edit.action, retention);
        match self.flags.write(work).await? {
            Attempt::Done(view) => Ok(*view),
            Attempt::Overtaken => Err(Error::internal("a segment that was not there was overtaken")),
        }
    }

    /// Changes a segment to what is wanted.
    ///
    /// # Errors
    /// When the caller may not, the version is stale, or the segment can't be as it is described.
    pub async fn put(
        &self,
        caller: &Caller,
        (project, key): (String, String),
        if_match: IfMatch,
        edit: Edit,
    ) -> Result<SegmentView> {
        Ok(self.change(caller, (project, key), if_match, edit).await?.view)
    }

    /// Changes one of a segment's lists.
    ///
    /// # Errors
    /// As [`Segments::put`].
    pub async fn change_keys(
        &self,
        caller: &Caller,
        place: (String, String),
        if_match: IfMatch,
        (list, edit): (KeyList, Edit),
    ) -> Result<KeysOutcome> {
        let Changed { view, counts } = self.change(caller, place, if_match, edit).await?;
        Ok(KeysOutcome { counts: of_list(list, counts), version: view.version, used_by: None })
    }

    /// What [`Segments::put`] would do.
    ///
    /// # Errors
    /// As [`Segments::put`]; nothing is changed.
    pub async fn preview(
        &self,
        caller: &Caller,
        place: (String, String),
        if_match: IfMatch,
        edit: Edit,
    ) -> Result<Preview> {
        let (_, prepared, used_by) = self.prepared(caller, place, if_match, edit).await?;
        let [included, excluded] = prepared.counts;
        Ok(Preview { included, excluded, changes: prepared.changes, used_by })
    }

    /// What [`Segments::change_keys`] would do.
    ///
    /// # Errors
    /// As [`Segments::change_keys`]; nothing is changed.
    pub async fn preview_keys(
        &self,
        caller: &Caller,
        place: (String, String),
        if_match: IfMatch,
        (list, edit): (KeyList, Edit),
    ) -> Result<KeysOutcome> {
        let (version, prepared, used_by) = self.prepared(caller, place, if_match, edit).await?;
        Ok(KeysOutcome { counts: of_list(list, prepared.counts), version, used_by: Some(used_by) })
    }

    /// Removes a segment, which nothing may name, with its keys and its past.
    ///
    /// # Errors
    /// When the caller may not, the version is stale, or flags or segments name it.
    pub async fn delete(&self, caller: &Caller, project: String, key: String, if_match: IfMatch) -> Result<()> {
        caller.require(Role::Editor)?;
        let caller = caller.clone();
        let work = move |c: &mut Connection<'_>| {
            change::remove(c, &caller, (&project, &key), |version| if_match.check(version))
        };
        self.flags.write(work).await
    }

    async fn prepared(
        &self,
        caller: &Caller,
        (project, key): (String, String),
        if_match: IfMatch,
        edit: Edit,
    ) -> Result<(u64, Prepared, Vec<Reach>)> {
        caller.require(Role::Viewer)?;
        let live = self.flags.live().clone();
        let work = move |c: &mut Connection<'_>| {
            let base = Base::find(c, &live, &project, &key).map_err(|error| edit.instead_of(error))?;
            if_match.check(base.record.version)?;
            let uses = references::uses(c, &base.project, &key)?;
            Ok((base, uses, edit))
        };
        let (base, uses, edit) = self.flags.store.read(Part::Configuration, work).await?;
        let caller = caller.clone();
        let version = base.record.version;
        let prepared = apart(move || change::prepare(&base, &edit, &caller)).await?;
        let reach = reach(&self.flags, uses, prepared.entry.clone()).await?;
        Ok((version, prepared, reach))
    }

    async fn change(&self, caller: &Caller, place: (String, String), if_match: IfMatch, edit: Edit) -> Result<Changed> {
        caller.require(Role::Editor)?;
        let work = Work { caller: caller.clone(), place, if_match, edit, flags: self.flags.clone() };
        let work = Arc::new(work);
        for _ in 0..ATTEMPTS {
            let reading = work.clone();
            let base = self.flags.store.read(Part::Configuration, move |c| reading.base(c)).await?;
            let preparing = work.clone();
            let (base, prepared) = apart(move || preparing.prepare(base)).await?;
            if prepared.changes.is_empty() {
                return Ok(Changed::nothing(&base, &prepared));
            }
            let (saving, counts) = (work.clone(), prepared.counts);
            let attempt = self.flags.write(move |c| saving.save(c, &base, prepared)).await?;
            if let Attempt::Done(view) = attempt {
                return Ok(Changed { view: *view, counts });
            }
        }
        // Others were always faster: nobody is while it is done in one transaction.
        let all = move |c: &mut Connection<'_>| {
            let base = work.base(c)?;
            let (base, prepared) = work.prepare(base)?;
            let counts = prepared.counts;
            if prepared.changes.is_empty() {
                return Ok((Changed::nothing(&base, &prepared), Vec::new()));
            }
            match work.save(c, &base, prepared)? {
                (Attempt::Done(view), published) => Ok((Changed { view: *view, counts }, published)),
                (Attempt::Overtaken, _) => Err(Error::internal("a segment changed within a transaction")),
            }
        };
        self.flags.write(all).await
    }
}

/// A change that may have to be worked out more than once.
struct Work {
    caller: Caller,
    place: (String, String),
    if_match: IfMatch,
    edit: Edit,
    flags: Flags,
}

impl Work {
    fn base(&self, connection: &mut Connection<'_>) -> Result<Base> {
        let (project, key) = &self.place;
        let base = Base::find(connection, self.flags.live(), project, key);
        let base = base.map_err(|error| self.edit.instead_of(error))?;
        change::authorize(connection, &self.caller, &base.project, key)?;
        self.if_match.check(base.record.version)?;
        Ok(base)
    }

    fn prepare(&self, base: Base) -> Result<(Base, Prepared)> {
        let prepared = change::prepare(&base, &self.edit, &self.caller)?;
        Ok((base, prepared))
    }

    fn save(
        &self,
        connection: &mut Connection<'_>,
        base: &Base,
        prepared: Prepared,
    ) -> Result<(Attempt, Vec<Arc<crate::flags::Published>>)> {
        change::save(connection, &self.caller, (base, prepared), self.edit.action, self.flags.retention())
    }
}

impl Changed {
    /// Of a change that changes nothing.
    fn nothing(base: &Base, prepared: &Prepared) -> Self {
        Self { view: SegmentView::with_keys(base.record.clone(), &prepared.entry), counts: prepared.counts }
    }
}

fn of_list(list: KeyList, counts: [Counts; 2]) -> Counts {
    let found = LISTS.into_iter().zip(counts).find(|(of, _)| *of == list);
    found.map_or_else(Counts::default, |(_, counts)| counts)
}

/// Runs what takes long off the async threads.
pub(super) async fn apart<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(Error::internal)?
}
