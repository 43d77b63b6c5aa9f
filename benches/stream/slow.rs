//! Readers that stop reading, and what it does to the others.

use std::time::Instant;

use anyhow::Context as _;
use serde_json::{Value, json};

use super::Plan;
use super::place::Place;
use super::report::{Slow, resident};
use super::subscribers::{Greeting, Subscribers};

/// Users of the flag that changes: its message has some 60 KB, so that buffers fill.
const TARGETS: usize = 4_000;
const PATH: &str = "/api/v1/projects/default/environments/production/flags/feature.00000";

pub(super) async fn measure(plan: Plan) -> anyhow::Result<Slow> {
    let mut sides = Vec::new();
    for stalled in [0, plan.stalled] {
        let place = Place::start_with(&[], 1).await.context("the program did not start")?;
        let greeting = Greeting::Stream(place.key.clone());
        let subscribers = Subscribers::connect(place.address(), greeting, plan.readers, stalled).await?;
        sides.push((place, subscribers, Vec::new()));
    }
    for round in 0..plan.rounds {
        for (place, subscribers, times) in &mut sides {
            subscribers.expect();
            let started = Instant::now();
            let body = configuration(round);
            tokio::try_join!(place.change("PUT", PATH, &body), subscribers.heard())?;
            times.extend(subscribers.times().into_iter().map(|at| at - started));
        }
    }
    let mut memory = Vec::new();
    for (place, ..) in &sides {
        memory.push(resident(place.id())?);
    }
    let mut slow = Slow { readers: plan.readers, stalled: plan.stalled, ..Slow::default() };
    for ((_, subscribers, times), all) in sides.into_iter().zip([&mut slow.alone, &mut slow.beside]) {
        slow.bytes = subscribers.length();
        *all = times;
    }
    if let [alone, beside] = memory[..] {
        slow.more_bytes = beside as f64 - alone as f64;
    }
    Ok(slow)
}

fn configuration(round: usize) -> Value {
    let keys: Vec<_> = (0..TARGETS).map(|user| format!("user-{round:03}-{user:05}")).collect();
    json!({"configuration": {
        "enabled": true, "off_variation": "off", "fallthrough": {"variation": "off"},
        "targets": [{"variation": "on", "keys": keys}],
    }})
}
