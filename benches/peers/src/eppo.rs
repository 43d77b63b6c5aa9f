//! Eppo: `eppo_core`, what its SDKs for Rust, Python, Ruby and Elixir evaluate with.
//!
//! It knows no individual targets; a rule on the subject's `id` stands for them. Allocations log nothing, which spares it
//! the making of an event, and the time is given, which spares it reading the clock.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use eppo_core::eval::get_assignment;
use eppo_core::ufc::{AssignmentValue, UniversalFlagConfig};
use eppo_core::{Attributes, Configuration, SdkMetadata, Str};
use serde_json::{Map, Value, json};

use crate::engine::Engine;
use crate::rounds::Contestant;
use crate::workload::{self, ATTRIBUTES, Row, USER, WEIGHTED};

/// The engine's configuration and what it is asked with.
pub struct Eppo {
    configuration: Configuration,
    attributes: Arc<Attributes>,
    user: Str,
    now: DateTime<Utc>,
}

impl Eppo {
    pub fn new() -> Self {
        let flags: Map<_, _> = Row::ALL.iter().map(|row| (row.key().to_owned(), flag(*row))).collect();
        let created = "2026-01-01T00:00:00Z";
        let wire = json!({"createdAt": created, "environment": {"name": "production"}, "flags": flags}).to_string();
        let flags = UniversalFlagConfig::from_json(SdkMetadata { name: "peers", version: "0.0.0" }, wire.into_bytes());
        let attributes = ATTRIBUTES.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        Self {
            configuration: Configuration::from_server_response(flags.expect("flags"), None),
            attributes: Arc::new(attributes),
            user: USER.into(),
            now: Utc::now(),
        }
    }
}

fn flag(row: Row) -> Value {
    let allocation =
        |key: &str, rules: Value, splits: Value| json!({"key": key, "rules": rules, "splits": splits, "doLog": false});
    let everyone = |variation: &str| json!([{"variationKey": variation, "shards": []}]);
    let shares = |shares: &[(&str, f64)]| {
        let mut start = 0;
        let splits = shares.iter().map(|(name, share)| {
            let end = start + (share * 10_000.0).round() as u32;
            let shard = json!({"salt": "peers", "ranges": [{"start": start, "end": end}]});
            start = end;
            json!({"variationKey": name, "shards": [shard]})
        });
        splits.collect::<Value>()
    };
    let condition =
        |(attribute, values): &workload::Clause| json!({"attribute": attribute, "operator": "ONE_OF", "value": values});
    let none = || json!([]);
    let allocations = match row {
        Row::Plain => json!([allocation("all", none(), everyone("true"))]),
        Row::Rollout | Row::Weighted => {
            json!([allocation("all", none(), shares(row.shares().unwrap_or_default()))])
        }
        Row::RulesFirst | Row::RulesSecond => {
            let rules: Vec<_> = workload::rules(row)
                .iter()
                .map(|clauses| json!({"conditions": clauses.iter().map(condition).collect::<Vec<_>>()}))
                .collect();
            json!([allocation("rules", json!(rules), everyone("true")), allocation("rest", none(), everyone("false"))])
        }
        Row::TargetHit | Row::TargetMiss => {
            let rule = json!([{"conditions": [condition(&("id", workload::targets(row)))]}]);
            json!([allocation("targets", rule, everyone("true")), allocation("rest", none(), everyone("false"))])
        }
    };
    let (kind, variations) = match row {
        Row::Weighted => ("STRING", WEIGHTED.map(|(name, _)| (name, json!(name))).to_vec()),
        _ => ("BOOLEAN", vec![("true", json!(true)), ("false", json!(false))]),
    };
    let variations: Map<_, _> =
        variations.into_iter().map(|(key, value)| (key.to_owned(), json!({"key": key, "value": value}))).collect();
    json!({
        "key": row.key(), "enabled": true, "variationType": kind, "variations": variations,
        "allocations": allocations, "totalShards": 10_000,
    })
}

impl Engine for Eppo {
    fn name(&self) -> &'static str {
        "eppo"
    }

    fn served(&self, row: Row, user: &str) -> String {
        let found =
            get_assignment(Some(&self.configuration), row.key(), &user.into(), &self.attributes, None, self.now);
        match found.expect("an evaluation").expect("an assignment").value {
            AssignmentValue::Boolean(value) => value.to_string(),
            AssignmentValue::String(value) => value.to_string(),
            other => panic!("no value of a kind that was asked for: {other:?}"),
        }
    }

    fn contestant(&self, row: Row) -> Contestant<'_> {
        let configuration = Some(&self.configuration);
        Contestant::new(move || get_assignment(configuration, row.key(), &self.user, &self.attributes, None, self.now))
    }
}
