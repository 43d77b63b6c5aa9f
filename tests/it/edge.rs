//! What is the same for every route: bodies, errors, headers, request ids.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::harness::{DEVELOPMENT, FLAGS, PRODUCTION, TestApp, configured, flag, on_both, within};

const MIB: usize = 1 << 20;

/// A flag whose body has this many bytes.
fn flag_of(bytes: usize) -> String {
    let around = json!({"key": "big", "type": "boolean", "description": ""}).to_string();
    let filler = "x".repeat(bytes - around.len());
    around.replace("\"description\":\"\"", &format!("\"description\":\"{filler}\""))
}

on_both!(malformed_json_is_told_from_wrong_json, async |app| {
    let deep = format!("{}1{}", "[".repeat(200), "]".repeat(200));
    for body in ["{", "{\"key\":}", "[1,]", "nul", "{} {}", "\u{feff}{}", "{'a':1}", "{\"a\":1e999}", &deep] {
        let answer = app.post(FLAGS, &json!({})).body(body.to_owned()).await;
        answer.problem(400, "malformed");
    }
    let answer = app.post(FLAGS, &json!({})).body(vec![b'"', 0xff, b'"']).await;
    answer.problem(400, "malformed");
    for body in ["null", "[]", "1", "\"text\"", ""] {
        assert_eq!(app.post(FLAGS, &json!({})).body(body.to_owned()).await.faults(), [""], "{body:?}");
    }
    assert_eq!(app.get(FLAGS).await.expect(200)["items"], json!([]));
});

on_both!(a_body_up_to_a_mebibyte_is_read, async |app| {
    let most = app.post(FLAGS, &json!({})).body(flag_of(MIB)).await;
    assert_eq!(most.faults(), ["/description"], "it was read, and its description is too long");
    app.post(FLAGS, &json!({})).body(flag_of(MIB + 1)).await.problem(413, "too_large");
});

on_both!(as_many_targets_as_there_may_be_fit_into_a_body, async |app| {
    let app = app.with_flag("feature.a").await;
    let key = |user: usize| format!("{user:08x}-0000-4000-8000-000000000000");
    let keys: Vec<_> = (0..100_000).map(key).collect();
    let targets = json!({"enabled": true, "off_variation": "off", "fallthrough": {"variation": "off"},
        "targets": [{"variation": "on", "keys": keys}]});
    let configured = app.configure(DEVELOPMENT, "feature.a", &targets).await.expect(200);
    let again = app.configure(DEVELOPMENT, "feature.a", &configured["configuration"]).await.expect(200);
    assert_eq!(again["configuration"], configured["configuration"]);
    for (user, value) in [(0, true), (99_999, true), (100_000, false)] {
        let context = json!({"targetingKey": key(user)});
        assert_eq!(app.evaluate(DEVELOPMENT, "feature.a", &context).await.expect(200)["value"], value);
    }
});

on_both!(the_answer_to_a_large_body_can_be_read, async |app| {
    let app = app.with_flag("feature.a").await;
    let large = || flag_of(5 * MIB);
    for _ in 0..5 {
        app.post(FLAGS, &json!({})).body(large()).await.problem(413, "too_large");
        let path = configured(DEVELOPMENT, "feature.a", "");
        app.put(&path, &json!({})).any_version().body(large()).await.problem(413, "too_large");
        app.evaluate(DEVELOPMENT, "feature.a", &json!({})).body(large()).await.problem(413, "too_large");
        let server = app.keys(DEVELOPMENT).server.clone();
        app.post("/api/v1/measurements", &json!({})).by(&server).body(large()).await.problem(413, "too_large");
        // Also where nobody wants the body.
        app.post(FLAGS, &json!({})).by_nobody().body(large()).await.problem(401, "unauthenticated");
        app.post("/api/v1/none", &json!({})).body(large()).await.problem(404, "not_found");
        app.call(Method::DELETE, FLAGS).body(large()).await.problem(405, "method_not_allowed");
        app.put_nothing(&configured(DEVELOPMENT, "feature.a", "/disable")).body(large()).await.expect(200);
    }
});

