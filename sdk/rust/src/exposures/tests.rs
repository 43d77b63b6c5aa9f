use bellwether_core::{State, Value};
use serde_json::json;

use super::*;
use crate::fixture;
use crate::recent::RECENT;

fn in_use(flags: Vec<Value>) -> InUse {
    InUse::new(fixture::state("e", 1, flags), None)
}

fn canary(key: &str) -> Value {
    fixture::canary(key, 50_000, json!([{"metric": "m"}]), 10)
}

fn at() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap()
}

fn meet(exposures: &Exposures, in_use: &InUse, key: &str, arm: usize, unit: &str) {
    exposures.meet(in_use.flag(key).unwrap(), arm, &Context::new(unit), at);
}

fn units(taken: Vec<Exposure>) -> Vec<(String, String, String)> {
    taken.into_iter().map(|one| (one.release, one.arm, one.unit)).collect()
}

fn told(release: &str, arm: &str, unit: &str) -> (String, String, String) {
    (release.to_owned(), arm.to_owned(), unit.to_owned())
}

#[test]
fn a_unit_is_reported_once_for_each_release_and_arm() {
    let (exposures, in_use) = (Exposures::new(), in_use(vec![canary("a"), canary("b")]));
    for _ in 0..3 {
        meet(&exposures, &in_use, "a", 0, "u");
        meet(&exposures, &in_use, "b", 1, "u");
        meet(&exposures, &in_use, "a", 1, "é");
    }
    meet(&exposures, &in_use, "a", ARMS, "u");
    exposures.meet(in_use.flag("a").unwrap(), 0, &Context::anonymous(), || panic!("there is nobody"));
    let taken = exposures.take();
    assert!(taken.iter().all(|one| one.at == at()));
    let expected =
        [told("release-a", "treatment", "u"), told("release-b", "control", "u"), told("release-a", "control", "é")];
    assert_eq!(units(taken), expected);
    meet(&exposures, &in_use, "a", 0, "u");
    assert_eq!(units(exposures.take()), []);
    meet(&exposures, &in_use, "a", 1, "u");
    assert_eq!(units(exposures.take()), [told("release-a", "control", "u")], "it is in the other arm now");
}

#[test]
fn another_release_or_version_of_the_flag_is_news() {
    let exposures = Exposures::new();
    let (mut other_version, mut other_release) = (canary("a"), canary("a"));
    other_version["version"] = json!(2);
    other_release["release"]["id"] = json!("another");
    for flag in [canary("a"), other_version, other_release] {
        let in_use = in_use(vec![flag]);
        meet(&exposures, &in_use, "a", 0, "u");
        meet(&exposures, &in_use, "a", 0, "u");
    }
    let releases: Vec<_> = exposures.take().into_iter().map(|one| one.release).collect();
    assert_eq!(releases, ["release-a", "release-a", "another"]);
}

#[test]
fn a_metric_is_about_who_met_a_release_that_watches_it() {
    let mut unwatched = canary("b");
    unwatched["release"]["metrics"] = json!([]);
    let (exposures, in_use) = (Exposures::new(), in_use(vec![canary("a"), unwatched]));
    let met = |metric, unit| {
        let met = exposures.met(&in_use, metric, &Context::new(unit));
        met.into_iter().map(|(release, arm)| (release.id.clone(), arm.to_owned())).collect::<Vec<_>>()
    };
    meet(&exposures, &in_use, "a", 1, "u");
    meet(&exposures, &in_use, "b", 1, "u");
    assert_eq!(met("m", "u"), [("release-a".to_owned(), "control".to_owned())]);
    assert_eq!((met("m", "other"), met("n", "u")), (vec![], vec![]));
    exposures.tick(RECENT);
    assert_eq!(met("m", "u").len(), 1);
    exposures.tick(RECENT + 1);
    assert_eq!(met("m", "u"), []);
}

#[test]
fn what_waits_is_bounded() {
    let (exposures, in_use) = (Exposures::new(), in_use(vec![canary("a")]));
    let parts = exposures.waiting.len();
    let bytes = || -> usize { exposures.waiting.iter().map(|part| part.lock().unwrap().units.capacity()).sum() };
    for unit in 0..20_000 {
        meet(&exposures, &in_use, "a", 0, &format!("user-{unit}"));
    }
    let kept = WAITING / parts * parts;
    assert_eq!(exposures.take_dropped(), 20_000 - kept as u64);
    assert_eq!((exposures.take().len(), exposures.take_dropped()), (kept, 0));
    for unit in 0..20_000 {
        meet(&exposures, &in_use, "a", 0, &format!("{unit}{}", "x".repeat(900)));
    }
    assert!(exposures.take_dropped() > 19_000 && bytes() <= 2 * WAITING_BYTES);
    let taken = exposures.take();
    assert!(taken.iter().map(|one| one.unit.len()).sum::<usize>() <= WAITING_BYTES && taken.len() > 500);
}

#[test]
fn who_takes_stops_nobody() {
    let (exposures, in_use) = (Exposures::new(), in_use(vec![canary("a")]));
    let held = exposures.waiting.first().unwrap().lock().unwrap();
    for unit in ["u", "v"] {
        meet(&exposures, &in_use, "a", 0, unit);
    }
    drop(held);
    assert_eq!((exposures.take().len(), exposures.take_dropped()), (2, 0));
}

#[test]
fn a_state_without_releases_needs_no_memory() {
    let state = State::from_snapshot(fixture::snapshot("e", 1, vec![fixture::constant("a", "boolean", json!(true))]));
    let in_use = InUse::new(Arc::new(state.unwrap()), None);
    assert!(in_use.releases().is_empty());
    assert!(Exposures::new().met(&in_use, "m", &Context::new("u")).is_empty());
}
