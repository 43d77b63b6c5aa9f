//! OFREP: `POST /ofrep/v1/evaluate/flags/{key}` and `POST /ofrep/v1/evaluate/flags`.

mod bulk;
mod contexts;
mod cors;
mod errors;
mod published;
mod single;

use serde_json::json;

use crate::harness::{FLAGS, TestApp, flag};

/// Where all flags are evaluated at once.
const ALL: &str = "/ofrep/v1/evaluate/flags";

/// A string flag that client keys may evaluate.
async fn visible(app: TestApp, key: &str) -> TestApp {
    let app = app.with_string_flag(key, &["a", "b"]).await;
    app.patch(&flag(key), &json!({"client_visible": true})).any_version().await.expect(200);
    app
}

/// A flag of each type, each with two variations of which the last is served: `of-boolean` and so on.
async fn of_each_type(app: TestApp) -> TestApp {
    for (value_type, first, second) in [
        ("boolean", json!(true), json!(false)),
        ("string", json!("a"), json!("b")),
        ("integer", json!(1), json!(9_007_199_254_740_992_i64)),
        ("float", json!(1.5), json!(10)),
        ("json", json!([1]), json!({"a": [1, null], "b": 1.0})),
    ] {
        let variations = json!([{"name": "first", "value": first}, {"name": "second", "value": second}]);
        let key = format!("of-{value_type}");
        let new = json!({"key": key, "type": value_type, "variations": variations, "client_visible": true});
        app.post(FLAGS, &new).await.expect(201);
    }
    app
}
