//! The flags that evaluation is measured on, and that a test counts allocations on.

use bellwether_core::{Context, Flag, Segment, Snapshot, State};
use serde_json::{Value, json};

/// Whom every flag is evaluated for.
pub(crate) const USER: &str = "user-04711";

/// A flag, and what it has to serve to [`context`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    /// As the report calls it.
    pub(crate) title: &'static str,
    /// The flag's key.
    pub(crate) key: &'static str,
    /// The variation; none where it hangs on a hash.
    pub(crate) serves: Option<&'static str>,
}

const fn row(title: &'static str, key: &'static str, serves: &'static str) -> Row {
    Row { title, key, serves: Some(serves) }
}

/// What is measured.
pub(crate) const ROWS: [Row; 18] = [
    row("(a) boolean, no rules", "plain", "on"),
    Row { title: "(b) 25 % rollout", key: "rollout", serves: None },
    row("(c) the last of 10 rules, first clauses fail", "rules-first", "on"),
    row("(c) the last of 10 rules, second clauses fail", "rules-second", "on"),
    row("(d) 10,000 targets, hit", "target-hit", "on"),
    row("(d) 10,000 targets, miss", "target-miss", "off"),
    Row { title: "(e) three weighted variations", key: "weighted", serves: None },
    row("integer, no rules", "integer", "many"),
    row("float, no rules", "float", "half"),
    row("disabled", "disabled", "off"),
    row("segment, hit", "segment-hit", "on"),
    row("segment, miss", "segment-miss", "off"),
    row("nested clauses", "nested", "on"),
    row("regular expression", "regex", "on"),
    row("semantic version", "semver", "on"),
    row("network", "network", "on"),
    row("two prerequisites", "prerequisites", "on"),
    row("case ignored", "case", "on"),
];

/// The one context: a user and eight attributes.
pub(crate) fn context() -> Context {
    Context::new(USER)
        .set("country", "NO")
        .set("plan", "pro")
        .set("email", "somebody@example.com")
        .set("language", "nb")
        .set("device", "phone")
        .set("version", "4.2.1")
        .set("address", "10.20.30.40")
        .set("role", "editor")
}

/// Every flag of [`ROWS`], and a segment of so many keys.
///
/// # Errors
/// When one of them is none.
pub(crate) fn state(segment_keys: usize) -> Result<State, Box<dyn std::error::Error>> {
    let flags = flags().into_iter().map(serde_json::from_value).collect::<Result<Vec<Flag>, _>>()?;
    let segments = [segment("hit", segment_keys, Some(USER))?, segment("miss", segment_keys, None)?];
    Ok(State::from_snapshot(Snapshot::new("production", "bench", 1, &flags, &segments)?)?)
}

