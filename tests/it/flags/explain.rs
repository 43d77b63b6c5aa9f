//! `F/explain`: the trace, the past, and the change that made it so.

use bellwether::db::{Connection, Part};
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Answer, Call, PRODUCTION, TestApp, configured, environment, flag, on_both, sql};

const USER: &str = "user-42";

fn path(key: &str, query: &str) -> String {
    configured(PRODUCTION, key, &format!("/explain{query}"))
}

async fn explained(app: &TestApp, key: &str, query: &str) -> Value {
    app.post(&path(key, query), &json!({"context": {"targetingKey": USER}})).await.expect(200)
}

/// The revision of production after a change.
async fn after(app: &TestApp, change: Call) -> u64 {
    change.await.expect(200);
    app.revision(PRODUCTION).await
}

fn rollout(app: &TestApp, key: &str, percentage: u32, id: &str) -> Call {
    let body = json!({"percentage": percentage});
    app.put(&configured(PRODUCTION, key, "/rollout"), &body).header("x-request-id", id)
}

/// A configuration that serves `on` to everyone while `b` serves them `on`.
fn needs_b() -> Value {
    json!({"enabled": true, "off_variation": "off", "prerequisites": [{"flag": "b", "variations": ["on"]}],
           "fallthrough": {"variation": "on"}})
}

on_both!(the_answer_is_the_one_that_is_served, async |app| {
    let app = app.with_flag("a").await;
    rollout(&app, "a", 50, "half").await.expect(200);
    for n in 0..20 {
        let user = json!({"targetingKey": format!("user-{n}"), "country": "NO"});
        let served = app.evaluate(PRODUCTION, "a", &user).await.expect(200);
        let told = app.post(&path("a", ""), &json!({"context": user})).await.expect(200);
        assert_eq!(
            (&told["value"], &told["variation"], &told["reason"]),
            (&served["value"], &served["variant"], &served["reason"])
        );
        assert_eq!(told["revision"], served["metadata"]["revision"]);
        assert_eq!((&told["flag"], &told["environment"]), (&json!("a"), &json!(PRODUCTION)));
        let split = &told["steps"][1];
        assert_eq!((&split["step"], &split["key"]), (&json!("split"), &user["targetingKey"]));
        assert!(told.get("notes").is_none() && told["at"].is_string());
        assert_eq!(told, app.post(&path("a", &format!("?revision={}", told["revision"])), &user).await.map_at(&told));
    }
    let nobody = app.post(&path("a", ""), &json!({"context": {}})).await.expect(200);
    assert_eq!((&nobody["error_code"], &nobody["reason"]), (&json!("TARGETING_KEY_MISSING"), &json!("ERROR")));
    assert_eq!(nobody["change"]["request_id"], "half", "before that nobody was bucketed");
});

/// An answer but for the moment, which is another with each question.
trait MapAt {
    fn map_at(&self, other: &Value) -> Value;
}

impl MapAt for Answer {
    fn map_at(&self, other: &Value) -> Value {
        let mut told = self.expect(200);
        told["at"] = other["at"].clone();
        told
    }
}

