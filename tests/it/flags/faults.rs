//! Everything that is wrong with a flag or a configuration is named at once, and nothing changes.

use serde_json::{Value, json};

use crate::harness::{DEVELOPMENT, FLAGS, PRODUCTION, TestApp, configured, flag, on_both};

/// # Panics
/// Unless creating `flag` is refused for exactly these members.
async fn refused(app: &TestApp, flag: &Value, pointers: &[&str]) {
    let answer = app.post(FLAGS, flag).await;
    assert_eq!(answer.faults(), pointers, "{answer}");
}

on_both!(a_new_flag_with_many_faults, async |app| {
    let revision = app.revision(PRODUCTION).await;
    let long = "x".repeat(101);
    refused(&app, &json!({}), &["/key", "/type"]).await;
    refused(&app, &json!({"key": long, "type": "bool", "colour": 1}), &["/colour", "/key", "/type"]).await;
    for key in ["", "-a", ".a", "a b", "ä", "a/b", &long] {
        refused(&app, &json!({"key": key, "type": "boolean"}), &["/key"]).await;
    }
    refused(&app, &json!({"key": "a", "type": "string"}), &["/variations"]).await;
    refused(&app, &json!({"key": "a", "type": "string", "variations": []}), &["/variations"]).await;
    refused(&app, &json!({"key": "a", "type": "string", "variations": "x"}), &["/variations"]).await;
    let many: Vec<_> = (0..65).map(|n| json!({"name": n.to_string(), "value": n})).collect();
    refused(&app, &json!({"key": "a", "type": "integer", "variations": many}), &["/variations"]).await;

    let wrong = json!({
        "key": "-", "type": "integer", "kind": "toy", "name": "", "description": "d".repeat(10_001),
        "owner": "o".repeat(201), "tags": ["", "t".repeat(61), 3], "client_visible": "yes", "metadata": [],
        "variations": [{"name": "", "value": 1}, {"name": "a", "value": 1.5}, {"name": "a", "value": "1"}, {"value": 2}],
        "off_variation": "none", "more": 1,
    });
    // Whether it has the off variation is not known, as long as one of them has no name.
    let pointers = app.post(FLAGS, &wrong).await.faults();
    let expected = [
        "/client_visible",
        "/description",
        "/key",
        "/kind",
        "/metadata",
        "/more",
        "/name",
        "/owner",
        "/tags/0",
        "/tags/1",
        "/tags/2",
        "/variations/0/name",
        "/variations/1/value",
        "/variations/2/name",
        "/variations/2/value",
        "/variations/3/name",
    ];
    assert_eq!(pointers, expected);
    let wrong = json!({
        "key": "-", "type": "integer", "name": "", "description": "d".repeat(10_001), "owner": "o".repeat(201),
        "tags": ["", "t".repeat(61)], "metadata": {},
        "variations": [{"name": "", "value": 1}, {"name": "a", "value": 1.5}, {"name": "a", "value": "1"}],
        "off_variation": "none", "more": 1,
    });
    let expected = [
        "/description",
        "/key",
        "/more",
        "/name",
        "/owner",
        "/tags/0",
        "/tags/1",
        "/variations/0/name",
        "/variations/1/value",
        "/variations/2/name",
        "/variations/2/value",
    ];
    refused(&app, &wrong, &expected).await;

    let large = json!({"key": "a", "type": "string", "variations": [{"name": "v", "value": "x".repeat(65_536)}]});
    refused(&app, &large, &["/variations/0/value"]).await;
    assert_eq!(app.revision(PRODUCTION).await, revision);
    assert_eq!(app.get(FLAGS).await.expect(200)["items"], json!([]));
});

on_both!(values_of_another_type, async |app| {
    for (kind, value) in [
        ("boolean", json!("true")),
        ("boolean", json!(null)),
        ("string", json!(1)),
        ("integer", json!(1.5)),
        ("integer", json!("1")),
        ("integer", json!(9_007_199_254_740_993_i64)),
        ("float", json!("1.0")),
        ("float", json!(null)),
    ] {
        let flag = json!({"key": "a", "type": kind, "variations": [{"name": "v", "value": value}]});
        refused(&app, &flag, &["/variations/0/value"]).await;
    }
});