/// A segment of so many keys, the last of them `also`.
///
/// # Errors
/// Never: it is well-formed.
pub(crate) fn segment(key: &str, count: usize, also: Option<&str>) -> Result<Segment, serde_json::Error> {
    // In the order of their bytes: `cust-…` is before `user-…`.
    let others = count - usize::from(also.is_some());
    let mut keys: Vec<String> = (0..others).map(|number| format!("cust-{number:08}")).collect();
    keys.extend(also.map(str::to_owned));
    let included = serde_json::to_string(&keys)?;
    serde_json::from_str(&format!(r#"{{"key":"{key}","version":1,"included":{included}}}"#))
}

fn flag(key: &str, more: Value) -> Value {
    let mut flag = json!({
        "key": key, "version": 1, "type": "boolean", "enabled": true, "off_variation": "off",
        "variations": [{"name": "on", "value": true}, {"name": "off", "value": false}],
        "fallthrough": {"variation": "off"},
    });
    if let (Value::Object(flag), Value::Object(more)) = (&mut flag, more) {
        flag.extend(more);
    }
    flag
}

fn flags() -> Vec<Value> {
    let on = json!({"variation": "on"});
    let split = |ranges: Value| json!({"split": {"salt": "bench", "ranges": ranges}});
    let ruled = |key: &str, clauses: Value| flag(key, json!({"rules": [{"id": "r", "clauses": clauses, "serve": on}]}));
    let requires = |flag: &str| json!({"flag": flag, "variations": ["on"]});
    let clause = |attribute: &str, op: &str, values: Value| json!({"attribute": attribute, "op": op, "values": values});
    let named = ["red", "green", "blue"].map(|name| json!({"name": name, "value": name}));
    vec![
        flag("plain", json!({"fallthrough": on})),
        flag("rollout", json!({"fallthrough": split(json!([[25_000, "on"], [100_000, "off"]]))})),
        flag("rules-first", json!({"rules": rules(false)})),
        flag("rules-second", json!({"rules": rules(true)})),
        flag("target-hit", json!({"targets": [{"variation": "on", "keys": targets(Some(USER))}]})),
        flag("target-miss", json!({"targets": [{"variation": "on", "keys": targets(None)}]})),
        flag(
            "weighted",
            json!({
                "type": "string", "off_variation": "red",
                "variations": named,
                "fallthrough": split(json!([[50_000, "red"], [80_000, "green"], [100_000, "blue"]])),
            }),
        ),
        flag("integer", valued("integer", "many", json!(42))),
        flag("float", valued("float", "half", json!(0.5))),
        flag("disabled", json!({"enabled": false, "fallthrough": on})),
        ruled("segment-hit", json!([clause("targetingKey", "in_segment", json!(["hit"]))])),
        ruled("segment-miss", json!([clause("targetingKey", "in_segment", json!(["miss"]))])),
        ruled(
            "nested",
            json!([{"any": [
                {"all": [clause("country", "in", json!(["SE"])), clause("plan", "in", json!(["pro"]))]},
                {"none": [clause("device", "in", json!(["tv", "watch"])), clause("role", "in", json!(["guest"]))]},
            ]}]),
        ),
        ruled("regex", json!([clause("email", "matches", json!([r"^[a-z.]+@example\.(com|org)$"]))])),
        ruled("semver", json!([clause("version", "semver_range", json!([">=4.1 <5"]))])),
        ruled("network", json!([clause("address", "ip_in", json!(["192.168.0.0/16", "10.0.0.0/8", "fd00::/8"]))])),
        flag("prerequisites", json!({"fallthrough": on, "prerequisites": [requires("plain"), requires("nested")]})),
        ruled("case", json!([{"attribute": "country", "op": "in", "values": ["no"], "ignore_case": true}])),
    ]
}

fn valued(kind: &str, name: &str, value: Value) -> Value {
    json!({
        "type": kind, "off_variation": name, "variations": [{"name": name, "value": value}],
        "fallthrough": {"variation": name},
    })
}

fn targets(also: Option<&str>) -> Vec<String> {
    let targets = (0..9_999).map(|number| format!("cust-{number:05}"));
    targets.chain([also.unwrap_or("cust-99999").to_owned()]).collect()
}

/// Ten rules of two clauses with three values each; the last one matches, the others fail by their second clause or
/// by their first.
fn rules(by_second: bool) -> Vec<Value> {
    const ATTRIBUTES: [(&str, &str); 8] = [
        ("country", "NO"),
        ("plan", "pro"),
        ("email", "somebody@example.com"),
        ("language", "nb"),
        ("device", "phone"),
        ("version", "4.2.1"),
        ("address", "10.20.30.40"),
        ("role", "editor"),
    ];
    let clause = |number: usize, rule: usize, matches: bool| {
        let (attribute, value) = ATTRIBUTES.get(number % ATTRIBUTES.len()).copied().unwrap_or_default();
        let other = |value: usize| format!("{attribute}-{rule}-{value}");
        let middle = if matches { value.to_owned() } else { other(1) };
        json!({"attribute": attribute, "op": "in", "values": [other(0), middle, other(2)]})
    };
    let rule = |rule: usize| {
        let last = rule == 9;
        let clauses = [clause(rule, rule, last || by_second), clause(rule + 3, rule, last)];
        json!({"id": format!("rule-{rule}"), "clauses": clauses, "serve": {"variation": "on"}})
    };
    (0..10).map(rule).collect()
}
