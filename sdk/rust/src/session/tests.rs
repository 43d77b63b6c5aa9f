mod streams;

use bellwether_core::Value;
use serde_json::json;

use super::*;
use crate::fixture;

fn identity() -> Identity {
    Identity { instance: "i".into(), application: "a".into() }
}

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(seconds, 0).unwrap()
}

/// The flags of revision `revision`: one flag, whose version is the revision.
fn flags(revision: u64) -> Vec<Value> {
    let mut flag = fixture::constant("a", "integer", json!(revision));
    flag["version"] = json!(revision);
    vec![flag]
}

fn state(revision: u64) -> Arc<State> {
    fixture::state("e", revision, flags(revision))
}

fn fresh(revision: u64) -> Fetched {
    Fetched::Fresh(state(revision))
}

fn change(revision: u64) -> String {
    let change = fixture::change(revision, &flags(revision), &flags(revision));
    let mut message = serde_json::to_value(change).unwrap();
    message["type"] = json!("change");
    // A value sorts the members of an object, as it did when the digest was taken.
    message.to_string()
}

/// A change that leads to another hash than it announces.
fn broken(revision: u64) -> String {
    change(revision).replace("sha256:", "sha256:0")
}

fn ready(session: &mut Session, revision: u64) -> Vec<String> {
    let hash = state(revision).hash().to_owned();
    let message = json!({"type": "ready", "epoch": "e", "revision": revision, "hash": hash, "clock": at(0)});
    text(session, &message.to_string())
}

fn resync(session: &mut Session, revision: u64) -> Vec<String> {
    text(session, &json!({"type": "resync", "revision": revision}).to_string())
}

fn text(session: &mut Session, text: &str) -> Vec<String> {
    told(session.on_text(text, at(0)))
}

fn fetched(session: &mut Session, fetched: Fetched) -> Vec<String> {
    told(session.on_fetched(fetched))
}

/// Effects in short.
fn told(effects: Vec<Effect>) -> Vec<String> {
    effects.iter().map(told_one).collect()
}

fn told_one(effect: &Effect) -> String {
    match effect {
        Effect::Ready(_) => "ready".to_owned(),
        Effect::Install(state) => format!("install {}", state.revision()),
        Effect::Send(FromSdk::Applied { revision }) => format!("applied {revision}"),
        Effect::Send(FromSdk::Rejected { revision, .. }) => format!("rejected {revision}"),
        Effect::Send(FromSdk::Hello(_)) => "hello".to_owned(),
        Effect::Fetch(pace) => format!("fetch {pace:?}"),
        Effect::Drain(spread) => format!("drain {}", spread.as_millis()),
    }
}

/// A session that has revision `revision` and has heard `ready` for it.
fn settled(revision: u64) -> Session {
    let (mut session, _) = Session::open(Some(state(revision)), &identity(), at(0));
    assert_eq!(ready(&mut session, revision), ["ready"]);
    session
}

#[test]
fn the_first_message_says_what_there_is() {
    let (_, first) = Session::open(None, &identity(), at(7));
    let FromSdk::Hello(hello) = first else { panic!("{first:?}") };
    assert_eq!((hello.have, hello.clock), (None, at(7)));
    assert_eq!((hello.instance.as_str(), hello.application.as_str()), ("i", "a"));
    let (_, first) = Session::open(Some(state(41)), &identity(), at(7));
    let FromSdk::Hello(hello) = first else { panic!("{first:?}") };
    let have = hello.have.unwrap();
    assert_eq!((have.epoch.as_str(), have.revision, have.hash.as_str()), ("e", 41, state(41).hash()));
}

#[test]
fn the_clock_is_compared_in_the_middle_of_the_exchange() {
    let (mut session, _) = Session::open(Some(state(1)), &identity(), at(100));
    let message = json!({"type": "ready", "epoch": "e", "revision": 1, "hash": state(1).hash(), "clock": at(151)});
    let effects = session.on_text(&message.to_string(), at(102));
    let [Effect::Ready(ahead)] = effects.as_slice() else { panic!("{effects:?}") };
    assert_eq!(ahead.num_seconds(), 50);
}

#[test]
fn whoever_is_up_to_date_has_nothing_to_do() {
    let (mut session, _) = Session::open(Some(state(4)), &identity(), at(0));
    assert_eq!(ready(&mut session, 4), ["ready"]);
    let (mut session, _) = Session::open(Some(state(4)), &identity(), at(0));
    assert_eq!(ready(&mut session, 6), ["ready"], "the changes since 4 will come");
    assert_eq!(text(&mut session, &change(5)), ["install 5", "applied 5"]);
    assert_eq!(text(&mut session, &change(6)), ["install 6", "applied 6"]);
}

#[test]
fn whoever_has_nothing_fetches_once() {
    let (mut session, _) = Session::open(None, &identity(), at(0));
    assert_eq!(ready(&mut session, 4), ["ready", "fetch Now"]);
    assert!(resync(&mut session, 4).is_empty(), "the fetch under way answers it");
    assert_eq!(fetched(&mut session, fresh(4)), ["install 4", "applied 4"]);
}

#[test]
fn another_life_or_another_hash_is_fetched() {
    let (mut session, _) = Session::open(Some(fixture::state("old", 9, vec![])), &identity(), at(0));
    assert_eq!(ready(&mut session, 4), ["ready", "fetch Now"]);
    assert_eq!(fetched(&mut session, fresh(4)), ["install 4", "applied 4"], "a lower revision of a new life");
    let (mut session, _) = Session::open(Some(fixture::state("e", 4, flags(3))), &identity(), at(0));
    assert_eq!(ready(&mut session, 4), ["ready", "fetch Now"]);
    assert_eq!(fetched(&mut session, fresh(4)), ["install 4", "applied 4"], "the same revision, otherwise");
}

