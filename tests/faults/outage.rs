//! What must hold while the store does not answer, and when it does again.

use std::time::{Duration, Instant};

use bellwether_core::{Snapshot, State};
use futures_util::future::join_all;
use reqwest::{Method, StatusCode};
use serde_json::json;
use tokio::net::TcpSocket;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::harness::program::Caller;
use crate::harness::{Answer, Call, FLAGS, PRODUCTION, Socket, configured, have, hello, within};
use crate::long;
use crate::server::Server;
use crate::world::{Everybody, Service, World};

/// When everybody who asked has an answer.
const ANSWER: Duration = Duration::from_secs(2);
/// When changes work again after the store does.
const RECOVERY: Duration = Duration::from_secs(5);
/// How many ask at once.
const CROWD: usize = 200;
/// The flag list as a page.
const PAGE: &str = "/ui/projects/default/flags";

/// How long a store is away.
pub(crate) fn lasting() -> Duration {
    Duration::from_secs(if long() { 60 } else { 4 })
}

/// What the fault leaves of the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Left {
    /// Nothing answers.
    Nothing,
    /// It can be read.
    Reads,
    /// Some of it, now and then: what is answered must be true.
    Some,
}

/// A server with everybody around it.
pub(crate) struct Besieged {
    pub(crate) world: World,
    pub(crate) server: Server,
    everybody: Everybody,
    services: Vec<Service>,
    /// The revision that a stream without an SDK has followed to.
    streamed: watch::Receiver<u64>,
    streaming: JoinHandle<()>,
    /// A browser's session.
    cookie: String,
    /// The longest that it took to answer what needs nothing, while others waited for the store.
    noise: Duration,
    /// The longest that a change took among [`CROWD`] at once, when nothing was amiss.
    healthy: Duration,
    asked: usize,
}

/// Follows a stream, message by message, over one connection.
async fn stream(world: &World, server: &Server) -> (watch::Receiver<u64>, JoinHandle<()>) {
    let key = world.key();
    let answer = server.call(Method::GET, "/api/v1/snapshot").by(key).await;
    let mut state = State::from_snapshot(serde_json::from_slice::<Snapshot>(&answer.body).unwrap()).unwrap();
    let socket = TcpSocket::new_v4().unwrap();
    let mut socket = Socket::at(socket, world.post.address, Some(key)).await.unwrap();
    socket.say(&hello(&have(&state))).await;
    assert_eq!(socket.hear().await["type"], "ready");
    let (at, streamed) = watch::channel(state.revision());
    let streaming = tokio::spawn(async move {
        loop {
            state = socket.follow(state.clone(), state.revision() + 1).await;
            at.send_replace(state.revision());
        }
    });
    (streamed, streaming)
}

/// Logs in as a browser does; the cookie.
async fn log_in(world: &World, server: &Server) -> String {
    let admin = &world.site.secrets["admin"];
    let name = |member: &str| admin[member].as_str().unwrap();
    let body = format!("username={}&password={}&next=", name("username"), name("password"));
    let call = server.call(Method::POST, "/login").by_nobody().header("origin", &server.origin()).body(body);
    let answer = call.header("content-type", "application/x-www-form-urlencoded").await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{answer}");
    answer.header("set-cookie").split_once(';').unwrap().0.to_owned()
}

/// Sends a call; its answer and how long it took.
async fn timed(call: Call) -> (Answer, Duration) {
    let start = Instant::now();
    let answer = call.await;
    (answer, start.elapsed())
}

/// Lets all begin together; the longest it took.
async fn all_at_once<F: Future<Output: Send> + Send + 'static>(calls: impl Iterator<Item = F>) -> Duration {
    let timed = |call: F| {
        tokio::spawn(async move {
            let start = Instant::now();
            call.await;
            start.elapsed()
        })
    };
    let all = join_all(calls.map(timed).collect::<Vec<_>>()).await;
    all.into_iter().map(|took| took.unwrap()).max().unwrap()
}

