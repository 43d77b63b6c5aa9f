//! A server that is away, or refuses, for minutes: in virtual time, against a listener of this process.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};

use bellwether_core::message::{Ready, ToSdk};
use bellwether_core::{Context, State};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_tungstenite::accept_hdr_async;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};

use super::*;
use crate::{Client, fixture};

const MINUTE: Duration = Duration::from_secs(60);
/// The most that time leaps.
const STEP: Duration = Duration::from_millis(50);
/// How long the trouble lasts.
const TROUBLE: Duration = Duration::from_secs(10 * 60);
/// Within this time a refused client comes back.
const RETRY: Duration = Duration::from_secs(5 * 60);

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
        Mood::Serves(state) => {
            if asked == b"GET /api/v1/stream" {
                stream(socket, &state).await;
            } else {
                answer(&mut socket, 200, &serde_json::to_string(&state.to_snapshot()).unwrap()).await;
            }
        }
    }
}

/// Reads one request and answers it.
async fn answer(socket: &mut TcpStream, status: u16, body: &str) {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        if socket.read_buf(&mut request).await.unwrap_or(0) == 0 {
            return;
        }
    }
    let head = format!("HTTP/1.1 {status} Some\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
    // The client may have gone.
    let _ = socket.write_all(format!("{head}{body}").as_bytes()).await;
}

async fn stream(socket: TcpStream, state: &State) {
    #[expect(clippy::result_large_err, reason = "the type is that of the callback")]
    let choose = |_: &Request, mut response: Response| -> Result<Response, ErrorResponse> {
        response.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(PROTOCOL));
        Ok(response)
    };
    let Ok(mut socket) = accept_hdr_async(socket, choose).await else { return };
    let Some(Ok(_hello)) = socket.next().await else { return };
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