/// # Panics
/// Unless replacing the configuration is refused for exactly these members and nothing changes.
async fn not_configured(app: &TestApp, configuration: Value, pointers: &[&str]) {
    let before = app.configured(DEVELOPMENT, "text").await;
    let revision = app.revision(DEVELOPMENT).await;
    let answer = app.configure(DEVELOPMENT, "text", &configuration).await;
    assert_eq!(answer.faults(), pointers, "{configuration}: {answer}");
    assert_eq!(app.configured(DEVELOPMENT, "text").await, before);
    assert_eq!(app.revision(DEVELOPMENT).await, revision);
}

fn split(split: Value) -> Value {
    json!({"enabled": true, "off_variation": "a", "fallthrough": {"split": split}})
}

on_both!(splits_that_can_not_be, async |app| {
    let app = app.with_string_flag("text", &["a", "b", "c"]).await;
    let at = "/configuration/fallthrough/split";
    let weights = |w: Value| split(json!({"weights": w}));
    let under = |rest: &str| format!("{at}{rest}");
    for (wrong, pointers) in [
        (weights(json!({"a": 50_000, "b": 49_999})), vec![under("/weights")]),
        (weights(json!({"a": 50_000, "b": 50_001})), vec![under("/weights")]),
        (weights(json!({})), vec![under("/weights")]),
        (weights(json!({"a": 100_000, "none": 0})), vec![under("/weights/none")]),
        (weights(json!({"a": 100_000, "x/y~z": 1})), vec![under("/weights"), under("/weights/x~1y~0z")]),
        (weights(json!({"a": -1, "b": 100_001})), vec![under("/weights/a")]),
        (weights(json!({"a": 4_294_967_295_u64, "b": 4_294_967_295_u64})), vec![under("/weights")]),
        (weights(json!({"a": 4_294_967_296_u64})), vec![under("/weights/a")]),
        (weights(json!({"a": 99_999.5, "b": 0.5})), vec![under("/weights/a"), under("/weights/b")]),
        (weights(json!({"a": "100000"})), vec![under("/weights/a")]),
        (weights(json!([1])), vec![under("/weights")]),
        (split(json!({})), vec![under("/weights")]),
        (split(json!({"weights": {"a": 100_000}, "salt": ""})), vec![under("/salt")]),
        (split(json!({"weights": {"a": 100_000}, "salt": "x".repeat(65)})), vec![under("/salt")]),
        (split(json!({"weights": {"a": 100_000}, "salt": "a\u{0}b"})), vec![under("/salt")]),
        (split(json!({"weights": {"a": 100_000}, "salt": 3})), vec![under("/salt")]),
        (split(json!({"weights": {"a": 100_000}, "hash": "murmur3"})), vec![under("/hash")]),
        (split(json!({"weights": {"a": 100_000}, "bucket_by": ""})), vec![under("/bucket_by")]),
        (split(json!({"weights": {"a": 100_000}, "bucket_by": "x".repeat(201)})), vec![under("/bucket_by")]),
        (split(json!({"weights": {"a": 100_000}, "ranges": [[100_000, "a"]]})), vec![under("/ranges")]),
        (
            split(json!({"weights": {"a": 1}, "salt": "", "hash": "md5"})),
            vec![under("/hash"), under("/salt"), under("/weights")],
        ),
    ] {
        let pointers: Vec<_> = pointers.iter().map(String::as_str).collect();
        not_configured(&app, wrong, &pointers).await;
    }
});

