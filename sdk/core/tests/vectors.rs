//! The files in `vectors/`, which every SDK answers alike: read, evaluated and explained.
#![expect(clippy::unwrap_used, reason = "a test that panics has failed, which is what it is for")]

use std::collections::BTreeSet;

use bellwether_core::allocation::{self, Move};
use bellwether_core::{
    Context, ErrorCode, Evaluation, Flag, Now, Operator, Reason, Segment, Snapshot, State, Value, ValueType, bucket,
};
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// Every file of vectors there is.
const FILES: [(&str, &str); 8] = [
    ("allocation", include_str!("../vectors/allocation.json")),
    ("bucketing", include_str!("../vectors/bucketing.json")),
    ("operators", include_str!("../vectors/operators.json")),
    ("prerequisites", include_str!("../vectors/prerequisites.json")),
    ("reasons", include_str!("../vectors/reasons.json")),
    ("segments", include_str!("../vectors/segments.json")),
    ("splits", include_str!("../vectors/splits.json")),
    ("targets", include_str!("../vectors/targets.json")),
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Suite {
    name: String,
    now: i64,
    flags: Vec<Value>,
    segments: Vec<Value>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    description: String,
    flag: String,
    /// The type that the caller asks for.
    #[serde(rename = "type")]
    value_type: Option<ValueType>,
    context: Value,
    expect: Expected,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(untagged)]
enum Expected {
    Error(Failed),
    Value(Served),
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Failed {
    error_code: ErrorCode,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Served {
    value: Value,
    variation: String,
    reason: Reason,
    version: u64,
    rule: Option<String>,
    arm: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Allocations {
    name: String,
    cases: Vec<Allocation>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Allocation {
    description: String,
    old: Option<Vec<allocation::Range>>,
    weights: Vec<allocation::Weight>,
    ranges: Vec<allocation::Range>,
    moves: Vec<Moved>,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Moved {
    from: String,
    to: String,
    buckets: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Bucketing {
    salt: String,
    key: String,
    hash: String,
    bucket: u32,
}

fn read<T: DeserializeOwned>(name: &str) -> T {
    let (_, text) = FILES.into_iter().find(|(file, _)| *file == name).unwrap();
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Reads objects and checks that nothing in them is unknown: a hash rule that is named need not be.
fn objects<T: DeserializeOwned + serde::Serialize>(all: &[Value]) -> Vec<T> {
    let one = |json: &Value| {
        let object: T = serde_json::from_value(json.clone()).unwrap_or_else(|error| panic!("{json}: {error}"));
        let mut unknown = Vec::new();
        compare(json, &serde_json::to_value(&object).unwrap(), "", &mut unknown);
        unknown.retain(|pointer| !pointer.ends_with("/split/hash"));
        assert_eq!(unknown, [""; 0], "members of {json}");
        object
    };
    all.iter().map(one).collect()
}

/// Pointers to what `given` has and `known` has not.
fn compare(given: &Value, known: &Value, at: &str, unknown: &mut Vec<String>) {
    match (given, known) {
        (Value::Object(given), Value::Object(known)) => {
            for (name, value) in given {
                let at = format!("{at}/{name}");
                match known.get(name) {
                    None => unknown.push(at),
                    Some(known) => compare(value, known, &at, unknown),
                }
            }
        }
        (Value::Array(given), Value::Array(known)) if given.len() == known.len() => {
            for (index, (value, known)) in given.iter().zip(known).enumerate() {
                compare(value, known, &format!("{at}/{index}"), unknown);
            }
        }
        (given, known) if given == known => {}
        _ => unknown.push(at.to_owned()),
    }
}

impl From<Result<Evaluation<'_>, ErrorCode>> for Expected {
    fn from(answer: Result<Evaluation<'_>, ErrorCode>) -> Self {
        match answer {
            Err(error_code) => Self::Error(Failed { error_code }),
            Ok(evaluation) => Self::Value(Served {
                value: evaluation.value.clone(),
                variation: evaluation.variation.to_owned(),
                reason: evaluation.reason,
                version: evaluation.version,
                rule: evaluation.rule.map(str::to_owned),
                arm: evaluation.assignment.map(|assignment| assignment.arm.to_owned()),
            }),
        }
    }
}

/// What an SDK answers: before the core is asked, the flag's type and the form of the context are looked at.
fn answer(state: &State, case: &Case, now: Now) -> Expected {
    let error = |error_code| Expected::Error(Failed { error_code });
    let Ok(context) = serde_json::from_value::<Context>(case.context.clone()) else {
        return error(ErrorCode::InvalidContext);
    };
    let found = state.flag(&case.flag).map(|entry| entry.flag().value_type());
    if let (Some(asked), Some(found)) = (case.value_type, found)
        && asked != found
    {
        return error(ErrorCode::TypeMismatch);
    }
    let served = Expected::from(state.evaluate(&case.flag, &context, now));
    assert_eq!(explained(state, case, &context, now), served, "explained: {}", case.description);
    served
}

fn explained(state: &State, case: &Case, context: &Context, now: Now) -> Expected {
    let told = state.explain(&case.flag, context, now);
    assert_eq!((&told.flag, told.revision), (&case.flag, state.revision()));
    let (Some(value), Some(variation), Some(version)) = (told.value, told.variation, told.version) else {
        assert_eq!(told.reason, Reason::Error);
        return Expected::Error(Failed { error_code: told.error_code.unwrap() });
    };
    Expected::Value(Served { value, variation, version, reason: told.reason, rule: told.rule, arm: told.arm })
}

fn check(name: &str) -> Suite {
    let suite: Suite = read(name);
    assert_eq!(suite.name, name);
    assert!(!suite.cases.is_empty() && !suite.flags.is_empty(), "{name} is empty");
    let (flags, segments) = (objects::<Flag>(&suite.flags), objects::<Segment>(&suite.segments));
    let state = State::from_snapshot(Snapshot::new("vectors", "e", 1, &flags, &segments).unwrap()).unwrap();
    let mut wrong = Vec::new();
    for case in &suite.cases {
        let answer = answer(&state, case, Now::At(suite.now));
        if answer != case.expect {
            wrong.push(format!("{} {}: {:?}, not {answer:?}", case.flag, case.description, case.expect));
        }
    }
    assert!(wrong.is_empty(), "{} of {} in {name}:\n{}", wrong.len(), suite.cases.len(), wrong.join("\n"));
    let asked: BTreeSet<_> = suite.cases.iter().map(|case| case.flag.as_str()).collect();
    let idle: Vec<_> = flags.iter().filter(|flag| !asked.contains(flag.key.as_str())).collect();
    let needed = |key: &str| flags.iter().flat_map(|flag| &flag.prerequisites).any(|other| other.flag == key);
    assert!(idle.iter().all(|flag| needed(&flag.key)), "a flag of {name} that no case asks for");
    suite
}

#[test]
fn operators() {
    let suite = check("operators");
    let flags = objects::<Flag>(&suite.flags);
    let conditions = flags.iter().flat_map(|flag| &flag.rules).flat_map(|rule| &rule.clauses);
    let clauses: Vec<_> = conditions.flat_map(|condition| condition.clauses()).collect();
    for operator in Operator::ALL {
        for negate in [false, true] {
            let there = clauses.iter().any(|clause| clause.op == operator && clause.negate == negate);
            assert!(there, "no case of {} with negate {negate}", operator.name());
        }
    }
}

#[test]
fn splits() {
    check("splits");
}

#[test]
fn targets() {
    check("targets");
}

#[test]
fn segments() {
    check("segments");
}

#[test]
fn prerequisites() {
    check("prerequisites");
}

#[test]
fn reasons() {
    let suite = check("reasons");
    let seen = |wanted: &dyn Fn(&Expected) -> bool| suite.cases.iter().any(|case| wanted(&case.expect));
    for reason in [
        Reason::Static,
        Reason::Default,
        Reason::TargetingMatch,
        Reason::Split,
        Reason::Disabled,
        Reason::PrerequisiteFailed,
    ] {
        assert!(seen(&|e| matches!(e, Expected::Value(s) if s.reason == reason)), "{}", reason.name());
    }
    for code in
        [ErrorCode::FlagNotFound, ErrorCode::TargetingKeyMissing, ErrorCode::TypeMismatch, ErrorCode::InvalidContext]
    {
        assert!(seen(&|e| matches!(e, Expected::Error(f) if f.error_code == code)), "{code}");
    }
    for value_type in ValueType::ALL {
        assert!(suite.cases.iter().any(|case| case.value_type == Some(value_type)), "{}", value_type.name());
    }
}

#[test]
fn bucketing() {
    let cases: Vec<Bucketing> = read("bucketing");
    assert!(!cases.is_empty());
    for Bucketing { salt, key, hash, bucket } in cases {
        assert_eq!(bucket::hash(&salt, &key).to_string(), hash, "hash of {key:?} under {salt:?}");
        assert_eq!(bucket::bucket(&salt, &key), bucket, "bucket of {key:?} under {salt:?}");
    }
}

#[test]
fn allocation() {
    let suite: Allocations = read("allocation");
    assert_eq!(suite.name, "allocation");
    assert!(!suite.cases.is_empty());
    for Allocation { description, old, weights, ranges, moves } in suite.cases {
        let found = match &old {
            None => allocation::allocate(&weights),
            Some(old) => allocation::reallocate(old, &weights),
        };
        assert_eq!(found, ranges, "{description}");
        let found = old.map(|old| allocation::moves(&old, &ranges)).unwrap_or_default();
        let found: Vec<_> = found.into_iter().map(|Move { from, to, buckets }| Moved { from, to, buckets }).collect();
        assert_eq!(found, moves, "{description}");
    }
}
