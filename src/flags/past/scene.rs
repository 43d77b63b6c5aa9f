use std::collections::{BTreeSet, HashMap, VecDeque};
use std::fmt;
use std::sync::Arc;

use bellwether_core::{Context, Entry, Operator, RawValue, State};
use chrono::{DateTime, Utc};

use super::segments::{self, Ask, Segments};
use crate::clock;
use crate::db::Connection;
use crate::error::{Error, Result};
use crate::flags::publish;
use crate::flags::store::{self, ConfigurationRecord, FlagRecord, KeptJson, KeptVersion, Made};
use crate::projects::{self, Environment};

/// Versions of a flag that are read together, once more than the first ones are needed.
const TOGETHER: usize = 20;
/// Versions that are read first: the one in force, and the one before it.
const FIRST: usize = 2;

/// Something that an answer may hang on.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Object {
    /// By its key.
    Flag(String),
    /// By its key.
    Segment(String),
}

impl Object {
    /// The revision at which this is looked at.
    pub(super) fn then(&self, revision: u64, earlier: Option<&Self>) -> u64 {
        if earlier == Some(self) { revision.saturating_sub(1) } else { revision }
    }
}

/// As the audit log calls it.
impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(key) => write!(f, "flag/{key}"),
            Self::Segment(key) => write!(f, "segment/{key}"),
        }
    }
}

/// What a flag's answer hung on at a revision, and nothing else: the flag, its prerequisites and theirs, and the segments
/// that their rules and those of segments name.
#[derive(Debug)]
pub(super) struct Scene {
    pub(super) state: State,
    /// Each with the version that was in force, if it was there; the flag first, whose answer it is.
    pub(super) involved: Vec<(Object, Option<Made>)>,
}

/// Why a scene can't be had.
#[derive(Debug)]
pub(super) enum Stop {
    /// The store did not do what was asked.
    Failed(Error),
    /// What was served then is no longer kept.
    Unkept(Unkept),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// From when on something is kept.
#[derive(Clone, Debug)]
pub(super) struct Unkept {
    pub(super) object: Object,
    /// The oldest revision that is kept, and when it was made; none when all of it is gone.
    pub(super) oldest: Option<(u64, DateTime<Utc>)>,
}

impl fmt::Display for Unkept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.oldest {
            Some((revision, at)) => {
                let at = clock::rfc3339(at);
                write!(f, "what {} was is kept from revision {revision} on, which was made at {at}", self.object)
            }
            None => write!(f, "what {} was before it was removed is not kept", self.object),
        }
    }
}

/// A flag's version, ready to evaluate.
struct Version {
    made: Made,
    /// None while archived.
    entry: Option<Arc<Entry>>,
    /// Whom its rules ask segments about.
    asks: Vec<Ask>,
}

/// What was read of a flag so far.
struct Track {
    flag: Option<FlagRecord>,
    /// Up to which revision it was read.
    from: u64,
    /// Newest first, without a gap.
    versions: Vec<Arc<Version>>,
    /// Whether no older one is kept.
    complete: bool,
}

/// What stood in an environment at the revisions that are kept, read as it is asked for.
pub(super) struct Past<'c, 'd> {
    pub(super) connection: &'c mut Connection<'d>,
    pub(super) environment: &'c Environment,
    pub(super) context: &'c Context,
    epoch: String,
    key: String,
    tracks: HashMap<String, Track>,
    pub(super) segments: Segments,
    notes: BTreeSet<String>,
}

impl<'c, 'd> Past<'c, 'd> {
    /// Of the answers of the flag `key` to `context`.
    pub(super) fn new(
        connection: &'c mut Connection<'d>,
        environment: &'c Environment,
        key: &str,
        context: &'c Context,
    ) -> Result<Self> {
        let epoch = projects::epoch(connection)?;
        let (tracks, segments, notes) = (HashMap::new(), Segments::default(), BTreeSet::new());
        Ok(Self { connection, environment, context, epoch, key: key.to_owned(), tracks, segments, notes })
    }

    /// The flag whose answers these are.
    pub(super) fn key(&self) -> &str {
        &self.key
    }

    /// What makes answers less than certain.
    pub(super) fn notes(self) -> Vec<String> {
        self.notes.into_iter().collect()
    }

    /// What the answer hung on at `revision`; with one object as it was a revision earlier, if that is asked for.
    pub(super) fn scene(&mut self, revision: u64, earlier: Option<&Object>) -> Result<Scene, Stop> {
        let (mut involved, mut flags, mut asks) = (Vec::new(), Vec::new(), Vec::new());
        let mut known = BTreeSet::from([self.key.clone()]);
        let mut open = VecDeque::from([self.key.clone()]);
        while let Some(key) = open.pop_front() {
            let object = Object::Flag(key);
            let version = self.version(&object, object.then(revision, earlier))?;
            involved.push((object, version.as_ref().map(|version| version.made.clone())));
            let Some(version) = version else { continue };
            let Some(entry) = &version.entry else { continue };
            let named = entry.flag().prerequisites().map(str::to_owned);
            open.extend(named.filter(|key| known.insert(key.clone())));
            asks.extend(version.asks.iter().cloned());
            flags.push(entry.clone());
        }
        let segments = self.segments_of(asks, revision, earlier, &mut involved)?;
        let state = State::of_entries(&self.environment.key, &self.epoch, revision, &flags, &segments);
        Ok(Scene { state, involved })
    }

