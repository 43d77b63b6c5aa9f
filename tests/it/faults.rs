//! A fault of a document is told whatever else is wrong with it, and nothing else is told: each of many, alone and together
//! with each other.

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Call, DEVELOPMENT, FLAGS, PRODUCTION, configured, flag, on_both};

/// One thing made wrong: what stands at a place instead (nothing: the member is left out), and the places that are told.
struct Wrong {
    at: &'static str,
    instead: Option<Value>,
    told: Vec<String>,
}

fn wrong(at: &'static str, instead: Value) -> Wrong {
    Wrong { at, instead: Some(instead), told: vec![at.to_owned()] }
}

fn missing(at: &'static str) -> Wrong {
    Wrong { at, instead: None, told: vec![at.to_owned()] }
}

impl Wrong {
    /// Told below where it stands.
    fn told(self, below: &[&str]) -> Self {
        Self { told: below.iter().map(|rest| format!("{}{rest}", self.at)).collect(), ..self }
    }

    /// # Panics
    /// When there is no such place.
    fn put_into(&self, document: &mut Value) {
        let (parent, name) = self.at.rsplit_once('/').unwrap();
        match (document.pointer_mut(parent).unwrap(), &self.instead) {
            (Value::Object(members), Some(value)) => drop(members.insert(name.to_owned(), value.clone())),
            (Value::Object(members), None) => drop(members.remove(name).unwrap()),
            (Value::Array(elements), Some(value)) => elements[name.parse::<usize>().unwrap()] = value.clone(),
            (other, _) => panic!("{}: {other}", self.at),
        }
    }

    /// Whether both can be wrong at once: neither stands in the other.
    fn goes_with(&self, other: &Self) -> bool {
        let within = |inner: &str, outer: &str| inner == outer || inner.starts_with(&format!("{outer}/"));
        !within(self.at, other.at) && !within(other.at, self.at)
    }
}

/// # Panics
/// Unless each of `all` in `right` is told, alone and with each other.
async fn told_together(call: impl Fn(&Value) -> Call, right: &Value, all: &[Wrong]) {
    let told = async |these: &[&Wrong]| {
        let mut document = right.clone();
        these.iter().for_each(|one| one.put_into(&mut document));
        let mut expected: Vec<_> = these.iter().flat_map(|one| one.told.clone()).collect();
        expected.sort();
        let answer = call(&document).await;
        assert_eq!(answer.faults(), expected, "{document}: {answer}");
    };
    for (at, one) in all.iter().enumerate() {
        told(&[one]).await;
        for other in all.iter().skip(at + 1).filter(|other| one.goes_with(other)) {
            told(&[one, other]).await;
        }
    }
}