on_both!(a_configuration_with_many_faults, async |app| {
    let app = app.with_string_flag("text", &["a", "b", "c"]).await;
    let fine = json!({"variation": "a"});
    let whole = |rest: Value| {
        let mut configuration = json!({"enabled": true, "off_variation": "a", "fallthrough": fine});
        configuration.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        configuration
    };
    not_configured(
        &app,
        json!({}),
        &["/configuration/enabled", "/configuration/fallthrough", "/configuration/off_variation"],
    )
    .await;
    not_configured(&app, json!([]), &["/configuration"]).await;
    not_configured(
        &app,
        whole(json!({"enabled": 1, "color": "x"})),
        &["/configuration/color", "/configuration/enabled"],
    )
    .await;
    not_configured(&app, whole(json!({"off_variation": "none"})), &["/configuration/off_variation"]).await;
    not_configured(
        &app,
        whole(json!({"fallthrough": {"variation": "none"}})),
        &["/configuration/fallthrough/variation"],
    )
    .await;
    not_configured(&app, whole(json!({"fallthrough": {}})), &["/configuration/fallthrough"]).await;
    let both = json!({"fallthrough": {"variation": "a", "split": {"weights": {"a": 100_000}}}});
    not_configured(&app, whole(both), &["/configuration/fallthrough"]).await;

    let targets = json!({"targets": [
        {"variation": "none", "keys": ["u"]}, {"variation": "a", "keys": ["v", "v", "k".repeat(1_001), 3]}, {"keys": []},
    ]});
    let expected = [
        "/configuration/targets/0/variation",
        "/configuration/targets/1/keys/1",
        "/configuration/targets/1/keys/2",
        "/configuration/targets/1/keys/3",
        "/configuration/targets/2/variation",
    ];
    not_configured(&app, whole(targets), &expected).await;
    let targets = json!({"targets": [
        {"variation": "none", "keys": ["u"]}, {"variation": "a", "keys": ["v", "v", "k".repeat(1_001)]},
    ]});
    let expected =
        ["/configuration/targets/0/variation", "/configuration/targets/1/keys/1", "/configuration/targets/1/keys/2"];
    not_configured(&app, whole(targets), &expected).await;

    let clause = |clause: Value| whole(json!({"rules": [{"id": "r", "clauses": [clause], "serve": fine}]}));
    let at = |rest: &str| format!("/configuration/rules/0/clauses/0{rest}");
    for (wrong, pointer) in [
        (json!({"attribute": "", "op": "exists"}), at("/attribute")),
        (json!({"attribute": "x".repeat(201), "op": "exists"}), at("/attribute")),
        (json!({"attribute": "a", "op": "near", "values": ["x"]}), at("/op")),
        (json!({"attribute": "a", "op": "in"}), at("/values")),
        (json!({"attribute": "a", "op": "in", "values": [null]}), at("/values/0")),
        (json!({"attribute": "a", "op": "exists", "values": [1]}), at("/values")),
        (json!({"attribute": "a", "op": "lt", "values": [1, "2"]}), at("/values/1")),
        (json!({"attribute": "a", "op": "starts_with", "values": [1]}), at("/values/0")),
        (json!({"attribute": "a", "op": "in", "values": [1], "negated": true}), at("/negated")),
        (json!({"op": "exists"}), at("/attribute")),
        (json!("x"), at("")),
    ] {
        not_configured(&app, clause(wrong), &[&pointer]).await;
    }
    let rules = json!({"rules": [
        5,
        {"id": "p", "clauses": [], "serve": {"variation": "none"}},
        {"id": "q", "clauses": [5, {"attribute": "a", "op": "lt", "values": ["x"]}], "serve": fine},
    ], "prerequisites": [
        {"flag": 5, "variations": ["on"]}, {"flag": "none", "variations": ["on"]},
    ]});
    let expected = [
        "/configuration/prerequisites/0/flag",
        "/configuration/prerequisites/1/flag",
        "/configuration/rules/0",
        "/configuration/rules/1/serve/variation",
        "/configuration/rules/2/clauses/0",
        "/configuration/rules/2/clauses/1/values/0",
    ];
    not_configured(&app, whole(rules), &expected).await;
    let rule = |id: Value| json!({"id": id, "clauses": [], "serve": {"variation": "a"}});
    not_configured(&app, whole(json!({"rules": [rule(json!("r")), rule(json!("r"))]})), &["/configuration/rules/1/id"])
        .await;
    for id in [json!("fallthrough"), json!(""), json!("a b"), json!("x".repeat(101)), json!(7)] {
        not_configured(&app, whole(json!({"rules": [rule(id)]})), &["/configuration/rules/0/id"]).await;
    }
    let many: Vec<_> = (0..501).map(|n| rule(json!(format!("r{n}")))).collect();
    not_configured(&app, whole(json!({"rules": many})), &["/configuration/rules"]).await;
});

