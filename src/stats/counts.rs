use serde::{Deserialize, Serialize};

/// Trials and hits of one arm.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Trials.
    pub n: u64,
    /// Hits, at most `n`.
    pub k: u64,
}

impl Counts {
    /// Counts that hold at least one trial and no more hits than trials.
    #[must_use]
    pub fn new(n: u64, k: u64) -> Option<Self> {
        (n > 0 && k <= n).then_some(Self { n, k })
    }

    /// Share of hits; `None` without trials.
    #[must_use]
    pub fn rate(&self) -> Option<f64> {
        (self.n > 0).then(|| self.k as f64 / self.n as f64)
    }

    /// Adds another window's counts.
    pub fn add(&mut self, other: Self) {
        self.n = self.n.saturating_add(other.n);
        self.k = self.k.saturating_add(other.k);
    }
}
