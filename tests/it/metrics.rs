//! `GET /metrics`: what monitoring is told, and whom.

use serde_json::json;

use crate::harness::{Answer, DEVELOPMENT, FLAGS, PRODUCTION, TestApp, flag, on_both};

const EVALUATIONS: &str = "bellwether_flag_evaluations_total{project=\"default\",environment=\"development\"}";

/// The value of a metric with these labels; none when it is not there.
fn value(answer: &Answer, metric: &str) -> Option<f64> {
    let text = String::from_utf8(answer.body.to_vec()).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(metric)?.strip_prefix(' '));
    line.map(|value| value.parse().unwrap())
}

fn requests(route: &str, method: &str, status: &str) -> String {
    let labels = format!("route=\"{route}\",method=\"{method}\",status=\"{status}\"");
    format!("bellwether_http_request_duration_seconds_count{{{labels}}}")
}

async fn metrics(app: &TestApp) -> Answer {
    let answer = app.get("/metrics").await;
    assert_eq!(answer.status, 200);
    answer
}

on_both!(requests_and_evaluations_are_counted, async |app| {
    let app = app.with_flag("feature.a").await;
    assert_eq!(value(&metrics(&app).await, EVALUATIONS), Some(0.0));
    for flag in ["feature.a", "feature.a", "none"] {
        app.evaluate(DEVELOPMENT, flag, &json!({"targetingKey": "u"})).await;
    }
    let answer = metrics(&app).await;
    assert_eq!(value(&answer, EVALUATIONS), Some(3.0));
    let route = "/ofrep/v1/evaluate/flags/{key:.+}";
    assert_eq!(value(&answer, &requests(route, "POST", "2xx")), Some(2.0));
    assert_eq!(value(&answer, &requests(route, "POST", "4xx")), Some(1.0));
    assert_eq!(value(&answer, &requests("/api/v1/projects/{project}/flags", "POST", "2xx")), Some(1.0));
    assert_eq!(value(&answer, &requests("/metrics", "GET", "2xx")), Some(1.0), "the one before");
});

on_both!(labels_are_few_whatever_is_asked, async |app| {
    for path in ["/a", "/b", "/api/v1/c", "/ofrep/v1/d", "/metrics/e"] {
        app.get(path).await.problem(404, "not_found");
    }
    let answer = metrics(&app).await;
    assert_eq!(value(&answer, &requests("none", "GET", "4xx")), Some(5.0));
});

on_both!(the_server_says_how_it_is, async |app| {
    let app = app.with_flag("feature.a").await;
    let answer = metrics(&app).await;
    assert_eq!(answer.header("content-type"), "application/openmetrics-text; version=1.0.0; charset=utf-8");
    assert!(answer.body.ends_with(b"\n# EOF\n"));
    let is = |metric: &str| value(&answer, metric).unwrap_or_else(|| panic!("no {metric}"));
    let place = "{project=\"default\",environment=\"development\"}";
    assert_eq!(is(&format!("bellwether_environment_revision{place}")), app.revision(DEVELOPMENT).await as f64);
    assert_eq!(is(&format!("bellwether_streams_connected{place}")), 0.0);
    assert_eq!(is("bellwether_store_connections{database=\"configuration\",access=\"write\"}"), 1.0);
    assert_eq!(is(concat!("bellwether_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"}")), 1.0);
    assert!(is("process_resident_memory_bytes") > 1e6);
    assert!(is("process_cpu_seconds_total") >= 0.0);
    assert!(is("process_start_time_seconds") > 1.7e9);
});

on_both!(an_address_of_its_own_takes_no_credential, async |app| {
    app.get("/metrics").by_nobody().await.problem(401, "unauthenticated");
    app.start_again_with_open_metrics().await;
    let answer = app.get_openly("/metrics").await.by_nobody().await;
    assert_eq!(answer.status, 200);
    assert_eq!(value(&answer, EVALUATIONS), Some(0.0));
    // Nothing else is there, whoever asks.
    for path in ["/", "/health", FLAGS, "/api/v1/projects"] {
        app.get_openly(path).await.await.problem(404, "not_found");
    }
    app.get("/metrics").by_nobody().await.problem(401, "unauthenticated");
});

const PARTS: [&str; 6] = ["wait", "prepare", "serialize", "commit", "compile", "fan_out"];

/// How many parts of changes were timed, and how many seconds they took.
fn parts(answer: &Answer) -> Vec<(f64, f64)> {
    let figure = |part: &str, figure: &str| {
        let metric = format!("bellwether_change_seconds_{figure}{{part=\"{part}\"}}");
        value(answer, &metric).unwrap_or_else(|| panic!("no {metric}"))
    };
    PARTS.iter().map(|part| (figure(part, "count"), figure(part, "sum"))).collect()
}

on_both!(the_parts_of_each_change_are_timed, async |app| {
    assert_eq!(parts(&metrics(&app).await), [(0.0, 0.0); PARTS.len()], "there before the first change");
    let app = app.with_flag("feature.a").await;
    let before = parts(&metrics(&app).await);
    app.roll_out(PRODUCTION, "feature.a", 10.0).await;
    // What changes nothing, and what no SDK sees, is none.
    app.roll_out(PRODUCTION, "feature.a", 10.0).await;
    app.patch(&flag("feature.a"), &json!({"name": "no SDK sees it"})).any_version().await.expect(200);
    let after = parts(&metrics(&app).await);
    for ((part, before), after) in PARTS.iter().zip(before).zip(after) {
        assert_eq!(after.0, before.0 + 1.0, "{part}");
        assert!(after.1 >= before.1, "{part}");
    }
});
