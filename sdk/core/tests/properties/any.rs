//! Flags, segments and contexts of every kind. Names and values come from few, so that they meet each other.

use bellwether_core::{
    Arm, Clause, Condition, Context, FALLTHROUGH, Flag, Layer, Operator, Prerequisite, Release, Rule, Segment,
    SegmentRule, Serve, Split, Target, Value, ValueType, Variation, WatchedMetric,
};
use proptest::collection::{btree_set, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, json};

/// Names of attributes and of members within them.
const NAMES: [&str; 8] = ["a", "b", "targetingKey", "/a/b", "/a/0", "/b~1c", "b/c", ""];
const TEXTS: [&str; 14] = [
    "",
    "a",
    "A",
    "ab",
    "größe",
    "GRÖSSE",
    "42",
    "1.2",
    "v1.2.3-rc.1",
    "2026-11-21T10:00:00Z",
    "36h",
    "10.0.0.1",
    "10.0.0.0/8",
    "^1",
];
const NUMBERS: [f64; 12] =
    [0.0, -0.0, 1.0, 1.5, -7.0, 42.0, 1e300, -1e300, 5e-324, 9_007_199_254_740_993.0, 1_795_255_200_000.0, 100_000.0];
/// Keys of flags and of segments.
const KEYS: [&str; 4] = ["f1", "f2", "f3", "f4"];
const VARIATIONS: [&str; 3] = ["on", "off", "other"];

pub(crate) fn text() -> impl Strategy<Value = String> {
    prop_oneof![8 => select(&TEXTS[..]).prop_map(str::to_owned), 2 => ".{0,6}"]
}

pub(crate) fn key() -> impl Strategy<Value = String> {
    select(&KEYS[..]).prop_map(str::to_owned)
}

fn number() -> impl Strategy<Value = Value> {
    prop_oneof![
        3 => select(&NUMBERS[..]).prop_map(Value::from),
        3 => (-20_i64..20).prop_map(Value::from),
        1 => any::<i64>().prop_map(Value::from),
        1 => any::<u64>().prop_map(Value::from),
        1 => proptest::num::f64::NORMAL.prop_map(Value::from),
    ]
}

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![4 => text().prop_map(Value::from), 4 => number(), 1 => any::<bool>().prop_map(Value::from)]
}

pub(crate) fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![8 => scalar(), 1 => Just(Value::Null)];
    leaf.prop_recursive(3, 16, 4, |inner| {
        let members = vec((select(&["a", "b", "0", "c", ""][..]), inner.clone()), 0..4);
        prop_oneof![
            vec(inner, 0..4).prop_map(Value::from),
            members.prop_map(|all| all.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()),
        ]
    })
}

pub(crate) fn context() -> impl Strategy<Value = Context> {
    let name =
        prop_oneof![8 => select(&["a", "b", "targetingKey", "b/c", ""][..]).prop_map(str::to_owned), 1 => ".{0,3}"];
    let attributes = vec((name, value()), 0..8);
    (attributes, option::weighted(0.7, text())).prop_map(|(attributes, key)| {
        let mut all: Map<String, Value> = attributes.into_iter().collect();
        if let Some(key) = key {
            all.insert("targetingKey".to_owned(), key.into());
        }
        Context::from(all)
    })
}

