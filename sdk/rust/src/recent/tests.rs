use rand::rngs::SmallRng;
use rand::{Rng as _, SeedableRng as _};

use super::*;

const TREATED: Exposed = Exposed { arm: 1, version: 7 };

#[test]
fn a_meeting_is_news_once() {
    let recent = Recent::default();
    assert_eq!(recent.arm(42, 0), None);
    assert!(recent.sets.get().is_none(), "who meets no release needs no memory");
    assert!(recent.meet(42, TREATED, 5));
    assert!(!recent.meet(42, TREATED, 5) && !recent.meet(42, TREATED, 6));
    assert!(recent.meet(43, TREATED, 6), "somebody else");
    assert_eq!((recent.arm(42, 6), recent.arm(44, 6)), (Some(1), None));
}

#[test]
fn the_last_arm_counts_and_a_new_version_is_news() {
    let recent = Recent::default();
    assert!(recent.meet(42, TREATED, 5));
    let moved = Exposed { arm: 63, ..TREATED };
    assert!(recent.meet(42, moved, 5) && !recent.meet(42, moved, 5));
    assert_eq!(recent.arm(42, 5), Some(63));
    assert!(recent.meet(42, Exposed { version: 8, ..moved }, 5));
    assert_eq!(recent.arm(42, 5), Some(63));
}

#[test]
fn who_was_not_met_for_half_an_hour_is_a_stranger() {
    let recent = Recent::default();
    assert!(recent.meet(42, TREATED, 5));
    assert!(!recent.meet(42, TREATED, 5 + RECENT));
    assert_eq!(recent.arm(42, 5 + 2 * RECENT), Some(1));
    assert_eq!(recent.arm(42, 6 + 2 * RECENT), None);
    assert!(recent.meet(42, TREATED, 6 + 2 * RECENT));
    assert!(!recent.meet(42, TREATED, 5 + 2 * RECENT), "a thread whose time is a moment behind");
}

#[test]
fn time_may_begin_again() {
    let recent = Recent::default();
    let end = u32::try_from(TICK_MASK).unwrap();
    assert!(recent.meet(42, TREATED, end) && !recent.meet(42, TREATED, end + 1));
    assert_eq!(recent.arm(42, end + RECENT), Some(1));
}

#[test]
fn a_full_set_forgets_the_oldest() {
    let recent = Recent::default();
    for (at, hash) in (0..9).enumerate() {
        assert!(recent.meet(hash, TREATED, u32::try_from(at).unwrap()));
    }
    assert_eq!(recent.arm(0, 9), None);
    assert!((1..9).all(|hash| recent.arm(hash, 9) == Some(1)));
}

#[test]
fn as_many_are_remembered_as_promised() {
    let mut random = SmallRng::seed_from_u64(1);
    for (count, forgotten) in [(65_536_usize, 0.02), (131_072, 0.15)] {
        let recent = Recent::default();
        let all: Vec<u64> = (0..count).map(|_| random.next_u64()).collect();
        for hash in &all {
            recent.meet(*hash, TREATED, 1);
        }
        let lost = all.iter().filter(|hash| recent.arm(**hash, 1).is_none()).count();
        assert!(lost as f64 <= forgotten * count as f64, "{lost} of {count}");
    }
}

#[test]
fn of_threads_that_meet_the_same_one_reports_it() {
    let recent = Recent::default();
    let news = std::thread::scope(|scope| {
        let tell = || (1..2_000_u64).filter(|n| recent.meet(n << 50 | n, TREATED, 1)).count();
        let threads = [0; 4].map(|_| scope.spawn(tell));
        threads.into_iter().map(|thread| thread.join().unwrap()).sum::<usize>()
    });
    assert_eq!(news, 1_999);
}
