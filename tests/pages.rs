//! The pages over a real server: who gets in, what a form needs, what a switch does.

#[cfg(test)]
#[path = "pages/canary.rs"]
mod canary;
#[cfg(test)]
#[path = "pages/server.rs"]
mod server;

use bellwether::access::Role;
use reqwest::{StatusCode, header};
use serde_json::{Value, json};

use server::{Answer, FLAGS, Server};

fn switch(environment: &str, flag: &str, way: &str) -> String {
    format!("/ui/projects/default/environments/{environment}/flags/{flag}/{way}")
}

#[actix_web::test]
async fn static_files_are_kept_for_ever_under_their_version() {
    let server = Server::start().await;
    let browser = server.browser();
    let login = browser.get("/login").await;
    let (_, after) = login.text.split_once("href=\"/static/app.css").unwrap();
    let address = format!("/static/app.css{}", after.split_once('"').unwrap().0);
    let css = browser.get(&address).await;
    assert_eq!(css.header(header::CONTENT_TYPE), "text/css; charset=utf-8");
    assert_eq!(css.header(header::CACHE_CONTROL), "public, max-age=31536000, immutable");
    assert_eq!(browser.get("/static/app.css").await.header(header::CACHE_CONTROL), "no-cache");
    let again = browser.client.get(format!("{}/static/app.css", browser.url));
    let again = browser.send(again.header(header::IF_NONE_MATCH, css.header(header::ETAG))).await;
    assert_eq!((again.status, again.text.as_str()), (StatusCode::NOT_MODIFIED, ""));
    assert_eq!(browser.get("/favicon.ico").await.header(header::CONTENT_TYPE), "image/svg+xml");
    assert_eq!(browser.get("/static/..%2FCargo.toml").await.status, StatusCode::NOT_FOUND);
    server.app.stop().await;
}

#[actix_web::test]
async fn without_a_session_there_is_only_the_log_in() {
    let server = Server::start().await;
    let browser = server.browser();
    assert_eq!(browser.get("/").await.location(), "/ui");
    assert_eq!(browser.get("/ui").await.location(), "/login?next=%2Fui");
    let wanted = browser.get("/ui/projects/default/flags?q=a%26b").await;
    assert_eq!(wanted.location(), "/login?next=%2Fui%2Fprojects%2Fdefault%2Fflags%3Fq%3Da%2526b");

    let swap = browser.client.get(format!("{}{FLAGS}", browser.url)).header("hx-request", "true");
    let swap = browser.send(swap).await;
    assert_eq!(
        (swap.status, swap.header(header::CONTENT_TYPE)),
        (StatusCode::UNAUTHORIZED, "application/problem+json")
    );

    let post = browser.post(&switch("staging", "feature.a", "disable"), &[("csrf_token", "x")]).await;
    assert_eq!(
        (post.status, post.header(header::CONTENT_TYPE)),
        (StatusCode::UNAUTHORIZED, "text/html; charset=utf-8")
    );
    assert!(post.text.contains("There is no session, or it has ended; log in and try again."), "{}", post.text);
    assert!(post.text.contains(post.header("x-request-id")));
    server.app.stop().await;
}

#[actix_web::test]
async fn a_token_or_a_key_opens_no_page_and_a_session_opens_no_api() {
    let server = Server::start().await;
    let mut stranger = server.browser();
    stranger.cookie = Some(format!("bw_session={}", server.token));
    assert_eq!(stranger.get(FLAGS).await.location(), "/login?next=%2Fui%2Fprojects%2Fdefault%2Fflags");
    let bearer = stranger.client.get(format!("{}{FLAGS}", stranger.url)).bearer_auth(&server.token);
    assert_eq!(Answer::of(bearer.send().await.unwrap()).await.status, StatusCode::SEE_OTHER);

    let admin = server.logged_in(Role::Admin).await;
    assert_eq!(admin.get("/api/v1/projects").await.status, StatusCode::UNAUTHORIZED);
    let session = admin.cookie.clone().unwrap().replace("bw_session=", "");
    let bearer = admin.client.get(format!("{}/api/v1/projects", admin.url)).bearer_auth(session);
    assert_eq!(Answer::of(bearer.send().await.unwrap()).await.status, StatusCode::UNAUTHORIZED);
    server.app.stop().await;
}