/// # Panics
/// When an answer says something else than that it was done, if it can be, or that the store does not answer, if it
/// may.
fn expect(answer: &Answer, done: bool, failed: bool) {
    if answer.status == 200 {
        assert!(done, "{answer}");
    } else {
        answer.problem(503, "store_unavailable");
        assert!(failed, "{answer}");
    }
}

impl Besieged {
    /// Starts a server on a new store, and lets everybody write.
    pub(crate) async fn new(mut world: World) -> Self {
        let server = world.start().await;
        world.furnish(&server).await;
        world.check(&server).await;
        let services = vec![Service::start(&server.origin(), world.key()).await];
        let (streamed, streaming) = stream(&world, &server).await;
        let cookie = log_in(&world, &server).await;
        let page = server.call(Method::GET, PAGE).by_nobody().header("cookie", &cookie).await;
        assert_eq!(page.status, 200, "{page}");
        let mut acknowledged = world.ledger.count();
        let everybody = world.everybody(&server);
        within("some changes", acknowledged.wait_for(|count| *count > 20)).await.unwrap();
        let (noise, healthy) = (Duration::ZERO, Duration::ZERO);
        let mut besieged =
            Self { world, server, everybody, services, streamed, streaming, cookie, noise, healthy, asked: 0 };
        besieged.healthy = besieged.changes_at_once(|answer| expect(answer, true, true)).await;
        besieged
    }

    /// A change that nobody else makes.
    fn change(&mut self) -> (String, Call) {
        self.asked += 1;
        let user = format!("asked-{}", self.asked);
        let path = configured(PRODUCTION, "shared.0", &format!("/targets/on/{user}"));
        // Over a connection of its own, as somebody who comes along now.
        let caller = Caller::new(self.world.site.token());
        (user, caller.call(&self.server.origin(), Method::PUT, &path))
    }

    /// Waits until the fault is felt: a change is refused.
    pub(crate) async fn feel(&mut self) {
        for _ in 0..1_000 {
            let (user, call) = self.change();
            if self.world.ledger.change(&user, "shared.0", call).await.status == 503 {
                return;
            }
        }
        panic!("changes still work");
    }

    /// Asks for everything while the store is away, again and again.
    pub(crate) async fn endure(&mut self, left: Left) {
        let (start, mut rounds) = (Instant::now(), 0);
        let mut slowest = Duration::ZERO;
        while start.elapsed() < lasting() {
            slowest = slowest.max(self.ask(left).await);
            rounds += 1;
        }
        println!("outage: {rounds} rounds of questions, each answered in {} ms or less", slowest.as_millis());
        self.crowd(left).await;
    }

    /// Asks for everything at once; the longest it took.
    async fn ask(&mut self, left: Left) -> Duration {
        let (user, change) = self.change();
        let key = self.world.key().to_owned();
        let call = |method, path: &str| self.server.call(method, path);
        let evaluate = call(Method::POST, "/ofrep/v1/evaluate/flags/own.flag").by(&key);
        let page = call(Method::GET, PAGE).by_nobody().header("cookie", &self.cookie);
        let ((live, _), (ready, slow), (listed, reading), (page, shown), memory, (changed, changing)) = tokio::join!(
            timed(call(Method::GET, "/health/live")),
            timed(call(Method::GET, "/health/ready")),
            timed(call(Method::GET, FLAGS)),
            timed(page),
            async {
                let evaluated = timed(evaluate.json(&json!({"context": {"targetingKey": "u"}}))).await;
                (evaluated, timed(call(Method::GET, "/api/v1/snapshot").by(&key)).await)
            },
            async {
                let start = Instant::now();
                (self.world.ledger.change(&user, "shared.0", change).await, start.elapsed())
            },
        );
        let ((evaluated, quick), (snapshot, also)) = memory;
        assert_eq!((live.status.as_u16(), evaluated.status.as_u16()), (200, 200), "{evaluated}");
        assert_eq!(serde_json::from_slice::<Snapshot>(&snapshot.body).unwrap().environment, PRODUCTION);
        self.noise = self.noise.max(quick).max(also);
        expect(&changed, left == Left::Some, true);
        expect(&listed, left != Left::Nothing, left != Left::Reads);
        assert!(page.header("content-type").starts_with("text/html"), "{page}");
        let (done, failed) = (left != Left::Nothing, left != Left::Reads);
        for answer in [&page, &ready] {
            assert!(answer.status == 200 && done || answer.status == 503 && failed, "{answer}");
        }
        let slowest = [slow, reading, shown, changing].into_iter().max().unwrap();
        self.in_time(slowest, ANSWER);
        slowest
    }