on_both!(json_is_what_is_read, async |app| {
    let body = json!({"key": "feature.a", "type": "boolean"}).to_string();
    for other in ["text/plain", "application/x-www-form-urlencoded", "application/xml", "json", "text/json", ""] {
        let answer = app.call(Method::POST, FLAGS).header("content-type", other).body(body.clone()).await;
        answer.problem(415, "unsupported_media_type");
    }
    for (index, fine) in
        ["application/json", "Application/JSON; charset=utf-8", "application/merge-patch+json"].into_iter().enumerate()
    {
        let body = json!({"key": format!("flag.{index}"), "type": "boolean"}).to_string();
        app.call(Method::POST, FLAGS).header("content-type", fine).body(body).await.expect(201);
    }
    app.call(Method::POST, FLAGS).body(body).await.expect(201);
});

on_both!(unknown_paths_and_methods, async |app| {
    for path in
        ["/none", "/api", "/api/v1", "/api/v1/none", "/api/v2/projects", "/api/v1/projects/default/flag", "/ofrep/v1/x"]
    {
        app.get(path).by_nobody().await.problem(404, "not_found");
    }
    for (method, path, allowed) in [
        (Method::PUT, FLAGS.to_owned(), vec!["GET", "POST"]),
        (Method::POST, flag("a"), vec!["DELETE", "GET", "PATCH"]),
        (Method::GET, configured(DEVELOPMENT, "a", "/enable"), vec!["PUT"]),
        (Method::POST, "/api/v1/snapshot".to_owned(), vec!["GET"]),
        (Method::GET, "/ofrep/v1/evaluate/flags/a".to_owned(), vec!["POST"]),
        (Method::DELETE, "/health".to_owned(), vec!["GET"]),
    ] {
        let answer = app.call(method, &path).by_nobody().await;
        answer.problem(405, "method_not_allowed");
        let mut allow: Vec<_> = answer.header("allow").split(',').map(str::trim).collect();
        allow.sort_unstable();
        assert_eq!(allow, allowed, "{path}");
    }
});

on_both!(a_request_keeps_the_id_it_came_with, async |app| {
    for id in ["abc", "A-1_2.3", &"x".repeat(64)] {
        assert_eq!(app.get(FLAGS).header("x-request-id", id).await.header("x-request-id"), id);
        let problem = app.get("/none").header("x-request-id", id).await.problem(404, "not_found");
        assert_eq!(problem["request_id"], id);
    }
    let mut drawn = std::collections::HashSet::new();
    for id in ["", "a b", "a/b", "<x>", &"x".repeat(65)] {
        let answer = app.get(FLAGS).header("x-request-id", id).await;
        let given = answer.header("x-request-id").to_owned();
        assert!(given != id && given.len() >= 16, "{given}");
        assert!(drawn.insert(given), "each request has its own");
    }
});

on_both!(every_answer_has_the_security_headers, async |app| {
    let app = app.with_flag("feature.a").await;
    let server = app.keys(DEVELOPMENT).server.clone();
    for answer in [
        app.get(FLAGS).await,
        app.get(FLAGS).by_nobody().await,
        app.get("/none").await,
        app.get("/health").by_nobody().await,
        app.get("/api/v1/snapshot").by(&server).await,
        app.delete(&flag("feature.a")).any_version().await,
        app.post(FLAGS, &json!({})).await,
        app.put(FLAGS, &json!({})).await,
    ] {
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{answer}");
        assert_eq!(answer.header("referrer-policy"), "no-referrer", "{answer}");
        assert_eq!(answer.header("cache-control"), "no-store", "{answer}");
        let policy = answer.header("content-security-policy");
        for part in ["default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'"] {
            assert!(policy.contains(part), "{part}: {answer}");
        }
        assert!(!policy.contains("unsafe"), "{answer}");
        assert!(!answer.header("x-request-id").is_empty());
    }
});

on_both!(health_is_for_everyone, async |app| {
    let health = app.get("/health").by_nobody().await.expect(200);
    assert_eq!(health, json!({"status": "ok", "version": env!("CARGO_PKG_VERSION")}));
    assert_eq!(app.get("/health/live").by_nobody().await.expect(200), json!({"status": "ok"}));
    assert_eq!(app.get("/health/ready").by_nobody().await.expect(200), json!({"status": "ok"}));
});

