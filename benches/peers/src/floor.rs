//! What it takes at the very least: a loop written by hand for these workloads, with the fastest of hash maps and
//! nothing that a product needs besides: no prerequisites, no segments, no operators but one, no reasons, no errors.

use hashbrown::{HashMap, HashSet};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::engine::Engine;
use crate::rounds::Contestant;
use crate::workload::{self, ATTRIBUTES, Row, USER, WEIGHTED};

struct Flag {
    targets: HashSet<String>,
    rules: Vec<[workload::Clause; 2]>,
    /// Ends of ranges of 100,000 buckets; one of a single variation.
    ranges: Vec<(u32, &'static str)>,
    seed: u64,
}

type Context = HashMap<&'static str, String>;

/// The loop and its flags.
pub struct Floor {
    flags: HashMap<&'static str, Flag>,
    context: Context,
}

impl Floor {
    pub fn new() -> Self {
        Self { flags: Row::ALL.map(|row| (row.key(), flag(row))).into_iter().collect(), context: context(USER) }
    }

    fn evaluate(&self, key: &str, context: &Context) -> Option<&'static str> {
        let flag = self.flags.get(key)?;
        if !flag.targets.is_empty() && flag.targets.contains(context.get("user")?) {
            return Some("true");
        }
        let matches = |(attribute, values): &workload::Clause| {
            context.get(*attribute).is_some_and(|found| values.iter().any(|value| value == found))
        };
        if flag.rules.iter().any(|clauses| clauses.iter().all(matches)) {
            return Some("true");
        }
        let [(_, only)] = flag.ranges.as_slice() else {
            let hash = xxh3_64_with_seed(context.get("user")?.as_bytes(), flag.seed);
            let bucket = ((u128::from(hash) * 100_000) >> 64) as u32;
            return flag.ranges.iter().find(|(end, _)| bucket < *end).map(|(_, variation)| *variation);
        };
        Some(only)
    }
}

fn context(user: &str) -> Context {
    let attributes = ATTRIBUTES.iter().map(|(name, value)| (*name, (*value).to_owned()));
    attributes.chain([("user", user.to_owned())]).collect()
}

fn flag(row: Row) -> Flag {
    let mut flag = Flag { targets: HashSet::new(), rules: Vec::new(), ranges: vec![(100_000, "false")], seed: 7 };
    match row {
        Row::Plain => flag.ranges = vec![(100_000, "true")],
        Row::Rollout => flag.ranges = vec![(25_000, "true"), (100_000, "false")],
        Row::RulesFirst | Row::RulesSecond => flag.rules = workload::rules(row),
        Row::TargetHit | Row::TargetMiss => flag.targets = workload::targets(row).into_iter().collect(),
        Row::Weighted => flag.ranges = vec![(50_000, WEIGHTED[0].0), (80_000, WEIGHTED[1].0), (100_000, WEIGHTED[2].0)],
    }
    flag
}

impl Engine for Floor {
    fn name(&self) -> &'static str {
        "bare loop"
    }

    fn served(&self, row: Row, user: &str) -> String {
        self.evaluate(row.key(), &context(user)).expect("a value").to_owned()
    }

    fn contestant(&self, row: Row) -> Contestant<'_> {
        Contestant::new(move || self.evaluate(row.key(), &self.context))
    }
}
