use deserr::errors::JsonError;
use serde_json::{Value, json};

use super::*;

const VARIATIONS: [&str; 2] = ["on", "off"];

fn read(value: &Value) -> Policy {
    let policy: Policy = serde_json::from_value(value.clone()).unwrap();
    let same = deserr::deserialize::<Policy, _, JsonError>(value.clone()).map_err(|error| error.to_string());
    assert_eq!(same.as_ref(), Ok(&policy), "both readers agree");
    policy
}

fn pointers(policy: &Policy) -> Vec<String> {
    policy.faults(&VARIATIONS, &["r1"]).into_iter().map(|fault| fault.pointer).collect()
}

#[test]
fn a_policy_reads_and_writes_as_documented() {
    let text = concat!(
        r#"{"treatment":"on","control":"off","where":"fallthrough","alpha":0.01,"dry_run":false,"#,
        r#""stages":[{"percentage":1,"minimum_seconds":1800,"minimum_samples":1000,"gate":"automatic","no_data":"hold"},"#,
        r#"{"percentage":2.5,"minimum_seconds":60,"minimum_samples":5,"gate":"manual","no_data":"extend"}],"#,
        r#""guards":[{"name":"errors","metric":"request.error","test":"ratio_vs_control","margin":0.05,"weight":1,"action":"rollback"},"#,
        r#"{"name":"latency","metric":"request.duration_ms","test":"mean_vs_control","margin":0.05,"weight":1,"action":"notify"},"#,
        r#"{"name":"error limit","metric":"request.error","test":"ratio_limit","limit":{"flag":"rollback.error-rate-threshold","scale":0.01},"weight":0.5,"action":"hold"},"#,
        r#"{"name":"p99 limit","metric":"request.duration_ms","test":"quantile_limit","quantile":0.99,"limit":2000,"weight":1,"action":"rollback"}]}"#,
    );
    let value: Value = serde_json::from_str(text).unwrap();
    let policy = read(&value);
    assert_eq!(serde_json::to_string(&policy).unwrap(), text);
    assert_eq!(policy.faults(&VARIATIONS, &[]), []);
    assert_eq!(policy.stages.iter().map(Stage::buckets).collect::<Vec<_>>(), [Some(1_000), Some(2_500)]);
}

#[test]
fn what_is_left_out_takes_its_default() {
    let policy = read(&json!({}));
    assert_eq!(policy, Policy::default());
    assert_eq!(policy.faults(&VARIATIONS, &[]), []);
    let stages: Vec<_> =
        policy.stages.iter().map(|s| (s.percentage, s.minimum_seconds / 60, s.minimum_samples)).collect();
    assert_eq!(stages, [(1.0, 30, 1_000), (10.0, 30, 1_000), (25.0, 60, 1_000), (50.0, 60, 1_000), (100.0, 30, 1_000)]);
    assert_eq!(
        policy.guards.iter().map(|g| g.name.as_str()).collect::<Vec<_>>(),
        ["errors", "latency", "tail", "error limit", "p99 limit"]
    );
    assert_eq!(policy.alpha_shares(), [0.002; 5]);

    let policy = read(
        &json!({"stages": [{"percentage": 5}], "guards": [{"name": "g", "metric": "m", "test": "mean_vs_control"}]}),
    );
    assert_eq!(
        (policy.guards[0].margin(), policy.guards[0].action, policy.guards[0].weight),
        (0.05, Action::Rollback, 1.0)
    );
    assert_eq!((policy.stages[0].gate, policy.stages[0].no_data), (Gate::Automatic, NoData::Hold));
}

