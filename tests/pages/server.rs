//! A server of its own for each test, and a browser as far as forms go.

use bellwether::access::{self, Role};
use bellwether::app::App;
use bellwether::config::Given;
use bellwether::db::{Connection, Part};
use reqwest::header::{self, HeaderMap};
use reqwest::{Client, RequestBuilder, Response, StatusCode, redirect};
use serde_json::{Value, json};
use tempfile::TempDir;

pub(crate) const FLAGS: &str = "/ui/projects/default/flags";

/// A server of its own on an empty store, with a token for the API.
pub(crate) struct Server {
    pub(crate) app: App,
    pub(crate) token: String,
    _folder: TempDir,
}

/// A browser, as far as forms go.
pub(crate) struct Browser {
    pub(crate) client: Client,
    pub(crate) url: String,
    pub(crate) cookie: Option<String>,
}

/// An answer, read whole.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Server {
    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database = format!("sqlite://{}", folder.path().join("bellwether.db").display());
        let given = Given { listen: Some("127.0.0.1:0".to_owned()), database_url: Some(database), ..Given::default() };
        let app = App::start(given.settings().unwrap()).await.unwrap();
        let create = |c: &mut Connection<'_>| access::create_service_token(c, "test", Role::Admin);
        let token = app.services.store.write_now(Part::Configuration, create).unwrap().reveal().to_owned();
        app.services.access.reload().await.unwrap();
        Self { app, token, _folder: folder }
    }

    /// A new user; the password.
    pub(crate) fn user(&self, name: &str, role: Role) -> String {
        let create = |c: &mut Connection<'_>| access::create_user(c, name, role);
        self.app.services.store.write_now(Part::Configuration, create).unwrap().reveal().to_owned()
    }

    pub(crate) fn browser(&self) -> Browser {
        // Another test may have been first.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder().redirect(redirect::Policy::none()).build().unwrap();
        Browser { client, url: format!("http://{}", self.app.address), cookie: None }
    }

    /// A browser in which somebody of that role is logged in.
    pub(crate) async fn logged_in(&self, role: Role) -> Browser {
        let password = self.user(role.name(), role);
        let mut browser = self.browser();
        assert_eq!(browser.log_in(role.name(), &password, "").await.status, StatusCode::SEE_OTHER);
        browser
    }

    pub(crate) async fn api(&self, method: &str, path: &str, body: Value) -> Value {
        let browser = self.browser();
        let method = method.parse().unwrap();
        let request = browser.client.request(method, format!("{}/api/v1{path}", browser.url));
        let answer = request.bearer_auth(&self.token).header("content-type", "application/json");
        let answer = Answer::of(answer.body(body.to_string()).send().await.unwrap()).await;
        assert!(answer.status.is_success(), "{}", answer.text);
        serde_json::from_str(&answer.text).unwrap_or_default()
    }

    pub(crate) async fn flag(&self, key: &str) {
        self.api("POST", "/projects/default/flags", json!({"key": key, "type": "boolean"})).await;
    }

    pub(crate) async fn enabled(&self, environment: &str, flag: &str) -> bool {
        let path = format!("/projects/default/environments/{environment}/flags/{flag}");
        self.api("GET", &path, Value::Null).await["configuration"]["enabled"].as_bool().unwrap()
    }

    /// What was done to sessions, oldest first.
    pub(crate) async fn sessions(&self) -> Vec<String> {
        let rows = self.api("GET", "/audit", Value::Null).await;
        let rows = rows["items"].as_array().unwrap().clone();
        let actions = rows.iter().rev().filter(|row| row["resource"].as_str().unwrap().starts_with("session/"));
        actions.map(|row| format!("{} {}", row["actor"]["name"], row["action"]).replace('"', "")).collect()
    }
}

impl Answer {
    pub(crate) async fn of(response: Response) -> Self {
        let (status, headers) = (response.status(), response.headers().clone());
        Self { status, headers, text: response.text().await.unwrap() }
    }

    pub(crate) fn header(&self, name: impl header::AsHeaderName) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Where it leads, which it must.
    pub(crate) fn location(&self) -> &str {
        assert_eq!(self.status, StatusCode::SEE_OTHER, "{}", self.text);
        self.header(header::LOCATION)
    }

    /// The value of the page's first field of that name.
    pub(crate) fn field(&self, name: &str) -> &str {
        let (_, after) = self.text.split_once(&format!("name=\"{name}\" value=\"")).expect(name);
        after.split_once('"').unwrap().0
    }
}

impl Browser {
    pub(crate) async fn send(&self, mut request: RequestBuilder) -> Answer {
        if let Some(cookie) = &self.cookie {
            request = request.header(header::COOKIE, cookie);
        }
        Answer::of(request.send().await.unwrap()).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(self.client.get(format!("{}{path}", self.url))).await
    }

    pub(crate) fn form(&self, path: &str, fields: &[(&str, &str)]) -> RequestBuilder {
        let encode = |text: &str| -> String {
            let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~".contains(byte);
            text.bytes().map(|b| if plain(&b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
        };
        let body: Vec<_> = fields.iter().map(|(name, value)| format!("{name}={}", encode(value))).collect();
        let request = self.client.post(format!("{}{path}", self.url)).header(header::ORIGIN, &self.url);
        request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded").body(body.join("&"))
    }

    pub(crate) async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        self.send(self.form(path, fields)).await
    }

    pub(crate) async fn log_in(&mut self, username: &str, password: &str, next: &str) -> Answer {
        let answer = self.post("/login", &[("username", username), ("password", password), ("next", next)]).await;
        if let Some(cookie) = answer.headers.get(header::SET_COOKIE) {
            self.cookie = cookie.to_str().unwrap().split_once(';').map(|(cookie, _)| cookie.to_owned());
        }
        answer
    }

    /// The token of this session's forms.
    pub(crate) async fn csrf(&self) -> String {
        self.get(FLAGS).await.field("csrf_token").to_owned()
    }
}
