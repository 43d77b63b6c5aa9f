use bellwether_core::{Entry, RawValue};
use serde_json::{Value, json};

use super::*;
use crate::fixture;

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap()
}

fn entry(flag: &Value) -> Entry {
    Entry::read(RawValue::from_string(flag.to_string()).unwrap()).unwrap()
}

/// A flag of so many variations.
fn wide(variations: usize) -> Entry {
    let mut flag = fixture::constant("wide", "integer", json!(0));
    let all = (0..variations).map(|number| json!({"name": format!("v{number}"), "value": number}));
    flag["variations"] = all.collect();
    flag["off_variation"] = json!("v0");
    flag["fallthrough"] = json!({"variation": "v0"});
    entry(&flag)
}

fn counts(tally: &Tally) -> Vec<(String, u64)> {
    let mut taken = Vec::new();
    tally.take(now(), &mut taken);
    taken.into_iter().map(|one| (one.variation, one.count)).collect()
}

#[test]
fn each_variation_is_counted_and_taken_once() {
    let entry = wide(64);
    let variations = entry.flag().variations();
    let tally = Tally::of(entry.flag());
    assert_eq!(counts(&tally), []);
    assert!(!tally.is_used(), "what is not evaluated costs nothing");
    for at in [0, 7, 8, 63, 8] {
        tally.count(variations, &variations[at].name);
    }
    let told = |variation: &str, count| (variation.to_owned(), count);
    assert_eq!(counts(&tally), [told("v0", 1), told("v7", 1), told("v8", 2), told("v63", 1)]);
    assert_eq!(counts(&tally), []);
    tally.count(variations, &variations[1].name);
    tally.count(variations, "no variation of it");
    assert_eq!(counts(&tally), [told("v1", 1)]);
}

#[test]
fn it_goes_on_while_the_variations_are_the_same() {
    let (few, more) = (wide(2), wide(3));
    let tally = Tally::of(few.flag());
    assert!(tally.fits(wide(2).flag()) && !tally.fits(more.flag()));
    assert!(!tally.fits(entry(&fixture::constant("wide", "integer", json!(0))).flag()));
    assert!(!Tally::of(more.flag()).fits(few.flag()));
}

#[test]
fn threads_count_together() {
    let entry = wide(3);
    let variations = entry.flag().variations();
    let tally = Tally::of(entry.flag());
    std::thread::scope(|scope| {
        for _ in 0..20 {
            scope.spawn(|| (0..3_000).for_each(|n| tally.count(variations, &variations[n % 3].name)));
        }
    });
    assert_eq!(counts(&tally).into_iter().map(|(_, count)| count).collect::<Vec<_>>(), [20_000; 3]);
}
