//! A canary's page: who may act, what a form needs, how the page follows.

use std::time::Duration;

use bellwether::access::{self, CredentialKind, Role};
use bellwether::db::{Connection, Part};
use reqwest::{StatusCode, header};
use serde_json::{Value, json};

use crate::server::{Browser, Server};

const FLAG: &str = "canary.pay";
/// Of the default project's environments the second.
const STAGING: i64 = 2;

fn page(environment: &str) -> String {
    format!("/ui/projects/default/environments/{environment}/flags/{FLAG}/canary")
}

async fn with_canary(server: &Server, environment: &str) {
    let policy = json!({"stages": [{"percentage": 10, "minimum_seconds": 600}, {"percentage": 100}]});
    let path = format!("/projects/default/environments/{environment}/flags/{FLAG}/canary");
    server.api("PUT", &path, policy).await;
}

/// What the page asks with to follow the canary.
async fn follows(browser: &Browser, environment: &str) -> String {
    let text = browser.get(&page(environment)).await.text;
    let (_, after) = text.split_once("id=\"live\" class=\"live\" hx-get=\"").unwrap();
    after.split_once('"').unwrap().0.replace("&#38;", "&")
}

#[actix_web::test]
async fn an_editor_drives_a_canary_outside_production() {
    let server = Server::start().await;
    server.flag(FLAG).await;
    let browser = server.logged_in(Role::Editor).await;
    assert!(browser.get(&page("staging")).await.text.contains("No canary in staging"));
    with_canary(&server, "staging").await;
    let token = browser.csrf().await;
    let start = format!("{}/start", page("staging"));

    let silent = browser.post(&start, &[("csrf_token", &token), ("reason", " ")]).await;
    assert_eq!(silent.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(silent.text.contains("Nothing was changed. Give a reason: it goes into the log."), "{}", silent.text);
    let forged = browser.post(&start, &[("csrf_token", "x"), ("reason", "first release")]).await;
    assert_eq!(forged.status, StatusCode::FORBIDDEN);

    let fields = [("csrf_token", token.as_str()), ("reason", "first release")];
    assert_eq!(browser.post(&start, &fields).await.location(), page("staging"));
    let running = browser.get(&page("staging")).await;
    assert!(running.text.contains("<title>running · canary.pay · Bellwether</title>"), "{}", running.text);
    let again = browser.post(&start, &fields).await;
    assert_eq!(again.status, StatusCode::CONFLICT);
    assert!(again.text.contains("The canary is running: a release runs already."), "{}", again.text);
    let list = browser.get("/ui/projects/default/flags?show=canaries").await;
    assert!(list.text.contains(">canary 1/2 · 10 %<span"), "{}", list.text);
    assert!(list.text.contains("1 flag in default · 1 changes itself right now"));
    let audit = server.api("GET", "/audit?action=canary.start", Value::Null).await;
    assert_eq!(audit["items"][0]["reason"], "first release");
    assert_eq!(audit["items"][0]["actor"]["name"], "editor");
    server.app.stop().await;
}

#[actix_web::test]
async fn production_needs_an_operator_and_the_flags_key() {
    let server = Server::start().await;
    server.flag(FLAG).await;
    with_canary(&server, "production").await;
    let (editor, operator) = (server.logged_in(Role::Editor).await, server.logged_in(Role::Operator).await);
    let start = format!("{}/start", page("production"));

    let shown = editor.get(&page("production")).await;
    assert!(shown.text.contains("Changing it needs the role operator."), "{}", shown.text);
    assert!(!shown.text.contains("popover role=\"dialog\""));
    let token = editor.csrf().await;
    let fields = [("csrf_token", token.as_str()), ("reason", "first release"), ("confirmation", FLAG)];
    let refused = editor.post(&start, &fields).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert!(refused.text.contains("This needs the role operator; yours is editor."));

    let token = operator.csrf().await;
    let wrong = [("csrf_token", token.as_str()), ("reason", "first <b>"), ("confirmation", "canary.pa")];
    let refused = operator.post(&start, &wrong).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(refused.text.contains("Nothing was changed. Type canary.pay to confirm."), "{}", refused.text);
    assert!(refused.text.contains("value=\"first &#60;b&#62;\"") && refused.text.contains("value=\"canary.pa\""));
    let right = [("csrf_token", token.as_str()), ("reason", "first release"), ("confirmation", FLAG)];
    assert_eq!(operator.post(&start, &right).await.location(), page("production"));
    server.app.stop().await;
}

#[actix_web::test]
async fn the_page_is_sent_what_has_changed_and_nothing_else() {
    let server = Server::start().await;
    server.flag(FLAG).await;
    with_canary(&server, "staging").await;
    let browser = server.logged_in(Role::Editor).await;
    let (token, live) = (browser.csrf().await, follows(&browser, "staging").await);
    assert!(live.ends_with("&state=draft"), "{live}");
    assert_eq!(browser.get(&live).await.status, StatusCode::NO_CONTENT);

    let fields = [("csrf_token", token.as_str()), ("reason", "first release")];
    browser.post(&format!("{}/start", page("staging")), &fields).await.location();
    let started = browser.get(&live).await;
    assert_eq!(started.status, StatusCode::OK);
    assert!(started.text.contains("id=\"head\" hx-swap-oob=\"true\""), "another state brings the head along");
    let stale = live.replace("state=draft", "state=running");
    assert!(!browser.get(&stale).await.text.contains("id=\"head\""));
    assert_eq!(browser.get(&follows(&browser, "staging").await).await.status, StatusCode::NO_CONTENT);

    browser.post(&format!("{}/rollback", page("staging")), &fields).await.location();
    let path = format!("/projects/default/environments/staging/flags/{FLAG}/canary");
    let version = server.api("GET", &path, Value::Null).await["version"].to_string();
    let delete = browser.client.delete(format!("{}/api/v1{path}", browser.url)).bearer_auth(&server.token);
    let deleted = delete.header(header::IF_MATCH, format!("\"{version}\"")).send().await.unwrap();
    assert_eq!(deleted.status(), StatusCode::NO_CONTENT);
    assert_eq!(browser.get(&live).await.header("hx-refresh"), "true", "there is nothing left to follow");
    server.app.stop().await;
}

#[actix_web::test]
async fn a_rollback_shows_how_far_it_has_reached() {
    let server = Server::start().await;
    server.flag(FLAG).await;
    with_canary(&server, "staging").await;
    let create = |c: &mut Connection<'_>| access::create_sdk_key(c, CredentialKind::Server, "test", STAGING);
    let key = server.app.services.store.write_now(Part::Configuration, create).unwrap();
    server.app.services.access.reload().await.unwrap();
    let browser = server.logged_in(Role::Editor).await;
    let sdk = bellwether_sdk::Client::builder(&browser.url, key.reveal()).application("checkout").connect().unwrap();
    assert!(sdk.wait_ready(Duration::from_secs(10)).await);

    let token = browser.csrf().await;
    for act in ["start", "rollback"] {
        let fields = [("csrf_token", token.as_str()), ("reason", "a test")];
        browser.post(&format!("{}/{act}", page("staging")), &fields).await.location();
    }
    let fleet = server.app.services.fleet.clone();
    let mut reports = fleet.reports();
    let reached = reports.wait_for(|_| fleet.reach(STAGING, 3).applied == 1);
    tokio::time::timeout(Duration::from_secs(10), reached).await.unwrap().unwrap();
    let shown = browser.get(&page("staging")).await.text;
    assert!(shown.contains("Revision 3 has reached the one instance, after "), "{shown}");
    assert!(shown.contains("Taken back by editor"));
    let list = browser.get("/ui/projects/default/flags?show=rolled-back").await;
    assert!(list.text.contains(">rolled back<span") && list.text.contains("the one instance"), "{}", list.text);
    sdk.close(Duration::from_secs(5)).await;
    server.app.stop().await;
}

#[actix_web::test]
async fn what_is_not_there_is_said() {
    let server = Server::start().await;
    server.flag(FLAG).await;
    with_canary(&server, "staging").await;
    let browser = server.logged_in(Role::Editor).await;
    let record = browser.get(&format!("{}/verdicts/none", page("staging"))).await;
    assert_eq!(record.status, StatusCode::NOT_FOUND);
    assert!(record.text.contains("There is no verdict none."));
    let flag = page("staging").replace(FLAG, "no.flag");
    assert_eq!(browser.get(&flag).await.status, StatusCode::NOT_FOUND);
    let token = browser.csrf().await;
    let act = browser.post(&format!("{}/explode", page("staging")), &[("csrf_token", &token), ("reason", "x")]).await;
    assert_eq!(act.status, StatusCode::NOT_FOUND);
    assert_eq!(browser.get(&format!("{}/start", page("staging"))).await.status, StatusCode::METHOD_NOT_ALLOWED);
    server.app.stop().await;
}