#[actix_web::test]
async fn a_session_begins_with_the_password_and_ends_with_the_log_out() {
    let server = Server::start().await;
    let password = server.user("ada", Role::Operator);
    let mut browser = server.browser();
    let wrong = browser.log_in("ada", "wrong", "").await;
    let unknown = browser.log_in("bob", &password, "").await;
    assert_eq!((wrong.status, unknown.status), (StatusCode::UNAUTHORIZED, StatusCode::UNAUTHORIZED));
    assert!(wrong.text.contains("The name or the password is wrong."), "{}", wrong.text);
    assert_eq!(wrong.text.replace("\"ada\"", "\"bob\""), unknown.text, "nothing tells who exists");
    assert_eq!(browser.cookie, None);

    let right = browser.log_in("ada", &password, "/ui/projects/default/flags?q=x").await;
    assert_eq!(right.location(), "/ui/projects/default/flags?q=x");
    let cookie = right.header(header::SET_COOKIE);
    assert!(cookie.starts_with("bw_session=bw_ses_"), "{cookie}");
    for attribute in ["; HttpOnly", "; SameSite=Lax", "; Path=/", "; Max-Age=43200"] {
        assert!(cookie.contains(attribute), "{cookie} lacks {attribute}");
    }
    let first = browser.cookie.clone();
    assert_eq!(browser.get("/ui").await.location(), FLAGS);
    assert_eq!(browser.get("/login?next=https://evil.example").await.location(), "/ui");

    // Again in the same browser: another session, and the one before has ended.
    assert_eq!(browser.log_in("ada", &password, "//evil.example").await.location(), "/ui");
    assert_ne!(browser.cookie, first);
    let second = std::mem::replace(&mut browser.cookie, first);
    assert_eq!(browser.get("/ui").await.location(), "/login?next=%2Fui");
    browser.cookie = second;

    let token = browser.csrf().await;
    let out = browser.post("/logout", &[("csrf_token", &token)]).await;
    assert_eq!(out.location(), "/login");
    assert!(out.header(header::SET_COOKIE).contains("Max-Age=0"));
    assert_eq!(browser.get("/ui").await.location(), "/login?next=%2Fui", "the cookie is worth nothing any more");
    assert_eq!(browser.post("/logout", &[("csrf_token", &token)]).await.location(), "/login");

    let expected = ["ada session.create", "ada session.create", "ada session.delete", "ada session.delete"];
    assert_eq!(server.sessions().await, expected);
    server.app.stop().await;
}

#[actix_web::test]
async fn many_tries_have_to_wait_and_nobody_else_does() {
    let server = Server::start().await;
    let password = server.user("ada", Role::Operator);
    let mut browser = server.browser();
    let mut refused = browser.log_in("bob", "wrong", "").await;
    for _ in 0..30 {
        if refused.status != StatusCode::UNAUTHORIZED {
            break;
        }
        refused = browser.log_in("bob", "wrong", "").await;
    }
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
    assert!((1..=60).contains(&refused.header(header::RETRY_AFTER).parse::<u32>().unwrap()));
    assert!(refused.text.contains("Too many tries to log in; try again in"), "{}", refused.text);
    assert_eq!(browser.log_in("ada", &password, "").await.location(), "/ui");
    server.app.stop().await;
}

