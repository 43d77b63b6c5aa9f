//! Who names a segment, and whom a segment names.

use std::collections::{BTreeMap, BTreeSet};

use bellwether_core::{Fault, SegmentRule, segments_of_rules};
use serde::Serialize;
use utoipa::ToSchema;

use super::store::{self, SegmentRecord};
use crate::db::Connection;
use crate::error::Result;
use crate::flags::store::{self as flags, ReferenceKind};
use crate::projects::Project;

/// A flag whose rules name a segment in an environment, by itself or through another segment.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[schema(as = SegmentUse)]
pub struct Use {
    /// The flag's key.
    pub flag: String,
    /// The environment's key.
    pub environment: String,
    #[serde(skip)]
    pub(super) production: bool,
}

/// The keys of the segments that a project has.
///
/// # Errors
/// When the store does not answer.
pub fn existing(connection: &mut Connection<'_>, project: i64) -> Result<BTreeSet<String>> {
    Ok(store::digests(connection, project)?.into_iter().map(|(key, ..)| key).collect())
}

/// What is wrong with the segments that the rules of segment `key` name: they are not there, or lead back to it.
pub(super) fn faults(graph: &Graph, key: &str, rules: &[SegmentRule]) -> Vec<Fault> {
    let fault = |(pointer, other): (String, &str)| {
        if other == key {
            return Some(Fault::new(pointer, "a segment can't be defined by itself"));
        }
        if !graph.contains_key(other) {
            return Some(Fault::new(pointer, format!("there is no segment {other}")));
        }
        let back = reached(graph, other).contains(key);
        back.then(|| Fault::new(pointer, format!("segment {other} is itself defined by {key}")))
    };
    segments_of_rules(rules).into_iter().filter_map(fault).collect()
}

/// Who names the segment, each in a few words: flags of an environment, and other segments.
pub(super) fn users(connection: &mut Connection<'_>, project: &Project, key: &str) -> Result<Vec<String>> {
    let flags = named_by(connection, project.id, &BTreeSet::from([key.to_owned()]))?;
    let flags = flags.into_iter().map(|Use { flag, environment, .. }| format!("flag {flag} in {environment}"));
    let segments = store::all(connection, project.id)?;
    let segments = segments.iter().filter(|segment| segments_of_rules(&segment.rules).iter().any(|(_, at)| *at == key));
    Ok(flags.chain(segments.map(|segment| format!("segment {}", segment.key))).collect())
}

/// The flags that a change of the segment reaches.
pub(super) fn uses(connection: &mut Connection<'_>, project: &Project, key: &str) -> Result<Vec<Use>> {
    let graph = graph(connection, project.id)?;
    let reaching = graph.keys().filter(|other| reached(&graph, other).contains(key)).cloned();
    let keys = reaching.chain([key.to_owned()]).collect();
    named_by(connection, project.id, &keys)
}

/// The segments that each segment of a project names.
pub(super) type Graph = BTreeMap<String, Vec<String>>;

/// A project's [`Graph`].
pub(super) fn graph(connection: &mut Connection<'_>, project: i64) -> Result<Graph> {
    let named = |segment: &SegmentRecord| {
        segments_of_rules(&segment.rules).into_iter().map(|(_, key)| key.to_owned()).collect()
    };
    Ok(store::all(connection, project)?.iter().map(|segment| (segment.key.clone(), named(segment))).collect())
}

/// Every segment that one leads to.
fn reached(graph: &Graph, from: &str) -> BTreeSet<String> {
    let mut reached = BTreeSet::new();
    let mut open: Vec<&String> = graph.get(from).into_iter().flatten().collect();
    while let Some(key) = open.pop() {
        if reached.insert(key.clone()) {
            open.extend(graph.get(key).into_iter().flatten());
        }
    }
    reached
}

fn named_by(connection: &mut Connection<'_>, project: i64, keys: &BTreeSet<String>) -> Result<Vec<Use>> {
    let mut uses = Vec::new();
    for key in keys {
        let dependents = flags::dependents(connection, project, ReferenceKind::Segment, key)?;
        uses.extend(dependents.into_iter().map(|dependent| Use {
            flag: dependent.flag,
            environment: dependent.environment,
            production: dependent.production,
        }));
    }
    uses.sort();
    uses.dedup();
    Ok(uses)
}
