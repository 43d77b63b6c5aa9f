//! Threads apart: what many of them write to is kept in several parts, so that no two cores wait for one piece of memory.

use std::cell::Cell;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::available_parallelism;

/// The most parts that anything is kept in: more threads share them.
const MOST: usize = 16;

/// How many parts there are on this machine: one for each processor, rounded up to a power of two.
pub(crate) static STRIPES: LazyLock<usize> = LazyLock::new(|| {
    let processors = available_parallelism().map_or(1, std::num::NonZero::get);
    processors.min(MOST).next_power_of_two()
});

thread_local! {
    static OF_THREAD: Cell<Option<usize>> = const { Cell::new(None) };
}

/// The number of this thread. Numbers follow each other: any [`STRIPES`] of them in a row are of different parts.
#[inline]
pub(crate) fn stripe() -> usize {
    OF_THREAD.with(|known| known.get().unwrap_or_else(|| numbered(known)))
}

#[cold]
fn numbered(known: &Cell<Option<usize>>) -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    known.set(Some(number));
    number
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_keeps_its_number_and_others_have_others() {
        let own = stripe();
        let other = std::thread::spawn(|| (stripe(), stripe())).join().unwrap();
        assert_eq!((own, other.0), (stripe(), other.1));
        assert_ne!(own, other.0);
        assert!(STRIPES.is_power_of_two() && *STRIPES <= MOST);
    }
}
