//! SDKs behind a bad network: whatever it does, they answer from the last flags they had, and never from wrong ones.
//!
//! A flag tells its own revision: what it serves is held against the revision that the SDK says it comes from.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use bellwether_sdk::{Client, Context, ErrorCode, FlagsChanged, Subscription};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use reqwest::Method;
use serde_json::json;

use crate::harness::program::Site;
use crate::harness::{Backend, FLAGS, PRODUCTION, configured, environment, eventually, flag, within};
use crate::relay::{Fault, Relay, Way};
use crate::server::{Post, Server};
use crate::{alone, seed};

/// The flag that tells the revision.
const TELLS: &str = "tells";
/// SDKs that are there all the time.
const SERVICES: usize = 4;
/// Changes that are made while something is wrong, at least and at most.
const CHANGES: std::ops::Range<u32> = 8..400;
/// How often an SDK answers before the next is looked at.
const ANSWERS: u64 = 200;
/// Bytes of a flag that no compression makes small, so that a snapshot takes more than one packet.
const FILLING: usize = 40_000;
/// How long an SDK may take to end.
const CLOSING: Duration = Duration::from_secs(5);

/// An SDK that is asked all the time.
struct Service {
    client: Client,
    stop: Arc<AtomicBool>,
    answers: Arc<AtomicU64>,
    asking: JoinHandle<()>,
    /// The revisions that were in use, one after the other.
    history: Arc<Mutex<Vec<u64>>>,
    _listening: Subscription,
}

impl Service {
    fn start(relay: &Relay, key: &str, instance: &str) -> Self {
        let origin = format!("http://{}", relay.address);
        let builder = Client::builder(origin, key).application("apart").instance(instance);
        let builder = builder.reconnect_within(Duration::ZERO).poll_every(Duration::from_secs(2));
        let client = builder.connect().unwrap();
        let history = Arc::new(Mutex::new(Vec::new()));
        let kept = history.clone();
        let listening = client.on_change(move |changed: &FlagsChanged| kept.lock().unwrap().push(changed.revision));
        let (stop, answers) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let asking = ask(client.clone(), stop.clone(), answers.clone());
        Self { client, stop, answers, asking, history, _listening: listening }
    }

    /// Waits until it has answered often from now on.
    async fn answers(&self) {
        let enough = self.answers.load(Ordering::SeqCst) + ANSWERS;
        eventually("answers", async || {
            assert!(!self.asking.is_finished(), "an answer was wrong");
            (self.answers.load(Ordering::SeqCst) >= enough).then_some(())
        })
        .await;
    }

    async fn reaches(&self, revision: u64) {
        let mut revisions = self.client.revisions();
        within("the revision", revisions.wait_for(|at| at.is_some_and(|at| at >= revision))).await.unwrap();
        assert_eq!(self.client.revision(), Some(revision), "no SDK is ahead of its server");
    }

    /// # Panics
    /// When it ever answered something wrong, or went back.
    async fn end(self) {
        self.stop.store(true, Ordering::SeqCst);
        tokio::task::spawn_blocking(|| self.asking.join()).await.unwrap().expect("every answer was right");
        let history = self.history.lock().unwrap().clone();
        assert!(history.is_sorted(), "{history:?}");
        self.client.close(CLOSING).await;
    }
}

/// Asks all the time: an answer says which revision it is from, and must be what the server had there.
fn ask(client: Client, stop: Arc<AtomicBool>, answers: Arc<AtomicU64>) -> JoinHandle<()> {
    thread::spawn(move || {
        let (user, mut highest) = (Context::new("user"), None);
        while !stop.load(Ordering::SeqCst) {
            let told = client.integer_detail(TELLS, &user, -1);
            assert!(told.revision >= highest, "{told:?} after {highest:?}");
            match told.revision {
                Some(revision) => assert_eq!((told.value, told.error), (revision as i64, None), "{told:?}"),
                None => assert_eq!((told.value, told.error), (-1, Some(ErrorCode::ProviderNotReady)), "{told:?}"),
            }
            highest = told.revision;
            answers.fetch_add(1, Ordering::SeqCst);
            thread::sleep(Duration::from_millis(1));
        }
    })
}

/// A server, and SDKs that reach it over a relay.
struct Apart {
    site: Site,
    server: Server,
    relay: Relay,
    services: Vec<Service>,
    revision: u64,
    newcomers: u32,
}

/// The flag's variations at a revision.
fn variations(revision: u64) -> serde_json::Value {
    json!([{"name": "now", "value": revision}, {"name": "never", "value": -2}])
}

