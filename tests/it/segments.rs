//! `P/segments` and what lies under it.

mod command;
mod faults;
mod history;
mod keys;
mod manage;
mod readers;
mod references;

use serde_json::{Value, json};

use crate::harness::{Call, TestApp};

/// `P/segments`.
const SEGMENTS: &str = "/api/v1/projects/default/segments";

/// `P/segments/{key}`, or what lies under it.
fn segment(key: &str, rest: &str) -> String {
    format!("{SEGMENTS}/{key}{rest}")
}

/// A rule's clause that asks for a segment.
fn member_of(key: &str) -> Value {
    json!({"attribute": "targetingKey", "op": "in_segment", "values": [key]})
}

impl TestApp {
    /// Has a segment of these users.
    async fn with_segment(self, key: &str, included: &[&str]) -> Self {
        self.post(SEGMENTS, &json!({"key": key, "included": included})).await.expect(201);
        self
    }

    /// Has a boolean flag that serves `on` to the users of a segment in an environment.
    async fn with_flag_for(self, environment: &str, flag: &str, segment: &str) -> Self {
        let app = self.with_flag(flag).await;
        let rule = json!({"id": "members", "clauses": [member_of(segment)], "serve": {"variation": "on"}});
        let whole =
            json!({"enabled": true, "off_variation": "off", "rules": [rule], "fallthrough": {"variation": "off"}});
        app.configure(environment, flag, &whole).await.expect(200);
        app
    }

    /// Whether a flag serves `on` to a user.
    async fn serves(&self, environment: &str, flag: &str, user: &str) -> bool {
        self.evaluate(environment, flag, &json!({"targetingKey": user})).await.expect(200)["value"] == true
    }

    /// A request about a segment's keys, with this body.
    fn keys_call(&self, method: reqwest::Method, key: &str, query: &str, text: &str) -> Call {
        let path = segment(key, &format!("/keys{query}"));
        self.call(method, &path).header("content-type", "text/plain").body(text.to_owned())
    }
}
