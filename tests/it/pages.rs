//! The pages: who gets in, what a form needs, what a switch does.

mod browser;
mod canary;
mod explain;
mod history;

use bellwether::access::{Origin, Role};
use bellwether::db::{Connection, Part};
use reqwest::Method;
use serde_json::json;

use crate::harness::{DEVELOPMENT, PRODUCTION, TestApp, configured, on_both, sql};
use crate::routes::{Need, table};
use browser::{Browser, LIST, new_user};

const HTML: &str = "text/html; charset=utf-8";
const STAGING: &str = "staging";

fn switch(environment: &str, way: &str) -> String {
    format!("/ui/projects/default/environments/{environment}/flags/feature.a/{way}")
}

async fn enabled(app: &TestApp, environment: &str) -> bool {
    app.configured(environment, "feature.a").await["configuration"]["enabled"].as_bool().unwrap()
}

on_both!(static_files_are_kept_for_ever_under_their_version, async |app| {
    let browser = Browser::new(&app);
    let login = browser.get("/login").await;
    let (_, after) = login.text().split_once("href=\"/static/app.css").unwrap();
    let css = browser.get(&format!("/static/app.css{}", after.split_once('"').unwrap().0)).await;
    assert_eq!(css.header("content-type"), "text/css; charset=utf-8");
    assert_eq!(css.header("cache-control"), "public, max-age=31536000, immutable");
    assert_eq!(browser.get("/static/app.css").await.header("cache-control"), "no-cache");
    let again = browser.call(Method::GET, "/static/app.css").header("if-none-match", css.header("etag")).await;
    assert_eq!((again.status.as_u16(), again.text()), (304, ""));
    assert_eq!(browser.get("/favicon.ico").await.header("content-type"), "image/svg+xml");
    browser.get("/static/..%2FCargo.toml").await.problem(404, "not_found");
});

on_both!(without_a_session_there_is_only_the_log_in, async |app| {
    let browser = Browser::new(&app);
    assert_eq!(browser.get("/").await.location(), "/ui");
    assert_eq!(browser.get("/ui").await.location(), "/login?next=%2Fui");
    let wanted = browser.get(&format!("{LIST}?q=a%26b")).await;
    assert_eq!(wanted.location(), "/login?next=%2Fui%2Fprojects%2Fdefault%2Fflags%3Fq%3Da%2526b");
    browser.call(Method::GET, LIST).header("hx-request", "true").await.problem(401, "unauthenticated");
    let post = browser.post(&switch(STAGING, "disable"), &[("csrf_token", "x")]).await;
    post.shows(401, "There is no session, or it has ended; log in and try again.");
    assert!(post.text().contains(post.header("x-request-id")));
});

/// Asks for every page with a cookie that is no session.
async fn walk(app: &TestApp, token: &str) {
    let mut browser = Browser::new(app);
    browser.cookie = Some(format!("bw_session={token}"));
    let pages: Vec<_> = table().into_iter().filter(|route| route.need == Need::Session).collect();
    assert!(pages.len() > 10);
    for route in pages {
        let path = route.path_in(PRODUCTION);
        if route.method == Method::GET {
            let answer = browser.get(&path).await;
            assert!(answer.location().starts_with("/login?next=%2Fui"), "{token}: {answer}");
        } else {
            browser.post(&path, &[("csrf_token", "x"), ("reason", "x")]).await.shows(401, "There is no session");
        }
    }
}

