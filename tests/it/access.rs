//! Who may call what: each route with each credential.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

use actix_web::dev::Service as _;
use bellwether::access::{self, Origin, Role, Secret};
use bellwether::app::Metrics;
use bellwether::db::{Connection, Part};
use bellwether::stream::api::Draining;
use reqwest::Method;
use serde_json::json;

use crate::harness::{DEVELOPMENT, FLAGS, PRODUCTION, TestApp, configured, on_both, sql};
use crate::routes::{Need, Route, table};

/// Every method that a route may have.
const METHODS: [Method; 5] = [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];

/// The pattern of each resource that the server has, as the framework itself lists them.
async fn patterns(app: &TestApp) -> BTreeSet<String> {
    let listed = Rc::new(RefCell::new(String::new()));
    let (list, services) = (listed.clone(), app.services());
    let (_, drained) = tokio::sync::watch::channel(false);
    let web = actix_web::App::new()
        .wrap_fn(move |request, next| {
            *list.borrow_mut() = format!("{:#?}", request.resource_map());
            next.call(request)
        })
        .configure(|config| {
            let metrics = Metrics::new(services.clone());
            bellwether::app::routes(config, services, metrics, Draining(drained));
        });
    let web = actix_web::test::init_service(web).await;
    actix_web::test::call_service(&web, actix_web::test::TestRequest::default().to_request()).await;
    read_patterns(&listed.borrow())
}

/// Reads the tree of resources as it prints itself: a pattern, and behind it those that lie under it, deeper in.
fn read_patterns(listed: &str) -> BTreeSet<String> {
    let mut patterns = BTreeSet::new();
    let mut around: Vec<(usize, String)> = Vec::new();
    let mut lines = listed.lines();
    while let Some(line) = lines.next() {
        let depth = line.len() - line.trim_start().len();
        assert!(!line.contains("patterns: List("), "a resource with several patterns is not read here: {line}");
        if line.trim() != "patterns: Single(" {
            continue;
        }
        let own: String = serde_json::from_str(lines.next().unwrap().trim().trim_end_matches(',')).unwrap();
        let scope = lines.by_ref().find(|line| line.trim().starts_with("is_prefix: ")).unwrap().contains("true");
        around.retain(|(outer, _)| *outer < depth);
        let path = format!("{}{own}", around.last().map_or("", |(_, path)| path));
        if scope {
            around.push((depth, path));
        } else {
            patterns.insert(without_expressions(&path));
        }
    }
    patterns
}

/// `{key:.+}` is `{key}` to whoever asks.
fn without_expressions(pattern: &str) -> String {
    let part = |part: &str| match part.split_once(':') {
        Some((name, _)) if name.starts_with('{') => format!("{name}}}"),
        _ => part.to_owned(),
    };
    pattern.split('/').map(part).collect::<Vec<_>>().join("/")
}

/// A path of a pattern, whatever is there; the table's own where it leaves no part open.
fn some_path(pattern: &str) -> String {
    let listed = table().into_iter().find(|route| route.pattern == pattern && !route.path.contains('{'));
    if let Some(route) = listed {
        return route.path;
    }
    let part = |part: &str| if part.starts_with('{') { "x".to_owned() } else { part.to_owned() };
    pattern.split('/').map(part).collect::<Vec<_>>().join("/")
}

on_both!(the_table_has_every_route, async |app| {
    let mut served = BTreeSet::new();
    for pattern in patterns(&app).await {
        for method in METHODS {
            let answer = app.call(method.clone(), &some_path(&pattern)).by_nobody().await;
            assert_ne!(answer.status, 404, "{pattern} is no path of the server");
            if answer.status != 405 {
                served.insert(format!("{method} {pattern}"));
            }
        }
    }
    assert!(served.len() > 40, "{served:#?}");
    let listed = table().into_iter().map(|route| format!("{} {}", route.method, route.pattern)).collect();
    let missing: Vec<_> = served.difference(&listed).collect();
    assert!(missing.is_empty(), "say in tests/it/routes.rs who may call {missing:#?}");
    let surplus: Vec<_> = listed.difference(&served).collect();
    assert!(surplus.is_empty(), "the server has no {surplus:#?}");
});

#[derive(Clone, Copy, Debug)]
enum Kind {
    Unknown,
    ServerKey,
    ClientKey,
    Token(Role),
}