on_both!(of_a_configuration, async |app| {
    let app = app.with_string_flag("text", &["a", "b", "c"]).await.with_flag("other").await.with_flag("second").await;
    let right = json!({"configuration": {
        "enabled": true, "off_variation": "a", "fallthrough": {"variation": "a"},
        "prerequisites": [{"flag": "other", "variations": ["on"]}, {"flag": "second", "variations": ["on"]}],
        "targets": [{"variation": "a", "keys": []}, {"variation": "a", "keys": ["u"]}, {"variation": "b", "keys": ["v"]}],
        "rules": [
            {"id": "r1", "clauses": [{"attribute": "x", "op": "in", "values": ["y"]}], "serve": {"variation": "a"}},
            {"id": "r2", "clauses": [{"all": [{"attribute": "x", "op": "exists"}]}, {"attribute": "n", "op": "lt", "values": [1]}],
             "serve": {"split": {"weights": {"a": 50_000, "b": 50_000}, "salt": "s"}}},
            {"id": "r3", "clauses": [], "serve": {"variation": "b"}},
        ],
    }});
    app.put(&configured(DEVELOPMENT, "text", ""), &right).any_version().await.expect(200);
    let before = app.configured(DEVELOPMENT, "text").await;
    assert_eq!(before["configuration"]["targets"].as_array().unwrap().len(), 2, "that of nobody is left out");
    let (revision, ghost) = (app.revision(DEVELOPMENT).await, json!("ghost"));
    let both = json!({"variation": "ghost", "split": {"weights": {"a": 1}, "salt": ""}});
    let all = [
        missing("/configuration/enabled"),
        wrong("/configuration/off_variation", ghost.clone()),
        wrong("/configuration/more", json!(1)),
        wrong("/configuration/prerequisites/0/flag", ghost.clone()),
        wrong("/configuration/prerequisites/0/variations", json!(5)),
        wrong("/configuration/prerequisites/1/variations", json!(["x"])).told(&["/0"]),
        wrong("/configuration/targets/0/variation", ghost.clone()),
        wrong("/configuration/targets/1/variation", ghost.clone()),
        wrong("/configuration/targets/1/keys", json!(["u", 5, "u", "x".repeat(1_001)])).told(&["/1", "/2", "/3"]),
        wrong("/configuration/targets/2", json!(5)),
        wrong("/configuration/rules/0/id", json!("a b")),
        wrong("/configuration/rules/0/clauses", json!({})),
        missing("/configuration/rules/0/serve"),
        wrong("/configuration/rules/1/clauses/0/all", json!(5)),
        wrong("/configuration/rules/1/clauses/0/all", json!(null)),
        wrong("/configuration/rules/1/clauses/0/all", json!([])),
        missing("/configuration/rules/1/clauses/1/attribute"),
        wrong("/configuration/rules/1/clauses/1/values", json!(["x"])).told(&["/0"]),
        wrong("/configuration/rules/1/clauses/1/negate", json!("yes")),
        wrong("/configuration/rules/1/serve/split/weights", json!({"a": 1})),
        wrong("/configuration/rules/1/serve/split/weights/a", json!(1_u64 << 40)),
        wrong("/configuration/rules/1/serve/split/weights/a", json!("x")),
        wrong("/configuration/rules/1/serve/split/salt", json!("")),
        wrong("/configuration/rules/1/serve/split/hash", json!("md5")),
        wrong("/configuration/rules/2/id", json!("r2")),
        wrong("/configuration/rules/2/description", json!("\0")),
        wrong("/configuration/rules/2/serve/variation", json!(5)),
        missing("/configuration/fallthrough"),
        wrong("/configuration/fallthrough", both).told(&["", "/split/salt", "/split/weights", "/variation"]),
    ];
    let path = configured(DEVELOPMENT, "text", "");
    told_together(|document| app.put(&path, document).any_version(), &right, &all).await;
    assert_eq!((app.configured(DEVELOPMENT, "text").await, app.revision(DEVELOPMENT).await), (before, revision));
    let answer = app
        .put(
            &path,
            &json!({"configuration": {"enabled": true, "off_variation": "a", "fallthrough":
        {"split": {"weights": {"a": 1_u64 << 40}}}}}),
        )
        .any_version()
        .await;
    assert!(answer.json()["errors"][0]["message"].as_str().unwrap().contains("from 0 to 100000"), "{answer}");
});