#[actix_web::test]
async fn a_form_counts_only_from_a_page_of_its_own_session() {
    let server = Server::start().await;
    server.flag("feature.a").await;
    let (admin, editor) = (server.logged_in(Role::Admin).await, server.logged_in(Role::Editor).await);
    let (path, token) = (switch("staging", "feature.a", "disable"), admin.csrf().await);
    let others = editor.csrf().await;
    for fields in [vec![], vec![("csrf_token", "")], vec![("csrf_token", others.as_str())]] {
        let refused = admin.post(&path, &fields).await;
        let expected = if fields.is_empty() { StatusCode::BAD_REQUEST } else { StatusCode::FORBIDDEN };
        assert_eq!(refused.status, expected, "{}", refused.text);
    }
    let fields = [("csrf_token", token.as_str())];
    for (name, value) in [("origin", "https://evil.example"), ("origin", "null"), ("sec-fetch-site", "cross-site")] {
        let mut request = admin.form(&path, &fields).build().unwrap();
        request.headers_mut().insert(name, value.parse().unwrap());
        request.headers_mut().insert(header::COOKIE, admin.cookie.as_deref().unwrap().parse().unwrap());
        let refused = Answer::of(admin.client.execute(request).await.unwrap()).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{name}: {value}");
        assert!(refused.text.contains("Another site sent this form; nothing was done."));
    }
    let mut login = admin.form("/login", &[("username", "x"), ("password", "y")]).build().unwrap();
    login.headers_mut().insert(header::ORIGIN, "https://evil.example".parse().unwrap());
    assert_eq!(admin.client.execute(login).await.unwrap().status(), StatusCode::FORBIDDEN);
    let json = admin.client.post(format!("{}{path}", admin.url)).header(header::CONTENT_TYPE, "text/plain");
    assert_eq!(admin.send(json.body(format!("csrf_token={token}"))).await.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let huge = "x".repeat(70_000);
    let large = admin.post(&path, &[("csrf_token", &token), ("q", &huge)]).await;
    assert_eq!(large.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert!(server.enabled("staging", "feature.a").await, "nothing was done");
    assert_eq!(admin.post(&path, &fields).await.location(), FLAGS);
    assert!(!server.enabled("staging", "feature.a").await);
    server.app.stop().await;
}

#[actix_web::test]
async fn the_list_shows_what_each_environment_serves() {
    let server = Server::start().await;
    let browser = server.logged_in(Role::Operator).await;
    let empty = browser.get(FLAGS).await;
    assert!(empty.text.contains("No flags yet"), "{}", empty.text);
    assert!(empty.text.contains(&format!("{}/api/v1/projects/default/flags", browser.url)));

    server.flag("feature.a").await;
    server.flag("feature.b").await;
    let f = "/projects/default/environments/staging/flags/feature.a";
    server.api("PUT", &format!("{f}/rollout"), json!({"percentage": 25})).await;
    let all = browser.get(FLAGS).await;
    assert!(all.text.contains("2 flags in default"));
    assert!(all.text.contains(">on 25 %<span"), "{}", all.text);
    assert_eq!(all.text.matches("role=\"switch\"").count(), 6);
    assert!(all.text.contains("<b>operator</b> <span>operator</span>"));
    assert!(all.text.contains("no instance connected"), "how far the last change has reached");

    let found = browser.get(&format!("{FLAGS}?q=%20FEATURE.B%20")).await;
    assert!(found.text.contains(">feature.b</span>") && !found.text.contains(">feature.a</span>"));
    server.api("PUT", &format!("{f}/disable"), Value::Null).await;
    let off = browser.get(&format!("{FLAGS}?show=off")).await;
    assert!(off.text.contains(">feature.a</span>") && !off.text.contains(">feature.b</span>"));
    let none = browser.get(&format!("{FLAGS}?show=canaries")).await;
    assert!(none.text.contains("No flag matches with this filter."), "{}", none.text);
    server.app.stop().await;
}

#[actix_web::test]
async fn a_switch_swaps_its_cell_or_leads_back_to_the_list() {
    let server = Server::start().await;
    server.flag("feature.a").await;
    let browser = server.logged_in(Role::Editor).await;
    let token = browser.csrf().await;
    let fields = [("csrf_token", token.as_str()), ("q", "feature a"), ("show", "off")];

    let swap = browser.form(&switch("development", "feature.a", "disable"), &fields).header("hx-request", "true");
    let swap = browser.send(swap).await;
    assert_eq!(swap.status, StatusCode::OK, "{}", swap.text);
    assert!(swap.text.starts_with("<div class=\"cell\">") && swap.text.contains("aria-checked=\"false\""));
    assert!(!server.enabled("development", "feature.a").await);

    let back = browser.post(&switch("development", "feature.a", "enable"), &fields).await;
    assert_eq!(back.location(), "/ui/projects/default/flags?q=feature%20a&show=off");
    assert!(server.enabled("development", "feature.a").await);
    server.app.stop().await;
}

#[actix_web::test]
async fn production_asks_first() {
    let server = Server::start().await;
    server.flag("feature.a").await;
    let browser = server.logged_in(Role::Operator).await;
    let token = browser.csrf().await;
    let path = switch("production", "feature.a", "disable");
    let asked = browser.post(&path, &[("csrf_token", &token), ("q", "a")]).await;
    assert_eq!(asked.location(), format!("{path}?q=a"));
    assert!(server.enabled("production", "feature.a").await, "not yet");

    let question = browser.get(asked.location()).await;
    assert!(question.text.contains("Turn feature.a off in production?"), "{}", question.text);
    assert!(question.text.contains("in-production"));
    assert!(question.text.contains("name=\"q\" value=\"a\""), "the list comes back as it was");
    let fields = [("csrf_token", token.as_str()), ("confirmation", question.field("confirmation"))];
    assert_eq!(browser.post(&path, &fields).await.status, StatusCode::SEE_OTHER);
    assert!(!server.enabled("production", "feature.a").await);
    assert_eq!(browser.get(&path).await.location(), FLAGS, "there is nothing left to ask");
    server.app.stop().await;
}

#[actix_web::test]
async fn who_may_not_turn_a_switch_sees_why() {
    let server = Server::start().await;
    server.flag("feature.a").await;
    let viewer = server.logged_in(Role::Viewer).await;
    let list = viewer.get(FLAGS).await;
    assert_eq!(list.text.matches(", needs editor\" disabled").count(), 2, "{}", list.text);
    assert_eq!(list.text.matches(", needs operator\" disabled").count(), 1);
    assert!(!list.text.contains("in-production"), "this page can't change production");
    let token = viewer.csrf().await;
    let refused = viewer.post(&switch("staging", "feature.a", "disable"), &[("csrf_token", &token)]).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert!(refused.text.contains("This needs the role editor; yours is viewer."), "{}", refused.text);
    let swap = viewer.form(&switch("production", "feature.a", "disable"), &[("csrf_token", &token)]);
    let swap = viewer.send(swap.header("hx-request", "true")).await;
    assert_eq!((swap.status, swap.header(header::CONTENT_TYPE)), (StatusCode::FORBIDDEN, "application/problem+json"));
    assert_eq!(viewer.get(&switch("production", "feature.a", "disable")).await.status, StatusCode::FORBIDDEN);
    assert!(server.enabled("staging", "feature.a").await && server.enabled("production", "feature.a").await);
    server.app.stop().await;
}

#[actix_web::test]
async fn what_is_not_there_has_a_page_that_says_so() {
    let server = Server::start().await;
    let browser = server.logged_in(Role::Viewer).await;
    for path in ["/ui/projects/other/flags", "/ui/nothing", "/ui/projects/other/reach"] {
        let page = browser.get(path).await;
        assert_eq!(
            (page.status, page.header(header::CONTENT_TYPE)),
            (StatusCode::NOT_FOUND, "text/html; charset=utf-8")
        );
        assert!(page.text.contains(page.header("x-request-id")), "{}", page.text);
    }
    assert_eq!(browser.get("/logout").await.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(browser.get("/api/v1/nothing").await.header(header::CONTENT_TYPE), "application/problem+json");
    server.app.stop().await;
}

#[actix_web::test]
async fn the_foot_is_sent_only_when_it_has_changed() {
    let server = Server::start().await;
    let browser = server.logged_in(Role::Viewer).await;
    let reach = "/ui/projects/default/reach";
    let first = browser.get(reach).await;
    let (_, seen) = first.text.split_once("reach?seen=").unwrap();
    let seen = format!("{reach}?seen={}", seen.split_once('"').unwrap().0);
    assert_eq!(browser.get(&seen).await.status, StatusCode::NO_CONTENT);
    server.flag("feature.a").await;
    let changed = browser.get(&seen).await;
    assert_eq!(changed.status, StatusCode::OK);
    assert!(changed.text.contains("revision 1"), "{}", changed.text);
    server.app.stop().await;
}
