//! Which pages of other origins may read OFREP's answers.

use reqwest::Method;
use serde_json::json;

use super::{ALL, visible};
use crate::harness::{Answer, Call, DEVELOPMENT, TestApp, on_both};

const ONE: &str = "/ofrep/v1/evaluate/flags/text";
const SHOP: &str = "https://shop.example.com";
const DESK: &str = "http://localhost:3000";
const ELSEWHERE: &str = "https://elsewhere.example.com";

/// A client key for pages of these origins.
async fn client_key(app: &TestApp, origins: &[&str]) -> String {
    let new = json!({
        "kind": "client_key", "name": "web", "project": "default", "environment": DEVELOPMENT, "allowed_origins": origins,
    });
    app.post("/api/v1/tokens", &new).await.expect(201)["token"].as_str().unwrap().to_owned()
}

fn preflight(app: &TestApp, path: &str, origin: &str) -> Call {
    app.call(Method::OPTIONS, path)
        .by_nobody()
        .header("origin", origin)
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "content-type,x-api-key")
}

fn ask(app: &TestApp, path: &str, origin: &str) -> Call {
    app.post(path, &json!({"context": {"targetingKey": "u"}})).header("origin", origin)
}

/// Whether a browser lets a page of that origin read the answer.
#[track_caller]
fn readable(answer: &Answer, origin: &str) -> bool {
    assert!(answer.header("vary").split(',').any(|name| name.trim().eq_ignore_ascii_case("origin")), "{answer}");
    assert!(!answer.header("x-request-id").is_empty(), "{answer}");
    let headers = answer.headers.keys().filter(|name| name.as_str().starts_with("access-control-")).count();
    if answer.header("access-control-allow-origin").is_empty() {
        assert_eq!(headers, 0, "{:?}", answer.headers);
        return false;
    }
    assert_eq!(answer.header("access-control-allow-origin"), origin);
    assert_eq!(answer.header("access-control-allow-credentials"), "");
    true
}

on_both!(a_preflight_passes_for_an_origin_of_any_key, async |app| {
    assert!(!readable(&preflight(&app, ALL, SHOP).await, SHOP), "no key allows any");
    client_key(&app, &[SHOP]).await;
    let other = client_key(&app, &[DESK]).await;
    for path in [ONE, ALL] {
        for origin in [SHOP, DESK] {
            let answer = preflight(&app, path, origin).await;
            assert_eq!(answer.status, 204, "{answer}");
            assert!(answer.body.is_empty());
            assert!(readable(&answer, origin), "{answer}");
            assert_eq!(answer.header("access-control-allow-methods"), "POST");
            let headers = "authorization, content-type, if-none-match, x-api-key";
            assert_eq!(answer.header("access-control-allow-headers"), headers);
        }
        for origin in [ELSEWHERE, "null", "", "*", "https://shop.example.com.evil.example", "http://shop.example.com"] {
            assert!(!readable(&preflight(&app, path, origin).await, origin), "{origin}");
        }
    }
    let id = app.get("/api/v1/tokens").await.expect(200)["items"].as_array().unwrap().last().unwrap()["id"].clone();
    app.delete(&format!("/api/v1/tokens/{}", id.as_str().unwrap())).await.expect(204);
    ask(&app, ALL, DESK).by(&other).await.problem(401, "unauthenticated");
    assert!(!readable(&preflight(&app, ALL, DESK).await, DESK), "its key is revoked");
    assert!(readable(&preflight(&app, ALL, SHOP).await, SHOP));
});

on_both!(each_key_says_where_it_may_be_used, async |app| {
    let app = visible(app, "text").await;
    let (shop, desk) = (client_key(&app, &[SHOP]).await, client_key(&app, &[DESK, ELSEWHERE]).await);
    let plain = app.keys(DEVELOPMENT).client.clone();
    for path in [ONE, ALL] {
        for (key, origin, allowed) in [
            (&shop, SHOP, true),
            (&shop, DESK, false),
            (&desk, DESK, true),
            (&desk, ELSEWHERE, true),
            (&desk, SHOP, false),
            (&plain, SHOP, false),
            (&app.keys(DEVELOPMENT).server, SHOP, false),
        ] {
            let answer = ask(&app, path, origin).by(key).await;
            answer.expect(200);
            assert_eq!(readable(&answer, origin), allowed, "{origin}");
            let by_header = ask(&app, path, origin).by_nobody().header("x-api-key", key).await;
            assert_eq!(readable(&by_header, origin), allowed, "{origin}");
            if allowed {
                assert_eq!(answer.header("access-control-expose-headers"), "ETag, Retry-After");
            }
        }
    }
    let etag = ask(&app, ALL, SHOP).by(&shop).await.header("etag").to_owned();
    let same = ask(&app, ALL, SHOP).by(&shop).header("if-none-match", &etag).await;
    assert_eq!(same.status, 304);
    assert!(readable(&same, SHOP), "304 too");
});

on_both!(errors_can_be_read_too, async |app| {
    let key = client_key(&app, &[SHOP]).await;
    for (answer, status) in [
        (ask(&app, "/ofrep/v1/evaluate/flags/none", SHOP).by(&key).await, 404),
        (ask(&app, ALL, SHOP).by(&key).body("{").await, 400),
        (ask(&app, ALL, SHOP).by(&key).body("x".repeat(2 << 20)).await, 413),
        // Whose key is unknown may learn that, as a preflight tells them no less.
        (ask(&app, ALL, SHOP).by("bw_pub_x").await, 401),
        (ask(&app, ALL, SHOP).by_nobody().await, 401),
        (ask(&app, "/ofrep/v1/evaluate/flags/a%00", SHOP).by(&key).await, 400),
    ] {
        assert_eq!(answer.status, status, "{answer}");
        assert!(readable(&answer, SHOP), "{answer}");
    }
    assert!(!readable(&ask(&app, ALL, SHOP).await, SHOP), "a service token is not for browsers");
});

on_both!(a_key_may_be_for_every_origin, async |app| {
    let key = client_key(&app, &["*"]).await;
    for origin in [SHOP, DESK, "null"] {
        assert!(readable(&preflight(&app, ALL, origin).await, origin));
        assert!(readable(&ask(&app, ALL, origin).by(&key).await, origin));
        assert!(!readable(&ask(&app, ALL, origin).by(&app.keys(DEVELOPMENT).client).await, origin));
    }
});

on_both!(only_what_client_keys_are_for_is_shared, async |app| {
    let key = client_key(&app, &["*"]).await;
    let events = "/api/v1/events";
    assert!(readable(&preflight(&app, events, SHOP).await, SHOP));
    let sent =
        app.post(events, &json!({"events": []})).header("origin", SHOP).by_nobody().header("x-api-key", &key).await;
    sent.expect(202);
    assert!(readable(&sent, SHOP));
    for path in ["/api/v1/snapshot", "/api/v1/projects", "/ui", "/health", "/openapi.json"] {
        let answer = preflight(&app, path, SHOP).await;
        assert_eq!(answer.header("access-control-allow-origin"), "", "{answer}");
        assert_eq!(answer.status, 405, "{answer}");
    }
    let same_site = app.post(ALL, &json!({"context": {}})).by(&app.keys(DEVELOPMENT).client).await;
    same_site.expect(200);
    assert!(!readable(&same_site, ""), "nobody asks");
});