on_both!(of_a_flag, async |app| {
    let app = app.with_string_flag("text", &["a", "b", "c"]).await;
    let variations = json!([{"name": "a", "value": "a"}, {"name": "b", "value": "b"}, {"name": "c", "value": "c"}]);
    let link = json!({"title": "t", "url": "https://example.com"});
    let right = json!({
        "kind": "release", "name": "n", "description": "d", "tags": ["t", "u"], "owner": "o", "client_visible": false,
        "variations": variations, "metadata": {}, "links": [link, link],
    });
    app.patch(&flag("text"), &right).any_version().await.expect(200);
    let before = app.get(&flag("text")).await.expect(200);
    let mut many: Vec<_> = (0..64).map(|at| json!({"name": format!("v{at}"), "value": "v"})).collect();
    many.extend([json!(5), variations[2].clone()]);
    let all = || {
        vec![
            wrong("/kind", json!("toy")),
            wrong("/name", json!("")),
            wrong("/description", json!(["d"])),
            wrong("/tags/0", json!("")),
            wrong("/tags/1", json!(5)),
            wrong("/owner", json!("o".repeat(201))),
            wrong("/client_visible", json!("yes")),
            wrong("/variations/0/value", json!(1)),
            wrong("/variations/1/name", json!("a")),
            wrong("/variations/2/more", json!(1)),
            wrong("/variations", json!(many.clone())).told(&["", "/64"]),
            wrong("/metadata", json!([])),
            wrong("/links/0/title", json!("")),
            wrong("/links/1/url", json!(5)),
            wrong("/more", json!(1)),
        ]
    };
    let mut patch = all();
    patch.push(wrong("/variations", json!([{"name": "a", "value": 1}])).told(&["/0/value"]));
    if let Some(fewer) = patch.last_mut() {
        let environments = [DEVELOPMENT, PRODUCTION, "staging"];
        let places = ["fallthrough/variation", "off_variation"];
        fewer.told.extend(
            environments
                .iter()
                .flat_map(|environment| places.map(|place| format!("/environments/{environment}/{place}"))),
        );
    }
    told_together(|document| app.patch(&flag("text"), document).any_version(), &right, &patch).await;
    assert_eq!(app.get(&flag("text")).await.expect(200), before);

    let mut new = right.clone();
    new["key"] = json!("new");
    new["type"] = json!("string");
    new["off_variation"] = json!("c");
    let mut create = all();
    create.extend([wrong("/key", json!("a b")), wrong("/off_variation", json!("ghost")), missing("/key")]);
    told_together(|document| app.post(FLAGS, document), &new, &create).await;
    let types = [wrong("/type", json!("bool")), wrong("/type", json!(5)), missing("/type"), wrong("/name", json!(""))];
    told_together(|document| app.post(FLAGS, document), &new, &types).await;
    app.get(&flag("new")).await.problem(404, "not_found");
});

on_both!(of_a_segment, async |app| {
    let segments = "/api/v1/projects/default/segments";
    let one = format!("{segments}/s");
    let clause = json!({"attribute": "x", "op": "lt", "values": [1]});
    let right = json!({
        "name": "n", "description": "d", "included": ["a", "b"], "excluded": ["z"],
        "rules": [{"id": "r1", "clauses": [clause, {"any": [clause]}]}, {"id": "r2", "clauses": [clause]}],
    });
    let mut new = right.clone();
    new["key"] = json!("s");
    app.post(segments, &new).await.expect(201);
    let before = app.get(&one).await.expect(200);
    let unknown = json!({"attribute": "targetingKey", "op": "in_segment", "values": ["ghost"]});
    let all = [
        missing("/name"),
        wrong("/name", json!("a\0")),
        wrong("/name", json!("")),
        wrong("/description", json!("d".repeat(10_001))),
        wrong("/included/0", json!("")),
        wrong("/included/1", json!(5)),
        wrong("/excluded", json!("z")),
        wrong("/rules/0/id", json!("a b")),
        wrong("/rules/0/clauses/0/values", json!(["x"])).told(&["/0"]),
        missing("/rules/0/clauses/0/attribute"),
        wrong("/rules/0/clauses/1/any/0", unknown).told(&["/values/0"]),
        wrong("/rules/0/clauses/1/any", json!({})),
        wrong("/rules/1/clauses", json!([])),
        wrong("/rules/1/id", json!(5)),
        missing("/rules"),
        wrong("/more", json!(1)),
    ];
    for query in ["", "?preview=true"] {
        told_together(|document| app.put(&format!("{one}{query}"), document).any_version(), &right, &all).await;
    }
    assert_eq!(app.get(&one).await.expect(200), before);
});