    /// Many ask at once, and everybody has an answer in time.
    async fn crowd(&mut self, left: Left) {
        let caller = Caller::new(self.world.site.token());
        let (origin, key) = (self.server.origin(), self.world.key().to_owned());
        let body = json!({"context": {"targetingKey": "u"}});
        let evaluations = (0..CROWD).map(|_| {
            let call = caller.call(&origin, Method::POST, "/ofrep/v1/evaluate/flags/own.flag").by(&key).json(&body);
            async move { call.await.expect(200) }
        });
        self.noise = self.noise.max(all_at_once(evaluations).await);
        let slowest = self.changes_at_once(move |answer| expect(answer, left == Left::Some, true)).await;
        println!("outage: {CROWD} at once, each answered in {} ms or less", slowest.as_millis());
        // A database that answers, if only to refuse, is waited for in turn: no longer than when nothing is amiss.
        self.in_time(slowest, if left == Left::Some { ANSWER.max(self.healthy) } else { ANSWER });
    }

    /// Makes many changes at once, each of whose answers passes; the longest that one took.
    async fn changes_at_once(&self, passes: impl Fn(&Answer) + Clone + Send + Sync + 'static) -> Duration {
        let caller = Caller::new(self.world.site.token());
        let (origin, ledger, asked) = (self.server.origin(), self.world.ledger.clone(), self.asked);
        let changes = (0..CROWD).map(|number| {
            let user = format!("crowd-{asked}-{number}");
            let path = configured(PRODUCTION, "shared.0", &format!("/targets/on/{user}"));
            let (call, ledger, passes) = (caller.call(&origin, Method::PUT, &path), ledger.clone(), passes.clone());
            async move { passes(&ledger.change(&user, "shared.0", call).await) }
        });
        all_at_once(changes).await
    }

    /// # Panics
    /// When somebody waited longer than is promised, and than the machine makes everybody wait.
    fn in_time(&self, took: Duration, promised: Duration) {
        assert!(took < promised + self.noise, "an answer took {took:?}, others {:?}", self.noise);
    }

    /// The store is there again: everything has to go on by itself, and nothing may be missing.
    pub(crate) async fn recover(mut self) {
        let start = Instant::now();
        let took = within("changes to work again", async {
            loop {
                let (user, call) = self.change();
                if self.world.ledger.change(&user, "shared.0", call).await.status == 200 {
                    return start.elapsed();
                }
                sleep(Duration::from_millis(20)).await;
            }
        })
        .await;
        println!("outage: changes work again after {} ms", took.as_millis());
        assert!(took < RECOVERY + self.noise, "{took:?}");
        self.server.ready().await;
        // Everybody goes on for a while.
        let mut acknowledged = self.world.ledger.count();
        within("more changes", acknowledged.wait_for(|count| *count > 20)).await.unwrap();
        self.everybody.stop().await;
        let stored = self.world.check(&self.server).await;
        let revision = self.world.revision(&stored);
        within("the stream", self.streamed.wait_for(|at| *at >= revision)).await.expect("it never broke");
        self.streaming.abort();
        self.world.guards_catch_up().await;
        self.world.end(&self.server, self.services).await;
        println!("outage: {:?}", self.world.ledger.totals());
        assert_eq!(self.server.errors(), Vec::<String>::new());
        self.server.stop().await;
        self.world.outcome();
    }
}
