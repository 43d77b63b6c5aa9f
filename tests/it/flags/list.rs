//! `GET P/flags`.

use serde_json::{Value, json};

use crate::harness::{FLAGS, TestApp, flag, on_both};

async fn keys(app: &TestApp, query: &str) -> Vec<String> {
    let page = app.get(&format!("{FLAGS}{query}")).await.expect(200);
    page["items"].as_array().unwrap().iter().map(|item| item["key"].as_str().unwrap().to_owned()).collect()
}

on_both!(filters_hold_together, async |app| {
    let words = [
        ("a.one", "boolean", "release", json!(["x", "y"]), "ann", "Pays"),
        ("b.two", "string", "experiment", json!(["y"]), "bob", "Pays twice"),
        ("c.three", "float", "operational", json!([]), "ann", "Limits"),
        ("d.gone", "boolean", "release", json!(["x"]), "ann", "Pays no more"),
    ];
    for (key, kind, purpose, tags, owner, description) in words {
        let value = match kind {
            "boolean" => json!(true),
            "string" => json!("s"),
            _ => json!(1.0),
        };
        let body = json!({
            "key": key, "type": kind, "kind": purpose, "tags": tags, "owner": owner, "description": description,
            "name": format!("The {key}"), "variations": [{"name": "v", "value": value}],
        });
        app.post(FLAGS, &body).await.expect(201);
    }
    app.delete(&flag("d.gone")).any_version().await.expect(204);
    for (query, expected) in [
        ("", vec!["a.one", "b.two", "c.three"]),
        ("?archived=true", vec!["d.gone"]),
        ("?archived=false", vec!["a.one", "b.two", "c.three"]),
        ("?q=PAYS", vec!["a.one", "b.two"]),
        ("?q=the%20c", vec!["c.three"]),
        ("?q=.t", vec!["b.two", "c.three"]),
        ("?tag=y", vec!["a.one", "b.two"]),
        ("?tag=y&owner=bob", vec!["b.two"]),
        ("?kind=operational", vec!["c.three"]),
        ("?type=boolean", vec!["a.one"]),
        ("?owner=ann", vec!["a.one", "c.three"]),
        ("?owner=an", vec![]),
        ("?archived=true&q=limits", vec![]),
    ] {
        assert_eq!(keys(&app, query).await, expected, "{query}");
    }
});

on_both!(pages_follow_each_other, async |app| {
    let mut app = app;
    for n in 0..7 {
        app = app.with_flag(&format!("flag.{n}")).await;
    }
    let (mut seen, mut cursor) = (Vec::new(), None);
    loop {
        let from = cursor.map(|cursor: String| format!("&cursor={cursor}")).unwrap_or_default();
        let page = app.get(&format!("{FLAGS}?limit=3{from}")).await.expect(200);
        let items = page["items"].as_array().unwrap();
        assert!(items.len() <= 3);
        seen.extend(items.iter().map(|item| item["key"].as_str().unwrap().to_owned()));
        cursor = page["next_cursor"].as_str().map(str::to_owned);
        if cursor.is_none() {
            assert_eq!(page["next_cursor"], Value::Null);
            break;
        }
    }
    assert_eq!(seen, (0..7).map(|n| format!("flag.{n}")).collect::<Vec<_>>());
    let exact = app.get(&format!("{FLAGS}?limit=7")).await.expect(200);
    assert_eq!(exact["next_cursor"], Value::Null);
    for limit in ["0", "501", "-1", "x", ""] {
        assert_eq!(app.get(&format!("{FLAGS}?limit={limit}")).await.faults(), ["/limit"], "{limit}");
    }
});

on_both!(a_filter_that_is_not_understood_is_refused, async |app| {
    for (query, pointers) in [
        ("kind=releases", vec!["/kind"]),
        ("type=bool", vec!["/type"]),
        ("archived=yes", vec!["/archived"]),
        ("archived=&type=x&kind=", vec!["/archived", "/kind", "/type"]),
    ] {
        assert_eq!(app.get(&format!("{FLAGS}?{query}")).await.faults(), pointers, "{query}");
    }
    app.get(&format!("{FLAGS}?archived=false&kind=release&type=boolean")).await.expect(200);
});
