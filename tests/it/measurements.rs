//! `POST /api/v1/measurements`.

use bellwether::clock;
use bellwether::measurements::Closed;
use bellwether_core::window::Summary;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use crate::harness::{Call, DEVELOPMENT, PRODUCTION, TestApp, configured, eventually, on_both};

/// A moment that is a window's beginning, so many seconds from now.
fn start(in_seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(clock::now().timestamp() + in_seconds, 0).unwrap()
}

fn window(release: &str, start: DateTime<Utc>, arm: &str, rest: &Value) -> Value {
    let mut window = json!({"start": clock::rfc3339(start), "seconds": 1, "release": release, "arm": arm});
    window.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
    window
}

fn ratio(release: &str, start: DateTime<Utc>, arm: &str, n: u64, k: u64) -> Value {
    window(release, start, arm, &json!({"metric": "request.error", "n": n, "k": k}))
}

fn batch(instance: &str, sequence: u64, windows: &[Value]) -> Value {
    json!({"instance": instance, "application": "checkout", "sequence": sequence, "windows": windows})
}

fn send(app: &TestApp, batch: &Value) -> Call {
    app.post("/api/v1/measurements", batch).by(&app.keys(PRODUCTION).server)
}

fn receipt(accepted: usize, late: usize, duplicate: bool) -> Value {
    json!({"accepted": accepted, "late": late, "duplicate": duplicate})
}

async fn closed(app: &TestApp, release: &str, start: DateTime<Utc>) -> Closed {
    let measurements = app.services().measurements;
    eventually("the window to close", async || {
        let closed = measurements.closed(release.to_owned(), start, start).await.unwrap();
        closed.into_iter().next()
    })
    .await
}

on_both!(a_batch_counts_once, async |app| {
    let release = app.start_canary(PRODUCTION, "canary.a").await;
    let at = start(30);
    let windows = [ratio(&release, at, "treatment", 100, 2), ratio(&release, at, "control", 900, 9)];
    assert_eq!(send(&app, &batch("i", 1, &windows)).await.expect(202), receipt(2, 0, false));
    assert_eq!(send(&app, &batch("i", 1, &windows)).await.expect(202), receipt(0, 0, true));
    assert_eq!(send(&app, &batch("i", 2, &windows)).await.expect(202), receipt(2, 0, false));
    assert_eq!(send(&app, &batch("other", 1, &windows)).await.expect(202), receipt(2, 0, false));
    assert_eq!(send(&app, &batch("i", 0, &[])).await.expect(202), receipt(0, 0, false));
    // Another environment's instances may be named alike.
    let elsewhere = send(&app, &batch("i", 1, &[])).by(&app.keys(DEVELOPMENT).server).await;
    assert_eq!(elsewhere.expect(202), receipt(0, 0, false));
});

on_both!(what_comes_too_late_is_told_and_not_counted, async |app| {
    let release = app.start_canary(PRODUCTION, "canary.a").await;
    let windows = [
        ratio(&release, start(-10), "treatment", 1, 0),
        ratio("no-such-release", start(30), "treatment", 1, 0),
        ratio(&release, start(30), "treatment", 1, 0),
        ratio(&release, start(-400_000_000), "treatment", 1, 0),
    ];
    assert_eq!(send(&app, &batch("i", 1, &windows)).await.expect(202), receipt(1, 3, false));
    let here = send(&app, &batch("i", 1, &[ratio(&release, start(30), "treatment", 1, 0)]));
    let elsewhere = here.by(&app.keys(DEVELOPMENT).server).await;
    assert_eq!(elsewhere.expect(202), receipt(0, 1, false), "the release of another environment");
    app.post(&configured(PRODUCTION, "canary.a", "/canary/rollback"), &json!({})).await.expect(200);
    let ended = send(&app, &batch("i", 2, &[ratio(&release, start(30), "treatment", 1, 0)])).await;
    assert_eq!(ended.expect(202), receipt(0, 1, false));
});

