//! What a configuration names outside of its flag: prerequisites and segments. They have to be there, and prerequisites
//! have to end somewhere.

use std::collections::BTreeMap;

use bellwether_core::{Fault, Flag, Variation, limits};

use super::Configuration;
use super::graph::{Graph, Reach};
use super::segments;
use super::store::{self, FlagRecord, ReferenceKind};
use crate::db::Connection;
use crate::error::Result;

/// How far prerequisites may reach.
const FURTHEST: Reach = Reach { depth: limits::PREREQUISITE_DEPTH, steps: limits::STEPS as u64 };

impl Configuration {
    /// The keys of what it names.
    pub(super) fn references(&self) -> Vec<(ReferenceKind, String)> {
        let flags = self.prerequisites.iter().map(|p| (ReferenceKind::Prerequisite, p.flag.clone()));
        let rules = self.rules.iter().flat_map(|rule| &rule.clauses).flat_map(bellwether_core::Condition::segments);
        flags.chain(rules.map(|segment| (ReferenceKind::Segment, segment.to_owned()))).collect()
    }
}

/// What is wrong with what a flag, as it would be served in an environment, names; pointers relative to the flag.
pub(super) fn faults(
    connection: &mut Connection<'_>,
    flag: &FlagRecord,
    environment: i64,
    served: &Flag,
) -> Result<Vec<Fault>> {
    let mut faults = Vec::new();
    if !served.prerequisites.is_empty() {
        for (at, prerequisite) in served.prerequisites.iter().enumerate() {
            let other = store::find_flag(connection, flag.project_id, &prerequisite.flag)?;
            let Some(other) = other.filter(|other| other.archived_at.is_none()) else {
                let message = format!("there is no flag {}", prerequisite.flag);
                faults.push(Fault::new(format!("/prerequisites/{at}/flag"), message));
                continue;
            };
            let unknown = prerequisite.variations.iter().enumerate();
            let unknown = unknown.filter(|(_, name)| other.definition.variations.iter().all(|v| v.name != **name));
            faults.extend(unknown.map(|(i, name)| {
                let message = format!("flag {} has no variation `{name}`", other.key);
                Fault::new(format!("/prerequisites/{at}/variations/{i}"), message)
            }));
        }
        let edges = store::references_in(connection, environment, ReferenceKind::Prerequisite)?;
        faults.extend(endless(&graph(edges, served), served));
    }
    let named = served.segments();
    if !named.is_empty() {
        let known = segments::existing(connection, flag.project_id)?;
        let unknown = named.into_iter().filter(|(_, key)| !known.contains(*key));
        faults.extend(unknown.map(|(pointer, key)| Fault::new(pointer, format!("there is no segment {key}"))));
    }
    Ok(faults)
}

/// What flags that are in use need of a flag's variations and would lack with `variations`; pointers relative to the
/// flag's definition.
pub(super) fn lost_variations(
    connection: &mut Connection<'_>,
    flag: &FlagRecord,
    variations: &[Variation],
) -> Result<Vec<Fault>> {
    let mut faults = Vec::new();
    for dependent in store::dependents(connection, flag.project_id, ReferenceKind::Prerequisite, &flag.key)? {
        let Some(other) = store::find_flag(connection, flag.project_id, &dependent.flag)? else { continue };
        let record = store::find_configuration(connection, other.id, dependent.environment_id)?;
        let needed = record.configuration.prerequisites.iter().filter(|needed| needed.flag == flag.key);
        let needed = needed.flat_map(|needed| &needed.variations);
        faults.extend(needed.filter(|name| variations.iter().all(|v| v.name != **name)).map(|name| {
            let (flag, environment) = (&dependent.flag, &dependent.environment);
            let message = format!("`{name}` is needed: a prerequisite of flag {flag} in {environment} asks for it");
            Fault::new("/variations", message)
        }));
    }
    Ok(faults)
}

/// Which flag needs which, in one environment: as it is, but for one as it would be.
fn graph(edges: Vec<(String, String)>, served: &Flag) -> Graph {
    let mut graph: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (flag, target) in edges {
        graph.entry(flag).or_default().push(target);
    }
    graph.insert(served.key.clone(), served.prerequisites.iter().map(|p| p.flag.clone()).collect());
    Graph(graph)
}