on_both!(an_edit_of_the_flag_is_named, async |app| {
    let app = app.with_flag("a").await;
    let created = app.revision(PRODUCTION).await;
    rollout(&app, "a", 100, "all").await.expect(200);
    let on = app.revision(PRODUCTION).await;
    // What does not concern this user, nor this flag.
    app.put_nothing(&configured(PRODUCTION, "a", "/targets/off/other")).await.expect(200);
    let app = app.with_flag("other").await;
    let told = explained(&app, "a", "").await;
    let change = &told["change"];
    assert_eq!(
        (&change["resource"], &change["version"], &change["revision"]),
        (&json!("flag/a"), &json!(2), &json!(on))
    );
    assert_eq!((&change["action"], &change["request_id"]), (&json!("flag.rollout"), &json!("all")));
    let row = app.get("/api/v1/audit?action=flag.rollout").await.expect(200)["items"][0].clone();
    assert_eq!((&change["actor"], &change["request_id"]), (&row["actor"]["name"], &row["request_id"]));

    let before = explained(&app, "a", &format!("?revision={created}")).await;
    assert_eq!((&before["value"], &before["revision"]), (&json!(false), &json!(created)));
    assert_eq!(before["change"]["action"], "flag.create", "before it there was no such flag");
    assert_eq!(before["at"], change["at"], "up to the moment of the next revision");
    let then = explained(&app, "a", &format!("?at={}", change["at"].as_str().unwrap())).await;
    assert_eq!((&then["value"], &then["revision"], &then["at"]), (&json!(true), &json!(on), &change["at"]));
    let at: chrono::DateTime<chrono::Utc> = change["at"].as_str().unwrap().parse().unwrap();
    let just_before = bellwether::clock::rfc3339(at - chrono::TimeDelta::microseconds(1));
    assert_eq!(explained(&app, "a", &format!("?at={just_before}")).await["revision"], created);
    let long_ago = explained(&app, "a", "?at=2020-01-01T00:00:00Z").await;
    assert_eq!((&long_ago["error_code"], &long_ago["revision"]), (&json!("FLAG_NOT_FOUND"), &json!(0)));
    assert!(long_ago.get("change").is_none() && long_ago.get("unchanged_since").is_none());
});

on_both!(an_edit_of_a_prerequisite_is_named, async |app| {
    let app = app.with_flag("a").await.with_flag("b").await;
    after(&app, app.configure(PRODUCTION, "a", &needs_b())).await;
    let failed = explained(&app, "a", "").await;
    assert_eq!((&failed["reason"], &failed["value"]), (&json!("PREREQUISITE_FAILED"), &json!(false)));
    assert_eq!(failed["change"]["resource"], "flag/a");
    assert_eq!(failed["change"]["action"], "flag.create", "it has served off from the first");
    let met = after(&app, rollout(&app, "b", 100, "b-on")).await;
    let off = after(&app, app.put_nothing(&configured(PRODUCTION, "b", "/disable"))).await;

    let now = explained(&app, "a", "").await;
    assert_eq!(now["change"]["resource"], "flag/b");
    assert_eq!((&now["change"]["action"], &now["change"]["revision"]), (&json!("flag.disable"), &json!(off)));
    let then = explained(&app, "a", &format!("?revision={met}")).await;
    assert_eq!((&then["value"], &then["change"]["request_id"]), (&json!(true), &json!("b-on")));
    assert_eq!(then["change"]["resource"], "flag/b");
    assert_eq!(then["steps"][1]["flag"], "b");
    // What was a prerequisite then counts, though it is none now.
    let free = json!({"enabled": true, "off_variation": "off", "fallthrough": {"variation": "off"}});
    after(&app, app.configure(PRODUCTION, "a", &free)).await;
    let now = explained(&app, "a", "").await;
    assert_eq!((&now["change"]["resource"], &now["change"]["revision"]), (&json!("flag/b"), &json!(off)));
});

const SEGMENTS: &str = "/api/v1/projects/default/segments";

fn keys(app: &TestApp, method: Method, segment: &str, query: &str, text: &str) -> Call {
    let path = format!("{SEGMENTS}/{segment}/keys{query}");
    app.call(method, &path).header("content-type", "text/plain").body(text.to_owned())
}

fn in_segment(segment: &str, attribute: &str) -> Value {
    json!({"attribute": attribute, "op": "in_segment", "values": [segment]})
}

/// A flag that serves `on` to those of `beta`.
async fn for_beta(app: TestApp) -> TestApp {
    let app = app.with_flag("a").await;
    app.post(SEGMENTS, &json!({"key": "beta", "included": ["somebody"]})).await.expect(201);
    let rule = json!({"id": "members", "clauses": [in_segment("beta", "targetingKey")], "serve": {"variation": "on"}});
    let whole = json!({"enabled": true, "off_variation": "off", "rules": [rule], "fallthrough": {"variation": "off"}});
    app.configure(PRODUCTION, "a", &whole).await.expect(200);
    app
}

