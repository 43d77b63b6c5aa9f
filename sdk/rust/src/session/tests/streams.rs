//! Random streams: whatever the network does to the messages, no wrong state is ever in use.
//!
//! A failure tells the seed of its stream: `BELLWETHER_STREAMS_SEED` repeats it. `BELLWETHER_FAULTS=long` tries five
//! times as many.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::thread;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{RngExt as _, SeedableRng as _};

use super::*;
use crate::fixture::lives::{Life, is, lives};

/// Streams that are tried.
const STREAMS: u64 = 20_000;
/// The most fetches of the newest state that a session may still want once nothing goes wrong any more.
const LAST_FETCHES: u32 = 3;

/// What comes to the session over a network that harms it.
#[derive(Clone, Debug)]
struct Message {
    text: String,
    is_ready: bool,
    harmed: bool,
}

/// What has happened, for the message of a test that failed.
#[derive(Debug)]
#[expect(dead_code, reason = "read by Debug alone")]
enum Step {
    Opened { life: usize, newest: u64, have: Option<u64> },
    Heard(String),
    Fetched(String),
    Did(String),
}

/// A session, the server it listens to, and what lies between them.
struct Stream<'l> {
    lives: &'l [Life; 2],
    random: StdRng,
    session: Session,
    /// The server's life, and how far it is in it.
    life: usize,
    at: usize,
    wire: VecDeque<Message>,
    lossy: bool,
    in_use: Option<Arc<State>>,
    /// The highest revision that was in use, by life.
    highest: [u64; 2],
    /// Whether all that was heard in this conversation was as the server sent it, its greeting included.
    greeted: bool,
    harmed: bool,
    fetching: bool,
    fetches: u32,
    installs: u32,
    rejections: u32,
    steps: Vec<Step>,
}

impl<'l> Stream<'l> {
    /// A session with `have`, whose server is in a life at `at`; nothing is on the wire.
    fn new(lives: &'l [Life; 2], random: StdRng, have: Option<Arc<State>>, (life, at): (usize, usize)) -> Self {
        let (session, _) = Session::open(have.clone(), &identity(), super::at(0));
        let highest = [0, 1].map(|life: usize| {
            let mine = have.iter().find(|state| state.epoch() == lives[life].epoch());
            mine.map_or(0, |state| state.revision())
        });
        Self {
            lives,
            random,
            session,
            life,
            at,
            wire: VecDeque::new(),
            lossy: false,
            in_use: have,
            highest,
            greeted: false,
            harmed: false,
            fetching: false,
            fetches: 0,
            installs: 0,
            rejections: 0,
            steps: Vec::new(),
        }
    }

