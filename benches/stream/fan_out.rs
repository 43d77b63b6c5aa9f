//! One small change to everybody, in turns with the bare broadcaster.

use std::time::Duration;

use anyhow::Context as _;
use serde_json::json;

use super::bare::Bare;
use super::crowd::{Crowd, Heard, now};
use super::parts::Totals;
use super::place::Place;
use super::report::{FanOut, resident};
use super::{ARGUMENTS, Plan};

/// What every rollout is put to.
const PATH: &str = "/api/v1/projects/default/environments/production/flags/feature.00000/rollout";

pub(super) async fn measure(plan: Plan) -> anyhow::Result<FanOut> {
    let place = Place::start_with(ARGUMENTS, 1).await.context("the program did not start")?;
    let mut alone = Crowd::connect(place.address(), Some(&place.key), 1, 0).await?;
    // Its length is what the bare one sends, and so are its parts.
    let (mut unheard, mut bytes) = (Vec::new(), 0);
    for round in 0..plan.rounds {
        let (answered, _, heard) = change(&place, &mut alone, round).await?;
        unheard.push(answered);
        bytes = heard.length;
    }
    drop(alone);
    let before = resident(place.id())?;
    let mut ours = Crowd::connect(place.address(), Some(&place.key), plan.crowd, 0).await?;
    let idle = resident(place.id())?;
    let mut bare = Bare::start(plan.crowd, bytes)?;
    let mut plain = Crowd::connect(bare.address, None, plan.crowd, 0).await?;
    let mut fan_out = FanOut { subscribers: plan.crowd, bytes, unheard, ..FanOut::default() };
    // Both warm up.
    for round in 0..=plan.rounds {
        plain.expect().await?;
        bare.broadcast()?;
        let bare = plain.heard().await?;
        let totals = Totals::now(&place).await?;
        let (answered, to_last, heard) = change(&place, &mut ours, plan.rounds + round).await?;
        let parts = totals.since(&place).await?;
        if round > 0 {
            fan_out.parts.push(parts);
            fan_out.bare.push(bare.spread());
            fan_out.ours.push(heard.spread());
            fan_out.to_last.push(to_last);
            fan_out.answered.push(answered);
        }
    }
    let after = resident(place.id())?;
    let each = |now: u64| now.saturating_sub(before) as f64 / plan.crowd as f64;
    (fan_out.idle_bytes, fan_out.used_bytes) = (each(idle), each(after));
    Ok(fan_out)
}

/// Makes a change; how long until it is answered, and until the last has it.
async fn change(place: &Place, crowd: &mut Crowd, round: usize) -> anyhow::Result<(Duration, Duration, Heard)> {
    crowd.expect().await?;
    let started = now();
    // Always another share, and of as many digits.
    let answered = async {
        place.change("PUT", PATH, &json!({"percentage": 30 + round % 2})).await?;
        anyhow::Ok(now() - started)
    };
    let (answered, heard) = tokio::try_join!(answered, crowd.heard())?;
    Ok((answered, heard.last() - started, heard))
}
