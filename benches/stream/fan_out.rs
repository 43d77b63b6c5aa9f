//! One small change to everybody, in turns with the bare broadcaster.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use serde_json::json;

use super::Plan;
use super::bare::Bare;
use super::place::Place;
use super::report::{FanOut, resident};
use super::subscribers::{Greeting, Subscribers};

/// What every rollout is put to.
const PATH: &str = "/api/v1/projects/default/environments/production/flags/feature.00000/rollout";

pub(super) async fn measure(plan: Plan) -> anyhow::Result<FanOut> {
    let place = Place::start_with(&[], 1).await.context("the program did not start")?;
    let greeting = Greeting::Stream(place.key.clone());
    let alone = Subscribers::connect(place.address(), greeting.clone(), 1, 0).await?;
    // Its length is what the bare one sends, and so are its parts.
    let mut unheard = Vec::new();
    for round in 0..plan.rounds {
        unheard.push(change(&place, &alone, round).await?.0);
    }
    let bytes = alone.length();
    drop(alone);
    let before = resident(place.id())?;
    let ours = Subscribers::connect(place.address(), greeting, plan.crowd, 0).await?;
    let idle = resident(place.id())?;
    let mut bare = Bare::start(plan.crowd, bytes)?;
    let plain = Subscribers::connect(bare.address, Greeting::Plain, plan.crowd, 0).await?;
    let mut fan_out = FanOut { subscribers: plan.crowd, bytes, unheard, ..FanOut::default() };
    // Both warm up.
    for round in 0..=plan.rounds {
        plain.expect();
        bare.broadcast()?;
        let heard = plain.heard().await?;
        let spread = heard.last - heard.first;
        let (answered, to_last, our_spread) = change(&place, &ours, round).await?;
        if round > 0 {
            fan_out.bare.push(spread);
            fan_out.ours.push(our_spread);
            fan_out.to_last.push(to_last);
            fan_out.answered.push(answered);
        }
    }
    let after = resident(place.id())?;
    let each = |now: u64| now.saturating_sub(before) as f64 / plan.crowd as f64;
    (fan_out.idle_bytes, fan_out.used_bytes) = (each(idle), each(after));
    Ok(fan_out)
}

/// Makes a change; how long until it is answered, until the last has it, and from the first to the last.
async fn change(
    place: &Place,
    subscribers: &Subscribers,
    round: usize,
) -> anyhow::Result<(Duration, Duration, Duration)> {
    subscribers.expect();
    let started = Instant::now();
    // Always another share, and of as many digits.
    let answered = async {
        place.change("PUT", PATH, &json!({"percentage": 30 + round % 2})).await?;
        anyhow::Ok(started.elapsed())
    };
    let (answered, heard) = tokio::try_join!(answered, subscribers.heard())?;
    Ok((answered, heard.last - started, heard.last - heard.first))
}
