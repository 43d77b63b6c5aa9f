//! The disk is full for a while.
//!
//! The disk is a small file system in memory, in a mount namespace that this test starts itself again in, so that nobody
//! else sees it and it goes when the test does. A limit on the size of files stands in for it where nothing can be
//! mounted, and is tried everywhere.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::harness::program::Site;
use crate::harness::{Backend, Postgres, block_on};
use crate::outage::{Besieged, Left};
use crate::world::{Lost, World};
use crate::{alone, seed};

/// Set for the test that has a namespace of its own.
const INSIDE: &str = "BELLWETHER_FAULTS_INSIDE";

fn is_root() -> bool {
    fs::metadata("/proc/self").unwrap().uid() == 0
}

/// A program that is started in a mount namespace of its own, where it may mount.
fn unshare() -> Command {
    let mut command = Command::new("unshare");
    command.arg("--mount");
    if !is_root() {
        command.arg("--map-root-user");
    }
    command
}

/// Runs the test called `name` in a namespace of its own; whether that is possible here.
fn apart(name: &str, test: impl FnOnce()) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        test();
        return true;
    }
    let tried = unshare().args(["mount", "-t", "tmpfs", "tmpfs", "/mnt"]).stderr(Stdio::null()).status();
    if !tried.is_ok_and(|status| status.success()) {
        return false;
    }
    let mut inside = unshare();
    inside.arg(std::env::current_exe().unwrap()).args(["--exact", name, "--nocapture"]).env(INSIDE, "yes");
    let output = alone(async { inside.output().unwrap() });
    let (said, failed) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    // Its figures; who counts the results of tests must not find this one's twice.
    said.lines().filter(|line| line.contains(": ") && !line.starts_with("test ")).for_each(|line| println!("{line}"));
    assert!(output.status.success(), "the test in its namespace: {failed}");
    true
}

/// A disk of so many megabytes.
struct Disk {
    folder: TempDir,
}

impl Disk {
    fn new(megabytes: u32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let size = format!("size={megabytes}m,mode=0755");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(folder.path()).status();
        assert!(mounted.unwrap().success());
        Self { folder }
    }

    /// A new folder on it.
    fn folder(&self, name: &str) -> PathBuf {
        let folder = self.folder.path().join(name);
        fs::DirBuilder::new().create(&folder).unwrap();
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
        folder
    }

    fn ballast(&self) -> PathBuf {
        self.folder.path().join("ballast")
    }

    /// Takes all room there is.
    fn fill(&self) {
        let mut ballast = File::options().create_new(true).append(true).open(self.ballast()).unwrap();
        for size in [1 << 20, 4_096, 1] {
            while ballast.write_all(&vec![b'x'; size]).is_ok() {}
        }
    }

    /// Gives it back.
    fn free(&self) {
        File::options().write(true).truncate(true).open(self.ballast()).unwrap();
    }
}

/// Moves a store of SQLite, whose program does not run.
fn move_to(site: &Site, folder: &Path) -> String {
    let path = PathBuf::from(site.url().strip_prefix("sqlite://").unwrap());
    for entry in fs::read_dir(path.parent().unwrap()).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), folder.join(entry.file_name())).unwrap();
    }
    format!("sqlite://{}", folder.join(path.file_name().unwrap()).display())
}

#[test]
fn the_disk_is_full_under_sqlite() {
    let possible = apart("full_disk::the_disk_is_full_under_sqlite", || {
        block_on(async {
            let disk = Disk::new(24);
            let mut world = World::new(Backend::Sqlite, seed()).await;
            world.post.url = move_to(&world.site, &disk.folder("data"));
            let mut besieged = Besieged::new(world).await;
            disk.fill();
            besieged.feel().await;
            besieged.endure(Left::Some).await;
            disk.free();
            besieged.recover().await;
        });
    });
    if !possible {
        println!("full disk: nothing can be mounted here; the limit on the size of files stands in for it");
    }
}

#[test]
fn no_file_may_grow_under_sqlite() {
    alone(async {
        let mut besieged = Besieged::new(World::new(Backend::Sqlite, seed()).await).await;
        let path = besieged.world.post.url.strip_prefix("sqlite://").unwrap().to_owned();
        let largest = fs::metadata(format!("{path}-wal")).unwrap().len();
        let limit = |process: u32, limit: &str| {
            let limits = [format!("--pid={process}"), format!("--fsize={limit}:unlimited")];
            assert!(Command::new("prlimit").args(limits).status().unwrap().success());
        };
        let process = besieged.server.id();
        limit(process, &largest.to_string());
        besieged.feel().await;
        besieged.endure(Left::Some).await;
        limit(process, "unlimited");
        besieged.recover().await;
    });
}

#[test]
fn the_disk_is_full_under_postgres() {
    if !is_root() {
        println!("full disk: PostgreSQL's needs root here, to mount it and to run the server as somebody else");
        return;
    }
    let possible = apart("full_disk::the_disk_is_full_under_postgres", || {
        block_on(async {
            let disk = Disk::new(192);
            let settings = ["fsync = off", "max_wal_size = 48MB", "min_wal_size = 32MB", "autovacuum = off"];
            let database = Postgres::start_in(disk.folder("postgres"), &settings);
            let mut world = World::at(Site::at(database.schema(), tempfile::tempdir().unwrap()).await, seed());
            world.lost = Lost::Last;
            let mut besieged = Besieged::new(world).await;
            disk.fill();
            besieged.feel().await;
            besieged.endure(Left::Some).await;
            disk.free();
            let runs = database.control().arg("status").stdout(Stdio::null()).status().unwrap().success();
            println!("full disk: PostgreSQL {}", if runs { "went on" } else { "had ended" });
            if !runs {
                database.start_again();
            }
            besieged.recover().await;
        });
    });
    assert!(possible, "nothing can be mounted here, not even as root");
}
