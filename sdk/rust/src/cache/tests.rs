use std::fs::OpenOptions;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng};
use serde_json::json;

use super::*;
use crate::fixture;

fn flags(revision: u64) -> Arc<State> {
    fixture::state("e", revision, vec![fixture::constant("a", "boolean", json!(true))])
}

fn write(path: &Path, bytes: &[u8]) {
    OpenOptions::new().write(true).create(true).truncate(true).open(path).unwrap().write_all(bytes).unwrap();
}

#[test]
fn what_is_kept_is_loaded_by_its_owner_alone() {
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join("made/for/it");
    let cache = Cache::new(directory.clone(), "http://localhost", "bw_sdk_a");
    assert!(cache.load().unwrap().is_none());
    for revision in [3, 7] {
        cache.keep(&flags(revision)).unwrap();
        assert_eq!(cache.load().unwrap().unwrap().hash(), flags(revision).hash());
    }
    assert_eq!(cache.load().unwrap().unwrap().revision(), 7);
    assert_eq!(directory.read_dir().unwrap().count(), 1, "nothing is left beside it");

    let other = Cache::new(directory.clone(), "http://localhost", "bw_sdk_b");
    assert!(other.load().unwrap().is_none());
    write(&other.path(), &read(&cache.path()).unwrap());
    assert!(matches!(other.load(), Err(CacheError::Foreign)));
    let text = read(&cache.path()).unwrap();
    assert!(!String::from_utf8_lossy(&text).contains("bw_sdk"));

    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&cache.path()), mode(&directory)), (0o600, 0o700));
    }
}

#[test]
fn a_file_of_another_form_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::new(folder.path().to_owned(), "u", "k");
    let origin = cache.origin.clone();
    for text in ["", "\n", "{}", "bellwether-flags-0 x y\n{}", &format!("{FORM} {origin}\n{{}}"), &"x".repeat(10_000)] {
        write(&cache.path(), text.as_bytes());
        assert!(matches!(cache.load(), Err(CacheError::Form | CacheError::Corrupt)), "{text}");
    }
    // Whole, but no flags.
    for json in ["", "{}", "null", "[1]"] {
        write(&cache.path(), format!("{FORM} {origin} {}\n{json}", digest(json)).as_bytes());
        assert!(matches!(cache.load(), Err(CacheError::Corrupt)), "{json}");
    }
    // Whole, but not what they say they are.
    let mut snapshot = fixture::snapshot("e", 7, vec![]);
    snapshot.counts.flags = 1;
    let json = serde_json::to_string(&snapshot).unwrap();
    write(&cache.path(), format!("{FORM} {origin} {}\n{json}", digest(&json)).as_bytes());
    assert!(matches!(cache.load(), Err(CacheError::Refused(_))));
    std::fs::DirBuilder::new().create(folder.path().join("x")).unwrap();
    assert!(matches!(read(&folder.path().join("x")), Err(error) if error.kind() != io::ErrorKind::NotFound));
}

#[test]
fn a_damaged_file_is_never_half_a_state() {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::new(folder.path().to_owned(), "u", "k");
    cache.keep(&flags(7)).unwrap();
    let whole = read(&cache.path()).unwrap();
    let mut random = StdRng::seed_from_u64(20);
    for round in 0..1_000 {
        let mut bytes = whole.clone();
        let at = random.random_range(0..bytes.len());
        match round % 4 {
            0 => bytes.truncate(at),
            1 => bytes[at] ^= 1 << random.random_range(0..8),
            2 => drop(bytes.splice(at..at, [random.random::<u8>()])),
            _ => drop(bytes.drain(at..(at + random.random_range(1..50)).min(whole.len()))),
        }
        write(&cache.path(), &bytes);
        assert!(cache.load().is_err(), "round {round}, at {at}");
    }
}

#[tokio::test]
async fn what_comes_into_use_is_kept_until_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::new(folder.path().to_owned(), "u", "k");
    let shared = Arc::new(Shared::new());
    let (stop, stopped) = watch::channel(false);
    let keeping = tokio::spawn(keep(cache.clone(), Arc::clone(&shared), stopped));
    tokio::task::yield_now().await;
    shared.install(flags(7));
    let kept = async {
        while cache.load().unwrap().is_none() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), kept).await.unwrap();
    // Within the pause after a write; the end does not wait for it to be over.
    shared.install(flags(8));
    stop.send_replace(true);
    keeping.await.unwrap();
    assert_eq!(cache.load().unwrap().unwrap().revision(), 8);
}

#[cfg(target_os = "linux")]
#[test]
fn a_pipe_is_refused_and_not_waited_for() {
    use rustix::fs::{CWD, FileType, Mode, mknodat};

    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::new(folder.path().to_owned(), "u", "k");
    mknodat(CWD, cache.path(), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    let (tell, told) = std::sync::mpsc::channel();
    let loading = cache.clone();
    std::thread::spawn(move || tell.send(loading.load()).is_ok());
    let loaded = told.recv_timeout(Duration::from_secs(30)).expect("an answer");
    assert!(
        matches!(&loaded, Err(CacheError::Io(error)) if error.to_string() == "it is no regular file"),
        "{loaded:?}"
    );
    // The next flags take its place.
    cache.keep(&flags(7)).unwrap();
    assert_eq!(cache.load().unwrap().unwrap().revision(), 7);
}