/// The status that a credential gets.
fn expected(route: &Route, kind: Kind, production: bool) -> u16 {
    let role = match (route.need, kind) {
        (Need::Nothing | Need::Session, _) => return route.answer,
        (_, Kind::Unknown) => return 401,
        (Need::Key, Kind::ServerKey | Kind::ClientKey) | (Need::ServerKey, Kind::ServerKey) => return route.answer,
        (_, Kind::ServerKey | Kind::ClientKey) | (Need::Key | Need::ServerKey, _) => return 403,
        (_, Kind::Token(role)) => role,
    };
    let needed = match route.need {
        Need::Viewer => Role::Viewer,
        Need::Editor => Role::Editor,
        Need::Operator => Role::Operator,
        Need::Change if production => Role::Operator,
        Need::Change => Role::Editor,
        _ => Role::Admin,
    };
    if role >= needed { route.answer } else { 403 }
}

/// Has what the table of routes speaks of.
async fn furnished(app: TestApp) -> TestApp {
    let app = app.with_flag("feature.a").await.with_flag("canary.a").await.with_flag("canary.b").await;
    app.patch(&format!("{FLAGS}/feature.a"), &json!({"client_visible": true})).any_version().await.expect(200);
    for environment in [DEVELOPMENT, PRODUCTION] {
        for flag in ["canary.a", "canary.b"] {
            let policy = json!({"treatment": "on", "control": "off"});
            app.put(&configured(environment, flag, "/canary"), &policy).any_version().await.expect(200);
        }
        app.post(&configured(environment, "canary.b", "/canary/start"), &json!({})).await.expect(200);
    }
    let vip = json!({"key": "vip", "included": ["user-1"]});
    app.post("/api/v1/projects/default/segments", &vip).await.expect(201);
    let app = app.with_flag("feature.vip").await;
    let clause = json!({"attribute": "targetingKey", "op": "in_segment", "values": ["vip"]});
    let rule = json!({"clauses": [clause], "serve": {"variation": "on"}});
    let whole = json!({"enabled": true, "off_variation": "off", "rules": [rule], "fallthrough": {"variation": "off"}});
    app.configure(PRODUCTION, "feature.vip", &whole).await.expect(200);
    app
}

/// Walks through all routes with one credential.
async fn walk(app: &TestApp, kind: Kind, credential: Option<&str>) {
    for route in table() {
        let places: &[&str] = match route.need {
            Need::Change => &[DEVELOPMENT, PRODUCTION],
            _ => &[PRODUCTION],
        };
        for environment in places {
            let mut call = app.call(route.method.clone(), &route.path_in(environment)).any_version();
            if let Some(body) = &route.body {
                call = call.json(body);
            }
            if let Some(text) = route.text {
                call = call.header("content-type", "text/plain").body(text);
            }
            let answer = match credential {
                Some(credential) => call.by(credential).await,
                None => call.by_nobody().await,
            };
            let status = expected(&route, kind, *environment == PRODUCTION);
            assert_eq!(answer.status, status, "{kind:?} as {credential:?}: {answer}");
            match status {
                // A person is looking: tests/it/pages.rs tells what there is to see.
                _ if route.need == Need::Session => {}
                401 => drop(answer.problem(401, "unauthenticated")),
                403 => drop(answer.problem(403, "forbidden")),
                _ => {}
            }
        }
    }
}

on_both!(nobody, async |app| {
    let app = furnished(app).await;
    walk(&app, Kind::Unknown, None).await;
    let made_up = format!("bw_svc_{}", "A".repeat(43));
    for garbage in ["x", "bw_svc_", "bw_sdk_AAAA", &made_up, "' OR 1=1 --", &"x".repeat(8_000)] {
        walk(&app, Kind::Unknown, Some(garbage)).await;
    }
});

/// A token of the admin's role that is made after the server has started.
async fn new_token(app: &TestApp, name: &'static str) -> String {
    let services = app.services();
    let create = move |c: &mut Connection<'_>| access::create_service_token(c, name, Role::Admin);
    let token = services.store.write(Part::Configuration, create).await.unwrap();
    services.access.reload().await.unwrap();
    let token = token.reveal().to_owned();
    app.get(FLAGS).by(&token).await.expect(200);
    token
}

