//! Batches of what was recorded that wait to be sent.

use std::collections::VecDeque;

use bellwether_core::window::{Batch, Evaluations, Exposure, Resources, Window};

use crate::shared::Identity;

/// Most bytes of a batch; the server takes twice as much.
const BATCH_BYTES: usize = 512 * 1024;
/// Most bytes that wait. The server no longer counts windows that arrive seconds late, so more would help nobody.
const WAITING_BYTES: usize = 8 * 1024 * 1024;

/// Most windows, evaluations or exposures of a batch; the server takes twice as many.
const BATCH_ITEMS: usize = 5_000;

/// A batch, as it is sent.
#[derive(Debug)]
pub(crate) struct Parcel {
    /// The batch in JSON; each attempt sends the same, with the same sequence number.
    pub(crate) body: Vec<u8>,
    /// How many windows it holds.
    pub(crate) windows: usize,
}

/// What is reported beside windows.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) evaluations: Vec<Evaluations>,
    pub(crate) exposures: Vec<Exposure>,
    pub(crate) resources: Option<Resources>,
}

/// The batches that wait, oldest first.
#[derive(Debug)]
pub(crate) struct Outbox {
    identity: Identity,
    sequence: u64,
    parcels: VecDeque<Parcel>,
    bytes: usize,
}

impl Outbox {
    /// `sequence` must be above every number that this instance ever used: the server takes each at most once.
    pub(crate) fn new(identity: Identity, sequence: u64) -> Self {
        Self { identity, sequence, parcels: VecDeque::new(), bytes: 0 }
    }

    /// Packs windows into batches. Returns how many older windows were dropped to make room.
    pub(crate) fn add(&mut self, windows: Vec<Window>) -> usize {
        if !windows.is_empty() {
            let batch = Batch { windows, ..self.empty() };
            self.pack(batch);
        }
        self.make_room()
    }

    /// As [`Outbox::add`], of everything else: in batches of their own, so that windows do not hang on it.
    pub(crate) fn report(&mut self, report: Report) -> usize {
        let Report { evaluations, exposures, resources } = report;
        if !evaluations.is_empty() || !exposures.is_empty() || resources.is_some() {
            let batch = Batch { evaluations, exposures, resources, ..self.empty() };
            self.pack(batch);
        }
        self.make_room()
    }

    fn make_room(&mut self) -> usize {
        let mut dropped = 0;
        while self.bytes > WAITING_BYTES {
            let Some(oldest) = self.pop() else { break };
            dropped += oldest.windows;
        }
        dropped
    }

    /// The batch to send next.
    pub(crate) fn first(&self) -> Option<&Parcel> {
        self.parcels.front()
    }

    /// Removes the first batch.
    pub(crate) fn pop(&mut self) -> Option<Parcel> {
        let parcel = self.parcels.pop_front()?;
        self.bytes -= parcel.body.len();
        Some(parcel)
    }

    /// How many windows wait.
    pub(crate) fn windows(&self) -> usize {
        self.parcels.iter().map(|parcel| parcel.windows).sum()
    }

    /// One batch, or two of half of everything each when it would be too large.
    fn pack(&mut self, mut batch: Batch) {
        let windows = batch.windows.len();
        let items = [windows, batch.evaluations.len(), batch.exposures.len()];
        let mut body = None;
        if items.iter().all(|count| *count <= BATCH_ITEMS) {
            batch.sequence = self.sequence;
            match serde_json::to_vec(&batch) {
                Ok(written) => body = Some(written),
                Err(error) => {
                    tracing::error!(%error, windows, "measurements can't be written as JSON and are lost");
                    return;
                }
            }
        }
        let divisible = items.iter().sum::<usize>() > 1;
        match body {
            Some(body) if body.len() <= BATCH_BYTES || !divisible => self.push(body, windows),
            _ => {
                let second = Batch {
                    windows: second_half(&mut batch.windows),
                    evaluations: second_half(&mut batch.evaluations),
                    exposures: second_half(&mut batch.exposures),
                    ..self.empty()
                };
                self.pack(batch);
                self.pack(second);
            }
        }
    }

    /// A batch of nothing.
    fn empty(&self) -> Batch {
        Batch {
            instance: self.identity.instance.clone(),
            application: self.identity.application.clone(),
            sequence: self.sequence,
            windows: Vec::new(),
            evaluations: Vec::new(),
            exposures: Vec::new(),
            resources: None,
        }
    }

