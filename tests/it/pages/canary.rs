//! A canary's page: who may act, what a form needs, how the page follows.

use std::time::Duration;

use bellwether::access::{Caller, Role};
use bellwether::projects::DEFAULT_PROJECT;
use reqwest::StatusCode;
use serde_json::json;

use super::browser::{Browser, LIST};
use crate::harness::{PRODUCTION, TestApp, configured, on_both, within};

const FLAG: &str = "canary.pay";
const STAGING: &str = "staging";

fn page(environment: &str) -> String {
    format!("/ui/projects/default/environments/{environment}/flags/{FLAG}/canary")
}

/// Has a canary that has not been started.
async fn with_canary(app: TestApp, environment: &str) -> TestApp {
    let app = app.with_flag(FLAG).await;
    let policy = json!({"stages": [{"percentage": 10, "minimum_seconds": 600}, {"percentage": 100}]});
    app.put(&configured(environment, FLAG, "/canary"), &policy).await.expect(200);
    app
}

/// What the page asks with to follow the canary.
async fn follows(browser: &Browser, environment: &str) -> String {
    let shown = browser.get(&page(environment)).await;
    let (_, after) = shown.text().split_once("id=\"live\" class=\"live\" hx-get=\"").unwrap();
    after.split_once('"').unwrap().0.replace("&#38;", "&")
}

on_both!(an_editor_drives_a_canary_outside_production, async |app| {
    let app = app.with_flag("feature.a").await;
    let browser = Browser::logged_in(&app, Role::Editor).await;
    browser.get(&page(STAGING).replace(FLAG, "feature.a")).await.shows(200, "No canary in staging");
    let app = with_canary(app, STAGING).await;
    let (token, start) = (browser.csrf().await, format!("{}/start", page(STAGING)));

    let silent = browser.post(&start, &[("csrf_token", &token), ("reason", " ")]).await;
    silent.shows(422, "Nothing was changed. Give a reason: it goes into the log.");
    let forged = browser.post(&start, &[("csrf_token", "x"), ("reason", "first release")]).await;
    assert_eq!(forged.status, StatusCode::FORBIDDEN);

    let fields = [("csrf_token", token.as_str()), ("reason", "first release")];
    assert_eq!(browser.post(&start, &fields).await.location(), page(STAGING));
    browser.get(&page(STAGING)).await.shows(200, "<title>running · canary.pay · Bellwether</title>");
    browser
        .post(&start, &fields)
        .await
        .shows(409, "Nothing was changed. The canary is running: a release runs already.");
    let list = browser.get(&format!("{LIST}?show=canaries")).await;
    list.shows(200, ">canary 1/2 · 10 %<span");
    list.shows(200, "2 flags in default · 1 changes itself right now");
    let audit = app.get("/api/v1/audit?action=canary.start").await.expect(200);
    assert_eq!(audit["items"][0]["reason"], "first release");
    assert_eq!(audit["items"][0]["actor"]["name"], "editor");
});

on_both!(production_needs_an_operator_and_the_flags_key, async |app| {
    let app = with_canary(app, PRODUCTION).await;
    let editor = Browser::logged_in(&app, Role::Editor).await;
    let operator = Browser::logged_in(&app, Role::Operator).await;
    let start = format!("{}/start", page(PRODUCTION));

    let shown = editor.get(&page(PRODUCTION)).await;
    shown.shows(200, "Changing it needs the role operator.");
    assert!(!shown.text().contains("popover role=\"dialog\""));
    let token = editor.csrf().await;
    let fields = [("csrf_token", token.as_str()), ("reason", "first release"), ("confirmation", FLAG)];
    editor.post(&start, &fields).await.shows(403, "This needs the role operator; yours is editor.");

    let token = operator.csrf().await;
    let wrong = [("csrf_token", token.as_str()), ("reason", "first <b>"), ("confirmation", "canary.pa")];
    let refused = operator.post(&start, &wrong).await;
    refused.shows(422, "Nothing was changed. Type canary.pay to confirm.");
    refused.shows(422, "value=\"first &#60;b&#62;\"");
    refused.shows(422, "value=\"canary.pa\"");
    let right = [("csrf_token", token.as_str()), ("reason", "first release"), ("confirmation", FLAG)];
    assert_eq!(operator.post(&start, &right).await.location(), page(PRODUCTION));
});

