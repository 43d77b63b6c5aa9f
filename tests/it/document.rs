//! `GET /openapi.json` and `GET /docs`: the document is of the server that gives it.

mod examples;
mod schemas;

use std::collections::BTreeSet;

use bellwether::audit::ACTIONS;
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::harness::{DEVELOPMENT, FLAGS, TestApp, on_both};
use crate::routes::{self, Need};

/// The document.
pub(crate) async fn document(app: &TestApp) -> Value {
    app.get("/openapi.json").by_nobody().await.expect(200)
}

/// An operation, where it stands in the document.
#[derive(Clone)]
pub(crate) struct Operation<'d> {
    pub(crate) method: Method,
    pub(crate) path: &'d str,
    pub(crate) about: &'d Value,
}

impl Operation<'_> {
    pub(crate) fn id(&self) -> &str {
        self.about["operationId"].as_str().unwrap()
    }

    fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }
}

/// Every operation of a document.
pub(crate) fn operations(document: &Value) -> Vec<Operation<'_>> {
    let mut all = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, about) in item.as_object().unwrap() {
            let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
            all.push(Operation { method, path, about });
        }
    }
    all
}

fn names(document: &Value) -> BTreeSet<String> {
    operations(document).iter().map(Operation::name).collect()
}

/// Whether a route is for programs, and so in the document.
fn is_for_programs(path: &str) -> bool {
    let roots = ["/api/", "/ofrep/", "/health"];
    roots.iter().any(|root| path.starts_with(root)) || ["/openapi.json", "/docs", "/metrics"].contains(&path)
}

on_both!(the_document_has_every_route, async |app| {
    let document = document(&app).await;
    let routes = routes::table();
    let served: BTreeSet<_> = routes
        .iter()
        .filter(|route| is_for_programs(&route.pattern))
        .map(|route| format!("{} {}", route.method, route.pattern))
        .collect();
    let described = names(&document);
    let missing: Vec<_> = served.difference(&described).collect();
    assert!(missing.is_empty(), "describe the handlers of {missing:#?} with #[utoipa::path]");
    let surplus: Vec<_> = described.difference(&served).collect();
    assert!(surplus.is_empty(), "the server has no {surplus:#?}");
});

on_both!(operations_say_who_may_call_them, async |app| {
    let document = document(&app).await;
    let routes = routes::table();
    for operation in operations(&document) {
        let route = routes.iter().find(|route| route.method == operation.method && route.pattern == operation.path);
        let mut schemes: Vec<_> = operation.about["security"]
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|requirement| requirement.as_object().unwrap().keys().map(String::as_str))
            .collect();
        schemes.sort_unstable();
        let expected: &[&str] = match route.unwrap().need {
            Need::Nothing => &[],
            Need::Key => &["api_key", "client_key", "server_key"],
            Need::ServerKey => &["server_key"],
            _ => &["service_token"],
        };
        assert_eq!(schemes, expected, "{}", operation.name());
    }
    let schemes = document["components"]["securitySchemes"].as_object().unwrap();
    let known: Vec<_> = schemes.keys().map(String::as_str).collect();
    assert_eq!(known, ["api_key", "client_key", "server_key", "service_token", "session"]);
});

on_both!(operations_are_described, async |app| {
    let document = document(&app).await;
    assert_eq!(document["openapi"], "3.1.0");
    assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
    let tags: Vec<_> = document["tags"].as_array().unwrap().iter().map(|tag| &tag["name"]).collect();
    assert!(document["tags"].as_array().unwrap().iter().all(|tag| tag["description"] != ""));
    let mut ids = BTreeSet::new();
    for operation in operations(&document) {
        let name = operation.name();
        assert!(ids.insert(operation.id().to_owned()), "{name}: its id is another one's too");
        assert!(operation.about["summary"].as_str().is_some_and(|text| text.ends_with('.')), "{name} has no summary");
        assert!(tags.contains(&&operation.about["tags"][0]), "{name}");
        for parameter in operation.about["parameters"].as_array().into_iter().flatten() {
            let (parameter, place) = (&parameter["name"], &parameter["in"]);
            if place == "path" {
                assert!(
                    operation.path.contains(&format!("{{{}}}", parameter.as_str().unwrap())),
                    "{name}: {parameter}"
                );
            }
        }
        for part in operation.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')) {
            let parameters = operation.about["parameters"].as_array().unwrap();
            let given = parameters.iter().find(|p| p["in"] == "path" && p["name"] == part).unwrap();
            assert!(given["description"] != "" && !given["example"].is_null(), "{name}: {part}");
        }
        for (status, answer) in operation.about["responses"].as_object().unwrap() {
            let answer = resolved(&document, answer);
            assert_ne!(answer["description"], "", "{name}: {status}");
            assert!(answer["headers"]["X-Request-Id"].is_object(), "{name}: {status}");
        }
    }
});