on_both!(unknown_credentials_are_asked_for_another, async |app| {
    let admin = app.credentials().admin.clone();
    for value in ["", "Bearer", "Bearer ", "Basic YTpi", &admin, &format!("Bearer {admin}x"), "Bearer bw_svc_"] {
        let answer = app.get(FLAGS).header("authorization", value).await;
        answer.problem(401, "unauthenticated");
        assert_eq!(answer.header("www-authenticate"), "Bearer", "{value}");
    }
    app.get(FLAGS).header("authorization", &format!("bearer {admin}")).await.expect(200);
});

/// Sends `text` as it is and reads what comes back until the server closes.
async fn raw(app: &TestApp, text: &[u8]) -> String {
    let mut socket = TcpStream::connect(app.address()).await.unwrap();
    // The server may have refused before all of it is written.
    let _ = socket.write_all(text).await;
    let mut answer = Vec::new();
    let _ = within("the end of the answer", socket.read_to_end(&mut answer)).await;
    String::from_utf8_lossy(&answer).into_owned()
}

on_both!(nonsense_on_the_wire_does_no_harm, async |app| {
    for nonsense in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..],
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /api/v1/projects HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST /api/v1/projects HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET /%zz%00 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"GET /api/v1/projects/%ff%fe/flags HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    ] {
        let answer = raw(&app, nonsense).await;
        assert!(!answer.contains(" 500 ") && !answer.contains(" 200 "), "{nonsense:?}: {answer}");
    }
    app.get(FLAGS).await.expect(200);
});

on_both!(a_body_that_breaks_off_changes_nothing, async |app| {
    let body = json!({"key": "feature.a", "type": "boolean"}).to_string();
    let (first, _) = body.split_at(10);
    let head = format!(
        "POST {FLAGS} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{first}",
        app.credentials().admin,
        body.len()
    );
    let mut socket = TcpStream::connect(app.address()).await.unwrap();
    socket.write_all(head.as_bytes()).await.unwrap();
    socket.shutdown().await.unwrap();
    let mut answer = Vec::new();
    let _ = within("the end", socket.read_to_end(&mut answer)).await;
    let page: Value = app.get(FLAGS).await.expect(200);
    assert_eq!(page["items"], json!([]));
});

on_both!(requests_share_a_connection, async |app| {
    let request = format!("GET /health HTTP/1.1\r\nHost: {}\r\n\r\n", app.address());
    let mut socket = TcpStream::connect(app.address()).await.unwrap();
    socket.write_all(request.repeat(3).as_bytes()).await.unwrap();
    let mut answers = String::new();
    while answers.matches("\"status\":\"ok\"").count() < 3 {
        let mut buffer = [0; 4_096];
        let read = tokio::time::timeout(Duration::from_secs(45), socket.read(&mut buffer)).await.unwrap().unwrap();
        assert!(read > 0, "the server closed: {answers}");
        answers.push_str(std::str::from_utf8(&buffer[..read]).unwrap());
    }
});

on_both!(text_with_nul_is_refused_in_bodies, async |app| {
    let app = app.with_flag("feature.a").await;
    let f = configured(DEVELOPMENT, "feature.a", "");
    let flag_of = |more: Value| {
        let mut body = json!({"key": "b", "type": "json", "variations": [{"name": "a", "value": 1}]});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        app.post(FLAGS, &body)
    };
    let variations = json!({"variations": [{"name": "a", "value": {"b": ["\0"]}}]});
    assert_eq!(flag_of(json!({"name": "a\0"})).await.faults(), ["/name"]);
    assert_eq!(flag_of(json!({"tags": ["a", "\0"], "owner": 1})).await.faults(), ["/owner", "/tags/1"]);
    assert_eq!(flag_of(json!({"metadata": {"a\0b": 1}})).await.faults(), ["/metadata/a\0b"]);
    assert_eq!(flag_of(variations).await.faults(), ["/variations/0/value/b/0"]);
    assert_eq!(app.patch(&flag("feature.a"), &json!({"owner": "\0"})).any_version().await.faults(), ["/owner"]);
    let clause = json!({"attribute": "country", "op": "in", "values": ["NO", "\0"]});
    let rules = json!([{"id": "r", "clauses": [clause], "serve": {"variation": "on"}}]);
    let patch = app.patch(&f, &json!({"configuration": {"rules": rules}})).any_version().await;
    assert_eq!(patch.faults(), ["/configuration/rules/0/clauses/0/values/1"]);
    let reason = app.post(&configured(DEVELOPMENT, "feature.a", "/canary/start"), &json!({"reason": "\0"})).await;
    assert_eq!(reason.faults(), ["/reason"]);
    let batch = json!({"instance": "i\0", "application": "a", "sequence": 1, "windows": []});
    let server = app.keys(DEVELOPMENT).server.clone();
    assert_eq!(app.post("/api/v1/measurements", &batch).by(&server).await.faults(), ["/instance"]);
    // A context is kept nowhere, and the SDKs evaluate any.
    app.evaluate(DEVELOPMENT, "feature.a", &json!({"targetingKey": "u\0"})).await.expect(200);
});

