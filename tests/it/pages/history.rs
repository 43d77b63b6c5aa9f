//! The pages of a flag's history, of many flags at once, and of the archive.

use bellwether::access::Role;
use serde_json::json;

use super::browser::{Browser, LIST};
use crate::harness::{PRODUCTION, TestApp, configured, flag, on_both};

const BULK: &str = "/ui/projects/default/flags/bulk";
const STAGING: &str = "staging";

fn page(environment: &str, rest: &str) -> String {
    format!("/ui/projects/default/environments/{environment}/flags/feature.a/history{rest}")
}

async fn version(app: &TestApp, environment: &str) -> u64 {
    app.configured(environment, "feature.a").await["version"].as_u64().unwrap()
}

on_both!(the_history_is_shown_with_what_changed, async |app| {
    let app = app.with_flag("feature.a").await;
    app.roll_out(PRODUCTION, "feature.a", 12.5).await;
    let list = Browser::logged_in(&app, Role::Viewer).await;
    list.get(LIST).await.shows(200, &format!("href=\"{}\"", page(PRODUCTION, "")));
    let history = list.get(&page(PRODUCTION, "")).await;
    history.shows(200, "Version 2 <span class=\"badge tone-plain\">in force</span>");
    history.shows(200, "<code>/fallthrough/split</code>");
    history.shows(200, "This needs the role operator; yours is viewer.");
    assert!(!history.text().contains("Restore…"), "who may not restore is not offered to");
    for share in 1..=40 {
        app.roll_out(PRODUCTION, "feature.a", f64::from(share)).await;
    }
    let first = list.get(&page(PRODUCTION, "")).await;
    assert_eq!(first.text().matches("<li class=\"panel version\">").count(), 30);
    first.shows(200, "?before=13");
    let second = list.get(&page(PRODUCTION, "?before=13")).await;
    assert_eq!(second.text().matches("<li class=\"panel version\">").count(), 12);
    second.shows(200, "Newest versions");
    list.get(&page(PRODUCTION, "?before=1")).await.shows(200, "No older version is kept.");
    list.get(&page(PRODUCTION, "?before=x")).await.shows(404, "There is no page of that address.");
    list.get(&page("nowhere", "")).await.shows(404, "environment nowhere");
});

on_both!(a_version_is_restored_after_a_look_at_what_it_changes, async |app| {
    let app = app.with_flag("feature.a").await;
    app.roll_out(STAGING, "feature.a", 25.0).await;
    app.roll_out(STAGING, "feature.a", 40.0).await;
    let browser = Browser::logged_in(&app, Role::Editor).await;
    let token = browser.csrf().await;
    let restore = page(STAGING, "/2/restore");
    browser.get(&page(STAGING, "")).await.shows(200, &restore);
    let question = browser.get(&restore).await;
    question.shows(200, "15 % lose <span class=\"key\">on</span>.");
    question.shows(200, "class=\"before\">40 %</td><td role=\"cell\">25 %</td>");
    let now = question.field("now");
    assert_eq!(version(&app, STAGING).await, 3, "not yet");

    // Somebody else was faster: what was shown is no longer what would happen.
    app.roll_out(STAGING, "feature.a", 60.0).await;
    let fields = [("csrf_token", token.as_str()), ("now", &now), ("reason", "it was fine")];
    let stale = browser.post(&restore, &fields).await;
    stale.shows(409, "Nothing was changed. Somebody has changed the flag since");
    stale.shows(409, "35 % lose <span class=\"key\">on</span>.");
    let now = stale.field("now");
    let fields = [("csrf_token", token.as_str()), ("now", &now), ("reason", " it was fine ")];
    assert_eq!(browser.post(&restore, &fields).await.location(), page(STAGING, ""));
    assert_eq!(version(&app, STAGING).await, 5);
    let history = browser.get(&page(STAGING, "")).await;
    history.shows(200, "Version 2 restored");
    history.shows(200, "<q>it was fine</q>");
    browser.get(&page(STAGING, "/5/restore")).await.shows(200, "there is nothing to change");
    browser.get(&page(STAGING, "/99/restore")).await.shows(404, "version 99");
    browser.get(&page(STAGING, "/x/restore")).await.shows(404, "version x");
    browser.get(&page(PRODUCTION, "/1/restore")).await.shows(403, "This needs the role operator");
});

