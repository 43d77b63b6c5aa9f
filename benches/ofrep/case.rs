//! The requests that are measured.

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};

use super::client::Request;

/// Flags in the environment.
pub(crate) const FLAGS: usize = 100;

/// A request that is measured.
pub(crate) struct Case {
    /// As the report calls it.
    pub(crate) title: &'static str,
    /// The request.
    pub(crate) request: Request,
    /// The share of the bare handler's requests per second that is to be reached.
    pub(crate) target: f64,
    /// Whether an answer is right.
    pub(crate) check: fn(&Value) -> anyhow::Result<()>,
}

/// What is measured, by this server key.
pub(crate) fn cases(key: &str) -> Vec<Case> {
    let context = json!({"context": {
        "targetingKey": "user-04711", "country": "NO", "plan": "pro", "email": "somebody@example.com",
        "language": "nb", "device": "phone", "os": "linux", "version": "4.2.1", "role": "editor",
    }});
    let request = |path: &str| Request {
        method: "POST",
        path: path.to_owned(),
        token: key.to_owned(),
        media: "application/json",
        body: context.to_string(),
    };
    vec![
        Case {
            title: "OFREP, one flag",
            request: request("/ofrep/v1/evaluate/flags/feature.00000"),
            target: 0.50,
            check: |answer| {
                let right = answer["reason"] == "SPLIT" && answer["value"].is_boolean();
                ensure!(right, "{answer}");
                Ok(())
            },
        },
        Case {
            title: "OFREP, 100 flags",
            request: request("/ofrep/v1/evaluate/flags"),
            target: 0.20,
            check: |answer| {
                let flags = answer["flags"].as_array().context("flags")?;
                let wrong = flags.iter().filter(|flag| !flag["value"].is_boolean()).count();
                ensure!(flags.len() == FLAGS && wrong == 0, "{answer}");
                Ok(())
            },
        },
    ]
}
