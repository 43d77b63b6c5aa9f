//! Who names a segment, and whom a segment names.

use std::collections::BTreeSet;

use super::store;
use crate::db::Connection;
use crate::error::Result;
use crate::flags::graph::{Graph, Reach};
use crate::flags::store::{self as flags, ReferenceKind};
use crate::projects::Project;
use bellwether_core::{Fault, SegmentRule, limits, segments_of_rules};

/// A flag whose rules name a segment in an environment, by itself or through another segment.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Use {
    pub(super) flag: String,
    pub(super) environment: String,
    pub(super) environment_id: i64,
    pub(super) production: bool,
}

/// The keys of the segments that a project has.
///
/// # Errors
/// When the store does not answer.
pub fn existing(connection: &mut Connection<'_>, project: i64) -> Result<BTreeSet<String>> {
    Ok(store::digests(connection, project)?.into_iter().map(|(key, ..)| key).collect())
}

/// How far the rules of a segment may reach: whoever asks for it takes an evaluation of its own.
const FURTHEST: Reach = Reach { depth: limits::SEGMENT_DEPTH, steps: limits::STEPS as u64 - 1 };

/// What is wrong with the segments that the rules of segment `key` name: they are not there, lead back to it, or lead
/// too far.
pub(super) fn faults(known: &Known, key: &str, rules: &[SegmentRule]) -> Vec<Fault> {
    let fault = |(pointer, other): (String, &str)| {
        if other == key {
            return Some(Fault::new(pointer, "a segment can't be defined by itself"));
        }
        if !known.graph.0.contains_key(other) {
            return Some(Fault::new(pointer, format!("there is no segment {other}")));
        }
        let mut path = known.graph.path(other, key)?;
        path.insert(0, key.to_owned());
        Some(Fault::new(pointer, format!("this would be a cycle: {}", path.join(" → "))))
    };
    let faults: Vec<_> = segments_of_rules(rules).into_iter().filter_map(fault).collect();
    if faults.is_empty() { known.with(key, rules).too_far().into_iter().collect() } else { faults }
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
    let Known { graph, .. } = known(connection, project.id)?;
    let reaching = graph.0.keys().filter(|other| graph.reached(other).contains(key)).cloned();
    let keys = reaching.chain([key.to_owned()]).collect();
    named_by(connection, project.id, &keys)
}

/// The segments of a project.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    /// The segments that each of them names.
    graph: Graph,
    /// Those that have rules: it takes evaluations to tell whom they are for.
    ruled: BTreeSet<String>,
}

impl Known {
    fn add(&mut self, key: &str, rules: &[SegmentRule]) {
        let named = segments_of_rules(rules).into_iter().map(|(_, key)| key.to_owned()).collect();
        self.graph.0.insert(key.to_owned(), named);
        if rules.is_empty() {
            self.ruled.remove(key);
        } else {
            self.ruled.insert(key.to_owned());
        }
    }

    /// As they would be with one of them like this.
    fn with(&self, key: &str, rules: &[SegmentRule]) -> Self {
        let mut known = self.clone();
        known.add(key, rules);
        known
    }

    /// Whether one of them would lead too far.
    fn too_far(mut self) -> Option<Fault> {
        for named in self.graph.0.values_mut() {
            named.retain(|key| self.ruled.contains(key));
        }
        let (segment, Reach { depth, steps }) = self.graph.beyond(FURTHEST)?;
        let message = format!(
            "segment {segment} would take {steps} evaluations over {depth} levels of segments; {} and {} are the limits",
            FURTHEST.steps, FURTHEST.depth
        );
        Some(Fault::new("/rules", message))
    }
}

/// The segments that a project has.
pub(super) fn known(connection: &mut Connection<'_>, project: i64) -> Result<Known> {
    let mut known = Known::default();
    for segment in store::all(connection, project)? {
        known.add(&segment.key, &segment.rules);
    }
    Ok(known)
}

fn named_by(connection: &mut Connection<'_>, project: i64, keys: &BTreeSet<String>) -> Result<Vec<Use>> {
    let mut uses = Vec::new();
    for key in keys {
        let dependents = flags::dependents(connection, project, ReferenceKind::Segment, key)?;
        uses.extend(dependents.into_iter().map(|dependent| Use {
            flag: dependent.flag,
            environment: dependent.environment,
            environment_id: dependent.environment_id,
            production: dependent.production,
        }));
    }
    uses.sort();
    uses.dedup();
    Ok(uses)
}
