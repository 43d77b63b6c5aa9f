//! How long the parts of a change took, as the server itself says.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use serde_json::Value;

use super::client;
use super::place::Place;

const METRIC: &str = "bellwether_change_seconds_";
/// Longest wait for a change to be over.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long to wait before it is looked at again.
const LOOK: Duration = Duration::from_millis(5);

/// In the order in which they follow each other.
pub(crate) const NAMES: [&str; 6] = ["wait", "prepare", "serialize", "commit", "compile", "fan_out"];

/// Seconds that each part took in all, and how often there was one.
#[derive(Debug, Default)]
pub(crate) struct Totals(BTreeMap<String, (f64, f64)>);

impl Totals {
    /// As they are now.
    pub(crate) async fn now(place: &Place) -> anyhow::Result<Self> {
        let answer = client::exchange(place.address(), &place.request("GET", "/metrics", &Value::Null)).await?;
        let mut totals = Self::default();
        for line in String::from_utf8(answer.body)?.lines() {
            let Some((figure, rest)) = line.strip_prefix(METRIC).and_then(|line| line.split_once("{part=\"")) else {
                continue;
            };
            let (part, value) = rest.split_once("\"} ").unwrap_or_default();
            let (sum, count) = totals.0.entry(part.to_owned()).or_default();
            match figure {
                "sum" => *sum = value.parse()?,
                "count" => *count = value.parse()?,
                _ => {}
            }
        }
        Ok(totals)
    }

    /// How long each part of the one change took that was made since then, once it is over.
    pub(crate) async fn since(&self, place: &Place) -> anyhow::Result<[Duration; NAMES.len()]> {
        let late = Instant::now() + PATIENCE;
        loop {
            let now = Self::now(place).await?;
            let mut parts = [Duration::ZERO; NAMES.len()];
            let mut over = true;
            for (name, part) in NAMES.iter().zip(&mut parts) {
                let [(sum, count), (from_sum, from_count)] =
                    [&now, self].map(|totals| totals.0.get(*name).copied().unwrap_or_default());
                over &= count == from_count + 1.0;
                *part = Duration::try_from_secs_f64(sum - from_sum).context("a time")?;
            }
            if over {
                return Ok(parts);
            }
            ensure!(Instant::now() < late, "a change is not over: {now:?}");
            tokio::time::sleep(LOOK).await;
        }
    }
}
