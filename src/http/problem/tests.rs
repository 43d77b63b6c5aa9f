use actix_web::body::to_bytes;
use actix_web::test::TestRequest;
use serde_json::{Value, json};

use super::*;

const FLAG: &str = "/ofrep/v1/evaluate/flags/feature.a";

/// The status, `Retry-After` and the document of an answer to an error.
async fn answer(error: Error, path: &str) -> (u16, Option<String>, Value) {
    let request = TestRequest::post().uri(path).param("key", "feature.a").to_http_request();
    let response = respond(&error, &request, "r");
    let wait = response.headers().get(header::RETRY_AFTER).map(|wait| wait.to_str().unwrap().to_owned());
    let status = response.status().as_u16();
    (status, wait, serde_json::from_slice(&to_bytes(response.into_body()).await.unwrap()).unwrap())
}

#[actix_web::test]
async fn who_asks_too_often_is_told_when_to_ask_again() {
    let (status, wait, document) = answer(Error::TooMany { what: "too many requests", retry_after: 7 }, FLAG).await;
    assert_eq!((status, wait.as_deref()), (429, Some("7")));
    assert_eq!((&document["errorCode"], &document["key"]), (&json!("GENERAL"), &json!("feature.a")));
    assert_eq!(document["errorDetails"], "too many requests; try again in 7 s");
}

#[actix_web::test]
async fn ofrep_has_members_of_its_own() {
    for (error, status, code, error_code) in [
        (Error::Malformed(String::new()), 400, "malformed", "PARSE_ERROR"),
        (Error::invalid("/context", "x"), 400, "invalid", "INVALID_CONTEXT"),
        (Error::Unauthenticated("x"), 401, "unauthenticated", "GENERAL"),
        (Error::Forbidden(String::new()), 403, "forbidden", "GENERAL"),
        (Error::TooLarge { limit: 1 }, 413, "too_large", "GENERAL"),
        (Error::internal("x"), 500, "internal", "GENERAL"),
    ] {
        let (answered, _, document) = answer(error, FLAG).await;
        assert_eq!(answered, status);
        assert_eq!((&document["code"], &document["errorCode"]), (&json!(code), &json!(error_code)));
        assert_eq!(document["errorDetails"], document["detail"]);
    }
    let (status, _, document) = answer(Error::invalid("/x", "x"), "/api/v1/projects").await;
    assert_eq!(status, 422);
    assert!(document.get("errorCode").is_none() && document.get("key").is_none(), "{document}");
}