    fn life(&self) -> &'l Life {
        &self.lives[self.life]
    }

    fn newest(&self) -> &'l Arc<State> {
        &self.life().states[self.at]
    }

    /// Whether one out of so many.
    fn once_in(&mut self, many: u32) -> bool {
        self.random.random_range(0..many) == 0
    }

    /// Connects: the session says what it has, and the server answers as it does.
    fn open(&mut self) {
        let (session, first) = Session::open(self.in_use.clone(), &identity(), super::at(0));
        let FromSdk::Hello(Hello { have, .. }) = first else { panic!("{first:?}") };
        (self.session, self.fetching, self.greeted, self.harmed) = (session, false, false, false);
        self.wire.clear();
        let (life, newest) = (self.life(), self.newest());
        let known = have.as_ref().and_then(|have| life.states.iter().position(|state| is(have, state)));
        let opened = Step::Opened { life: self.life, newest: newest.revision(), have: have.map(|have| have.revision) };
        self.steps.push(opened);
        self.send(life.ready(self.at), true);
        match known {
            Some(known) if known <= self.at => {
                (known..self.at).for_each(|from| self.send(life.changes[from].clone(), false))
            }
            _ => self.send(life.resync(self.at), false),
        }
    }

    /// The server goes on by one revision, if there is one.
    fn make(&mut self) -> bool {
        let Some(change) = self.life().changes.get(self.at) else { return false };
        self.at += 1;
        self.send(change.clone(), false);
        true
    }

    /// Puts a message on the wire, or what a bad network makes of it.
    fn send(&mut self, text: String, is_ready: bool) {
        let message = Message { text, is_ready, harmed: false };
        if !self.lossy {
            return self.wire.push_back(message);
        }
        match self.random.random_range(0..10) {
            0 => {}
            1 => self.wire.extend([message.clone(), message]),
            2 | 3 => {
                let place = self.random.random_range(0..=self.wire.len());
                self.wire.insert(place, message);
            }
            4 => {
                let text = corrupt(&message.text, &mut self.random);
                let harmed = text != message.text;
                self.wire.push_back(Message { text, harmed, ..message });
            }
            _ => self.wire.push_back(message),
        }
    }

    /// The session hears the next message on the wire.
    fn hear(&mut self) {
        let Some(message) = self.wire.pop_front() else { return };
        self.harmed |= message.harmed;
        self.greeted |= message.is_ready && !message.harmed;
        let effects = self.session.on_text(&message.text, super::at(0));
        // The rest of a change says little.
        self.steps.push(Step::Heard(message.text.chars().take(60).collect()));
        self.follow(effects);
    }

    /// The fetch under way ends with the state at `at`, or in another way.
    fn answer(&mut self, at: usize) {
        let state = &self.life().states[at];
        let has_it = self.in_use.as_ref().is_some_and(|at| at.hash() == state.hash() && at.epoch() == state.epoch());
        let fetched = match self.random.random_range(0..8) {
            0 if self.lossy => Fetched::Failed,
            1 if self.lossy => Fetched::Refused { revision: state.revision(), error: "no".to_owned() },
            2 | 3 if has_it => Fetched::Unchanged,
            _ => Fetched::Fresh(Arc::clone(state)),
        };
        self.steps.push(Step::Fetched(match &fetched {
            Fetched::Fresh(state) => format!("{} of {}", state.revision(), state.epoch()),
            other => format!("{other:?}"),
        }));
        self.fetching = false;
        let effects = self.session.on_fetched(fetched);
        self.follow(effects);
    }

    /// Does what the session wants, and holds it against what is true.
    fn follow(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            self.steps.push(Step::Did(told_one(&effect)));
            match effect {
                Effect::Install(state) => self.install(state),
                Effect::Send(FromSdk::Applied { revision }) => {
                    assert_eq!(self.in_use.as_ref().map(|state| state.revision()), Some(revision), "it is in use");
                }
                Effect::Send(FromSdk::Rejected { .. }) => self.rejections += 1,
                Effect::Send(FromSdk::Hello(_)) => panic!("a second hello"),
                Effect::Fetch(_) => {
                    assert!(!self.fetching, "two fetches at once");
                    self.fetching = true;
                    self.fetches += 1;
                }
                Effect::Ready(_) | Effect::Drain(_) => {}
            }
        }
    }

    fn install(&mut self, state: Arc<State>) {
        let life = self.lives.iter().position(|life| life.epoch() == state.epoch()).expect("a life of the server");
        let truth = self.lives[life].at(state.revision()).expect("a revision of the server");
        assert_eq!(state.hash(), truth.hash(), "revision {} as the server had it", state.revision());
        assert!(state.revision() >= self.highest[life], "it goes back to {}", state.revision());
        assert!(life < self.life || state.revision() <= self.newest().revision(), "it comes before it was made");
        self.highest[life] = state.revision();
        self.installs += 1;
        self.in_use = Some(state);
    }

    fn hear_all(&mut self) {
        while !self.wire.is_empty() {
            self.hear();
        }
    }

    fn has_the_newest(&self) -> bool {
        self.in_use
            .as_ref()
            .is_some_and(|state| state.epoch() == self.life().epoch() && state.revision() == self.newest().revision())
    }

    /// Changes in order, none lost.
    fn clean(&mut self) {
        self.open();
        let before = self.in_use.as_ref().unwrap().revision();
        loop {
            // At times several wait, at times none.
            if self.once_in(2) {
                self.hear_all();
            }
            if !self.make() {
                break;
            }
        }
        self.hear_all();
        assert!(self.has_the_newest());
        assert_eq!((self.fetches, self.rejections), (0, 0), "nothing was missing");
        assert_eq!(u64::from(self.installs), self.newest().revision() - before, "each was in use");
    }

    /// Changes in order, of which some in a row are lost now and then; each fetch brings what is new.
    fn gaps(&mut self, at_most: u32) {
        self.open();
        self.hear_all();
        let (mut gaps, mut missing, mut asked) = (0, false, 0);
        while self.make() {
            let last = self.at == self.life().changes.len();
            if (gaps < at_most || missing) && !last && !self.fetching && self.once_in(3) {
                self.wire.clear();
                gaps += u32::from(!std::mem::replace(&mut missing, true));
                continue;
            }
            self.hear();
            assert_eq!(self.fetches, gaps, "one for each gap");
            if std::mem::take(&mut missing) {
                asked = self.at;
            }
            if self.fetching && (last || self.once_in(2)) {
                // What has come since the snapshot was made has been heard, and follows it.
                let at = self.random.random_range(asked..=self.at);
                self.answer(at);
            }
        }
        assert!(self.has_the_newest() && !self.fetching);
        assert_eq!((self.fetches, self.rejections), (gaps, gaps), "one for each gap");
    }

    /// Anything goes wrong, and then no longer.
    fn anything(&mut self) {
        self.lossy = true;
        self.open();
        for _ in 0..self.random.random_range(5..30) {
            match self.random.random_range(0..20) {
                0..=6 => _ = self.make(),
                7..=13 => self.hear(),
                14..=17 if self.fetching => {
                    // Another server of this store may lag, but no life comes back.
                    let at = if self.once_in(3) { self.random.random_range(0..=self.at) } else { self.at };
                    self.answer(at);
                }
                18 => self.send(self.life().resync(self.at), false),
                19 => {
                    if self.life == 0 && self.once_in(2) {
                        (self.life, self.at) = (1, self.random.random_range(0..4));
                    }
                    self.open();
                }
                _ => {}
            }
        }
        self.settle();
    }

    /// Nothing goes wrong any more: what was on its way arrives, and one more change or one more connection.
    fn settle(&mut self) {
        self.lossy = false;
        self.hear_all();
        if self.once_in(2) || !self.make() {
            self.open();
        }
        self.hear_all();
        for _ in 0..LAST_FETCHES {
            if self.fetching {
                self.answer(self.at);
            }
        }
        assert!(self.has_the_newest(), "it ends on the newest");
        // Who was told of revisions that there are not, or of no life, asks for them.
        assert!(!self.fetching || self.harmed || !self.greeted, "nothing is left to be fetched");
    }
}