impl Apart {
    async fn new(seed: u64) -> Self {
        let site = Site::new(Backend::Sqlite).await;
        let post = Post::of(&site);
        let mut server = post.start(&site);
        server.ready().await;
        let mut random = StdRng::seed_from_u64(seed);
        let filling: String = (0..FILLING).map(|_| char::from(b'!' + (random.next_u32() % 90) as u8)).collect();
        let filled = json!([{"name": "a", "value": filling}, {"name": "b", "value": ""}]);
        for (key, kind, variations) in [("filling", "string", filled), (TELLS, "integer", variations(0))] {
            let flag = json!({"key": key, "type": kind, "variations": variations});
            server.call(Method::POST, FLAGS).json(&flag).await.expect(201);
        }
        let served = json!({"enabled": true, "off_variation": "never", "fallthrough": {"variation": "now"}});
        let whole = json!({"configuration": served});
        let configure = server.call(Method::PUT, &configured(PRODUCTION, TELLS, "")).any_version().json(&whole);
        configure.await.expect(200);
        let propagation = server.call(Method::GET, &format!("{}/propagation", environment(PRODUCTION))).await;
        let revision = propagation.expect(200)["revision"].as_u64().unwrap();
        let relay = Relay::to(post.address, seed).await;
        let mut apart = Self { site, server, relay, services: Vec::new(), revision, newcomers: 0 };
        apart.change().await;
        for number in 0..SERVICES {
            let service = Service::start(&apart.relay, apart.key(), &number.to_string());
            apart.services.push(service);
        }
        apart.all_reach().await;
        apart
    }

    fn key(&self) -> &str {
        self.site.server_key(PRODUCTION)
    }

    /// Makes the next revision; the flag tells it.
    async fn change(&mut self) {
        self.revision += 1;
        let body = json!({"variations": variations(self.revision)});
        self.server.call(Method::PATCH, &flag(TELLS)).any_version().json(&body).await.expect(200);
    }

    async fn all_reach(&self) {
        for service in &self.services {
            service.reaches(self.revision).await;
        }
    }

    /// Waits until the server knows that everybody has the newest revision.
    async fn is_propagated(&self, to: usize) {
        let path = format!("{}/propagation?revision={}&wait=1s", environment(PRODUCTION), self.revision);
        eventually("the receipts", async || {
            let told = self.server.call(Method::GET, &path).await.expect(200);
            (told["complete"] == true && told["connected"] == to).then_some(())
        })
        .await;
    }

    /// Harms what goes one way while changes are made; then everybody has to catch up.
    async fn suffer(&mut self, name: &str, way: Way, fault: Fault) {
        let strikes = fault.flips.max(fault.repeats).max(fault.truncates).max(fault.resets) > 0;
        let before = self.relay.struck();
        self.relay.harm(way, fault);
        // One comes along that has nothing yet.
        self.newcomers += 1;
        let newcomer = Service::start(&self.relay, self.key(), &format!("newcomer {}", self.newcomers));
        self.services.push(newcomer);
        let mut changes = 0;
        while changes < CHANGES.start || (strikes && self.relay.struck() < before + 3) {
            assert!(changes < CHANGES.end, "{name}: nothing was harmed");
            self.change().await;
            changes += 1;
        }
        for service in &self.services {
            service.answers().await;
        }
        let slow = !fault.delay.is_zero() || fault.per_second > 0;
        if slow {
            self.all_reach().await;
        } else if fault.silent && way == Way::There {
            // What they say does not arrive; what they are told does.
            for service in &self.services[..SERVICES] {
                service.reaches(self.revision).await;
            }
        }
        self.relay.heal();
        if fault.flips > 0 || fault.repeats > 0 {
            // The ends may take the next messages for the rest of one, until they have been silent for a minute.
            self.relay.cut();
        }
        self.all_reach().await;
        self.is_propagated(self.services.len()).await;
        self.services.pop().unwrap().end().await;
        let struck = self.relay.struck() - before;
        println!("apart: {name}: {changes} changes, harmed {struck} times, all have revision {}", self.revision);
    }

    async fn end(self) {
        for service in self.services {
            service.end().await;
        }
        assert_eq!(self.server.errors(), Vec::<String>::new());
        self.server.stop().await;
    }
}

#[test]
fn a_wrong_state_is_never_in_use_and_all_catch_up() {
    use Way::{Back, There};
    const NONE: Fault = Fault {
        silent: false,
        delay: Duration::ZERO,
        per_second: 0,
        flips: 0,
        repeats: 0,
        truncates: 0,
        resets: 0,
        spares: 0,
    };
    alone(async {
        let seed = seed();
        println!("apart: BELLWETHER_FAULTS_SEED={seed} repeats what the relay does");
        let mut apart = Apart::new(seed).await;
        for (name, way, fault) in [
            ("delay", Back, Fault { delay: Duration::from_millis(300), ..NONE }),
            ("delay of what they say", There, Fault { delay: Duration::from_millis(300), ..NONE }),
            ("trickle", Back, Fault { per_second: 30_000, ..NONE }),
            ("silence of the server", Back, Fault { silent: true, ..NONE }),
            ("silence of the SDKs", There, Fault { silent: true, ..NONE }),
            ("truncation", Back, Fault { truncates: 4, ..NONE }),
            ("truncation of what they say", There, Fault { truncates: 4, ..NONE }),
            ("resets", Back, Fault { resets: 4, ..NONE }),
            ("flips", Back, Fault { flips: 800, ..NONE }),
            // A flipped key is a wrong one, and who has that comes back in minutes.
            ("flips of what they say", There, Fault { flips: 400, spares: 1_000, ..NONE }),
            ("repeats", Back, Fault { repeats: 4, ..NONE }),
            ("repeats of what they say", There, Fault { repeats: 4, ..NONE }),
            ("all of it", Back, Fault { flips: 5_000, repeats: 10, truncates: 10, resets: 10, ..NONE }),
        ] {
            apart.suffer(name, way, fault).await;
        }
        apart.end().await;
    });
}
