use super::*;

fn open(folder: &tempfile::TempDir) -> Result<Store, OpenError> {
    Store::open(&DatabaseUrl::Sqlite(folder.path().join("deep/er/bellwether.db")))
}

#[test]
fn every_step_down_works_and_up_again() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder).unwrap();
    let up = store.migrate(Direction::Up).unwrap();
    assert!(up.len() >= 5, "{up:?}");
    assert!(store.migrations().unwrap().iter().all(|m| m.applied));
    assert_eq!(store.migrate(Direction::Up).unwrap(), Vec::<String>::new());
    let mut down = Vec::new();
    for _ in 0..up.len() {
        down.extend(store.migrate(Direction::Down).unwrap());
    }
    down.reverse();
    let mut sorted = up.clone();
    sorted.sort();
    assert_eq!(down, sorted);
    assert_eq!(store.migrate(Direction::Down).unwrap(), Vec::<String>::new());
    assert_eq!(store.migrate(Direction::Up).unwrap(), up);
}

#[test]
fn a_second_process_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let first = open(&folder).unwrap();
    assert!(matches!(open(&folder), Err(OpenError::InUse { .. })));
    drop(first);
    assert!(open(&folder).is_ok());
}

#[test]
fn an_unreadable_database_is_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let url = DatabaseUrl::Sqlite(folder.path().to_owned());
    let Err(error) = Store::open(&url) else { panic!("a folder is no database") };
    assert!(error.to_string().contains("can't be opened"), "{error}");
}

#[test]
fn urls() {
    assert_eq!("sqlite://a/b.db".parse(), Ok(DatabaseUrl::Sqlite("a/b.db".into())));
    assert_eq!("sqlite:///a/b.db".parse(), Ok(DatabaseUrl::Sqlite("/a/b.db".into())));
    assert_eq!("sqlite://".parse::<DatabaseUrl>(), Err(UrlError::NoFile));
    let error = "mysql://user:secret@host/db".parse::<DatabaseUrl>().unwrap_err();
    assert!(!error.to_string().contains("secret"), "{error}");
}