on_both!(nothing_but_a_session_opens_a_page, async |app| {
    let app = app.with_flag("feature.a").await;
    let made_up = format!("bw_ses_{}", "A".repeat(43));
    let credentials = app.credentials();
    for token in ["", "x", &made_up, &credentials.admin, &app.keys(PRODUCTION).server, &app.keys(PRODUCTION).client] {
        walk(&app, token).await;
    }
    let bearer = app.get(LIST).by(&credentials.admin).await;
    assert_eq!(bearer.location(), "/login?next=%2Fui%2Fprojects%2Fdefault%2Fflags");

    let services = app.services();
    let password = new_user(&app, "ada", Role::Admin).await;
    let session = services.access.log_in("ada".to_owned(), password, Origin::default()).await.unwrap();
    let expire = |c: &mut Connection<'_>| {
        sql::execute(c, "UPDATE credentials SET expires_at = '2001-01-01T00:00:00.000000Z' WHERE kind = 'user'")
    };
    assert_eq!(services.store.write(Part::Configuration, expire).await.unwrap(), 1);
    services.access.reload().await.unwrap();
    walk(&app, session.token.reveal()).await;
});

on_both!(a_session_begins_with_the_password_and_ends_with_the_log_out, async |app| {
    let password = new_user(&app, "ada", Role::Operator).await;
    let mut browser = Browser::new(&app);
    let wrong = browser.log_in("ada", "wrong", "").await;
    let unknown = browser.log_in("bob", password.reveal(), "").await;
    wrong.shows(401, "The name or the password is wrong.");
    assert_eq!(unknown.status, wrong.status);
    assert_eq!(wrong.text().replace("\"ada\"", "\"bob\""), unknown.text(), "nothing tells who exists");
    assert_eq!(browser.cookie, None);

    let right = browser.log_in("ada", password.reveal(), "/ui/projects/default/flags?q=x").await;
    assert_eq!(right.location(), "/ui/projects/default/flags?q=x");
    let cookie = right.header("set-cookie");
    assert!(cookie.starts_with("bw_session=bw_ses_"), "{cookie}");
    for attribute in ["; HttpOnly", "; SameSite=Lax", "; Path=/", "; Max-Age=43200"] {
        assert!(cookie.contains(attribute), "{cookie} lacks {attribute}");
    }
    let first = browser.cookie.clone();
    assert_eq!(browser.get("/ui").await.location(), LIST);
    assert_eq!(browser.get("/login?next=https://evil.example").await.location(), "/ui");
    browser.get("/api/v1/projects").await.problem(401, "unauthenticated");

    // Again in the same browser: another session, and the one before has ended.
    assert_eq!(browser.log_in("ada", password.reveal(), "//evil.example").await.location(), "/ui");
    assert_ne!(browser.cookie, first);
    let second = std::mem::replace(&mut browser.cookie, first);
    assert_eq!(browser.get("/ui").await.location(), "/login?next=%2Fui");
    browser.cookie = second;

    let token = browser.csrf().await;
    let out = browser.post("/logout", &[("csrf_token", &token)]).await;
    assert_eq!(out.location(), "/login");
    assert!(out.header("set-cookie").contains("Max-Age=0"));
    assert_eq!(browser.get("/ui").await.location(), "/login?next=%2Fui", "the cookie is worth nothing any more");
    assert_eq!(browser.post("/logout", &[("csrf_token", &token)]).await.location(), "/login");

    let rows = app.get("/api/v1/audit?actor=ada").await.expect(200);
    let rows = rows["items"].as_array().unwrap().iter().rev();
    let told: Vec<_> = rows.map(|row| row["action"].as_str().unwrap()).collect();
    assert_eq!(told, ["session.create", "session.create", "session.delete", "session.delete"]);
});

on_both!(many_tries_have_to_wait_and_nobody_else_does, async |app| {
    let password = new_user(&app, "ada", Role::Operator).await;
    let mut browser = Browser::new(&app);
    let wrong = [("username", "bob"), ("password", "wrong")];
    let tries = (0..30).map(|_| async { browser.form("/login", &wrong).await });
    let answers = futures_util::future::join_all(tries).await;
    let refused = answers.iter().find(|answer| answer.status != 401).expect("not all of them at once");
    refused.shows(429, "Too many tries to log in; try again in");
    assert!((1..=60).contains(&refused.header("retry-after").parse::<u32>().unwrap()));
    assert_eq!(browser.log_in("ada", password.reveal(), "").await.location(), "/ui");
});

