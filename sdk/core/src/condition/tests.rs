use serde_json::{Value, json};

use crate::{CompiledFlag, Context, Flag, Now, Snapshot, State, limits};

/// 2026-11-21T10:00:00Z.
const NOW: Now = Now::At(1_795_255_200_000);

fn flag(clauses: Value) -> Flag {
    serde_json::from_value(json!({
        "key": "a", "version": 1, "type": "boolean", "enabled": true, "off_variation": "off",
        "variations": [{"name": "on", "value": true}, {"name": "off", "value": false}],
        "rules": [{"id": "r", "clauses": clauses, "serve": {"variation": "on"}}],
        "fallthrough": {"variation": "off"},
    }))
    .unwrap()
}

fn matches(clause: Value, context: Value) -> bool {
    let state = State::from_snapshot(Snapshot::new("e", "e", 1, &[flag(json!([clause]))], &[]).unwrap()).unwrap();
    let context: Context = serde_json::from_value(context).unwrap();
    state.evaluate("a", &context, NOW).unwrap().value == &json!(true)
}

fn faults(clauses: Value) -> Vec<String> {
    match CompiledFlag::compile(flag(clauses)) {
        Ok(_) => Vec::new(),
        Err(faults) => faults.into_iter().map(|fault| fault.pointer).collect(),
    }
}

