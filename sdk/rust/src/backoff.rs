//! How long to wait before the next attempt.

use std::time::Duration;

use rand::{Rng, RngExt};

/// The ceiling that repeated failures reach.
const CEILING: Duration = Duration::from_secs(30);
/// The least that failures double from, so that a first wait of zero does not become a busy loop.
const SMALLEST: Duration = Duration::from_millis(250);
/// The most that a server's hint counts for.
const LONGEST_HINT: Duration = Duration::from_secs(300);
/// Waits after a refused credential: seldom enough to do no harm, often enough to notice that it was granted.
const DENIED: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(300));

/// Why an attempt has to be made again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// Anything that may pass by itself.
    Failure,
    /// The server asked not to come back sooner (`Retry-After`).
    Busy(Duration),
    /// The server goes away and asks its clients to spread their return over this time.
    Drained(Duration),
    /// The credential was refused.
    Denied,
}

/// Waits with full jitter: uniform between zero and a ceiling that doubles with each failure in a row.
///
/// Jitter over the whole range, not around its end, spreads clients best when a server comes back to all of them.
#[derive(Debug)]
pub(crate) struct Backoff {
    first: Duration,
    failures: u32,
}

impl Backoff {
    /// The first wait is uniform over `first`; later ones reach up to 30 s, or `first` when that is more.
    pub(crate) fn new(first: Duration) -> Self {
        Self { first, failures: 0 }
    }

    /// An attempt succeeded: the next wait is a first one again.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }

    /// The wait before the next attempt.
    pub(crate) fn next(&mut self, cause: Cause, random: &mut impl Rng) -> Duration {
        let ceiling = self.ceiling();
        self.failures = self.failures.saturating_add(1);
        let mut up_to = |most: Duration| most.mul_f64(random.random::<f64>());
        match cause {
            Cause::Failure => up_to(ceiling),
            Cause::Busy(hint) => hint.min(LONGEST_HINT) + up_to(ceiling),
            Cause::Drained(hint) => up_to(ceiling.max(hint.min(LONGEST_HINT))),
            Cause::Denied => DENIED.0 + up_to(DENIED.1 - DENIED.0),
        }
    }

    fn ceiling(&self) -> Duration {
        if self.failures == 0 {
            return self.first;
        }
        let doubled = self.first.max(SMALLEST).saturating_mul(2_u32.saturating_pow(self.failures));
        doubled.min(CEILING.max(self.first))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;
    use crate::builder::RECONNECT_WITHIN;

    const S: Duration = Duration::from_secs(1);

    proptest! {
        #[test]
        fn waits_stay_below_a_ceiling_that_doubles(seed: u64, first_ms in 0..60_000_u64, failures in 0..50_u32) {
            let first = Duration::from_millis(first_ms);
            let mut random = StdRng::seed_from_u64(seed);
            let mut backoff = Backoff::new(first);
            prop_assert!(backoff.next(Cause::Failure, &mut random) <= first);
            let mut ceiling = first.max(SMALLEST);
            for _ in 0..failures {
                ceiling = (ceiling * 2).min(CEILING.max(first));
                prop_assert!(backoff.next(Cause::Failure, &mut random) <= ceiling);
            }
            backoff.reset();
            prop_assert!(backoff.next(Cause::Failure, &mut random) <= first);
        }

        #[test]
        fn hints_widen_and_are_bounded(seed: u64, hint_s in 0..100_000_u64) {
            let hint = Duration::from_secs(hint_s);
            let bounded = hint.min(LONGEST_HINT);
            let mut random = StdRng::seed_from_u64(seed);
            let busy = Backoff::new(S).next(Cause::Busy(hint), &mut random);
            prop_assert!(busy >= bounded && busy <= bounded + S);
            prop_assert!(Backoff::new(S).next(Cause::Drained(hint), &mut random) <= bounded.max(S));
            let denied = Backoff::new(S).next(Cause::Denied, &mut random);
            prop_assert!(denied >= DENIED.0 && denied <= DENIED.1);
        }
    }

    #[test]
    fn first_waits_are_spread_over_the_whole_range() {
        let mut random = StdRng::seed_from_u64(7);
        let mut tenths = [0_u32; 10];
        for _ in 0..10_000 {
            let wait = Backoff::new(S * 10).next(Cause::Failure, &mut random);
            tenths[wait.as_secs() as usize] += 1;
        }
        assert!(tenths.iter().all(|count| (850..1_150).contains(count)), "{tenths:?}");
        let drained: Vec<_> =
            (0..1_000).map(|_| Backoff::new(S).next(Cause::Drained(S * 60), &mut random).as_secs()).collect();
        assert!(drained.iter().filter(|wait| **wait >= 30).count() > 400, "a drain spreads over its hint");
    }

    /// The most of these times that lie within one second, of whatever beginning.
    fn most_in_a_second(mut times: Vec<Duration>) -> usize {
        times.sort_unstable();
        let mut from = 0;
        let within = times.iter().enumerate().map(|(number, at)| {
            while times[from] + S <= *at {
                from += 1;
            }
            number + 1 - from
        });
        within.max().unwrap_or_default()
    }

    /// The spread over the first seconds is about 1,000 a second; those who failed while the server was away add up to 50
    /// a second for each second of that. The bound is ten standard deviations above both together.
    #[test]
    fn ten_thousand_that_lose_their_server_for_three_seconds_come_back_in_order() {
        let away = S * 3;
        for seed in 0..5 {
            // Broken connections, and a server that says good-bye.
            for first in [Cause::Failure, Cause::Drained(S * 10)] {
                let mut random = StdRng::seed_from_u64(seed);
                let (mut attempts, mut last) = (Vec::new(), Duration::ZERO);
                for _ in 0..10_000 {
                    let mut backoff = Backoff::new(RECONNECT_WITHIN);
                    let mut at = backoff.next(first, &mut random);
                    attempts.push(at);
                    while at < away {
                        at += backoff.next(Cause::Failure, &mut random);
                        attempts.push(at);
                    }
                    last = last.max(at);
                }
                let most = most_in_a_second(attempts);
                assert!(most <= 1_500, "{most} attempts within a second, with seed {seed} after {first:?}");
                assert!(last <= S * 60, "the last is back after {last:?}, with seed {seed}");
            }
        }
    }
}
