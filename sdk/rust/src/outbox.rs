//! Batches of measurement windows that wait to be sent.

use std::collections::VecDeque;

use bellwether_core::window::{Batch, Evaluations, Window};

use crate::shared::Identity;

/// Most bytes of a batch; the server takes twice as much.
const BATCH_BYTES: usize = 512 * 1024;
/// Most bytes that wait. The server no longer counts windows that arrive seconds late, so more would help nobody.
const WAITING_BYTES: usize = 8 * 1024 * 1024;

/// Most evaluations of a batch, each of at most 300 bytes or so.
const EVALUATIONS: usize = 1_500;

/// A batch, as it is sent.
#[derive(Debug)]
pub(crate) struct Parcel {
    /// The batch in JSON; each attempt sends the same, with the same sequence number.
    pub(crate) body: Vec<u8>,
    /// How many windows it holds.
    pub(crate) windows: usize,
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
            self.pack(windows);
        }
        self.make_room()
    }

    /// As [`Outbox::add`], of evaluations.
    pub(crate) fn report(&mut self, evaluations: &[Evaluations]) -> usize {
        for some in evaluations.chunks(EVALUATIONS) {
            let batch = Batch { evaluations: some.to_vec(), ..self.batch(Vec::new()) };
            match serde_json::to_vec(&batch) {
                Ok(body) => self.push(body, 0),
                Err(error) => tracing::error!(%error, "evaluations can't be written as JSON and are lost"),
            }
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

    /// One batch, or two of half the windows each when it would be too large.
    fn pack(&mut self, mut windows: Vec<Window>) {
        let count = windows.len();
        let batch = self.batch(windows);
        let body = match serde_json::to_vec(&batch) {
            Ok(body) => body,
            Err(error) => {
                tracing::error!(%error, windows = count, "measurements can't be written as JSON and are lost");
                return;
            }
        };
        if body.len() > BATCH_BYTES && count > 1 {
            windows = batch.windows;
            let second = windows.split_off(count / 2);
            self.pack(windows);
            self.pack(second);
        } else {
            self.push(body, count);
        }
    }

    /// The next batch.
    fn batch(&self, windows: Vec<Window>) -> Batch {
        Batch {
            instance: self.identity.instance.clone(),
            application: self.identity.application.clone(),
            sequence: self.sequence,
            windows,
            evaluations: Vec::new(),
        }
    }

    fn push(&mut self, body: Vec<u8>, windows: usize) {
        self.sequence += 1;
        self.bytes += body.len();
        self.parcels.push_back(Parcel { body, windows });
    }
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
    fn evaluations_are_batches_of_their_own() {
        let mut outbox = outbox();
        let last = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let (flag, variation) = ("f".repeat(100), "v".repeat(100));
        let one = |count| Evaluations { flag: flag.clone(), variation: variation.clone(), count, last };
        let sent: Vec<_> = (0..2_000).map(one).collect();
        assert_eq!(outbox.report(&sent), 0);
        let mut received = Vec::new();
        for sequence in [100, 101] {
            let parcel = outbox.pop().unwrap();
            assert!(parcel.windows == 0 && parcel.body.len() <= BATCH_BYTES);
            let batch: Batch = serde_json::from_slice(&parcel.body).unwrap();
            assert_eq!((batch.sequence, batch.windows.len()), (sequence, 0));
            received.extend(batch.evaluations);
        }
        assert_eq!(received, sent);
        assert!(outbox.first().is_none());
    }

    #[test]
    fn nothing_is_no_batch() {
        let mut outbox = outbox();
        assert_eq!(outbox.report(&[]), 0);
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