on_both!(an_upload_of_keys_is_named, async |app| {
    let app = for_beta(app).await;
    let ruled = app.revision(PRODUCTION).await;
    let many: String = (0..5_000).map(|n| format!("user-{n}\n")).collect();
    let uploaded = after(&app, keys(&app, Method::POST, "beta", "", &many).header("x-request-id", "upload")).await;
    after(&app, keys(&app, Method::POST, "beta", "", "somebody-else\n")).await;

    let now = explained(&app, "a", "").await;
    assert_eq!((&now["value"], &now["rule"]), (&json!(true), &json!("members")));
    let change = &now["change"];
    assert_eq!((&change["resource"], &change["version"]), (&json!("segment/beta"), &json!(2)));
    assert_eq!((&change["revision"], &change["request_id"]), (&json!(uploaded), &json!("upload")));
    let row = app.get("/api/v1/audit?resource=segment/beta").await.expect(200)["items"][1].clone();
    assert_eq!((&change["action"], &change["request_id"]), (&row["action"], &row["request_id"]));
    let member = &now["steps"][1]["clauses"][0]["segments"][0];
    assert_eq!((&member["because"], &member["key"]), (&json!("included"), &json!(USER)));
    // The moment of the upload is the upload's revision, and just before it the user was none of them.
    let at = change["at"].as_str().unwrap();
    assert_eq!(explained(&app, "a", &format!("?at={at}")).await["revision"], uploaded);
    let before = explained(&app, "a", &format!("?revision={}", uploaded - 1)).await;
    assert_eq!((&before["value"], &before["revision"]), (&json!(false), &json!(ruled)));
    assert_eq!((&before["change"]["action"], &before["at"]), (&json!("flag.create"), &change["at"]));
    assert_eq!(before["steps"][1]["clauses"][0]["segments"][0]["because"], "not_listed");

    let excluded = after(&app, keys(&app, Method::PUT, "beta", "?list=excluded", USER)).await;
    let now = explained(&app, "a", "").await;
    assert_eq!((&now["value"], &now["change"]["revision"]), (&json!(false), &json!(excluded)));
    assert_eq!(now["change"]["resource"], "segment/beta");
    for n in [0, 42, 4_999, 5_000] {
        let user = json!({"targetingKey": format!("user-{n}"), "friends": ["x"]});
        let served = app.evaluate(PRODUCTION, "a", &user).await.expect(200);
        let told = app.post(&path("a", ""), &user).await.expect(200);
        assert_eq!(told["value"], served["value"], "{user}");
    }
    let odd = json!({"targetingKey": "a\u{0}b"});
    assert!([200, 422].contains(&app.post(&path("a", ""), &odd).await.status.as_u16()));
});

on_both!(a_list_too_long_for_a_segment_is_in_none, async |app| {
    let app = for_beta(app).await;
    let many: Vec<_> = (0..1_000).map(|n| format!("user-{n}")).chain(["somebody".to_owned()]).collect();
    for (keys, value) in [(&many[..], false), (&many[1..], true)] {
        let context = json!({"targetingKey": keys});
        let told = app.post(&path("a", ""), &context).await.expect(200);
        assert_eq!(told["value"], value, "{}", keys.len());
        assert_eq!(app.evaluate(PRODUCTION, "a", &context).await.expect(200)["value"], value);
    }
});

