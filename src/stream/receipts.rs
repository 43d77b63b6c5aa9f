//! How long an environment's latest revisions took to be in use everywhere.

use std::collections::VecDeque;

use bellwether_core::window::Values;
use chrono::{DateTime, Utc};

/// Revisions whose times are kept.
const KEPT: usize = 64;

/// What the instances that were connected when a revision was made said of it.
#[derive(Debug, Default)]
pub(super) struct Receipts {
    /// The oldest first.
    revisions: VecDeque<Receipt>,
}

/// What is known of a revision's way to those who were connected when it was made.
#[derive(Debug)]
pub(super) struct Receipt {
    revision: u64,
    made_at: DateTime<Utc>,
    /// From the making of the revision to the report that it is in use, in milliseconds.
    delays: Values,
}

/// An instance's report that it has a revision in use.
#[derive(Clone, Copy, Debug)]
pub(super) struct Report {
    /// Since when the instance is connected.
    pub(super) connected_at: DateTime<Utc>,
    /// What it had in use before.
    pub(super) before: Option<u64>,
    /// What it has now.
    pub(super) revision: u64,
    /// When it said so.
    pub(super) at: DateTime<Utc>,
}

impl Receipts {
    /// Takes in a report: it stands for every revision that came in between as well. `made_at` tells when a revision was
    /// made, where that is known.
    pub(super) fn take(&mut self, report: Report, made_at: impl Fn(u64) -> Option<DateTime<Utc>>) {
        let oldest = report.revision.saturating_sub(KEPT as u64);
        let from = report.before.unwrap_or(0).max(oldest);
        for revision in (from..report.revision).map(|before| before + 1).rev() {
            let Some(receipt) = self.receipt(revision, &made_at) else { return };
            // Who came later fetched the whole state, however old that was.
            if !receipt.concerns(report.connected_at) {
                return;
            }
            let delay = (report.at - receipt.made_at).num_microseconds().unwrap_or(i64::MAX);
            receipt.delays.record(delay.max(0) as f64 / 1_000.0);
        }
    }

    /// What was said of a revision; none when nobody has reported it.
    pub(super) fn of(&self, revision: u64) -> Option<&Receipt> {
        self.revisions.iter().find(|known| known.revision == revision)
    }

    fn receipt(&mut self, revision: u64, made_at: impl Fn(u64) -> Option<DateTime<Utc>>) -> Option<&mut Receipt> {
        let at = match self.revisions.binary_search_by_key(&revision, |known| known.revision) {
            Ok(at) => at,
            Err(at) => {
                let receipt = Receipt { revision, made_at: made_at(revision)?, delays: Values::default() };
                self.revisions.insert(at, receipt);
                if self.revisions.len() > KEPT {
                    self.revisions.pop_front();
                    // It may have been this one, the oldest.
                    at.checked_sub(1)?
                } else {
                    at
                }
            }
        };
        self.revisions.get_mut(at)
    }
}

impl Receipt {
    /// Whether an instance that is connected since then was there when the revision was made.
    pub(super) fn concerns(&self, connected_at: DateTime<Utc>) -> bool {
        connected_at <= self.made_at
    }

    /// How many milliseconds it took until a share of them had it, `waiting` of them not having it yet; none while they
    /// are fewer.
    pub(super) fn reached(&self, share: f64, waiting: u64) -> Option<f64> {
        let had = self.delays.n;
        let wanted = (share * had.saturating_add(waiting) as f64).ceil();
        (wanted <= had as f64).then(|| self.delays.quantile(wanted / had as f64)).flatten()
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    fn at(milliseconds: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::milliseconds(milliseconds)
    }

    /// Revision n was made n seconds after the start.
    fn made_at(revision: u64) -> Option<DateTime<Utc>> {
        Some(at(i64::try_from(revision).unwrap() * 1_000))
    }

    fn seen(receipts: &Receipts, revision: u64) -> (u64, f64) {
        receipts.of(revision).map(|receipt| (receipt.delays.n, receipt.delays.max)).unwrap_or_default()
    }

    #[test]
    fn a_report_stands_for_all_that_came_before() {
        let mut receipts = Receipts::default();
        let report = Report { connected_at: at(0), before: Some(2), revision: 4, at: at(4_050) };
        receipts.take(report, made_at);
        assert_eq!([2, 3, 4, 5].map(|n| seen(&receipts, n)), [(0, 0.0), (1, 1_050.0), (1, 50.0), (0, 0.0)]);
        receipts.take(Report { before: Some(3), at: at(4_200), ..report }, made_at);
        receipts.take(report, |_| None);
        assert_eq!([3, 4].map(|n| seen(&receipts, n)), [(2, 1_050.0), (3, 200.0)]);
    }

    #[test]
    fn a_share_is_of_all_who_were_there() {
        let mut receipts = Receipts::default();
        for (number, delay) in (1..=20).zip([10].into_iter().cycle()) {
            let report = Report { connected_at: at(0), before: Some(3), revision: 4, at: at(4_000 + delay * number) };
            receipts.take(report, made_at);
            let receipt = receipts.of(4).unwrap();
            let waiting = 20 - u64::try_from(number).unwrap();
            assert_eq!(receipt.reached(0.5, waiting).is_some(), number >= 10, "{number} of 20");
            assert_eq!(receipt.reached(0.99, waiting).is_some(), number == 20, "{number} of 20");
        }
        let receipt = receipts.of(4).unwrap();
        // To the bucket: at most 4 % too high.
        for (share, expected) in [(0.5, 100.0), (0.99, 200.0)] {
            let found = receipt.reached(share, 0).unwrap();
            assert!((expected..=expected * 1.04).contains(&found), "{found}");
        }
        assert!(receipt.concerns(at(4_000)) && !receipt.concerns(at(4_001)));
    }

    #[test]
    fn who_came_later_says_nothing() {
        let mut receipts = Receipts::default();
        let late = Report { connected_at: at(3_500), before: None, revision: 4, at: at(4_010) };
        receipts.take(late, made_at);
        assert_eq!([3, 4].map(|n| seen(&receipts, n).0), [0, 1]);
        receipts.take(Report { before: Some(9), ..late }, made_at);
        receipts.take(Report { revision: u64::MAX, ..late }, |_| None);
    }

    #[test]
    fn only_the_latest_are_kept() {
        let mut receipts = Receipts::default();
        for revision in 1..=1_000 {
            let report = Report { connected_at: at(0), before: None, revision, at: at(2_000_000) };
            receipts.take(report, made_at);
            assert!(receipts.revisions.len() <= KEPT);
        }
        assert_eq!(seen(&receipts, 936).0, 0);
        assert!(seen(&receipts, 1_000).0 == 1 && seen(&receipts, 999).0 == 2);
        receipts.take(Report { connected_at: at(0), before: None, revision: 500, at: at(2_000_000) }, made_at);
        assert_eq!(receipts.revisions.len(), KEPT);
    }
}
