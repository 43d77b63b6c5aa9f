//! `F`.

use serde_json::{Value, json};

use crate::harness::{DEVELOPMENT, PRODUCTION, TestApp, configured, on_both};

/// A configuration that uses everything there is.
fn everything() -> Value {
    let clause = |attribute: &str, op: &str, values: Value| json!({"attribute": attribute, "op": op, "values": values});
    json!({
        "enabled": true,
        "off_variation": "c",
        "targets": [{"variation": "b", "keys": ["user-1", "user/2", ""]}, {"variation": "a", "keys": ["3"]}],
        "rules": [
            {"id": "in", "description": "Nordic", "clauses": [clause("country", "in", json!(["NO", 47, true]))],
             "serve": {"variation": "a"}},
            {"id": "starts", "clauses": [clause("mail", "starts_with", json!(["a@", "b@"]))], "serve": {"variation": "b"}},
            {"id": "contains", "clauses": [
                {"attribute": "/address/city", "op": "contains", "values": ["ÅS"], "ignore_case": true}
             ], "serve": {"variation": "a"}},
            {"id": "eq", "clauses": [clause("age", "eq", json!([30, 40.5]))], "serve": {"variation": "b"}},
            {"id": "lt", "clauses": [clause("age", "lt", json!([18])), clause("plan", "exists", json!([]))],
             "serve": {"variation": "a"}},
            {"id": "gte", "clauses": [{"attribute": "age", "op": "gte", "values": [65], "negate": true},
                                      clause("senior", "in", json!([true]))],
             "serve": {"split": {"weights": {"a": 50_000, "b": 0, "c": 50_000}, "salt": "käse", "bucket_by": "company"}}},
            {"id": "missing", "clauses": [{"attribute": "consent", "op": "exists", "negate": true}],
             "serve": {"variation": "b"}},
        ],
        "fallthrough": {"split": {"weights": {"a": 1, "b": 33_333, "c": 66_666}, "salt": "s".repeat(64)}},
    })
}

/// The same as the server writes it: without what says nothing.
fn canonical() -> Value {
    let mut configuration = everything();
    configuration["rules"][4]["clauses"][1].as_object_mut().unwrap().remove("values");
    configuration
}

on_both!(what_is_read_can_be_written, async |app| {
    let app = app.with_string_flag("text", &["a", "b", "c"]).await;
    let path = configured(DEVELOPMENT, "text", "");
    let revision = app.revision(DEVELOPMENT).await;
    let written = app.put(&path, &json!({"configuration": everything()})).version(1).await;
    let view = written.expect(200);
    assert_eq!(written.header("etag"), "\"2\"");
    assert_eq!(view["configuration"], canonical());
    assert_eq!(view["version"], 2);
    assert_eq!(view["updated_by"], "the admin");
    let allocations = json!({
        "gte": [[50_000, "a"], [100_000, "c"]], "fallthrough": [[1, "a"], [33_334, "b"], [100_000, "c"]]
    });
    assert_eq!(view["allocations"], allocations);
    assert_eq!(app.get(&path).await.expect(200), view);

    // Again, as it was read: nothing differs, so nothing happens.
    let again = app.put(&path, &json!({"configuration": view["configuration"]})).version(2).await;
    assert_eq!(again.expect(200), view);
    assert_eq!(app.revision(DEVELOPMENT).await, revision + 1);
    assert_eq!(app.configured(PRODUCTION, "text").await["version"], 1, "another environment's own");
});

on_both!(rules_and_targets_decide_in_their_order, async |app| {
    let app = app.with_string_flag("text", &["a", "b", "c"]).await;
    app.configure(DEVELOPMENT, "text", &everything()).await.expect(200);
    let consent = |mut context: Value| {
        context.as_object_mut().unwrap().entry("consent").or_insert(json!(1));
        context
    };
    for (context, value, reason, rule) in [
        (json!({"targetingKey": "user-1", "country": "NO"}), "b", "TARGETING_MATCH", json!(null)),
        (json!({"targetingKey": "user/2"}), "b", "TARGETING_MATCH", json!(null)),
        (json!({"targetingKey": ""}), "b", "TARGETING_MATCH", json!(null)),
        (json!({"targetingKey": 3.0}), "a", "TARGETING_MATCH", json!(null)),
        (json!({"targetingKey": "x", "country": "NO", "age": 30}), "a", "TARGETING_MATCH", json!("in")),
        (json!({"targetingKey": "x", "country": ["DK", 47]}), "a", "TARGETING_MATCH", json!("in")),
        (json!({"country": true}), "a", "TARGETING_MATCH", json!("in")),
        (json!({"mail": "b@example.com"}), "b", "TARGETING_MATCH", json!("starts")),
        (json!({"address": {"city": "påsan"}}), "a", "TARGETING_MATCH", json!("contains")),
        (json!({"age": 40.5}), "b", "TARGETING_MATCH", json!("eq")),
        (json!({"age": 17.9, "plan": "pro"}), "a", "TARGETING_MATCH", json!("lt")),
        (json!({"age": 64, "senior": true, "company": 42}), "a", "SPLIT", json!("gte")),
        (json!({"consent": null}), "b", "TARGETING_MATCH", json!("missing")),
    ] {
        let context = if rule == "missing" { context } else { consent(context) };
        let served = app.evaluate(DEVELOPMENT, "text", &context).await.expect(200);
        // Which of the two the company falls to is the business of the buckets.
        let fits = served["value"] == value || (rule == "gte" && served["value"] == "c");
        assert!(fits, "{context}: {served}");
        assert_eq!(served["variant"], served["value"]);
        assert_eq!(served["reason"], reason, "{context}: {served}");
        assert_eq!(served["metadata"].get("rule").cloned().unwrap_or_default(), rule, "{context}: {served}");
    }
    let nobody = consent(json!({"age": 10}));
    let served = app.evaluate(DEVELOPMENT, "text", &nobody).await;
    assert_eq!(served.problem(400, "invalid")["errorCode"], "TARGETING_KEY_MISSING");
    let served = app.evaluate(DEVELOPMENT, "text", &consent(json!({"targetingKey": "x"}))).await.expect(200);
    assert_eq!(served["reason"], "SPLIT");
    assert_eq!(served["metadata"]["version"], 2);
});