on_both!(a_version_that_a_layer_limited_is_shown_as_such_and_not_restored, async |app| {
    let app = app.with_flag("feature.a").await;
    let (canary, stage) = (configured(STAGING, "feature.a", "/canary"), |share: u32| json!({"percentage": share}));
    let policy = json!({"stages": [stage(20), stage(100)], "layer": {"name": "checkout", "percentage": 30}});
    app.put(&canary, &policy).await.expect(200);
    app.post(&format!("{canary}/start"), &json!({})).await.expect(200);
    app.post(&format!("{canary}/rollback"), &json!({})).await.expect(200);
    let browser = Browser::logged_in(&app, Role::Editor).await;
    let named = |name: &str| format!("<span class=\"key\">{name}</span>");
    let history = browser.get(&page(STAGING, "")).await;
    let said = format!(
        "The fallthrough's split is {} 20 %, {} 80 % of the 30 % of layer {}; everyone else gets {}.",
        named("on"),
        named("off"),
        named("checkout"),
        named("off")
    );
    let shown = history.text().replace("&#39;", "'");
    assert_eq!(shown.matches(&said).count(), 1, "{said} is not in {shown}");
    let question = browser.get(&page(STAGING, "/2/restore")).await;
    question.shows(409, "Nothing was changed. Version 2 is from while a release ran on 30 % of layer checkout");
    assert!(!question.text().contains("type=\"submit\">Restore"), "there is nothing to press");
});

on_both!(production_wants_the_key_typed, async |app| {
    let app = app.with_flag("feature.a").await;
    app.roll_out(PRODUCTION, "feature.a", 25.0).await;
    let browser = Browser::logged_in(&app, Role::Operator).await;
    let (token, restore) = (browser.csrf().await, page(PRODUCTION, "/1/restore"));
    let question = browser.get(&restore).await;
    question.shows(200, "Type <code>feature.a</code> to confirm");
    question.shows(200, "in-production");
    let with = |confirmation: &'static str| {
        [("csrf_token", token.clone()), ("now", "2".to_owned()), ("confirmation", confirmation.to_owned())]
    };
    for wrong in ["", "feature.b"] {
        let fields = with(wrong);
        let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        browser.post(&restore, &fields).await.shows(422, "Nothing was changed. Type feature.a to confirm.");
    }
    assert_eq!(version(&app, PRODUCTION).await, 2);
    let fields = with("feature.a");
    let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    assert_eq!(browser.post(&restore, &fields).await.location(), page(PRODUCTION, ""));
    assert_eq!(version(&app, PRODUCTION).await, 3);

    app.start_canary(PRODUCTION, "canary.a").await;
    let path = page(PRODUCTION, "/1/restore").replace("feature.a", "canary.a");
    let owned = browser.get(&path).await;
    owned.shows(409, "Nothing was changed. A running canary or experiment owns this split");
    assert!(!owned.text().contains("name=\"confirmation\""), "there is nothing to confirm");
});