/// Clause, attribute, whether it matches, whether its negation does.
type Case = (&'static str, Value, Value, bool, bool);

fn check(cases: Vec<Case>) {
    for (op, values, attribute, expected, negated) in cases {
        let clause = |negate: bool| json!({"attribute": "a", "op": op, "values": values, "negate": negate});
        let context = json!({"a": attribute});
        assert_eq!(matches(clause(false), context.clone()), expected, "{op} {values} on {attribute}");
        assert_eq!(matches(clause(true), context), negated, "not {op} {values} on {attribute}");
    }
}

#[test]
fn text() {
    check(vec![
        ("in", json!(["NO", "SE"]), json!("SE"), true, false),
        ("in", json!(["NO", "SE"]), json!("se"), false, true),
        ("in", json!([42]), json!(42.0), true, false),
        ("in", json!([-0.0]), json!(0), true, false),
        ("in", json!(["42"]), json!(42), false, true),
        ("in", json!([true]), json!(true), true, false),
        ("in", json!([true, 1, "x"]), json!("x"), true, false),
        ("in", json!(["b"]), json!(["a", "b"]), true, false),
        ("in", json!(["b"]), json!([]), false, true),
        ("in", json!(["b"]), json!({"b": 1}), false, false),
        ("in", json!(["b"]), json!([{"b": 1}, null]), false, false),
        ("starts_with", json!(["x-", "y-"]), json!("y-1"), true, false),
        ("starts_with", json!([""]), json!("anything"), true, false),
        ("ends_with", json!(["@example.com"]), json!("a@example.com"), true, false),
        ("ends_with", json!(["@example.com"]), json!("a@example.com."), false, true),
        ("contains", json!(["@example."]), json!("a@example.com"), true, false),
        ("contains", json!(["b"]), json!(["abc", 3]), true, false),
        ("contains", json!(["3"]), json!(3), false, false),
        ("matches", json!(["^a+$", "z"]), json!("aaa"), true, false),
        ("matches", json!(["b"]), json!("abc"), true, false),
        ("matches", json!(["^é$"]), json!("é"), true, false),
        ("matches", json!(["1"]), json!(1), false, false),
    ]);
}

#[test]
fn numbers() {
    check(vec![
        ("eq", json!([1, 2]), json!(2.0), true, false),
        ("eq", json!([1]), json!("1"), false, false),
        ("eq", json!([1]), json!(true), false, false),
        ("lt", json!([10]), json!(9.99), true, false),
        ("lt", json!([10]), json!(10), false, true),
        ("lt", json!([5, 10]), json!(7), true, false),
        ("lte", json!([10]), json!(10), true, false),
        ("gt", json!([10]), json!(10), false, true),
        ("gt", json!([20, 10]), json!(15), true, false),
        ("gte", json!([10]), json!([3, 11]), true, false),
        ("gt", json!([0]), json!(u64::MAX), true, false),
        ("lt", json!([0]), json!(-1e300), true, false),
        ("between", json!([1, 3]), json!(1), true, false),
        ("between", json!([1, 3]), json!(3.0), true, false),
        ("between", json!([1, 3]), json!(3.1), false, true),
        ("modulo", json!([10, 3]), json!(13), true, false),
        ("modulo", json!([10, 3]), json!(-7), true, false),
        ("modulo", json!([10, 3]), json!(13.5), false, false),
        ("modulo", json!([2, 0]), json!(1e300), false, false),
    ]);
}

#[test]
fn times() {
    check(vec![
        ("before", json!(["2026-11-21T10:00:00Z"]), json!("2026-11-21T10:59:59+01:00"), true, false),
        ("before", json!(["2026-11-21T10:00:00Z"]), json!(1_795_255_200_000_i64), false, true),
        ("after", json!([1_795_255_200_000_i64]), json!("2026-11-21T10:00:00.001Z"), true, false),
        ("after", json!(["2026-11-21T10:00:00Z"]), json!("tomorrow"), false, false),
        (
            "date_between",
            json!(["2026-11-01T00:00:00Z", "2026-11-30T00:00:00Z"]),
            json!("2026-11-30T00:00:00Z"),
            true,
            false,
        ),
        (
            "date_between",
            json!(["2026-11-01T00:00:00Z", "2026-11-30T00:00:00Z"]),
            json!("2026-12-01T00:00:00Z"),
            false,
            true,
        ),
        ("within_last", json!(["36h"]), json!("2026-11-19T22:00:00Z"), true, false),
        ("within_last", json!(["36h"]), json!("2026-11-19T21:59:59Z"), false, true),
        ("within_last", json!(["36h"]), json!("2026-11-21T10:00:01Z"), false, true),
    ]);
}

#[test]
fn versions() {
    check(vec![
        ("semver_eq", json!(["1.2.0", "3"]), json!("v1.2"), true, false),
        ("semver_eq", json!(["1.2.0"]), json!("1.2.0+build"), true, false),
        ("semver_lt", json!(["2.0.0"]), json!("2.0.0-rc.1"), true, false),
        ("semver_lt", json!(["1", "2"]), json!("1.5"), true, false),
        ("semver_lte", json!(["2"]), json!("2.0.0"), true, false),
        ("semver_gt", json!(["3", "1.9"]), json!("1.10"), true, false),
        ("semver_gte", json!(["1.10"]), json!("1.9"), false, true),
        ("semver_range", json!(["^1.2"]), json!("1.9.1"), true, false),
        ("semver_range", json!([">=1 <3", "5"]), json!("3"), false, true),
        ("semver_eq", json!(["1"]), json!(1), false, false),
        ("semver_eq", json!(["1"]), json!("one"), false, false),
    ]);
}

#[test]
fn lists() {
    check(vec![
        ("any_of", json!(["a", 1]), json!([1.0, "z"]), true, false),
        ("any_of", json!(["a"]), json!("a"), false, false),
        ("any_of", json!(["a"]), json!([]), false, true),
        ("all_of", json!(["a", "b"]), json!(["b", "x", "a"]), true, false),
        ("all_of", json!(["a", "b", true]), json!(["b", "a"]), false, true),
        ("none_of", json!(["a"]), json!(["b", null, {}]), true, false),
        ("none_of", json!(["a"]), json!([]), true, false),
        ("none_of", json!(["a"]), json!(["a"]), false, true),
        ("size", json!([1, 2]), json!(["a", "b"]), true, false),
        ("size", json!([1, 2]), json!([]), false, true),
        ("size", json!([0, 0]), json!("a"), false, false),
    ]);
}

#[test]
fn long_lists_are_looked_through_once() {
    let values: Vec<_> = (0..limits::LIST_ELEMENTS / 2).map(|i| i.to_string()).collect();
    let mut elements = vec![json!("another"); values.len()];
    elements.extend(values.iter().rev().map(|value| json!(value)));
    let clause = |values: &[String]| json!({"attribute": "a", "op": "all_of", "values": values});
    assert!(matches(clause(&values), json!({"a": elements})));
    elements.pop();
    assert!(!matches(clause(&values), json!({"a": elements})));
}

#[test]
fn what_is_too_long_is_not_compared() {
    let clause = |op: &str, values: Value, negate: bool| {
        let all = json!({"attribute": "a", "op": op, "values": values, "negate": negate});
        move |a: Value| matches(all.clone(), json!({"a": a}))
    };
    let text = |length: usize| json!("x".repeat(length));
    let list = |elements: usize| json!(vec![1; elements]);
    let (longest, most) = (limits::COMPARED_BYTES, limits::LIST_ELEMENTS);
    for op in ["in", "starts_with", "ends_with", "contains", "matches"] {
        let values = if op == "in" { text(longest) } else { json!("x") };
        let [plain, negated] = [false, true].map(|negate| clause(op, json!([values]), negate));
        assert!(plain(text(longest)) && !negated(text(longest)), "{op}");
        assert!(!plain(text(longest + 1)) && !negated(text(longest + 1)), "{op}");
        assert!(!plain(json!([text(longest), "x"])) && !negated(json!([text(longest), "x"])), "{op}");
    }
    for op in ["in", "eq", "any_of", "all_of"] {
        let [plain, negated] = [false, true].map(|negate| clause(op, json!([1]), negate));
        assert!(plain(list(most)) && !negated(list(most)), "{op}");
        assert!(!plain(list(most + 1)) && !negated(list(most + 1)), "{op}");
    }
    let texts = |elements: usize| json!(vec!["1.2.3"; elements]);
    for (op, value) in [("starts_with", "1"), ("contains", "2"), ("semver_eq", "1.2.3"), ("matches", "^1")] {
        let clause = clause(op, json!([value]), false);
        assert!(clause(texts(limits::READ_ELEMENTS)) && !clause(texts(limits::READ_ELEMENTS + 1)), "{op}");
    }
    assert!(clause("exists", json!([]), false)(list(most + 1)));
    assert!(clause("size", json!([most + 1, most + 1]), false)(list(most + 1)));
}

#[test]
fn regular_expressions_are_counted_over_all_rules() {
    let clause = |count: usize| json!({"attribute": "a", "op": "matches", "values": vec!["x"; count]});
    let group = |count: usize| json!({"any": [clause(1), {"none": [clause(count - 1)]}]});
    assert_eq!(faults(json!([group(limits::REGEXES)])), [""; 0]);
    assert_eq!(faults(json!([clause(1), group(limits::REGEXES)])), ["/rules"]);
}

#[test]
fn addresses_and_buckets() {
    check(vec![
        ("ip_in", json!(["10.0.0.0/8"]), json!("10.255.0.1"), true, false),
        ("ip_in", json!(["10.1.2.3/8"]), json!("10.255.0.1"), true, false),
        ("ip_in", json!(["10.0.0.0/8"]), json!("::ffff:10.0.0.1"), true, false),
        ("ip_in", json!(["2001:db8::/32", "10.0.0.1"]), json!("2001:db8::1"), true, false),
        ("ip_in", json!(["10.0.0.1"]), json!("10.0.0.2"), false, true),
        ("ip_in", json!(["0.0.0.0/0"]), json!("::1"), false, true),
        ("ip_in", json!(["10.0.0.0/8"]), json!("10.0.0"), false, false),
        ("percent", json!(["s", 0, 100_000]), json!("anyone"), true, false),
        ("percent", json!(["s", 0, 0]), json!("anyone"), false, true),
        ("percent", json!(["s", 0, 100_000]), json!(1.5), false, false),
    ]);
    let bucket = i64::from(crate::bucket::bucket("s", "u"));
    check(vec![
        ("percent", json!(["s", bucket, bucket + 1]), json!("u"), true, false),
        ("percent", json!(["s", 0, bucket]), json!("u"), false, true),
    ]);
}

#[test]
fn case_may_be_ignored() {
    for (op, value, attribute) in [
        ("in", "ÆRLIG", "ærlig"),
        ("starts_with", "ær", "ÆRLIG"),
        ("ends_with", "LIG", "ærlig"),
        ("contains", "RLI", "ærlig"),
        ("matches", "^æ.*G$", "ÆRLIg"),
        ("any_of", "X", "x"),
        ("all_of", "X", "x"),
    ] {
        let attribute = if op.ends_with("_of") { json!([attribute]) } else { json!(attribute) };
        let clause = |fold: bool| json!({"attribute": "a", "op": op, "values": [value], "ignore_case": fold});
        assert!(matches(clause(true), json!({"a": attribute})), "{op}");
        assert!(!matches(clause(false), json!({"a": attribute})), "{op}");
    }
}

#[test]
fn absence_never_matches_but_for_exists() {
    for context in [json!({}), json!({"a": null})] {
        for negate in [false, true] {
            let clause = json!({"attribute": "a", "op": "in", "values": ["x"], "negate": negate});
            assert!(!matches(clause, context.clone()));
            let exists = json!({"attribute": "a", "op": "exists", "negate": negate});
            assert_eq!(matches(exists, context.clone()), negate);
        }
    }
}

#[test]
fn groups() {
    let is = |value: &str| json!({"attribute": "a", "op": "in", "values": [value]});
    let holds = |condition: Value| matches(condition, json!({"a": ["x", "y"]}));
    assert!(holds(json!({"all": [is("x"), is("y")]})) && !holds(json!({"all": [is("x"), is("z")]})));
    assert!(holds(json!({"any": [is("z"), is("y")]})) && !holds(json!({"any": [is("z")]})));
    assert!(holds(json!({"none": [is("z")]})) && !holds(json!({"none": [is("z"), is("y")]})));
    assert!(holds(json!({"none": [{"all": [is("x"), {"none": [is("y")]}]}]})));
}

#[test]
fn groups_are_nested_to_a_depth_of_eight() {
    let nested =
        |depth: usize| (0..depth).fold(json!({"attribute": "a", "op": "exists"}), |inner, _| json!({"all": [inner]}));
    assert_eq!(faults(json!([nested(limits::CLAUSE_DEPTH)])), [""; 0]);
    let pointer = format!("/rules/0/clauses/0{}", "/all/0".repeat(limits::CLAUSE_DEPTH) + "/all");
    assert_eq!(faults(json!([nested(limits::CLAUSE_DEPTH + 1)])), [pointer]);
    assert_eq!(faults(json!([{"any": []}])), ["/rules/0/clauses/0/any"]);
}

#[test]
fn values_of_the_wrong_type_are_faults() {
    for (op, values) in [
        ("in", json!([null])),
        ("in", json!([{"a": 1}])),
        ("starts_with", json!([1])),
        ("matches", json!(["("])),
        ("matches", json!(["(\\w{500}){500}"])),
        ("matches", json!(["a".repeat(limits::REGEX_LENGTH + 1)])),
        ("lt", json!(["1"])),
        ("between", json!(["a", 1])),
        ("modulo", json!([1.5, 0])),
        ("before", json!(["yesterday"])),
        ("date_between", json!([true, 1])),
        ("within_last", json!(["36"])),
        ("semver_eq", json!(["x"])),
        ("semver_range", json!(["x.y"])),
        ("any_of", json!([[]])),
        ("size", json!([-1, 2])),
        ("ip_in", json!(["10.0.0.0/33"])),
        ("in_segment", json!(["a/b"])),
    ] {
        let clause = json!({"attribute": "a", "op": op, "values": values});
        assert_eq!(faults(json!([clause]))[0], "/rules/0/clauses/0/values/0", "{op} {values}");
    }
    for (op, values) in [
        ("exists", json!([1])),
        ("in", json!([])),
        ("between", json!([3, 1])),
        ("between", json!([1])),
        ("modulo", json!([0, 0])),
        ("modulo", json!([3, 3])),
        ("within_last", json!(["1h", "2h"])),
        ("size", json!([1, 2, 3])),
        ("percent", json!(["s", 0])),
        ("percent", json!(["s", 5, 4])),
    ] {
        let clause = json!({"attribute": "a", "op": op, "values": values});
        assert_eq!(faults(json!([clause])), ["/rules/0/clauses/0/values"], "{op} {values}");
    }
    let at = |rest: &str| format!("/rules/0/clauses/0/{rest}");
    let percent = |values: Value| faults(json!([{"attribute": "a", "op": "percent", "values": values}]));
    assert_eq!(percent(json!(["", -1, 100_001])), [at("values/0"), at("values/1"), at("values/2")]);
    assert_eq!(percent(json!(["s".repeat(65), 0.5, "5"])), [at("values/0"), at("values/1"), at("values/2")]);
    assert_eq!(percent(json!(["s".repeat(64), 0, 100_000])), [""; 0]);
    for (name, fine) in [("/a~0b~1c", true), ("a~", true), ("/a~", false), ("/a~2", false), ("/~~0", false)] {
        let clause = json!({"attribute": name, "op": "exists"});
        assert_eq!(faults(json!([clause])).is_empty(), fine, "{name}");
    }
    let wrong = json!([{"attribute": "", "op": "lt", "values": ["5", 1, true]}]);
    assert_eq!(faults(wrong), [at("attribute"), at("values/0"), at("values/2")]);
}
