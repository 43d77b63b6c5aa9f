//! A server that is away, or refuses, for minutes: in virtual time, against a listener of this process.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use bellwether_core::message::{Ready, ToSdk};
use bellwether_core::{Context, State};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_tungstenite::accept_hdr_async;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};

use super::*;
use crate::failure::STALLED;
use crate::{Client, fixture};

const MINUTE: Duration = Duration::from_secs(60);
/// The most that time leaps.
const STEP: Duration = Duration::from_millis(50);
/// How long the trouble lasts.
const TROUBLE: Duration = Duration::from_secs(10 * 60);
/// Within this time a refused client comes back.
const RETRY: Duration = Duration::from_secs(5 * 60);
/// What the network of this process may add to a time.
const SOON: Duration = Duration::from_secs(2);
/// How requests begin.
const STREAM: &[u8] = b"GET /api/v1/stream";
const SNAPSHOT: &[u8] = b"GET /api/v1/snapsh";

/// What a server does with its clients.
#[derive(Clone)]
enum Mood {
    /// Serves these flags.
    Serves(Arc<State>),
    /// Answers with this status.
    Refuses(u16),
    /// Takes connections and closes them.
    Leaves,
    /// Takes connections and never says anything.
    Silent,
    /// Serves snapshots; the stream is upgraded and never says anything, but for pings.
    Mute(Arc<State>),
    /// Serves, but the first snapshot stops after so much of the answer.
    Stalls(Arc<State>, Part, Arc<AtomicBool>),
    /// Serves, but a snapshot comes in ten parts, with this time before each.
    Slow(Arc<State>, Duration),
}

/// How much of an answer comes.
#[derive(Clone, Copy, Debug)]
enum Part {
    Nothing,
    Head,
    Half,
}

/// A server as far as a client can tell.
struct Server {
    address: SocketAddr,
    mood: watch::Sender<Mood>,
    knocks: Arc<AtomicUsize>,
}

impl Server {
    async fn start(mood: Mood) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (mood, moods) = watch::channel(mood);
        let knocks = Arc::new(AtomicUsize::new(0));
        let counting = Arc::clone(&knocks);
        // Time leaps to the next timer whenever nothing is ready; what goes over sockets must not be overtaken by it.
        tokio::spawn(async {
            loop {
                sleep(STEP).await;
            }
        });
        tokio::spawn(async move {
            let mut all = JoinSet::new();
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                // Else a second message waits for the acknowledgement of the first, in real time.
                socket.set_nodelay(true).unwrap();
                let (mut moods, counting) = (moods.clone(), Arc::clone(&counting));
                let mood = moods.borrow_and_update().clone();
                all.spawn(async move {
                    // Whatever changes, connections of before end.
                    tokio::select! {
                        () = serve(socket, mood, &counting) => {}
                        _ = moods.changed() => {}
                    }
                });
            }
        });
        Self { address, mood, knocks }
    }

    fn client(&self) -> Client {
        Client::builder(format!("http://{}", self.address), "bw_sdk_x").connect().unwrap()
    }

    /// Who asked for flags since this was last looked at.
    fn knocks(&self) -> usize {
        self.knocks.swap(0, Ordering::SeqCst)
    }
}

async fn serve(mut socket: TcpStream, mood: Mood, knocks: &AtomicUsize) {
    let mut start = [0; 18];
    let seen = socket.peek(&mut start).await.unwrap_or_default();
    let asked = &start[..seen];
    // Measurements come in their own time.
    knocks.fetch_add(usize::from(asked.starts_with(b"GET")), Ordering::SeqCst);
    match mood {
        Mood::Leaves => {}
        Mood::Silent => std::future::pending().await,
        Mood::Refuses(status) => answer(&mut socket, status, "{}").await,
        Mood::Mute(_) if asked == STREAM => stream(socket, None).await,
        Mood::Serves(state) | Mood::Stalls(state, ..) | Mood::Slow(state, _) if asked == STREAM => {
            stream(socket, Some(&state)).await;
        }
        Mood::Stalls(state, part, stalled) if asked == SNAPSHOT && !stalled.swap(true, Ordering::SeqCst) => {
            let text = answer_of(200, &body(&state));
            let end = match part {
                Part::Nothing => 0,
                Part::Head => text.len() - body(&state).len(),
                Part::Half => text.len() - body(&state).len() / 2,
            };
            write(&mut socket, [&text[..end]], Duration::ZERO).await;
            std::future::pending().await
        }
        Mood::Slow(state, pause) if asked == SNAPSHOT => {
            let (text, length) = (answer_of(200, &body(&state)), body(&state).len());
            let (head, body) = text.as_bytes().split_at(text.len() - length);
            let mut parts = vec![head];
            parts.extend(body.chunks(length.div_ceil(9)));
            write(&mut socket, parts, pause).await;
        }
        Mood::Serves(state) | Mood::Mute(state) | Mood::Stalls(state, ..) | Mood::Slow(state, _) => {
            answer(&mut socket, 200, &body(&state)).await;
        }
    }
}