// An unknown member, weights that do not sum and an unknown variation are found by different parts of the program.
on_both!(faults_of_every_kind_are_told_together, async |app| {
    let app = app.with_string_flag("text", &["a", "b", "c"]).await;
    let wrong = json!({
        "enabled": true, "off_variation": "none", "surplus": 1,
        "targets": [{"variation": "nowhere", "keys": ["u"]}],
        "rules": [
            {"id": "r1", "clauses": [{"attribute": "a", "op": "in", "values": []}], "serve": {"variation": "nothing"}},
            {"id": "r2", "clauses": [], "serve": {"split": {"weights": {"a": 1}, "salt": ""}}},
        ],
        "fallthrough": {"split": {"weights": {"a": 99_999}, "extra": true}},
    });
    let expected = [
        "/configuration/fallthrough/split/extra",
        "/configuration/fallthrough/split/weights",
        "/configuration/off_variation",
        "/configuration/rules/0/clauses/0/values",
        "/configuration/rules/0/serve/variation",
        "/configuration/rules/1/serve/split/salt",
        "/configuration/rules/1/serve/split/weights",
        "/configuration/surplus",
        "/configuration/targets/0/variation",
    ];
    not_configured(&app, wrong, &expected).await;
});

on_both!(documents_that_are_no_configuration, async |app| {
    let app = app.with_string_flag("text", &["a", "b", "c"]).await;
    let path = configured(DEVELOPMENT, "text", "");
    for (body, pointers) in [
        (json!({}), vec!["/configuration"]),
        (json!([]), vec![""]),
        (json!("x"), vec![""]),
        (json!(null), vec![""]),
        (json!({"configuration": null}), vec!["/configuration"]),
    ] {
        let answer = app.put(&path, &body).any_version().await;
        assert_eq!(answer.faults(), pointers, "{answer}");
    }
    let whole = app.configured(DEVELOPMENT, "text").await;
    let answer = app.put(&path, &whole).any_version().await;
    assert_eq!(answer.faults(), ["/allocations", "/environment", "/flag", "/updated_at", "/updated_by", "/version"]);
});

on_both!(a_definition_that_an_environment_could_not_serve, async |app| {
    let app = app.with_string_flag("text", &["a", "b", "c"]).await;
    let split = json!({"enabled": true, "off_variation": "a", "fallthrough": {"split": {"weights": {"a": 1_000, "b": 99_000}}}});
    app.configure(PRODUCTION, "text", &split).await.expect(200);
    let (before, revision) = (app.get(&flag("text")).await.expect(200), app.revision(DEVELOPMENT).await);
    let fewer = json!({"variations": [{"name": "a", "value": "a"}, {"name": "c", "value": "c"}]});
    let answer = app.patch(&flag("text"), &fewer).any_version().await;
    let faults = answer.faults();
    assert!(faults.iter().all(|pointer| pointer.starts_with("/environments/production/fallthrough")), "{faults:?}");
    let wrong = json!({"name": null, "kind": "x", "tags": "x", "type": "boolean", "key": "b"});
    let faults = app.patch(&flag("text"), &wrong).any_version().await.faults();
    assert_eq!(faults, ["/key", "/kind", "/name", "/tags", "/type"]);
    let wrong = json!({"variations": [{"name": "a", "value": 1}, {"name": "a", "value": "x"}], "owner": "o".repeat(201), "x": 1});
    let faults = app.patch(&flag("text"), &wrong).any_version().await.faults();
    assert_eq!(faults, ["/owner", "/variations/0/value", "/variations/1/name", "/x"]);
    assert_eq!(app.get(&flag("text")).await.expect(200), before);
    assert_eq!(app.revision(DEVELOPMENT).await, revision);
});
