//! Readers that stop reading, and what it does to the others.

use anyhow::Context as _;
use serde_json::{Value, json};

use super::crowd::{Crowd, now};
use super::place::Place;
use super::report::{Slow, resident};
use super::{ARGUMENTS, Plan};

/// Users of the flag that changes: its message has some 60 KB, so that buffers fill.
const TARGETS: usize = 4_000;
const PATH: &str = "/api/v1/projects/default/environments/production/flags/feature.00000";

pub(super) async fn measure(plan: Plan) -> anyhow::Result<Slow> {
    let mut sides = Vec::new();
    for stalled in [0, plan.stalled] {
        let place = Place::start_with(ARGUMENTS, 1).await.context("the program did not start")?;
        let crowd = Crowd::connect(place.address(), Some(&place.key), plan.readers, stalled).await?;
        sides.push((place, crowd, Vec::new()));
    }
    let mut bytes = 0;
    for round in 0..plan.rounds {
        for (place, crowd, times) in &mut sides {
            crowd.expect().await?;
            let started = now();
            let body = configuration(round);
            let ((), heard) = tokio::try_join!(place.change("PUT", PATH, &body), crowd.heard())?;
            bytes = heard.length;
            times.extend(heard.times.into_iter().map(|at| at - started));
        }
    }
    let mut memory = Vec::new();
    for (place, ..) in &sides {
        memory.push(resident(place.id())?);
    }
    let mut slow = Slow { readers: plan.readers, stalled: plan.stalled, bytes, ..Slow::default() };
    for ((.., times), all) in sides.into_iter().zip([&mut slow.alone, &mut slow.beside]) {
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