fn body(state: &State) -> String {
    serde_json::to_string(&state.to_snapshot()).unwrap()
}

fn answer_of(status: u16, body: &str) -> String {
    format!("HTTP/1.1 {status} Some\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len())
}

/// Reads one request and answers it.
async fn answer(socket: &mut TcpStream, status: u16, body: &str) {
    write(socket, [answer_of(status, body)], Duration::ZERO).await;
}

/// Reads one request and writes the parts of an answer, with a pause before each.
async fn write(socket: &mut TcpStream, parts: impl IntoIterator<Item = impl AsRef<[u8]>>, pause: Duration) {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        if socket.read_buf(&mut request).await.unwrap_or(0) == 0 {
            return;
        }
    }
    for part in parts {
        sleep(pause).await;
        // The client may have gone.
        let _ = socket.write_all(part.as_ref()).await;
    }
}

/// Upgrades, and greets with these flags.
async fn stream(socket: TcpStream, state: Option<&Arc<State>>) {
    #[expect(clippy::result_large_err, reason = "the type is that of the callback")]
    let choose = |_: &Request, mut response: Response| -> Result<Response, ErrorResponse> {
        response.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(PROTOCOL));
        Ok(response)
    };
    let Ok(mut socket) = accept_hdr_async(socket, choose).await else { return };
    let Some(Ok(_hello)) = socket.next().await else { return };
    if let Some(state) = state {
        let ready = Ready {
            epoch: state.epoch().to_owned(),
            revision: state.revision(),
            hash: state.hash().to_owned(),
            clock: clock::now(),
        };
        let resync = ToSdk::Resync { revision: state.revision() };
        for message in [ToSdk::Ready(&ready), resync] {
            socket.send(Message::text(message.write().unwrap())).await.unwrap();
        }
    }
    let mut pings = tokio::time::interval(Duration::from_secs(20));
    loop {
        tokio::select! {
            received = socket.next() => if received.is_none_or(|received| received.is_err()) { return },
            _ = pings.tick() => if socket.send(Message::Ping(Vec::new().into())).await.is_err() { return },
        }
    }
}

/// A flag that serves its revision.
fn flags(revision: u64) -> Arc<State> {
    fixture::state("e", revision, vec![fixture::constant("a", "integer", json!(revision))])
}

async fn has(client: &Client, revision: u64, within: Duration) -> Duration {
    let start = clock::moment();
    let mut revisions = client.revisions();
    let reached = timeout(within, revisions.wait_for(|at| *at == Some(revision))).await;
    reached.unwrap_or_else(|_| panic!("no revision {revision} within {within:?}")).unwrap();
    start.elapsed()
}