    fn push(&mut self, body: Vec<u8>, windows: usize) {
        self.sequence += 1;
        self.bytes += body.len();
        self.parcels.push_back(Parcel { body, windows });
    }
}

/// Takes the second half away, rounded up so that of one item each in several lists not all stay together.
fn second_half<T>(all: &mut Vec<T>) -> Vec<T> {
    all.split_off(all.len() / 2)
}

#[cfg(test)]
mod tests {
    use bellwether_core::window::{Summary, Values};
    use chrono::DateTime;

    use super::*;

    /// Windows of some 15 kB each.
    fn windows(count: i64) -> Vec<Window> {
        let mut values = Values::watching(&[]);
        for step in 0..1_500 {
            values.record(1.04_f64.powi(step - 700));
        }
        let window = |start| Window {
            start: DateTime::from_timestamp(start * 10, 0).unwrap(),
            seconds: 10,
            release: "r".into(),
            arm: "control".into(),
            metric: "m".into(),
            summary: Summary::Values(values.clone()),
        };
        (0..count).map(window).collect()
    }

    fn outbox() -> Outbox {
        Outbox::new(Identity { instance: "i".into(), application: "a".into() }, 100)
    }

    #[test]
    fn large_batches_are_split_and_numbered() {
        let (sent, mut outbox) = (windows(150), outbox());
        assert_eq!(outbox.add(sent.clone()), 0);
        assert_eq!(outbox.windows(), 150);
        let mut received = Vec::new();
        let mut sequence = 100;
        while let Some(parcel) = outbox.pop() {
            assert!(parcel.body.len() <= BATCH_BYTES);
            let batch: Batch = serde_json::from_slice(&parcel.body).unwrap();
            assert_eq!((batch.instance.as_str(), batch.application.as_str()), ("i", "a"));
            assert_eq!((batch.sequence, batch.windows.len()), (sequence, parcel.windows));
            received.extend(batch.windows);
            sequence += 1;
        }
        assert!(sequence > 103, "{sequence}");
        assert_eq!(received, sent);
        assert_eq!(outbox.bytes, 0);
    }

    #[test]
    fn everything_else_is_in_batches_of_its_own() {
        let mut outbox = outbox();
        let at = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let name = |number: usize| format!("{number}{}", "\u{1}".repeat(30));
        let one = |n| Evaluations { flag: name(n), variation: name(n), count: 1, last: at };
        let evaluations: Vec<_> = (0..2_000).map(one).collect();
        let one = |n| Exposure { release: name(n), arm: "treatment".into(), unit: name(n), at };
        let exposures: Vec<_> = (0..8_001).map(one).collect();
        let resources = Resources { cpu_percent: Some(41.0), ..Resources::default() };
        let sent =
            Report { evaluations: evaluations.clone(), exposures: exposures.clone(), resources: Some(resources) };
        assert_eq!(outbox.report(sent), 0);
        let (mut evaluated, mut exposed, mut used, mut sequence) = (Vec::new(), Vec::new(), Vec::new(), 100);
        while let Some(parcel) = outbox.pop() {
            assert!(parcel.windows == 0 && parcel.body.len() <= BATCH_BYTES);
            let batch: Batch = serde_json::from_slice(&parcel.body).unwrap();
            assert_eq!((batch.sequence, batch.windows.len()), (sequence, 0));
            assert!(batch.exposures.len() <= BATCH_ITEMS);
            evaluated.extend(batch.evaluations);
            exposed.extend(batch.exposures);
            used.extend(batch.resources);
            sequence += 1;
        }
        assert_eq!((evaluated, exposed, used), (evaluations, exposures, vec![resources]));
    }

    #[test]
    fn nothing_is_no_batch() {
        let mut outbox = outbox();
        assert_eq!(outbox.report(Report::default()), 0);
        assert_eq!(outbox.add(Vec::new()), 0);
        assert!(outbox.first().is_none());
    }

    #[test]
    fn the_oldest_make_room() {
        let mut outbox = outbox();
        let mut dropped = 0;
        for _ in 0..30 {
            dropped += outbox.add(windows(30));
            assert!(outbox.bytes <= WAITING_BYTES);
        }
        assert!(dropped > 0);
        assert_eq!(outbox.windows() + dropped, 30 * 30);
        let batch: Batch = serde_json::from_slice(&outbox.first().unwrap().body).unwrap();
        assert!(batch.sequence > 100);
    }
}
