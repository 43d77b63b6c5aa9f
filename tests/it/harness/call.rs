use std::future::IntoFuture;
use std::pin::Pin;

use bytes::Bytes;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Method};
use serde_json::Value;

use super::{Answer, within};

/// A request that is sent when it is awaited.
pub(crate) struct Call {
    client: Client,
    method: Method,
    origin: String,
    path: String,
    headers: HeaderMap,
    body: Option<Bytes>,
}

impl Call {
    pub(super) fn new(client: Client, origin: String, method: Method, path: &str) -> Self {
        Self { client, method, origin, path: path.to_owned(), headers: HeaderMap::new(), body: None }
    }

    /// With this header, in place of one of its name.
    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.insert(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
        self
    }

    /// As the one who has this credential.
    pub(crate) fn by(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    /// Without a credential.
    pub(crate) fn by_nobody(mut self) -> Self {
        self.headers.remove("authorization");
        self
    }

    /// With `If-Match: "<version>"`.
    pub(crate) fn version(self, version: u64) -> Self {
        self.header("if-match", &format!("\"{version}\""))
    }

    /// Whatever the version.
    pub(crate) fn any_version(self) -> Self {
        self.header("if-match", "*")
    }

    /// With a JSON body.
    pub(crate) fn json(self, body: &Value) -> Self {
        self.header("content-type", "application/json").body(body.to_string())
    }

    /// With these bytes as the body.
    pub(crate) fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = Some(body.into());
        self
    }

    /// Sends it; an error when no answer comes.
    pub(crate) async fn send(self) -> reqwest::Result<Answer> {
        let asked = format!("{} {}", self.method, self.path);
        let mut request = self.client.request(self.method, format!("{}{}", self.origin, self.path));
        if let Some(body) = self.body {
            request = request.body(body);
        }
        let response = request.headers(self.headers).send().await?;
        let (status, headers) = (response.status(), response.headers().clone());
        Ok(Answer { asked, path: self.path, status, headers, body: response.bytes().await? })
    }
}

impl IntoFuture for Call {
    type Output = Answer;
    type IntoFuture = Pin<Box<dyn Future<Output = Answer> + Send>>;

    /// # Panics
    /// When no answer comes.
    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let asked = format!("{} {}", self.method, self.path);
            let sent = within(&asked, self.send()).await;
            sent.unwrap_or_else(|error| panic!("{asked}: no answer: {error:?}"))
        })
    }
}