/// What is wrong with the prerequisites of a flag that is in the graph: they lead back to it, too far, or to too many.
fn endless(graph: &Graph, served: &Flag) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (at, prerequisite) in served.prerequisites.iter().enumerate() {
        if let Some(path) = graph.path(&prerequisite.flag, &served.key) {
            let message = format!("this would be a cycle: {} → {}", served.key, path.join(" → "));
            faults.push(Fault::new(format!("/prerequisites/{at}/flag"), message));
        }
    }
    if faults.is_empty()
        && let Some((flag, Reach { depth, steps })) = graph.beyond(FURTHEST)
    {
        let message = format!(
            "flag {flag} would take {steps} evaluations over {depth} levels of prerequisites; {} and {} are the limits",
            FURTHEST.steps, FURTHEST.depth
        );
        faults.push(Fault::new("/prerequisites", message));
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;
    use bellwether_core::limits::PREREQUISITE_DEPTH as DEPTH;
    use serde_json::json;

    fn flag(key: &str, needs: &[String]) -> Flag {
        let needs: Vec<_> = needs.iter().map(|flag| json!({"flag": flag, "variations": ["on"]})).collect();
        serde_json::from_value(json!({
            "key": key, "version": 1, "type": "boolean", "enabled": true, "off_variation": "on",
            "variations": [{"name": "on", "value": true}], "fallthrough": {"variation": "on"}, "prerequisites": needs,
        }))
        .unwrap()
    }

    fn told(edges: &[(String, String)], key: &str, needs: &[String]) -> Vec<(String, String)> {
        let served = flag(key, needs);
        let faults = endless(&graph(edges.to_vec(), &served), &served);
        faults.into_iter().map(|fault| (fault.pointer, fault.message)).collect()
    }

    fn edge(from: impl ToString, to: impl ToString) -> (String, String) {
        (from.to_string(), to.to_string())
    }

    #[test]
    fn a_cycle_is_told_by_its_path() {
        let edges = [edge("b", "c"), edge("b", "d"), edge("d", "a")];
        let cycle = told(&edges, "a", &["c".to_owned(), "b".to_owned()]);
        assert_eq!(cycle, [edge("/prerequisites/1/flag", "this would be a cycle: a → b → d → a")]);
        assert_eq!(told(&edges, "a", &["c".to_owned()]), []);
        assert_eq!(told(&[edge("a", "b"), edge("b", "c")], "a", &["c".to_owned()]), [], "what it needed is replaced");
    }

    #[test]
    fn prerequisites_end_before_they_are_too_deep_or_too_many() {
        let chain =
            |length: usize| (1..length).map(|i| edge(format!("f{i}"), format!("f{}", i + 1))).collect::<Vec<_>>();
        assert_eq!(told(&chain(DEPTH), "a", &["f1".to_owned()]), []);
        assert!(told(&chain(DEPTH + 1), "a", &["f1".to_owned()])[0].1.contains("levels"));
        assert!(!told(&chain(5_000), "a", &["f1".to_owned()]).is_empty());
        // Each level needs both flags of the next: 2, 6, 14, … evaluations.
        let pairs = |levels: usize| {
            let level = |i: usize| [format!("l{i}a"), format!("l{i}b")];
            let edges = (1..levels)
                .flat_map(|i| level(i).into_iter().flat_map(move |from| level(i + 1).map(|to| edge(&from, to))));
            edges.collect::<Vec<_>>()
        };
        let first = ["l1a".to_owned(), "l1b".to_owned()];
        assert_eq!(told(&pairs(8), "a", &first), []);
        assert!(told(&pairs(9), "a", &first)[0].1.contains("1022 evaluations"));
        let mut edges = pairs(8);
        edges.extend([edge("a", "l1a"), edge("a", "l1b")]);
        let more = ["w", "x", "y", "z"].map(str::to_owned);
        assert_eq!(told(&edges, "l8a", &more[..3]), []);
        assert_eq!(told(&edges, "l8a", &more).len(), 1, "a flag that needs it would take too many");
    }
}