/// A text with one thing wrong in it.
fn corrupt(text: &str, random: &mut StdRng) -> String {
    let mut bytes = text.as_bytes().to_vec();
    let place = random.random_range(0..bytes.len());
    match random.random_range(0..8) {
        0 => bytes.truncate(place),
        1 => bytes = b"nonsense".to_vec(),
        2 => {
            let end = (place + random.random_range(1..40)).min(bytes.len());
            let again = bytes[place..end].to_vec();
            bytes.splice(place..place, again);
        }
        3 | 4 => bytes[place] = random.random_range(b' '..=b'~'),
        // The numbers, which no hash is over.
        _ => {
            let member = ["\"from\":", "\"revision\":"].choose(random).unwrap();
            let Some(start) = text.find(member) else { return text.to_owned() };
            bytes[start + member.len()] = random.random_range(b'1'..=b'9');
        }
    }
    String::from_utf8(bytes).unwrap()
}

/// Tries the stream that follows from a seed.
fn try_one(lives: &[Life; 2], seed: u64) {
    let mut random = StdRng::seed_from_u64(seed);
    let kind = random.random_range(0..8);
    let at = random.random_range(0..4);
    let (mut life, any) = (0, |random: &mut StdRng| lives[0].states.choose(random).cloned());
    let have = match random.random_range(0..6) {
        _ if kind < 2 => Some(Arc::clone(&lives[0].states[random.random_range(0..=at)])),
        0 => None,
        1 => {
            life = 1;
            any(&mut random)
        }
        _ => Some(Arc::clone(&lives[0].states[random.random_range(0..=at)])),
    };
    let mut stream = Stream::new(lives, random, have, (life, at));
    let tried = catch_unwind(AssertUnwindSafe(|| match kind {
        0 => stream.clean(),
        1 => {
            let at_most = if stream.once_in(2) { 1 } else { u32::MAX };
            stream.gaps(at_most);
        }
        _ => stream.anything(),
    }));
    if let Err(panicked) = tried {
        println!("BELLWETHER_STREAMS_SEED={seed} repeats it: {:?}", stream.steps);
        resume_unwind(panicked);
    }
}

#[test]
fn a_wrong_state_is_never_in_use() {
    let lives = lives();
    if let Ok(seed) = std::env::var("BELLWETHER_STREAMS_SEED") {
        return try_one(&lives, seed.parse().unwrap());
    }
    let long = std::env::var("BELLWETHER_FAULTS").is_ok_and(|wanted| wanted == "long");
    let streams = if long { 5 * STREAMS } else { STREAMS };
    let first: u64 = rand::random();
    let threads = thread::available_parallelism().map_or(1, |threads| threads.get() as u64);
    thread::scope(|scope| {
        for thread in 0..threads {
            let lives = &lives;
            scope.spawn(move || {
                for stream in (thread..streams).step_by(threads as usize) {
                    try_one(lives, first.wrapping_add(stream));
                }
            });
        }
    });
}
