use super::*;

#[test]
fn every_problem_is_reported_at_once() {
    let given = Given {
        listen: Some("nowhere".into()),
        workers: Some(1_025),
        metrics_listen: Some("9100".into()),
        database_url: Some("mysql://u:p@h/d".into()),
        window_seconds: Some(0),
        grace_seconds: None,
        history_versions: Some(0),
        stale_after_days: Some(3_651),
        stream_connections: Some(0),
        stream_connections_per_second: Some(0),
    };
    let Err(ConfigError::Settings(faults)) = given.settings() else { panic!() };
    assert_eq!(faults.len(), 9, "{faults:?}");
}

#[test]
fn a_file_fills_what_is_left_open() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let text = "[server]\nlisten = \"127.0.0.1:9\"\nworkers = 3\nmetrics_listen = \"127.0.0.1:10\"\n[measurements]\nwindow_seconds = 2\n[history]\nversions = 7\n[flags]\nstale_after_days = 9\n[stream]\nconnections = 4\nconnections_per_second = 5\n";
    #[expect(clippy::disallowed_methods, reason = "a test's own file")]
    std::fs::write(file.path(), text).unwrap();
    let given = Given { window_seconds: Some(3), ..Given::default() };
    let settings = given.or_file(file.path()).unwrap().settings().unwrap();
    assert_eq!((settings.listen.port(), settings.cut.window_seconds, settings.history.versions), (9, 3, 7));
    assert_eq!(settings.staleness.days, 9);
    assert_eq!((settings.streams.streams, settings.streams.each_second.get()), (4, 5));
    assert_eq!((settings.workers, settings.metrics_listen.unwrap().port()), (3, 10));

    #[expect(clippy::disallowed_methods, reason = "a test's own file")]
    std::fs::write(file.path(), "[server]\nlisten = 3\nport = 4\n").unwrap();
    let Err(ConfigError::Settings(faults)) = Given::default().or_file(file.path()) else { panic!() };
    let mut pointers: Vec<_> = faults.iter().map(|f| f.pointer.as_str()).collect();
    pointers.sort_unstable();
    assert_eq!(pointers, ["/server/listen", "/server/port"]);
}
