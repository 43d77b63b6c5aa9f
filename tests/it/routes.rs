//! Every route there is, and what it takes: a table, held against the server.

use reqwest::Method;
use serde_json::{Value, json};

/// What a route takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// Nothing.
    Nothing,
    /// Any SDK key.
    Key,
    /// A server key.
    ServerKey,
    /// A service token of any role.
    Viewer,
    /// An editor's token.
    Editor,
    /// An operator's token.
    Operator,
    /// An admin's token.
    Admin,
    /// An operator's token in production, an editor's elsewhere.
    Change,
    /// A user's session in a cookie. Whoever has none is led to the log-in, or told so by a form.
    Session,
}

/// A route, and a request to it that is in order.
pub(crate) struct Route {
    pub(crate) method: Method,
    /// As the server has it.
    pub(crate) pattern: String,
    pub(crate) need: Need,
    pub(crate) path: String,
    pub(crate) body: Option<Value>,
    /// A body of text, in place of JSON.
    pub(crate) text: Option<&'static str>,
    /// The status for those who may.
    pub(crate) answer: u16,
}

impl Route {
    fn new(method: Method, pattern: &str, need: Need, answer: u16) -> Self {
        Self { method, pattern: pattern.to_owned(), need, path: pattern.to_owned(), body: None, text: None, answer }
    }

    fn body(mut self, body: Value) -> Self {
        self.body = Some(body);
        self
    }

    fn text(mut self, text: &'static str) -> Self {
        self.text = Some(text);
        self
    }

    /// With this in place of a variable part of the path.
    fn at(mut self, name: &str, value: &str) -> Self {
        self.path = self.path.replace(&format!("{{{name}}}"), value);
        self
    }

    /// With a query.
    fn query(mut self, query: &str) -> Self {
        self.path.push_str(query);
        self
    }

    /// The path in an environment, the parts that were left open filled in with what is there.
    pub(crate) fn path_in(&self, environment: &str) -> String {
        let parts = [("project", "default"), ("environment", environment), ("flag", "feature.a"), ("variation", "on")];
        parts.iter().fold(self.path.clone(), |path, (name, value)| path.replace(&format!("{{{name}}}"), value))
    }
}

/// Every route, in an order in which one after the other can be asked for. `feature.a` is there, `canary.a` with a
/// policy, `canary.b` with a canary that runs, and the segment `vip`, which a flag of production uses.
pub(crate) fn table() -> Vec<Route> {
    let mut table = Vec::new();
    table.extend(open());
    table.extend(projects());
    table.extend(tokens());
    table.extend(definitions());
    table.extend(segments());
    table.extend(configurations());
    table.extend(canaries());
    table.extend(sdk());
    table.extend(pages());
    table
}

fn open() -> Vec<Route> {
    ["/health", "/health/live", "/health/ready", "/openapi.json", "/docs"]
        .map(|path| Route::new(Method::GET, path, Need::Nothing, 200))
        .into_iter()
        .chain(["/metrics", "/api/v1/audit"].map(|path| Route::new(Method::GET, path, Need::Viewer, 200)))
        .collect()
}

fn projects() -> Vec<Route> {
    let all = "/api/v1/projects";
    let one = "/api/v1/projects/{project}";
    let environments = "/api/v1/projects/{project}/environments";
    let environment = "/api/v1/projects/{project}/environments/{environment}";
    let (shop, qa) = (json!({"key": "shop"}), json!({"key": "qa"}));
    vec![
        Route::new(Method::GET, all, Need::Viewer, 200),
        Route::new(Method::POST, all, Need::Admin, 201).body(shop),
        Route::new(Method::GET, one, Need::Viewer, 200),
        Route::new(Method::PATCH, one, Need::Admin, 200).at("project", "shop").body(json!({"name": "Shop"})),
        Route::new(Method::DELETE, one, Need::Admin, 204).at("project", "shop"),
        Route::new(Method::GET, environments, Need::Viewer, 200),
        Route::new(Method::POST, environments, Need::Admin, 201).body(qa),
        Route::new(Method::GET, environment, Need::Viewer, 200),
        Route::new(Method::GET, &format!("{environment}/propagation"), Need::Viewer, 200),
        Route::new(Method::GET, &format!("{environment}/fleet"), Need::Viewer, 200),
        Route::new(Method::GET, &format!("{environment}/layers"), Need::Viewer, 200),
        Route::new(Method::PATCH, environment, Need::Admin, 200).at("environment", "qa").body(json!({"name": "QA"})),
        Route::new(Method::DELETE, environment, Need::Admin, 204).at("environment", "qa"),
    ]
}

