//! Flags, what they serve, and segments.

use serde_json::json;

use super::{missing, told_together, wrong};
use crate::harness::{DEVELOPMENT, FLAGS, PRODUCTION, configured, flag, on_both};

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
        wrong("/configuration/rules/0/clauses/0/attribute", json!("")),
        wrong("/configuration/rules/0/clauses/0/op", json!("nope")),
        missing("/configuration/rules/0/clauses/0/op"),
        wrong("/configuration/rules/0/clauses/0/op", json!(5)),
        wrong("/configuration/rules/0/clauses/0/values", json!(vec!["v"; 10_001])),
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
    create.extend([
        wrong("/key", json!("a b")),
        missing("/key"),
        wrong("/off_variation", json!(5)),
        wrong("/variations/2", json!(5)),
        wrong("/variations/2/name", json!("")),
        missing("/variations/2/name"),
    ]);
    told_together(|document| app.post(FLAGS, document), &new, &create).await;
    // A variation whose name can't be read might be the one.
    let off = [
        wrong("/off_variation", json!("ghost")),
        wrong("/key", json!(5)),
        wrong("/name", json!("")),
        wrong("/tags", json!("t")),
        wrong("/variations/0/value", json!(1)),
        wrong("/variations/1/more", json!(1)),
    ];
    told_together(|document| app.post(FLAGS, document), &new, &off).await;
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
        wrong("/rules/1/clauses/0/attribute", json!("a".repeat(201))),
        wrong("/rules/1/clauses/0/op", json!([])),
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
