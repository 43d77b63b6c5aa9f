use bellwether_core::Rule;

use super::*;

fn split(salt: &str, on: u32) -> Serve {
    share::new_split(&[("on".to_owned(), on), ("off".to_owned(), BUCKETS - on)], salt.to_owned())
}

fn configuration(fallthrough: Serve) -> Configuration {
    Configuration { fallthrough, ..Configuration::new("off".to_owned()) }
}

fn moves(before: &Configuration, after: &Configuration) -> Vec<(String, String, String, u32)> {
    let preview = Preview::between(before, after);
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
