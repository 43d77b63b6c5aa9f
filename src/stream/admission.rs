//! Which streams are let in: so many at once, and so many anew in a second.

use std::num::NonZeroU32;
use std::sync::Arc;

use governor::clock::{Clock, DefaultClock};
use governor::middleware::NoOpMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::{Error, Result};

/// How many new streams may come at once, unless a whole second takes fewer.
const BURST: NonZeroU32 = NonZeroU32::new(500).unwrap();

/// How many streams there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// At once.
    pub streams: u32,
    /// Anew in each second.
    pub each_second: NonZeroU32,
}

/// Lets streams in. Whoever is not is told to come again, before anything is spent on it.
#[derive(Clone)]
pub struct Admission<C: Clock = DefaultClock> {
    places: Arc<Semaphore>,
    rate: Arc<RateLimiter<NotKeyed, InMemoryState, C, NoOpMiddleware<C::Instant>>>,
}

impl Bounds {
    /// Streams that may be asked for.
    pub const STREAMS: std::ops::RangeInclusive<u32> = 1..=1_000_000;
    /// New streams a second that may be asked for.
    pub const EACH_SECOND: std::ops::RangeInclusive<u32> = 1..=100_000;
}

impl Default for Bounds {
    fn default() -> Self {
        Self { streams: 20_000, each_second: const { NonZeroU32::new(2_000).unwrap() } }
    }
}

impl Admission {
    /// One with these bounds.
    #[must_use]
    pub fn new(bounds: Bounds) -> Self {
        Self::with_clock(bounds, DefaultClock::default())
    }
}

impl<C: Clock> Admission<C> {
    fn with_clock(bounds: Bounds, clock: C) -> Self {
        let quota = Quota::per_second(bounds.each_second).allow_burst(BURST.min(bounds.each_second));
        let rate = Arc::new(RateLimiter::direct_with_clock(quota, clock));
        Self { places: Arc::new(Semaphore::new(bounds.streams as usize)), rate }
    }

    /// A place for one more stream, given up when dropped.
    ///
    /// # Errors
    /// [`Error::Busy`].
    pub(super) fn enter(&self) -> Result<OwnedSemaphorePermit> {
        let place = self.places.clone().try_acquire_owned();
        let place = place.map_err(|_| Error::Busy("there are as many streams as this server takes"))?;
        self.rate
            .check()
            .map_err(|_| Error::Busy("many streams are being opened; come again, spread over some time"))?;
        Ok(place)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use governor::clock::FakeRelativeClock;

    use super::*;

    fn admitted(admission: &Admission<FakeRelativeClock>, tries: usize) -> Vec<OwnedSemaphorePermit> {
        (0..tries).filter_map(|_| admission.enter().ok()).collect()
    }

    #[test]
    fn so_many_a_second_are_let_in() {
        // At most 500 at once, and never more than in a second.
        for (each_second, at_once) in [(1, 1), (100, 100), (600, 500)] {
            let clock = FakeRelativeClock::default();
            let bounds = Bounds { streams: 10_000, each_second: NonZeroU32::new(each_second).unwrap() };
            let admission = Admission::with_clock(bounds, clock.clone());
            assert_eq!(admitted(&admission, 2_000).len(), at_once);
            clock.advance(Duration::from_millis(500));
            assert_eq!(admitted(&admission, 2_000).len(), (each_second / 2) as usize);
            clock.advance(Duration::from_secs(3_600));
            assert_eq!(admitted(&admission, 2_000).len(), at_once);
        }
    }

    #[test]
    fn so_many_at_once_are_let_in() {
        let clock = FakeRelativeClock::default();
        let admission = Admission::with_clock(Bounds { streams: 3, ..Bounds::default() }, clock);
        let mut held = admitted(&admission, 5);
        assert_eq!(held.len(), 3);
        assert!(matches!(admission.enter(), Err(Error::Busy(_))));
        held.pop();
        assert_eq!(admitted(&admission, 5).len(), 1);
    }
}
