//! What segments refuse.

use reqwest::Method;
use serde_json::{Value, json};

use super::{SEGMENTS, member_of, segment};
use crate::harness::{DEVELOPMENT, on_both};

on_both!(every_fault_is_named, async |app| {
    let clause = |op: &str, values: Value| json!({"attribute": "a", "op": op, "values": values});
    let mut nested = clause("exists", json!([]));
    for _ in 0..9 {
        nested = json!({"all": [nested]});
    }
    let body = json!({
        "key": "a/b", "name": "", "description": "x".repeat(10_001), "more": 1,
        "included": ["fine", "", "a\nb", "x".repeat(1_001)], "excluded": ["x\r"],
        "rules": [
            {"id": "r", "clauses": []},
            {"id": "r", "clauses": [clause("lt", json!(["x"])), clause("near", json!([1])), clause("matches", json!(["("]))]},
            {"id": "a b", "clauses": [nested, {"op": "exists"}]},
        ],
    });
    let faults = app.post(SEGMENTS, &body).await.faults();
    for pointer in [
        "/key",
        "/name",
        "/description",
        "/more",
        "/included/1",
        "/included/2",
        "/included/3",
        "/excluded/0",
        "/rules/0/clauses",
        "/rules/1/id",
        "/rules/1/clauses/0/values/0",
        "/rules/1/clauses/1/op",
        "/rules/1/clauses/2/values/0",
        "/rules/2/id",
        "/rules/2/clauses/1/attribute",
    ] {
        assert!(faults.iter().any(|fault| fault == pointer), "{pointer}: {faults:?}");
    }
    let deep = faults.iter().filter(|fault| fault.starts_with("/rules/2/clauses/0/all")).count();
    assert_eq!(deep, 1, "{faults:?}");
    assert_eq!(app.put(&segment("none", ""), &json!({"rules": "x"})).any_version().await.faults(), ["/name", "/rules"]);
    let rule = json!({"clauses": [clause("exists", json!([]))]});
    let many = json!({"key": "many", "rules": vec![rule; 101]});
    assert_eq!(app.post(SEGMENTS, &many).await.faults(), ["/rules"]);
});

on_both!(lines_that_are_wrong_are_named, async |app| {
    let app = app.with_segment("beta", &["a"]).await;
    let long = "x".repeat(1_001);
    let text = format!("fine\n{long}\nnul\0\n\nlone\rreturn\n");
    assert_eq!(app.keys_call(Method::PUT, "beta", "", &text).await.faults(), ["/lines/2", "/lines/3", "/lines/5"]);
    let bytes = app.call(Method::POST, &segment("beta", "/keys")).body(&b"a\n\xff\n"[..]).await;
    assert_eq!(bytes.faults(), ["/lines/2"]);
    for kind in ["application/json", "text/csv", "text/plain; charset=utf-16", "x"] {
        let answer = app.keys_call(Method::PUT, "beta", "", "a\n").header("content-type", kind).await;
        answer.problem(415, "unsupported_media_type");
    }
    let fine =
        app.keys_call(Method::PUT, "beta", "", "å\n").header("content-type", "Text/Plain; charset=\"UTF-8\"").await;
    fine.expect(200);
    assert_eq!(app.keys_call(Method::PUT, "beta", "?list=both", "a\n").await.faults(), ["/list"]);
    assert_eq!(app.keys_call(Method::PUT, "beta", "?preview=1", "a\n").await.faults(), ["/preview"]);
    assert_eq!(app.get(&segment("beta", "/keys?list=x")).await.faults(), ["/list"]);
    let shown = app.get(&segment("beta", "")).await.expect(200);
    assert_eq!((&shown["version"], &shown["included"]), (&json!(2), &json!(["å"])));
});

on_both!(whoever_may_not_need_not_send_it_all, async |app| {
    let app = app.with_segment("beta", &["a"]).await;
    let body = "user\n".repeat(200_000);
    let answer = app.keys_call(Method::PUT, "beta", "", &body).by(&app.credentials().viewer).await;
    answer.problem(403, "forbidden");
    let answer = app.keys_call(Method::PUT, "beta", "", &body).by_nobody().await;
    answer.problem(401, "unauthenticated");
});

on_both!(segments_that_are_not_there_are_refused, async |app| {
    let rule = |key: &str| json!({"clauses": [{"any": [{"attribute": "a", "op": "exists"}, member_of(key)]}]});
    let body = json!({"key": "a", "rules": [rule("none")]});
    assert_eq!(app.post(SEGMENTS, &body).await.faults(), ["/rules/0/clauses/0/any/1/values/0"]);
    let own = json!({"key": "a", "rules": [rule("a")]});
    assert_eq!(app.post(SEGMENTS, &own).await.faults(), ["/rules/0/clauses/0/any/1/values/0"]);
    let app = app.with_segment("a", &[]).await;
    app.post(SEGMENTS, &json!({"key": "b", "rules": [rule("a")]})).await.expect(201);
    app.post(SEGMENTS, &json!({"key": "c", "rules": [rule("b")]})).await.expect(201);
    let cycle = json!({"name": "a", "rules": [rule("c"), rule("a"), rule("b")]});
    let expected = [0, 1, 2].map(|at| format!("/rules/{at}/clauses/0/any/1/values/0"));
    assert_eq!(app.put(&segment("a", ""), &cycle).any_version().await.faults(), expected);
    assert_eq!(app.put(&segment("a", "?preview=true"), &cycle).await.faults(), expected);
    let app = app.with_flag("feature.a").await;
    let rule = json!({"clauses": [member_of("a"), member_of("none")], "serve": {"variation": "on"}});
    let whole = json!({"enabled": true, "off_variation": "off", "rules": [rule], "fallthrough": {"variation": "off"}});
    let refused = app.configure(DEVELOPMENT, "feature.a", &whole).await.faults();
    assert_eq!(refused, ["/configuration/rules/0/clauses/1/values/0"]);
});

