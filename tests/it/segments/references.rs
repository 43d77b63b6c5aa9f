//! Who uses a segment: they keep it, and say who may change it.

use reqwest::Method;
use serde_json::json;

use super::{SEGMENTS, member_of, segment};
use crate::harness::{DEVELOPMENT, PRODUCTION, flag, on_both};

on_both!(a_segment_that_is_used_stays, async |app| {
    let app = app.with_segment("beta", &["a"]).await;
    let rules = json!([{"clauses": [member_of("beta")]}]);
    app.post(SEGMENTS, &json!({"key": "wide", "rules": rules})).await.expect(201);
    let app = app.with_flag_for(DEVELOPMENT, "feature.a", "beta").await;
    let app = app.with_flag_for(PRODUCTION, "feature.b", "beta").await;
    let kept = app.delete(&segment("beta", "")).any_version().await.problem(409, "conflict");
    for user in ["flag feature.a in development", "flag feature.b in production", "segment wide"] {
        assert!(kept["detail"].as_str().unwrap().contains(user), "{kept}");
    }
    app.delete(&segment("wide", "")).any_version().await.expect(204);
    app.delete(&flag("feature.b")).any_version().await.expect(204);
    let none = json!({"enabled": true, "off_variation": "off", "fallthrough": {"variation": "off"}});
    app.configure(DEVELOPMENT, "feature.a", &none).await.expect(200);
    app.delete(&segment("beta", "")).any_version().await.expect(204);
    let back = app.patch(&flag("feature.b"), &json!({"archived": false})).any_version().await;
    assert_eq!(back.faults(), ["/environments/production/rules/0/clauses/0/values/0"], "it names what is gone");
});

on_both!(what_production_serves_takes_an_operator, async |app| {
    let app = app.with_segment("beta", &["a"]).await.with_segment("alone", &[]).await;
    let rules = json!([{"clauses": [member_of("beta")]}]);
    app.post(SEGMENTS, &json!({"key": "wide", "rules": rules})).await.expect(201);
    let app = app.with_flag_for(DEVELOPMENT, "feature.a", "beta").await;
    let (editor, operator) = (app.credentials().editor.clone(), app.credentials().operator.clone());
    app.keys_call(Method::POST, "beta", "", "b\n").by(&editor).await.expect(200);
    // Through another segment.
    let app = app.with_flag_for(PRODUCTION, "feature.b", "wide").await;
    let body = json!({"name": "Beta", "rules": []});
    app.keys_call(Method::POST, "beta", "", "c\n").by(&editor).await.problem(403, "forbidden");
    app.put(&segment("beta", ""), &body).any_version().by(&editor).await.problem(403, "forbidden");
    app.keys_call(Method::POST, "alone", "", "c\n").by(&editor).await.expect(200);
    let preview = app.keys_call(Method::POST, "beta", "?preview=true", "c\n").by(&editor).await.expect(200);
    let used_by: Vec<_> = preview["used_by"]
        .as_array()
        .unwrap()
        .iter()
        .map(|used| json!({"flag": used["flag"], "environment": used["environment"]}))
        .collect();
    let (a, b) = (
        json!({"flag": "feature.a", "environment": DEVELOPMENT}),
        json!({"flag": "feature.b", "environment": PRODUCTION}),
    );
    assert_eq!(used_by, [a, b]);
    app.keys_call(Method::POST, "beta", "", "c\n").by(&operator).await.expect(200);
    app.put(&segment("beta", ""), &body).any_version().by(&operator).await.expect(200);
    assert!(app.serves(PRODUCTION, "feature.b", "c").await && !app.serves(PRODUCTION, "feature.b", "d").await);
});

on_both!(flags_behind_flags_move_as_announced, async |app| {
    let app = app.with_segment("beta", &["user-1"]).await;
    app.post(SEGMENTS, &json!({"key": "wide", "rules": [{"clauses": [member_of("beta")]}]})).await.expect(201);
    let app =
        app.with_flag_for(DEVELOPMENT, "direct", "beta").await.with_flag_for(DEVELOPMENT, "through", "wide").await;
    let app = app.with_flag("first").await.with_flag("second").await.with_flag("other").await;
    for (flag, needs) in [("first", "through"), ("second", "first")] {
        let needs = json!([{"flag": needs, "variations": ["on"]}]);
        let body = json!({"enabled": true, "off_variation": "off", "prerequisites": needs,
            "fallthrough": {"variation": "on"}});
        app.configure(DEVELOPMENT, flag, &body).await.expect(200);
    }
    for user in 0..10 {
        app.evaluate(DEVELOPMENT, "other", &json!({"targetingKey": format!("user-{user}")})).await.expect(200);
    }
    let body = "user-2\nuser-3\nuser-77\n";
    let by_keys = app.keys_call(Method::POST, "beta", "?preview=true", body).await.expect(200);
    let names = ["user-1", "user-2", "user-3", "user-77"];
    let whole = json!({"name": "Beta", "included": names, "rules": []});
    let as_whole = app.put(&segment("beta", "?preview=true"), &whole).any_version().await.expect(200);
    assert_eq!(by_keys["used_by"], as_whole["used_by"]);
    let moves = json!({"seen": 10, "moved": 2, "uncertain": 0, "moves": [{"from": "off", "to": "on", "users": 2}]});
    let used = |flag: &str| json!({"flag": flag, "environment": DEVELOPMENT, "recent_users": moves});
    let behind =
        |flag: &str| json!({"flag": flag, "environment": DEVELOPMENT, "by_prerequisite": true, "recent_users": moves});
    assert_eq!(by_keys["used_by"], json!([used("direct"), behind("first"), behind("second"), used("through")]));
    app.keys_call(Method::POST, "beta", "", body).await.expect(200);
    for flag in ["direct", "through", "first", "second"] {
        for (user, on) in [("user-1", true), ("user-2", true), ("user-3", true), ("user-4", false)] {
            assert_eq!(app.serves(DEVELOPMENT, flag, user).await, on, "{flag} {user}");
        }
    }
});
