use bellwether::access::{self, Role, Secret};
use bellwether::db::{Connection, Part};
use reqwest::{Method, StatusCode};

use crate::harness::{Answer, Call, TestApp};

/// The flag list of the default project.
pub(super) const LIST: &str = "/ui/projects/default/flags";

/// A browser, as far as forms and cookies go.
pub(super) struct Browser {
    app: TestApp,
    pub(super) cookie: Option<String>,
}

/// A new user, and the password.
pub(super) async fn new_user(app: &TestApp, name: &'static str, role: Role) -> Secret {
    let create = move |c: &mut Connection<'_>| access::create_user(c, name, role);
    app.services().store.write(Part::Configuration, create).await.unwrap()
}

impl Browser {
    /// One in which nobody is logged in.
    pub(super) fn new(app: &TestApp) -> Self {
        Self { app: app.clone(), cookie: None }
    }

    /// One in which somebody of that role, and of its name, is logged in.
    pub(super) async fn logged_in(app: &TestApp, role: Role) -> Self {
        let password = new_user(app, role.name(), role).await;
        let mut browser = Self::new(app);
        assert_eq!(browser.log_in(role.name(), password.reveal(), "").await.location(), "/ui");
        browser
    }

    /// A request with the browser's cookie.
    pub(super) fn call(&self, method: Method, path: &str) -> Call {
        let call = self.app.call(method, path).by_nobody();
        match &self.cookie {
            Some(cookie) => call.header("cookie", cookie),
            None => call,
        }
    }

    pub(super) async fn get(&self, path: &str) -> Answer {
        self.call(Method::GET, path).await
    }

    /// A form as a page of the server sends it.
    pub(super) fn form(&self, path: &str, fields: &[(&str, &str)]) -> Call {
        let encode = |text: &str| -> String {
            let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~".contains(byte);
            text.bytes().map(|b| if plain(&b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
        };
        let body: Vec<_> = fields.iter().map(|(name, value)| format!("{name}={}", encode(value))).collect();
        let call = self.call(Method::POST, path).header("origin", &self.app.origin());
        call.header("content-type", "application/x-www-form-urlencoded").body(body.join("&"))
    }

    pub(super) async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        self.form(path, fields).await
    }

    /// Logs in by the form, and keeps the cookie.
    pub(super) async fn log_in(&mut self, username: &str, password: &str, next: &str) -> Answer {
        let answer = self.post("/login", &[("username", username), ("password", password), ("next", next)]).await;
        if let Some((cookie, _)) = answer.header("set-cookie").split_once(';') {
            self.cookie = Some(cookie.to_owned());
        }
        answer
    }

    /// The token of this session's forms.
    pub(super) async fn csrf(&self) -> String {
        self.get(LIST).await.field("csrf_token")
    }
}

impl Answer {
    /// The page.
    pub(super) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// Where it leads, which it must.
    #[track_caller]
    pub(super) fn location(&self) -> &str {
        assert_eq!(self.status, StatusCode::SEE_OTHER, "{self}");
        self.header("location")
    }

    /// Passes a page of that status that has `text`.
    #[track_caller]
    pub(super) fn shows(&self, status: u16, text: &str) {
        assert_eq!(self.status.as_u16(), status, "{self}");
        assert_eq!(self.header("content-type"), "text/html; charset=utf-8", "{self}");
        assert!(self.text().contains(text), "{text} is not in {}", self.text());
    }

    /// The value of the page's last field of that name: the first are the layout's.
    #[track_caller]
    pub(super) fn field(&self, name: &str) -> String {
        let (_, after) = self.text().rsplit_once(&format!("name=\"{name}\" value=\"")).expect(name);
        after.split_once('"').unwrap().0.to_owned()
    }
}