fn tokens() -> Vec<Route> {
    let (all, one) = ("/api/v1/tokens", "/api/v1/tokens/{id}");
    let new = json!({"kind": "service_token", "name": "pipeline", "role": "viewer"});
    // There is none of that id.
    let none = |method| Route::new(method, one, Need::Admin, 404).at("id", "none");
    vec![
        Route::new(Method::GET, all, Need::Admin, 200),
        Route::new(Method::POST, all, Need::Admin, 201).body(new),
        none(Method::GET),
        none(Method::PATCH).body(json!({"name": "x"})),
        none(Method::DELETE),
    ]
}

fn definitions() -> Vec<Route> {
    let all = "/api/v1/projects/{project}/flags";
    let one = "/api/v1/projects/{project}/flags/{key}";
    let bulk = "/api/v1/projects/{project}/flags:bulk";
    vec![
        Route::new(Method::GET, all, Need::Viewer, 200),
        Route::new(Method::POST, all, Need::Editor, 201).body(json!({"key": "feature.b", "type": "boolean"})),
        Route::new(Method::GET, one, Need::Viewer, 200).at("key", "feature.a"),
        Route::new(Method::PATCH, one, Need::Editor, 200).at("key", "feature.a").body(json!({"name": "A"})),
        Route::new(Method::PATCH, one, Need::Operator, 200)
            .at("key", "feature.a")
            .body(json!({"client_visible": false})),
        Route::new(Method::POST, bulk, Need::Editor, 200)
            .body(json!({"action": "tag", "flags": ["feature.a"], "add": ["x"]})),
        Route::new(Method::POST, bulk, Need::Operator, 200)
            .query("?confirm_shrink=true")
            .body(json!({"action": "archive", "flags": ["feature.b"]})),
        Route::new(Method::PATCH, one, Need::Operator, 200).at("key", "feature.b").body(json!({"archived": false})),
        Route::new(Method::DELETE, one, Need::Operator, 204).at("key", "feature.b"),
        Route::new(Method::DELETE, one, Need::Admin, 204).at("key", "feature.b").query("?purge=true"),
    ]
}

fn segments() -> Vec<Route> {
    let all = "/api/v1/projects/{project}/segments";
    let one = "/api/v1/projects/{project}/segments/{segment}";
    let keys = "/api/v1/projects/{project}/segments/{segment}/keys";
    let of = |key: &str, method, pattern: &str, need| Route::new(method, pattern, need, 200).at("segment", key);
    let whole = json!({"name": "Beta", "rules": []});
    vec![
        Route::new(Method::GET, all, Need::Viewer, 200),
        Route::new(Method::POST, all, Need::Editor, 201).body(json!({"key": "beta"})),
        of("vip", Method::GET, one, Need::Viewer),
        of("vip", Method::PUT, one, Need::Viewer).query("?preview=true").body(whole.clone()),
        of("beta", Method::PUT, one, Need::Editor).body(whole.clone()),
        of("vip", Method::GET, keys, Need::Viewer),
        of("beta", Method::PUT, keys, Need::Editor).text("user-1\n"),
        of("beta", Method::POST, keys, Need::Editor).text("user-2\n"),
        of("beta", Method::DELETE, keys, Need::Editor).text("user-1\n"),
        Route { answer: 204, ..of("beta", Method::DELETE, one, Need::Editor) },
        // A flag of production uses it.
        of("vip", Method::PUT, one, Need::Operator).body(whole),
        of("vip", Method::POST, keys, Need::Viewer).query("?preview=true").text("user-3\n"),
        of("vip", Method::POST, keys, Need::Operator).text("user-3\n"),
    ]
}

fn configurations() -> Vec<Route> {
    let f = "/api/v1/projects/{project}/environments/{environment}/flags/{flag}";
    let under = |rest: &str| format!("{f}{rest}");
    let whole = json!({"enabled": true, "off_variation": "off", "fallthrough": {"variation": "on"}});
    let whole = json!({"configuration": whole});
    let target = "/targets/{variation}/{key}";
    let restore = "/history/{version}/restore";
    let put = |rest: &str, need| Route::new(Method::PUT, &under(rest), need, 200);
    vec![
        Route::new(Method::GET, f, Need::Viewer, 200),
        put("", Need::Viewer).query("?preview=true").body(whole.clone()),
        put("", Need::Change).body(whole),
        Route::new(Method::PATCH, f, Need::Viewer, 200).query("?preview=true").body(json!({})),
        Route::new(Method::PATCH, f, Need::Change, 200).body(json!({"configuration": {"off_variation": "on"}})),
        put("/disable", Need::Change),
        put("/enable", Need::Change),
        put("/rollout", Need::Viewer).query("?preview=true").body(json!({"percentage": 10})),
        put("/rollout", Need::Change).body(json!({"percentage": 10})),
        put(target, Need::Change).at("key", "user-1"),
        Route::new(Method::DELETE, &under(target), Need::Change, 200).at("key", "user-1"),
        Route::new(Method::POST, &under("/explain"), Need::Viewer, 200).body(json!({"targetingKey": "u"})),
        Route::new(Method::GET, &under("/history"), Need::Viewer, 200),
        Route::new(Method::POST, &under(restore), Need::Viewer, 200).at("version", "1").query("?preview=true"),
        Route::new(Method::POST, &under(restore), Need::Change, 200).at("version", "1").body(json!({"reason": "x"})),
    ]
}

