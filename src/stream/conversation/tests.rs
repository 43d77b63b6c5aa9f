use std::collections::VecDeque;
use std::time::Duration;

use bellwether_core::message::FromServer;
use bellwether_core::{Change, Flag, RawValue, Snapshot, State};
use proptest::prelude::*;
use serde_json::{Value, json};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::TryRecvError;

use super::*;
use crate::flags::{ChangeTimes, Framed, Published};

/// More changes than a subscriber may fall behind.
const MANY: u64 = 300;

fn flag(version: u64) -> Flag {
    let fallthrough = if version.is_multiple_of(2) { "on" } else { "off" };
    let flag = json!({
        "key": "feature.a", "type": "boolean", "version": version, "enabled": true, "off_variation": "off",
        "variations": [{"name": "on", "value": true}, {"name": "off", "value": false}],
        "fallthrough": {"variation": fallthrough},
    });
    serde_json::from_value(flag).unwrap()
}

fn state(revision: u64) -> State {
    State::from_snapshot(Snapshot::new("production", "first", revision, &[flag(revision)], &[]).unwrap()).unwrap()
}

fn environment() -> Arc<LiveEnvironment> {
    Arc::new(LiveEnvironment::new((1, "default".to_owned()), state(1), VecDeque::new(), ChangeTimes::default()))
}

/// Makes the next change.
fn change(environment: &LiveEnvironment) {
    let revision = environment.served().state.revision() + 1;
    let hash = state(revision).hash().to_owned();
    let mut change = Change::new(revision - 1, hash.clone());
    change.flags = vec![RawValue::from_string(serde_json::to_string(&flag(revision)).unwrap()).unwrap()];
    let message = Framed::new(ToSdk::Change(&change).write().unwrap()).unwrap();
    let (segments, versions) = (Vec::new(), Vec::new());
    let (resync, written_in) = (false, Duration::ZERO);
    let published =
        Published { environment: 1, revision, at: None, hash, message, resync, written_in, segments, versions };
    environment.take(Arc::new(published)).unwrap();
}

fn have(state: &State) -> Value {
    json!({"epoch": state.epoch(), "revision": state.revision(), "hash": state.hash()})
}

fn hello(have: &Value) -> String {
    json!({
        "type": "hello", "sdk": "test/1", "instance": "i", "application": "a", "have": have,
        "clock": "2026-01-01T00:00:00Z",
    })
    .to_string()
}

/// One that has said hello with nothing.
fn greeted() -> Conversation {
    let mut conversation = Conversation::new(environment());
    assert_eq!(told(conversation.on(Input::Text(&hello(&Value::Null)))), ["join", "ready 1", "resync 1"]);
    conversation
}

fn told(steps: Vec<Step>) -> Vec<String> {
    steps.iter().map(tell).collect()
}

fn tell(step: &Step) -> String {
    let text = match step {
        Step::Join(_) => return "join".to_owned(),
        Step::Ping => return "ping".to_owned(),
        Step::Applied(revision) => return format!("applied {revision}"),
        Step::Rejected(revision, error) => return format!("rejected {revision}: {error}"),
        Step::End(end) => return format!("{end:?}"),
        Step::Send(Frame::Own(text)) => text.as_str(),
        Step::Send(Frame::Change(published)) => published.message.text(),
    };
    match FromServer::read(text).unwrap() {
        FromServer::Ready(ready) => format!("ready {}", ready.revision),
        FromServer::Resync { revision } => format!("resync {revision}"),
        FromServer::Change(change) => format!("change {}", change.revision),
        FromServer::Drain { retry_after_ms } => format!("drain {retry_after_ms}"),
        FromServer::Unknown => "unknown".to_owned(),
    }
}

#[test]
fn a_hello_comes_first_and_in_time() {
    for text in ["", "{}", r#"{"type":"applied","revision":1}"#, r#"{"type":"hello"}"#] {
        assert_eq!(told(Conversation::new(environment()).on(Input::Text(text))), ["NoHello"], "{text}");
    }
    assert_eq!(told(Conversation::new(environment()).on(Input::Binary)), ["NoHello"]);
    let mut silent = Conversation::new(environment());
    assert!(silent.on(Input::Sign).is_empty());
    assert!(silent.on(Input::Look { good: true }).is_empty());
    assert_eq!(told(silent.on(Input::Look { good: true })), ["NoHello"]);
    assert_eq!(told(Conversation::new(environment()).on(Input::Drain)), ["Away"]);
}

#[test]
fn who_was_away_is_led_on_or_told_to_fetch() {
    let environment = environment();
    let had = state(1);
    (0..3).for_each(|_| change(&environment));
    let greet = |have: Value| told(Conversation::new(environment.clone()).on(Input::Text(&hello(&have))));
    // What was before is not known any more, and neither is a state of another hash or life.
    assert_eq!(greet(have(&had)), ["join", "ready 4", "resync 4"]);
    assert_eq!(greet(have(&state(2))), ["join", "ready 4", "change 3", "change 4"]);
    assert_eq!(greet(have(&state(4))), ["join", "ready 4"]);
    assert_eq!(greet(have(&state(5))), ["join", "ready 4", "resync 4"]);
    let (mut other_hash, mut other_epoch) = (have(&state(2)), have(&state(2)));
    other_hash["hash"] = json!("sha256:00");
    other_epoch["epoch"] = json!("second");
    assert_eq!(greet(other_hash), ["join", "ready 4", "resync 4"]);
    assert_eq!(greet(other_epoch), ["join", "ready 4", "resync 4"]);
}

