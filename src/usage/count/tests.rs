use super::*;

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(seconds, 0).unwrap()
}

fn row(evaluations: u64, first: i64, last: i64) -> Row {
    let (flag, variation) = ("f".to_owned(), "on".to_owned());
    Row { environment: 7, flag, variation, evaluations, first: at(first), last: at(last) }
}

fn served(variation: &str, evaluations: u64, first: i64, last: i64) -> Served {
    Served { variation: variation.to_owned(), evaluations, first: at(first), last: at(last) }
}

#[test]
fn each_variation_is_counted_with_its_times() {
    let counts = Counts::default();
    assert_eq!(counts.of("f"), []);
    for (variation, second) in [("on", 5), ("off", 6), ("on", 3), ("on", 9)] {
        counts.evaluated("f", variation, at(second));
    }
    assert_eq!(counts.of("f"), [served("on", 3, 3, 9), served("off", 1, 6, 6)]);
    assert_eq!(counts.of("g"), []);
}

#[test]
fn what_was_counted_is_taken_once() {
    let counts = Counts::default();
    counts.evaluated("f", "on", at(1));
    counts.evaluated("f", "on", at(2));
    let taken = counts.take_unsaved(7);
    assert_eq!(taken.iter().map(|one| one.row.clone()).collect::<Vec<_>>(), [row(2, 1, 2)]);
    assert!(counts.take_unsaved(7).is_empty());
    taken[0].counter.give_back(2);
    counts.evaluated("f", "on", at(4));
    let taken = counts.take_unsaved(7);
    assert_eq!(taken[0].row, row(3, 1, 4));
    taken[0].counter.saved(3, at(1), at(4));
    assert_eq!(counts.of("f"), [served("on", 3, 1, 4)]);
}

#[test]
fn what_the_store_knows_is_taken_over_once() {
    let counts = Counts::default();
    counts.counter("f", "on").known(&row(10, 3, 8));
    counts.counter("f", "on").known(&row(12, 3, 9));
    counts.evaluated("f", "on", at(20));
    assert_eq!(counts.of("f"), [served("on", 13, 3, 20)]);
    counts.forget("f");
    assert_eq!(counts.of("f"), []);
}

#[test]
fn variations_are_bounded() {
    let counts = Counts::default();
    for n in 0..=VARIATIONS {
        counts.evaluated("f", &n.to_string(), at(i64::try_from(n).unwrap()));
    }
    assert_eq!(counts.of("f").len(), VARIATIONS);
    assert_eq!(counts.take_left(), [("f".to_owned(), "0".to_owned())], "the one not served for longest");
    assert_eq!(counts.take_left(), []);
}

#[test]
fn threads_lose_nothing() {
    let counts = Counts::default();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let counts = &counts;
            scope.spawn(move || {
                for n in 0..10_000 {
                    counts.evaluated(&format!("f{}", n % 100), if n % 2 == 0 { "on" } else { "off" }, at(thread + n));
                }
            });
        }
    });
    let all: u64 = (0..100).flat_map(|n| counts.of(&format!("f{n}"))).map(|served| served.evaluations).sum();
    assert_eq!(all, 40_000);
    assert_eq!(counts.take_unsaved(1).iter().map(|one| one.row.evaluations).sum::<u64>(), 40_000);
}
