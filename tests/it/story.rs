//! A rollout as its people see it: ten thousand users, with an HTTP client alone.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::harness::{FLAGS, PRODUCTION, TestApp, configured, on_both, within};

const USERS: usize = 10_000;
/// Requests that are sent together on one connection.
const TOGETHER: usize = 100;

const CONNECTIONS: usize = 4;

/// Which of `users` are served true. Written to the wire by hand: an HTTP client would take most of the test's time.
async fn served(app: &TestApp, users: impl IntoIterator<Item = usize>) -> BTreeSet<usize> {
    let users: Vec<_> = users.into_iter().collect();
    let share = users.len().div_ceil(CONNECTIONS).max(1);
    join_all(users.chunks(share).map(|users| served_by_one(app, users))).await.into_iter().flatten().collect()
}

async fn served_by_one(app: &TestApp, users: &[usize]) -> BTreeSet<usize> {
    let mut socket = TcpStream::connect(app.address()).await.unwrap();
    socket.set_nodelay(true).unwrap();
    let mut served = BTreeSet::new();
    for users in users.chunks(TOGETHER) {
        let requests: String = users.iter().map(|user| request(app, *user)).collect();
        socket.write_all(requests.as_bytes()).await.unwrap();
        let mut answers = Vec::new();
        for user in users {
            if within("an answer", answer(&mut socket, &mut answers)).await["value"].as_bool().unwrap() {
                served.insert(*user);
            }
        }
        assert!(answers.is_empty(), "one answer to each");
    }
    served
}

fn request(app: &TestApp, user: usize) -> String {
    let body = json!({"context": {"targetingKey": format!("user-{user}")}}).to_string();
    format!(
        "POST /ofrep/v1/evaluate/flags/feature.story HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        app.address(),
        app.keys(PRODUCTION).server,
        body.len()
    )
}

/// Takes the next answer, which must be a success, off what was read and what is still to come.
async fn answer(socket: &mut TcpStream, read: &mut Vec<u8>) -> Value {
    loop {
        if let Some(head) = read.windows(4).position(|end| end == b"\r\n\r\n") {
            let text = String::from_utf8_lossy(&read[..head]).to_lowercase();
            assert!(text.starts_with("http/1.1 200 "), "{text}");
            let length = text.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
            let end = head + 4 + length.parse::<usize>().unwrap();
            if read.len() >= end {
                let body = serde_json::from_slice(&read[head + 4..end]).unwrap();
                read.drain(..end);
                return body;
            }
        }
        assert!(socket.read_buf(read).await.unwrap() > 0, "the server closed");
    }
}

on_both!(from_a_quarter_to_the_kill_switch, async |app| {
    app.post(FLAGS, &json!({"key": "feature.story", "type": "boolean"})).await.expect(201);
    let rollout = configured(PRODUCTION, "feature.story", "/rollout");
    app.put(&rollout, &json!({"percentage": 25})).header("x-request-id", "story-25").await.expect(200);
    let quarter = served(&app, 0..USERS).await;
    assert!((2_300..=2_700).contains(&quarter.len()), "{} of {USERS} at 25 %", quarter.len());

    app.put(&rollout, &json!({"percentage": 40})).header("x-request-id", "story-40").await.expect(200);
    assert_eq!(served(&app, quarter.iter().copied()).await, quarter, "nobody lost it");
    let more = served(&app, (0..USERS).filter(|user| !quarter.contains(user))).await;
    let share = quarter.len() + more.len();
    assert!((3_800..=4_200).contains(&share), "{share} of {USERS} at 40 %");

    let kill = configured(PRODUCTION, "feature.story", "/disable");
    app.put_nothing(&kill).header("x-request-id", "story-kill").await.expect(200);
    assert_eq!(served(&app, 0..USERS).await, BTreeSet::new());

    let page = app.get("/api/v1/audit?resource=flag/feature.story").await.expect(200);
    let told: Vec<_> = page["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (row["action"].as_str().unwrap(), row["request_id"].as_str().unwrap(), &row["changes"]))
        .collect();
    assert_eq!(told.len(), 4);
    let weights = |on: u32, off: u32| {
        json!([
            {"pointer": "/fallthrough/split/weights/off", "before": 75_000, "after": off},
            {"pointer": "/fallthrough/split/weights/on", "before": 25_000, "after": on},
        ])
    };
    let killed = json!([{"pointer": "/enabled", "before": true, "after": false}]);
    assert_eq!(told[0], ("flag.disable", "story-kill", &killed));
    assert_eq!(told[1], ("flag.rollout", "story-40", &weights(40_000, 60_000)));
    assert_eq!((told[2].0, told[2].1), ("flag.rollout", "story-25"));
    assert_eq!(told[3].0, "flag.create");
});
