use std::sync::Arc;

use open_feature::provider::FeatureProvider as _;
use open_feature::{EvaluationContextFieldValue as Field, FlagMetadataValue, Value as Theirs};
use serde_json::{Map, json};
use time::{Duration as Span, OffsetDateTime};

use super::*;
use crate::{Context, TestData};

fn provider() -> (BellwetherProvider, TestData) {
    let (client, data) = Client::test();
    (BellwetherProvider::new(client), data)
}

fn user() -> EvaluationContext {
    EvaluationContext::default().with_targeting_key("u")
}

fn code<T: fmt::Debug>(result: EvaluationResult<ResolutionDetails<T>>) -> EvaluationErrorCode {
    let error = result.unwrap_err();
    assert!(error.message.is_some_and(|message| !message.is_empty()));
    error.code
}

#[tokio::test]
async fn each_type_is_resolved_from_flags_of_that_type_alone() {
    let (provider, data) = provider();
    let all = [
        ("boolean", json!(true)),
        ("string", json!("blue")),
        ("integer", json!(7)),
        ("float", json!(7.0)),
        ("json", json!({"title": "Hello", "gone": null, "inner": {"on": true, "sizes": [1, 2.5, "x"]}})),
    ];
    for (key, value) in all.clone() {
        data.set(key, value);
    }
    let user = user();
    assert!(provider.resolve_bool_value("boolean", &user).await.unwrap().value);
    assert_eq!(provider.resolve_string_value("string", &user).await.unwrap().value, "blue");
    assert_eq!(provider.resolve_int_value("integer", &user).await.unwrap().value, 7);
    assert_eq!(provider.resolve_float_value("float", &user).await.unwrap().value, 7.0);
    let sizes = Theirs::Array(vec![Theirs::Int(1), Theirs::Float(2.5), Theirs::String("x".to_owned())]);
    let inner = StructValue::default().with_field("on", true).with_field("sizes", sizes);
    let expected = StructValue::default().with_field("title", "Hello").with_field("inner", inner);
    assert_eq!(provider.resolve_struct_value("json", &user).await.unwrap().value, expected);

    for (key, _) in all {
        let mismatches = [
            ("boolean", provider.resolve_bool_value(key, &user).await.map(drop)),
            ("string", provider.resolve_string_value(key, &user).await.map(drop)),
            ("integer", provider.resolve_int_value(key, &user).await.map(drop)),
            ("float", provider.resolve_float_value(key, &user).await.map(drop)),
            ("json", provider.resolve_struct_value(key, &user).await.map(drop)),
        ];
        for (asked, outcome) in mismatches {
            let mismatch = outcome.is_err_and(|error| error.code == EvaluationErrorCode::TypeMismatch);
            assert_eq!(mismatch, asked != key, "{asked} asked of a {key} flag");
        }
    }
}

#[tokio::test]
async fn what_is_no_structure_is_another_type() {
    let (provider, data) = provider();
    for value in [json!([1]), json!(null), json!({"list": [null]}), json!({"a": {"b": [[null]]}})] {
        data.set("json", value);
        assert_eq!(code(provider.resolve_struct_value("json", &user()).await), EvaluationErrorCode::TypeMismatch);
    }
    data.set("json", json!({"large": u64::MAX}));
    let large = provider.resolve_struct_value("json", &user()).await.unwrap().value;
    assert_eq!(large.fields["large"], Theirs::Float(u64::MAX as f64));
}

#[tokio::test]
async fn errors_have_the_codes_of_ofrep() {
    let (provider, data) = provider();
    assert_eq!(provider.status(), ProviderStatus::NotReady);
    assert_eq!(code(provider.resolve_bool_value("a", &user()).await), EvaluationErrorCode::ProviderNotReady);
    data.set("a", true);
    assert_eq!(provider.status(), ProviderStatus::Ready);
    assert_eq!(code(provider.resolve_bool_value("none", &user()).await), EvaluationErrorCode::FlagNotFound);
    let split = json!({"split": {"salt": "s", "ranges": [[100_000, "on"]]}});
    data.set_flag(json!({
        "key": "split", "version": 1, "type": "boolean", "enabled": true, "off_variation": "on",
        "variations": [{"name": "on", "value": true}], "fallthrough": split,
    }))
    .unwrap();
    let nobody = EvaluationContext::default();
    assert_eq!(code(provider.resolve_bool_value("split", &nobody).await), EvaluationErrorCode::TargetingKeyMissing);
    let split = provider.resolve_bool_value("split", &user()).await.unwrap();
    assert_eq!((split.value, split.reason), (true, Some(EvaluationReason::Split)));
}

