//! Threads apart: what many of them write to is kept in several parts, so that no two cores wait for one piece of memory.

use std::cell::Cell;
use std::sync::{LazyLock, Mutex, PoisonError};
use std::thread::available_parallelism;

/// The most parts of either kind.
const MOST: usize = 16;

/// How many parts there are on this machine, numbered from 0.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stripes {
    /// So many are one thread's alone each, as long as it runs: twice as many as there are processors.
    pub(crate) own: usize,
    /// So many follow, which all further threads share.
    pub(crate) shared: usize,
}

pub(crate) static STRIPES: LazyLock<Stripes> = LazyLock::new(|| {
    let processors = available_parallelism().map_or(1, std::num::NonZero::get);
    Stripes { own: (2 * processors).min(MOST), shared: processors.min(MOST) }
});

impl Stripes {
    pub(crate) fn count(self) -> usize {
        self.own + self.shared
    }
}

/// The part that a thread writes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stripe {
    pub(crate) number: usize,
    /// Whether no other thread writes to it meanwhile.
    pub(crate) own: bool,
}

#[derive(Debug, Default)]
struct Numbers {
    /// Numbers below this were given to threads.
    next: usize,
    /// Numbers of own parts whose thread has ended.
    free: Vec<usize>,
}

static NUMBERS: Mutex<Numbers> = Mutex::new(Numbers { next: 0, free: Vec::new() });

/// Gives an own number back when its thread ends.
struct Lease(usize);

thread_local! {
    static STRIPE: Cell<Option<Stripe>> = const { Cell::new(None) };
    static LEASE: Cell<Option<Lease>> = const { Cell::new(None) };
}

/// This thread's part.
#[inline(always)]
pub(crate) fn stripe() -> Stripe {
    STRIPE.with(|known| known.get().unwrap_or_else(|| numbered(known)))
}

#[cold]
fn numbered(known: &Cell<Option<Stripe>>) -> Stripe {
    let Stripes { own, shared } = *STRIPES;
    let mut numbers = NUMBERS.lock().unwrap_or_else(PoisonError::into_inner);
    let number = numbers.free.pop().unwrap_or_else(|| {
        numbers.next += 1;
        numbers.next - 1
    });
    drop(numbers);
    let mut stripe = Stripe { number: own + number % shared, own: false };
    // A thread that is ending has no place for a lease any more.
    if number < own && LEASE.try_with(|lease| lease.set(Some(Lease(number)))).is_ok() {
        stripe = Stripe { number, own: true };
    }
    known.set(Some(stripe));
    stripe
}

impl Drop for Lease {
    fn drop(&mut self) {
        // What runs in this thread after this shares a part with others.
        let shared = Stripe { number: STRIPES.own + self.0 % STRIPES.shared, own: false };
        STRIPE.with(|known| known.set(Some(shared)));
        NUMBERS.lock().unwrap_or_else(PoisonError::into_inner).free.push(self.0);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::sync::Barrier;

    use super::*;

    #[test]
    fn an_own_part_is_nobody_elses() {
        let threads = 3 * MOST;
        let barrier = Barrier::new(threads);
        let all: Vec<Stripe> = std::thread::scope(|scope| {
            let one = || {
                let stripe = stripe();
                barrier.wait();
                assert_eq!(stripe, super::stripe());
                stripe
            };
            let running: Vec<_> = (0..threads).map(|_| scope.spawn(one)).collect();
            running.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let own: Vec<_> = all.iter().filter(|stripe| stripe.own).map(|stripe| stripe.number).collect();
        assert_eq!(own.iter().collect::<HashSet<_>>().len(), own.len());
        assert!(
            all.iter().all(|stripe| stripe.number < STRIPES.count() && (stripe.number < STRIPES.own) == stripe.own)
        );
        assert!(all.iter().any(|stripe| !stripe.own));
    }

    #[test]
    fn numbers_of_threads_that_ended_are_given_again() {
        for _ in 0..1_000 {
            std::thread::spawn(stripe).join().unwrap();
        }
        assert!(NUMBERS.lock().unwrap().next < 500);
    }
}
