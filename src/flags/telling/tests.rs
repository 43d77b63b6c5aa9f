use bellwether_core::{Context, Flag, Now, Operator, Segment, Snapshot, State};
use serde_json::{Value, json};

use super::*;

/// The steps for a context, indented, each with how it went.
fn told(flags: &[Value], context: Value) -> String {
    let flags: Vec<Flag> = flags.iter().map(|flag| serde_json::from_value(flag.clone()).unwrap()).collect();
    let beta = json!({"key": "beta", "version": 1, "included": ["vip"], "excluded": ["x"], "rules": [
        {"id": "staff", "clauses": [{"attribute": "mail", "op": "ends_with", "values": ["@example.com"]}]}]});
    let beta: Segment = serde_json::from_value(beta).unwrap();
    let state = State::from_snapshot(Snapshot::new("e", "e", 1, &flags, &[beta]).unwrap()).unwrap();
    let context: Context = serde_json::from_value(context).unwrap();
    let mut lines = String::new();
    write(&steps(&state.explain("a", &context, Now::At(0)).steps), 0, &mut lines);
    lines
}

fn write(told: &[Told], depth: usize, lines: &mut String) {
    for told in told {
        let mark = told.held.map_or('·', |held| if held { '+' } else { '-' });
        lines.push_str(&format!("{}{mark} {}\n", " ".repeat(depth * 2), told.text));
        write(&told.inner, depth + 1, lines);
    }
}

fn flag(key: &str, extra: Value) -> Value {
    let mut flag = json!({
        "key": key, "version": 3, "type": "boolean", "enabled": true, "off_variation": "off",
        "variations": [{"name": "on", "value": true}, {"name": "off", "value": false}],
        "fallthrough": {"variation": "off"},
    });
    flag.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    flag
}

#[test]
fn each_step_is_a_sentence() {
    let a = flag(
        "a",
        json!({
            "prerequisites": [{"flag": "b", "variations": ["on", "off"]}],
            "targets": [{"variation": "on", "keys": ["vip"]}],
            "rules": [
                {"id": "r1", "clauses": [{"attribute": "country", "op": "in", "values": ["NO", "SE"]}],
                    "serve": {"variation": "on"}},
                {"id": "r2", "description": "friends", "clauses": [{"any": [
                    {"attribute": "age", "op": "lt", "values": [3], "negate": true},
                    {"attribute": "targetingKey", "op": "in_segment", "values": ["gone", "beta"]},
                ]}], "serve": {"split": {"salt": "s", "ranges": [[100_000, "on"]]}}},
            ],
        }),
    );
    let b = flag("b", json!({"enabled": false}));
    let bucket = bellwether_core::bucket::bucket("s", "u");
    let lines = told(&[a.clone(), b.clone()], json!({"targetingKey": "u", "age": "old", "mail": "u@example.com"}));
    assert_eq!(
        lines,
        format!(
            "+ The flag is on
+ Flag b serves off; it has to serve one of on, off
  - The flag is off: its kill switch was turned
  · So it serves its off variation: off
- u is no individual target
- Rule r1 does not match
  - country is one of NO, SE: the context has none
+ Rule r2 (friends) matches
  + Any of these has to hold
    - not: age is less than 3: it is old, which this does not compare
    + targetingKey is in segment gone, beta: it is u
      - There is no segment gone
      + u is in segment beta by a rule
        + Rule staff matches
          + mail ends with @example.com: it is u@example.com
· In the split of rule r2 u is in bucket {bucket} of 100000; those from 0 up to 100000 serve on
"
        )
    );
    let lines = told(&[a.clone(), b.clone()], json!({"targetingKey": "vip"}));
    assert!(lines.ends_with("+ vip is an individual target for on\n· So it serves on\n"), "{lines}");
    let lines = told(std::slice::from_ref(&a), json!({}));
    assert!(lines.contains("- There is no flag b, which has to serve one of on, off\n"), "{lines}");
    let lines = told(&[a, b], json!({"age": 7}));
    assert!(lines.contains("- The context has no targeting key, so it is no individual target\n"), "{lines}");
    assert!(
        lines.ends_with(
            "- The split of rule r2 is by targetingKey, of which the context has none that can be bucketed\n"
        )
    );
}

#[test]
fn a_layer_has_words() {
    let words = |step: Value| steps(&[step]).pop().unwrap();
    let told = words(json!({"step": "layer", "inside": null, "bucket_by": "company", "key": null}));
    assert_eq!(told.text, "The layer is shared out by company, of which the context has none that can be bucketed");
    assert_eq!(told.held, Some(false));
    let told = words(json!({"step": "layer", "inside": false, "key": "u", "salt": "s", "bucket": 7}));
    assert_eq!(told.text, "u is in bucket 7 of the layer, which is not the release's");
}

#[test]
fn every_operator_has_words() {
    for op in Operator::ALL {
        let told = json!({"attribute": "x", "op": op.name(), "values": [1, 2, 3], "found": 1, "outcome": "matched"});
        let said = clause(&told);
        assert!(!said.contains('_'), "{said}");
    }
    let values: Vec<_> = (0..9).collect();
    let many = json!({"attribute": "x", "op": "in", "values": values, "found": "å".repeat(100), "outcome": "matched"});
    let said = clause(&many);
    assert!(said.starts_with("x is one of 0, 1, 2, 3, 4, 5 and 3 more: it is å"), "{said}");
    assert!(said.ends_with("å…"), "{said}");
}