on_both!(an_edit_of_a_segment_within_a_segment_is_named, async |app| {
    let app = for_beta(app).await;
    app.post(SEGMENTS, &json!({"key": "inner", "included": ["nobody"]})).await.expect(201);
    let nested = json!({"name": "Beta", "rules": [{"id": "friends", "clauses": [in_segment("inner", "friends")]}]});
    app.put(&format!("{SEGMENTS}/beta"), &nested).any_version().await.expect(200);
    let user = json!({"targetingKey": USER, "friends": ["x", 7]});
    assert_eq!(app.post(&path("a", ""), &user).await.expect(200)["value"], false);
    let befriended = after(&app, keys(&app, Method::POST, "inner", "", "7\n")).await;
    let now = app.post(&path("a", ""), &user).await.expect(200);
    assert_eq!((&now["value"], &now["change"]["resource"]), (&json!(true), &json!("segment/inner")));
    assert_eq!(now["change"]["revision"], befriended);
    assert_eq!(explained(&app, "a", "").await["value"], false);

    // What a segment was that was deleted since is not known any more.
    let free = json!({"enabled": true, "off_variation": "off", "fallthrough": {"variation": "off"}});
    let freed = after(&app, app.configure(PRODUCTION, "a", &free)).await;
    for key in ["beta", "inner"] {
        app.delete(&format!("{SEGMENTS}/{key}")).any_version().await.expect(204);
    }
    let now = app.post(&path("a", ""), &user).await.expect(200);
    assert_eq!((&now["value"], &now["unchanged_since"]["revision"]), (&json!(false), &json!(freed)));
    let gone = app.post(&path("a", &format!("?revision={befriended}")), &user).await.problem(404, "not_found");
    assert!(gone["detail"].as_str().unwrap().contains("segment/beta was before it was removed is not kept"), "{gone}");
});

on_both!(a_rollback_of_a_canary_is_named, async |app| {
    app.start_canary(PRODUCTION, "a").await;
    let running = app.revision(PRODUCTION).await;
    let mut treated = None;
    for n in 0..200 {
        let user = json!({"targetingKey": format!("user-{n}")});
        let told = app.post(&path("a", ""), &user).await.expect(200);
        if told["arm"] == "treatment" {
            assert_eq!((&told["value"], &told["change"]["action"]), (&json!(true), &json!("canary.start")));
            treated = Some(user);
            break;
        }
    }
    let treated = treated.expect("half of the users are treated");
    let because = json!({"reason": "it broke the till"});
    app.post(&configured(PRODUCTION, "a", "/canary/rollback"), &because).await.expect(200);
    let told = app.post(&path("a", ""), &treated).await.expect(200);
    assert_eq!((&told["value"], &told["change"]["action"]), (&json!(false), &json!("canary.rollback")));
    assert_eq!((&told["change"]["reason"], &told["change"]["resource"]), (&because["reason"], &json!("flag/a")));
    let then = app.post(&path("a", &format!("?revision={running}")), &treated).await.expect(200);
    assert_eq!((&then["arm"], &then["release"].is_string()), (&json!("treatment"), &true));
});

on_both!(archiving_and_bringing_back_are_named, async |app| {
    let app = app.with_flag("a").await.with_flag("keeps-it-from-being-all").await;
    app.roll_out(PRODUCTION, "a", 100.0).await;
    app.delete(&flag("a")).any_version().await.expect(204);
    let archived = app.revision(PRODUCTION).await;
    app.post(&path("a", ""), &json!({"targetingKey": USER})).await.problem(404, "not_found");
    let then = explained(&app, "a", &format!("?revision={archived}")).await;
    assert_eq!((&then["error_code"], &then["change"]["action"]), (&json!("FLAG_NOT_FOUND"), &json!("flag.archive")));
    assert_eq!((&then["change"]["version"], &then["version"]), (&json!(3), &json!(null)));
    let before = explained(&app, "a", &format!("?revision={}", archived - 1)).await;
    assert_eq!(before["value"], true);
    app.patch(&flag("a"), &json!({"archived": false})).any_version().await.expect(200);
    let now = explained(&app, "a", "").await;
    assert_eq!((&now["value"], &now["change"]["action"]), (&json!(true), &json!("flag.unarchive")));
    // An old version that is brought back is named as what it is.
    app.post(&configured(PRODUCTION, "a", "/history/1/restore"), &json!({"reason": "as it was"})).await.expect(200);
    let now = explained(&app, "a", "").await;
    assert_eq!((&now["value"], &now["change"]["action"]), (&json!(false), &json!("flag.restore")));
    assert_eq!(now["change"]["reason"], "as it was");
});