on_both!(many_flags_are_changed_from_the_list, async |app| {
    let app = app.with_flag("feature.a").await.with_flag("feature.b").await.with_flag("feature.c").await;
    let browser = Browser::logged_in(&app, Role::Operator).await;
    let token = browser.csrf().await;
    let list = browser.get(LIST).await;
    assert_eq!(list.text().matches("form=\"bulk\"").count(), 3);
    for offer in ["Turn off in production", "Add the tag", "Archive"] {
        list.shows(200, offer);
    }
    let chosen = [("csrf_token", token.as_str()), ("flag", "feature.a"), ("flag", "feature.b")];
    let send = async |more: &[(&str, &str)]| browser.post(BULK, &[&chosen, more].concat()).await;

    let asked = send(&[("action", "disable:production")]).await;
    asked.shows(200, "Turn 2 flags off in production");
    asked.shows(200, "Type <code>production</code> to confirm");
    let asked = [("action", "disable:production"), ("asked", "yes")];
    send(&asked).await.shows(422, "Type production to confirm.");
    assert_eq!(app.configured(PRODUCTION, "feature.a").await["version"], 1);
    let done = send(&[&asked[..], &[("confirmation", "production"), ("reason", "incident")]].concat()).await;
    assert_eq!(done.location(), LIST);
    for key in ["feature.a", "feature.b"] {
        assert_eq!(app.configured(PRODUCTION, key).await["configuration"]["enabled"], false);
    }

    send(&[("action", "tag"), ("tag", "")]).await.shows(422, "Give a tag of 1 to 60 characters.");
    let tagged = send(&[("action", "tag"), ("tag", " new "), ("asked", "yes"), ("q", "fea"), ("show", "")]).await;
    assert_eq!(tagged.location(), format!("{LIST}?q=fea"), "back to what was looked at");
    assert_eq!(app.get(&flag("feature.a")).await.expect(200)["tags"], json!(["new"]));
    send(&[("action", "untag"), ("tag", "new"), ("asked", "yes")]).await;
    assert_eq!(app.get(&flag("feature.b")).await.expect(200)["tags"], json!([]));
    let none = browser.post(BULK, &[("csrf_token", &token), ("action", "archive")]).await;
    none.shows(422, "Choose 1 to 500 flags.");
    send(&[("action", "drop")]).await.shows(400, "The form names no action.");
    send(&[("action", "disable:nowhere"), ("asked", "yes")]).await.shows(422, "There is no environment nowhere.");

    let archive = [("action", "archive"), ("asked", "yes"), ("confirmation", "default")];
    send(&archive).await.shows(422, "Yes: 2 of the 3 flags in use");
    assert_eq!(send(&[&archive[..], &[("ticked", "yes")]].concat()).await.location(), LIST);
    assert!(app.get(&flag("feature.b")).await.expect(200)["archived_at"].is_string());
    browser.get(LIST).await.shows(200, "?show=archived");

    let editor = Browser::logged_in(&app, Role::Editor).await;
    let list = editor.get(LIST).await;
    assert!(list.text().contains("value=\"disable:staging\"") && !list.text().contains("value=\"disable:production\""));
    let token = editor.csrf().await;
    let fields = [("csrf_token", token.as_str()), ("action", "archive"), ("flag", "feature.c"), ("asked", "yes")];
    let confirmed = [&fields[..], &[("confirmation", "default"), ("ticked", "yes")]].concat();
    editor.post(BULK, &confirmed).await.shows(403, "This needs the role operator");
    let viewer = Browser::logged_in(&app, Role::Viewer).await;
    assert!(!viewer.get(LIST).await.text().contains("form=\"bulk\""));
});

on_both!(the_archive_gives_back_and_lets_go, async |app| {
    let app = app.with_flag("feature.a").await.with_flag("feature.b").await;
    for key in ["feature.a", "feature.b"] {
        app.delete(&flag(key)).any_version().await.expect(204);
    }
    let (archive, of) = (format!("{LIST}?show=archived"), |act: &str| format!("{LIST}/feature.a/{act}"));
    let operator = Browser::logged_in(&app, Role::Operator).await;
    let token = operator.csrf().await;
    let shown = operator.get(&archive).await;
    shown.shows(200, &of("unarchive"));
    assert!(!shown.text().contains("/purge"), "that is for admins");
    operator.get(&of("purge")).await.shows(403, "This needs the role admin");
    operator.get(&format!("{archive}&q=none")).await.shows(200, "No archived flag matches “none”.");
    operator.get(&page(PRODUCTION, "")).await.shows(200, "The flag is archived.");
    operator.get(&of("unarchive")).await.shows(200, "Bring feature.a back");
    let fields = [("csrf_token", token.as_str()), ("confirmation", "feature.a")];
    operator.post(&of("unarchive"), &fields[..1]).await.shows(422, "Type feature.a to confirm.");
    assert_eq!(operator.post(&of("unarchive"), &fields).await.location(), archive);
    assert_eq!(app.put_nothing(&configured(PRODUCTION, "feature.a", "/disable")).await.status, 200);
    operator.get(&of("unarchive")).await.shows(409, "Flag feature.a is in use.");

    let admin = Browser::logged_in(&app, Role::Admin).await;
    let token = admin.csrf().await;
    let purge = format!("{LIST}/feature.b/purge");
    admin.get(&purge).await.shows(200, "are removed for good");
    let fields = [("csrf_token", token.as_str()), ("confirmation", "feature.b")];
    assert_eq!(admin.post(&purge, &fields).await.location(), archive);
    app.get(&flag("feature.b")).await.problem(404, "not_found");
});
