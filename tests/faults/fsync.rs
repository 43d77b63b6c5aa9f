//! What is acknowledged is on disk: the system calls of a server that is traced, between one answer and the next.

use std::time::Duration;

use bellwether::clock;
use reqwest::Method;
use serde_json::json;
use tokio::process::Command;

use crate::alone;
use crate::harness::program::Site;
use crate::harness::{Backend, FLAGS, PRODUCTION, configured, eventually, within};
use crate::server::{Post, Server, read};

/// Changes, and batches of measurements, one after the other.
const EACH: u32 = 40;

/// A call that writes a file through to the disk.
#[derive(Debug)]
struct Sync {
    /// When it was made, since 1970.
    at: Duration,
    /// The file's name.
    file: String,
}

/// Passes when a process may be traced here.
///
/// # Panics
/// With what is missing, otherwise.
async fn tracing_is_possible() {
    let tried = Command::new("strace").args(["-f", "-o", "/dev/null", "true"]).output();
    match within("the end of strace", tried).await {
        Ok(output) if output.status.success() => {}
        Ok(output) => panic!(
            "this test has to trace a process (ptrace), and that is not permitted here: {}",
            String::from_utf8_lossy(&output.stderr)
        ),
        Err(error) => panic!("this test needs strace (`apt-get install strace`): {error}"),
    }
}

fn now() -> Duration {
    let now = clock::now();
    Duration::from_micros(now.timestamp_micros().unsigned_abs())
}

/// Every call in a trace of `strace -f -y -ttt` that succeeded or went on for a while.
fn syncs(trace: &str) -> Vec<Sync> {
    let line = |line: &str| {
        // `1234  1790000000.123456 fdatasync(9</tmp/x/bellwether.db-wal>) = 0`; under load ` <unfinished ...>`.
        let (_, rest) = line.split_once(' ')?;
        let (at, call) = rest.trim_start().split_once(' ')?;
        let (name, arguments) = call.split_once('(')?;
        ["fsync", "fdatasync"].contains(&name).then_some(())?;
        assert!(!call.contains(" = -1"), "{line}");
        let (_, path) = arguments.split_once('<')?;
        let (path, _) = path.split_once('>')?;
        let at = Duration::from_secs_f64(at.parse().unwrap());
        Some(Sync { at, file: path.rsplit('/').next().unwrap().to_owned() })
    };
    trace.lines().filter_map(line).collect()
}

/// How many of `calls` on `file` were made from one moment to the next.
fn between(calls: &[Sync], file: &str, moments: &[Duration]) -> Vec<usize> {
    let of = |from: Duration, to: Duration| {
        calls.iter().filter(|call| call.file == file && (from..to).contains(&call.at)).count()
    };
    moments.windows(2).map(|pair| of(pair[0], pair[1])).collect()
}

/// The moment before the first of some changes, and after each was acknowledged.
async fn change(server: &Server) -> Vec<Duration> {
    let mut moments = vec![now()];
    for number in 0..EACH {
        let path = configured(PRODUCTION, "flag", &format!("/targets/on/user-{number}"));
        server.call(Method::PUT, &path).await.expect(200);
        moments.push(now());
    }
    moments
}

/// The same for batches of measurements.
async fn report(server: &Server, site: &Site) -> Vec<Duration> {
    let canary = configured(PRODUCTION, "flag", "/canary");
    server.call(Method::PUT, &canary).json(&json!({})).await.expect(200);
    let started = server.call(Method::POST, &format!("{canary}/start")).json(&json!({})).await.expect(200);
    let mut moments = vec![now()];
    for sequence in 0..EACH {
        let window = json!({
            "start": clock::rfc3339(clock::now()), "seconds": 1, "release": started["release"], "arm": "control",
            "metric": "request.error", "n": 1, "k": 0,
        });
        let body = json!({"instance": "i", "application": "a", "sequence": sequence, "windows": [window]});
        let call = server.call(Method::POST, "/api/v1/measurements").by(site.server_key(PRODUCTION)).json(&body);
        assert_eq!(call.await.expect(202)["accepted"], 1);
        moments.push(now());
    }
    moments
}

#[test]
fn every_change_is_on_disk_before_it_is_acknowledged_on_sqlite() {
    alone(trace());
}

async fn trace() {
    tracing_is_possible().await;
    let site = Site::new(Backend::Sqlite).await;
    let trace = site.path("trace");
    let mut post = Post::of(&site);
    // Traced from beside, so that the server stays this process's child.
    let words = ["strace", "-D", "-f", "-y", "-ttt", "-e", "trace=fsync,fdatasync", "-o", trace.to_str().unwrap()];
    post.by = words.map(str::to_owned).to_vec();
    let mut server = post.start(&site);
    server.ready().await;
    server.call(Method::POST, FLAGS).json(&json!({"key": "flag", "type": "boolean"})).await.expect(201);
    let changes = change(&server).await;
    let batches = report(&server, &site).await;
    let end = now();
    // Whatever comes after the end shows that the trace has been written up to there.
    let calls = eventually("the trace", async || {
        let path = configured(PRODUCTION, "flag", &format!("/targets/on/end-{}", now().as_micros()));
        server.call(Method::PUT, &path).await.expect(200);
        let trace = read(&trace);
        let calls = syncs(&trace[..trace.rfind('\n').unwrap_or(0)]);
        calls.last().is_some_and(|last| last.at > end).then_some(calls)
    })
    .await;
    server.stop().await;

    let found = between(&calls, "bellwether.db-wal", &changes);
    println!("fsync: {} calls on the log of the configuration for {EACH} changes", found.iter().sum::<usize>());
    assert!(found.iter().all(|count| *count >= 1), "before each change is acknowledged: {found:?}");

    // The measurements' file shows that this would be noticed: it is not written through with every commit.
    let found = between(&calls, "bellwether.measurements.db-wal", &batches);
    println!("fsync: {} calls on the log of the measurements for {EACH} batches", found.iter().sum::<usize>());
    assert!(found.iter().sum::<usize>() < found.len() / 2, "seldom for measurements: {found:?}");
}
