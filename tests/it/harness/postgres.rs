use std::fs::OpenOptions;
use std::io::Write as _;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use diesel::Connection as _;
use diesel::connection::SimpleConnection as _;
use diesel::pg::PgConnection;

/// A PostgreSQL server of the tests' own. It ends with the process that started it, however that ends.
pub(crate) struct Postgres {
    folder: PathBuf,
    programs: PathBuf,
    port: u16,
    /// Ends the server and removes its folder when its standard input is closed.
    _keeper: Child,
}

/// Who the server runs as when the tests run as root, which it refuses.
const USER: &str = "postgres";
/// The password of the one user of the server's databases.
pub(crate) const PASSWORD: &str = "a-password-of-PostgreSQL";
/// For tests that lose nothing when the machine goes down.
const QUICK: [&str; 3] = ["fsync = off", "synchronous_commit = off", "full_page_writes = off"];

impl Postgres {
    /// The server that the tests of this process share.
    pub(crate) fn shared() -> &'static Self {
        static SHARED: OnceLock<Postgres> = OnceLock::new();
        SHARED.get_or_init(|| Self::start(&QUICK))
    }

    /// A server with these settings besides its own.
    pub(crate) fn start(settings: &[&str]) -> Self {
        Self::start_in(tempfile::Builder::new().prefix("bellwether-").tempdir().unwrap().keep(), settings)
    }

    /// As [`Postgres::start`], in a folder that is there and empty, and that goes with the server.
    pub(crate) fn start_in(folder: PathBuf, settings: &[&str]) -> Self {
        let programs = programs();
        if is_root() {
            done(Command::new("chown").arg(USER).arg(&folder));
        }
        let data = folder.join("data");
        let password = folder.join("password");
        write(&password, OpenOptions::new().create_new(true), PASSWORD);
        // Text is ordered by the rules of a language unless a column says otherwise, so that what relies on it is seen.
        done(
            as_user(&programs.join("initdb"))
                .args([
                    "--username=bellwether",
                    "--auth=scram-sha-256",
                    "--encoding=UTF8",
                    "--no-sync",
                    "--no-instructions",
                ])
                .args(["--locale=C.UTF-8", "--locale-provider=icu", "--icu-locale=en-US"])
                .arg("--pwfile")
                .arg(&password)
                .arg("--pgdata")
                .arg(&data),
        );
        // Free now; who else takes a free port takes another one.
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        let settings = format!(
            "listen_addresses = '127.0.0.1'\nport = {port}\nunix_socket_directories = ''\nmax_connections = 500\n{}\n",
            settings.join("\n")
        );
        write(&data.join("postgresql.conf"), OpenOptions::new().append(true), &settings);
        let server = Self { _keeper: keeper(&programs, &folder), folder, programs, port };
        server.start_again();
        server
    }

    /// Starts it again, and waits until it takes connections.
    pub(crate) fn start_again(&self) {
        done(self.control().arg("-l").arg(self.folder.join("log")).arg("start"));
    }

    /// The port it listens on, on the loopback address.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The folder of its data.
    pub(crate) fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// The URL of a new, empty schema.
    pub(crate) fn schema(&self) -> String {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let schema = format!("test_{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let database = self.url();
        PgConnection::establish(&database).unwrap().batch_execute(&format!("CREATE SCHEMA {schema}")).unwrap();
        format!("{database}?options=-c%20search_path%3D{schema}")
    }

    /// The URL of the database.
    pub(crate) fn url(&self) -> String {
        format!("postgres://bellwether:{PASSWORD}@127.0.0.1:{}/postgres", self.port)
    }

    /// A command of `pg_ctl` about this server.
    pub(crate) fn control(&self) -> Command {
        let mut control = as_user(&self.programs.join("pg_ctl"));
        control.args(["-s", "-w", "-D"]).arg(self.data());
        control
    }
}

/// The folder of the server's programs; Debian keeps them out of the path.
fn programs() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let debian = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut debian: Vec<_> = debian.map(|version| version.path().join("bin")).collect();
    debian.sort();
    let mut folders = debian.into_iter().rev().chain(std::env::split_paths(&path));
    let found = folders.find(|folder| folder.join("initdb").exists() && folder.join("pg_ctl").exists());
    found.expect("PostgreSQL's initdb and pg_ctl are there: install the package postgresql")
}

fn write(path: &Path, how: &mut OpenOptions, text: &str) {
    how.write(true).open(path).unwrap().write_all(text.as_bytes()).unwrap();
}

fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata("/proc/self").unwrap().uid() == 0
}

/// A command that runs as somebody other than root.
fn as_user(program: &Path) -> Command {
    let mut command = if is_root() {
        let mut command = Command::new("setpriv");
        command.args(["--reuid", USER, "--regid", USER, "--init-groups", "--"]).arg(program);
        command
    } else {
        Command::new(program)
    };
    // Whatever folder the tests run in, this user may not look into it.
    command.current_dir("/").stdin(Stdio::null());
    command
}

/// A process of a session of its own, which an interrupted terminal does not end.
fn keeper(programs: &Path, folder: &Path) -> Child {
    let stop = as_user(&programs.join("pg_ctl"));
    let mut keeper = Command::new("setsid");
    keeper.args([
        "sh",
        "-c",
        r#"cat; folder=$1; shift; "$@" -s -m immediate -D "$folder/data" stop; rm -rf "$folder""#,
    ]);
    keeper.arg("keeper").arg(folder).arg(stop.get_program()).args(stop.get_args());
    keeper.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

#[track_caller]
fn done(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {output:?}");
}