#[test]
fn changes_before_the_answer_are_in_it() {
    let environment = environment();
    let mut changes = environment.subscribe();
    let mut conversation = Conversation::new(environment.clone());
    change(&environment);
    assert!(conversation.on(Input::Heard(changes.try_recv().map_err(|_| RecvError::Closed))).is_empty());
    change(&environment);
    assert_eq!(told(conversation.on(Input::Text(&hello(&have(&state(2)))))), ["join", "ready 3", "change 3"]);
    let heard = changes.try_recv().map_err(|_| RecvError::Closed);
    assert!(conversation.on(Input::Heard(heard)).is_empty(), "it was told already");
}

#[test]
fn receipts_are_noted_and_what_is_not_known_is_left() {
    let mut conversation = greeted();
    let mut say = |text: &str| told(conversation.on(Input::Text(text)));
    assert_eq!(say(r#"{"type":"applied","revision":1}"#), ["applied 1"]);
    assert_eq!(say(r#"{"type":"rejected","revision":2,"error":"hash"}"#), ["rejected 2: hash"]);
    for text in ["", "{", r#"{"type":"news"}"#, r#"{"type":"applied","revision":-1}"#, &hello(&Value::Null)] {
        assert!(say(text).is_empty(), "{text}");
    }
}

#[test]
fn a_connection_ends_for_a_reason() {
    for (input, end) in [
        (Input::Binary, "Binary"),
        (Input::Unreadable, "Unreadable"),
        (Input::Gone, "Gone"),
        (Input::Look { good: false }, "Revoked"),
    ] {
        assert_eq!(told(greeted().on(input)), [end]);
    }
    assert_eq!(told(greeted().on(Input::Drain)), ["drain 10000", "Away"]);
}

#[test]
fn two_pings_may_go_unanswered() {
    let mut conversation = greeted();
    let look = |conversation: &mut Conversation| {
        let steps = (0..PING_LOOKS).flat_map(|_| conversation.on(Input::Look { good: true }));
        told(steps.collect())
    };
    for sign in [Input::Sign, Input::Text("{}")] {
        assert_eq!(look(&mut conversation), ["ping"]);
        assert_eq!(look(&mut conversation), ["ping"]);
        assert!(conversation.on(sign).is_empty());
    }
    assert_eq!(look(&mut conversation), ["ping"]);
    assert_eq!(look(&mut conversation), ["ping"]);
    assert_eq!(look(&mut conversation), ["Silent"]);
}

/// What the subscription gives now, if anything.
fn heard(changes: &mut Receiver<News>) -> Option<Result<News, RecvError>> {
    match changes.try_recv() {
        Ok(change) => Some(Ok(change)),
        Err(TryRecvError::Lagged(missed)) => Some(Err(RecvError::Lagged(missed))),
        Err(_) => None,
    }
}

#[test]
fn a_queue_that_overflows_becomes_one_resync() {
    let environment = environment();
    let mut changes = environment.subscribe();
    let mut conversation = Conversation::new(environment.clone());
    conversation.on(Input::Text(&hello(&have(&state(1)))));
    (0..MANY).for_each(|_| change(&environment));
    let mut steps = Vec::new();
    while let Some(heard) = heard(&mut changes) {
        steps.extend(conversation.on(Input::Heard(heard)));
    }
    assert_eq!(told(steps), [format!("resync {}", MANY + 1)]);
    change(&environment);
    let next = heard(&mut changes).unwrap();
    assert_eq!(told(conversation.on(Input::Heard(next))), [format!("change {}", MANY + 2)]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever a reader had and however it lags: what it is told leads it, without a gap, to the state at hand.
    #[test]
    fn what_is_told_leads_to_the_state_at_hand(
        before in 0_u64..6,
        had in proptest::option::of(0_u64..8),
        after in proptest::collection::vec(prop_oneof![9 => 1_u64..5, 1 => Just(MANY)], 0..6),
    ) {
        let environment = environment();
        (0..before).for_each(|_| change(&environment));
        let mut changes = environment.subscribe();
        let mut conversation = Conversation::new(environment.clone());
        let mut reader = had.map(|revision| state(revision + 1));
        let greeting = hello(&reader.as_ref().map_or(Value::Null, have));
        let mut steps = conversation.on(Input::Text(&greeting));
        for count in after {
            (0..count).for_each(|_| change(&environment));
            while let Some(heard) = heard(&mut changes) {
                steps.extend(conversation.on(Input::Heard(heard)));
            }
        }
        for step in steps {
            let Step::Send(frame) = step else { continue };
            let text = match &frame {
                Frame::Own(text) => text.as_str(),
                Frame::Change(published) => published.message.text(),
            };
            match FromServer::read(text).unwrap() {
                // The snapshot may be newer than what it was fetched for.
                FromServer::Resync { .. } => reader = Some(state(environment.served().state.revision())),
                FromServer::Change(change) => {
                    let known = reader.as_ref().unwrap();
                    if change.revision > known.revision() {
                        reader = Some(known.apply(change).unwrap());
                    }
                }
                _ => {}
            }
        }
        let served = environment.served();
        let reader = reader.unwrap();
        prop_assert_eq!((reader.revision(), reader.hash()), (served.state.revision(), served.state.hash()));
    }
}
