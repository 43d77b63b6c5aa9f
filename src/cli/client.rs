//! Commands as clients of the HTTP API.

use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use clap::Args;
use reqwest::header::CONTENT_TYPE;
use reqwest::{Method, RequestBuilder, Response, Url};
use serde_json::Value;

use super::ServerArguments;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Which server to talk to, and as whom.
#[derive(Clone, Debug, Args)]
pub(super) struct ClientArguments {
    #[command(flatten)]
    server: ServerArguments,
    /// A service token.
    #[arg(long, env = "BELLWETHER_TOKEN", hide_env_values = true, value_name = "TOKEN")]
    token: String,
}

/// A client of the admin API.
pub(super) struct Client {
    http: reqwest::Client,
    root: Url,
    token: String,
}

impl ClientArguments {
    /// The client of these.
    ///
    /// # Errors
    /// When the server's address is none.
    pub(super) fn client(&self) -> anyhow::Result<Client> {
        let server = &self.server.server;
        let root = Url::parse(server).with_context(|| format!("{server} is no address of a server"))?;
        if !matches!(root.scheme(), "http" | "https") {
            bail!("{server} is no address of a server; it begins with http:// or https://");
        }
        let http = reqwest::Client::builder().timeout(PATIENCE).build()?;
        Ok(Client { http, root, token: self.token.clone() })
    }
}

impl Client {
    /// Sends a request to a path under `/api/v1`, part by part, and reads the answer.
    ///
    /// # Errors
    /// What the server says when it refuses, every fault of the request included; or that there is no server.
    pub(super) async fn send(
        &self,
        method: Method,
        path: &[&str],
        query: &[(&str, &str)],
        body: Option<&Value>,
    ) -> anyhow::Result<Value> {
        let mut request = self.request(method, path, query)?;
        if let Some(body) = body {
            request = request.header(CONTENT_TYPE, "application/json").body(serde_json::to_string(body)?);
        }
        let text = self.answered(request).await?.text().await.context("the answer broke off")?;
        if text.is_empty() { Ok(Value::Null) } else { serde_json::from_str(&text).context("the answer is not JSON") }
    }

    /// A request to a path under `/api/v1`, to be completed.
    ///
    /// # Errors
    /// When the server's address is none.
    pub(super) fn request(
        &self,
        method: Method,
        path: &[&str],
        query: &[(&str, &str)],
    ) -> anyhow::Result<RequestBuilder> {
        let mut url = self.root.clone();
        let parts = url.path_segments_mut().map_err(|()| anyhow!("{} is no address of a server", self.root));
        parts?.pop_if_empty().extend(["api", "v1"]).extend(path);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        Ok(self.http.request(method, url).bearer_auth(&self.token))
    }

    /// The answer to a request that the server does not refuse.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub(super) async fn answered(&self, request: RequestBuilder) -> anyhow::Result<Response> {
        let response = request.send().await.with_context(|| format!("no server answers at {}", self.root))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let text = response.text().await.context("the answer broke off")?;
        let answer = serde_json::from_str(&text).unwrap_or_default();
        Err(anyhow!("{}", refusal(&answer, status.as_u16())))
    }
}

/// What a problem document says, with every fault.
fn refusal(problem: &Value, status: u16) -> String {
    let faults = problem.get("errors").and_then(Value::as_array);
    let text = |of: &Value, name: &str| of.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let faults: Vec<_> =
        faults.into_iter().flatten().map(|fault| (text(fault, "pointer"), text(fault, "message"))).collect();
    if !faults.is_empty() {
        let told: Vec<_> = faults.iter().map(|(pointer, message)| format!("{pointer} {message}")).collect();
        return told.join("\n").trim().to_owned();
    }
    match text(problem, "detail").as_str() {
        "" => format!("the server answers {status}"),
        detail => detail.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_refusal_names_every_fault() {
        let faults = json!([{"pointer": "/at", "message": "is late"}, {"pointer": "", "message": "is nothing"}]);
        assert_eq!(refusal(&json!({"detail": "x", "errors": faults}), 422), "/at is late\n is nothing");
        assert_eq!(refusal(&json!({"detail": "there is no flag a", "errors": []}), 404), "there is no flag a");
        assert_eq!(refusal(&Value::Null, 502), "the server answers 502");
    }
}
