use bellwether_core::bucket::BUCKETS;
use bellwether_core::{Release, Rule, Serve};

use super::super::share;
use super::*;

fn split(salt: &str, on: u32) -> Serve {
    share::new_split(&[("on".to_owned(), on), ("off".to_owned(), BUCKETS - on)], salt.to_owned())
}

fn configuration(fallthrough: Serve) -> Configuration {
    Configuration { fallthrough, ..Configuration::new("off".to_owned()) }
}

fn moves(before: &Configuration, after: &Configuration) -> Vec<(String, String, String, u32)> {
    let preview = Preview::between((before, None), (after, None));
    assert_eq!(preview.moved, preview.moves.iter().map(|placed| placed.movement.buckets).sum::<u32>());
    let told = |placed: PlacedMove| (placed.place, placed.movement.from, placed.movement.to, placed.movement.buckets);
    preview.moves.into_iter().map(told).collect()
}

fn told(place: &str, from: &str, to: &str, buckets: u32) -> (String, String, String, u32) {
    (place.to_owned(), from.to_owned(), to.to_owned(), buckets)
}

#[test]
fn shares_move_within_their_split() {
    let (ten, quarter) = (configuration(split("s", 10_000)), configuration(split("s", 25_000)));
    assert_eq!(moves(&ten, &quarter), [told("fallthrough", "off", "on", 15_000)]);
    assert_eq!(moves(&ten, &ten), []);
    assert_eq!(
        moves(&configuration(Serve::Variation("on".to_owned())), &ten),
        [told("fallthrough", "on", "off", 90_000)]
    );
}

#[test]
fn another_salt_shuffles_everyone() {
    let (old, new) = (configuration(split("s", 25_000)), configuration(split("t", 25_000)));
    assert_eq!(moves(&old, &new), [told("fallthrough", "off", "on", 18_750), told("fallthrough", "on", "off", 18_750)]);
}

#[test]
fn the_kill_switch_moves_all_who_were_not_served_off() {
    let on = configuration(split("s", 25_000));
    let off = Configuration { enabled: false, ..configuration(split("t", 40_000)) };
    assert_eq!(moves(&on, &off), [told("fallthrough", "on", "off", 25_000)]);
    assert_eq!(moves(&off, &on), [told("fallthrough", "off", "on", 25_000)]);
}

#[test]
fn rules_that_both_have_are_told_by_their_ids() {
    let rule = |id: &str, serve| Rule { id: id.to_owned(), description: String::new(), clauses: Vec::new(), serve };
    let mut before = configuration(split("s", 50_000));
    before.rules = vec![rule("kept", split("r", 1_000)), rule("gone", split("g", 1))];
    let mut after = configuration(split("s", 50_000));
    after.rules = vec![rule("new", split("n", 1)), rule("kept", split("r", 3_000))];
    assert_eq!(moves(&before, &after), [told("kept", "off", "on", 2_000)]);
}

fn words(before: &Configuration, after: &Configuration) -> String {
    let mut preview = Preview::between((before, None), (after, None));
    preview.tell(before, after);
    preview.summary
}

#[test]
fn a_summary_says_who_gains_who_loses_and_who_switches() {
    let of = |on: u32| configuration(split("s", on));
    assert_eq!(words(&of(10_000), &of(25_000)), "0 users switch away; 15 % gain `on`.");
    assert_eq!(words(&of(25_000), &of(24_999)), "0.001 % lose `on`.");
    assert_eq!(words(&of(25_000), &of(25_000)), "0 users switch away, and nobody gains anything.");
    let off = Configuration { enabled: false, ..of(25_000) };
    assert_eq!(words(&of(25_000), &off), "25 % lose `on`.");
    assert_eq!(words(&off, &of(25_000)), "0 users switch away; 25 % gain `on`.");

    let three = |weights: [u32; 3]| -> Vec<(String, u32)> {
        ["a", "b", "off"].iter().zip(weights).map(|(name, weight)| ((*name).to_owned(), weight)).collect()
    };
    let before = configuration(share::new_split(&three([33_000, 33_000, 34_000]), "s".to_owned()));
    let after =
        configuration(share::with_weights(&before.fallthrough, &three([50_000, 25_000, 25_000]), || unreachable!()));
    assert_eq!(words(&before, &after), "8 % switch from `b` to `a`; 9 % gain `a`.");
}

