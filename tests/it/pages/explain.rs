//! The page that tests a user.

use bellwether::access::Role;
use serde_json::json;

use super::browser::Browser;
use crate::harness::{PRODUCTION, TestApp, configured, on_both};

fn page(rest: &str) -> String {
    format!("/ui/projects/default/environments/{PRODUCTION}/flags/feature.a/explain{rest}")
}

async fn with_rule(app: TestApp) -> TestApp {
    let app = app.with_flag("feature.a").await;
    let clause = json!({"attribute": "country", "op": "in", "values": ["NO", "<b>"]});
    let rule = json!({"id": "nordic", "clauses": [clause], "serve": {"variation": "on"}});
    let whole = json!({"enabled": true, "off_variation": "off", "rules": [rule], "fallthrough": {"variation": "off"}});
    app.configure(PRODUCTION, "feature.a", &whole).header("x-request-id", "the-rule").await.expect(200);
    app
}

on_both!(a_user_is_tested, async |app| {
    let app = with_rule(app).await;
    let browser = Browser::logged_in(&app, Role::Viewer).await;
    let form = browser.get(&page("")).await;
    form.shows(200, "<label for=\"key\">Targeting key</label>");
    assert!(!form.text().contains("Step by step"));
    let context = "%7B%22country%22%3A%20%22NO%22%7D";
    let answer = browser.get(&page(&format!("?key=user-42&context={context}&at=&revision="))).await;
    answer.shows(200, "An individual target or a rule matched.");
    answer.shows(200, "Rule nordic matches");
    answer.shows(200, "country is one of NO, &#60;b&#62;: it is NO");
    answer.shows(200, "request <code>the-rule</code>");
    answer.shows(200, "value=\"user-42\"");
    // The question goes along to other environments, and to before the change.
    answer.shows(200, &format!("environments/staging/flags/feature.a/explain?key=user-42&#38;context={context}"));
    let revision = app.revision(PRODUCTION).await - 1;
    answer.shows(200, &format!("&#38;at=&#38;revision={revision}\">What it was before"));
    let before = browser.get(&page(&format!("?key=user-42&context={context}&at=&revision={revision}"))).await;
    before.shows(200, "Was served</span> <span class=\"key\">off</span>");
    before.shows(200, "Created: ");
    browser.get(&page("?key=&context=")).await.shows(200, "country is one of NO, &#60;b&#62;: the context has none");
});

on_both!(what_can_not_be_answered_is_said_beside_the_form, async |app| {
    let app = with_rule(app).await;
    let browser = Browser::logged_in(&app, Role::Viewer).await;
    let wrong = browser.get(&page("?key=u&context=%7B&at=&revision=")).await;
    wrong.shows(422, "The context is not JSON: ");
    wrong.shows(422, ">{</textarea>");
    browser.get(&page("?key=u&context=%5B%5D")).await.shows(422, "The context is a JSON object");
    browser.get(&page("?key=u&at=soon")).await.shows(422, "The time is written as");
    browser.get(&page("?key=u&at=2999-01-01T00:00")).await.shows(422, "The time lies in the future");
    browser.get(&page("?key=u&revision=x")).await.shows(422, "The revision is a number.");
    browser.get(&page("?key=u&revision=99")).await.shows(404, "There is no revision 99 of production yet");
    browser.get(&page("?key=u&at=2020-01-01T00:00")).await.shows(200, "The environment has no such flag in use.");
    browser.get(&page("").replace("feature.a", "none")).await.shows(404, "There is no flag none.");
    app.delete(&crate::harness::flag("feature.a")).any_version().await.expect(204);
    browser.get(&page("?key=u")).await.shows(404, "it is archived");
    app.get(&configured(PRODUCTION, "feature.a", "")).await.expect(200);
});