on_both!(of_a_canary, async |app| {
    let app = app.with_flag("canary.a").await;
    let path = configured(DEVELOPMENT, "canary.a", "/canary");
    let guard =
        |name: &str| json!({"name": name, "metric": "request.error", "test": "ratio_vs_control", "margin": 0.05});
    let right = json!({
        "treatment": "on", "control": "off", "where": "fallthrough", "alpha": 0.01, "dry_run": false,
        "layer": {"name": "l", "percentage": 20},
        "stages": [{"percentage": 1, "minimum_seconds": 60}, {"percentage": 10}, {"percentage": 100}],
        "guards": [guard("one"), guard("two"), {"name": "three", "metric": "request.duration_ms", "test": "quantile_limit",
            "quantile": 0.99, "limit": 2_000}],
    });
    let all = [
        wrong("/treatment", json!("ghost")),
        wrong("/treatment", json!(5)),
        wrong("/control", json!("none")),
        wrong("/where", json!("norule")),
        wrong("/alpha", json!(7)),
        wrong("/dry_run", json!("no")),
        wrong("/layer/name", json!("a b")),
        missing("/layer/percentage"),
        wrong("/stages/0", json!(5)),
        wrong("/stages/1/percentage", json!("x")),
        wrong("/stages/1/gate", json!("x")),
        wrong("/stages/2/percentage", json!(101)),
        wrong("/guards/0/metric", json!("a b")),
        wrong("/guards/0/test", json!("x")),
        wrong("/guards/1/name", json!("one")),
        wrong("/guards/1/margin", json!(11)),
        missing("/guards/1/metric"),
        missing("/guards/2/quantile"),
        wrong("/guards/2/limit", json!({"flag": ""})).told(&["/flag"]),
        wrong("/guards/2/limit", json!([])),
        wrong("/more", json!(1)),
    ];
    told_together(|document| app.put(&path, document), &right, &all).await;
    app.get(&path).await.problem(404, "not_found");
    app.put(&path, &right).await.expect(200);
});

on_both!(of_a_token, async |app| {
    let tokens = "/api/v1/tokens";
    let right = json!({
        "kind": "client_key", "name": "shop", "project": "default", "environment": DEVELOPMENT,
        "allowed_origins": ["https://a.example", "*"],
    });
    let all = [
        missing("/project"),
        wrong("/name", json!("")),
        missing("/name"),
        wrong("/environment", json!(5)),
        wrong("/role", json!("none")),
        wrong("/allowed_origins/0", json!("a")),
        wrong("/allowed_origins/1", json!(5)),
        wrong("/expires_at", json!("yesterday")),
        wrong("/more", json!(1)),
    ];
    told_together(|document| app.post(tokens, document), &right, &all).await;
    // What it has to have is not known then.
    let kinds =
        [wrong("/kind", json!("key")), missing("/kind"), wrong("/name", json!("")), wrong("/role", json!("none"))];
    told_together(|document| app.post(tokens, document), &right, &kinds).await;
    for nowhere in [wrong("/project", json!("ghost")), wrong("/environment", json!("ghost"))] {
        let mut document = right.clone();
        nowhere.put_into(&mut document);
        wrong("/name", json!("")).put_into(&mut document);
        app.post(tokens, &document).await.problem(404, "not_found");
    }
    let service = json!({"kind": "service_token", "name": "pipeline", "role": "viewer"});
    let all = [
        missing("/role"),
        wrong("/project", json!("ghost")),
        wrong("/environment", json!(DEVELOPMENT)),
        wrong("/allowed_origins", json!(["*"])),
        wrong("/name", json!(5)),
    ];
    told_together(|document| app.post(tokens, document), &service, &all).await;
    let token = app.post(tokens, &service).await.expect(201);
    let one = format!("{tokens}/{}", token["id"].as_str().unwrap());
    let all = [wrong("/name", json!("")), wrong("/allowed_origins", json!(["*"])), wrong("/more", json!(1))];
    told_together(|document| app.patch(&one, document).any_version(), &json!({"name": "n"}), &all).await;
});