/// Asks ten times in a second, for so long; every answer is that of `revision`.
async fn asked(client: &Client, revision: i64, time: Duration) {
    let (start, user) = (clock::moment(), Context::new("u"));
    while start.elapsed() < time {
        let told = client.integer_detail("a", &user, -1);
        assert_eq!((told.value, told.error), (revision, None));
        sleep(MINUTE / 600).await;
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_is_refused_for_minutes_goes_on_answering_and_resumes() {
    for status in [401, 403] {
        let server = Server::start(Mood::Serves(flags(1))).await;
        let client = server.client();
        has(&client, 1, MINUTE).await;
        server.knocks();
        server.mood.send_replace(Mood::Refuses(status));
        asked(&client, 1, TROUBLE).await;
        // The stream and the poll are each tried again after 30 s to 5 min; the first reconnection comes sooner.
        let knocks = server.knocks();
        assert!((4..=2 * (1 + 20)).contains(&knocks), "{knocks} attempts");
        server.mood.send_replace(Mood::Serves(flags(2)));
        let took = has(&client, 2, RETRY + MINUTE).await;
        assert!(took <= RETRY + Duration::from_secs(1), "{took:?}");
        // The stream too, and nobody polls any more.
        let mut link = client.shared().link();
        timeout(RETRY + MINUTE, link.wait_for(|link| *link == Link::Up)).await.unwrap().unwrap();
        asked(&client, 2, MINUTE).await;
        server.knocks();
        asked(&client, 2, TROUBLE).await;
        assert_eq!(server.knocks(), 0, "it is connected");
        client.close(MINUTE).await;
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_is_refused_from_the_start_begins_when_it_is_let_in() {
    let server = Server::start(Mood::Refuses(401)).await;
    let client = server.client();
    let start = clock::moment();
    while start.elapsed() < TROUBLE {
        assert_eq!(client.integer("a", &Context::new("u"), -1), -1, "the default");
        sleep(MINUTE / 60).await;
    }
    server.mood.send_replace(Mood::Serves(flags(1)));
    assert!(client.wait_ready(RETRY + MINUTE).await);
    assert_eq!(client.integer("a", &Context::new("u"), -1), 1);
    client.close(MINUTE).await;
}

#[tokio::test(start_paused = true)]
async fn while_the_server_is_away_every_evaluation_is_answered() {
    for (mood, at_most) in [(Mood::Leaves, 200), (Mood::Silent, 100)] {
        let server = Server::start(Mood::Serves(flags(1))).await;
        let client = server.client();
        has(&client, 1, MINUTE).await;
        for revision in [2, 3] {
            server.knocks();
            server.mood.send_replace(mood.clone());
            asked(&client, revision - 1, TROUBLE).await;
            let knocks = server.knocks();
            assert!((10..=at_most).contains(&knocks), "{knocks} attempts");
            server.mood.send_replace(Mood::Serves(flags(revision as u64)));
            // A wait of at most 30 s, after an attempt that may still be under way.
            let took = has(&client, revision as u64, 2 * MINUTE).await;
            assert!(took <= MINUTE + HANDSHAKE, "{took:?}");
        }
        client.close(MINUTE).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_never_greets_is_given_up_and_flags_are_polled() {
    let server = Server::start(Mood::Mute(flags(1))).await;
    let client = server.client();
    let mut link = client.shared().link();
    let took = has(&client, 1, MINUTE).await;
    assert!((HANDSHAKE..HANDSHAKE + SOON).contains(&took), "{took:?}");
    timeout(SOON, link.wait_for(|link| *link == Link::Down)).await.unwrap().unwrap();
    // Neither does one that is tried again, pings or not; polling goes on.
    server.knocks();
    asked(&client, 1, TROUBLE).await;
    let knocks = server.knocks();
    assert!((20..=100).contains(&knocks), "{knocks} attempts");
    assert_eq!(*link.borrow_and_update(), Link::Down);
    server.mood.send_replace(Mood::Mute(flags(2)));
    has(&client, 2, MINUTE).await;
    server.mood.send_replace(Mood::Serves(flags(3)));
    timeout(MINUTE + HANDSHAKE, link.wait_for(|link| *link == Link::Up)).await.unwrap().unwrap();
    client.close(MINUTE).await;
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_that_stalls_is_asked_for_again() {
    for part in [Part::Nothing, Part::Head, Part::Half] {
        let server = Server::start(Mood::Stalls(flags(1), part, Arc::default())).await;
        let client = server.client();
        let took = has(&client, 1, MINUTE).await;
        assert!(took < STALLED + REFETCH + SOON, "{part:?}: {took:?}");
        // So is one for later flags, while those in use stay.
        server.mood.send_replace(Mood::Stalls(flags(2), part, Arc::default()));
        let mut link = client.shared().link();
        timeout(MINUTE, link.wait_for(|link| *link == Link::Down)).await.unwrap().unwrap();
        timeout(MINUTE, link.wait_for(|link| *link == Link::Up)).await.unwrap().unwrap();
        let took = has(&client, 2, MINUTE).await;
        assert!(took < STALLED + REFETCH + SOON, "{part:?}: {took:?}");
        client.close(MINUTE).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_may_take_minutes_as_long_as_it_comes() {
    let pause = STALLED - SOON;
    let server = Server::start(Mood::Slow(flags(1), pause)).await;
    let client = server.client();
    let took = has(&client, 1, 5 * MINUTE).await;
    assert!((pause * 10..pause * 10 + SOON).contains(&took), "{took:?}");
    client.close(MINUTE).await;
}