on_both!(what_others_say_is_told_with_the_rest, async |app| {
    let app = app.with_segment("a", &[]).await;
    let rule = |id: &str, clauses: Value| json!({"id": id, "clauses": clauses});
    app.post(SEGMENTS, &json!({"key": "b", "rules": [rule("r", json!([member_of("a")]))]})).await.expect(201);
    let near = json!({"attribute": "x", "op": "near", "values": [1]});
    let below = json!({"attribute": "x", "op": "lt", "values": ["y"]});
    let rules = json!([
        rule("r", json!([member_of("none"), near])),
        rule("r", json!([5, below, member_of("b")])),
        "s",
        rule("s", json!([member_of("a")])),
    ]);
    let expected = [
        "/included/0",
        "/included/1",
        "/included/2",
        "/more",
        "/name",
        "/rules/0/clauses/0/values/0",
        "/rules/0/clauses/1/op",
        "/rules/1/clauses/0",
        "/rules/1/clauses/1/values/0",
        "/rules/1/clauses/2/values/0",
        "/rules/1/id",
        "/rules/2",
        "/rules/3/clauses/0/values/0",
    ];
    let whole = json!({"name": "", "more": 1, "included": ["", 5, "a\n"], "rules": rules});
    for query in ["", "?preview=true"] {
        let mut faults = app.put(&segment("a", query), &whole).any_version().await.faults();
        faults.sort();
        assert_eq!(faults, expected);
    }
    let mut new = whole.clone();
    new["key"] = json!("a\0");
    // No store can look for that key; the rest can be told all the same.
    let of_nul = app.post(SEGMENTS, &new).await.faults();
    new["key"] = json!("A/b");
    let mut faults = app.post(SEGMENTS, &new).await.faults();
    faults.sort();
    let of_new = [
        "/included/0",
        "/included/1",
        "/included/2",
        "/key",
        "/more",
        "/name",
        "/rules/0/clauses/0/values/0",
        "/rules/0/clauses/1/op",
        "/rules/1/clauses/0",
        "/rules/1/clauses/1/values/0",
        "/rules/1/id",
        "/rules/2",
    ];
    assert_eq!((&faults, &of_nul), (&of_new.map(str::to_owned).to_vec(), &faults));
    let shown = app.get(&segment("a", "")).await.expect(200);
    assert_eq!((&shown["version"], &shown["rules"]), (&json!(1), &json!([])));
});

on_both!(segments_lead_only_so_far, async |app| {
    let exists = json!([{"clauses": [{"attribute": "x", "op": "exists"}]}]);
    let naming = |keys: &[String]| {
        let clauses: Vec<_> = keys.iter().map(|key| member_of(key)).collect();
        json!([{"clauses": [{"any": clauses}]}])
    };
    let s = |at: usize| format!("s{at}");
    app.post(SEGMENTS, &json!({"key": s(0), "rules": exists})).await.expect(201);
    for at in 1..=20 {
        app.post(SEGMENTS, &json!({"key": s(at), "rules": naming(&[s(at - 1)])})).await.expect(201);
    }
    let deeper = json!({"key": "s21", "rules": naming(&[s(20)])});
    let refused = app.post(SEGMENTS, &deeper).await;
    assert_eq!(refused.faults(), ["/rules"]);
    assert!(refused.json()["errors"][0]["message"].as_str().unwrap().contains("21 levels of segments"), "{refused}");
    // By what others make of it.
    let lists = app.with_segment("list", &["u"]).await;
    let whole = |rules: &Value| json!({"name": "s0", "rules": rules});
    let app = lists;
    app.put(&segment("s0", ""), &whole(&naming(&["list".to_owned()]))).any_version().await.expect(200);
    app.post(SEGMENTS, &json!({"key": "leaf", "rules": exists})).await.expect(201);
    let longer = naming(&["leaf".to_owned()]);
    for query in ["", "?preview=true"] {
        let refused = app.put(&segment("s0", query), &whole(&longer)).any_version().await;
        assert_eq!(refused.faults(), ["/rules"], "s20 would lead too far");
    }
    // Each names two of the level below: 2, 6, 14, … evaluations.
    let pair = |level: usize| [format!("p{level}a"), format!("p{level}b")];
    for key in pair(0) {
        app.post(SEGMENTS, &json!({"key": key, "rules": exists})).await.expect(201);
    }
    for level in 1..=8 {
        for key in pair(level) {
            app.post(SEGMENTS, &json!({"key": key, "rules": naming(&pair(level - 1))})).await.expect(201);
        }
    }
    let refused = app.post(SEGMENTS, &json!({"key": "p9", "rules": naming(&pair(8))})).await;
    assert_eq!(refused.faults(), ["/rules"]);
    assert!(refused.json()["errors"][0]["message"].as_str().unwrap().contains("1022 evaluations"), "{refused}");
});
