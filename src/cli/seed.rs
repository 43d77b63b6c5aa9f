use clap::Args;

use super::{Outcome, StoreArguments, output};
use crate::access::Caller;
use crate::canary::{self, Policy};
use crate::db::{Connection, Part};
use crate::error::Result;
use crate::flags::{self, Place};
use crate::input;
use crate::projects::{self, DEFAULT_PROJECT};
use crate::version::IfMatch;
use serde_json::{Value, json};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    store: StoreArguments,
}

/// The flag that holds, in percent, the share of failed requests that a canary may show.
pub(super) const ERROR_LIMIT: &str = "rollback.error-rate-threshold";

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<Outcome> {
    let store = crate::app::open_alone(&arguments.store.database_url)?;
    let caller = Caller::system("command");
    for key in store.write_now(Part::Configuration, |c| seed(c, &caller))? {
        output::say(&key);
    }
    Ok(Outcome::Well)
}

/// Creates the nine default flags where they are missing; what became of each.
pub(super) fn seed(connection: &mut Connection<'_>, caller: &Caller) -> Result<Vec<String>> {
    let mut report = Vec::new();
    for flag in default_flags() {
        let key = flag.definition.get("key").and_then(Value::as_str).unwrap_or_default().to_owned();
        if flags::exists(connection, DEFAULT_PROJECT, &key)? {
            report.push(format!("already there  {key}"));
            continue;
        }
        create(connection, caller, &key, flag)?;
        report.push(format!("created        {key}"));
    }
    Ok(report)
}

/// A default flag: what it is and what becomes of it in each environment.
struct DefaultFlag {
    definition: Value,
    /// Shares in development, staging and production.
    shares: Option<[Value; 3]>,
    policy: Option<Value>,
}

fn create(connection: &mut Connection<'_>, caller: &Caller, key: &str, flag: DefaultFlag) -> Result<()> {
    flags::create(connection, caller, DEFAULT_PROJECT, input::read(flag.definition)?)?;
    let environments = projects::environments(connection, DEFAULT_PROJECT)?;
    for (index, environment) in environments.iter().enumerate() {
        let place =
            Place { project: DEFAULT_PROJECT.to_owned(), environment: environment.key.clone(), flag: key.to_owned() };
        if let Some(share) = flag.shares.as_ref().and_then(|shares| shares.get(index)) {
            flags::roll_out(connection, caller, &place, IfMatch::Any, &input::read(share.clone())?)?;
        }
        if let Some(policy) = &flag.policy {
            canary::configure(connection, caller, &place, None, policy.clone())?;
        }
    }
    Ok(())
}

fn default_flags() -> [DefaultFlag; 9] {
    let thirty_minutes = 1_800;
    let hour = 3_600;
    [
        feature("feature.new-dashboard", "New dashboard", "The rebuilt dashboard", "web", [100, 50, 0]),
        feature("feature.advanced-analytics", "Advanced analytics", "Cohorts and funnels", "analytics", [100, 25, 0]),
        feature("feature.ai-budgeting", "AI budgeting", "Suggested budgets", "ai", [100, 0, 0]),
        feature("feature.offline-sync", "Offline sync", "Edits survive a tunnel", "mobile", [100, 0, 0]),
        canary(
            "canary.new-payment-processor",
            "New payment processor",
            "Charges through the new processor",
            "payments",
            &[(1, thirty_minutes), (10, thirty_minutes), (25, hour), (50, hour)],
        ),
        canary(
            "canary.new-notification-service",
            "New notification service",
            "Sends e-mail through the new service",
            "notify",
            &[(5, thirty_minutes), (25, hour)],
        ),
        experiment("experiment.new-onboarding-flow", "New onboarding flow", "Three steps instead of seven"),
        experiment("experiment.checkout-redesign", "Checkout redesign", "One-page checkout"),
        DefaultFlag {
            definition: json!({
                "key": ERROR_LIMIT, "type": "float", "kind": "config", "name": "Error rate threshold",
                "description": "Percent of failed requests that a canary may show", "tags": ["config"],
                "variations": [{"name": "percent", "value": 5.0}],
            }),
            shares: None,
            policy: None,
        },
    ]
}

fn feature(key: &str, name: &str, description: &str, tag: &str, shares: [u32; 3]) -> DefaultFlag {
    DefaultFlag {
        definition: json!({
            "key": key, "type": "boolean", "kind": "release", "name": name, "description": description, "tags": [tag],
        }),
        shares: Some(shares.map(|share| json!({"percentage": share}))),
        policy: None,
    }
}

/// A flag with a draft canary everywhere: the given shares for as many seconds, then everyone.
fn canary(key: &str, name: &str, description: &str, tag: &str, stages: &[(u32, u32)]) -> DefaultFlag {
    let mut steps: Vec<_> =
        stages.iter().map(|(share, seconds)| json!({"percentage": share, "minimum_seconds": seconds})).collect();
    steps.push(json!({"percentage": 100}));
    DefaultFlag {
        definition: json!({
            "key": key, "type": "boolean", "kind": "release", "name": name, "description": description, "tags": [tag],
        }),
        shares: Some([0, 0, 0].map(|share| json!({"percentage": share}))),
        policy: Some(json!({"stages": steps, "guards": guards()})),
    }
}

/// The default guards, the error limit being read from its flag.
pub(super) fn guards() -> Value {
    let mut policy = serde_json::to_value(Policy::default()).unwrap_or_default();
    let guards = policy.get_mut("guards").and_then(Value::as_array_mut);
    for guard in guards.into_iter().flatten() {
        if guard.get("test") == Some(&json!("ratio_limit"))
            && let Some(members) = guard.as_object_mut()
        {
            members.insert("limit".to_owned(), json!({"flag": ERROR_LIMIT, "scale": 0.01}));
        }
    }
    policy.get_mut("guards").map(Value::take).unwrap_or_default()
}

fn experiment(key: &str, name: &str, description: &str) -> DefaultFlag {
    DefaultFlag {
        definition: json!({
            "key": key, "type": "string", "kind": "experiment", "name": name, "description": description,
            "tags": ["web"], "off_variation": "control",
            "variations": [{"name": "control", "value": "control"}, {"name": "variant_a", "value": "variant_a"}],
        }),
        shares: Some([0; 3].map(|_| json!({"weights": {"control": 50, "variant_a": 50}}))),
        policy: None,
    }
}
