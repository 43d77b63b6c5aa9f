//! Bellwether.

use bellwether_core::{Context, Flag, Now, Snapshot, State};
use chrono::Utc;
use serde_json::{Value, json};

use crate::engine::Engine;
use crate::rounds::Contestant;
use crate::workload::{self, ATTRIBUTES, Row, USER, WEIGHTED};

/// A state, as an SDK has it after it fetched the snapshot.
pub struct Ours {
    state: State,
    context: Context,
}

impl Ours {
    pub fn new() -> Self {
        let flags: Vec<Flag> = Row::ALL.iter().map(|row| serde_json::from_value(flag(*row)).expect("a flag")).collect();
        let snapshot = Snapshot::new("production", "bench", 1, &flags, &[]).expect("JSON");
        Self { state: State::from_snapshot(snapshot).expect("a snapshot that fits"), context: context(USER) }
    }
}

/// As an SDK has it: the clock is read when a clause asks for it, and none does here.
fn now() -> Now {
    Now::Of(|| Utc::now().timestamp_millis())
}

fn context(user: &str) -> Context {
    ATTRIBUTES.iter().fold(Context::new(user), |context, (name, value)| context.set(*name, *value))
}

fn flag(row: Row) -> Value {
    let boolean = json!([{"name": "true", "value": true}, {"name": "false", "value": false}]);
    let split = |ranges: Value| json!({"split": {"salt": "peers", "ranges": ranges}});
    let mut flag = json!({
        "key": row.key(), "version": 1, "type": "boolean", "enabled": true, "variations": boolean,
        "off_variation": "false", "fallthrough": {"variation": "false"},
    });
    match row {
        Row::Plain => flag["fallthrough"] = json!({"variation": "true"}),
        Row::Rollout => flag["fallthrough"] = split(json!([[25_000, "true"], [100_000, "false"]])),
        Row::RulesFirst | Row::RulesSecond => {
            let clause =
                |(attribute, values): &workload::Clause| json!({"attribute": attribute, "op": "in", "values": values});
            let rules = workload::rules(row);
            let rules = rules.iter().enumerate().map(|(number, clauses)| {
                let clauses: Vec<_> = clauses.iter().map(clause).collect();
                json!({"id": format!("rule-{number}"), "clauses": clauses, "serve": {"variation": "true"}})
            });
            flag["rules"] = rules.collect();
        }
        Row::TargetHit | Row::TargetMiss => {
            flag["targets"] = json!([{"variation": "true", "keys": workload::targets(row)}]);
        }
        Row::Weighted => {
            flag["type"] = json!("string");
            flag["variations"] = WEIGHTED.iter().map(|(name, _)| json!({"name": name, "value": name})).collect();
            flag["off_variation"] = json!("red");
            flag["fallthrough"] = split(json!([[50_000, "red"], [80_000, "green"], [100_000, "blue"]]));
        }
    }
    flag
}

impl Engine for Ours {
    fn name(&self) -> &'static str {
        "bellwether"
    }

    fn served(&self, row: Row, user: &str) -> String {
        self.state.evaluate(row.key(), &context(user), now()).expect("a value").variation.to_owned()
    }

    fn contestant(&self, row: Row) -> Contestant<'_> {
        Contestant::new(move || self.state.evaluate(row.key(), &self.context, now()))
    }
}