on_both!(a_flag_of_the_same_key_that_was_purged_is_told_of, async |app| {
    let app = app.with_flag("a").await.with_flag("other").await.with_flag("another").await;
    let first = app.revision(PRODUCTION).await;
    app.delete(&flag("a")).any_version().await.expect(204);
    app.delete(&format!("{}?purge=true", flag("a"))).any_version().await.expect(204);
    let app = app.with_flag("a").await;
    let then = explained(&app, "a", &format!("?revision={first}")).await;
    assert_eq!(then["error_code"], "FLAG_NOT_FOUND");
    assert!(then["notes"][0].as_str().unwrap().starts_with("A flag of this key was purged at "), "{then}");
    let now = explained(&app, "a", "").await;
    assert_eq!((&now["change"]["action"], now.get("notes")), (&json!("flag.create"), None));
});

on_both!(of_many_changes_at_once_the_decisive_one_is_named, async |app| {
    let app = app.with_flag("a").await.with_flag("b").await.with_flag("c").await;
    rollout(&app, "b", 100, "b-on").await.expect(200);
    after(&app, app.configure(PRODUCTION, "a", &needs_b())).await;
    // It never mattered what `c` serves.
    let mut with_c = needs_b();
    with_c["prerequisites"].as_array_mut().unwrap().insert(0, json!({"flag": "c", "variations": ["on", "off"]}));
    after(&app, app.configure(PRODUCTION, "a", &with_c)).await;
    let bulk = json!({"action": "disable", "flags": ["c", "b"], "environment": PRODUCTION, "reason": "night"});
    let answer = app.post("/api/v1/projects/default/flags:bulk", &bulk).await;
    assert!(answer.status.is_success(), "{answer}");
    let told = explained(&app, "a", "").await;
    assert_eq!((&told["change"]["resource"], &told["change"]["reason"]), (&json!("flag/b"), &json!("night")));
});

on_both!(variations_are_as_they_were, async |app| {
    let app = app.with_string_flag("text", &["old"]).await;
    let first = app.revision(PRODUCTION).await;
    let variations = json!([{"name": "old", "value": "new words"}]);
    app.patch(&flag("text"), &json!({"variations": variations})).any_version().await.expect(200);
    let now = explained(&app, "text", "").await;
    assert_eq!((&now["value"], &now["change"]["action"]), (&json!("new words"), &json!("flag.update")));
    assert_eq!(explained(&app, "text", &format!("?revision={first}")).await["value"], "old");

    // A store from before definitions were kept with versions.
    let forget = |c: &mut Connection<'_>| sql::execute(c, "UPDATE flag_versions SET served = NULL");
    assert!(app.services().store.write(Part::Configuration, forget).await.unwrap() > 0);
    let then = explained(&app, "text", &format!("?revision={first}")).await;
    assert_eq!(then["value"], "new words", "the best that is known");
    let note = then["notes"][0].as_str().unwrap();
    assert!(note.starts_with("Of version 1 of flag/text only the configuration is kept"), "{note}");
});