/// What a `$ref` refers to, or the value itself.
pub(crate) fn resolved<'d>(document: &'d Value, value: &'d Value) -> &'d Value {
    match value["$ref"].as_str() {
        Some(reference) => document.pointer(reference.strip_prefix('#').unwrap()).expect(reference),
        None => value,
    }
}

on_both!(the_actions_of_the_audit_log_are_listed, async |app| {
    let document = document(&app).await;
    let listed = document["components"]["schemas"]["AuditAction"]["enum"].as_array().unwrap().clone();
    let known: Vec<Value> = ACTIONS.iter().map(|(name, _)| json!(name)).collect();
    assert_eq!(listed, known);
    for (name, meaning) in ACTIONS {
        let (noun, verb) = name.split_once('.').unwrap();
        assert!(!noun.is_empty() && !verb.is_empty() && !meaning.is_empty(), "{name}");
    }
    assert!(ACTIONS.is_sorted());
});

/// A line of `tests/api/paths.toml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    path: String,
    #[serde(default)]
    built: Vec<String>,
    #[serde(default)]
    later: Vec<String>,
    #[serde(default)]
    parameters: Vec<String>,
    #[serde(default)]
    later_parameters: Vec<String>,
}

#[derive(Deserialize)]
struct Contract {
    path: Vec<Line>,
}

fn contract() -> Vec<Line> {
    toml::from_str::<Contract>(include_str!("../api/paths.toml")).unwrap().path
}

fn lines(of: impl Fn(&Line) -> &Vec<String>) -> BTreeSet<String> {
    let contract = contract();
    contract.iter().flat_map(|line| of(line).iter().map(move |method| format!("{method} {}", line.path))).collect()
}

on_both!(what_the_contract_calls_built_is_what_is_described, async |app| {
    let document = document(&app).await;
    let (built, described) = (lines(|line| &line.built), names(&document));
    assert_eq!(built, described, "tests/api/paths.toml, the document");
    assert_eq!(built.intersection(&lines(|line| &line.later)).count(), 0);
    let contract = contract();
    let paths: BTreeSet<_> = contract.iter().map(|line| &line.path).collect();
    assert_eq!(paths.len(), contract.len(), "a path is listed twice");
    for line in &contract {
        let item = document["paths"][&line.path].as_object();
        let given: BTreeSet<_> = item
            .into_iter()
            .flat_map(serde_json::Map::values)
            .flat_map(|operation| operation["parameters"].as_array().into_iter().flatten())
            .filter_map(|parameter| parameter["name"].as_str())
            .collect();
        for name in &line.parameters {
            assert!(given.contains(name.as_str()), "{}: {name}", line.path);
        }
        for name in &line.later_parameters {
            assert!(!given.contains(name.as_str()), "{}: {name} is built: say so in tests/api/paths.toml", line.path);
        }
    }
});

on_both!(what_comes_later_is_not_answered, async |app| {
    let app = app.with_flag("feature.a").await;
    for line in contract() {
        let places = [("{project}", "default"), ("{environment}", DEVELOPMENT), ("{flag}", "feature.a")];
        let path = places.iter().fold(line.path.clone(), |path, (name, value)| path.replace(name, value));
        let path: Vec<_> = path.split('/').map(|part| if part.starts_with('{') { "1" } else { part }).collect();
        let path = path.join("/");
        for method in &line.later {
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            let answer = app.call(method.clone(), &path).json(&json!({})).await;
            let code = answer.json()["code"].clone();
            let title = answer.json()["title"].clone();
            let absent = code == "method_not_allowed" || (code == "not_found" && title == "There is no such path");
            assert!(absent, "{method} {} is built: say so in tests/api/paths.toml: {answer}", line.path);
        }
    }
});

on_both!(the_document_is_fetched_once, async |app| {
    let answer = app.get("/openapi.json").by_nobody().await;
    assert_eq!(answer.header("content-type"), "application/json");
    let tag = answer.header("etag").to_owned();
    let again = app.get("/openapi.json").by_nobody().header("if-none-match", &tag).await;
    assert_eq!((again.status.as_u16(), again.body.len()), (304, 0));
});

on_both!(the_page_is_served_from_the_binary, async |app| {
    let page = app.get("/docs").by_nobody().await;
    assert_eq!(page.status, 200);
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    let html = String::from_utf8_lossy(&page.body).into_owned();
    assert!(!html.contains("http://") && !html.contains("https://"), "{html}");
    let mut fetched = 0;
    for attribute in ["src=\"", "href=\""] {
        for address in html.split(attribute).skip(1) {
            let address = address.split('"').next().unwrap();
            if address.starts_with("/static/") || address.starts_with("/docs/") {
                let file = app.get(address).by_nobody().await;
                assert_eq!(file.status, 200, "{address}");
                assert!(file.header("cache-control").contains("immutable"), "{address}");
                fetched += 1;
            }
        }
    }
    assert!(fetched >= 5, "{html}");
    app.get("/docs/none.js").by_nobody().await.problem(404, "not_found");
    app.get(FLAGS).by_nobody().await.problem(401, "unauthenticated");
});
