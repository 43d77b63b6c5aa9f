//! What a flag serves is what the buckets of `bucketing.json` say.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::harness::{DEVELOPMENT, TestApp, on_both};

#[derive(Deserialize)]
struct Vector {
    salt: String,
    key: String,
    bucket: u32,
}

/// The vectors whose salt a person may give.
fn vectors() -> Vec<Vector> {
    let all: Vec<Vector> = serde_json::from_str(include_str!("../../../sdk/core/vectors/bucketing.json")).unwrap();
    let usable = |salt: &str| (1..=64).contains(&salt.chars().count()) && !salt.contains('\0');
    let vectors: Vec<_> = all.into_iter().filter(|vector| usable(&vector.salt)).collect();
    assert!(vectors.len() > 150, "most salts are usable");
    vectors
}

/// A rule for each vector, met by its number, with weights that depend on its bucket.
async fn with_rules(app: &TestApp, flag: &str, off: &str, vectors: &[Vector], weights: impl Fn(u32) -> Value) {
    let rule = |(index, vector): (usize, &Vector)| {
        json!({
            "id": format!("case-{index}"), "clauses": [{"attribute": "case", "op": "eq", "values": [index]}],
            "serve": {"split": {"salt": vector.salt, "weights": weights(vector.bucket)}},
        })
    };
    let rules: Vec<_> = vectors.iter().enumerate().map(rule).collect();
    let whole = json!({"enabled": true, "off_variation": off, "rules": rules, "fallthrough": {"variation": off}});
    app.configure(DEVELOPMENT, flag, &whole).await.expect(200);
}

async fn serves(app: &TestApp, flag: &str, vectors: &[Vector], expected: &Value) {
    for (index, vector) in vectors.iter().enumerate() {
        let context = json!({"targetingKey": vector.key, "case": index});
        let served = app.evaluate(DEVELOPMENT, flag, &context).await.expect(200);
        assert_eq!(&served["value"], expected, "bucket {} of {:?} under {:?}", vector.bucket, vector.key, vector.salt);
        assert_eq!(served["reason"], "SPLIT");
    }
}

on_both!(a_boolean_flag_ends_at_the_very_bucket, async |app| {
    let app = app.with_flag("feature.a").await;
    let vectors = vectors();
    with_rules(&app, "feature.a", "off", &vectors, |bucket| json!({"on": bucket, "off": 100_000 - bucket})).await;
    serves(&app, "feature.a", &vectors, &json!(false)).await;
    with_rules(&app, "feature.a", "off", &vectors, |bucket| json!({"on": bucket + 1, "off": 99_999 - bucket})).await;
    serves(&app, "feature.a", &vectors, &json!(true)).await;
});

on_both!(a_string_flag_serves_the_middle_of_three, async |app| {
    let app = app.with_string_flag("text", &["a", "b", "c"]).await;
    let vectors = vectors();
    // One bucket wide, and exactly there.
    let one = |bucket: u32| json!({"a": bucket, "b": 1, "c": 99_999 - bucket});
    with_rules(&app, "text", "c", &vectors, one).await;
    serves(&app, "text", &vectors, &json!("b")).await;
});

on_both!(other_salts_are_refused, async |app| {
    let app = app.with_flag("feature.a").await;
    let all: Vec<Vector> = serde_json::from_str(include_str!("../../../sdk/core/vectors/bucketing.json")).unwrap();
    let mut refused = 0;
    for vector in all {
        let split = json!({"salt": vector.salt, "weights": {"on": 1, "off": 99_999}});
        let whole = json!({"enabled": true, "off_variation": "off", "fallthrough": {"split": split}});
        let fits = (1..=64).contains(&vector.salt.chars().count()) && !vector.salt.contains('\0');
        if !fits {
            let answer = app.configure(DEVELOPMENT, "feature.a", &whole).await;
            assert_eq!(answer.faults(), ["/configuration/fallthrough/split/salt"], "{:?}", vector.salt);
            refused += 1;
        }
    }
    assert!(refused > 0);
    assert_eq!(app.configured(DEVELOPMENT, "feature.a").await["version"], 1);
});
