use super::*;

fn day(number: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_760_000_000 + number * 86_400, 0).unwrap()
}

const NOW: i64 = 100;

fn served(variation: &str, first: i64, last: i64) -> Served {
    Served { variation: variation.to_owned(), evaluations: 1, first: day(first), last: day(last) }
}

fn production(served: Vec<Served>) -> Place<'static> {
    Place { environment: "production", production: true, served, ..Place::default() }
}

fn development(served: Vec<Served>) -> Place<'static> {
    Place { environment: "development", served, ..Place::default() }
}

fn told(kind: Kind, places: &[Place<'_>]) -> String {
    reason(kind, (day(0), day(0)), places, || None, day(NOW), TimeDelta::days(30)).unwrap_or_default()
}

#[test]
fn what_nobody_evaluates_is_stale_whatever_it_is_for() {
    for kind in Kind::ALL {
        let never = told(kind, &[development(vec![]), production(vec![])]);
        assert_eq!(never, "not evaluated in any environment since 9 Oct 2025, when it was created");
        let long_ago = [development(vec![served("on", 1, 70)]), production(vec![served("off", 1, 20)])];
        assert_eq!(told(kind, &long_ago), "not evaluated in any environment since 18 Dec 2025");
        let of_late = [development(vec![served("on", 1, 71), served("off", 1, 71)]), production(vec![])];
        assert_eq!(told(kind, &of_late), "");
    }
    let later = reason(Kind::Config, (day(0), day(50)), &[], || None, day(NOW), TimeDelta::days(30));
    assert_eq!(later.unwrap(), "not evaluated in any environment since 28 Nov 2025", "nothing is known of before");
}

#[test]
fn a_release_that_serves_one_variation_is_over() {
    let places =
        [development(vec![served("on", 0, NOW), served("off", 0, NOW)]), production(vec![served("on", 10, NOW)])];
    assert_eq!(told(Kind::Release, &places), "production has served only `on` for 90 days");
    assert_eq!(told(Kind::Experiment, &places), "production has served only `on` for 90 days");
    for kind in [Kind::Operational, Kind::Permission, Kind::Config] {
        assert_eq!(told(kind, &places), "", "it is there to stay as it is");
    }
    let other = |last| [production(vec![served("on", 10, NOW), served("off", 0, last)])];
    assert_eq!(told(Kind::Release, &other(70)), "production has served only `on` for 30 days");
    assert_eq!(told(Kind::Release, &other(71)), "", "the other was served within the time");
    assert_eq!(told(Kind::Release, &[production(vec![served("on", 80, NOW)])]), "", "only so long ago it began");
    let released = [Place { released: true, ..production(vec![served("on", 10, NOW)]) }];
    assert_eq!(told(Kind::Release, &released), "", "a canary runs");
}

#[test]
fn productions_are_taken_together() {
    let europe = |served| Place { environment: "europe", ..production(served) };
    let alike = [production(vec![served("on", 10, NOW)]), europe(vec![served("on", 40, NOW)])];
    assert_eq!(told(Kind::Release, &alike), "production and europe have served only `on` for 60 days");
    let unlike = [production(vec![served("on", 10, NOW)]), europe(vec![served("off", 40, NOW)])];
    assert_eq!(told(Kind::Release, &unlike), "");
    let asleep = [production(vec![served("on", 10, NOW)]), europe(vec![served("off", 0, 20)])];
    assert_eq!(told(Kind::Release, &asleep), "production has served only `on` for 90 days");
}

#[test]
fn without_production_its_configuration_tells() {
    let told = |served: Vec<Served>, configured: Option<&str>| {
        let places = [development(served), production(vec![])];
        let configured = || configured.map(str::to_owned);
        let told = reason(Kind::Release, (day(0), day(0)), &places, configured, day(NOW), TimeDelta::days(30));
        told.unwrap_or_default()
    };
    let expected = "its fallthrough serves `on` to everyone, and nothing else was served since 14 Oct 2025";
    assert_eq!(told(vec![served("on", 5, NOW)], Some("on")), expected);
    assert_eq!(told(vec![served("on", 5, NOW)], Some("off")), "", "it was turned off since");
    assert_eq!(told(vec![served("on", 5, NOW)], None), "", "there are rules, or environments differ");
    assert_eq!(told(vec![served("on", 5, NOW), served("off", 5, 90)], Some("on")), "");
}
