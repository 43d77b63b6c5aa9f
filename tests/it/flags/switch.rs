//! `PUT F/enable` and `PUT F/disable`.

use serde_json::json;

use crate::harness::{DEVELOPMENT, PRODUCTION, configured, on_both};

on_both!(the_kill_switch_overrules_everything, async |app| {
    let app = app.with_string_flag("text", &["a", "b", "off"]).await;
    let whole = json!({
        "enabled": true, "off_variation": "off", "targets": [{"variation": "a", "keys": ["u"]}],
        "rules": [{"id": "r", "clauses": [], "serve": {"variation": "b"}}], "fallthrough": {"variation": "b"},
    });
    app.configure(PRODUCTION, "text", &whole).await.expect(200);
    let served = async |user: &str| {
        let answer = app.evaluate(PRODUCTION, "text", &json!({"targetingKey": user})).await.expect(200);
        (answer["value"].as_str().unwrap().to_owned(), answer["reason"].as_str().unwrap().to_owned())
    };
    let on = [("a".to_owned(), "TARGETING_MATCH".to_owned()), ("b".to_owned(), "TARGETING_MATCH".to_owned())];
    assert_eq!([served("u").await, served("v").await], on);
    let off = app.put_nothing(&configured(PRODUCTION, "text", "/disable")).await;
    assert_eq!(off.header("etag"), "\"3\"");
    assert_eq!(off.expect(200)["configuration"]["enabled"], false);
    for user in ["u", "v"] {
        assert_eq!(served(user).await, ("off".to_owned(), "DISABLED".to_owned()));
    }
    let view = app.put_nothing(&configured(PRODUCTION, "text", "/enable")).version(3).await.expect(200);
    assert_eq!(view["configuration"], whole, "everything is where it was");
    assert_eq!([served("u").await, served("v").await], on);
});

on_both!(to_switch_what_is_switched_changes_nothing, async |app| {
    let app = app.with_flag("feature.a").await;
    let revision = app.revision(DEVELOPMENT).await;
    let path = configured(DEVELOPMENT, "feature.a", "/enable");
    assert_eq!(app.put_nothing(&path).await.expect(200)["version"], 1);
    let path = configured(DEVELOPMENT, "feature.a", "/disable");
    for _ in 0..2 {
        assert_eq!(app.put_nothing(&path).await.expect(200)["version"], 2);
    }
    assert_eq!(app.revision(DEVELOPMENT).await, revision + 1);
    // A body is not asked for, and not minded.
    app.put(&path, &json!({"anything": 1})).await.expect(200);
});
