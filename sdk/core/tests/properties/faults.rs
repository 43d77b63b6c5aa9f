//! Faults point at what is wrong.

use bellwether_core::{CompiledFlag, Fault, SegmentEntry, Value};
use proptest::prelude::*;
use serde::Serialize;

use crate::any;

/// Whether a pointer leads to a member of the document, or to one that is missing in an object that is there.
fn resolves(document: &Value, pointer: &str) -> bool {
    let parent = pointer.rsplit_once('/').and_then(|(parent, _)| document.pointer(parent));
    document.pointer(pointer).is_some() || parent.is_some_and(Value::is_object)
}

fn check(object: &impl Serialize, faults: &[Fault]) -> Result<(), TestCaseError> {
    let document = serde_json::to_value(object).unwrap();
    prop_assert!(!faults.is_empty());
    for fault in faults {
        prop_assert!(resolves(&document, &fault.pointer), "{} in {}", fault, document);
        prop_assert!(!fault.message.is_empty() && !fault.message.ends_with('.') && !fault.message.contains('\n'));
    }
    Ok(())
}

proptest! {
    #[test]
    fn of_flags(flag in any::flag()) {
        if let Err(faults) = CompiledFlag::compile(flag.clone()) {
            check(&flag, &faults)?;
        }
    }

    #[test]
    fn of_flags_with_a_member_replaced(flag in any::flag(), at in any::<prop::sample::Index>(), other in any::value()) {
        let mut document = serde_json::to_value(&flag).unwrap();
        let mut pointers = vec![];
        walk(&document, String::new(), &mut pointers);
        let pointer = at.get(&pointers);
        *document.pointer_mut(pointer).unwrap() = other;
        let Ok(flag) = serde_json::from_value::<bellwether_core::Flag>(document) else { return Ok(()) };
        if let Err(faults) = CompiledFlag::compile(flag.clone()) {
            check(&flag, &faults)?;
        }
    }

    #[test]
    fn of_segments(segment in any::segment()) {
        if let Err(faults) = SegmentEntry::of(segment.clone()) {
            check(&segment, &faults)?;
        }
    }
}

/// The pointers to all that is in a document.
fn walk(value: &Value, at: String, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                let name = name.replace('~', "~0").replace('/', "~1");
                walk(value, format!("{at}/{name}"), found);
            }
        }
        Value::Array(elements) => {
            for (index, value) in elements.iter().enumerate() {
                walk(value, format!("{at}/{index}"), found);
            }
        }
        _ => {}
    }
    found.push(at);
}
