use serde::{Deserialize, Serialize};

/// Since when the evidence points to harm, and what was counted since: a CUSUM (Page 1954) for each alternative of a guard.
///
/// Each sum of log-factors starts again when it falls to 0 or less; the highest one's start is the maximum-likelihood estimate of
/// the change. It only explains a verdict, which the [`EProcess`](super::EProcess) reaches.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(bound(serialize = "S: Serialize", deserialize = "S: Deserialize<'de>"))]
pub struct ChangePoint<S> {
    candidates: Vec<Option<Candidate<S>>>,
}

/// A time since which one alternative has explained the windows better than the null hypothesis.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Candidate<S> {
    /// By how much: the sum of the log-factors, above 0.
    pub log_likelihood: f64,
    /// The first window of that time, counted from 1.
    pub since: u64,
    /// What was counted since.
    pub sums: S,
}

impl<S: Clone + Default> ChangePoint<S> {
    /// For `points` alternatives.
    #[must_use]
    pub fn new(points: usize) -> Self {
        Self { candidates: vec![None; points] }
    }

    /// Takes in window number `window` with its log-factors; `add` adds what it counted.
    pub fn step(&mut self, window: u64, factors: &[f64], add: impl Fn(&mut S)) {
        for (candidate, factor) in self.candidates.iter_mut().zip(factors) {
            let log_likelihood = candidate.as_ref().map_or(0.0, |c| c.log_likelihood) + factor;
            if !(log_likelihood > 0.0 && log_likelihood.is_finite()) {
                *candidate = None;
                continue;
            }
            let known =
                candidate.get_or_insert_with(|| Candidate { log_likelihood, since: window, sums: S::default() });
            known.log_likelihood = log_likelihood;
            add(&mut known.sums);
        }
    }

    /// The likeliest start of harm; `None` while no alternative explains the last window better than the null hypothesis.
    #[must_use]
    pub fn likeliest(&self) -> Option<&Candidate<S>> {
        self.candidates.iter().flatten().max_by(|a, b| a.log_likelihood.total_cmp(&b.log_likelihood))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_likeliest_start_is_where_the_factors_turn() {
        let mut changes = ChangePoint::<u64>::new(2);
        for (window, factors) in
            [(1, [0.5, -1.0]), (2, [-0.7, -1.0]), (3, [0.4, -0.2]), (4, [0.4, 1.5]), (5, [0.4, 1.5])]
        {
            changes.step(window, &factors, |sum| *sum += window);
        }
        let found = changes.likeliest().unwrap();
        assert_eq!((found.since, found.sums, found.log_likelihood), (4, 9, 3.0));
        changes.step(6, &[-9.0, f64::NAN], |_| ());
        assert_eq!(changes.likeliest(), None);
    }
}