fn canaries() -> Vec<Route> {
    let f = "/api/v1/projects/{project}/environments/{environment}/flags/{flag}/canary";
    let of =
        |flag: &str, method, rest: &str, need| Route::new(method, &format!("{f}{rest}"), need, 200).at("flag", flag);
    let act = |flag: &str, name: &str| of(flag, Method::POST, name, Need::Change).body(json!({"reason": "because"}));
    vec![
        of("canary.a", Method::PUT, "", Need::Change).body(json!({"treatment": "on", "control": "off"})),
        of("canary.a", Method::GET, "", Need::Viewer),
        Route { need: Need::Viewer, ..act("canary.a", "/start") }.query("?preview=true"),
        act("canary.a", "/start"),
        act("canary.a", "/pause"),
        act("canary.a", "/resume"),
        act("canary.a", "/advance"),
        act("canary.a", "/promote"),
        act("canary.b", "/rollback"),
        of("canary.a", Method::GET, "/log", Need::Viewer),
        of("canary.a", Method::GET, "/verdicts", Need::Viewer),
        // There is none as yet.
        Route { answer: 404, ..of("canary.a", Method::GET, "/verdicts/{id}", Need::Viewer).at("id", "none") },
        Route { answer: 204, ..of("canary.a", Method::DELETE, "", Need::Change) },
    ]
}

fn sdk() -> Vec<Route> {
    let batch = json!({"instance": "i", "application": "a", "sequence": 1, "windows": []});
    vec![
        Route::new(Method::GET, "/api/v1/snapshot", Need::ServerKey, 200),
        // It asks for a WebSocket.
        Route::new(Method::GET, "/api/v1/stream", Need::ServerKey, 400),
        Route::new(Method::POST, "/api/v1/measurements", Need::ServerKey, 202).body(batch),
        Route::new(Method::POST, "/api/v1/events", Need::Key, 202).body(json!({"events": []})),
        Route::new(Method::POST, "/ofrep/v1/evaluate/flags/{key}", Need::Key, 200)
            .at("key", "feature.a")
            .body(json!({"context": {"targetingKey": "u"}})),
        Route::new(Method::POST, "/ofrep/v1/evaluate/flags", Need::Key, 200)
            .body(json!({"context": {"targetingKey": "u"}})),
    ]
}

fn pages() -> Vec<Route> {
    let open = |path: &str, answer| Route::new(Method::GET, path, Need::Nothing, answer);
    let get = |path: &str| Route::new(Method::GET, path, Need::Session, 303);
    let post = |path: &str| Route::new(Method::POST, path, Need::Session, 401);
    let f = |rest: &str| format!("/ui/projects/{{project}}/environments/{{environment}}/flags/{{flag}}{rest}");
    vec![
        open("/favicon.ico", 200),
        open("/static/app.css", 200),
        open("/static/pages.css", 200),
        open("/static/docs.css", 200),
        open("/static/docs.js", 200),
        Route { path: "/docs/swagger-ui.css".to_owned(), ..open("/docs/{file}", 200) },
        open("/static/app.js", 200),
        open("/static/htmx.min.js", 200),
        open("/static/bell.svg", 200),
        open("/", 303),
        open("/login", 200),
        // It takes a form.
        Route::new(Method::POST, "/login", Need::Nothing, 415),
        // Who has no session has nothing to end.
        Route::new(Method::POST, "/logout", Need::Nothing, 303),
        get("/ui"),
        get("/ui/projects/{project}/flags"),
        get("/ui/projects/{project}/reach"),
        get(&f("/enable")),
        post(&f("/enable")),
        get(&f("/disable")),
        post(&f("/disable")),
        post("/ui/projects/{project}/flags/bulk"),
        get("/ui/projects/{project}/flags/{key}/unarchive").at("key", "feature.a"),
        post("/ui/projects/{project}/flags/{key}/unarchive").at("key", "feature.a"),
        get("/ui/projects/{project}/flags/{key}/purge").at("key", "feature.a"),
        post("/ui/projects/{project}/flags/{key}/purge").at("key", "feature.a"),
        get(&f("/explain")),
        get(&f("/history")),
        get(&f("/history/{version}/restore")).at("version", "1"),
        post(&f("/history/{version}/restore")).at("version", "1"),
        get(&f("/canary")),
        get(&f("/canary/live")),
        get(&f("/canary/verdicts/{id}")).at("id", "none"),
        post(&f("/canary/{act}")).at("act", "rollback"),
    ]
}