on_both!(what_is_not_kept_is_said, async |app| {
    let app = app.with_flag("a").await.with_flag("b").await;
    app.start_again_with_history(3).await;
    after(&app, app.configure(PRODUCTION, "a", &needs_b())).await;
    let early = app.revision(PRODUCTION).await;
    rollout(&app, "b", 100, "on").await.expect(200);
    for salt in 0..6 {
        let target = configured(PRODUCTION, "b", &format!("/targets/off/other-{salt}"));
        app.put_nothing(&target).await.expect(200);
    }
    let now = explained(&app, "a", "").await;
    assert_eq!(now["value"], true);
    assert!(now.get("change").is_none());
    let since = &now["unchanged_since"];
    assert_eq!(since["revision"], app.revision(PRODUCTION).await - 2);
    assert!(since["because"].as_str().unwrap().contains("flag/b"), "{since}");
    let gone = app.post(&path("a", &format!("?revision={early}")), &json!({"targetingKey": USER})).await;
    let detail = gone.problem(404, "not_found")["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains(&format!("from revision {} on", since["revision"])), "{detail}");
    assert!(detail.contains(since["at"].as_str().unwrap()), "{detail}");
});

on_both!(time_is_that_of_the_moment, async |app| {
    let app = app.with_flag("a").await;
    let clause = json!({"attribute": "signed_up", "op": "within_last", "values": ["1h"]});
    let rule = json!({"id": "new", "clauses": [clause], "serve": {"variation": "on"}});
    let whole = json!({"enabled": true, "off_variation": "off", "rules": [rule], "fallthrough": {"variation": "off"}});
    let ruled = after(&app, app.configure(PRODUCTION, "a", &whole)).await;
    let now = bellwether::clock::now();
    let user = json!({"targetingKey": USER, "signed_up": now.timestamp_millis()});
    let told = app.post(&path("a", ""), &user).await.expect(200);
    assert_eq!((&told["value"], &told["change"]["revision"]), (&json!(true), &json!(ruled)));
    // An hour and a half ago there was no rule, but then this user had not signed up either.
    let past = bellwether::clock::rfc3339(now - chrono::TimeDelta::minutes(90));
    let told = app.post(&path("a", &format!("?at={past}")), &user).await.expect(200);
    assert_eq!(told["error_code"], "FLAG_NOT_FOUND");
    let long_ago = json!({"targetingKey": USER, "signed_up": (now - chrono::TimeDelta::hours(2)).timestamp_millis()});
    assert_eq!(app.post(&path("a", ""), &long_ago).await.expect(200)["value"], false);
});

on_both!(what_is_asked_has_to_make_sense, async |app| {
    let app = app.with_flag("a").await;
    let user = json!({"targetingKey": USER});
    for (query, pointers) in [
        ("?at=x", &["/at"][..]),
        ("?revision=x", &["/revision"]),
        ("?at=x&revision=-1", &["/at", "/revision"]),
        ("?at=2026-01-01T00:00:00Z&revision=1", &["/revision"]),
        ("?at=9999-01-01T00:00:00Z", &["/at"]),
    ] {
        assert_eq!(app.post(&path("a", query), &user).await.faults(), pointers, "{query}");
    }
    assert_eq!(app.post(&path("a", ""), &json!({"context": null})).await.faults(), ["/context"]);
    assert_eq!(app.post(&path("a", "?at=x"), &json!(null)).await.faults(), ["", "/at"]);
    assert_eq!(app.call(Method::POST, &path("a", "")).await.faults(), [""]);
    app.post(&path("none", ""), &user).await.problem(404, "not_found");
    app.post(&path("none", "?revision=1"), &user).await.problem(404, "not_found");
    app.post(&path("a", "?revision=99"), &user).await.problem(404, "not_found");
    let strange = json!({"context": {"targetingKey": {"a": [1, null]}, "": 1e300, "/": "\u{1F514}"}});
    app.post(&path("a", ""), &strange).await.expect(200);
});

on_both!(an_environment_made_of_archived_flags_has_a_past, async |app| {
    let app = app.with_flag("a").await;
    app.delete(&flag("a")).any_version().await.expect(204);
    let qa = json!({"key": "qa", "name": "QA", "production": false});
    app.post("/api/v1/projects/default/environments", &qa).await.expect(201);
    app.patch(&flag("a"), &json!({"archived": false})).any_version().await.expect(200);
    let path = configured("qa", "a", "/explain");
    let told = app.post(&path, &json!({"targetingKey": USER})).await.expect(200);
    assert_eq!((&told["value"], &told["change"]["action"]), (&json!(false), &json!("flag.unarchive")));
    let first = app.post(&format!("{path}?revision=0"), &json!({"targetingKey": USER})).await.expect(200);
    assert_eq!(first["error_code"], "FLAG_NOT_FOUND");
    assert!(app.get(&environment("qa")).await.expect(200)["revision"].as_u64().is_some());
});
