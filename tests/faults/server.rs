//! The program in a process of its own, from the moment it is started.

use std::fs::File;
use std::io::Read as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use reqwest::Method;
use tokio::process::{Child, Command};
use tokio::time::sleep;

use crate::harness::program::{Caller, Site, own_address};
use crate::harness::{Call, within};

/// How often a server that starts is asked whether it is ready.
const LOOK: Duration = Duration::from_millis(3);
/// Length of a measurement window and its grace, in seconds: as short as can be, so that windows close all the time.
const CUT: [(&str, &str); 2] = [("BELLWETHER_WINDOW_SECONDS", "1"), ("BELLWETHER_GRACE_SECONDS", "1")];

/// What it takes to start a server over a store again and again at one address.
pub(crate) struct Post {
    /// Where the store is.
    pub(crate) url: String,
    /// Where the server listens.
    pub(crate) address: SocketAddr,
    /// Where its log goes.
    pub(crate) log: PathBuf,
    /// What the program is started by, if it is not started itself: `strace`, `nsenter`, each with its arguments.
    pub(crate) by: Vec<String>,
}

/// A running server.
pub(crate) struct Server {
    child: Child,
    origin: String,
    log: PathBuf,
    started: Instant,
    caller: Caller,
}

impl Post {
    /// A post over the store of `site`, at an address that nobody else uses.
    pub(crate) fn of(site: &Site) -> Self {
        let mut address = own_address();
        address.set_port(8_080);
        Self { url: site.url(), address, log: site.path("server.log"), by: Vec::new() }
    }

    /// Starts a server and does not wait for it.
    pub(crate) fn start(&self, site: &Site) -> Server {
        let log = File::options().create(true).append(true).open(&self.log).unwrap();
        let mut words = self.by.iter().map(String::as_str).chain([env!("CARGO_BIN_EXE_bellwether")]);
        let mut command = Command::new(words.next().unwrap());
        command.args(words).args(["serve", "--log-format", "json"]).env_clear().envs(CUT);
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("BELLWETHER_DATABASE_URL", &self.url).env("BELLWETHER_LISTEN", self.address.to_string());
        command.env("BELLWETHER_LOG", "off,bellwether=info").kill_on_drop(true);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let started = Instant::now();
        let child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let origin = format!("http://{}", self.address);
        Server { child, origin, log: self.log.clone(), started, caller: Caller::new(site.token()) }
    }
}

impl Server {
    /// Waits until the server says that it is ready; how long that took from its start.
    ///
    /// # Panics
    /// When it ends instead.
    pub(crate) async fn ready(&mut self) -> Duration {
        let started = self.started;
        within("the server to be ready", async {
            loop {
                let answer = self.call(Method::GET, "/health/ready").send().await;
                if answer.is_ok_and(|answer| answer.status == 200) {
                    return started.elapsed();
                }
                if let Some(status) = self.child.try_wait().unwrap() {
                    panic!("the server ended, {status}: {}", self.said());
                }
                sleep(LOOK).await;
            }
        })
        .await
    }

    /// A request by the admin.
    pub(crate) fn call(&self, method: Method, path: &str) -> Call {
        self.caller.call(&self.origin, method, path)
    }

    /// Who asks, apart from the server.
    pub(crate) fn caller(&self) -> Caller {
        self.caller.clone()
    }

    /// Its URL.
    pub(crate) fn origin(&self) -> String {
        self.origin.clone()
    }

    /// The process's id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id().expect("the server runs")
    }

    /// Kills the process, which gets no chance to do anything about it.
    pub(crate) async fn kill(mut self) {
        self.child.start_kill().unwrap();
        let status = within("the end of the process", self.child.wait()).await.unwrap();
        assert_eq!(status.code(), None, "it ended by itself before: {}", self.said());
    }

    /// Ends the server as an operator does.
    ///
    /// # Panics
    /// When it does not end well.
    pub(crate) async fn stop(mut self) {
        let sent = Command::new("kill").args(["-TERM", &self.id().to_string()]).status();
        assert!(within("the signal", sent).await.unwrap().success());
        let status = within("the end of the process", self.child.wait()).await.unwrap();
        assert_eq!(status.code(), Some(0), "{}", self.said());
    }

    /// The end of what this server and those before it have logged.
    pub(crate) fn said(&self) -> String {
        let log = read(&self.log);
        let lines: Vec<_> = log.lines().collect();
        let from = lines.len().saturating_sub(20);
        lines[from..].join("\n")
    }

    /// The errors that this server and those before it have logged.
    pub(crate) fn errors(&self) -> Vec<String> {
        let errors = |line: &&str| line.contains("\"level\":\"ERROR\"");
        read(&self.log).lines().filter(errors).map(str::to_owned).collect()
    }
}

/// The text of a file.
pub(crate) fn read(path: &Path) -> String {
    let mut text = String::new();
    File::options().read(true).open(path).unwrap().read_to_string(&mut text).unwrap();
    text
}