#[test]
fn balances_sum_what_each_variation_gains_and_loses() {
    let preview =
        Preview::between((&configuration(split("s", 10_000)), None), (&configuration(split("s", 25_000)), None));
    let balance = |name: &str, gains, loses| Balance { variation: name.to_owned(), gains, loses };
    assert_eq!(preview.variations, [balance("off", 0, 15_000), balance("on", 15_000, 0)]);
}

#[test]
fn what_buckets_do_not_tell_is_named() {
    let rule = |id: &str, value: &str| -> Rule {
        serde_json::from_value(serde_json::json!({
            "id": id, "clauses": [{"attribute": "country", "op": "in", "values": [value]}], "serve": {"variation": "on"},
        }))
        .unwrap()
    };
    let with = |rules: Vec<Rule>| Configuration { rules, ..configuration(split("s", 50_000)) };
    let changed = |before: Vec<Rule>, after: Vec<Rule>| {
        Preview::between((&with(before), None), (&with(after), None)).changed_rules
    };
    assert_eq!(changed(vec![rule("a", "NO")], vec![rule("a", "NO")]), Vec::<String>::new());
    assert_eq!(changed(vec![rule("a", "NO")], vec![rule("a", "SE")]), ["a"]);
    assert_eq!(changed(vec![rule("a", "NO")], vec![rule("b", "NO")]), ["b", "a"]);
    assert_eq!(changed(vec![rule("a", "1"), rule("b", "2")], vec![rule("b", "2"), rule("a", "1")]), ["b", "a"]);
    assert_eq!(
        changed(vec![rule("a", "1"), rule("b", "2"), rule("c", "3")], vec![rule("b", "2"), rule("c", "3")]),
        ["a"]
    );
    assert_eq!(
        words(&with(vec![]), &with(vec![rule("a", "NO")])),
        "Rule `a` is new or gone, or asked of others: whom that moves depends on who they are.",
    );
    let prerequisite = bellwether_core::Prerequisite { flag: "b".to_owned(), variations: vec!["on".to_owned()] };
    let needs = Configuration { prerequisites: vec![prerequisite], ..with(vec![]) };
    assert!(Preview::between((&with(vec![]), None), (&needs, None)).changed_prerequisites);
    let asleep = |of: &Configuration| Configuration { enabled: false, ..of.clone() };
    assert!(
        !Preview::between((&asleep(&with(vec![])), None), (&asleep(&needs), None)).changed_prerequisites,
        "both serve off"
    );
}

#[test]
fn targets_that_change_what_is_served_are_found() {
    let with = |targets: &[(&str, &[&str])]| {
        let target = |(variation, keys): &(&str, &[&str])| bellwether_core::Target {
            variation: (*variation).to_owned(),
            keys: keys.iter().map(|key| (*key).to_owned()).collect(),
        };
        Configuration { targets: targets.iter().map(target).collect(), ..configuration(split("s", 50_000)) }
    };
    let before = with(&[("on", &["kept", "gone", "other"]), ("off", &["to-on"])]);
    let after = with(&[("on", &["kept", "new", "to-on"]), ("off", &["other"])]);
    assert_eq!(changed_targets(&before, &after), ["gone", "new", "other", "to-on"]);
    let off = Configuration { enabled: false, ..before.clone() };
    assert_eq!(changed_targets(&before, &off), ["gone", "kept", "other"], "the one on `off` stays there");
    assert!(changed_targets(&off, &Configuration { enabled: false, ..after }).is_empty());
}

#[test]
fn new_values_move_those_who_are_served_them() {
    let variations = |on: i64| {
        let variation = |name: &str, value: i64| Variation { name: name.to_owned(), value: value.into() };
        vec![variation("on", on), variation("off", 0)]
    };
    let quarter = configuration(split("s", 25_000));
    let mut preview = Preview::of_values((&quarter, None), &variations(1), &variations(2));
    assert_eq!((preview.moved, preview.variations.len()), (25_000, 0));
    assert!(preview.moves[0].is_of_value());
    preview.tell(&quarter, &quarter);
    assert_eq!(preview.summary, "0 users switch away; 25 % are served another value of `on`.");
    let off = Configuration { enabled: false, ..quarter };
    assert_eq!(Preview::of_values((&off, None), &variations(1), &variations(2)).moved, 0);
}

