use bellwether_core::{Reason, Value};

use super::*;

fn evaluation(variation: &str) -> Evaluation<'_> {
    const TRUE: &Value = &Value::Bool(true);
    let reason = Reason::Static;
    Evaluation { value: TRUE, variation, reason, version: 1, revision: 1, rule: None, assignment: None }
}

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap()
}

fn taken(tally: &Tally) -> Vec<(String, String, u64)> {
    let mut taken: Vec<_> = tally.take(now()).into_iter().map(|one| (one.flag, one.variation, one.count)).collect();
    taken.sort();
    taken
}

fn told(flag: &str, variation: &str, count: u64) -> (String, String, u64) {
    (flag.to_owned(), variation.to_owned(), count)
}

#[test]
fn each_variation_is_counted_and_taken_once() {
    let tally = Tally::new();
    for (flag, variation) in [("a", "on"), ("a", "off"), ("b", "on"), ("a", "on")] {
        tally.count(flag, &evaluation(variation));
    }
    assert_eq!(taken(&tally), [told("a", "off", 1), told("a", "on", 2), told("b", "on", 1)]);
    assert_eq!(taken(&tally), []);
    tally.count("a", &evaluation("off"));
    assert_eq!(taken(&tally), [told("a", "off", 1)]);
    assert!(tally.take(now()).is_empty());
    tally.close();
    tally.count("a", &evaluation("off"));
    assert_eq!(taken(&tally), []);
}

#[test]
fn threads_count_together() {
    let tally = Tally::new();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for n in 0..10_000 {
                    tally.count(&format!("f{}", n % 100), &evaluation(if n % 2 == 0 { "on" } else { "off" }));
                }
            });
        }
    });
    let all = tally.take(now());
    assert_eq!(all.iter().map(|one| one.count).sum::<u64>(), 40_000);
    assert_eq!(all.len(), 100);
    assert!(all.iter().all(|one| one.last == now()));
}