on_both!(salts_and_ids_are_given_or_drawn_and_then_kept, async |app| {
    let app = app.with_string_flag("text", &["a", "b", "c"]).await;
    let drawn = |weights: Value| {
        json!({"enabled": true, "off_variation": "a", "rules": [{"clauses": [], "serve": {"variation": "a"}}],
               "fallthrough": {"split": {"weights": weights}}})
    };
    let first = app.configure(DEVELOPMENT, "text", &drawn(json!({"a": 100_000}))).await.expect(200);
    let (split, rule) = (&first["configuration"]["fallthrough"]["split"], &first["configuration"]["rules"][0]["id"]);
    let salt = split["salt"].as_str().unwrap();
    assert!((8..=64).contains(&salt.chars().count()), "{salt}");
    assert!(rule.as_str().is_some_and(|id| !id.is_empty()));
    let second = app.configure(DEVELOPMENT, "text", &drawn(json!({"a": 90_000, "b": 10_000}))).await.expect(200);
    assert_eq!(second["configuration"]["fallthrough"]["split"]["salt"], salt);
    assert_eq!(second["allocations"]["fallthrough"], json!([[90_000, "a"], [100_000, "b"]]));

    let mut given = drawn(json!({"c": 100_000}));
    given["fallthrough"]["split"]["salt"] = json!("日本");
    let third = app.configure(DEVELOPMENT, "text", &given).await.expect(200);
    let expected = json!({"weights": {"a": 0, "b": 0, "c": 100_000}, "salt": "日本"});
    assert_eq!(third["configuration"]["fallthrough"]["split"], expected);
    let served = app
        .configure(
            DEVELOPMENT,
            "text",
            &json!({
                "enabled": true, "off_variation": "a", "fallthrough": third["configuration"]["fallthrough"]
            }),
        )
        .await;
    served.expect(200);
    let served = app.evaluate(DEVELOPMENT, "text", &json!({"targetingKey": "u"})).await.expect(200);
    assert_eq!(served["reason"], "SPLIT", "a share of everyone is still a split");
});

on_both!(weights_move_as_few_as_can_be, async |app| {
    let app = app.with_string_flag("text", &["a", "b", "c"]).await;
    let to = async |a: u32, b: u32, c: u32| {
        let split = json!({"weights": {"a": a, "b": b, "c": c}});
        let whole = json!({"enabled": true, "off_variation": "a", "fallthrough": {"split": split}});
        app.configure(DEVELOPMENT, "text", &whole).await.expect(200)["allocations"]["fallthrough"].clone()
    };
    assert_eq!(to(33_000, 33_000, 34_000).await, json!([[33_000, "a"], [66_000, "b"], [100_000, "c"]]));
    let moved = to(50_000, 25_000, 25_000).await;
    assert_eq!(
        moved,
        json!([[33_000, "a"], [58_000, "b"], [66_000, "a"], [91_000, "c"], [100_000, "a"]]),
        "17 of 100 move"
    );
});

