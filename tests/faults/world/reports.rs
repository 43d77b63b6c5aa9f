//! A service that reports what its requests did, and repeats what was not answered, as SDKs do.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bellwether::clock;
use bellwether_core::window::{REQUEST_DURATION_MS, REQUEST_ERROR, Summary, TREATMENT};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::{MissedTickBehavior, interval};

use super::ledger::Ledger;
use super::writers::CANARY;
use crate::harness::program::Caller;
use crate::harness::{PRODUCTION, configured};
use crate::store::Measurements;

/// The name by which it reports.
const INSTANCE: &str = "counted";
/// How often it reports: fewer labels in a window than one keeps.
const PACE: Duration = Duration::from_millis(120);

/// What became of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// It was counted.
    Counted,
    /// It came too late to be counted.
    Late,
    /// It had been counted, or had been too late, when it was sent again.
    Known,
}

/// Which measurements may be lost after they were acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lost {
    /// None: the system they were written to went on.
    Nothing,
    /// The last before the database's own end.
    Last,
}

/// Every batch there was, by its number; clones are the same one.
#[derive(Clone, Default)]
pub(crate) struct Reports {
    fates: Arc<Mutex<BTreeMap<u64, Fate>>>,
    /// The batch that has no answer yet.
    waiting: Arc<Mutex<Option<(u64, Value)>>>,
}

impl Reports {
    /// Reports until the server is gone. What is reported of a release depends on its name: some releases do harm.
    pub(crate) async fn send(self, caller: Caller, origin: String, key: String, ledger: Ledger) -> Result<(), ()> {
        let canary = configured(PRODUCTION, CANARY, "/canary");
        let mut ticks = interval(PACE);
        // What was missed is not made up for, as a window keeps so many labels alone.
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            if ledger.is_closed() {
                return Err(());
            }
            let repeated = self.waiting.lock().unwrap().clone();
            let (sequence, body) = match repeated {
                Some(waiting) => waiting,
                None => {
                    let view = caller.call(&origin, Method::GET, &canary).send().await.map_err(drop)?;
                    if view.status != 200 {
                        view.problem(503, "store_unavailable");
                        continue;
                    }
                    let view = view.json();
                    let Some(release) = view["release"].as_str() else { continue };
                    let sequence = self.fates.lock().unwrap().len() as u64;
                    (sequence, batch(sequence, release))
                }
            };
            *self.waiting.lock().unwrap() = Some((sequence, body.clone()));
            let call = caller.call(&origin, Method::POST, "/api/v1/measurements").by(&key).json(&body);
            let answer = call.send().await.map_err(drop)?;
            if answer.status != 202 {
                // Sent again, under the same number.
                answer.problem(503, "busy");
                continue;
            }
            let receipt = answer.json();
            let fate = match (receipt["duplicate"].as_bool(), receipt["accepted"].as_u64()) {
                (Some(true), _) => Fate::Known,
                (_, Some(4)) => Fate::Counted,
                (_, Some(0)) => Fate::Late,
                _ => panic!("windows of one time are counted or late: {receipt}"),
            };
            self.fates.lock().unwrap().insert(sequence, fate);
            *self.waiting.lock().unwrap() = None;
        }
    }

    /// Holds what is stored against what was answered; how many batches there were.
    ///
    /// # Panics
    /// When a batch is missing, or was counted twice.
    pub(crate) fn check(&self, measured: &Measurements, lost: Lost) -> usize {
        let mut counted: BTreeMap<u64, u64> = BTreeMap::new();
        for cell in measured.cells.iter().filter(|cell| cell.arm == TREATMENT && cell.metric == REQUEST_ERROR) {
            let Summary::Ratio(ratio) = &cell.summary else { panic!("not a ratio") };
            for (label, count) in &ratio.labels {
                if let Some(sequence) = label.strip_prefix("batch ") {
                    *counted.entry(sequence.parse().unwrap()).or_default() += count;
                }
            }
        }
        let noted: Vec<u64> = measured
            .batches
            .iter()
            .filter(|(instance, _)| instance == INSTANCE)
            .map(|(_, sequence)| *sequence)
            .collect();
        let waiting = self.waiting.lock().unwrap().as_ref().map(|(sequence, _)| *sequence);
        let fates = self.fates.lock().unwrap();
        for (sequence, fate) in fates.iter() {
            if lost == Lost::Last && !noted.contains(sequence) {
                assert!(!counted.contains_key(sequence), "batch {sequence} is lost in part");
                continue;
            }
            assert!(noted.contains(sequence), "batch {sequence} was taken in: {fate:?}");
            let count = counted.get(sequence).copied().unwrap_or_default();
            let fine = match fate {
                Fate::Counted => count == 1,
                Fate::Late => count == 0,
                Fate::Known => count <= 1,
            };
            assert!(fine, "batch {sequence} was {fate:?}, and is there {count} times");
        }
        for (sequence, count) in &counted {
            assert!(*count == 1 && noted.contains(sequence), "batch {sequence} is there {count} times");
        }
        for sequence in noted {
            assert!(fates.contains_key(&sequence) || waiting == Some(sequence), "nobody sent batch {sequence}");
        }
        fates.len()
    }
}

/// A batch whose label tells whether it was counted.
fn batch(sequence: u64, release: &str) -> Value {
    let harmful = release.as_bytes().iter().map(|byte| u32::from(*byte)).sum::<u32>() % 2 == 0;
    let start = clock::rfc3339(clock::now());
    let window = |arm: &str, metric: &str, rest: Value| {
        let mut window = json!({"start": start, "seconds": 1, "release": release, "arm": arm, "metric": metric});
        window.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        window
    };
    let errors = |k: u32| json!({"n": 400, "k": k});
    let mut treatment = errors(if harmful { 7 } else { 4 });
    treatment["labels"] = json!([[format!("batch {sequence}"), 1]]);
    let times = json!({"n": 400, "mean": 80.0, "m2": 4e5, "min": 5.0, "max": 300.0});
    let windows = [
        window(TREATMENT, REQUEST_ERROR, treatment),
        window("control", REQUEST_ERROR, errors(4)),
        window(TREATMENT, REQUEST_DURATION_MS, times.clone()),
        window("control", REQUEST_DURATION_MS, times),
    ];
    json!({"instance": INSTANCE, "application": "shop", "sequence": sequence, "windows": windows})
}
