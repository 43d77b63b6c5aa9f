use super::*;

fn open(folder: &tempfile::TempDir) -> Result<Store, OpenError> {
    Store::open(&DatabaseUrl::Sqlite(folder.path().join("deep/er/bellwether.db")))
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
fn urls_of_files() {
    assert_eq!("sqlite://a/b.db".parse(), Ok(DatabaseUrl::Sqlite("a/b.db".into())));
    assert_eq!("sqlite:///a/b.db".parse(), Ok(DatabaseUrl::Sqlite("/a/b.db".into())));
    assert_eq!("sqlite://".parse::<DatabaseUrl>(), Err(UrlError::NoFile));
}

#[test]
fn urls_of_servers() {
    for (text, shown) in [
        ("postgres://ada:hunter2@db.example.com:5433/flags", "postgres://ada@db.example.com:5433/flags"),
        ("POSTGRES://db/flags", "postgres://db/flags"),
        ("postgresql://db/flags?sslmode=disable&application_name=x", "postgres://db/flags"),
        ("postgres://ada:h%2Fu%23n@[::1]/flags", "postgres://ada@[::1]/flags"),
        ("postgres:///flags?host=/run/postgresql", "postgres:///run/postgresql/flags"),
        ("postgres://%2Frun%2Fpostgresql/flags", "postgres://%2Frun%2Fpostgresql/flags"),
    ] {
        let url: DatabaseUrl = text.parse().unwrap();
        assert_eq!(url.to_string(), shown, "{text}");
        assert!(!format!("{url:?} {url}").contains("hunter2"));
    }
}

#[test]
fn a_wrong_url_is_a_sentence_without_its_password() {
    for (text, says) in [
        ("mysql://user:hunter2@host/db", "is of `mysql`, which is not known"),
        ("host/db?password=hunter2", "does not say which database"),
        ("sqlite://a.db?mode=ro", "names a file and nothing more"),
        ("sqlite://:memory:", "names a file and nothing more"),
        ("postgres:hunter2@host/db", "does not say which database"),
        ("postgres://", "names no host"),
        ("postgres:///db", "names no host"),
        ("postgres://ada:hunter2@host", "names no database"),
        ("postgres://ada:hunter2@host/", "names no database"),
        ("postgres://ada:hunter2@host:0/db", "the port"),
        ("postgres://ada:hunter2@host:70000/db", "the port"),
        ("postgres://ada:hunter2@one:1,two:2/db", "the port"),
        ("postgres://ada:hunter2/x@host/db", "%2F"),
        ("postgres://ada:hunter2#x@host/db", "%23"),
        ("postgres://ada:hunter2@host/db#x", "has a # in it"),
        ("postgres://ada:hunter2%@host/db", "has a %"),
        ("postgres://ada:hunter2%00@host/db", "has a %"),
        ("postgres://ada:hunter2@ho st/db", "can't be read"),
        (
            "postgres://ada:hunter2@host/db?ssl=on",
            "the parameter `ssl`, which is not known; known are application_name,",
        ),
        (
            "postgres://ada:hunter2@host/db?connect_timeout=soon",
            "connect_timeout in the database URL is a whole number",
        ),
        ("postgres://ada:hunter2@host/db?sslmode=always", "write one of disable,"),
        #[cfg(not(feature = "postgres-tls"))]
        ("postgres://ada:hunter2@host/db?sslmode=require", "sslmode=require in the database URL demands encryption"),
        #[cfg(not(feature = "postgres-tls"))]
        ("postgres://ada:hunter2@host/db?sslrootcert=ca.pem", "--features postgres-tls"),
    ] {
        let error = text.parse::<DatabaseUrl>().unwrap_err().to_string();
        assert!(error.contains(says), "{text}: {error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
}
