//! The document's examples are requests that work: each is sent, and its answer is as described.

use std::collections::BTreeSet;

use bellwether_core::window::{CONTROL, TREATMENT};
use serde_json::{Value, json};

use super::schemas::faults;
use super::{Operation, document, operations, resolved};
use crate::harness::{Answer, DEVELOPMENT, FLAGS, TestApp, configured, eventually, on_both};

/// The flags that the examples speak of, as `bellwether seed` makes them.
const FEATURE: &str = "feature.new-dashboard";
const CANARY: &str = "canary.new-payment-processor";

/// What is sent to one server after the other's, in this order: each example is for a store just seeded and what the
/// examples before it in its row have made. `verdict` stands for waiting until a guard has decided.
const ROWS: [&[&str]; 5] = [
    &[
        "getHealth",
        "getLiveness",
        "getReadiness",
        "getMetrics",
        "getOpenApi",
        "getDocs",
        "listProjects",
        "createProject",
        "getProject",
        "changeProject",
        "deleteProject",
        "listEnvironments",
        "createEnvironment",
        "getEnvironment",
        "getPropagation",
        "listInstances",
        "changeEnvironment",
        "deleteEnvironment",
        "listFlags",
        "createFlag",
        "getFlag",
        "changeFlag",
        "getConfiguration",
        "replaceConfiguration",
        "disableFlag",
        "enableFlag",
        "rollOutFlag",
        "addTarget",
        "removeTarget",
        "explainFlag",
        "listVersions",
        "restoreVersion",
        "changeFlags",
        "createSegment",
        "listSegments",
        "getSegment",
        "replaceSegment",
        "replaceSegmentKeys",
        "addSegmentKeys",
        "removeSegmentKeys",
        "getSegmentKeys",
        "listAudit",
        "getSnapshot",
        "sendMeasurements",
        "sendEvents",
        "evaluateFlag",
        "evaluateFlags",
        "openStream",
    ],
    &["changeConfiguration", "archiveFlag", "createSegment", "deleteSegment"],
    &[
        "getCanary",
        "configureCanary",
        "startCanary",
        "listLayers",
        "pauseCanary",
        "resumeCanary",
        "advanceCanary",
        "promoteCanary",
        "listCanaryLog",
        "listVerdicts",
    ],
    &["startCanary", "rollBackCanary"],
    &["deleteCanary"],
];

/// Has what the examples speak of.
async fn seeded(app: TestApp) -> TestApp {
    for key in [FEATURE, CANARY] {
        let body = json!({"key": key, "type": "boolean", "tags": ["web"]});
        app.post(FLAGS, &body).await.expect(201);
        app.put(&configured(DEVELOPMENT, key, "/rollout"), &json!({"percentage": 0})).await.expect(200);
    }
    app.put(&configured(DEVELOPMENT, CANARY, "/canary"), &json!({})).await.expect(200);
    app
}

/// The bodies of an operation's examples; one without for an operation that takes none.
fn bodies(operation: &Operation<'_>) -> Vec<(Option<String>, Option<Value>)> {
    let Some(content) = operation.about["requestBody"]["content"].as_object() else { return vec![(None, None)] };
    let mut bodies = Vec::new();
    for (content_type, content) in content {
        let named = content["examples"].as_object().into_iter().flat_map(serde_json::Map::values);
        let all = named.map(|example| &example["value"]).chain(content.get("example"));
        bodies.extend(all.map(|body| (Some(content_type.clone()), Some(body.clone()))));
    }
    assert!(!bodies.is_empty(), "{} has no example", operation.name());
    bodies
}

/// Sends an operation's example with a fitting credential; `id` is for what only a server can name.
async fn send(
    app: &TestApp,
    operation: &Operation<'_>,
    content_type: Option<&str>,
    body: Option<&Value>,
    id: &str,
) -> Answer {
    let parameters: Vec<_> = operation.about["parameters"].as_array().into_iter().flatten().collect();
    let of = |place: &'static str| parameters.iter().filter(move |parameter| parameter["in"] == place);
    let path = of("path").fold(operation.path.to_owned(), |path, parameter| {
        let name = parameter["name"].as_str().unwrap();
        let value = if name == "id" { id } else { parameter["example"].as_str().unwrap() };
        path.replace(&format!("{{{name}}}"), value)
    });
    let mut call = app.call(operation.method.clone(), &path);
    call = match operation.about["security"][0].as_object().and_then(|scheme| scheme.keys().next()) {
        Some(scheme) if scheme == "service_token" => call,
        Some(_) => call.by(&app.keys(DEVELOPMENT).server),
        None => call.by_nobody(),
    };
    for parameter in of("header") {
        if let Some(example) = parameter["example"].as_str() {
            let name: String = parameter["name"].as_str().unwrap().to_lowercase();
            call = call.header(name.leak(), example);
        }
    }
    if let (Some(content_type), Some(body)) = (content_type, body) {
        let text =
            body.as_str().filter(|_| content_type == "text/plain").map_or_else(|| body.to_string(), str::to_owned);
        call = call.header("content-type", content_type).body(text);
    }
    call.await
}

