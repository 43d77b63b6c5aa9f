use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};

use reqwest::{Client, Method};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;

use super::app::client;
use super::{Backend, Call, within};

/// What a command printed and how it ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    /// The one sentence that a command ends with which could not be done.
    ///
    /// # Panics
    /// When it ended otherwise, or said something else.
    #[track_caller]
    pub(crate) fn sentence(&self) -> &str {
        assert_eq!(self.code, 2, "{self:?}");
        assert_eq!(self.stdout, "", "{self:?}");
        let sentence = self.stderr.strip_prefix("bellwether: ").unwrap_or_else(|| panic!("{self:?}"));
        let sentence = sentence.strip_suffix('\n').unwrap();
        assert!(!sentence.contains('\n') && sentence.len() > 20, "{self:?}");
        sentence
    }
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bellwether"));
    command.args(arguments).env_clear().stdin(Stdio::null()).kill_on_drop(true);
    command
}

/// Runs a command of the program to its end, without a log.
pub(crate) async fn run(arguments: &[&str]) -> Ran {
    run_with(arguments, &[]).await
}

/// As [`run`], with variables of the environment.
pub(crate) async fn run_with(arguments: &[&str], variables: &[(&str, &str)]) -> Ran {
    let mut command = command(arguments);
    command.env("BELLWETHER_LOG", "off").envs(variables.iter().copied());
    let Output { status, stdout, stderr } = within("the end of the command", command.output()).await.unwrap();
    Ran {
        code: status.code().unwrap_or(-1),
        stdout: String::from_utf8(stdout).unwrap(),
        stderr: String::from_utf8(stderr).unwrap(),
    }
}

/// A store that was set up by the program itself, and a folder of its own.
pub(crate) struct Site {
    folder: tempfile::TempDir,
    url: String,
    /// What `init` printed.
    pub(crate) secrets: Value,
}

impl Site {
    pub(crate) async fn new(backend: Backend) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = backend.url(folder.path());
        Self::at(url, folder).await
    }

    /// At this URL, with this folder for what lies beside the store.
    pub(crate) async fn at(url: String, folder: tempfile::TempDir) -> Self {
        let ran = run(&["init", "--json", "--database-url", &url]).await;
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{ran:?}");
        Self { secrets: serde_json::from_str(&ran.stdout).unwrap(), url, folder }
    }

    pub(crate) fn url(&self) -> String {
        self.url.clone()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Every secret that `init` printed.
    pub(crate) fn all_secrets(&self) -> Vec<&str> {
        let mut secrets = vec![&self.secrets["admin"]["password"], &self.secrets["token"]];
        for keys in self.secrets["environments"].as_object().unwrap().values() {
            secrets.extend([&keys["server_key"], &keys["client_key"]]);
        }
        secrets.into_iter().map(|secret| secret.as_str().unwrap()).collect()
    }

    pub(crate) fn token(&self) -> &str {
        self.secrets["token"].as_str().unwrap()
    }

    pub(crate) fn server_key(&self, environment: &str) -> &str {
        self.secrets["environments"][environment]["server_key"].as_str().unwrap()
    }
}

/// The URL of a database file.
pub(crate) fn url(path: &Path) -> String {
    format!("sqlite://{}", path.display())
}

/// A server in a process of its own.
pub(crate) struct Program {
    child: Child,
    /// Where it listens.
    pub(crate) address: SocketAddr,
    said: Arc<Mutex<String>>,
    listening: JoinHandle<()>,
    caller: Caller,
}

/// Who asks a server, wherever it is.
#[derive(Clone)]
pub(crate) struct Caller {
    http: Client,
    token: String,
}

impl Caller {
    /// Whoever has this credential, over connections of its own.
    pub(crate) fn new(token: &str) -> Self {
        Self { http: client(), token: token.to_owned() }
    }

    /// A request by the admin.
    pub(crate) fn call(&self, origin: &str, method: Method, path: &str) -> Call {
        Call::new(self.http.clone(), origin.to_owned(), method, path).by(&self.token)
    }
}

/// An address that no other test listens on or connects from, so that a server that comes back finds it free.
pub(crate) fn own_address() -> SocketAddr {
    static NEXT: AtomicU8 = AtomicU8::new(1);
    let [_, _, high, low] = std::process::id().to_be_bytes();
    SocketAddr::from((Ipv4Addr::new(127, 64 | (high & 0x3f), low, NEXT.fetch_add(1, Ordering::Relaxed)), 0))
}

impl Program {
    /// Starts `serve` and waits until it listens.
    pub(crate) async fn serve(site: &Site, listen: SocketAddr, log: &str) -> Self {
        let started = Self::try_serve(&site.url(), site.token(), listen, log).await;
        started.unwrap_or_else(|said| panic!("the server did not start: {said}"))
    }

    /// Starts `serve` on a store and waits until it listens, or until it has said why it does not.
    pub(crate) async fn try_serve(url: &str, token: &str, listen: SocketAddr, log: &str) -> Result<Self, String> {
        let listen = listen.to_string();
        let mut command = command(&["serve", "--database-url", url, "--listen", &listen, "--log-format", "json"]);
        command.env("BELLWETHER_LOG", log).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let said = Arc::new(Mutex::new(String::new()));
        let (found, address) = tokio::sync::oneshot::channel();
        let listening = tokio::spawn(listen_to(child.stderr.take().unwrap(), said.clone(), found));
        let Ok(address) = within("the server to listen", address).await else {
            return Err(said.lock().unwrap().clone());
        };
        let caller = Caller::new(token);
        Ok(Self { child, address, said, listening, caller })
    }

    /// A request by the admin.
    pub(crate) fn call(&self, method: Method, path: &str) -> Call {
        self.caller.call(&self.origin(), method, path)
    }

    /// Its URL.
    pub(crate) fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Sends a signal by its name and waits for the end; the exit code, and all that was said on standard error.
    pub(crate) async fn end_by(mut self, signal: &str) -> (i32, String) {
        let id = self.child.id().unwrap().to_string();
        let sent = Command::new("kill").args([&format!("-{signal}"), &id]).status();
        assert!(within("the signal", sent).await.unwrap().success());
        let status = within("the end of the process", self.child.wait()).await.unwrap();
        within("the end of its log", self.listening).await.unwrap();
        let said = self.said.lock().unwrap().clone();
        (status.code().unwrap_or(-1), said)
    }
}

/// Keeps what is said, and tells the address once.
async fn listen_to(
    stderr: impl AsyncRead + Unpin,
    said: Arc<Mutex<String>>,
    found: tokio::sync::oneshot::Sender<SocketAddr>,
) {
    let mut found = Some(found);
    let mut lines = BufReader::new(stderr).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        if found.is_some()
            && let Ok(event) = serde_json::from_str::<Value>(&line)
            && event["message"] == "listening"
            && let Some(found) = found.take()
        {
            // Whoever started the server may have given up.
            let _ = found.send(event["address"].as_str().unwrap().parse().unwrap());
        }
        let mut said = said.lock().unwrap();
        said.push_str(&line);
        said.push('\n');
    }
}