#[test]
fn a_layer_stands_in_a_policy_that_names_one() {
    let text = serde_json::to_string(&Policy::default()).unwrap();
    assert!(!text.contains("layer"), "policies and verdicts recorded without one stay as they are: {text}");
    let layer = json!({"name": "checkout", "percentage": 20});
    let policy = read(&json!({"layer": layer}));
    assert_eq!(serde_json::to_value(&policy).unwrap()["layer"], layer);
    assert_eq!(serde_json::to_string(&policy.layer).unwrap(), r#"{"name":"checkout","percentage":20}"#);
    assert_eq!(policy.faults(&VARIATIONS, &[]), []);
    assert_eq!(read(&json!({"layer": null})), Policy::default());
    for percentage in [json!(0.001), json!(99.999), json!(100)] {
        assert_eq!(pointers(&read(&json!({"layer": {"name": "l", "percentage": percentage}}))), Vec::<String>::new());
    }
    for percentage in [json!(0), json!(-1), json!(100.001), json!(0.0004), json!(12.3456)] {
        let policy = read(&json!({"layer": {"name": "l", "percentage": percentage}}));
        assert_eq!(pointers(&policy), ["/layer/percentage"], "{percentage}");
    }
    for name in ["", ".l", "two words", "layer/l", &"l".repeat(101)] {
        let policy = read(&json!({"layer": {"name": name, "percentage": 0}}));
        assert_eq!(pointers(&policy), ["/layer/name", "/layer/percentage"], "{name}");
    }
}

#[test]
fn what_is_unknown_is_refused_by_both_readers() {
    for value in [
        json!({"beta": 1}),
        json!({"stages": [{"percentage": 1, "gates": "manual"}]}),
        json!({"stages": [{}]}),
        json!({"stages": [{"percentage": 1, "minimum_seconds": -1}]}),
        json!({"stages": [{"percentage": 1, "gate": "maybe"}]}),
        json!({"guards": [{"name": "g", "metric": "m", "test": "resource_limit", "limit": 1}]}),
        json!({"guards": [{"name": "g", "metric": "m", "test": "ratio_limit", "limit": "5 %"}]}),
        json!({"guards": [{"name": "g", "metric": "m", "test": "ratio_limit", "limit": {"flag": "f", "factor": 1}}]}),
        json!({"alpha": "0.01"}),
        json!({"layer": "checkout"}),
        json!({"layer": {"name": "checkout"}}),
        json!({"layer": {"name": "checkout", "percentage": 20, "salt": "s"}}),
        json!("on"),
    ] {
        assert!(serde_json::from_value::<Policy>(value.clone()).is_err(), "{value}");
        assert!(deserr::deserialize::<Policy, _, JsonError>(value.clone()).is_err(), "{value}");
    }
}

#[test]
fn every_fault_is_named_at_once() {
    let policy = read(&json!({
        "treatment": "x", "control": "x", "where": "r2", "alpha": 0.5,
        "stages": [{"percentage": 10}, {"percentage": 10}, {"percentage": 0}, {"percentage": 12.3456},
                   {"percentage": 101, "minimum_seconds": 99999999999_u64, "minimum_samples": 9999999999999_u64}],
        "guards": [
            {"name": "a", "metric": "request.error", "test": "ratio_limit", "limit": 1, "margin": 0.1, "quantile": 0.5},
            {"name": "a", "metric": "request.error", "test": "mean_vs_control", "margin": -0.1, "weight": 0},
            {"name": "", "metric": "no spaces", "test": "quantile_limit", "quantile": 1, "limit": {"flag": "", "scale": 0}},
            {"name": "b", "metric": "cart.size", "test": "quantile_limit"},
            {"name": "c", "metric": "cart.size", "test": "ratio_vs_control", "limit": 3},
        ],
    }));
    let expected = [
        "/treatment",
        "/control",
        "/control",
        "/where",
        "/alpha",
        "/stages/1/percentage",
        "/stages/2/percentage",
        "/stages/3/percentage",
        "/stages/4/percentage",
        "/stages/4/minimum_seconds",
        "/stages/4/minimum_samples",
        "/guards/0/margin",
        "/guards/0/quantile",
        "/guards/0/limit",
        "/guards/1/name",
        "/guards/1/test",
        "/guards/1/weight",
        "/guards/1/margin",
        "/guards/2/name",
        "/guards/2/metric",
        "/guards/2/quantile",
        "/guards/2/limit/flag",
        "/guards/2/limit/scale",
        "/guards/3/quantile",
        "/guards/3/limit",
        "/guards/4/test",
        "/guards/4/limit",
    ];
    assert_eq!(pointers(&policy), expected);
}

#[test]
fn the_bounds_of_a_policy() {
    assert_eq!(pointers(&Policy { stages: vec![], guards: vec![], ..Policy::default() }), ["/stages", "/guards"]);
    assert_eq!(pointers(&Policy { place: "r1".into(), ..Policy::default() }), Vec::<String>::new());
    assert_eq!(pointers(&read(&json!({"stages": [{"percentage": 100}]}))), ["/stages/0/percentage"]);
    assert_eq!(
        pointers(&read(&json!({"stages": [{"percentage": 0.001}, {"percentage": 99.999}]}))),
        Vec::<String>::new()
    );
    for alpha in [0.0, -0.1, 0.5, f64::NAN, f64::INFINITY] {
        assert_eq!(pointers(&Policy { alpha, ..Policy::default() }), ["/alpha"], "{alpha}");
    }
    for weight in [f64::NAN, f64::INFINITY, -1.0, 1e-300] {
        let mut policy = Policy::default();
        policy.guards[3].weight = weight;
        assert_eq!(pointers(&policy), ["/guards/3/weight"], "{weight}");
    }
    let guard = Policy::default().guards.remove(0);
    let many = (0..21).map(|i| Guard { name: i.to_string(), ..guard.clone() }).collect();
    assert_eq!(pointers(&Policy { guards: many, ..Policy::default() }), ["/guards"]);
}

#[test]
fn limits_come_from_numbers_and_flags() {
    let limited = |limit: Value| {
        let mut policy = Policy::default();
        policy.guards[3].limit = Some(serde_json::from_value(limit).unwrap());
        policy
    };
    let flags = |key: &str| (key == "threshold").then_some(5.0);
    assert_eq!(Policy::default().resolve_limits(flags).unwrap(), [None, None, None, Some(0.05), Some(2_000.0)]);
    let policy = limited(json!({"flag": "threshold", "scale": 0.01}));
    assert_eq!(policy.resolve_limits(flags).unwrap(), [None, None, None, Some(0.05), Some(2_000.0)]);
    for limit in [json!({"flag": "threshold"}), json!({"flag": "gone", "scale": 0.01})] {
        let faults = limited(limit).resolve_limits(flags).unwrap_err();
        assert_eq!(faults.iter().map(|f| f.pointer.as_str()).collect::<Vec<_>>(), ["/guards/3/limit"]);
    }
}

#[test]
fn each_metric_is_watched_once_with_the_limits_of_its_quantiles() {
    let mut policy = Policy::default();
    let p50 = Guard { name: "p50".into(), quantile: Some(0.5), ..policy.guards[4].clone() };
    policy.guards.extend([p50.clone(), Guard { name: "p75".into(), ..p50 }]);
    let watched = policy.watched_metrics(&[None, None, None, Some(0.05), Some(2_000.0), Some(100.0), Some(2_000.0)]);
    let watched: Vec<_> = watched.into_iter().map(|w| (w.metric, w.limits)).collect();
    assert_eq!(watched, [("request.error".into(), vec![]), ("request.duration_ms".into(), vec![100.0, 2_000.0])]);
}

#[test]
fn guards_start_only_with_their_limits() {
    let policy = Policy::default();
    let states = policy.start_guards(&[None, None, None, Some(0.05), Some(2_000.0)], 10).unwrap();
    assert_eq!(states.len(), 5);
    assert!((states[0].threshold() - 500.0_f64.ln()).abs() < 1e-12);
    let faults = policy.start_guards(&[None, None, None, Some(1.5)], 10).unwrap_err();
    assert_eq!(faults.iter().map(|f| f.pointer.as_str()).collect::<Vec<_>>(), ["/guards/3/limit", "/guards/4/limit"]);
}
