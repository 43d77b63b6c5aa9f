//! What one core makes of events in memory.

use anyhow::{Context as _, ensure};
use bellwether::clock;
use bellwether::measurements::Cut;
use bellwether::measurements::events::{Against, gather};
use bellwether_core::{Snapshot, State};
use serde::de::IgnoredAny;
use serde_json::json;

use super::events::{Attributes, BATCH, FLAG, batch};
use super::rounds::{Contestant, Plan, measure};

/// Events a second that one core is to reach.
const TARGET: f64 = 1e6;

/// A row of the report.
pub(crate) struct Row {
    title: &'static str,
    bytes: usize,
    /// Nanoseconds for an event.
    ours: f64,
    /// Nanoseconds for an event's text, looked over by a parser that keeps nothing.
    bare: f64,
}

impl Row {
    pub(crate) fn rate(&self) -> f64 {
        1e9 / self.ours
    }

    pub(crate) fn text(&self) -> String {
        let verdict = if self.rate() >= TARGET { "reached" } else { "MISSED" };
        format!(
            "{:26}{:>6} B{:>10.0} ns{:>14.0} /s, target {TARGET:.0} {verdict}; the text alone {:.0} ns, {:.2} times that",
            self.title,
            self.bytes,
            self.ours,
            self.rate(),
            self.bare,
            self.ours / self.bare,
        )
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        json!({
            "row": self.title, "event_bytes": self.bytes, "nanoseconds": self.ours, "events_per_second": self.rate(),
            "text_nanoseconds": self.bare, "target": TARGET, "reached": self.rate() >= TARGET,
        })
    }
}

/// A canary on half of the users.
fn state() -> anyhow::Result<State> {
    let metrics = json!([{"metric": "request.error"}, {"metric": "request.duration_ms", "limits": [2_000.0]}]);
    let flag = json!({
        "key": FLAG, "version": 1, "type": "boolean", "enabled": true, "off_variation": "off",
        "variations": [{"name": "on", "value": true}, {"name": "off", "value": false}], "rules": [],
        "fallthrough": {"split": {"salt": "checkout", "ranges": [[50_000, "on"], [100_000, "off"]]}},
        "release": {
            "id": "01890a5d-ac96-774b-bcce-b302099a8057", "where": "fallthrough", "metrics": metrics, "window_seconds": 10,
            "arms": [{"name": "treatment", "variation": "on"}, {"name": "control", "variation": "off"}],
        },
    });
    let flags = [serde_json::from_value(flag)?];
    State::from_snapshot(Snapshot::new("production", "bench", 1, &flags, &[])?).context("a state")
}

/// Measures contexts of two sizes.
pub(crate) fn rows(plan: Plan) -> anyhow::Result<Vec<Row>> {
    let (state, now) = (state()?, clock::now());
    let asked = state.asked();
    let (cut, seen) = (Cut::default(), |_: &str, _| ());
    let against = Against { state: &state, asked: &asked, cut, now, trusted: true, seen: &seen };
    let mut rows = Vec::new();
    for (title, attributes) in
        [("contexts of 3 attributes", Attributes::Two), ("contexts of 9 attributes", Attributes::Eight)]
    {
        let body = batch(attributes, Some(&clock::rfc3339(now)));
        ensure!(gather(body.as_bytes(), against)?.attributed() == BATCH, "every event belongs to the canary");
        let mut contestants = [
            Contestant::new(|| gather(body.as_bytes(), against)),
            Contestant::new(|| serde_json::from_str::<IgnoredAny>(&body)),
        ];
        let times = measure(&mut contestants, plan);
        let [ours, bare] = times.as_slice() else { continue };
        let each = |time: &f64| time / BATCH as f64;
        rows.push(Row { title, bytes: body.len() / BATCH, ours: each(ours), bare: each(bare) });
    }
    Ok(rows)
}