on_both!(credentials_that_have_ended, async |app| {
    let app = furnished(app).await;
    let services = app.services();
    let revoked = new_token(&app, "revoked").await;
    let secret = Secret::new(revoked.clone());
    let caller = services.access.authenticate(&secret, Origin::default()).unwrap();
    services.access.log_out(&caller, &secret).await.unwrap();
    walk(&app, Kind::Unknown, Some(&revoked)).await;

    let expired = new_token(&app, "expired").await;
    let expire = |c: &mut Connection<'_>| {
        sql::execute(c, "UPDATE credentials SET expires_at = '2001-01-01T00:00:00.000000Z' WHERE name = 'expired'")
    };
    assert_eq!(services.store.write(Part::Configuration, expire).await.unwrap(), 1);
    services.access.reload().await.unwrap();
    walk(&app, Kind::Unknown, Some(&expired)).await;

    // They stay so when the server starts again.
    drop(services);
    app.stop().await;
    app.start_again().await;
    for ended in [revoked, expired] {
        app.get(FLAGS).by(&ended).await.problem(401, "unauthenticated");
    }
});

on_both!(a_session_opens_no_route_of_the_api, async |app| {
    let app = furnished(app).await;
    let services = app.services();
    let create = |c: &mut Connection<'_>| access::create_user(c, "ada", Role::Admin);
    let password = services.store.write(Part::Configuration, create).await.unwrap();
    services.access.reload().await.unwrap();
    let log_in = |name: &str, password| services.access.log_in(name.to_owned(), password, Origin::default());
    log_in("ada", Secret::new("wrong")).await.unwrap_err();
    log_in("eve", password.clone()).await.unwrap_err();
    let session = log_in("ada", password).await.unwrap();
    walk(&app, Kind::Unknown, Some(session.token.reveal())).await;
    let caller = services.access.authenticate(&session.token, Origin::default()).unwrap();
    services.access.log_out(&caller, &session.token).await.unwrap();
    walk(&app, Kind::Unknown, Some(session.token.reveal())).await;
});

on_both!(server_keys, async |app| {
    let app = furnished(app).await;
    walk(&app, Kind::ServerKey, Some(&app.keys(DEVELOPMENT).server)).await;
    walk(&app, Kind::ServerKey, Some(&app.keys(PRODUCTION).server)).await;
});

on_both!(client_keys, async |app| {
    let app = furnished(app).await;
    walk(&app, Kind::ClientKey, Some(&app.keys(DEVELOPMENT).client)).await;
    walk(&app, Kind::ClientKey, Some(&app.keys(PRODUCTION).client)).await;
});

on_both!(viewers, async |app| {
    let app = furnished(app).await;
    walk(&app, Kind::Token(Role::Viewer), Some(&app.credentials().viewer)).await;
});

on_both!(editors, async |app| {
    let app = furnished(app).await;
    walk(&app, Kind::Token(Role::Editor), Some(&app.credentials().editor)).await;
});

on_both!(operators, async |app| {
    let app = furnished(app).await;
    walk(&app, Kind::Token(Role::Operator), Some(&app.credentials().operator)).await;
});

on_both!(admins, async |app| {
    let app = furnished(app).await;
    walk(&app, Kind::Token(Role::Admin), Some(&app.credentials().admin)).await;
});

// Client keys are in everybody's hands.
on_both!(an_sdk_key_does_not_learn_which_flags_there_are, async |app| {
    let app = app.with_flag("feature.a").await;
    for key in [&app.keys(PRODUCTION).client, &app.keys(PRODUCTION).server] {
        for flag in ["feature.a", "feature.none"] {
            let f = |rest: &str| configured(PRODUCTION, flag, rest);
            let whole = json!({"configuration": {}});
            for call in [
                app.get(&format!("{FLAGS}/{flag}")),
                app.patch(&format!("{FLAGS}/{flag}"), &json!({})).any_version(),
                app.delete(&format!("{FLAGS}/{flag}")).any_version(),
                app.get(&f("")),
                app.put(&f(""), &whole).any_version(),
                app.patch(&f(""), &whole).any_version(),
                app.put_nothing(&f("/enable")),
                app.put_nothing(&f("/disable")),
                app.put(&f("/rollout"), &json!({"percentage": 1})),
                app.put(&f("/rollout?preview=true"), &json!({"percentage": 1})),
                app.put_nothing(&f("/targets/on/u")),
                app.delete(&f("/targets/on/u")),
                app.get(&f("/history")),
                app.post(&f("/history/1/restore"), &json!({})),
            ] {
                call.by(key).await.problem(403, "forbidden");
            }
        }
    }
});