/// Holds an answer against what the document says of it, down to the last member.
fn check(document: &Value, operation: &Operation<'_>, answer: &Answer) {
    let responses = operation.about["responses"].as_object().unwrap();
    let successes: Vec<_> = responses.keys().filter(|status| status.starts_with('2') || *status == "101").collect();
    let success = answer.status.as_str();
    assert!(successes.iter().any(|status| *status == success), "{}: {successes:?}: {answer}", operation.name());
    let described = resolved(document, &responses[success]);
    for name in described["headers"].as_object().into_iter().flat_map(serde_json::Map::keys) {
        let given = answer.headers.contains_key(name.to_lowercase());
        // A preview has no version.
        let given = given || (name == "ETag" && operation.path.ends_with("?preview=true"));
        assert!(given, "{}: no {name}", operation.name());
    }
    let Some(content) = described["content"].as_object() else {
        assert!(answer.body.is_empty(), "{}: {answer}", operation.name());
        return;
    };
    let content_type = answer.header("content-type").split(';').next().unwrap();
    let schema = &content[content_type]["schema"];
    if content_type == "application/json" {
        let wrong = faults(document, schema, &answer.json());
        assert!(wrong.is_empty(), "{}: {wrong:#?}\n{answer}", operation.name());
    }
}

async fn walk(app: TestApp, row: usize) {
    let app = seeded(app).await;
    let document = document(&app).await;
    let operations = operations(&document);
    for id in ROWS[row] {
        let operation = operations.iter().find(|operation| operation.id() == *id).expect(id);
        for (content_type, body) in bodies(operation) {
            if let Some(body) = &body {
                let schema = &operation.about["requestBody"]["content"][content_type.as_ref().unwrap()]["schema"];
                let wrong = faults(&document, schema, body);
                assert!(wrong.is_empty(), "the example of {}: {wrong:#?}", operation.name());
            }
            let (content_type, body) = (content_type.as_deref(), body.as_ref());
            if operation.about["parameters"].as_array().into_iter().flatten().any(|one| one["name"] == "preview") {
                let preview = Operation { path: &format!("{}?preview=true", operation.path), ..operation.clone() };
                let answer = send(&app, &preview, content_type, body, "").await;
                assert_eq!(answer.status, 200, "{}: {answer}", preview.name());
                check(&document, &preview, &answer);
            }
            let answer = send(&app, operation, content_type, body, "").await;
            check(&document, operation, &answer);
        }
    }
}

on_both!(of_projects_flags_and_sdks, async |app| walk(app, 0).await);
on_both!(of_a_patch_and_the_archive, async |app| walk(app, 1).await);
on_both!(of_a_canary_that_is_promoted, async |app| walk(app, 2).await);
on_both!(of_a_canary_that_is_rolled_back, async |app| walk(app, 3).await);
on_both!(of_a_canary_that_goes, async |app| walk(app, 4).await);

/// What is sent where its ids are known.
const LATER: [&str; 6] = ["getVerdict", "createToken", "listTokens", "getToken", "changeToken", "revokeToken"];

on_both!(of_a_verdict, async |app| {
    let app = seeded(app).await;
    let canary = configured(DEVELOPMENT, CANARY, "/canary");
    let stage = |percentage: u32| json!({"percentage": percentage, "minimum_seconds": 3_600});
    app.put(&canary, &json!({"stages": [stage(50), stage(100)]})).any_version().await.expect(200);
    let release = app.post(&format!("{canary}/start"), &json!({})).await.expect(200)["release"].clone();
    let mut sequence = 0;
    let verdict = eventually("a verdict", async || {
        sequence += 1;
        let window = |arm: &str, k: u32| {
            json!({"start": bellwether::clock::now(), "seconds": 1, "release": release, "arm": arm,
                   "metric": "request.error", "n": 1_000, "k": k, "labels": [["POST /pay 502", k]]})
        };
        let windows = [window(TREATMENT, 200), window(CONTROL, 10)];
        let batch = json!({"instance": "i", "application": "a", "sequence": sequence, "windows": windows});
        app.post("/api/v1/measurements", &batch).by(&app.keys(DEVELOPMENT).server).await.expect(202);
        let list = app.get(&format!("{canary}/verdicts")).await.expect(200);
        list["items"][0]["id"].as_str().map(str::to_owned)
    })
    .await;
    let document = document(&app).await;
    for operation in operations(&document) {
        // What there was nothing to show in before.
        if ["getVerdict", "listVerdicts", "getCanary", "listCanaryLog", "listAudit", "getSnapshot"]
            .contains(&operation.id())
        {
            let answer = send(&app, &operation, None, None, &verdict).await;
            check(&document, &operation, &answer);
        }
    }
});

on_both!(of_tokens, async |app| {
    let document = document(&app).await;
    let operations = operations(&document);
    let mut id = String::new();
    for name in ["createToken", "listTokens", "getToken", "changeToken", "revokeToken"] {
        let operation = operations.iter().find(|operation| operation.id() == name).expect(name);
        for (content_type, body) in bodies(operation) {
            let answer = send(&app, operation, content_type.as_deref(), body.as_ref(), &id).await;
            check(&document, operation, &answer);
            if name == "createToken" {
                answer.json()["id"].as_str().unwrap().clone_into(&mut id);
            }
        }
    }
});

on_both!(of_every_operation, async |app| {
    let document = document(&app).await;
    let sent: BTreeSet<_> = ROWS.iter().flat_map(|row| row.iter().copied()).chain(LATER).collect();
    let operations = operations(&document);
    let described: BTreeSet<_> = operations.iter().map(Operation::id).collect();
    assert_eq!(sent, described, "the rows here, the document");
});
