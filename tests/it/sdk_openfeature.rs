//! The Rust SDK as a provider of OpenFeature's own SDK, against a real server.

use bellwether_sdk::Client;
use bellwether_sdk::openfeature::BellwetherProvider;
use open_feature::provider::{FeatureProvider as _, ProviderStatus};
use open_feature::{
    EvaluationContext, EvaluationContextFieldValue, EvaluationDetails, EvaluationErrorCode, EvaluationResult,
    FlagMetadataValue, OpenFeature, StructValue, Value as Theirs,
};
use serde_json::{Value, json};

use crate::harness::{FLAGS, PRODUCTION, TestApp, configured, eventually, on_both};
use crate::sdk::{LONG, close, connect, ready};

/// OpenFeature's client of a provider of its own, as it is global to the process.
async fn provided(app: &TestApp, client: &Client) -> open_feature::Client {
    let mut openfeature = OpenFeature::singleton_mut().await;
    let name = app.origin();
    openfeature.set_named_provider(&name, BellwetherProvider::new(client.clone()).ready_within(LONG)).await;
    openfeature.create_named_client(&name)
}

fn json_of(value: &Theirs) -> Value {
    match value {
        Theirs::Bool(value) => json!(value),
        Theirs::Int(value) => json!(value),
        Theirs::Float(value) => json!(value),
        Theirs::String(value) => json!(value),
        Theirs::Array(elements) => elements.iter().map(json_of).collect(),
        Theirs::Struct(value) => value.fields.iter().map(|(name, value)| (name.clone(), json_of(value))).collect(),
    }
}

/// What a flag serves, as OFREP would answer it.
async fn here(flags: &open_feature::Client, kind: &str, key: &str, context: &EvaluationContext) -> Value {
    fn answer<T>(result: EvaluationResult<EvaluationDetails<T>>, json: impl Fn(T) -> Value) -> Value {
        match result {
            Ok(details) => {
                let metadata: serde_json::Map<_, _> = details
                    .flag_metadata
                    .values
                    .into_iter()
                    .map(|(name, value)| {
                        let value = match value {
                            FlagMetadataValue::Bool(value) => json!(value),
                            FlagMetadataValue::Int(value) => json!(value),
                            FlagMetadataValue::Float(value) => json!(value),
                            FlagMetadataValue::String(value) => json!(value),
                        };
                        (name, value)
                    })
                    .collect();
                json!({"key": details.flag_key, "value": json(details.value), "reason": details.reason.unwrap().to_string(),
                       "variant": details.variant, "metadata": metadata})
            }
            Err(error) => json!({"key": null, "errorCode": error.code.to_string(), "errorDetails": error.message}),
        }
    }
    let context = Some(context);
    match kind {
        "boolean" => answer(flags.get_bool_details(key, context, None).await, Value::from),
        "string" => answer(flags.get_string_details(key, context, None).await, Value::from),
        "integer" => answer(flags.get_int_details(key, context, None).await, Value::from),
        "float" => answer(flags.get_float_details(key, context, None).await, Value::from),
        _ => answer(flags.get_struct_details::<StructValue>(key, context, None).await, |value| {
            json_of(&Theirs::Struct(value))
        }),
    }
}