on_both!(a_form_counts_only_from_a_page_of_its_own_session, async |app| {
    let app = app.with_flag("feature.a").await;
    let admin = Browser::logged_in(&app, Role::Admin).await;
    let editor = Browser::logged_in(&app, Role::Editor).await;
    let (path, token, others) = (switch(STAGING, "disable"), admin.csrf().await, editor.csrf().await);
    admin.post(&path, &[]).await.shows(400, "The form can&#39;t be read: ");
    for wrong in ["", "x", &others, &token[1..]] {
        admin.post(&path, &[("csrf_token", wrong)]).await.shows(403, "The form is of another session");
    }
    let fields = [("csrf_token", token.as_str())];
    for (name, value) in [
        ("origin", "https://evil.example"),
        ("origin", "null"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
    ] {
        let sent = admin.form(&path, &fields).header(name, value).await;
        sent.shows(403, "Another site sent this form; nothing was done.");
        let login = admin.form("/login", &[("username", "x"), ("password", "y")]).header(name, value).await;
        login.shows(403, "Another site sent this form");
    }
    let text = admin.form(&path, &fields).header("content-type", "text/plain").await;
    text.shows(415, "send application/x-www-form-urlencoded");
    let huge = "x".repeat(70_000);
    admin.post(&path, &[("csrf_token", &token), ("q", &huge)]).await.shows(413, "larger than 65536 bytes");
    assert!(enabled(&app, STAGING).await, "nothing was done");
    assert_eq!(admin.post(&path, &fields).await.location(), LIST);
    assert!(!enabled(&app, STAGING).await);
});

on_both!(the_list_shows_what_each_environment_serves, async |app| {
    let browser = Browser::logged_in(&app, Role::Operator).await;
    let empty = browser.get(LIST).await;
    empty.shows(200, "No flags yet");
    empty.shows(200, &format!("{}/api/v1/projects/default/flags", app.origin()));

    let app = app.with_flag("feature.a").await.with_flag("7").await;
    app.roll_out(STAGING, "feature.a", 25.0).await;
    let all = browser.get(LIST).await;
    all.shows(200, "2 flags in default");
    all.shows(200, ">on 25 %<span");
    all.shows(200, "<b>operator</b> <span>operator</span>");
    all.shows(200, "no instance connected");
    assert_eq!(all.text().matches("role=\"switch\"").count(), 6);

    let found = browser.get(&format!("{LIST}?q=%20FEATURE.A%20")).await;
    assert!(found.text().contains(">feature.a</span>") && !found.text().contains(">7</span>"));
    app.put_nothing(&configured(STAGING, "feature.a", "/disable")).await.expect(200);
    let off = browser.get(&format!("{LIST}?show=off")).await;
    assert!(off.text().contains(">feature.a</span>") && !off.text().contains(">7</span>"));
    browser.get(&format!("{LIST}?show=canaries")).await.shows(200, "No flag matches with this filter.");
});

on_both!(a_switch_swaps_its_cell_or_leads_back_to_the_list, async |app| {
    let app = app.with_flag("feature.a").await;
    let browser = Browser::logged_in(&app, Role::Editor).await;
    let token = browser.csrf().await;
    let fields = [("csrf_token", token.as_str()), ("q", "feature a"), ("show", "off")];
    let swap = browser.form(&switch(DEVELOPMENT, "disable"), &fields).header("hx-request", "true").await;
    swap.shows(200, "aria-checked=\"false\"");
    assert!(swap.text().starts_with("<div class=\"cell\">"), "{swap}");
    assert!(!enabled(&app, DEVELOPMENT).await);

    let back = browser.post(&switch(DEVELOPMENT, "enable"), &fields).await;
    assert_eq!(back.location(), "/ui/projects/default/flags?q=feature%20a&show=off");
    assert!(enabled(&app, DEVELOPMENT).await);

    // A key may look like a number.
    let app = app.with_flag("7").await;
    let path = switch(DEVELOPMENT, "disable").replace("feature.a", "7");
    assert_eq!(browser.post(&path, &[("csrf_token", &token)]).await.location(), LIST);
    assert_eq!(app.configured(DEVELOPMENT, "7").await["configuration"]["enabled"], json!(false));
});

on_both!(production_asks_first, async |app| {
    let app = app.with_flag("feature.a").await;
    let browser = Browser::logged_in(&app, Role::Operator).await;
    let (token, path) = (browser.csrf().await, switch(PRODUCTION, "disable"));
    let asked = browser.post(&path, &[("csrf_token", &token), ("q", "a")]).await;
    assert_eq!(asked.location(), format!("{path}?q=a"));
    assert!(enabled(&app, PRODUCTION).await, "not yet");

    let question = browser.get(asked.location()).await;
    question.shows(200, "Turn feature.a off in production?");
    question.shows(200, "in-production");
    assert_eq!(question.field("q"), "a", "the list comes back as it was");
    let fields = [("csrf_token", token.as_str()), ("confirmation", &question.field("confirmation"))];
    assert_eq!(browser.post(&path, &fields).await.location(), LIST);
    assert!(!enabled(&app, PRODUCTION).await);
    assert_eq!(browser.get(&path).await.location(), LIST, "there is nothing left to ask");
});

on_both!(who_may_not_turn_a_switch_sees_why, async |app| {
    let app = app.with_flag("feature.a").await;
    let viewer = Browser::logged_in(&app, Role::Viewer).await;
    let list = viewer.get(LIST).await;
    assert_eq!(list.text().matches(", needs editor\" disabled").count(), 2, "{}", list.text());
    assert_eq!(list.text().matches(", needs operator\" disabled").count(), 1);
    assert!(!list.text().contains("in-production"), "this page can't change production");
    let token = viewer.csrf().await;
    let refused = viewer.post(&switch(STAGING, "disable"), &[("csrf_token", &token)]).await;
    refused.shows(403, "This needs the role editor; yours is viewer.");
    let swap = viewer.form(&switch(PRODUCTION, "disable"), &[("csrf_token", &token)]);
    swap.header("hx-request", "true").await.problem(403, "forbidden");
    viewer.get(&switch(PRODUCTION, "disable")).await.shows(403, "This needs the role operator");
    assert!(enabled(&app, STAGING).await && enabled(&app, PRODUCTION).await);
});

on_both!(what_is_not_there_has_a_page_that_says_so, async |app| {
    let browser = Browser::logged_in(&app, Role::Viewer).await;
    for path in ["/ui/projects/other/flags", "/ui/nothing", "/ui/projects/other/reach"] {
        let page = browser.get(path).await;
        page.shows(404, page.header("x-request-id"));
    }
    browser.get("/logout").await.shows(405, "The path has no such method");
    browser.get("/api/v1/nothing").await.problem(404, "not_found");
});

on_both!(the_foot_is_sent_only_when_it_has_changed, async |app| {
    let browser = Browser::logged_in(&app, Role::Viewer).await;
    let reach = "/ui/projects/default/reach";
    let first = browser.get(reach).await;
    let (_, seen) = first.text().split_once("reach?seen=").unwrap();
    let seen = format!("{reach}?seen={}", seen.split_once('"').unwrap().0);
    assert_eq!(browser.get(&seen).await.status, 204);
    let _app = app.with_flag("feature.a").await;
    browser.get(&seen).await.shows(200, "revision 1");
});

on_both!(pages_are_not_kept_and_not_framed, async |app| {
    let browser = Browser::logged_in(&app, Role::Viewer).await;
    let page = browser.get(LIST).await;
    assert_eq!(page.header("content-type"), HTML);
    assert_eq!(page.header("cache-control"), "no-store");
    let policy = page.header("content-security-policy");
    assert!(policy.contains("script-src 'self';") && policy.contains("frame-ancestors 'none'"), "{policy}");
    assert!(!policy.contains("unsafe"), "{policy}");
});
