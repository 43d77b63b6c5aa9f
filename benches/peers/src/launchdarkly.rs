//! LaunchDarkly: `launchdarkly-server-sdk-evaluation`, what its server SDK for Rust evaluates with.
//!
//! The SDK's store hands out a clone of the flag for each evaluation. Here it is borrowed from a hash map: what the
//! engine can do is measured, not what its SDK makes of it.

use std::collections::HashMap;

use launchdarkly_server_sdk_evaluation::{Context, ContextBuilder, Flag, FlagValue, Segment, Store, evaluate};
use serde_json::{Value, json};

use crate::engine::Engine;
use crate::rounds::Contestant;
use crate::workload::{self, ATTRIBUTES, Row, USER, WEIGHTED};

/// The engine and its flags.
pub struct LaunchDarkly {
    flags: Flags,
    context: Context,
}

struct Flags(HashMap<String, Flag>);

impl Store for Flags {
    fn flag(&self, key: &str) -> Option<Flag> {
        self.0.get(key).cloned()
    }

    fn segment(&self, _: &str) -> Option<Segment> {
        None
    }
}

impl LaunchDarkly {
    pub fn new() -> Self {
        let flags = Row::ALL.map(|row| (row.key().to_owned(), serde_json::from_value(flag(row)).expect("a flag")));
        Self { flags: Flags(flags.into_iter().collect()), context: context(USER) }
    }

    fn evaluate<'e>(&'e self, key: &str, context: &'e Context) -> Option<&'e FlagValue> {
        evaluate(&self.flags, self.flags.0.get(key)?, context, None).value
    }
}

fn context(user: &str) -> Context {
    let mut builder = ContextBuilder::new(user);
    for (name, value) in ATTRIBUTES {
        builder.set_string(name, value);
    }
    builder.build().expect("a context")
}

fn flag(row: Row) -> Value {
    let mut flag = json!({
        "key": row.key(), "version": 1, "on": true, "targets": [], "contextTargets": [], "rules": [],
        "prerequisites": [], "fallthrough": {"variation": 1}, "offVariation": 1, "variations": [true, false],
        "salt": "peers", "clientSide": false,
    });
    let rollout = |weights: &[u32]| {
        let variations: Vec<_> =
            weights.iter().enumerate().map(|(i, weight)| json!({"variation": i, "weight": weight})).collect();
        json!({"rollout": {"variations": variations}})
    };
    match row {
        Row::Plain => flag["fallthrough"] = json!({"variation": 0}),
        Row::Rollout => flag["fallthrough"] = rollout(&[25_000, 75_000]),
        Row::RulesFirst | Row::RulesSecond => {
            let clause =
                |(attribute, values): &workload::Clause| json!({"attribute": attribute, "op": "in", "values": values});
            let rules = workload::rules(row);
            let rules = rules.iter().enumerate().map(|(number, clauses)| {
                let clauses: Vec<_> = clauses.iter().map(clause).collect();
                json!({"id": format!("rule-{number}"), "clauses": clauses, "variation": 0, "trackEvents": false})
            });
            flag["rules"] = rules.collect();
        }
        Row::TargetHit | Row::TargetMiss => {
            flag["targets"] = json!([{"variation": 0, "values": workload::targets(row)}]);
        }
        Row::Weighted => {
            flag["variations"] = WEIGHTED.iter().map(|(name, _)| json!(name)).collect();
            flag["fallthrough"] = rollout(&[50_000, 30_000, 20_000]);
        }
    }
    flag
}

impl Engine for LaunchDarkly {
    fn name(&self) -> &'static str {
        "launchdarkly"
    }

    fn served(&self, row: Row, user: &str) -> String {
        match self.evaluate(row.key(), &context(user)) {
            Some(FlagValue::Bool(value)) => value.to_string(),
            Some(FlagValue::Str(value)) => value.clone(),
            other => panic!("no value of a kind that was asked for: {other:?}"),
        }
    }

    fn contestant(&self, row: Row) -> Contestant<'_> {
        Contestant::new(move || {
            let flag = self.flags.0.get(row.key());
            flag.map(|flag| evaluate(&self.flags, flag, &self.context, None))
        })
    }
}
