//! The real program on a fresh SQLite store, with some flags in it.

use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::client::{self, Request};

const PROGRAM: &str = env!("CARGO_BIN_EXE_bellwether");
const PATIENCE: Duration = Duration::from_secs(30);

/// The server, which ends with its value.
pub(crate) struct Place {
    child: Child,
    address: SocketAddr,
    token: String,
    pub(crate) key: String,
    url: String,
    arguments: &'static [&'static str],
    _folder: TempDir,
}

impl Drop for Place {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn serve(address: SocketAddr, url: &str, arguments: &[&str]) -> anyhow::Result<Child> {
    Ok(Command::new(PROGRAM)
        .args(["serve", "--listen", &address.to_string(), "--database-url", url])
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?)
}

/// A port that nothing listens on just now.
fn free_address() -> anyhow::Result<SocketAddr> {
    Ok(std::net::TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

impl Place {
    /// As [`Place::start_with`], with one worker.
    pub(crate) async fn start(flags: usize) -> anyhow::Result<Self> {
        Self::start_with(&["--workers", "1"], flags).await
    }

    /// Sets a store up, starts the program on it with these arguments and makes so many flags.
    pub(crate) async fn start_with(arguments: &'static [&'static str], flags: usize) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let url = format!("sqlite://{}", folder.path().join("bellwether.db").display());
        let init = Command::new(PROGRAM).args(["init", "--json", "--database-url", &url]).output()?;
        ensure!(init.status.success(), "init: {}", String::from_utf8_lossy(&init.stderr));
        let secrets: Value = serde_json::from_slice(&init.stdout)?;
        let secret = |pointer: &str| -> anyhow::Result<String> {
            Ok(secrets.pointer(pointer).and_then(Value::as_str).context("a secret")?.to_owned())
        };
        let address = free_address()?;
        let (token, key) = (secret("/token")?, secret("/environments/production/server_key")?);
        let place =
            Self { child: serve(address, &url, arguments)?, address, token, key, url, arguments, _folder: folder };
        place.wait().await?;
        for number in 0..flags {
            place.make_flag(number).await.with_context(|| format!("flag {number}"))?;
        }
        Ok(place)
    }

    /// Ends the program and starts it on what it has stored.
    pub(crate) async fn start_again(&mut self) -> anyhow::Result<()> {
        self.send_signal("KILL")?;
        self.child.wait()?;
        self.come_back().await
    }

    /// Sends the program a signal, by its name.
    pub(crate) fn send_signal(&self, name: &str) -> anyhow::Result<()> {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.id().to_string()]).status()?;
        ensure!(sent.success(), "SIG{name} was not sent");
        Ok(())
    }

    /// Whether the program has ended.
    pub(crate) fn has_ended(&mut self) -> anyhow::Result<bool> {
        Ok(self.child.try_wait()?.is_some())
    }

    /// Starts the program again on what it has stored, after it has ended.
    pub(crate) async fn come_back(&mut self) -> anyhow::Result<()> {
        self.child = serve(self.address, &self.url, self.arguments)?;
        self.wait().await
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    async fn wait(&self) -> anyhow::Result<()> {
        let ready = self.request("GET", "/health/ready", &Value::Null);
        let late = Instant::now() + PATIENCE;
        loop {
            match client::exchange(self.address, &ready).await {
                Ok(answer) if answer.status == 200 => return Ok(()),
                _ if Instant::now() > late => bail!("it is not ready after {} s", PATIENCE.as_secs()),
                _ => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        }
    }

    /// A request with the admin's token.
    pub(crate) fn request(&self, method: &'static str, path: &str, body: &Value) -> Request {
        let (path, token) = (path.to_owned(), self.token.clone());
        Request { method, path, token, media: "application/json", body: body.to_string() }
    }

    /// Asks the API for something.
    pub(crate) async fn get(&self, path: &str) -> anyhow::Result<Value> {
        let answer = client::exchange(self.address, &self.request("GET", path, &Value::Null)).await?;
        ensure!(answer.status == 200, "{path}: {}", String::from_utf8_lossy(&answer.body));
        Ok(serde_json::from_slice(&answer.body)?)
    }

    /// Makes a change by the API.
    pub(crate) async fn change(&self, method: &'static str, path: &str, body: &Value) -> anyhow::Result<()> {
        let answer = client::exchange(self.address, &self.request(method, path, body)).await?;
        ensure!(answer.status < 300, "{path}: {}", String::from_utf8_lossy(&answer.body));
        Ok(())
    }

    /// Makes a segment of so many keys, uploaded as text.
    pub(crate) async fn make_segment(&self, key: &str, keys: usize) -> anyhow::Result<()> {
        self.change("POST", "/api/v1/projects/default/segments", &json!({"key": key})).await?;
        let body: String = (0..keys).map(|user| format!("user-{user:08}\n")).collect();
        let path = format!("/api/v1/projects/default/segments/{key}/keys?list=included");
        let upload = Request { media: "text/plain", body, ..self.request("PUT", &path, &Value::Null) };
        let answer = client::exchange(self.address, &upload).await?;
        ensure!(answer.status < 300, "{path}: {}", String::from_utf8_lossy(&answer.body));
        Ok(())
    }

    /// A flag as there are in an application: every second one with a rollout, the others with two rules.
    async fn make_flag(&self, number: usize) -> anyhow::Result<()> {
        let key = format!("feature.{number:05}");
        let flag = json!({"key": key, "type": "boolean", "client_visible": true});
        self.change("POST", "/api/v1/projects/default/flags", &flag).await?;
        let path = format!("/api/v1/projects/default/environments/production/flags/{key}");
        if number.is_multiple_of(2) {
            return self.change("PUT", &format!("{path}/rollout"), &json!({"percentage": 25})).await;
        }
        let rule = |id: &str, attribute: &str, values: [&str; 2], variation: &str| {
            let clauses = json!([{"attribute": attribute, "op": "in", "values": values}]);
            json!({"id": id, "clauses": clauses, "serve": {"variation": variation}})
        };
        let rules = [rule("staff", "role", ["admin", "support"], "on"), rule("north", "country", ["NO", "SE"], "on")];
        let configuration = json!({
            "enabled": true, "off_variation": "off", "rules": rules, "fallthrough": {"variation": "off"},
        });
        self.change("PUT", &path, &json!({"configuration": configuration})).await
    }
}
