use serde_json::{Value, json};

use super::{ALL, of_each_type, visible};
use crate::harness::{Answer, DEVELOPMENT, FLAGS, PRODUCTION, TestApp, eventually, flag, on_both};

/// All flags for a context, with a key and perhaps an `ETag` of before.
async fn ask(app: &TestApp, key: &str, context: &Value, etag: &str) -> Answer {
    let call = app.post(ALL, &json!({"context": context})).by(key);
    let call = if etag.is_empty() { call } else { call.header("if-none-match", etag) };
    call.await
}

fn keys(answer: &Answer) -> Vec<String> {
    let list = answer.json()["flags"].as_array().unwrap().clone();
    list.iter().map(|flag| flag["key"].as_str().unwrap().to_owned()).collect()
}

on_both!(every_flag_is_there_as_it_is_by_itself, async |app| {
    let app = of_each_type(app).await.with_flag("feature.half").await.with_flag("gone").await;
    app.roll_out(DEVELOPMENT, "feature.half", 50.0).await;
    app.delete(&flag("gone")).any_version().await.expect(204);
    let server = app.keys(DEVELOPMENT).server.clone();
    let context = json!({"targetingKey": "u"});
    let answer = ask(&app, &server, &context, "").await;
    assert_eq!(answer.header("content-type"), "application/json");
    let all = answer.expect(200);
    let metadata = json!({"environment": DEVELOPMENT, "revision": app.revision(DEVELOPMENT).await});
    assert_eq!(all["metadata"], metadata);
    assert_eq!(
        keys(&answer),
        ["feature.half", "of-boolean", "of-float", "of-integer", "of-json", "of-string"],
        "by key, and none that is archived"
    );
    for served in all["flags"].as_array().unwrap() {
        let single = app.evaluate(DEVELOPMENT, served["key"].as_str().unwrap(), &context).await.expect(200);
        assert_eq!(*served, single);
    }
    let text = String::from_utf8(answer.body.to_vec()).unwrap();
    assert!(text.contains(r#""key":"of-float","value":10.0,"#), "{text}");
    assert!(text.contains(r#""key":"of-integer","value":9007199254740992,"#), "{text}");
});

on_both!(a_flag_without_a_value_says_why, async |app| {
    let app = app.with_flag("a").await.with_flag("b").await;
    app.roll_out(DEVELOPMENT, "a", 50.0).await;
    let answer = ask(&app, &app.keys(DEVELOPMENT).server, &json!({}), "").await.expect(200);
    let failed = &answer["flags"][0];
    assert_eq!((&failed["key"], &failed["errorCode"]), (&json!("a"), &json!("TARGETING_KEY_MISSING")));
    assert!(failed["errorDetails"].as_str().is_some_and(|text| !text.is_empty()));
    assert_eq!(failed.as_object().unwrap().len(), 3);
    assert_eq!(answer["flags"][1]["value"], false);
});

on_both!(a_store_without_flags_has_an_empty_list, async |app| {
    let answer = ask(&app, &app.keys(PRODUCTION).client, &json!({}), "").await;
    assert_eq!(answer.expect(200)["flags"], json!([]));
    assert!(!answer.header("etag").is_empty());
});

on_both!(a_client_key_gets_what_it_may_see, async |app| {
    let app = visible(app, "shown").await.with_flag("hidden").await;
    let client = app.keys(DEVELOPMENT).client.clone();
    assert_eq!(keys(&ask(&app, &client, &json!({}), "").await), ["shown"]);
    assert_eq!(keys(&ask(&app, &app.keys(DEVELOPMENT).server, &json!({}), "").await), ["hidden", "shown"]);
    let by_header = app.post(ALL, &json!({"context": {}})).by_nobody().header("x-api-key", &client).await;
    assert_eq!(keys(&by_header), ["shown"]);
});

on_both!(the_same_answer_is_not_sent_twice, async |app| {
    let app = visible(app, "text").await;
    let keys = app.keys(DEVELOPMENT).clone();
    let context = json!({"targetingKey": "u", "a": {"x": 1, "y": [true, null]}, "b": "c"});
    let first = ask(&app, &keys.client, &context, "").await;
    first.expect(200);
    let etag = first.header("etag").to_owned();
    assert!(etag.starts_with('"') && etag.ends_with('"') && etag.len() == 24, "{etag}");

    // The order of members is no difference, at any depth.
    let reordered = br#"{"context":{"b":"c","a":{"y":[true,null],"x":1},"targetingKey":"u"}}"#;
    let post = || app.post(ALL, &json!({})).by(&keys.client).body(&reordered[..]);
    assert_eq!(post().await.header("etag"), etag);
    for known in [etag.clone(), format!("W/{etag}"), format!("\"x\", {etag}"), "*".to_owned()] {
        let same = post().header("if-none-match", &known).await;
        assert_eq!(same.status, 304, "{known}: {same}");
        assert_eq!(same.header("etag"), etag);
        assert!(same.body.is_empty() && same.header("content-type").is_empty(), "{same}");
    }
    for other in ["\"x\"", "", etag.trim_matches('"')] {
        assert_eq!(post().header("if-none-match", other).await.status, 200, "{other}");
    }

    // Whatever differs in the context is a difference, also where the flags serve the same.
    for other in [
        json!({"targetingKey": "u", "a": {"x": 1, "y": [true, null]}, "b": "d"}),
        json!({"targetingKey": "u", "a": {"x": 1, "y": [null, true]}, "b": "c"}),
        json!({"targetingKey": "v", "a": {"x": 1, "y": [true, null]}, "b": "c"}),
        json!({"targetingKey": "u", "a": {"x": 1, "y": [true, null]}}),
        json!({}),
    ] {
        let answer = ask(&app, &keys.client, &other, &etag).await;
        assert_eq!(answer.status, 200, "{other}");
        assert_ne!(answer.header("etag"), etag, "{other}");
    }
    assert_ne!(ask(&app, &keys.server, &context, "").await.header("etag"), etag, "a server key may see more");
    let elsewhere = app.keys(PRODUCTION).client.clone();
    assert_ne!(ask(&app, &elsewhere, &context, "").await.header("etag"), etag);
    let other_key = json!({"kind": "client_key", "name": "x", "project": "default", "environment": DEVELOPMENT});
    let other_key = app.post("/api/v1/tokens", &other_key).await.expect(201)["token"].as_str().unwrap().to_owned();
    assert_eq!(ask(&app, &other_key, &context, &etag).await.status, 304, "the same to every client key");
});

on_both!(a_change_makes_another_answer, async |app| {
    let app = visible(app, "text").await.with_flag("hidden").await;
    let client = app.keys(DEVELOPMENT).client.clone();
    let etag = async || ask(&app, &client, &json!({}), "").await.header("etag").to_owned();
    let mut seen = vec![etag().await];
    app.configure(
        DEVELOPMENT,
        "text",
        &json!({"enabled": true, "off_variation": "b", "fallthrough": {"variation": "a"}}),
    )
    .await
    .expect(200);
    seen.push(etag().await);
    app.patch(&flag("hidden"), &json!({"client_visible": true})).any_version().await.expect(200);
    seen.push(etag().await);
    app.delete(&flag("hidden")).any_version().await.expect(204);
    seen.push(etag().await);
    let mut each = seen.clone();
    each.sort();
    each.dedup();
    assert_eq!(each.len(), seen.len(), "{seen:?}");
    assert_eq!(ask(&app, &client, &json!({}), &seen[0]).await.json()["flags"][0]["value"], "a");

    // The tag is of the state, not of the process.
    app.stop().await;
    app.start_again().await;
    assert_eq!(ask(&app, &client, &json!({}), &seen[3]).await.status, 304);
    assert_eq!(app.get(FLAGS).await.expect(200)["items"].as_array().unwrap().len(), 1);
});

on_both!(another_life_of_the_store_has_other_tags, async |app| {
    let app = visible(app, "text").await;
    let client = app.keys(DEVELOPMENT).client.clone();
    let before = ask(&app, &client, &json!({}), "").await.header("etag").to_owned();
    app.stop().await;
    let backup = app.back_up();
    app.restore(&backup);
    app.start_again().await;
    let after = ask(&app, &client, &json!({}), &before).await;
    assert_eq!(after.status, 200);
    assert_ne!(after.header("etag"), before);
});

on_both!(what_changes_by_itself_is_another_answer, async |app| {
    let app = visible(app, "text").await;
    let clauses = json!([{"attribute": "joined", "op": "within_last", "values": ["1h"]}]);
    let rules = json!([{"id": "new", "clauses": clauses, "serve": {"variation": "a"}}]);
    let whole = json!({"enabled": true, "off_variation": "b", "rules": rules, "fallthrough": {"variation": "b"}});
    app.configure(DEVELOPMENT, "text", &whole).await.expect(200);
    let client = app.keys(DEVELOPMENT).client.clone();
    // New for some seconds more.
    let joined = bellwether::clock::now() - chrono::TimeDelta::seconds(3_595);
    let context = json!({"joined": bellwether::clock::rfc3339(joined)});
    let first = ask(&app, &client, &context, "").await;
    assert_eq!(first.expect(200)["flags"][0]["value"], "a");
    let etag = first.header("etag").to_owned();
    let then = eventually("another answer, though no revision", async || {
        let answer = ask(&app, &client, &context, &etag).await;
        (answer.status != 304).then_some(answer)
    });
    assert_eq!(then.await.expect(200)["flags"][0]["value"], "b");
});