on_both!(instances_add_up_and_a_closed_window_does_not_change, async |app| {
    let release = app.start_canary(PRODUCTION, "canary.a").await;
    let at = start(1);
    let values = |mean: f64, m2: f64, min: f64, max: f64, histogram: Value| {
        let rest = json!({
            "metric": "request.duration_ms", "n": 2, "mean": mean, "m2": m2, "min": min, "max": max,
            "histogram": histogram, "above": [[2000.0, 0]],
        });
        window(&release, at, "control", &rest)
    };
    let mut errors = ratio(&release, at, "treatment", 100, 3);
    errors["labels"] = json!([["POST /pay 502", 2], ["POST /pay 500", 1]]);
    let a = [errors, values(2.0, 2.0, 1.0, 3.0, json!([[0, 1], [29, 1]]))];
    let mut errors = ratio(&release, at, "treatment", 50, 2);
    errors["labels"] = json!([["POST /pay 500", 2]]);
    let b = [errors, values(4.0, 2.0, 3.0, 5.0, json!([[29, 1], [42, 1]]))];
    assert_eq!(send(&app, &batch("a", 1, &a)).await.expect(202), receipt(2, 0, false));
    assert_eq!(send(&app, &batch("b", 1, &b)).await.expect(202), receipt(2, 0, false));

    let found = closed(&app, &release, at).await;
    let cell = |arm: &str, metric: &str| &found.cells[&(arm.to_owned(), metric.to_owned())];
    let Summary::Ratio(errors) = cell("treatment", "request.error") else { panic!("{found:?}") };
    assert_eq!((errors.n, errors.k), (150, 5));
    assert_eq!(errors.labels, [("POST /pay 500".to_owned(), 3), ("POST /pay 502".to_owned(), 2)]);
    let Summary::Values(times) = cell("control", "request.duration_ms") else { panic!("{found:?}") };
    // 1, 3, 3 and 5: a mean of 3 and squares of 4 + 0 + 0 + 4.
    assert_eq!((times.n, times.mean, times.m2, times.min, times.max), (4, 3.0, 8.0, 1.0, 5.0));
    assert_eq!(times.histogram, [(0, 1), (29, 2), (42, 1)].into());
    assert_eq!(times.above, [(2000.0, 0)]);
    assert_eq!(found.cells.len(), 2);

    assert_eq!(send(&app, &batch("a", 2, &a)).await.expect(202), receipt(0, 2, false));
    assert_eq!(closed(&app, &release, at).await, found);
    app.stop().await;
    app.start_again().await;
    assert_eq!(closed(&app, &release, at).await, found);
});

on_both!(windows_are_put_where_the_server_cuts_them, async |app| {
    let release = app.start_canary(PRODUCTION, "canary.a").await;
    let at = start(1);
    let mut inside = ratio(&release, at, "treatment", 10, 1);
    inside["start"] = json!(clock::rfc3339(at + TimeDelta::milliseconds(400)));
    let offset = at.with_timezone(&chrono::FixedOffset::east_opt(7_200).unwrap()).to_rfc3339();
    let mut elsewhere = ratio(&release, at, "treatment", 10, 1);
    elsewhere["start"] = json!(offset);
    assert_eq!(send(&app, &batch("i", 1, &[inside, elsewhere])).await.expect(202), receipt(2, 0, false));
    let found = closed(&app, &release, at).await;
    let Summary::Ratio(errors) = &found.cells[&("treatment".to_owned(), "request.error".to_owned())] else { panic!() };
    assert_eq!((errors.n, errors.k), (20, 2));
});

