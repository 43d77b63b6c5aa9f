//! What refers to what, by keys: flags to their prerequisites, segments to those that their rules name.

use std::collections::{BTreeMap, BTreeSet, HashMap};

/// The keys that each key refers to, each as often as it does.
#[derive(Clone, Debug, Default)]
pub(super) struct Graph(pub(super) BTreeMap<String, Vec<String>>);

/// How far the references of one reach.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Reach {
    pub(super) depth: usize,
    /// Evaluations that they take, each as often as it is asked for.
    pub(super) steps: u64,
}

impl Graph {
    fn next(&self, key: &str) -> &[String] {
        self.0.get(key).map(Vec::as_slice).unwrap_or_default()
    }

    /// All that one leads to.
    pub(super) fn reached(&self, from: &str) -> BTreeSet<String> {
        let mut reached = BTreeSet::new();
        let mut open: Vec<&String> = self.next(from).iter().collect();
        while let Some(key) = open.pop() {
            if reached.insert(key.clone()) {
                open.extend(self.next(key));
            }
        }
        reached
    }

    /// A way from one to another.
    pub(super) fn path(&self, from: &str, to: &str) -> Option<Vec<String>> {
        let mut came_from: HashMap<&str, &str> = HashMap::new();
        let mut open = vec![from];
        while let Some(key) = open.pop() {
            if key == to {
                let mut path = vec![key.to_owned()];
                let mut at = key;
                while let Some(before) = came_from.get(at).filter(|_| at != from) {
                    path.push((*before).to_owned());
                    at = before;
                }
                path.reverse();
                return Some(path);
            }
            for next in self.next(key) {
                if next != from && !came_from.contains_key(next.as_str()) {
                    came_from.insert(next, key);
                    open.push(next);
                }
            }
        }
        None
    }

    /// The first that reaches further than this. To be asked of a graph without a cycle; the depth bounds it all the
    /// same.
    pub(super) fn beyond(&self, limit: Reach) -> Option<(&str, Reach)> {
        let mut known = HashMap::new();
        // One that refers to what is changed reaches further by it.
        self.0.keys().find_map(|key| {
            let reach = self.reach(key, limit.depth, &mut known, 0);
            (reach.depth > limit.depth || reach.steps > limit.steps).then_some((key.as_str(), reach))
        })
    }

    fn reach<'g>(&'g self, key: &'g str, deepest: usize, known: &mut HashMap<&'g str, Reach>, level: usize) -> Reach {
        if let Some(reach) = known.get(key) {
            return *reach;
        }
        let mut reach = Reach::default();
        if level <= deepest {
            for next in self.next(key) {
                let Reach { depth, steps } = self.reach(next, deepest, known, level + 1);
                reach.depth = reach.depth.max(depth + 1);
                reach.steps = reach.steps.saturating_add(steps.saturating_add(1));
            }
            known.insert(key, reach);
        } else {
            reach.depth = 1;
        }
        reach
    }
}