#[test]
fn a_gap_leads_to_one_fetch() {
    let mut session = settled(4);
    assert_eq!(text(&mut session, &change(6)), ["rejected 6", "fetch Now"]);
    assert!(text(&mut session, &change(7)).is_empty());
    assert!(text(&mut session, &change(9)).is_empty());
    assert!(resync(&mut session, 9).is_empty());
    assert_eq!(fetched(&mut session, fresh(9)), ["install 9", "applied 9"]);
    assert_eq!(text(&mut session, &change(10)), ["install 10", "applied 10"]);
}

#[test]
fn a_refused_change_is_reported_and_fetched_instead() {
    let mut session = settled(4);
    let effects = session.on_text(&broken(5), at(0));
    let [Effect::Send(FromSdk::Rejected { revision: 5, error }), Effect::Fetch(Pace::Now)] = effects.as_slice() else {
        panic!("{effects:?}")
    };
    assert!(error.contains("hashes to"), "{error}");
    assert_eq!(fetched(&mut session, fresh(5)), ["install 5", "applied 5"]);
    assert_eq!(text(&mut session, &change(6)), ["install 6", "applied 6"]);
}

#[test]
fn a_refused_snapshot_is_reported_once_and_fetched_again() {
    let mut session = settled(4);
    let refused = || Fetched::Refused { revision: 5, error: "x".repeat(100_000) };
    assert_eq!(resync(&mut session, 5), ["fetch Now"]);
    let effects = session.on_fetched(refused());
    let [Effect::Send(report), Effect::Fetch(Pace::Later)] = effects.as_slice() else { panic!("{effects:?}") };
    let frame = serde_json::to_string(report).unwrap();
    assert!(frame.len() < bellwether_core::message::FRAME_BYTES, "a report fits into a frame");
    assert_eq!(fetched(&mut session, refused()), ["fetch Later"]);
    assert_eq!(fetched(&mut session, Fetched::Failed), ["fetch Later"]);
    assert_eq!(session.state.as_ref().unwrap().revision(), 4, "what there was stays");
    assert_eq!(fetched(&mut session, fresh(6)), ["install 6", "applied 6"]);
}

#[test]
fn changes_during_a_fetch_are_kept_and_those_that_it_holds_skipped() {
    let (mut session, _) = Session::open(None, &identity(), at(0));
    assert_eq!(ready(&mut session, 4), ["ready", "fetch Now"]);
    for revision in 4..=7 {
        assert!(text(&mut session, &change(revision)).is_empty());
    }
    let expected = ["install 5", "applied 5", "install 6", "applied 6", "install 7", "applied 7"];
    assert_eq!(fetched(&mut session, fresh(5)), expected);
    assert!(text(&mut session, &change(7)).is_empty(), "it is in use already");
}

#[test]
fn a_change_that_follows_is_used_even_while_a_fetch_fails() {
    let mut session = settled(4);
    assert_eq!(resync(&mut session, 4), ["fetch Now"]);
    assert_eq!(fetched(&mut session, Fetched::Failed), ["fetch Later"]);
    assert_eq!(text(&mut session, &change(5)), ["install 5", "applied 5"]);
    assert!(fetched(&mut session, fresh(4)).is_empty(), "revisions of one life never go back");
}

#[test]
fn a_snapshot_that_lags_is_fetched_again_but_not_at_once() {
    let mut session = settled(4);
    assert_eq!(text(&mut session, &change(7)), ["rejected 7", "fetch Now"]);
    assert_eq!(fetched(&mut session, fresh(5)), ["install 5", "applied 5", "fetch Later"]);
    assert_eq!(fetched(&mut session, Fetched::Unchanged), ["fetch Later"]);
    assert_eq!(fetched(&mut session, fresh(6)), ["install 6", "applied 6", "install 7", "applied 7"]);
}

#[test]
fn too_many_changes_during_a_fetch_cost_another_fetch() {
    let mut session = settled(4);
    assert_eq!(resync(&mut session, 5), ["fetch Now"]);
    let last = 6 + HELD_CHANGES as u64;
    for revision in 6..=last {
        assert!(text(&mut session, &change(revision)).is_empty());
    }
    assert!(session.held.changes.len() <= HELD_CHANGES);
    assert_eq!(fetched(&mut session, fresh(5)), ["install 5", "applied 5", "fetch Later"]);
    let final_state = format!("install {last}");
    assert_eq!(fetched(&mut session, fresh(last)).first(), Some(&final_state));
}

#[test]
fn what_can_not_be_read_may_have_been_a_change() {
    let mut session = settled(4);
    assert_eq!(text(&mut session, r#"{"type":"change","from":4}"#), ["fetch Now"]);
    assert!(text(&mut session, "nonsense").is_empty(), "one fetch answers both");
    assert_eq!(fetched(&mut session, fresh(5)), ["install 5", "applied 5"]);
    assert!(text(&mut session, r#"{"type":"news"}"#).is_empty());
}

#[test]
fn a_drain_tells_how_far_to_spread() {
    let mut session = settled(4);
    assert_eq!(text(&mut session, r#"{"type":"drain","retry_after_ms":2500}"#), ["drain 2500"]);
    assert_eq!(text(&mut session, &change(5)), ["install 5", "applied 5"], "until it closes, it goes on");
}