on_both!(of_an_action_on_many_flags, async |app| {
    let app = app.with_flag("a").await.with_flag("b").await.with_flag("c").await;
    let path = "/api/v1/projects/default/flags:bulk";
    let right = json!({"action": "disable", "flags": ["a", "b", "c"], "environment": DEVELOPMENT, "reason": "r"});
    let all = [
        missing("/environment"),
        wrong("/flags/0", json!("ghost")),
        wrong("/flags/1", json!(5)),
        wrong("/flags/2", json!("b/")),
        wrong("/reason", json!("r".repeat(1_001))),
        wrong("/more", json!(1)),
    ];
    for query in ["", "?preview=true"] {
        told_together(|document| app.post(&format!("{path}{query}"), document), &right, &all).await;
    }
    // Where it is to be done is not known then.
    let actions = [wrong("/action", json!("drop")), missing("/action"), wrong("/flags/0", json!("ghost"))];
    told_together(|document| app.post(path, document), &right, &actions).await;
    let twice = json!({"action": "disable", "flags": ["a", "a", "ghost", {}], "environment": "nowhere"});
    assert_eq!(app.post(path, &twice).await.faults(), ["/environment", "/flags/1", "/flags/2", "/flags/3"]);
    let tag = json!({"action": "tag", "flags": ["a", "b"], "add": ["x", "y"], "remove": ["z"]});
    let all = [
        wrong("/add/0", json!("")),
        wrong("/add/1", json!("z")),
        wrong("/flags/0", json!("ghost")),
        wrong("/flags/1", json!("a")),
        wrong("/environment", json!(DEVELOPMENT)),
        wrong("/reason", json!(5)),
    ];
    // Of the last two one is the same flag as the other.
    told_together(|document| app.post(path, document), &tag, &all[..3]).await;
    told_together(|document| app.post(path, document), &tag, &all[3..]).await;
    assert_eq!(app.configured(DEVELOPMENT, "a").await["version"], 1);
});

on_both!(of_measurements, async |app| {
    let send = |document: &Value| app.post("/api/v1/measurements", document).by(&app.keys(DEVELOPMENT).server);
    let window = |rest: Value| {
        let mut window = json!({"start": "2026-01-01T00:00:00Z", "seconds": 1, "release": "r", "arm": "control"});
        window.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        window
    };
    let right = json!({
        "instance": "i", "application": "a", "sequence": 1,
        "windows": [
            window(json!({"metric": "request.error", "n": 10, "k": 2, "labels": [["x", 1], ["y", 1]]})),
            window(json!({"metric": "request.duration_ms", "n": 10, "mean": 2.0, "m2": 1.0, "min": 1.0, "max": 3.0})),
        ],
        "exposures": [{"release": "r", "arm": "control", "unit": "u", "at": "2026-01-01T00:00:00Z"}],
        "evaluations": [{"flag": "f", "variation": "v", "count": 1, "last": "2026-01-01T00:00:00Z"}],
        "resources": {"cpu_percent": 1},
    });
    let all = [
        wrong("/instance", json!("")),
        missing("/application"),
        wrong("/sequence", json!(-1)),
        wrong("/windows/0/start", json!("now")),
        wrong("/windows/0/n", json!("x")),
        wrong("/windows/0/labels/0/0", json!("x".repeat(201))),
        wrong("/windows/0/labels/1", json!(["y"])),
        wrong("/windows/1/seconds", json!(0)),
        wrong("/windows/1/min", json!("x")),
        wrong("/windows/1/metric", json!("")),
        wrong("/exposures/0/unit", json!("u".repeat(1_001))),
        wrong("/exposures/0/at", json!("2126-01-01T00:00:00Z")),
        missing("/evaluations/0/flag"),
        wrong("/evaluations/0/last", json!("2126-01-01T00:00:00Z")),
        wrong("/resources/cpu_percent", json!(-1)),
        wrong("/more", json!(1)),
    ];
    told_together(send, &right, &all).await;
    send(&right).await.expect(202);
});

on_both!(of_shares, async |app| {
    let app = app.with_flag("feature.a").await;
    let path = configured(DEVELOPMENT, "feature.a", "/rollout");
    for (body, expected) in [
        (json!({"percentage": 101, "weights": {"on": 50, "off": 50}}), vec!["/percentage", "/weights"]),
        (json!({"percentage": 1, "weights": {"on": 100}, "more": 1}), vec!["/more", "/weights"]),
        (json!({"percentage": 1, "weights": {"ghost": 100}}), vec!["/weights", "/weights/ghost"]),
        (json!({"percentage": "x", "weights": {"ghost": 100}}), vec!["/percentage", "/weights/ghost"]),
        (json!({"weights": {"ghost": 100, "on": "x"}}), vec!["/weights/ghost", "/weights/on"]),
    ] {
        let answer = app.call(Method::PUT, &path).json(&body).await;
        assert_eq!(answer.faults(), expected, "{body}: {answer}");
    }
});
