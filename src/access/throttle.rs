use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::Arc;

use governor::clock::{Clock, DefaultClock};
use governor::middleware::NoOpMiddleware;
use governor::state::keyed::HashMapStateStore;
use governor::{Quota, RateLimiter};

use crate::error::{Error, Result};

/// How many tries may come at once.
const BURST: NonZeroU32 = NonZeroU32::new(20).unwrap();
/// How many more there may be in each minute after that, spread over it.
const PER_MINUTE: NonZeroU32 = NonZeroU32::new(10).unwrap();
/// Pairs that are remembered before those whose time is over are forgotten.
const REMEMBERED: usize = 10_000;
/// Of a longer name only so many characters count.
const NAME_LENGTH: usize = 200;

type Pair = (String, String);
type Limiter<C> = RateLimiter<Pair, HashMapStateStore<Pair>, C, NoOpMiddleware<<C as Clock>::Instant>>;

/// Bounds the tries to log in, for each account and address together: so that nobody guesses for long, and no
/// stranger locks out the one whose account it is.
#[derive(Clone)]
pub(super) struct Throttle<C: Clock = DefaultClock> {
    limiter: Arc<Limiter<C>>,
    clock: C,
}

impl Throttle {
    pub(super) fn new() -> Self {
        Self::with_clock(DefaultClock::default())
    }
}

impl<C: Clock + Clone> Throttle<C> {
    fn with_clock(clock: C) -> Self {
        let quota = Quota::per_minute(PER_MINUTE).allow_burst(BURST);
        Self { limiter: Arc::new(RateLimiter::new(quota, HashMapStateStore::default(), clock.clone())), clock }
    }

    /// Counts a try.
    ///
    /// # Errors
    /// [`Error::TooMany`].
    pub(super) fn pass(&self, account: &str, address: &str) -> Result<()> {
        if self.limiter.len() > REMEMBERED {
            self.limiter.retain_recent();
        }
        let pair = (account.chars().take(NAME_LENGTH).collect(), network(address));
        self.limiter.check_key(&pair).map_err(|refused| {
            let wait = refused.wait_time_from(self.clock.now());
            Error::TooMany { what: "too many tries to log in", retry_after: wait.as_secs() + 1 }
        })
    }
}

/// One household's or server's addresses as one: with IPv6 it has a whole /64 of them.
fn network(address: &str) -> String {
    match address.parse() {
        Ok(IpAddr::V6(v6)) if v6.to_ipv4_mapped().is_none() => {
            Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << 64)).to_string()
        }
        _ => address.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use governor::clock::FakeRelativeClock;

    use super::*;

    #[test]
    fn after_the_burst_there_is_one_more_every_few_seconds() {
        let clock = FakeRelativeClock::default();
        let throttle = Throttle::with_clock(clock.clone());
        for _ in 0..BURST.get() {
            throttle.pass("ada", "192.0.2.1").unwrap();
        }
        let Err(Error::TooMany { retry_after, .. }) = throttle.pass("ada", "192.0.2.1") else { panic!() };
        assert!((1..=7).contains(&retry_after), "{retry_after}");
        clock.advance(Duration::from_secs(retry_after));
        throttle.pass("ada", "192.0.2.1").unwrap();
        assert!(throttle.pass("ada", "192.0.2.1").is_err());
    }

    #[test]
    fn a_stranger_locks_nobody_out() {
        let throttle = Throttle::with_clock(FakeRelativeClock::default());
        while throttle.pass("ada", "192.0.2.1").is_ok() {}
        throttle.pass("ada", "192.0.2.2").unwrap();
        throttle.pass("bob", "192.0.2.1").unwrap();
    }

    #[test]
    fn a_network_of_ipv6_counts_as_one_address() {
        assert_eq!(network("2001:db8:1:2:3:4:5:6"), network("2001:db8:1:2:ffff::1"));
        assert_ne!(network("2001:db8:1:2::1"), network("2001:db8:1:3::1"));
        assert_ne!(network("192.0.2.1"), network("192.0.2.2"));
        assert_ne!(network("::ffff:192.0.2.1"), network("::ffff:192.0.2.2"));
    }

    #[test]
    fn what_is_remembered_is_bounded_by_time() {
        let clock = FakeRelativeClock::default();
        let throttle = Throttle::with_clock(clock.clone());
        for number in 0..=REMEMBERED {
            throttle.pass(&number.to_string(), "192.0.2.1").unwrap();
        }
        clock.advance(Duration::from_secs(180));
        throttle.pass("ada", "192.0.2.1").unwrap();
        assert_eq!(throttle.limiter.len(), 1);
    }
}