on_both!(it_says_what_ofrep_says, async |app| {
    let variations = |values: Value| -> Value {
        let variation = |(index, value)| json!({"name": format!("v{index}"), "value": value});
        values.as_array().unwrap().iter().enumerate().map(variation).collect()
    };
    let kinds = [
        ("boolean", json!([true, false])),
        ("string", json!(["a", "b"])),
        ("integer", json!([9_007_199_254_740_992_i64, -1])),
        ("float", json!([0.5, 10.0])),
        ("json", json!([{"a": [1, 2.5, {"b": "c"}]}, {}])),
    ];
    let clause = |attribute: &str, op: &str, values: Value| json!({"attribute": attribute, "op": op, "values": values});
    for (kind, values) in kinds.clone() {
        let flag = json!({"key": kind, "type": kind, "variations": variations(values)});
        app.post(FLAGS, &flag).await.expect(201);
        let whole = json!({
            "enabled": true, "off_variation": "v1",
            "targets": [{"variation": "v1", "keys": ["target"]}],
            "rules": [
                {"id": "nested", "clauses": [clause("/address/country", "in", json!(["NO"]))], "serve": {"variation": "v1"}},
                {"id": "early", "clauses": [clause("since", "before", json!(["2020-01-01T00:00:00Z"]))],
                 "serve": {"variation": "v1"}},
                {"id": "pro", "clauses": [clause("plan", "in", json!(["pro"]))],
                 "serve": {"split": {"weights": {"v0": 50_000, "v1": 50_000}}}},
            ],
            "fallthrough": {"variation": "v0"},
        });
        app.configure(PRODUCTION, kind, &whole).await.expect(200);
    }
    let app = app.with_flag("static").await.with_flag("disabled").await.with_flag("dependent").await;
    app.put_nothing(&configured(PRODUCTION, "disabled", "/disable")).await.expect(200);
    let dependent = json!({"enabled": true, "off_variation": "off", "fallthrough": {"variation": "on"},
                           "prerequisites": [{"flag": "static", "variations": ["on"]}]});
    app.configure(PRODUCTION, "dependent", &dependent).await.expect(200);

    let client = ready(&app).await;
    let flags = provided(&app, &client).await;
    let time = |year: i32| {
        let time = chrono::NaiveDate::from_ymd_opt(year, 5, 17).unwrap().and_time(chrono::NaiveTime::MIN).and_utc();
        (time.to_rfc3339(), time::OffsetDateTime::from_unix_timestamp(time.timestamp()).unwrap())
    };
    let user = || EvaluationContext::default().with_targeting_key("user");
    let nested = StructValue::default().with_field("country", "NO");
    let contexts = [
        (json!({}), EvaluationContext::default()),
        (json!({"targetingKey": "user"}), user()),
        (json!({"targetingKey": "target"}), EvaluationContext::default().with_targeting_key("target")),
        (
            json!({"targetingKey": "user", "address": {"country": "NO"}}),
            user().with_custom_field("address", EvaluationContextFieldValue::new_struct(nested)),
        ),
        (json!({"targetingKey": "user", "since": time(2019).0}), user().with_custom_field("since", time(2019).1)),
        (json!({"targetingKey": "user", "since": time(2021).0}), user().with_custom_field("since", time(2021).1)),
        (json!({"targetingKey": "user", "plan": "pro"}), user().with_custom_field("plan", "pro")),
        (json!({"plan": "pro"}), EvaluationContext::default().with_custom_field("plan", "pro")),
    ];
    let keys = ["boolean", "string", "integer", "float", "json", "static", "disabled", "dependent", "none"];
    for key in keys {
        let kind = if kinds.iter().any(|(kind, _)| *kind == key) { key } else { "boolean" };
        for (ours, theirs) in &contexts {
            let there = app.evaluate(PRODUCTION, key, ours).await.json();
            let mut here = here(&flags, kind, key, theirs).await;
            if let Some(code) = there.get("errorCode") {
                assert_eq!((&here["errorCode"], &here["errorDetails"].is_string()), (code, &true), "{key} for {ours}");
                continue;
            }
            here["key"] = json!(key);
            assert_eq!(here, there, "{key} for {ours}");
        }
    }
    let mismatch = flags.get_bool_value("string", Some(&user()), None).await.unwrap_err();
    assert_eq!(mismatch.code, EvaluationErrorCode::TypeMismatch);
    close(client).await;
});

on_both!(it_is_ready_when_flags_have_arrived, async |app| {
    let app = app.with_flag("feature.a").await;
    let early = connect("http://127.0.0.1:9", "bw_sdk_x");
    let provider = BellwetherProvider::new(early.clone());
    assert_eq!(provider.status(), ProviderStatus::NotReady);
    close(early).await;

    let client = connect(&app.origin(), &app.keys(PRODUCTION).server);
    let provider = BellwetherProvider::new(client.clone());
    assert!(client.wait_ready(LONG).await);
    eventually("the stream", async || (provider.status() == ProviderStatus::Ready).then_some(())).await;
    app.stop().await;
    eventually("the loss", async || (provider.status() == ProviderStatus::STALE).then_some(())).await;
    let told = provider.resolve_bool_value("feature.a", &EvaluationContext::default()).await.unwrap();
    assert!(!told.value);
    close(client).await;
});