/// Values that an operator takes, more often than not.
fn values(op: Operator) -> BoxedStrategy<Vec<Value>> {
    let texts = |all: &'static [&'static str]| vec(select(all).prop_map(Value::from), 1..4).boxed();
    let pair =
        |range: std::ops::Range<i64>| (range.clone(), range).prop_map(|(a, b)| vec![json!(a.min(b)), json!(a.max(b))]);
    let fitting = match op {
        Operator::Exists => Just(vec![]).boxed(),
        Operator::In | Operator::AnyOf | Operator::AllOf | Operator::NoneOf => vec(scalar(), 1..12).boxed(),
        Operator::StartsWith | Operator::EndsWith | Operator::Contains => {
            vec(text().prop_map(Value::from), 1..4).boxed()
        }
        Operator::Matches => texts(&["a", "^a*$", "(?i)GR.SSE", "", "[0-9]+\\.", "\\bx"]),
        Operator::Eq | Operator::Lt | Operator::Lte | Operator::Gt | Operator::Gte => vec(number(), 1..4).boxed(),
        Operator::Between => pair(-50..50).boxed(),
        Operator::Modulo => {
            (1_i64..9).prop_flat_map(|d| (Just(d), 0..d)).prop_map(|(d, r)| vec![d.into(), r.into()]).boxed()
        }
        Operator::Before | Operator::After => {
            let time =
                prop_oneof![Just(json!("2026-11-21T10:00:00+01:00")), (0_i64..2_000_000_000_000).prop_map(Value::from)];
            vec(time, 1..3).boxed()
        }
        Operator::DateBetween => pair(0..2_000_000_000_000).boxed(),
        Operator::WithinLast => select(&["36h", "250ms", "0s", "9w"][..]).prop_map(|text| vec![text.into()]).boxed(),
        Operator::SemverRange => texts(&["^1.2", ">=1 <3", "*", "1.x", "~1.2.3-rc.1"]),
        Operator::SemverEq | Operator::SemverLt | Operator::SemverLte | Operator::SemverGt | Operator::SemverGte => {
            texts(&["1", "v1.2", "1.2.3-rc.1", "1.2.3-rc.2+b"])
        }
        Operator::Size => pair(0..5).boxed(),
        Operator::IpIn => texts(&["10.0.0.0/8", "::ffff:10.0.0.0/104", "::/0", "10.0.0.1"]),
        Operator::InSegment => texts(&["f1", "f2", "f3", "gone"]),
        Operator::Percent => pair(0..100_001).prop_map(|pair| [vec![json!("s")], pair].concat()).boxed(),
    };
    prop_oneof![30 => fitting, 1 => vec(value(), 0..4)].boxed()
}

fn clause() -> impl Strategy<Value = Clause> {
    select(&Operator::ALL[..]).prop_flat_map(|op| {
        let attribute = prop_oneof![12 => select(&NAMES[..7]), 1 => select(&NAMES[..])];
        (attribute, values(op), any::<bool>(), any::<bool>()).prop_map(
            move |(attribute, values, negate, ignore_case)| Clause {
                attribute: attribute.to_owned(),
                op,
                values,
                negate,
                ignore_case,
            },
        )
    })
}

fn condition() -> impl Strategy<Value = Condition> {
    clause().prop_map(Condition::Clause).prop_recursive(4, 12, 3, |inner| {
        let group = prop_oneof![20 => vec(inner.clone(), 1..4), 1 => vec(inner, 0..1)];
        (group, 0..3).prop_map(|(group, form)| match form {
            0 => Condition::All(group),
            1 => Condition::Any(group),
            _ => Condition::None(group),
        })
    })
}

fn variation() -> impl Strategy<Value = String> {
    prop_oneof![60 => select(&VARIATIONS[..2]), 1 => select(&VARIATIONS[..])].prop_map(str::to_owned)
}

fn split() -> impl Strategy<Value = Split> {
    let ends = btree_set(1_u32..100_000, 0..3);
    let salt = prop_oneof![Just("s".to_owned()), text()];
    (ends, vec(variation(), 4), select(&NAMES[..7]), salt, prop::bool::weighted(0.98)).prop_map(
        |(ends, variations, bucket_by, salt, known)| Split {
            bucket_by: bucket_by.to_owned(),
            salt,
            hash: if known { "xxh3-1" } else { "murmur3" }.to_owned(),
            ranges: ends.into_iter().chain([100_000]).zip(variations).collect(),
        },
    )
}

fn serve() -> impl Strategy<Value = Serve> {
    prop_oneof![variation().prop_map(Serve::Variation), split().prop_map(Serve::Split)]
}

fn layer() -> impl Strategy<Value = Layer> {
    let bounds = btree_set(0_u32..=100_000, 0..5);
    (bounds, option::weighted(0.9, variation()), select(&NAMES[..7])).prop_map(|(bounds, otherwise, bucket_by)| {
        let bounds: Vec<_> = bounds.into_iter().collect();
        let ranges = bounds.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect();
        Layer { salt: "layer".to_owned(), bucket_by: bucket_by.to_owned(), ranges, otherwise }
    })
}