on_both!(a_merge_patch_changes_what_it_names, async |app| {
    let app = app.with_string_flag("text", &["a", "b", "c"]).await;
    app.configure(DEVELOPMENT, "text", &everything()).await.expect(200);
    let path = configured(DEVELOPMENT, "text", "");
    let patch = json!({"configuration": {"targets": null, "rules": [], "fallthrough": {"split": {"weights": {"a": 2, "c": 66_665}}}}});
    let patched = app.patch(&path, &patch).version(2).await;
    assert_eq!(patched.header("etag"), "\"3\"");
    let view = patched.expect(200);
    let expected = json!({
        "enabled": true, "off_variation": "c",
        "fallthrough": {"split": {"weights": {"a": 2, "b": 33_333, "c": 66_665}, "salt": "s".repeat(64)}},
    });
    assert_eq!(view["configuration"], expected);
    let patch = json!({"configuration": {"fallthrough": {"split": null, "variation": "b"}}});
    let view = app.patch(&path, &patch).version(3).await.expect(200);
    assert_eq!(view["configuration"]["fallthrough"], json!({"variation": "b"}));
    assert_eq!(view["allocations"], json!({}));

    let revision = app.revision(DEVELOPMENT).await;
    let none = app.patch(&path, &json!({})).version(4).await.expect(200);
    assert_eq!(none, view);
    for (patch, pointers) in [
        (json!({"configuration": {"enabled": null}}), vec!["/configuration/enabled"]),
        (
            json!({"configuration": {"fallthrough": {"split": {"weights": {"a": 1}}}}}),
            vec!["/configuration/fallthrough", "/configuration/fallthrough/split/weights"],
        ),
        (json!({"configuration": {"colour": 1}, "more": 1}), vec!["/configuration/colour", "/more"]),
        (json!([1]), vec![""]),
    ] {
        let answer = app.patch(&path, &patch).version(4).await;
        assert_eq!(answer.faults(), pointers, "{answer}");
    }
    assert_eq!(app.configured(DEVELOPMENT, "text").await, view);
    assert_eq!(app.revision(DEVELOPMENT).await, revision);
});

on_both!(a_change_names_the_version_it_is_for, async |app| {
    let app = app.with_flag("feature.a").await;
    let path = configured(DEVELOPMENT, "feature.a", "");
    let whole = json!({"configuration": {"enabled": true, "off_variation": "off", "fallthrough": {"variation": "on"}}});
    app.put(&path, &whole).await.problem(428, "precondition_required");
    app.patch(&path, &whole).await.problem(428, "precondition_required");
    app.put(&path, &whole).version(1).await.expect(200);
    for call in [app.put(&path, &whole), app.patch(&path, &json!({"configuration": {"enabled": false}}))] {
        let stale = call.version(1).await;
        stale.problem(412, "stale_version");
        assert_eq!(stale.header("etag"), "\"2\"");
    }
    for verb in ["/enable", "/disable", "/targets/on/u"] {
        let stale = app.put_nothing(&configured(DEVELOPMENT, "feature.a", verb)).version(1).await;
        stale.problem(412, "stale_version");
    }
    let rollout = app.put(&configured(DEVELOPMENT, "feature.a", "/rollout"), &json!({"percentage": 5}));
    rollout.version(3).await.problem(412, "stale_version");
    let kept = app.configured(DEVELOPMENT, "feature.a").await;
    assert_eq!((&kept["version"], &kept["configuration"]), (&json!(2), &whole["configuration"]));
});

on_both!(what_is_not_there_is_not_found, async |app| {
    let app = app.with_flag("feature.a").await;
    app.post("/api/v1/projects", &json!({"key": "other"})).await.expect(201);
    app.post("/api/v1/projects/other/environments", &json!({"key": "qa"})).await.expect(201);
    let paths = [
        configured(DEVELOPMENT, "feature.b", ""),
        configured("qa", "feature.a", ""),
        "/api/v1/projects/other/environments/development/flags/feature.a".to_owned(),
        "/api/v1/projects/none/environments/development/flags/feature.a".to_owned(),
    ];
    let whole = json!({"configuration": {"enabled": true, "off_variation": "off", "fallthrough": {"variation": "on"}}});
    for path in paths {
        app.get(&path).await.problem(404, "not_found");
        app.put(&path, &whole).any_version().await.problem(404, "not_found");
        app.patch(&path, &whole).any_version().await.problem(404, "not_found");
        for verb in ["/enable", "/disable", "/targets/on/u"] {
            app.put_nothing(&format!("{path}{verb}")).await.problem(404, "not_found");
        }
        app.delete(&format!("{path}/targets/on/u")).await.problem(404, "not_found");
        for preview in ["", "?preview=true"] {
            let path = format!("{path}/rollout{preview}");
            app.put(&path, &json!({"percentage": 5})).await.problem(404, "not_found");
        }
    }
});

/// Who may do what to production is tested with the table of routes; here, that nothing happens.
async fn unchanged_by(app: &TestApp, token: &str) {
    let before = app.configured(PRODUCTION, "feature.a").await;
    app.put_nothing(&configured(PRODUCTION, "feature.a", "/disable")).by(token).await.problem(403, "forbidden");
    let rollout = app.put(&configured(PRODUCTION, "feature.a", "/rollout"), &json!({"percentage": 5}));
    rollout.by(token).await.problem(403, "forbidden");
    assert_eq!(app.configured(PRODUCTION, "feature.a").await, before);
}

on_both!(production_is_for_operators, async |app| {
    let app = app.with_flag("feature.a").await;
    let credentials = app.credentials().clone();
    unchanged_by(&app, &credentials.editor).await;
    unchanged_by(&app, &credentials.viewer).await;
    unchanged_by(&app, &app.keys(PRODUCTION).server).await;
    app.put_nothing(&configured(DEVELOPMENT, "feature.a", "/disable")).by(&credentials.editor).await.expect(200);
    app.put_nothing(&configured(PRODUCTION, "feature.a", "/disable")).by(&credentials.operator).await.expect(200);
});
