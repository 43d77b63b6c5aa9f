//! Unleash: `unleash-yggdrasil`, what Unleash Edge and several of its SDKs evaluate with.
//!
//! Booleans by `check_enabled` and variants by `check_variant`, on a context that is made ready beforehand: the leanest
//! calls it offers. What it is timed without is the counting of evaluations, which its SDKs do besides.

use std::collections::HashMap;

use serde_json::{Value, json};
use unleash_types::client_features::{ClientFeatures, Context};
use unleash_yggdrasil::EngineState;
use unleash_yggdrasil::state::EnrichedContext;

use crate::engine::Engine;
use crate::rounds::Contestant;
use crate::workload::{self, ATTRIBUTES, Row, USER, WEIGHTED};

/// The engine.
pub struct Unleash {
    engine: EngineState,
    context: Context,
}

impl Unleash {
    pub fn new() -> Self {
        let features = json!({"version": 2, "features": Row::ALL.map(feature)});
        let features: ClientFeatures = serde_json::from_value(features).expect("features");
        let engine = EngineState::default();
        assert_eq!(
            engine.apply_client_features(features).map(|warnings| warnings.len()),
            None,
            "a feature did not compile"
        );
        Self { engine, context: context(USER) }
    }
}

fn context(user: &str) -> Context {
    let properties: HashMap<_, _> =
        ATTRIBUTES.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Context { user_id: Some(user.to_owned()), properties: Some(properties), ..Context::default() }
}

fn feature(row: Row) -> Value {
    let mut feature = json!({
        "name": row.key(), "enabled": true, "type": "release", "strategies": [{"name": "default"}],
    });
    match row {
        Row::Plain => {}
        Row::Rollout => {
            let parameters = json!({"rollout": "25", "stickiness": "userId", "groupId": "peers"});
            feature["strategies"] = json!([{"name": "flexibleRollout", "parameters": parameters}]);
        }
        Row::RulesFirst | Row::RulesSecond => {
            let constraint = |(attribute, values): &workload::Clause| json!({"contextName": attribute, "operator": "IN", "values": values});
            let rules = workload::rules(row);
            let strategies = rules.iter().map(|clauses| {
                let constraints: Vec<_> = clauses.iter().map(constraint).collect();
                json!({"name": "default", "constraints": constraints})
            });
            feature["strategies"] = strategies.collect();
        }
        Row::TargetHit | Row::TargetMiss => {
            let parameters = json!({"userIds": workload::targets(row).join(",")});
            feature["strategies"] = json!([{"name": "userWithId", "parameters": parameters}]);
        }
        Row::Weighted => {
            let variant = |(name, share): &(&str, f64)| json!({"name": name, "weight": (share * 1_000.0).round() as i64, "weightType": "variable", "stickiness": "userId"});
            feature["variants"] = WEIGHTED.iter().map(variant).collect();
        }
    }
    feature
}

impl Engine for Unleash {
    fn name(&self) -> &'static str {
        "unleash"
    }

    fn served(&self, row: Row, user: &str) -> String {
        let context = context(user);
        let context = EnrichedContext::from(&context, row.key(), None);
        if row == Row::Weighted {
            return self.engine.check_variant(&context).expect("a variant").name;
        }
        self.engine.check_enabled(&context).expect("a feature").to_string()
    }

    fn contestant(&self, row: Row) -> Contestant<'_> {
        let context = EnrichedContext::from(&self.context, row.key(), None);
        if row == Row::Weighted {
            return Contestant::new(move || self.engine.check_variant(&context));
        }
        Contestant::new(move || self.engine.check_enabled(&context))
    }
}