fn release() -> impl Strategy<Value = Release> {
    let place = select(&[FALLTHROUGH, FALLTHROUGH, FALLTHROUGH, "r0"][..]);
    (place, option::of(layer()), vec(proptest::num::f64::NORMAL, 0..2)).prop_map(|(place, layer, limits)| Release {
        id: "release".to_owned(),
        place: place.to_owned(),
        arms: [("treatment", "on"), ("control", "off")]
            .map(|(name, variation)| Arm { name: name.to_owned(), variation: variation.to_owned() })
            .to_vec(),
        metrics: vec![WatchedMetric { metric: "request.error".to_owned(), limits, ratio: true }],
        window_seconds: 10,
        layer,
    })
}

/// Values for two variations of a type.
fn variations(value_type: ValueType) -> impl Strategy<Value = Vec<Variation>> {
    let any_value = match value_type {
        ValueType::Boolean => any::<bool>().prop_map(Value::from).boxed(),
        ValueType::String => text().prop_map(Value::from).boxed(),
        ValueType::Integer => (-(1_i64 << 53)..=1 << 53).prop_map(Value::from).boxed(),
        ValueType::Float => proptest::num::f64::NORMAL.prop_map(Value::from).boxed(),
        ValueType::Json => value().boxed(),
    };
    let any_value = prop_oneof![60 => any_value, 1 => value()];
    (any_value.clone(), any_value).prop_map(|(on, off)| {
        let named = [("on", on), ("off", off)];
        named.into_iter().map(|(name, value)| Variation { name: name.to_owned(), value }).collect()
    })
}

fn rule(at: usize) -> impl Strategy<Value = Rule> {
    (vec(condition(), 0..3), serve(), text()).prop_map(move |(clauses, serve, description)| Rule {
        id: format!("r{at}"),
        description,
        clauses,
        serve,
    })
}

fn rules() -> impl Strategy<Value = Vec<Rule>> {
    (0_usize..4).prop_flat_map(|count| (0..count).map(rule).collect::<Vec<_>>())
}

fn targets() -> impl Strategy<Value = Vec<Target>> {
    let keys = prop_oneof![20 => btree_set(text(), 0..6), 1 => btree_set(Just("x".repeat(1_001)), 1)];
    let keys = keys.prop_map(|keys| keys.into_iter().collect());
    vec((variation(), keys).prop_map(|(variation, keys)| Target { variation, keys }), 0..2)
}

fn prerequisites() -> impl Strategy<Value = Vec<Prerequisite>> {
    let one = (select(&["f1", "f2", "f3", "gone"][..]), vec(variation(), 1..3));
    vec(one.prop_map(|(flag, variations)| Prerequisite { flag: flag.to_owned(), variations }), 0..2)
}

/// A flag that compiles more often than not.
pub(crate) fn flag() -> impl Strategy<Value = Flag> {
    let named = (prop_oneof![60 => key(), 1 => text()], any::<u64>(), any::<bool>(), prop::bool::weighted(0.9));
    let typed = select(&ValueType::ALL[..]).prop_flat_map(|t| (Just(t), variations(t)));
    let served = (variation(), prerequisites(), targets(), rules(), serve(), option::of(release()));
    (named, typed, served).prop_map(|((key, version, client_visible, enabled), (value_type, variations), served)| {
        let (off_variation, prerequisites, targets, rules, fallthrough, release) = served;
        Flag {
            key,
            version,
            value_type,
            client_visible,
            enabled,
            variations,
            off_variation,
            prerequisites,
            targets,
            rules,
            fallthrough,
            release,
        }
    })
}

/// A segment that compiles more often than not.
pub(crate) fn segment() -> impl Strategy<Value = Segment> {
    let rules = vec(vec(condition(), 1..3), 0..3).prop_map(|all| {
        let rule = |(at, clauses)| SegmentRule { id: format!("r{at}"), description: String::new(), clauses };
        all.into_iter().enumerate().map(rule).collect()
    });
    let lists = (btree_set(text(), 0..8), btree_set(text(), 0..4));
    (key(), any::<u64>(), lists, rules).prop_map(|(key, version, (included, excluded), rules)| Segment {
        key,
        version,
        included: included.iter().map(String::as_str).collect(),
        excluded: excluded.iter().map(String::as_str).collect(),
        rules,
    })
}
