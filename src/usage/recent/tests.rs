use std::collections::BTreeSet;

use super::*;

fn at(minutes: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(minutes * 60, 0).unwrap()
}

fn see(recent: &Recent, users: std::ops::Range<usize>, now: DateTime<Utc>) {
    for user in users {
        recent.seen(&format!("user-{user}"), now);
    }
}

/// Whether an estimate is as near as a sample of several thousands allows: five standard deviations of 1/√5,000.
fn near(estimate: u64, truth: u64) -> bool {
    (estimate as f64 / truth as f64 - 1.0).abs() < 0.07
}

#[test]
fn few_users_are_all_kept() {
    let recent = Recent::default();
    see(&recent, 0..1_000, at(0));
    see(&recent, 500..1_500, at(1));
    let users = recent.users(at(2));
    assert_eq!((users.keys.len(), users.seen), (1_500, 1_500));
    assert_eq!(users.keys.iter().collect::<BTreeSet<_>>().len(), 1_500);
    assert_eq!(users.estimate(20), 20);
}

#[test]
fn many_users_are_sampled_without_bias() {
    let recent = Recent::default();
    // Those who come often weigh as much as those who come once.
    for _ in 0..3 {
        see(&recent, 0..1_000, at(0));
        see(&recent, 0..100_000, at(1));
    }
    let users = recent.users(at(2));
    assert!((KEPT / 3..=KEPT).contains(&users.keys.len()), "{}", users.keys.len());
    assert!(near(users.seen, 100_000), "{}", users.seen);
    let even = users.keys.iter().filter(|key| key.ends_with(['0', '2', '4', '6', '8'])).count();
    assert!(near(users.estimate(even), 50_000), "{even} of {}", users.keys.len());
    let few = users.at_most(2_000);
    assert_eq!((few.keys.len(), few.estimate(2_000)), (2_000, users.seen));
}

#[test]
fn users_are_forgotten_after_a_day() {
    let recent = Recent::default();
    see(&recent, 0..100, at(0));
    see(&recent, 100..150, at(60));
    see(&recent, 0..10, at(120));
    assert_eq!(recent.users(at(24 * 60 - 1)).keys.len(), 150);
    assert_eq!(recent.users(at(24 * 60)).keys.len(), 60);
    assert_eq!(recent.users(at(26 * 60)).keys.len(), 0);
}

#[test]
fn a_quieter_day_is_sampled_less_and_estimated_as_well() {
    let recent = Recent::default();
    see(&recent, 0..100_000, at(0));
    let mut now = at(24 * 60);
    for day in 0_i64..12 {
        // The same users all day long, so that each estimate is of the same number.
        for hour in 0..24 {
            now = at((day + 1) * 24 * 60 + hour * 60);
            see(&recent, 0..6_000, now);
            let users = recent.users(now);
            assert!(day == 0 || (users.seen as f64 / 6_000.0 - 1.0).abs() < 0.2, "{day} {users:?}");
        }
    }
    let users = recent.users(now);
    assert!(users.keys.len() > 2_500, "more are taken in as long as they leave room: {}", users.keys.len());
}

#[test]
fn no_key_is_larger_than_a_target_may_be() {
    let recent = Recent::default();
    recent.seen(&"k".repeat(limits::TARGETING_KEY_LENGTH), at(0));
    recent.seen(&"k".repeat(limits::TARGETING_KEY_LENGTH + 1), at(0));
    assert_eq!(recent.users(at(0)).keys.len(), 1);
}