#[tokio::test]
async fn it_is_told_what_decided() {
    let (provider, data) = provider();
    let flag = |key: &str, enabled: bool, prerequisites: Value| {
        json!({
            "key": key, "version": 1, "type": "boolean", "enabled": enabled, "off_variation": "off",
            "variations": [{"name": "on", "value": true}, {"name": "off", "value": false}],
            "prerequisites": prerequisites,
            "rules": [{"id": "north", "clauses": [{"attribute": "country", "op": "in", "values": ["NO"]}],
                       "serve": {"variation": "on"}}],
            "fallthrough": {"variation": "off"},
        })
    };
    data.set_flag(flag("a", true, json!([]))).unwrap();
    let norway = user().with_custom_field("country", "NO");
    let told = provider.resolve_bool_value("a", &norway).await.unwrap();
    assert_eq!((told.value, told.variant.as_deref()), (true, Some("on")));
    assert_eq!(told.reason, Some(EvaluationReason::TargetingMatch));
    let metadata = told.flag_metadata.unwrap().values;
    assert_eq!(metadata.len(), 3);
    assert_eq!(metadata["version"], FlagMetadataValue::Int(1));
    assert_eq!(metadata["revision"], FlagMetadataValue::Int(1));
    assert_eq!(metadata["rule"], FlagMetadataValue::String("north".to_owned()));

    let told = provider.resolve_bool_value("a", &user()).await.unwrap();
    assert_eq!((told.value, told.reason), (false, Some(EvaluationReason::Default)));
    assert!(!told.flag_metadata.unwrap().values.contains_key("rule"));
    data.set_flag(flag("a", false, json!([]))).unwrap();
    let told = provider.resolve_bool_value("a", &norway).await.unwrap();
    assert_eq!((told.value, told.reason), (false, Some(EvaluationReason::Disabled)));
    data.set("b", true);
    assert_eq!(provider.resolve_bool_value("b", &norway).await.unwrap().reason, Some(EvaluationReason::Static));
    data.set_flag(flag("needed", false, json!([]))).unwrap();
    data.set_flag(flag("a", true, json!([{"flag": "needed", "variations": ["on"]}]))).unwrap();
    let told = provider.resolve_bool_value("a", &norway).await.unwrap();
    assert_eq!((told.value, told.reason), (false, Some(EvaluationReason::Disabled)), "OFREP's word for it");
}

#[test]
fn a_context_keeps_its_attributes() {
    let time = OffsetDateTime::UNIX_EPOCH + Span::milliseconds(1_500);
    let nested = StructValue::default().with_field("country", "NO").with_field("lines", vec!["x", "y"]);
    let map = Map::from_iter([("a".to_owned(), json!([1]))]);
    let theirs = user()
        .with_custom_field("boolean", true)
        .with_custom_field("integer", -7)
        .with_custom_field("float", 0.5)
        .with_custom_field("nan", f64::NAN)
        .with_custom_field("text", "x")
        .with_custom_field("time", time)
        .with_custom_field("zone", time.to_offset(time::UtcOffset::from_hms(2, 0, 0).unwrap()))
        .with_custom_field("address", Field::new_struct(nested))
        .with_custom_field("list", Field::new_struct(Theirs::Array(vec![Theirs::Int(1)])))
        .with_custom_field("json", Field::new_struct(json!({"a": null})))
        .with_custom_field("map", Arc::new(map))
        .with_custom_field("foreign", Field::new_struct("a type of the program's own"))
        .with_custom_field("targetingKey", "a field of that name");
    let expected = Context::new("u")
        .set("boolean", true)
        .set("integer", -7)
        .set("float", 0.5)
        .set("nan", Value::Null)
        .set("text", "x")
        .set("time", "1970-01-01T00:00:01.500Z")
        .set("zone", "1970-01-01T00:00:01.500Z")
        .set("address", json!({"country": "NO", "lines": ["x", "y"]}))
        .set("list", json!([1]))
        .set("json", json!({"a": null}))
        .set("map", json!({"a": [1]}));
    assert_eq!(attributes::context(&theirs), expected);
    assert_eq!(attributes::context(&EvaluationContext::default()), Context::anonymous());
    let by_name = EvaluationContext::default().with_custom_field("targetingKey", "u");
    assert_eq!(attributes::context(&by_name), Context::new("u"));
}

#[tokio::test]
async fn it_is_ready_when_flags_are_there_and_stale_when_nothing_pushes_them() {
    let (mut provider, data) = provider();
    data.set("a", true);
    provider.client.shared().set_link(Link::Up);
    assert_eq!(provider.status(), ProviderStatus::Ready);
    provider.client.shared().set_link(Link::Down);
    assert_eq!(provider.status(), ProviderStatus::STALE);
    assert!(provider.resolve_bool_value("a", &user()).await.unwrap().value);
    assert_eq!(provider.metadata().name, "Bellwether");
    provider = provider.ready_within(Duration::from_secs(60));
    provider.initialize(&EvaluationContext::default()).await;
}

#[tokio::test]
async fn it_is_waited_for_no_longer_than_it_was_said() {
    let (client, _data) = Client::test();
    let within = Duration::from_millis(20);
    let mut provider = BellwetherProvider::new(client).ready_within(within);
    let started = tokio::time::Instant::now();
    provider.initialize(&EvaluationContext::default()).await;
    assert!(started.elapsed() >= within);
    assert_eq!(provider.status(), ProviderStatus::NotReady);
}