    /// The version of a flag that was in force at `revision`, if the flag was there.
    fn version(&mut self, object: &Object, revision: u64) -> Result<Option<Arc<Version>>, Stop> {
        let Object::Flag(key) = object else { return Ok(None) };
        let mut track = match self.tracks.remove(key) {
            Some(track) if track.from >= revision => track,
            _ => {
                let flag = store::find_flag(self.connection, self.environment.project_id, key)?;
                Track { complete: flag.is_none(), flag, from: revision, versions: Vec::new() }
            }
        };
        let found = self.search(&mut track, object, revision);
        self.tracks.insert(key.clone(), track);
        found
    }

    fn search(&mut self, track: &mut Track, object: &Object, revision: u64) -> Result<Option<Arc<Version>>, Stop> {
        loop {
            let found = track.versions.partition_point(|version| version.made.revision > revision);
            if let Some(found) = track.versions.get(found) {
                return Ok(Some(found.clone()));
            }
            let Some(flag) = track.flag.as_ref().filter(|_| !track.complete) else { break };
            let last = track.versions.last().map(|last| last.made.revision.saturating_sub(1));
            let limit = if track.versions.is_empty() { FIRST } else { TOGETHER };
            let place = (flag.id, self.environment.id);
            let rows = store::versions_as_of(self.connection, place, last.unwrap_or(revision).min(track.from), limit)?;
            track.complete = rows.len() < limit;
            let flag = flag.clone();
            for row in rows {
                let version = self.read(&flag, row, object)?;
                track.versions.push(Arc::new(version));
            }
        }
        let Some(flag) = &track.flag else { return self.absent(object, revision, None) };
        let oldest = match track.versions.last() {
            Some(last) => Some(last.made.clone()),
            None => store::oldest_version(self.connection, (flag.id, self.environment.id))?.map(|kept| kept.made),
        };
        match oldest {
            Some(oldest) if oldest.version > 1 => {
                let oldest = Some((oldest.revision, oldest.at));
                Err(Stop::Unkept(Unkept { object: object.clone(), oldest }))
            }
            _ => self.absent(object, revision, None),
        }
    }

    /// That something was not there. What was named in the past was there when that was saved: it is gone since.
    pub(super) fn absent<T>(
        &self,
        object: &Object,
        revision: u64,
        oldest: Option<(u64, DateTime<Utc>)>,
    ) -> Result<Option<T>, Stop> {
        let asked = matches!(object, Object::Flag(key) if *key == self.key);
        if asked || revision >= self.environment.revision {
            return Ok(None);
        }
        Err(Stop::Unkept(Unkept { object: object.clone(), oldest }))
    }

    /// A kept version, ready to evaluate.
    fn read(&mut self, flag: &FlagRecord, kept: KeptVersion, object: &Object) -> Result<Version, Stop> {
        let KeptVersion { made, served } = kept;
        let json = match served {
            KeptJson::Nothing => return Ok(Version { made, entry: None, asks: Vec::new() }),
            KeptJson::Served(json) => json,
            KeptJson::Configuration => {
                self.notes.insert(format!(
                    "Of version {} of {object} only the configuration is kept; its variations are taken from the flag \
                     as it is now.",
                    made.version
                ));
                self.with_definition_of_now(flag, &made)?
            }
        };
        let names_segments = json.contains(Operator::InSegment.name());
        let entry = Entry::read(RawValue::from_string(json).map_err(Error::from)?).map_err(Error::internal)?;
        let rules = if names_segments { entry.definition().map_err(Error::internal)?.rules } else { Vec::new() };
        let asks = rules.iter().flat_map(|rule| segments::asks(&rule.clauses)).collect();
        Ok(Version { made, entry: Some(Arc::new(entry)), asks })
    }

    /// The JSON of a version of which the configuration alone is kept.
    fn with_definition_of_now(&mut self, flag: &FlagRecord, made: &Made) -> Result<String> {
        let place = (flag.id, self.environment.id);
        let kept = store::find_version(self.connection, place, made.version)?;
        let kept = kept.ok_or_else(|| Error::internal("a version went away in the midst of a transaction"))?;
        let record = ConfigurationRecord {
            flag_id: flag.id,
            environment_id: self.environment.id,
            flag_key: flag.key.clone(),
            version: made.version,
            configuration: kept.configuration,
            release: None,
            served: None,
            digest: None,
            updated_at: made.at,
            updated_by: made.actor.clone(),
        };
        Ok(serde_json::to_string(&publish::served(flag, &record))?)
    }
}
