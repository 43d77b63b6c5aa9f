//! What the real program takes in over HTTP, each batch committed before it is acknowledged.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};

use super::bare::Bare;
use super::client::{Load, Request, exchange};
use super::events::{Attributes, BATCH, FLAG, batch};
use super::place::Place;
use super::rounds::quantile;

const EVENTS: &str = "/api/v1/events";

/// How much is measured.
pub(crate) struct Plan {
    pub(crate) rounds: usize,
    pub(crate) turn: Duration,
    pub(crate) connections: usize,
}

/// Batches a second of each: the medians of the rounds.
pub(crate) struct Rates {
    ours: f64,
    bare: f64,
}

impl Rates {
    pub(crate) fn text(&self) -> String {
        let (events, ratio) = (self.ours * BATCH as f64, self.ours / self.bare);
        format!(
            "over HTTP, {BATCH} a batch{:>33.0} /s; {:.0} batches a second, {ratio:.2} of a bare handler",
            events, self.ours
        )
    }

    pub(crate) fn json(&self) -> Value {
        json!({
            "row": "over HTTP", "batch": BATCH, "batches_per_second": self.ours, "bare_batches_per_second": self.bare,
            "events_per_second": self.ours * BATCH as f64,
        })
    }
}

/// Measures the program in turns with a bare handler.
pub(crate) async fn measure(plan: &Plan) -> anyhow::Result<Rates> {
    let place = Place::start(0).await.context("the program did not start")?;
    start_canary(&place).await?;
    let request = Request {
        method: "POST",
        path: EVENTS.to_owned(),
        token: place.key.clone(),
        media: "application/json",
        body: batch(Attributes::Two, None),
    };
    let answer = exchange(place.address(), &request).await?;
    let receipt: Value = serde_json::from_slice(&answer.body)?;
    ensure!(receipt.get("accepted") == Some(&json!(BATCH)), "{receipt}");
    let bare = Bare::start(EVENTS, answer.body.len())?;
    let (mut loads, mut rates) = (Vec::new(), [Vec::new(), Vec::new()]);
    for address in [place.address(), bare.address()] {
        loads.push(Load::connect(address, &request, plan.connections).await?);
    }
    for _ in 0..plan.rounds {
        for (load, rates) in loads.iter_mut().zip(&mut rates) {
            let (batches, took) = load.run(plan.turn).await?;
            rates.push(batches as f64 / took.as_secs_f64());
        }
    }
    let [ours, bare] = rates.map(|rates| quantile(rates, 0.5));
    Ok(Rates { ours, bare })
}

async fn start_canary(place: &Place) -> anyhow::Result<()> {
    place.change("POST", "/api/v1/projects/default/flags", &json!({"key": FLAG, "type": "boolean"})).await?;
    let canary = format!("/api/v1/projects/default/environments/production/flags/{FLAG}/canary");
    let stages = [50, 100].map(|percentage| json!({"percentage": percentage, "minimum_seconds": 3_600}));
    place.change("PUT", &canary, &json!({"treatment": "on", "control": "off", "stages": stages})).await?;
    place.change("POST", &format!("{canary}/start"), &json!({})).await
}