on_both!(every_fault_is_named_and_nothing_counted, async |app| {
    let release = app.start_canary(PRODUCTION, "canary.a").await;
    let at = start(30);
    let error = |rest: Value| {
        let mut window = ratio(&release, at, "treatment", 10, 1);
        window.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        window
    };
    let time = |rest: Value| {
        let values = json!({"metric": "request.duration_ms", "n": 2, "mean": 2.0, "m2": 2.0, "min": 1.0, "max": 3.0});
        let mut window = window(&release, at, "treatment", &values);
        window.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        window
    };
    let long = "x".repeat(201);
    for (wrong, pointers) in [
        (error(json!({"k": 11})), vec!["/k"]),
        (error(json!({"k": -1})), vec!["/k"]),
        (error(json!({"n": -1})), vec!["/n"]),
        (error(json!({"n": 1.5})), vec!["/n"]),
        (error(json!({"n": 9_007_199_254_740_993_u64})), vec!["/n"]),
        (error(json!({"k": null})), vec![""]),
        (error(json!({"mean": 1.0, "m2": 0.0})), vec![""]),
        (error(json!({"arm": "none"})), vec!["/arm"]),
        (error(json!({"start": "yesterday"})), vec!["/start"]),
        (error(json!({"start": clock::rfc3339(start(120))})), vec!["/start"]),
        (error(json!({"start": "9999-12-31T23:59:59Z"})), vec!["/start"]),
        (error(json!({"seconds": 0})), vec!["/seconds"]),
        (error(json!({"seconds": 2})), vec!["/seconds"]),
        (error(json!({"metric": ""})), vec!["/metric"]),
        (error(json!({"metric": long, "release": ""})), vec!["/metric", "/release"]),
        (error(json!({"labels": [["a", 1], ["b", 1]]})), vec!["/labels"]),
        (error(json!({"labels": [[long, 1]]})), vec!["/labels/0/0"]),
        (error(json!({"labels": [["a"]]})), vec!["/labels/0"]),
        (error(json!({"surplus": 1, "k": 11})), vec!["/k", "/surplus"]),
        (error(json!({"metric": "request.duration_ms"})), vec!["/mean"]),
        (time(json!({"metric": "request.error"})), vec!["/k"]),
        (time(json!({"m2": -1.0})), vec!["/m2"]),
        (time(json!({"mean": 4.0})), vec!["/mean"]),
        (time(json!({"mean": 1e101, "min": -1e101, "max": 1e101})), vec!["/max", "/mean", "/min"]),
        (time(json!({"m2": 1e300})), vec!["/m2"]),
        (time(json!({"m2": 9.0})), vec!["/m2"]),
        (time(json!({"histogram": [[0, 2], [1, 1]]})), vec!["/histogram"]),
        (time(json!({"histogram": [[2_000_000_000, 1]]})), vec!["/histogram/0"]),
        (time(json!({"histogram": [[0, -1]]})), vec!["/histogram/0/1"]),
        (time(json!({"above": [[5.0, 3]]})), vec!["/above/0"]),
        (time(json!({"above": [["5", 1]]})), vec!["/above/0/0"]),
        (time(json!({"above": (0..200).map(|n| json!([n, 0])).collect::<Vec<_>>()})), vec!["/above"]),
    ] {
        let answer = send(&app, &batch("i", 1, &[ratio(&release, at, "control", 1, 0), wrong.clone()])).await;
        let expected: Vec<_> = pointers.iter().map(|pointer| format!("/windows/1{pointer}")).collect();
        assert_eq!(answer.faults(), expected, "{wrong}: {answer}");
    }
    for (wrong, pointers) in [
        (json!({}), vec!["/application", "/instance", "/sequence", "/windows"]),
        (
            json!({"instance": "", "application": long, "sequence": -1, "windows": {}}),
            vec!["/application", "/instance", "/sequence", "/windows"],
        ),
        (json!({"instance": "i", "application": "a", "sequence": u64::MAX, "windows": []}), vec!["/sequence"]),
    ] {
        assert_eq!(send(&app, &wrong).await.faults(), pointers, "{wrong}");
    }
    for number in ["1e999", "-1e999", "NaN", "Infinity"] {
        let body = batch("i", 1, &[time(json!({"mean": 12_345}))]).to_string().replace("12345", number);
        send(&app, &json!({})).body(body).await.problem(400, "malformed");
    }
    // The number was not used up by what was refused.
    let fine = send(&app, &batch("i", 1, &[ratio(&release, at, "control", 1, 0)])).await;
    assert_eq!(fine.expect(202), receipt(1, 0, false));
});

// Sums of what is accepted must stay numbers, or nobody could read the window again.
on_both!(extremes_add_up_to_numbers, async |app| {
    let release = app.start_canary(PRODUCTION, "canary.a").await;
    let at = start(1);
    for (sequence, mean) in [1e100, -1e100, 0.0, 1e100].into_iter().enumerate() {
        let n = 1_u64 << 52;
        let rest = json!({"metric": "basket", "n": n, "mean": mean, "m2": 0.0, "min": mean, "max": mean});
        let windows = [window(&release, at, "treatment", &rest)];
        let answer = send(&app, &batch("i", sequence as u64, &windows)).await;
        assert_eq!(answer.expect(202), receipt(1, 0, false));
    }
    let found = closed(&app, &release, at).await;
    let Summary::Values(values) = found.cells.values().next().unwrap() else { panic!("{found:?}") };
    assert!(values.mean.is_finite() && values.m2.is_finite() && values.variance() > 0.0, "{values:?}");
    assert_eq!((values.min, values.max), (-1e100, 1e100));
});

on_both!(many_instances_report_at_once, async |app| {
    let release = app.start_canary(PRODUCTION, "canary.a").await;
    let at = start(2);
    let batches: Vec<_> =
        (0..40).map(|n| batch(&format!("i{n}"), 7, &[ratio(&release, at, "treatment", 10, n % 2)])).collect();
    let sent = futures_util::future::join_all(batches.iter().map(|batch| {
        let call = send(&app, batch);
        async move { call.await }
    }));
    for answer in sent.await {
        assert_eq!(answer.expect(202), receipt(1, 0, false));
    }
    let found = closed(&app, &release, at).await;
    let Summary::Ratio(errors) = found.cells.values().next().unwrap() else { panic!("{found:?}") };
    assert_eq!((errors.n, errors.k), (400, 20));
});
