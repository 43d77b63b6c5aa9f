//! `GET /api/v1/snapshot`.

use std::io::Read as _;

use serde_json::json;
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};

use crate::harness::{Answer, DEVELOPMENT, PRODUCTION, TestApp, configured, flag, on_both};

async fn fetch(app: &TestApp, coding: &str) -> Answer {
    app.get("/api/v1/snapshot").by(&app.keys(PRODUCTION).server).header("accept-encoding", coding).await
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The hash by the documented rule, from the objects' JSON as it was sent.
fn hash(body: &[u8]) -> String {
    #[derive(serde::Deserialize)]
    struct Snapshot {
        flags: Vec<Box<RawValue>>,
        segments: Vec<Box<RawValue>>,
    }
    #[derive(serde::Deserialize)]
    struct Object {
        key: String,
        version: u64,
    }
    let snapshot: Snapshot = serde_json::from_slice(body).unwrap();
    let lines = |kind: &str, objects: Vec<Box<RawValue>>| -> Vec<String> {
        let line = |json: Box<RawValue>| {
            let Object { key, version } = serde_json::from_str(json.get()).unwrap();
            format!("{kind} {key} {version} {}", hex(&Sha256::digest(json.get())))
        };
        objects.into_iter().map(line).collect()
    };
    let mut all = lines("flag", snapshot.flags);
    all.extend(lines("segment", snapshot.segments));
    all.sort();
    format!("sha256:{}", hex(&Sha256::digest(all.join("\n"))))
}

on_both!(the_hash_follows_from_what_is_sent, async |app| {
    let empty = fetch(&app, "identity").await;
    assert_eq!(empty.expect(200)["hash"], hash(&empty.body));
    let app =
        app.with_flag("b").await.with_string_flag("a", &["x", "y"]).await.with_flag("B").await.with_flag("b.a").await;
    app.roll_out(PRODUCTION, "b", 12.5).await;
    let float = json!({"key": "float", "type": "float", "variations": [{"name": "v", "value": 5}]});
    app.post(crate::harness::FLAGS, &float).await.expect(201);
    let answer = fetch(&app, "identity").await;
    let snapshot = answer.expect(200);
    assert_eq!(snapshot["hash"], hash(&answer.body));
    assert_eq!(snapshot["environment"], PRODUCTION);
    assert_eq!(snapshot["revision"], app.revision(PRODUCTION).await);
    assert_eq!(snapshot["counts"], json!({"flags": 5, "segments": 0}));
    let keys: Vec<_> = snapshot["flags"].as_array().unwrap().iter().map(|flag| flag["key"].as_str().unwrap()).collect();
    assert_eq!(keys, ["B", "a", "b", "b.a", "float"]);
    assert!(String::from_utf8_lossy(&answer.body).contains("\"value\":5.0"), "a float has a point");

    app.stop().await;
    app.start_again().await;
    assert_eq!(fetch(&app, "identity").await.body, answer.body, "to the letter, also after a restart");
});

on_both!(what_has_not_changed_is_not_sent_again, async |app| {
    let app = app.with_flag("feature.a").await;
    let first = fetch(&app, "gzip").await;
    let etag = first.header("etag").to_owned();
    assert!(etag.starts_with('"') && etag.ends_with('"') && etag.len() > 4, "{etag}");
    assert_eq!(first.header("vary"), "Accept-Encoding");
    let server = app.keys(PRODUCTION).server.clone();
    let if_none_match = |tag: &str| app.get("/api/v1/snapshot").by(&server).header("if-none-match", tag);
    for tag in [etag.clone(), format!("W/{etag}"), format!("\"x\", {etag}"), "*".to_owned()] {
        let same = if_none_match(&tag).await;
        assert_eq!(same.status, 304, "{tag}");
        assert!(same.body.is_empty());
        assert_eq!(same.header("etag"), etag);
    }
    if_none_match("\"x\"").await.expect(200);
    app.roll_out(DEVELOPMENT, "feature.a", 5.0).await;
    assert_eq!(if_none_match(&etag).await.status, 304, "that was another environment");
    app.roll_out(PRODUCTION, "feature.a", 5.0).await;
    let changed = if_none_match(&etag).await;
    changed.expect(200);
    assert_ne!(changed.header("etag"), etag);
    app.stop().await;
    app.start_again().await;
    assert_eq!(if_none_match(changed.header("etag")).await.status, 304, "a restart is no change");
});

on_both!(every_coding_holds_the_same, async |app| {
    let mut app = app;
    for n in 0..30 {
        app = app.with_flag(&format!("flag.{n}")).await;
    }
    let plain = fetch(&app, "identity").await;
    assert_eq!(plain.header("content-encoding"), "");
    assert_eq!(plain.header("content-type"), "application/json");
    for (accepted, coding) in [
        ("gzip", "gzip"),
        ("zstd", "zstd"),
        ("gzip, deflate, br, zstd", "zstd"),
        ("zstd;q=0, gzip;q=0.5", "gzip"),
        ("br", ""),
        ("", ""),
    ] {
        for _ in 0..2 {
            let answer = fetch(&app, accepted).await;
            assert_eq!(answer.header("content-encoding"), coding, "{accepted}");
            assert_eq!(answer.header("etag"), plain.header("etag"));
            let body = match coding {
                "gzip" => {
                    let mut body = Vec::new();
                    flate2::read::GzDecoder::new(&answer.body[..]).read_to_end(&mut body).unwrap();
                    body
                }
                "zstd" => zstd::decode_all(&answer.body[..]).unwrap(),
                _ => answer.body.to_vec(),
            };
            assert_eq!(body, plain.body, "{accepted}");
            assert!(coding.is_empty() || answer.body.len() * 2 < plain.body.len(), "{accepted} is shorter");
        }
    }
});

on_both!(changes_are_in_the_snapshot_when_they_are_acknowledged, async |app| {
    let app = app.with_flag("feature.a").await;
    let start = app.revision(PRODUCTION).await;
    for step in 1..=20_u64 {
        let on = step % 2 == 1;
        let verb = if on { "/disable" } else { "/enable" };
        let view = app.put_nothing(&configured(PRODUCTION, "feature.a", verb)).await.expect(200);
        let snapshot = app.snapshot(PRODUCTION).await;
        assert_eq!(snapshot["revision"], start + step);
        assert_eq!(snapshot["flags"][0]["version"], view["version"]);
        assert_eq!(snapshot["flags"][0]["enabled"], !on);
    }
    app.delete(&flag("feature.a")).any_version().await.expect(204);
    assert_eq!(app.snapshot(PRODUCTION).await["counts"]["flags"], 0);
});