fn release(place: &str, ranges: &[(u32, u32)], otherwise: Option<&str>) -> Release {
    serde_json::from_value(serde_json::json!({
        "id": "r", "where": place, "window_seconds": 10, "metrics": [], "arms": [],
        "layer": {"salt": "layer/l", "ranges": ranges, "otherwise": otherwise},
    }))
    .unwrap()
}

#[test]
fn outside_of_a_layer_nobody_is_in_the_split() {
    let release = |place, otherwise| release(place, &[(0, 10_000), (50_000, 60_000)], otherwise);
    let off = |of: &Configuration| Configuration { enabled: false, off_variation: "none".to_owned(), ..of.clone() };
    let between = |of: &Configuration, release: &Release| {
        let moves = Preview::between((of, Some(release)), (&off(of), Some(release))).moves.into_iter();
        moves.map(|placed| (placed.place, placed.movement.from, placed.movement.buckets)).collect::<Vec<_>>()
    };
    let served = |place: &str, from: &str, buckets: u32| (place.to_owned(), from.to_owned(), buckets);
    let on_fallthrough = configuration(split("s", 25_000));
    let moved = between(&on_fallthrough, &release(FALLTHROUGH, Some("off")));
    assert_eq!(moved, [served("fallthrough", "off", 95_000), served("fallthrough", "on", 5_000)]);

    // Outside they get the fallthrough, where a rule is shared out.
    let rule = Rule { id: "r1".to_owned(), description: String::new(), clauses: Vec::new(), serve: split("r", 50_000) };
    let on_rule = Configuration { rules: vec![rule], ..on_fallthrough };
    let moved = between(&on_rule, &release("r1", None));
    assert_eq!(moved[..2], [served("r1", "off", 70_000), served("r1", "on", 30_000)]);
    assert_eq!(moved[2..], [served("fallthrough", "off", 75_000), served("fallthrough", "on", 25_000)]);

    let values = |on: i64| vec![Variation { name: "on".to_owned(), value: on.into() }];
    let preview = Preview::of_values((&on_rule, Some(&release("r1", None))), &values(1), &values(2));
    let moved: Vec<_> = preview.moves.iter().map(|placed| (placed.place.as_str(), placed.movement.buckets)).collect();
    assert_eq!(moved, [("r1", 30_000), ("fallthrough", 25_000)]);
}

#[test]
fn a_release_in_a_layer_moves_those_who_come_into_it_and_those_who_leave() {
    let part = |ranges: &[(u32, u32)]| release(FALLTHROUGH, ranges, Some("off"));
    let (fifth, other) = (part(&[(0, 20_000)]), part(&[(10_000, 40_000)]));
    let between = |before: Serving<'_>, after: Serving<'_>| {
        let moves = Preview::between(before, after).moves.into_iter().map(|placed| placed.movement);
        moves.map(|one| (one.from, one.to, one.buckets)).collect::<Vec<_>>()
    };
    let told = |from: &str, to: &str, buckets: u32| (from.to_owned(), to.to_owned(), buckets);
    let of = |on: u32| configuration(split("s", on));
    let off = configuration(Serve::Variation("off".to_owned()));
    assert_eq!(between((&off, None), (&of(10_000), Some(&fifth))), [told("off", "on", 2_000)]);
    assert_eq!(between((&of(10_000), Some(&fifth)), (&of(0), None)), [told("on", "off", 2_000)]);
    assert_eq!(between((&of(10_000), Some(&fifth)), (&of(BUCKETS), None)), [told("off", "on", 98_000)]);
    // Whoever is in both stays; 10 % leave, 20 % come in, of each a tenth.
    let moved = between((&of(10_000), Some(&fifth)), (&of(10_000), Some(&other)));
    assert_eq!(moved, [told("off", "on", 2_000), told("on", "off", 1_000)]);
    // Half of those who were served it are outside, and lose it.
    assert_eq!(between((&of(50_000), None), (&of(50_000), Some(&fifth))), [told("on", "off", 40_000)]);
    let elsewhere = Release {
        layer: other.layer.map(|layer| bellwether_core::Layer { salt: "layer/m".to_owned(), ..layer }),
        ..other
    };
    let moved = between((&of(BUCKETS), Some(&fifth)), (&of(BUCKETS), Some(&elsewhere)));
    assert_eq!(moved, [told("off", "on", 24_000), told("on", "off", 14_000)], "another layer is another shuffle");
}