on_both!(the_page_is_sent_what_has_changed_and_nothing_else, async |app| {
    let app = with_canary(app, STAGING).await;
    let browser = Browser::logged_in(&app, Role::Editor).await;
    let (token, live) = (browser.csrf().await, follows(&browser, STAGING).await);
    assert!(live.ends_with("&state=draft"), "{live}");
    assert_eq!(browser.get(&live).await.status, StatusCode::NO_CONTENT);

    let fields = [("csrf_token", token.as_str()), ("reason", "first release")];
    browser.post(&format!("{}/start", page(STAGING)), &fields).await.location();
    browser.get(&live).await.shows(200, "id=\"head\" hx-swap-oob=\"true\"");
    let same_state = browser.get(&live.replace("state=draft", "state=running")).await;
    assert!(!same_state.text().contains("id=\"head\""), "a form that somebody fills in stays");

    browser.post(&format!("{}/rollback", page(STAGING)), &fields).await.location();
    assert_eq!(browser.get(&follows(&browser, STAGING).await).await.status, StatusCode::NO_CONTENT);
    app.delete(&configured(STAGING, FLAG, "/canary")).any_version().await.expect(204);
    assert_eq!(browser.get(&live).await.header("hx-refresh"), "true", "there is nothing left to follow");
});

on_both!(a_rollback_shows_how_far_it_has_reached, async |app| {
    let app = with_canary(app, STAGING).await;
    let browser = Browser::logged_in(&app, Role::Editor).await;
    let sdk = bellwether_sdk::Client::builder(app.origin(), app.keys(STAGING).server.as_str());
    let sdk = sdk.application("checkout").connect().unwrap();
    assert!(sdk.wait_ready(Duration::from_secs(45)).await);

    let token = browser.csrf().await;
    for act in ["start", "rollback"] {
        let fields = [("csrf_token", token.as_str()), ("reason", "a test")];
        browser.post(&format!("{}/{act}", page(STAGING)), &fields).await.location();
    }
    let revision = app.revision(STAGING).await;
    let (services, caller) = (app.services(), Caller::system("test"));
    let staging = services.projects.environment(&caller, DEFAULT_PROJECT.to_owned(), STAGING.to_owned()).await.unwrap();
    let (fleet, id) = (services.fleet, staging.id());
    let mut reports = fleet.reports();
    within("the receipt", reports.wait_for(|_| fleet.reach(id, revision).applied == 1)).await.unwrap();
    let shown = browser.get(&page(STAGING)).await;
    shown.shows(200, &format!("Revision {revision} has reached the one instance, after "));
    shown.shows(200, "Taken back by editor");
    let list = browser.get(&format!("{LIST}?show=rolled-back")).await;
    list.shows(200, ">rolled back<span");
    list.shows(200, "the one instance");
    sdk.close(Duration::from_secs(5)).await;
});

on_both!(what_is_not_there_is_said, async |app| {
    let app = with_canary(app, STAGING).await;
    let browser = Browser::logged_in(&app, Role::Editor).await;
    browser.get(&format!("{}/verdicts/none", page(STAGING))).await.shows(404, "There is no verdict none.");
    browser.get(&page(STAGING).replace(FLAG, "no.flag")).await.shows(404, "There is no flag no.flag.");
    let token = browser.csrf().await;
    let act = browser.post(&format!("{}/explode", page(STAGING)), &[("csrf_token", &token), ("reason", "x")]).await;
    act.shows(404, "There is no action explode.");
    browser.get(&format!("{}/start", page(STAGING))).await.shows(405, "The path has no such method");
});