on_both!(text_with_nul_is_refused_in_addresses, async |app| {
    let app = app.with_flag("feature.a").await;
    let server = app.keys(DEVELOPMENT).server.clone();
    for path in [
        "/api/v1/projects/default%00",
        "/api/v1/projects/default/flags?q=%00",
        "/api/v1/projects/default/flags?cursor=%00",
        "/api/v1/audit?actor=a%00b",
        "/api/v1/none%00",
        "/health?%00",
    ] {
        app.get(path).await.problem(400, "malformed");
    }
    let target = configured(DEVELOPMENT, "feature.a", "/targets/on/u%00");
    app.put_nothing(&target).await.problem(400, "malformed");
    let answer = app.post("/ofrep/v1/evaluate/flags/a%00", &json!({})).by(&server).await.problem(400, "malformed");
    assert_eq!(answer["key"], "a\0");
    // What is no text is not taken for another one.
    let target = configured(DEVELOPMENT, "feature.a", "/targets/on/%FF");
    app.put_nothing(&target).await.problem(400, "malformed");
    app.put_nothing(&configured(DEVELOPMENT, "feature.a", "/targets/on/%C3%A9")).await.expect(200);
    // Encoded twice it is text like any other.
    app.get("/api/v1/projects/default/flags?q=%2500").await.expect(200);
});

on_both!(only_what_a_list_gave_is_its_cursor, async |app| {
    let f = configured(DEVELOPMENT, "canary.a", "/canary");
    app.clone().with_flag("canary.a").await;
    app.put(&f, &json!({})).await.expect(200);
    for list in ["/api/v1/projects", "/api/v1/projects/default/environments", FLAGS, "/api/v1/audit"]
        .map(str::to_owned)
        .into_iter()
        .chain(["/log", "/verdicts"].map(|rest| format!("{f}{rest}")))
    {
        for cursor in ["garbage", "default", "7", "feature.a", "", "%C3%BC"] {
            assert_eq!(app.get(&format!("{list}?cursor={cursor}")).await.faults(), ["/cursor"], "{list} {cursor}");
        }
    }
});

on_both!(a_head_without_a_body_is_not_offered, async |app| {
    for path in ["/health", FLAGS, "/openapi.json", "/docs"] {
        let answer = app.call(Method::HEAD, path).await;
        assert_eq!(answer.status, 405, "{answer}");
        assert!(answer.header("allow").split(',').any(|method| method.trim() == "GET"), "{answer}");
    }
});

on_both!(a_parameter_for_another_change_is_not_passed_over, async |app| {
    let app = app.with_flag("canary.a").await;
    let canary = configured(PRODUCTION, "canary.a", "/canary");
    app.put(&canary, &json!({})).await.expect(200);
    app.post(&format!("{canary}/start?confirm=true"), &json!({})).await.problem(400, "malformed");
    app.put(&format!("{canary}?preview=true"), &json!({})).any_version().await.problem(400, "malformed");
    app.delete(&format!("{canary}?preview=true")).any_version().await.problem(400, "malformed");
    assert_eq!(app.get(&canary).await.expect(200)["state"], "draft");
    app.delete("/api/v1/projects/default?preview=true").any_version().await.problem(400, "malformed");
    let segment = "/api/v1/projects/default/segments/vip";
    app.post("/api/v1/projects/default/segments", &json!({"key": "vip"})).await.expect(201);
    app.delete(&format!("{segment}?preview=true")).any_version().await.problem(400, "malformed");
    app.get(segment).await.expect(200);
    app.post(&format!("{FLAGS}?preview=true"), &json!({"key": "b", "type": "boolean"})).await.problem(400, "malformed");
    app.get(&format!("{FLAGS}/b")).await.problem(404, "not_found");
});
