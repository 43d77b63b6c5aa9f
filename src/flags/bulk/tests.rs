use serde_json::{Value, json};

use super::*;
use crate::flags::definition::TAG_LENGTH;
use crate::input;

fn checked(document: Value) -> Result<Bulk> {
    input::read_then(document, BulkInput::checked)
}

fn faults(document: Value) -> Vec<String> {
    let Err(Error::Invalid(faults)) = checked(document.clone()) else { panic!("{document}") };
    let mut pointers: Vec<_> = faults.into_iter().map(|fault| fault.pointer).collect();
    pointers.sort();
    pointers
}

#[test]
fn each_action_has_its_members() {
    for right in [
        json!({"action": "enable", "flags": ["a"], "environment": "e"}),
        json!({"action": "disable", "flags": ["a", "b"], "environment": "e", "reason": "x"}),
        json!({"action": "tag", "flags": ["a"], "add": ["x"]}),
        json!({"action": "tag", "flags": ["a"], "remove": ["x"], "add": ["y"]}),
        json!({"action": "archive", "flags": ["a"]}),
    ] {
        assert!(checked(right.clone()).is_ok(), "{right}");
    }
    assert_eq!(faults(json!({})), ["/action", "/flags"]);
    assert_eq!(faults(json!({"action": "drop", "flags": ["a"], "x": 1})), ["/action", "/x"]);
    assert_eq!(faults(json!({"action": "enable", "flags": ["a"]})), ["/environment"]);
    assert_eq!(faults(json!({"action": "archive", "flags": ["a"], "environment": "e"})), ["/environment"]);
    assert_eq!(faults(json!({"action": "archive", "flags": ["a"], "add": ["x"]})), ["/add"]);
    assert_eq!(faults(json!({"action": "tag", "flags": ["a"]})), ["/add"]);
}

#[test]
fn every_fault_is_named_by_its_place() {
    let long = "x".repeat(TAG_LENGTH + 1);
    let tag = json!({"action": "tag", "flags": ["a", "b", "a", "a"], "add": ["", &long, "x"], "remove": ["x"]});
    assert_eq!(faults(tag), ["/add/0", "/add/1", "/add/2", "/flags/2", "/flags/3"]);
    let many: Vec<_> = (0..=MOST).map(|n| n.to_string()).collect();
    assert_eq!(faults(json!({"action": "archive", "flags": many})), ["/flags"]);
    assert_eq!(faults(json!({"action": "archive", "flags": [], "reason": "x".repeat(1_001)})), ["/flags", "/reason"]);
    assert_eq!(faults(json!({"action": "archive", "flags": ["a", 3]})), ["/flags/1"]);
}

#[test]
fn tags_keep_their_order() {
    let tags = |tags: &[&str]| tags.iter().map(|tag| (*tag).to_owned()).collect::<Vec<_>>();
    assert_eq!(tagged(&tags(&["a", "b"]), &tags(&["c", "a"]), &tags(&["b"])), tags(&["a", "c"]));
    assert_eq!(tagged(&tags(&["a"]), &[], &tags(&["x"])), tags(&["a"]));
}

#[test]
fn more_than_half_is_a_shrink() {
    let shrinking = [(1, 1), (2, 2), (3, 2), (10, 6), (10, 10)];
    let not = [(0, 0), (5, 0), (2, 1), (3, 1), (10, 5)];
    assert!(shrinking.iter().all(|(used, dropped)| shrinks(*used, *dropped)));
    assert!(!not.iter().any(|(used, dropped)| shrinks(*used, *dropped)));
}
